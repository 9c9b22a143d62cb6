"""From what a caller sends to what will be stored: pure, and in a fixed order.

1. kind and metadata are those of the request · 2. fields that nobody may set are reset · 3. unknown fields are pruned, defaults set
4. generation · 5. managedFields · 6. validation · 7. encoding

- A draft is made from one stored version and is good for that one only: whoever stores it says which.
- Nothing here reads a clock, draws a number or waits.
"""

import re
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias, cast

from apiserver.ambient import Entropy, format_time
from apiserver.documents import JsonObject, JsonValue
from apiserver.errors import BadRequest, Conflict, Invalid, Subject, UnexpectedValue
from apiserver.field_errors import FieldError, invalid
from apiserver.fields.managed import record_update
from apiserver.fields.reach import ALL_BUT_STATUS, EVERYTHING, STATUS_ALONE, Reach
from apiserver.fields.values import copied, same
from apiserver.kinds.kind import Kind
from apiserver.operations.metadata_types import read_metadata
from apiserver.operations.object_meta import (
    finalizers,
    immutable_errors,
    metadata_errors,
    metadata_of,
    text,
    tidy_owners,
    warn_of_finalizers,
)
from apiserver.operations.targets import STATUS, Intent, Target
from apiserver.operations.versions import Draft, Stored, encode, seal
from apiserver.patches.json_patch import json_type
from apiserver.requests.options import FieldValidation
from apiserver.schema.defaulting import apply_defaults
from apiserver.schema.pruning import prune
from apiserver.schema.validation import validate

Track: TypeAlias = Callable[[JsonObject | None, JsonObject], list[JsonValue]]
"""Gives a new document its managedFields, from the live one and itself."""

_ENVELOPE = frozenset({"apiVersion", "kind", "metadata"})
_UNFIT = '{kind.names.kind} in version "{kind.version}" cannot be handled as a {kind.names.kind}: '
_REVISION = re.compile(r"0|[1-9]\d{0,18}")


def read_document(intent: Intent, document: JsonObject, oddities: Sequence[str]) -> JsonObject:
    """Steps 1 and 3 for a body that is a whole object: one of this kind, typed metadata, without unknown fields.

    `document` is changed; `oddities` are what a strict reader would not take of its octets. Raises BadRequest, Invalid.
    """
    kind = intent.target.kind
    _verify_kind(kind, document)
    try:
        unknown = read_metadata(document)
    except BadRequest as err:
        raise _unfit(kind, err.message) from err
    if not kind.accepts(document):
        unknown += prune(kind.schema, document)
    complaints = [*oddities, *(f'unknown field "{path}"' for path in unknown)]
    if complaints and intent.options.field_validation is FieldValidation.STRICT:
        raise _unfit(kind, f"strict decoding error: {', '.join(complaints)}")
    if intent.options.field_validation is FieldValidation.WARN:
        for complaint in complaints:
            intent.warn(complaint)
    tidy_owners(metadata_of(document), intent.warn)
    document.update(kind.stamp({}))
    return document


def read_patched(intent: Intent, patched: Callable[[], JsonObject], oddities: Sequence[str]) -> JsonObject:
    """The same for what a patch has made. Raises Invalid: the caller did not write the whole of it."""
    kind, document = intent.target.kind, patched()
    api_version = document.get("apiVersion") or kind.api_version
    if api_version != kind.api_version:
        named = Subject(name=intent.target.name, group=str(api_version).rpartition("/")[0], kind=kind.names.kind)
        raise Invalid(named, [invalid("apiVersion", api_version, f"must be {kind.api_version}")])
    try:
        return read_document(intent, document, oddities)
    except BadRequest as err:
        value = encode(patched()).decode()
        raise Invalid(Subject(), [invalid("patch", value, err.message.removeprefix(_UNFIT.format(kind=kind)))]) from err


