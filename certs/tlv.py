"""Reading DER element by element (X.690 §8.1, §10.1), where only a slice of a known structure is wanted.

- A read never leaves the buffer: a length that does not fit raises ValueError.
- Only what DER allows is read: definite lengths in their shortest form, tags of one octet.
"""

from collections.abc import Iterator

MAX_LENGTH_OCTETS = 4


def read_element(der: bytes, start: int) -> tuple[int, int, int]:
    """The element at offset `start`: its tag, and the offsets where its value begins and ends. Raises ValueError."""
    begin = start + 2
    if begin > len(der):
        raise ValueError("DER element is cut short")
    tag, length = der[start], der[start + 1]
    if tag & 0x1F == 0x1F:
        raise ValueError("DER tag has more than one octet")
    if length >= 0x80:
        begin += length & 0x7F
        length = _long_length(der[start + 2 : begin], length & 0x7F)
    end = begin + length
    if end > len(der):
        raise ValueError("DER element is cut short")
    return tag, begin, end


def read_elements(der: bytes, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Each element between two offsets, as `read_element` answers it. Raises ValueError if one reaches past `end`."""
    while begin < end:
        element = read_element(der, begin)
        begin = element[2]
        yield element
    if begin != end:
        raise ValueError("DER element is longer than what contains it")


def _long_length(octets: bytes, announced: int) -> int:
    length = int.from_bytes(octets, "big")
    if not 1 <= announced <= MAX_LENGTH_OCTETS or len(octets) != announced or octets[0] == 0 or length < 0x80:
        raise ValueError("DER length is not in its shortest form")
    return length
