"""Logs: events with fields, JSON in containers, readable on a terminal.

- Nothing here formats or filters secrets away: keys, tokens and request bodies are never handed to a logger.
"""

import logging
from collections.abc import Sequence
from typing import TextIO

import structlog
from structlog.typing import Processor

from ca.settings import Observability


def configure_logging(settings: Observability, stream: TextIO) -> None:
    """Sends every event of this process to `stream`. Call it once, where the process is composed."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and stream.isatty())
    structlog.configure(
        processors=[*_shared(), *(_console() if console else _json())],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )


def _shared() -> Sequence[Processor]:
    return (
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    )


def _console() -> Sequence[Processor]:
    return (structlog.dev.ConsoleRenderer(),)


def _json() -> Sequence[Processor]:
    return (structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer())
