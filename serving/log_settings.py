"""What every server can be told about its log."""

from collections.abc import Iterator
from dataclasses import dataclass

from serving.settings import setting

_FORMATS = ("auto", "json", "console")
_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    log_format: str = setting("auto", "`json`, `console`, or `auto`: console on a terminal.", choices=_FORMATS)
    log_level: str = setting("info", "`debug`, `info`, `warning` or `error`.", choices=_LEVELS)

    def log_faults(self) -> Iterator[str]:
        if self.log_format not in _FORMATS:
            yield "log_format: must be json, console or auto"
        if self.log_level not in _LEVELS:
            yield "log_level: must be debug, info, warning or error"
