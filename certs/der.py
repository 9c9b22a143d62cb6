"""DER (ITU-T X.690) as far as certificates, CRLs and OCSP need it: an encoder and a strict reader.

- The encoder makes the only encoding DER allows; it is compared with `cryptography`'s builders by `certs.lint`.
- The reader refuses indefinite lengths, padded lengths, multi-octet tags and elements that leave their parent.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from certs.errors import MalformedInput

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
ENUMERATED = 0x0A
UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
IA5_STRING = 0x16
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31

TRUE = b"\x01\x01\xff"
_SHORT_HEADERS = tuple(tuple(bytes((tag, length)) for length in range(0x80)) for tag in range(0x100))


def context(number: int, *, constructed: bool) -> int:
    """The identifier octet of a context-specific tag; `number` is 0 to 30."""
    return 0x80 | (0x20 if constructed else 0) | number


def encode(tag: int, content: bytes) -> bytes:
    """One element, its length in the fewest octets (X.690 §10.1)."""
    length = len(content)
    if length < 0x80:
        return _SHORT_HEADERS[tag][length] + content
    if length < 0x100:
        return bytes((tag, 0x81, length)) + content
    if length < 0x10000:
        return bytes((tag, 0x82, length >> 8, length & 0xFF)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def sequence(*elements: bytes) -> bytes:
    """SEQUENCE of elements that are encoded already."""
    return encode(SEQUENCE, b"".join(elements))


def integer(value: int) -> bytes:
    """INTEGER in the fewest octets of two's complement (X.690 §8.3.2)."""
    return encode(INTEGER, _twos_complement(value))


def enumerated(value: int) -> bytes:
    """ENUMERATED; contents as INTEGER has them."""
    return encode(ENUMERATED, _twos_complement(value))


def object_identifier(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form (X.690 §8.19)."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return encode(OBJECT_IDENTIFIER, b"".join(_base_128(arc) for arc in (40 * first + second, *rest)))


def bit_string(octets: bytes) -> bytes:
    """BIT STRING of whole octets."""
    return encode(BIT_STRING, b"\0" + octets)


def named_bits(bits: frozenset[int]) -> bytes:
    """BIT STRING of a named bit list, trailing zero bits removed (X.690 §11.2.2); bit 0 is the leftmost."""
    if not bits:
        return encode(BIT_STRING, b"\0")
    width = max(bits) + 1
    unused = -width % 8
    value = sum(1 << (width - 1 - bit) for bit in bits) << unused
    return encode(BIT_STRING, bytes((unused,)) + value.to_bytes((width + unused) // 8, "big"))


def time(moment: datetime) -> bytes:
    """UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5); `moment` is aware UTC in whole seconds."""
    tail = b"%02d%02d%02d%02d%02dZ" % (moment.month, moment.day, moment.hour, moment.minute, moment.second)
    if 1950 <= moment.year < 2050:
        return b"\x17\x0d%02d%b" % (moment.year % 100, tail)
    return b"\x18\x0f%04d%b" % (moment.year, tail)


def generalized_time(moment: datetime) -> bytes:
    """GeneralizedTime in whole seconds with `Z` (RFC 6960 §4.2.2.1, RFC 5280 §4.1.2.5.2)."""
    fields = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    return b"\x18\x0f%04d%02d%02d%02d%02d%02dZ" % fields


class Element(NamedTuple):
    """One element read from `source`: header from `start`, content from `content_start`, both up to `end`."""

    source: bytes
    tag: int
    start: int
    content_start: int
    end: int

    @property
    def content(self) -> bytes:
        """The octets of the value."""
        return self.source[self.content_start : self.end]

    @property
    def encoded(self) -> bytes:
        """Header and value."""
        return self.source[self.start : self.end]

    def children(self) -> Iterator["Element"]:
        """The elements inside, in order. Raises MalformedInput where they do not fill this element exactly."""
        offset = self.content_start
        while offset < self.end:
            content_start, end = _bounds(self.source, offset, self.end)
            yield Element(self.source, self.source[offset], offset, content_start, end)
            offset = end


def read(data: bytes, tag: int = SEQUENCE) -> Element:
    """Reads the one element that `data` is. Raises MalformedInput for another tag, or octets that follow it."""
    return Element(data, tag, 0, _only(data, tag), len(data))


def content(element: bytes, tag: int = SEQUENCE) -> bytes:
    """The value of the one element that `element` is. Raises MalformedInput as `read` does."""
    return element[_only(element, tag) :]


def split(octets: bytes) -> list[bytes]:
    """The encodings of the elements that `octets` is a row of. Raises MalformedInput."""
    elements = []
    offset, limit = 0, len(octets)
    while offset < limit:
        _, end = _bounds(octets, offset, limit)
        elements.append(octets[offset:end])
        offset = end
    return elements


def _only(data: bytes, tag: int) -> int:
    """Where the content of the one element that `data` is starts."""
    content_start, end = _bounds(data, 0, len(data))
    if data[0] != tag:
        raise MalformedInput(f"expected DER tag {tag:#04x}, found {data[0]:#04x}")
    if end != len(data):
        raise MalformedInput(f"{len(data) - end} octets follow the DER value; remove them")
    return content_start


def _bounds(source: bytes, offset: int, limit: int) -> tuple[int, int]:
    """Where the content of the element at `offset` starts and ends."""
    if limit - offset < 2:
        raise MalformedInput("the DER value is cut short")
    if source[offset] & 0x1F == 0x1F:
        raise MalformedInput("multi-octet DER tags do not occur in X.509")
    length = source[offset + 1]
    content_start = offset + 2
    if length >= 0x80:
        content_start += length & 0x7F
        length = _long_length(source[offset + 2 : content_start])
    if length > limit - content_start:
        raise MalformedInput("the DER value is cut short")
    return content_start, content_start + length


def _long_length(octets: bytes) -> int:
    length = int.from_bytes(octets, "big")
    if not 1 <= len(octets) <= 4 or octets[0] == 0 or length < 0x80:
        raise MalformedInput("the DER length is indefinite, padded or too large")
    return length


def _twos_complement(value: int) -> bytes:
    magnitude = value if value >= 0 else ~value
    return value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True)


def _base_128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(0x80 | arc & 0x7F)
    return bytes(reversed(octets))
