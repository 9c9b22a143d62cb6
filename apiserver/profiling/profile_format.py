"""The profile format of pprof: a protobuf message, compressed (github.com/google/pprof, proto/profile.proto).

- Written here by hand: a dozen fields of two wire types, against a generated module and its run time.
- Names are in the profile, so that whoever opens it needs neither the program nor its sources.
"""

import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

_VARINT, _BYTES = 0, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A place in the program; `first_line` is where the function begins, 0 where nobody knows."""

    function: str
    file: str
    line: int
    first_line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`stack` has the innermost frame first; `values` as many as there are kinds of value."""

    stack: tuple[Frame, ...]
    values: tuple[int, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


def encode_profile(
    samples: Iterable[Sample],
    *,
    kinds: Sequence[tuple[str, str]],
    period: tuple[str, str, int],
    time_nanos: int,
    duration_nanos: int,
    shown: str = "",
    comments: Sequence[str] = (),
) -> bytes:
    """`kinds` are the types of value with their units, `period` that of sampling with its length.

    `shown` is the kind that a reader is shown first; empty: the last one.
    """
    writer = _Writer()
    for kind, unit in kinds:
        writer.message(1, writer.value_type(kind, unit))
    writer.message(3, writer.mapping("python"))
    for sample in samples:
        locations = b"".join(_varint(writer.location(frame)) for frame in sample.stack)
        values = b"".join(_varint(value) for value in sample.values)
        labels = b"".join(_field(3, writer.label(name, text)) for name, text in sample.labels.items())
        writer.message(2, _field(1, locations) + _field(2, values) + labels)
    kind, unit, length = period
    writer.message(11, writer.value_type(kind, unit))
    tail = _number(9, time_nanos) + _number(10, duration_nanos) + _number(12, length)
    tail += b"".join(_number(13, writer.text(comment)) for comment in comments)
    tail += _number(14, writer.text(shown or kinds[-1][0]))
    return gzip.compress(tail + writer.finished(), mtime=0)


class _Writer:
    """Gives numbers to texts, functions and places, each once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._texts: dict[str, int] = {"": 0}
        self._functions: dict[tuple[str, str, int], int] = {}
        self._locations: dict[Frame, int] = {}

    def message(self, number: int, content: bytes) -> None:
        self._parts.append(_field(number, content))

    def text(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts))

    def value_type(self, kind: str, unit: str) -> bytes:
        return _number(1, self.text(kind)) + _number(2, self.text(unit))

    def label(self, name: str, text: str) -> bytes:
        return _number(1, self.text(name)) + _number(2, self.text(text))

    def mapping(self, file: str) -> bytes:
        """The one there is; it says that functions, files and lines are known already."""
        return _number(1, 1) + _number(5, self.text(file)) + _number(7, 1) + _number(8, 1) + _number(9, 1)

    def location(self, frame: Frame) -> int:
        known = self._locations.get(frame)
        if known is None:
            known = self._locations[frame] = len(self._locations) + 1
            line = _number(1, self._function(frame)) + _number(2, frame.line)
            self.message(4, _number(1, known) + _number(2, 1) + _field(4, line))
        return known

    def finished(self) -> bytes:
        """What was written, and the table of texts: to be called last, as a text after it would be in no table."""
        return b"".join(self._parts) + b"".join(_field(6, text.encode(errors="replace")) for text in self._texts)

    def _function(self, frame: Frame) -> int:
        key = (frame.function, frame.file, frame.first_line)
        known = self._functions.get(key)
        if known is None:
            known = self._functions[key] = len(self._functions) + 1
            name, file = self.text(frame.function), self.text(frame.file)
            content = _number(1, known) + _number(2, name) + _number(3, name) + _number(4, file)
            self.message(5, content + _number(5, frame.first_line))
        return known


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _varint(value: int) -> bytes:
    """Base 128, least significant first; a negative number is its two's complement in 64 bits."""
    value &= (1 << 64) - 1
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)
