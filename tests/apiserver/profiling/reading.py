"""Profiles as others read them: the wire format taken apart again, and Go's own tool."""

import gzip
import os
import subprocess

from tests.servers.go import SETTINGS


def fields(octets):
    """(number, value) of a protobuf message: integers, or octets."""
    found, at = [], 0
    while at < len(octets):
        tag, at = _varint(octets, at)
        number, wire = tag >> 3, tag & 7
        value, at = _varint(octets, at)
        if wire == 2:
            value, at = octets[at : at + value], at + value
        else:
            assert wire == 0
        found.append((number, value))
    assert at == len(octets)
    return found


def varints(octets):
    found, at = [], 0
    while at < len(octets):
        value, at = _varint(octets, at)
        found.append(value)
    return found


def _varint(octets, at):
    value = shift = 0
    while True:
        octet = octets[at]
        value |= (octet & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if octet < 0x80:
            return value, at


class Read:
    """A profile: its texts, kinds, and samples as ({kind: value}, [function, …], {label: text})."""

    def __init__(self, profile):
        message = fields(gzip.decompress(profile))
        self.texts = [value.decode() for number, value in message if number == 6]
        assert self.texts[0] == ""
        numbers = {number: value for number, value in message if number in {9, 10, 12, 14}}
        self.time_nanos, self.duration_nanos = numbers.get(9), numbers.get(10)
        self.shown = self.texts[numbers[14]]
        self.comments = [self.texts[value] for number, value in message if number == 13]
        self.kinds = [self._text(value, 1) for number, value in message if number == 1]
        functions = {dict(fields(v))[1]: self._text(v, 2) for number, v in message if number == 5}
        places = {}
        for number, value in message:
            if number == 4:
                place = dict(fields(value))
                assert place[2] == 1, "each place is in the one mapping"
                line = dict(fields(place[4]))
                places[place[1]] = functions[line[1]]
        self.samples = [self._sample(value, places) for number, value in message if number == 2]

    def _text(self, octets, number):
        return self.texts[dict(fields(octets))[number]]

    def _sample(self, octets, places):
        parts = fields(octets)
        stack = [places[one] for number, value in parts if number == 1 for one in varints(value)]
        values = [one for number, value in parts if number == 2 for one in varints(value)]
        labels = {self._text(value, 1): self._text(value, 2) for number, value in parts if number == 3}
        return dict(zip(self.kinds, values, strict=True)), stack, labels

    def total(self, kind, /, *, function=None, **labels):
        return sum(
            values[kind]
            for values, stack, has in self.samples
            if (function is None or function in stack) and labels.items() <= has.items()
        )


class Pprof:
    """`go tool pprof`, which Go builds when it is first asked for."""

    def __init__(self, go):
        self._go = go

    def __call__(self, *arguments):
        done = subprocess.run(
            [self._go, "tool", "pprof", *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            timeout=290,
            env={**os.environ, **SETTINGS},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
