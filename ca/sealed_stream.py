"""A stream of octets encrypted under a passphrase, written and read in pieces, of which not one can be changed, moved or cut off.

- A header of 36 octets: name, version, and cost and salt of scrypt (RFC 7914), which makes a key that is this stream's alone.
- Then AES-256-GCM over pieces of 64 KiB, each with its number in its nonce and the last one marked there (the STREAM construction
  of Hoang, Reyhanitabar, Rogaway and Vizár, as in age); the header is authenticated with every piece.
- Whoever reads is handed only what has been authenticated; that nothing is missing is known at the end.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ca.ambient import Entropy
from ca.errors import BackupDamaged
from certs.errors import PassphraseRequired, WrongPassphrase

PIECE_OCTETS = 1 << 16

_NAME = b"chancery-backup\n"
_VERSION = 1
_HEADER = struct.Struct(">16sBBBB16s")
_SALT_OCTETS = 16
_TAG_OCTETS = 16
_LARGEST_LOG_COST = 20
_LARGEST_BLOCKS = 16
_LARGEST_PARALLEL = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCost:
    """Parameters of scrypt: 2 to the power of `log_n`, r and p. Time and memory grow with n·r, 128 octets each."""

    log_n: int = 17
    r: int = 8
    p: int = 1


DEFAULT_STREAM_COST = StreamCost()
"""128 MiB and about half a second, once for each backup."""


class SealedWriter:
    """Encrypts what is written to it into `file`. Without `close` the stream is cut off, and will be told to be."""

    def __init__(
        self, file: BinaryIO, passphrase: bytes, entropy: Entropy, *, cost: StreamCost = DEFAULT_STREAM_COST
    ) -> None:
        if not passphrase:
            raise PassphraseRequired("the passphrase of the backup is empty; give one")
        self._header = _HEADER.pack(_NAME, _VERSION, cost.log_n, cost.r, cost.p, entropy(_SALT_OCTETS))
        self._cipher = _cipher(self._header, passphrase)
        self._file = file
        self._piece = bytearray()
        self._number = 0
        file.write(self._header)

    def write(self, octets: bytes) -> None:
        self._piece += octets
        while len(self._piece) > PIECE_OCTETS:  # a full piece waits until it is known whether it is the last
            self._seal(bytes(self._piece[:PIECE_OCTETS]), last=False)
            del self._piece[:PIECE_OCTETS]

    def close(self) -> None:
        self._seal(bytes(self._piece), last=True)

    def _seal(self, piece: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last=last), piece, self._header))
        self._number += 1


class SealedReader:
    """Decrypts what `SealedWriter` wrote into `file`."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        """Raises BackupDamaged where that is something else, WrongPassphrase."""
        self._header = file.read(_HEADER.size)
        _verify_header(self._header)
        self._cipher = _cipher(self._header, passphrase)
        self._file = file
        self._number = 0
        self._ahead = file.read(PIECE_OCTETS + _TAG_OCTETS)
        self._ended = False
        self._piece = bytearray(self._open())

    def read(self, count: int) -> bytes:
        """Exactly that many octets. Raises BackupDamaged, also where there are no more."""
        while len(self._piece) < count:
            if self._ended:
                raise BackupDamaged("the backup ends too early; take another")
            self._piece += self._open()
        octets = bytes(self._piece[:count])
        del self._piece[:count]
        return octets

    def verify_end(self) -> None:
        """Raises BackupDamaged where there is more."""
        if self._piece or not self._ended:
            raise BackupDamaged("the backup goes on behind its end; take another")

    def _open(self) -> bytes:
        sealed, self._ahead = self._ahead, self._file.read(PIECE_OCTETS + _TAG_OCTETS)
        last = not self._ahead
        try:
            piece = self._cipher.decrypt(_nonce(self._number, last=last), sealed, self._header)
        except InvalidTag as err:
            if self._number == 0:
                raise WrongPassphrase("the passphrase does not open the backup, or its beginning is damaged") from err
            raise BackupDamaged(f"the backup is damaged or cut off in its piece {self._number}; take another") from err
        self._number += 1
        self._ended = last
        return piece


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])


def _cipher(header: bytes, passphrase: bytes) -> AESGCM:
    _name, _version, log_n, r, p, salt = _HEADER.unpack(header)
    memory = 2 * 128 * r * (p + 2 ** int(log_n))
    return AESGCM(hashlib.scrypt(passphrase, salt=salt, n=2**log_n, r=r, p=p, maxmem=memory, dklen=32))


def _verify_header(header: bytes) -> None:
    """Also refuses a cost that would take the machine's memory."""
    if len(header) < _HEADER.size or not header.startswith(_NAME):
        raise BackupDamaged("that is not a backup of an authority; name another file")
    _name, version, log_n, r, p, _salt = _HEADER.unpack(header)
    if version != _VERSION:
        raise BackupDamaged(
            f"the backup has format {version}, this release knows {_VERSION}; use the release that made it"
        )
    if not (1 <= log_n <= _LARGEST_LOG_COST and 1 <= r <= _LARGEST_BLOCKS and 1 <= p <= _LARGEST_PARALLEL):
        raise BackupDamaged("the scrypt parameters of the backup are beyond reason; take another")
