"""Bodies as they are stored: zstd where that makes them smaller."""

import threading
from enum import IntEnum

import zstandard

from store.errors import StoreCorrupt

_WORTH_PACKING = 256  # octets
_LEVEL = 1  # on reports, level 3 takes longer and saves nothing


class Encoding(IntEnum):
    """Part of the stored form: a number keeps its meaning."""

    PLAIN = 0
    ZSTD = 1


class _Codec(threading.local):
    """Neither may be used by two threads at once, and making one costs more than packing a small body."""

    def __init__(self) -> None:
        self.packer = zstandard.ZstdCompressor(level=_LEVEL)
        self.unpacker = zstandard.ZstdDecompressor()


_codec = _Codec()


def encode_body(body: bytes) -> tuple[Encoding, bytes]:
    if len(body) < _WORTH_PACKING:
        return Encoding.PLAIN, body
    packed = _codec.packer.compress(body)
    return (Encoding.ZSTD, packed) if len(packed) < len(body) else (Encoding.PLAIN, body)


def decode_body(encoding: int, encoded: bytes, octets: int) -> bytes:
    """`octets` is how long the body is. Raises StoreCorrupt."""
    body = encoded if encoding == Encoding.PLAIN else _unpack(encoded, octets)
    if len(body) != octets:
        raise StoreCorrupt("the body of an object has another length than was recorded; restore a backup")
    return body


def _unpack(packed: bytes, octets: int) -> bytes:
    try:
        # Asked first: what a damaged header promises would be allocated.
        if zstandard.frame_content_size(packed) == octets:
            return _codec.unpacker.decompress(packed)
    except zstandard.ZstdError as err:
        raise StoreCorrupt("the body of an object cannot be unpacked; restore a backup") from err
    raise StoreCorrupt("the body of an object has another length than was recorded; restore a backup")
