"""Warnings to a caller, as headers (RFC 7234 section 5.5: code 299, no agent).

- Told once each, bounded in number and length: whoever sends a thousand unknown fields gets no thousand headers.
"""

from collections.abc import Sequence

_LONGEST_TEXT = 256
_LARGEST = 4096  # octets of all texts, as kube-apiserver bounds them


class WarningHeaders:
    """Collects sentences; `values` are those of the Warning headers."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}

    def add(self, text: str) -> None:
        printable = "".join(character if character.isprintable() else " " for character in text)
        self._texts[printable] = None

    @property
    def values(self) -> Sequence[str]:
        found, octets = [], 0
        for text in self._texts:
            shown = text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"
            octets += len(shown.encode())
            if octets > _LARGEST:
                break
            found.append(f"299 - {_quoted(shown)}")
        return found


def _quoted(text: str) -> str:
    """A quoted-string (RFC 9110 section 5.6.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
