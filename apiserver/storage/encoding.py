"""Bodies as they are stored: zstd where that makes them smaller."""

from enum import IntEnum

import zstandard

from store.errors import StoreCorrupt

_WORTH_PACKING = 256  # octets
_LEVEL = 1  # on reports, level 3 takes longer and saves nothing


class Encoding(IntEnum):
    """Part of the stored form: a number keeps its meaning."""

    PLAIN = 0
    ZSTD = 1


def encode_body(body: bytes) -> tuple[Encoding, bytes]:
    if len(body) < _WORTH_PACKING:
        return Encoding.PLAIN, body
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(body)
    return (Encoding.ZSTD, packed) if len(packed) < len(body) else (Encoding.PLAIN, body)


def decode_body(encoding: int, encoded: bytes, octets: int) -> bytes:
    """`octets` is how long the body is. Raises StoreCorrupt."""
    if encoding == Encoding.PLAIN:
        body = encoded
    else:
        try:
            body = zstandard.ZstdDecompressor().decompress(encoded, max_output_size=octets)
        except zstandard.ZstdError as err:
            raise StoreCorrupt("the body of an object cannot be unpacked; restore a backup") from err
    if len(body) != octets:
        raise StoreCorrupt("the body of an object has another length than was recorded; restore a backup")
    return body
