"""Regular expressions of schemas, as Go understands them: RE2.

- Matching takes time in proportion to the text, whatever the expression: no text that a caller sends can hold the server up.
- Python's own expressions differ: `\\d` takes any script's digits there, `$` a final newline, and `(?!…)` is none at all here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import re2

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


class PatternInvalid(Exception):
    """The text is no expression of RE2."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Compiled. Two are equal where their texts are."""

    text: str
    _compiled: Any

    @classmethod
    def compile(cls, text: str) -> "Pattern":
        """Raises PatternInvalid."""
        try:
            return cls(text, re2.compile(text, _OPTIONS))
        except re2.error as err:
            why = err.args[0] if err.args else ""
            raise PatternInvalid(why.decode(errors="replace") if isinstance(why, bytes) else str(why)) from err

    def occurs_in(self, text: str) -> bool:
        """Whether some part of `text` matches."""
        return self._compiled.search(text) is not None

    def occurrences(self, text: str) -> Iterator[str]:
        """Each part of `text` that matches, from left to right."""
        for match in self._compiled.finditer(text):
            yield match.group(0)
