"""Single objects: get, create, update, patch, apply, delete.

- A write is drafted from one version and commits only if that version is still current; otherwise it is drafted again. What is
  answered is durable.
- Work on large bodies leaves the event loop; so does everything that reads the log.
- Deleting what has finalizers marks it; the write that takes the last one away deletes it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from apiserver.ambient import Clock, Entropy
from apiserver.documents import JsonObject
from apiserver.errors import AlreadyExists, BadRequest, Conflict, NameTaken, NotFound, Subject
from apiserver.fields.apply import apply
from apiserver.kinds.catalogue import Catalogue
from apiserver.kinds.kind import Kind
from apiserver.operations.deletion import DeleteOptions, marked, verify_preconditions
from apiserver.operations.drafts import (
    draft_creation,
    draft_update,
    is_finished,
    reach_of,
    read_applied,
    read_document,
    read_patched,
)
from apiserver.operations.object_meta import metadata_of, text
from apiserver.operations.patching import Patch
from apiserver.operations.targets import STATUS, Intent, Outcome, Target
from apiserver.operations.versions import Draft, Stored, load, seal
from apiserver.requests.bodies import decode_object, duplicate_fields
from apiserver.requests.names import generated_name
from apiserver.requests.options import FieldValidation
from apiserver.storage.records import ChangeLog, Key, Record, StaleWrite, Write
from store.errors import StoreCorrupt

T = TypeVar("T")

_SMALL = 64 << 10  # octets that are worked on where they arrive; more would hold up everybody else
_ATTEMPTS = 8
_NAMES = 8


class Namespaces(Protocol):
    """Who says whether something may be created in a namespace."""

    async def verify_may_create(self, namespace: str, subject: Subject) -> None:
        """`subject` is what would be created. Raises NotFound, Forbidden, ServiceUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What was deleted, or, with finalizers, is waiting to be (`removed` False)."""

    record: Record
    body: bytes
    removed: bool


class Objects:
    """Operations on one object at a time; used on the event loop."""

    def __init__(
        self,
        *,
        log: ChangeLog,
        catalogue: Catalogue,
        namespaces: Namespaces,
        clock: Clock,
        entropy: Entropy,
        workers: Executor,
    ) -> None:
        self._log = log
        self._catalogue = catalogue
        self._namespaces = namespaces
        self._clock = clock
        self._entropy = entropy
        self._workers = workers

    async def get(self, target: Target) -> Record:
        """With its body inline. Raises NotFound."""
        record = await self._in_worker(lambda: self._log.get(target.key))
        if record is None:
            raise NotFound.object(target.subject)
        return record

    async def create(self, intent: Intent, octets: bytes) -> Outcome:
        """Raises AlreadyExists, NameTaken, NotFound (no such namespace), Forbidden, BadRequest, Invalid."""
        document = await self._compute(len(octets), lambda: _read(intent, octets))
        _verify_namespace(intent.target, document)
        return await self._create(intent, document, len(octets))

    async def update(self, intent: Intent, octets: bytes) -> Outcome:
        """Raises NotFound, Conflict, BadRequest, Invalid."""

        def draft(stored: Stored) -> Draft | None:
            document = _read(intent, octets)
            _verify_namespace(intent.target, document)
            _verify_name(intent.target, document)
            return self._draft_update(intent, document, stored, replaces=True)

        return await self._change(intent, draft, len(octets))

    async def patch(self, intent: Intent, patch: Patch) -> Outcome:
        """A patch that is no apply. Raises what `update` raises, and Unprocessable."""

        def draft(stored: Stored) -> Draft | None:
            document = read_patched(
                intent, lambda: patch.applied_to(stored.document, intent.target.kind), patch.oddities
            )
            _verify_namespace(intent.target, document)
            _verify_name(intent.target, document)
            return self._draft_update(intent, document, stored)

        return await self._change(intent, draft, patch.octets)

    async def apply(self, intent: Intent, octets: bytes, may_create: Callable[[], Awaitable[None]]) -> Outcome:
        """Server-side apply. `may_create` raises Forbidden. Raises ApplyConflict and what `update` and `create` raise."""
        document = await self._compute(
            len(octets), lambda: read_applied(intent, decode_object(octets, intent.target.kind))
        )
        _verify_namespace(intent.target, document)
        uid, name = text(metadata_of(document), "uid"), text(metadata_of(document), "name")
        if name:
            _verify_name(intent.target, document)
        for _ in range(_ATTEMPTS):
            try:
                return await self._change(
                    intent, lambda stored: self._draft_apply(intent, document, stored), len(octets)
                )
            except NotFound:
                if intent.target.subresource:
                    raise
                if uid:
                    why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                    raise Conflict.object(intent.target.subject, why) from None
                _verify_name(intent.target, document)
                await may_create()
            try:
                return await self._create(intent, self._applied(intent, document, None), len(octets), applied=True)
            except AlreadyExists:
                continue
        raise Conflict.object(intent.target.subject)

    async def delete(self, target: Target, options: DeleteOptions) -> Deletion:
        """Raises NotFound, Conflict."""
        for _ in range(_ATTEMPTS):
            stored = await self._deletable(target, options)
            verify_preconditions(target, options, stored)
            waiting = marked(stored, options, self._clock())
            draft = None if waiting is None else seal(target.kind, waiting, stored, self._sharing(target))
            record = stored.record
            if options.dry_run:
                record = record if draft is None else draft.record(target.key, record.revision)
            elif waiting != stored.document:
                try:
                    record = await self._commit(_deletion(target, stored, draft))
                except StaleWrite:
                    continue
            return Deletion(record=record, body=stored.body, removed=draft is None)
        raise Conflict.object(target.subject)

    async def _deletable(self, target: Target, options: DeleteOptions) -> Stored:
        """What is to be deleted. A body that is damaged keeps nobody from it, where nothing else does: metadata is whole.

        kube-apiserver must be told to (ignoreStoreReadErrorWithClusterBreakingPotential): it does not know the metadata then.
        """
        try:
            return await self._stored(target)
        except StoreCorrupt:
            record = await self._in_worker(lambda: self._log.get(target.key, with_body=False))
            if record is None:
                raise NotFound.object(target.subject) from None
            damaged = load(target.kind, record, b"{}")
            if marked(damaged, options, self._clock()) is not None:
                raise
            return damaged

    async def _create(self, intent: Intent, document: JsonObject, octets: int, *, applied: bool = False) -> Outcome:
        target = intent.target
        if target.kind.namespaced:
            named = _named(target, text(metadata_of(document), "name"))
            await self._namespaces.verify_may_create(target.namespace, named.subject)
        base = text(metadata_of(document), "generateName")
        generating = bool(base) and not text(metadata_of(document), "name")
        for _ in range(_NAMES):
            if generating:
                metadata_of(document)["name"] = generated_name(base, self._entropy)
            named = _named(target, text(metadata_of(document), "name"))
            draft = await self._draft(
                target.kind, octets, lambda: self._draft_creation(intent, dict(document), applied=applied)
            )
            try:
                return await self._store_creation(intent, named.key, draft)
            except StaleWrite as err:
                if not generating:
                    raise _already_exists(named, err.current) from err
        taken = _already_exists(_named(target, text(metadata_of(document), "name")), None)
        why = "the server was not able to generate a unique name for the object"
        raise NameTaken(f"{taken.message}, {why}", subject=taken.subject, retry_after=1)

    async def _store_creation(self, intent: Intent, key: Key, draft: Draft) -> Outcome:
        if intent.options.dry_run:
            present = await self._in_worker(lambda: self._log.get(key, with_body=False))
            if present is not None:
                raise StaleWrite(present)
            return Outcome(record=draft.record(key, 0), body=draft.body, created=True, stored=False)
        record = await self._commit(draft.write(key, expected=0))
        return Outcome(record=record, body=draft.body, created=True)

    async def _change(self, intent: Intent, draft_from: Callable[[Stored], Draft | None], octets: int) -> Outcome:
        target = intent.target
        for _ in range(_ATTEMPTS):
            stored = await self._stored(target)
            draft = await self._draft(target.kind, octets + len(stored.body), partial(draft_from, stored))
            if draft is None:
                return Outcome(record=stored.record, body=stored.body)
            revision = stored.record.revision
            if intent.options.dry_run:
                return Outcome(record=draft.record(target.key, revision), body=draft.body, stored=False)
            deletes = is_finished(draft.document)
            write = draft.write(target.key, expected=revision, known_body=stored.body, deletes=deletes)
            try:
                return Outcome(record=await self._commit(write), body=draft.body)
            except StaleWrite:
                continue
        raise Conflict.object(target.subject)

    async def _stored(self, target: Target) -> Stored:
        record = await self.get(target)
        if record.body.inline is None:
            raise RuntimeError("an object was read without its body")
        body = record.body.inline
        return await self._compute(len(body), lambda: load(target.kind, record, body))

    def _draft_creation(self, intent: Intent, document: JsonObject, *, applied: bool) -> Draft:
        entries = metadata_of(document).get("managedFields")
        return draft_creation(
            intent,
            document,
            sharing=self._sharing(intent.target),
            now=self._clock(),
            entropy=self._entropy,
            track=(lambda _live, _new: entries if isinstance(entries, list) else []) if applied else None,
        )

    def _draft_update(
        self, intent: Intent, document: JsonObject, stored: Stored, *, replaces: bool = False
    ) -> Draft | None:
        return draft_update(
            intent, document, stored, sharing=self._sharing(intent.target), now=self._clock(), replaces=replaces
        )

    def _draft_apply(self, intent: Intent, document: JsonObject, stored: Stored) -> Draft | None:
        merged = self._applied(intent, document, stored)
        entries = metadata_of(merged).get("managedFields")
        return draft_update(
            intent,
            merged,
            stored,
            sharing=self._sharing(intent.target),
            now=self._clock(),
            track=lambda _live, _new: entries if isinstance(entries, list) else [],
        )

    def _applied(self, intent: Intent, document: JsonObject, stored: Stored | None) -> JsonObject:
        """What applying makes of the live object. Fields that this resource may not set are as if they were not there."""
        kind, subresource = intent.target.kind, intent.target.subresource
        if kind.status and not subresource:
            document = {name: value for name, value in document.items() if name != STATUS}
        return apply(
            kind.schema,
            live=None if stored is None else stored.document,
            applied=document,
            manager=intent.manager,
            force=bool(intent.options.force),
            api_version=kind.api_version,
            subresource=subresource,
            now=self._clock(),
            reach=reach_of(intent.target),
        )

    def _sharing(self, target: Target) -> Sequence[Kind]:
        return self._catalogue.views(target.kind.storage)

    async def _commit(self, write: Write) -> Record:
        return await asyncio.wrap_future(self._log.commit(write))

    async def _in_worker(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, function)

    async def _draft(self, kind: Kind, octets: int, function: Callable[[], T]) -> T:
        """In a worker if validation rules have to be asked, which may take long."""
        return await (self._in_worker(function) if kind.schema.bears_rules else self._compute(octets, function))

    async def _compute(self, octets: int, function: Callable[[], T]) -> T:
        return function() if octets <= _SMALL else await self._in_worker(function)


def _read(intent: Intent, octets: bytes) -> JsonObject:
    document = decode_object(octets, intent.target.kind)
    looking = intent.options.field_validation is not FieldValidation.IGNORE and not intent.target.kind.opaque
    duplicates = duplicate_fields(octets) if looking else ()
    return read_document(intent, document, [f'duplicate field "{path}"' for path in duplicates])


def _deletion(target: Target, stored: Stored, waiting: Draft | None) -> Write:
    expected = stored.record.revision
    if waiting is not None:
        return waiting.write(target.key, expected=expected, known_body=stored.body)
    return Write(
        key=target.key,
        expected=expected,
        uid=stored.record.uid,
        metadata=stored.record.metadata,
        projection=stored.record.projection,
        body=None,
        deletes=True,
    )


def _verify_namespace(target: Target, document: JsonObject) -> None:
    """Of a kind that has no namespaces, a namespace means nothing. Raises BadRequest."""
    if not target.kind.namespaced:
        metadata_of(document).pop("namespace", None)
        return
    given = text(metadata_of(document), "namespace")
    if given and given != target.namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")


def _verify_name(target: Target, document: JsonObject) -> None:
    """Raises BadRequest."""
    name = text(metadata_of(document), "name")
    if not name:
        raise BadRequest(
            f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
        )
    if name != target.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({target.name})")


def _named(target: Target, name: str) -> Target:
    return Target(kind=target.kind, namespace=target.namespace, name=name)


def _already_exists(target: Target, current: Record | None) -> AlreadyExists:
    if current is not None and b'"deletionTimestamp"' in current.metadata:
        return AlreadyExists.terminating(target.subject)
    return AlreadyExists.object(target.subject)
