"""Between a stored version and the document that a kind shows of it.

- The stored form holds the fields of all kinds that share it. A kind sees those that its schema knows (`apiserver.kinds.views`),
  and a write by one kind keeps what only the others know.
- resourceVersion is the record's number, never part of what is stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from apiserver.documents import JsonObject, OpaqueJson
from apiserver.errors import BadRequest
from apiserver.kinds.kind import Kind
from apiserver.kinds.views import carry_over, visible
from apiserver.operations.object_meta import metadata_of, text
from apiserver.representations.projection import project
from apiserver.requests.bodies import decode_object
from apiserver.storage.records import Body, Key, Record, Write

_ENVELOPE = frozenset({"apiVersion", "kind", "metadata"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A version: `document` is what the kind shows, `fields` the stored form beside metadata, `body` its octets."""

    record: Record
    document: JsonObject
    fields: JsonObject
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A version to be: its document as the kind shows it, and its stored form."""

    document: JsonObject
    metadata: bytes
    projection: bytes
    body: bytes

    @property
    def uid(self) -> str:
        return text(metadata_of(self.document), "uid")

    def write(self, key: Key, *, expected: int, known_body: bytes | None = None, deletes: bool = False) -> Write:
        """`known_body` is that of the expected version: the same again is not written again."""
        return Write(
            key=key,
            expected=expected,
            uid=self.uid,
            metadata=self.metadata,
            projection=self.projection,
            body=None if self.body == known_body else self.body,
            deletes=deletes,
        )

    def record(self, key: Key, revision: int) -> Record:
        """As a record that is not stored: a dry run's."""
        return Record(
            key=key,
            revision=revision,
            uid=self.uid,
            metadata=self.metadata,
            projection=self.projection,
            body=Body(id=0, octets=len(self.body), inline=self.body),
        )


def load(kind: Kind, record: Record, body: bytes) -> Stored:
    """Decodes a version."""
    metadata = orjson.loads(record.metadata)
    metadata["resourceVersion"] = str(record.revision)
    fields = decode_object(body, kind)
    document = kind.stamp({"metadata": metadata, **visible(kind, fields)})
    return Stored(record=record, document=document, fields=fields, body=body)


def seal(kind: Kind, document: JsonObject, stored: Stored | None, sharing: Sequence[Kind]) -> Draft:
    """Encodes a document for storage; `sharing` are all kinds of this storage. Raises BadRequest where it is nested too deeply."""
    metadata = {name: value for name, value in metadata_of(document).items() if name != "resourceVersion"}
    fields = {name: value for name, value in document.items() if name not in _ENVELOPE}
    if len(sharing) > 1:
        fields = carry_over(kind, stored=None if stored is None else stored.fields, new=fields)
    return Draft(
        document=document,
        metadata=encode(metadata),
        projection=project(sharing, fields, metadata),
        body=encode(fields),
    )


def encode(document: JsonObject) -> bytes:
    """As JSON. Raises BadRequest where it is nested too deeply."""
    try:
        return orjson.dumps(document, default=_opaque, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    except orjson.JSONEncodeError as err:
        raise BadRequest(f"the object cannot be stored: {err}") from err


def _opaque(value: object) -> orjson.Fragment:
    if isinstance(value, OpaqueJson):
        return orjson.Fragment(value.octets)
    raise TypeError(f"{type(value).__name__} is no JSON")
