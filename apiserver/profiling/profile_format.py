"""The profile format of pprof: a protobuf message, compressed (github.com/google/pprof, proto/profile.proto).

- Written here by hand: a dozen fields of two wire types, against a generated module and its run time.
"""

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_VARINT, _BYTES = 0, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A place in the program."""

    function: str
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`stack` has the innermost frame first; `values` as many as there are kinds of value."""

    stack: tuple[Frame, ...]
    values: tuple[int, ...]


def encode_profile(
    samples: Iterable[Sample],
    *,
    kinds: Sequence[tuple[str, str]],
    period: tuple[str, str, int],
    time_nanos: int,
    duration_nanos: int,
) -> bytes:
    """`kinds` are the types of value with their units, `period` that of sampling with its length."""
    writer = _Writer()
    for kind, unit in kinds:
        writer.message(1, writer.value_type(kind, unit))
    for sample in samples:
        locations = b"".join(_varint(writer.location(frame)) for frame in sample.stack)
        values = b"".join(_varint(value) for value in sample.values)
        writer.message(2, _field(1, locations) + _field(2, values))
    kind, unit, length = period
    period_type = writer.value_type(kind, unit)
    tail = _number(9, time_nanos) + _number(10, duration_nanos) + _field(11, period_type) + _number(12, length)
    return gzip.compress(writer.finished() + tail, mtime=0)


class _Writer:
    """Gives numbers to texts, functions and places, each once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._texts: dict[str, int] = {"": 0}
        self._functions: dict[tuple[str, str], int] = {}
        self._locations: dict[Frame, int] = {}

    def message(self, number: int, content: bytes) -> None:
        self._parts.append(_field(number, content))

    def value_type(self, kind: str, unit: str) -> bytes:
        return _number(1, self._text(kind)) + _number(2, self._text(unit))

    def location(self, frame: Frame) -> int:
        known = self._locations.get(frame)
        if known is None:
            known = self._locations[frame] = len(self._locations) + 1
            line = _number(1, self._function(frame)) + _number(2, frame.line)
            self.message(4, _number(1, known) + _field(4, line))
        return known

    def finished(self) -> bytes:
        return b"".join(self._parts) + b"".join(_field(6, text.encode()) for text in self._texts)

    def _function(self, frame: Frame) -> int:
        key = (frame.function, frame.file)
        known = self._functions.get(key)
        if known is None:
            known = self._functions[key] = len(self._functions) + 1
            name, file = self._text(frame.function), self._text(frame.file)
            self.message(5, _number(1, known) + _number(2, name) + _number(3, name) + _number(4, file))
        return known

    def _text(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _varint(value: int) -> bytes:
    """Base 128, least significant first."""
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)
