"""The patterns that rules are written in.

- Matching is linear in the text: no regular expression of a user's is ever compiled.
- `*` stands for one DNS label, one path segment, or a run of characters within one; `**` for any number of them.
- `denying` patterns err on the other side: they match wherever they might, since matching is then what refuses.
"""

import re
from dataclasses import dataclass
from typing import Protocol

from ca.callers import Caller
from ca.policy.placeholders import Pieces, fill

_DNS_SEPARATORS = "."
_URI_SEPARATORS = "/?#%:@\\"


class Pattern(Protocol):
    def matches(self, text: str, caller: Caller) -> bool: ...


def is_literal(pattern: str) -> bool:
    return "*" not in pattern and "{" not in pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPattern:
    """A common name or an organization; `*` is any run of characters. Letter case counts, unless it denies."""

    pieces: Pieces
    templated: bool
    denying: bool

    @classmethod
    def parse(cls, pattern: str, *, denying: bool = False) -> "TextPattern":
        return cls(pieces=tuple(pattern.split("*")), templated="{" in pattern, denying=denying)

    def matches(self, text: str, caller: Caller) -> bool:
        pieces = fill(self.pieces, caller) if self.templated else self.pieces
        if pieces is None:
            return False
        if self.denying:
            return _pieces_match(tuple(piece.casefold() for piece in pieces), text.casefold())
        return _pieces_match(pieces, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsPattern:
    """Labels compared one to one; a leading `**` is one or more labels, alone it is any name.

    The name of a wildcard certificate matches where `*` itself does; if denying, wherever a name that it covers would.
    """

    labels: tuple[Pieces, ...]
    deep: bool
    templated: bool
    denying: bool

    @classmethod
    def parse(cls, pattern: str, *, denying: bool = False) -> "DnsPattern":
        labels = pattern.split(".")
        deep = labels[0] == "**"
        return cls(
            labels=tuple(tuple(label.split("*")) for label in (labels[1:] if deep else labels)),
            deep=deep,
            templated="{" in pattern,
            denying=denying,
        )

    def matches(self, text: str, caller: Caller) -> bool:
        labels = self._filled(caller) if self.templated else self.labels
        if labels is None:
            return False
        asked = text.split(".")
        surplus = len(asked) - len(labels)
        if surplus < 1 if self.deep else surplus != 0:
            return False
        return all(
            (self.denying and label == "*") or _pieces_match(pieces, label)
            for pieces, label in zip(labels, asked[surplus:], strict=True)
        )

    def _filled(self, caller: Caller) -> tuple[Pieces, ...] | None:
        filled: list[Pieces] = []
        for pieces in self.labels:
            spanning = pieces == ("{trust_domain}",) or (pieces == ("{common_name}",) and self._is_one_label())
            label = fill(pieces, caller, separators="" if spanning else _DNS_SEPARATORS)
            if label is None:
                return None
            if spanning:
                filled.extend((part,) for part in _lower(label[0]).split("."))
            else:
                filled.append(tuple(map(_lower, label)))
        return tuple(filled)

    def _is_one_label(self) -> bool:
        return len(self.labels) == 1 and not self.deep


@dataclass(frozen=True, slots=True, kw_only=True)
class UriPattern:
    """What `/` separates, compared one to one; a trailing `/**` is one or more segments, `**` alone is any URI.

    A URI with dot segments (RFC 3986 §5.2.4), or with an encoded dot or slash, is another one than it seems: no pattern
    allows it.
    """

    segments: tuple[Pieces, ...]
    deep: bool
    templated: bool
    denying: bool

    @classmethod
    def parse(cls, pattern: str, *, denying: bool = False) -> "UriPattern":
        segments = pattern.split("/")
        deep = segments[-1] == "**"
        return cls(
            segments=tuple(tuple(segment.split("*")) for segment in (segments[:-1] if deep else segments)),
            deep=deep,
            templated="{" in pattern,
            denying=denying,
        )

    def matches(self, text: str, caller: Caller) -> bool:
        if _is_disguised(text):
            return self.denying
        asked = text.split("/")
        surplus = len(asked) - len(self.segments)
        if surplus < 1 if self.deep else surplus != 0:
            return False
        return all(self._segment_matches(*pair, caller) for pair in zip(self.segments, asked, strict=False))

    def _segment_matches(self, pieces: Pieces, segment: str, caller: Caller) -> bool:
        filled = fill(pieces, caller, separators=_URI_SEPARATORS) if self.templated else pieces
        return filled is not None and _pieces_match(filled, segment)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailPattern:
    """`*@example.com`: a run of characters before the `@`, a DNS pattern behind it; `**` alone is any address."""

    local_part: TextPattern
    domain: DnsPattern

    @classmethod
    def parse(cls, pattern: str, *, denying: bool = False) -> "EmailPattern":
        local_part, _, domain = pattern.rpartition("@")
        return cls(
            local_part=TextPattern.parse(local_part or "*", denying=denying),
            domain=DnsPattern.parse(domain, denying=denying),
        )

    def matches(self, text: str, caller: Caller) -> bool:
        local_part, _, domain = text.rpartition("@")
        return self.domain.matches(domain, caller) and self.local_part.matches(local_part, caller)


def _pieces_match(pieces: Pieces, text: str) -> bool:
    """Whether the pieces stand in the text in order, the first at its start, the last at its end, no `*` on ''."""
    if len(pieces) == 1:
        return pieces[0] == text
    first, last = pieces[0], pieces[-1]
    if not text or len(first) + len(last) > len(text) or not text.startswith(first) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for piece in pieces[1:-1]:
        position = text.find(piece, position, end)
        if position < 0:
            return False
        position += len(piece)
    return True


def _lower(text: str) -> str:
    """Lower case for ASCII alone: other alphabets have capitals whose small letter is an ASCII one."""
    return text.lower() if text.isascii() else text


def _is_disguised(uri: str) -> bool:
    if "%" in uri and ("%2e" in uri.lower() or "%2f" in uri.lower()):
        return True
    return "/." in uri and not {".", ".."}.isdisjoint(re.split(r"[/?#]", uri))
