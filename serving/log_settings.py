"""What every server can be told about its log."""

from collections.abc import Iterator
from dataclasses import dataclass

from serving.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    log_format: str = setting("auto", "`json`, `console`, or `auto`: console on a terminal.")
    log_level: str = setting("info", "`debug`, `info`, `warning` or `error`.")

    def log_faults(self) -> Iterator[str]:
        if self.log_format not in {"auto", "json", "console"}:
            yield "log_format: must be json, console or auto"
        if self.log_level not in {"debug", "info", "warning", "error"}:
            yield "log_level: must be debug, info, warning or error"
