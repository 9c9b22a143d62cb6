"""How one request wants objects shown: its representation, applied to its kind.

- A rendering knows whether it needs bodies, so that nobody reads them for a table or for metadata.
- JSON is spliced and streamed; YAML and indented JSON are made of a whole document, in a worker.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

import orjson

from apiserver.ambient import Clock
from apiserver.errors import StorageReadError
from apiserver.kinds.catalogue import Catalogue
from apiserver.kinds.kind import Kind
from apiserver.kinds.views import hides
from apiserver.operations.lists import ListedPage
from apiserver.representations.encoding import (
    ListFrame,
    bookmark,
    encode_metadata,
    encode_object,
    list_frame,
    type_prefix,
    visible_body,
    watch_frame,
)
from apiserver.representations.negotiation import JSON, Representation, Shape, negotiate
from apiserver.representations.tables import IncludeObject, TableShape
from apiserver.representations.yaml import encode_yaml
from apiserver.statuses import status_of
from apiserver.storage.records import ChangeLog, ChangeType, Compacted, Record
from apiserver.web.calls import Call
from store.errors import StoreCorrupt

T = TypeVar("T")

_INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_INDENTED = 4 << 20
"""Octets of a document that is still indented: for people, who read no larger ones."""


class Rendering:
    """Of one request."""

    batch = 64
    """Items that are encoded in one go."""

    def __init__(
        self,
        kind: Kind,
        representation: Representation,
        *,
        included: IncludeObject,
        conceals: bool,
        table: TableShape | None,
        log: ChangeLog,
        workers: Executor,
    ) -> None:
        """`conceals`: stored bodies may hold top-level fields that the kind does not show."""
        self._kind = kind
        self._representation = representation
        self._included = included
        self._conceals = conceals
        self._table = table
        self._log = log
        self._workers = workers
        self.key = f"{kind.api_version} {kind.names.kind} {representation} {included}"
        """What a frame of a watch depends on, beside the event."""

        self._own_prefix = type_prefix(kind.names.kind, kind.api_version)
        self._partial_prefix = type_prefix("PartialObjectMetadata", f"meta.k8s.io/{representation.version}")

    @property
    def content_type(self) -> str:
        return self._representation.media_type

    @property
    def streamed_content_type(self) -> str:
        return JSON

    @property
    def needs_bodies(self) -> bool:
        shape = self._representation.shape
        return shape is Shape.OBJECT or (shape is Shape.TABLE and self._included is IncludeObject.OBJECT)

    @property
    def first_differs(self) -> bool:
        return self._table is not None

    async def object_document(self, record: Record, body: bytes | None = None) -> bytes:
        """One object, finished."""
        if body is not None:
            record = record.with_body(body)
        elif self.needs_bodies and record.body.inline is None:
            loaded = await self._in_worker(lambda: self._log.read_body(record.body))
            record = record.with_body(loaded)
        return await self.finished(self._document(record))

    async def list_document(self, page: ListedPage) -> bytes:
        """One page, finished."""
        frame = self.frame(page)
        items = await self.items(page.records)
        return await self.finished(frame.prefix + frame.separator.join(items) + frame.suffix)

    def frame(self, page: ListedPage) -> ListFrame:
        if self._table is not None:
            return self._table.frame(
                revision=page.revision, continue_token=page.continue_token, remaining=page.remaining
            )
        if self._representation.shape is Shape.PARTIAL:
            kind, api_version = "PartialObjectMetadataList", f"meta.k8s.io/{self._representation.version}"
        else:
            kind, api_version = self._kind.names.list_kind, self._kind.api_version
        return list_frame(
            kind,
            api_version,
            revision=page.revision,
            continue_token=page.continue_token,
            remaining=page.remaining,
        )

    async def items(self, records: Sequence[Record]) -> list[bytes]:
        if self.needs_bodies and any(record.body.inline is None for record in records):
            return await self._in_worker(lambda: [self._item(self._with_body(record)) for record in records])
        return [self._item(record) for record in records]

    async def finished(self, document: bytes) -> bytes:
        """A whole JSON document as the caller wants it."""
        if self._representation.is_yaml:
            return await self._in_worker(lambda: encode_yaml(document))
        if self._representation.pretty and len(document) <= _INDENTED:
            return await self._in_worker(
                lambda: orjson.dumps(orjson.loads(document), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
            )
        return document

    def event(self, kind: ChangeType, record: Record, *, first: bool) -> bytes:
        """An object whose body is damaged is told as an error, after which a client lists again, and learns which it is."""
        try:
            record = self._with_body(record) if self.needs_bodies else record
        except (StoreCorrupt, Compacted):
            damage = StorageReadError(f"the body of {record.key.namespace}/{record.key.name} cannot be read")
            return watch_frame("ERROR", status_of(damage)[1])
        if self._table is not None:
            return watch_frame(kind, self._table.single(record, self._row_object(record), with_columns=first))
        return watch_frame(kind, self._document(record))

    def bookmark(self, revision: int, *, initial_events_end: bool) -> bytes:
        annotations = {_INITIAL_EVENTS_END: "true"} if initial_events_end else {}
        if self._table is not None:
            metadata = orjson.dumps(
                {"resourceVersion": str(revision), **({"annotations": annotations} if annotations else {})}
            )
            return watch_frame("BOOKMARK", self._table.empty(metadata))
        partial = self._representation.shape is Shape.PARTIAL
        prefix = self._partial_prefix if partial else self._own_prefix
        return watch_frame("BOOKMARK", bookmark(prefix, revision, annotations))

    def _document(self, record: Record) -> bytes:
        if self._table is not None:
            return self._table.single(record, self._row_object(record))
        return self._item(record)

    def _item(self, record: Record) -> bytes:
        if self._table is not None:
            return self._table.row(record, self._row_object(record))
        if self._representation.shape is Shape.PARTIAL:
            return encode_metadata(self._partial_prefix, record)
        return self._object(record)

    def _row_object(self, record: Record) -> bytes | None:
        if self._included is IncludeObject.NONE:
            return None
        if self._included is IncludeObject.OBJECT:
            return self._object(record)
        return encode_metadata(self._partial_prefix, record)

    def _object(self, record: Record) -> bytes:
        body = record.body.inline
        if body is None:
            raise RuntimeError("the body of an object that is to be shown was not read")
        return encode_object(self._own_prefix, record, visible_body(self._kind, body) if self._conceals else body)

    def _with_body(self, record: Record) -> Record:
        if record.body.inline is not None:
            return record
        return record.with_body(self._log.read_body(record.body))

    async def _in_worker(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, function)


class Renderings:
    """Makes the rendering of a request."""

    def __init__(self, *, catalogue: Catalogue, log: ChangeLog, clock: Clock, workers: Executor) -> None:
        self._log = log
        self._clock = clock
        self._workers = workers
        self._concealing = {
            id(kind): any(hides(kind, other) for other in catalogue.views(kind.storage)) for kind in catalogue.kinds
        }

    def of(self, call: Call, kind: Kind) -> Rendering:
        """Raises NotAcceptable, BadRequest."""
        headers = call.request.headers
        representation = negotiate(
            headers.get("Accept", ""), pretty=call.query.get("pretty"), user_agent=headers.get("User-Agent", "")
        )
        is_table = representation.shape is Shape.TABLE
        return Rendering(
            kind,
            representation,
            included=IncludeObject.parse(call.query.get("includeObject", "")) if is_table else IncludeObject.METADATA,
            conceals=self._concealing[id(kind)],
            table=TableShape(kind, version=representation.version, now=self._clock()) if is_table else None,
            log=self._log,
            workers=self._workers,
        )
