"""The verbs of a resource, over HTTP: from options and bodies to operations, and from their outcomes to documents."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor

from aiohttp import web

from apiserver.errors import BadRequest, MethodNotAllowed, NotFound
from apiserver.fields.manager_names import default_manager
from apiserver.kinds.catalogue import Catalogue
from apiserver.operations.collections import Collections
from apiserver.operations.deletion import DeleteOptions
from apiserver.operations.lists import Listing, Lists
from apiserver.operations.objects import Objects
from apiserver.operations.patching import Patch, PatchType
from apiserver.operations.targets import STATUS, Intent, Outcome, Target
from apiserver.requests.bodies import decode_json
from apiserver.requests.options import FieldValidation, ListOptions, WriteOptions, get_revision
from apiserver.requests.selectors import Selection
from apiserver.statuses import success_status
from apiserver.web.answers import answer
from apiserver.web.calls import Call
from apiserver.web.listing import answer_list
from apiserver.web.media_types import body_as_json, is_yaml, patch_type
from apiserver.web.rendering import Rendering, Renderings
from apiserver.web.request_bodies import read_body
from apiserver.web.watching import WatchEdge

Handler = Callable[[Call, Target], Awaitable[web.StreamResponse]]
MayCreate = Callable[[Call], Awaitable[None]]

_LARGEST_OPTIONS = 64 << 10


class ResourceHandlers:
    """What the pipeline hands a resource request to, once it is known who asks and that they may."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        objects: Objects,
        lists: Lists,
        collections: Collections,
        watches: WatchEdge,
        renderings: Renderings,
        may_create: MayCreate,
        workers: Executor,
    ) -> None:
        """`may_create` raises Forbidden where the caller may not create what it applies."""
        self._catalogue = catalogue
        self._objects = objects
        self._lists = lists
        self._collections = collections
        self._watches = watches
        self._renderings = renderings
        self._may_create = may_create
        self._workers = workers
        self._of_collections: Mapping[str, Handler] = {
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "deletecollection": self._delete_collection,
        }
        self._of_objects: Mapping[str, Handler] = {
            "get": self._get,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
        }

    def target(self, call: Call) -> Target | None:
        """What the path names; None where there is no such thing."""
        info = call.info
        kind = self._catalogue.find(info.group, info.version, info.resource)
        if kind is None or info.too_deep or (info.subresource and not (kind.status and info.subresource == STATUS)):
            return None
        if info.in_namespace != kind.namespaced and (info.in_namespace or info.name):
            return None
        return Target(kind=kind, namespace=info.namespace, name=info.name, subresource=info.subresource)

    def missing(self, call: Call) -> NotFound | None:
        """The object whose subresource the path names, where there is none; None where there is no such kind of object."""
        info = call.info
        kind = self._catalogue.find(info.group, info.version, info.resource)
        if kind is None or not info.subresource or info.in_namespace != kind.namespaced:
            return None
        return NotFound.object(kind.subject(info.name))

    async def handle(self, call: Call, target: Target) -> web.StreamResponse:
        """Raises ApiError."""
        if target.kind.deprecation_warning:
            call.warnings.add(target.kind.deprecation_warning)
        return await self._handler(call, target)(call, target)

    def _handler(self, call: Call, target: Target) -> Handler:
        allowed = _methods(target)
        if call.request.method not in allowed:
            raise MethodNotAllowed(allowed)
        table = self._of_objects if target.name else self._of_collections
        return table[call.info.verb]

    async def _get(self, call: Call, target: Target) -> web.StreamResponse:
        revision = get_revision(call.query)
        rendering = self._renderings.of(call, target.kind)
        if revision:
            await self._lists.reach(revision)
        record = await self._objects.get(target)
        octets = await rendering.object_document(record)
        return await answer(call, octets, workers=self._workers, content_type=rendering.content_type)

    async def _list(self, call: Call, target: Target) -> web.StreamResponse:
        rendering = self._renderings.of(call, target.kind)
        options = ListOptions.from_query(call.query, watch=False)
        listing = await self._lists.begin(target, _selection(target, options), options)
        return await answer_list(
            call, listing, rendering, lists=self._lists, limit=options.limit, workers=self._workers
        )

    async def _watch(self, call: Call, target: Target) -> web.StreamResponse:
        rendering = self._renderings.of(call, target.kind)
        options = ListOptions.from_query(call.query, watch=True)
        return await self._watches.stream(call, target, _selection(target, options), options, rendering)

    async def _create(self, call: Call, target: Target) -> web.StreamResponse:
        intent = self._intent(call, target, "CreateOptions")
        rendering = self._renderings.of(call, target.kind)
        octets = await self._document(call, target.kind.maximum_octets)
        return await self._answer_outcome(call, rendering, await self._objects.create(intent, octets))

    async def _update(self, call: Call, target: Target) -> web.StreamResponse:
        intent = self._intent(call, target, "UpdateOptions")
        rendering = self._renderings.of(call, target.kind)
        octets = await self._document(call, target.kind.maximum_octets)
        return await self._answer_outcome(call, rendering, await self._objects.update(intent, octets))

    async def _patch(self, call: Call, target: Target) -> web.StreamResponse:
        intent = self._intent(call, target, "PatchOptions")
        kind_of_patch = patch_type(call.request.content_type, target.kind)
        rendering = self._renderings.of(call, target.kind)
        if kind_of_patch is PatchType.APPLY:
            octets = await self._document(call, target.kind.maximum_octets, content_type="application/yaml")
            intent.options.verify_apply()
            outcome = await self._objects.apply(intent, octets, lambda: self._may_create(call))
        else:
            octets = await read_body(call, target.kind.maximum_octets)
            intent.options.verify_no_force()
            strictly = intent.options.field_validation is not FieldValidation.IGNORE and not target.kind.opaque
            outcome = await self._objects.patch(intent, Patch.from_body(kind_of_patch, octets, strictly=strictly))
        return await self._answer_outcome(call, rendering, outcome)

    async def _delete(self, call: Call, target: Target) -> web.StreamResponse:
        options = await self._delete_options(call)
        deletion = await self._objects.delete(target, options)
        if deletion.removed:
            details = target.kind.subject(target.name, deletion.record.uid)
            return await answer(call, success_status(details), workers=self._workers)
        rendering = self._renderings.of(call, target.kind)
        octets = await rendering.object_document(deletion.record, deletion.body)
        status = 202 if options.cascades else 200
        return await answer(call, octets, workers=self._workers, status=status, content_type=rendering.content_type)

    async def _delete_collection(self, call: Call, target: Target) -> web.StreamResponse:
        rendering = self._renderings.of(call, target.kind)
        options = ListOptions.from_query(call.query, watch=False)
        deletion = await self._delete_options(call)
        listing: Listing = await self._lists.begin(target, _selection(target, options), options)
        deleted = await self._collections.delete(listing, deletion, limit=options.limit)
        return await answer_list(
            call, deleted, rendering, lists=self._lists, limit=options.limit, workers=self._workers
        )

    async def _delete_options(self, call: Call) -> DeleteOptions:
        octets = await read_body(call, _LARGEST_OPTIONS)
        if not octets.strip():
            return DeleteOptions.from_query(call.query, call.values("dryRun"))
        document = decode_json(body_as_json(call.request.content_type, octets))
        if not isinstance(document, dict):
            raise BadRequest("the body must be a DeleteOptions")
        return DeleteOptions.from_document(document)

    async def _document(self, call: Call, limit: int, *, content_type: str | None = None) -> bytes:
        """The body as JSON; YAML is read in a worker, as it would hold up everybody else."""
        octets = await read_body(call, limit)
        kind = call.request.content_type if content_type is None else content_type
        if not is_yaml(kind):
            return body_as_json(kind, octets)
        return await asyncio.get_running_loop().run_in_executor(self._workers, body_as_json, kind, octets)

    def _intent(self, call: Call, target: Target, options_kind: str) -> Intent:
        options = WriteOptions.from_query(call.query, call.values("dryRun"), name=options_kind)
        manager = options.field_manager or default_manager(call.request.headers.get("User-Agent", ""))
        return Intent(target=target, options=options, manager=manager, warn=call.warnings.add)

    async def _answer_outcome(self, call: Call, rendering: Rendering, outcome: Outcome) -> web.StreamResponse:
        octets = await rendering.object_document(outcome.record, outcome.body)
        return await answer(
            call,
            octets,
            workers=self._workers,
            status=201 if outcome.created else 200,
            content_type=rendering.content_type,
        )


def _methods(target: Target) -> tuple[str, ...]:
    """What can be done there. All namespaces together are only read (k8s.io/apiserver endpoints.APIInstaller)."""
    if target.subresource:
        return ("GET", "PUT", "PATCH")
    if target.name:
        return ("GET", "PUT", "PATCH", "DELETE")
    return ("GET",) if target.kind.namespaced and not target.namespace else ("GET", "POST", "DELETE")


def _selection(target: Target, options: ListOptions) -> Selection:
    """Raises BadRequest."""
    return Selection.parse(
        labels=options.label_selector,
        fields=options.field_selector,
        namespace=target.namespace or None,
        selectable=target.kind.selectable_fields,
    )
