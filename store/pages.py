"""Page tokens: where the next page starts, bound to the listing that they belong to.

- Opaque to clients, and nothing secret: the sequence number of the last item and a mark of the listing's conditions.
"""

import base64
import binascii
import hashlib
import struct
from collections.abc import Callable, Sequence
from typing import TypeVar

from store.errors import InvalidPageToken
from store.records import Page

T = TypeVar("T")

MAX_PAGE_SIZE = 1000
_TOKEN = struct.Struct(">q8s")


def decode_page_token(token: str | None, listing: object) -> int | None:
    """The sequence number before which the page starts; None for the first page. Raises InvalidPageToken."""
    if not token:
        return None
    try:
        sequence, mark = _TOKEN.unpack(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, struct.error, ValueError) as err:
        raise InvalidPageToken from err
    if mark != _mark(listing) or sequence < 1:
        raise InvalidPageToken
    return int(sequence)


def clamp_page_size(page_size: int) -> int:
    return max(1, min(page_size, MAX_PAGE_SIZE))


def make_page(items: Sequence[T], page_size: int, listing: object, sequence_of: Callable[[T], int]) -> Page[T]:
    """Makes a page from up to `page_size` + 1 items: the one too many tells that there is a next page."""
    shown = tuple(items[:page_size])
    if len(items) <= page_size:
        return Page(items=shown, next_token=None)
    token = _TOKEN.pack(sequence_of(shown[-1]), _mark(listing))
    return Page(items=shown, next_token=base64.urlsafe_b64encode(token).decode())


def _mark(listing: object) -> bytes:
    return hashlib.sha256(repr(listing).encode()).digest()[:8]
