"""Continue tokens: where a list goes on, and at which revision (k8s.io/apiserver/pkg/storage: EncodeContinue).

- A token says only where to start; what the list is of comes from the request each time. A forged one reaches nothing more.
- The form is kube-apiserver's, so that clients that look into a token (some do) find what they expect; one field is ours.
- What follows is counted once for all pages, as counting takes longer than reading a page.
"""

import base64
import binascii
from dataclasses import dataclass

import msgspec

from apiserver.errors import BadRequest
from serving.records import read_by_threads

_VERSION = "meta.k8s.io/v1"
_LONGEST = 2048
_LARGEST = (1 << 63) - 1
PRESENT = -1
"""In place of a revision: go on with what there is now, consistent or not."""


@read_by_threads
class _Wire(msgspec.Struct, omit_defaults=True):
    v: str
    start: str
    rv: int = 0
    remaining: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueToken:
    """`after` is the (namespace, name) that the last page ended with; `revision` may be `PRESENT`.

    `remaining` is how many objects follow at that revision; None where nobody has counted.
    """

    revision: int
    after: tuple[str, str]
    remaining: int | None = None

    @classmethod
    def decode(cls, text: str, *, namespace: str) -> "ContinueToken":
        """`namespace` is that of the list, "" for all. Raises BadRequest."""
        if len(text) > _LONGEST:
            raise _invalid("it is too long")
        try:
            octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            wire = msgspec.json.decode(octets, type=_Wire)
        except (binascii.Error, ValueError, msgspec.DecodeError) as err:
            raise _invalid(str(err)) from err
        if wire.v != _VERSION:
            raise _invalid(f"server does not recognize this encoded version {wire.v[:64]}")
        if wire.rv == 0 or not PRESENT <= wire.rv <= _LARGEST:
            raise _invalid("incorrect encoded start resourceVersion")
        start = wire.start.removesuffix("\0")
        if not start or start == wire.start or "\0" in start or start.count("/") > 1 or ".." in start:
            raise _invalid("incorrect encoded start key")
        before, _, name = start.rpartition("/")
        if namespace and before:
            raise _invalid("incorrect encoded start key")
        if wire.remaining is not None and not 0 <= wire.remaining <= _LARGEST:
            raise _invalid("incorrect encoded remaining item count")
        return cls(revision=wire.rv, after=(namespace or before, name), remaining=wire.remaining)

    def encode(self, *, namespace: str) -> str:
        before = "" if namespace or not self.after[0] else f"{self.after[0]}/"
        wire = _Wire(v=_VERSION, rv=self.revision, start=f"{before}{self.after[1]}\0", remaining=self.remaining)
        return base64.urlsafe_b64encode(msgspec.json.encode(wire)).rstrip(b"=").decode()


def _invalid(why: str) -> BadRequest:
    return BadRequest(f"invalid continue token: continue key is not valid: {why}")
