"""The logs of long-running commands: events with fields, JSON in a container, readable on a terminal; to standard error.

- A command that answers at once logs nothing but what a person has to know, and never to standard output, which is for its answer.
"""

import logging
import sys

import structlog


def hush_logs() -> None:
    """For commands that answer at once."""
    configure_logs(log_format="console", log_level="warning")


def configure_logs(*, log_format: str, log_level: str) -> None:
    """`log_format` is `json`, `console` or `auto` (console on a terminal); `log_level` a lower-case level."""
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if console else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, log_level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
