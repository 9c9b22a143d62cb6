"""Serial numbers of the certificates that we issue (RFC 5280 §4.1.2.2).

- 16 octets: a 5-octet time prefix, so that an index of serials grows at one end, and 88 random bits.
- The first octet lies in 0x01..0x7f: a positive integer whose DER is exactly these octets. The prefix lasts to 2242.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from certs.errors import MalformedSerial

Entropy = Callable[[int], bytes]
"""Answers n random octets from a cryptographically secure source."""

SERIAL_OCTETS = 16
_PREFIX_OCTETS = 5
_RANDOM_OCTETS = SERIAL_OCTETS - _PREFIX_OCTETS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(seconds=1) / 64


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Serial:
    """A serial number; serials sort by the moment they were minted, to 1/64 s."""

    octets: bytes

    def __post_init__(self) -> None:
        if len(self.octets) != SERIAL_OCTETS or not 0x01 <= self.octets[0] <= 0x7F:
            raise MalformedSerial(
                f"a serial is {SERIAL_OCTETS} octets that begin with 01 to 7f, so check where it was copied from"
            )

    @classmethod
    def mint(cls, now: datetime, entropy: Entropy) -> Self:
        """A fresh serial for the aware instant `now` with 88 bits from `entropy`."""
        ticks = (now - _EPOCH) // _TICK
        return cls(octets=ticks.to_bytes(_PREFIX_OCTETS, "big") + entropy(_RANDOM_OCTETS))

    @classmethod
    def from_int(cls, number: int) -> Self:
        """The serial of a parsed certificate. Raises MalformedSerial for one that we cannot have issued."""
        if not 0 < number.bit_length() <= 8 * SERIAL_OCTETS or number < 0:
            raise MalformedSerial(
                f"a serial is a positive integer of {SERIAL_OCTETS} octets, so this certificate is not ours"
            )
        return cls(octets=number.to_bytes(SERIAL_OCTETS, "big"))

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Read 32 hexadecimal digits, as ``str`` writes them; OpenSSL's upper case and colons are understood."""
        digits = text.strip().replace(":", "")
        if len(digits) != 2 * SERIAL_OCTETS or not set(digits) <= set("0123456789abcdefABCDEF"):
            raise MalformedSerial(
                f"a serial is written as {2 * SERIAL_OCTETS} hexadecimal digits, so check where it was copied from"
            )
        return cls(octets=bytes.fromhex(digits))

    def to_int(self) -> int:
        return int.from_bytes(self.octets, "big")

    @property
    def hex(self) -> str:
        """32 lower-case hexadecimal digits."""
        return self.octets.hex()

    @property
    def minted_at(self) -> datetime:
        """The instant in the prefix, UTC, cut to 1/64 s."""
        return _EPOCH + int.from_bytes(self.octets[:_PREFIX_OCTETS], "big") * _TICK

    def __str__(self) -> str:
        return self.octets.hex()