def read_applied(intent: Intent, document: JsonObject) -> JsonObject:
    """The same for an applied document: what its kind does not declare is refused where it is merged, and not pruned.

    Raises BadRequest, UnexpectedValue.
    """
    kind = intent.target.kind
    api_version, name = document.get("apiVersion") or "", document.get("kind") or ""
    if (api_version, name) != (kind.api_version, kind.names.kind):
        shown = api_version if "/" in str(api_version) else f"/{api_version}"
        raise BadRequest(f"invalid object type: {shown}, Kind={name}")
    try:
        unknown = read_metadata(document)
    except BadRequest as err:
        raise _unfit(kind, err.message) from err
    if unknown:
        where = f"{intent.target.namespace}/{intent.target.name}; {kind.api_version}, Kind={kind.names.kind}"
        raise UnexpectedValue(
            f"failed to create typed patch object ({where}): .{unknown[0]}: field not declared in schema"
        )
    tidy_owners(metadata_of(document), intent.warn)
    return document


def draft_creation(
    intent: Intent,
    document: JsonObject,
    *,
    sharing: Sequence[Kind],
    now: datetime,
    entropy: Entropy,
    track: Track | None = None,
) -> Draft:
    """`document` has gone through `read_document` and is changed; it has its name. Raises BadRequest, Invalid, UnexpectedValue."""
    target = intent.target
    given = metadata_of(document)
    if _REVISION.fullmatch(text(given, "resourceVersion")) and text(given, "resourceVersion") != "0":
        raise UnexpectedValue("resourceVersion should not be set on objects to be created")
    metadata: JsonObject = {
        name: value
        for name, value in given.items()
        if name not in {"selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "namespace"}
    }
    metadata |= {
        "uid": str(uuid.UUID(bytes=entropy(16), version=4)),
        "creationTimestamp": format_time(now),
        "generation": 1,
    }
    if target.namespace:
        metadata["namespace"] = target.namespace
    document["metadata"] = metadata
    if target.kind.status:
        document.pop(STATUS, None)
    complete = _completed(target.kind, document)
    _track(intent, None, document, now, track)
    _verify(target, document, metadata_errors(target.kind, metadata), old=None, complete=complete)
    warn_of_finalizers(metadata, None, intent.warn)
    return seal(target.kind, document, None, sharing)


def draft_update(
    intent: Intent,
    document: JsonObject,
    stored: Stored,
    *,
    sharing: Sequence[Kind],
    now: datetime,
    track: Track | None = None,
    replaces: bool = False,
) -> Draft | None:
    """None where nothing changes. As `draft_creation`; raises Conflict where `document` was made from another version, too.

    `replaces` says that the caller has sent all of it: its UID is then whose version it was made from, and no change.
    """
    target, live = intent.target, stored.document
    _verify_same(target, metadata_of(document), metadata_of(live), with_uid=replaces)
    document = (
        _status_alone(document, live) if target.subresource == STATUS else _all_but_status(target, document, live)
    )
    complete = _completed(target.kind, document)
    new, old = metadata_of(document), metadata_of(live)
    if target.subresource != STATUS and not same(_content(target.kind, document), _content(target.kind, live)):
        new["generation"] = cast("int", old.get("generation") or 0) + 1
    _track(intent, live, document, now, track)
    if same(document, live):
        return None
    errors = [*metadata_errors(target.kind, new), *immutable_errors(new, old)]
    _verify(target, document, errors, old=live, complete=complete)
    warn_of_finalizers(new, old, intent.warn)
    return seal(target.kind, document, stored, sharing)


def reach_of(target: Target) -> Reach:
    """The fields that somebody can come to manage through this endpoint."""
    if not target.kind.status:
        return EVERYTHING
    return STATUS_ALONE if target.subresource == STATUS else ALL_BUT_STATUS


def is_finished(document: JsonObject) -> bool:
    """Whether an object was waiting for its finalizers only, and they are gone."""
    metadata = metadata_of(document)
    return "deletionTimestamp" in metadata and not finalizers(metadata)


def _verify_kind(kind: Kind, document: JsonObject) -> None:
    """A document that does not say what it is, is what the path says. Raises BadRequest, Invalid."""
    api_version, name = document.get("apiVersion") or kind.api_version, document.get("kind") or kind.names.kind
    for field, value in (("apiVersion", api_version), ("kind", name)):
        if not isinstance(value, str):
            why = f"json: cannot unmarshal {json_type(value)} into Go struct field .{field} of type string"
            raise BadRequest(f"couldn't get version/kind; json parse error: {why}")
    if api_version != kind.api_version:
        raise BadRequest(
            f"the API version in the data ({api_version}) does not match the expected API version ({kind.api_version})"
        )
    if name != kind.names.kind:
        metadata = document.get("metadata")
        named = metadata.get("name") if isinstance(metadata, dict) else None
        subject = Subject(name=named if isinstance(named, str) else "", group=kind.group, kind=str(name))
        raise Invalid(subject, [invalid("kind", name, f"must be {kind.names.kind}")])


def _unfit(kind: Kind, why: str) -> BadRequest:
    return BadRequest(_UNFIT.format(kind=kind) + why)


def _verify_same(target: Target, new: JsonObject, old: JsonObject, *, with_uid: bool) -> None:
    """The version and the object that the caller meant are the ones that are stored. Raises Conflict, Invalid, BadRequest."""
    uid, revision = text(new, "uid"), text(new, "resourceVersion")
    if with_uid and uid and uid != text(old, "uid"):
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {text(old, 'uid')}"
        raise Conflict.object(target.subject, why)
    if not revision or revision == "0":
        error = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise Invalid(target.subject, [error])
    if not _REVISION.fullmatch(revision):
        error = invalid("metadata.resourceVersion", revision, "must be a number")
        raise Invalid(target.kind.kind_subject(target.name), [error])
    if revision != text(old, "resourceVersion"):
        raise Conflict.object(target.subject)


def _all_but_status(target: Target, document: JsonObject, live: JsonObject) -> JsonObject:
    """What the main resource may change; what the server alone writes is as it was."""
    old = metadata_of(live)
    metadata = {name: value for name, value in metadata_of(document).items() if name != "selfLink"}
    for name in ("uid", "namespace", "deletionGracePeriodSeconds"):
        if name in old:
            metadata.setdefault(name, old[name])
    for name in ("creationTimestamp", "deletionTimestamp", "generation"):
        if name in old:
            metadata[name] = old[name]
    document = {**document, "metadata": metadata}
    if target.kind.status:
        document.pop(STATUS, None)
        if STATUS in live:
            document[STATUS] = copied(live[STATUS])
    return document


def _status_alone(document: JsonObject, live: JsonObject) -> JsonObject:
    """What /status may change: status, and who manages it."""
    metadata = dict(metadata_of(live))
    given = metadata_of(document)
    metadata.pop("managedFields", None)
    if "managedFields" in given:
        metadata["managedFields"] = given["managedFields"]
    changed = {name: copied(value) for name, value in live.items() if name not in {"metadata", STATUS}}
    changed["metadata"] = metadata
    if STATUS in document:
        changed[STATUS] = document[STATUS]
    return changed


def _content(kind: Kind, document: JsonObject) -> JsonObject:
    """What metadata.generation counts the changes of: all but metadata, and status where it is apart."""
    return {
        name: value
        for name, value in document.items()
        if name not in _ENVELOPE and not (kind.status and name == STATUS)
    }


def _completed(kind: Kind, document: JsonObject) -> bool:
    """Sets defaults, where any are missing; whether the document was complete and right as it came."""
    if kind.accepts(document):
        return True
    apply_defaults(kind.schema, document)
    return False


def _track(intent: Intent, live: JsonObject | None, document: JsonObject, now: datetime, track: Track | None) -> None:
    if track is not None:
        entries = track(live, document)
    else:
        entries = record_update(
            intent.target.kind.schema,
            live=live,
            new=document,
            manager=intent.manager,
            api_version=intent.target.kind.api_version,
            subresource=intent.target.subresource,
            now=now,
            reach=reach_of(intent.target),
        )
    metadata = metadata_of(document)
    metadata.pop("managedFields", None)
    if entries:
        metadata["managedFields"] = entries


def _verify(
    target: Target, document: JsonObject, errors: Sequence[FieldError], *, old: JsonObject | None, complete: bool
) -> None:
    found = list(errors)
    if not complete or target.kind.schema.bears_rules:
        found = validate(target.kind.schema, document, old, is_accepted=complete, before=errors)
    if found:
        raise Invalid(target.kind.kind_subject(target.name or text(metadata_of(document), "name")), found)
