"""Objects as JSON, spliced from what is stored: octets in, octets out, nothing decoded.

    {"kind":…,"apiVersion":…,"metadata":{"resourceVersion":"N",<stored metadata>},<stored body>}

- Stored metadata is never empty, and a body may be.
- A view that must not show a top-level field is the exception: its body's top level is decoded, and no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import orjson

from apiserver.kinds.kind import Kind
from apiserver.storage.records import Record

_TOP_LEVEL = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFrame:
    """What stands before, between and behind the items of a list."""

    prefix: bytes
    separator: bytes = b","
    suffix: bytes = b"]}"


def type_prefix(kind: str, api_version: str) -> bytes:
    """The beginning of an object, up to its metadata."""
    return b'{"kind":' + orjson.dumps(kind) + b',"apiVersion":' + orjson.dumps(api_version) + b',"metadata":'


def metadata_with_revision(record: Record) -> bytes:
    """Stored metadata and the resourceVersion; a record with revision 0 (a dry run's) has none."""
    if not record.revision:
        return record.metadata
    return b'{"resourceVersion":"%d",' % record.revision + record.metadata[1:]


def encode_object(prefix: bytes, record: Record, body: bytes) -> bytes:
    """`prefix` is `type_prefix` of the kind; `body` what `visible_body` gave."""
    if len(body) <= 2:
        return prefix + metadata_with_revision(record) + b"}"
    return prefix + metadata_with_revision(record) + b"," + body[1:]


def encode_metadata(prefix: bytes, record: Record) -> bytes:
    """A PartialObjectMetadata; `prefix` is its `type_prefix`."""
    return prefix + metadata_with_revision(record) + b"}"


def visible_body(kind: Kind, body: bytes) -> bytes:
    """What of a stored body a view shows."""
    shown = {name: raw for name, raw in _TOP_LEVEL.decode(body).items() if name in kind.schema.properties}
    return msgspec.json.encode(shown)


def list_frame(kind: str, api_version: str, *, revision: int, continue_token: str, remaining: int | None) -> ListFrame:
    metadata: dict[str, object] = {"resourceVersion": str(revision)}
    if continue_token:
        metadata["continue"] = continue_token
    if remaining:
        metadata["remainingItemCount"] = remaining
    return ListFrame(prefix=type_prefix(kind, api_version) + orjson.dumps(metadata) + b',"items":[')


def watch_frame(event_type: str, document: bytes) -> bytes:
    """One event of a watch, on a line of its own."""
    return b'{"type":"' + event_type.encode() + b'","object":' + document + b"}\n"


def bookmark(prefix: bytes, revision: int, annotations: Mapping[str, str]) -> bytes:
    """An object that tells a revision and nothing else; `prefix` is the `type_prefix` of what is watched."""
    metadata: dict[str, object] = {"resourceVersion": str(revision)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return prefix + orjson.dumps(metadata) + b"}"
