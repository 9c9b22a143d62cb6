"""Server-side apply (k8s.io/apimachinery managedfields, structured-merge-diff merge.Updater.Apply).

1. the applied document is of its kind · 2. it is merged into the live one · 3. what its manager applied before, applies no longer
and nobody else manages is removed · 4. other managers of changed fields are in conflict, or lose them by force · 5. entries

- Values that are equal are no conflict: they are shared.
- The result shares no object and no array with what was handed in.
"""

from dataclasses import replace
from datetime import datetime
from typing import cast

from apiserver.ambient import format_time
from apiserver.documents import JsonObject
from apiserver.errors import BadRequest
from apiserver.fields.comparison import Comparison, compare
from apiserver.fields.conflicts import apply_conflict
from apiserver.fields.depth import bounded
from apiserver.fields.entries import APPLY, UPDATE, Entry, Managers, stored_entries, write_entries
from apiserver.fields.extraction import extract
from apiserver.fields.last_applied import MANAGER, follow_last_applied, without_last_applied
from apiserver.fields.managed import entries_of, without_entries
from apiserver.fields.manager_names import UNKNOWN
from apiserver.fields.merging import merge
from apiserver.fields.ownership import NEVER_OWNED, conflicts, reconciled, released, updated
from apiserver.fields.reach import EVERYTHING, Reach
from apiserver.fields.removal import remove, with_declared
from apiserver.fields.sets import EMPTY, FieldSet
from apiserver.fields.values import copied, same
from apiserver.fields.verification import verify_applied
from apiserver.schema.structural import Schema

_BEFORE_FIRST_APPLY = "before-first-apply"


@bounded
def apply(
    schema: Schema,
    *,
    live: JsonObject | None,
    applied: JsonObject,
    manager: str,
    force: bool,
    api_version: str,
    subresource: str,
    now: datetime,
    reach: Reach = EVERYTHING,
) -> JsonObject:
    """The live document with `applied` in it, and its managedFields. `live` is None where there is none.

    `reach` says of which fields this endpoint can make somebody the manager. Raises ApplyConflict, BadRequest, UnexpectedValue.
    """
    _verify(applied, api_version)
    verify_applied(schema, applied, api_version)
    base = without_entries(live or {})
    entry = Entry(
        manager=manager or UNKNOWN,
        operation=APPLY,
        api_version=api_version,
        subresource=subresource,
        time=format_time(now),
        fields=reach.limit(extract(schema, applied)),
    )
    managers = stored_entries(entries_of(live))
    if managers or live is None:
        managers = reconciled(schema, managers)
    else:
        managers = _writers(entry, reach.limit_comparison(compare(schema, {}, base)))
    previous = managers.get(entry.identity)
    managers[entry.identity] = entry
    merged = merge(schema, base, applied)
    if previous is not None:
        merged = _pruned(schema, merged, previous.fields, managers)

    comparison = reach.limit_comparison(compare(schema, base, merged))
    lost = conflicts(managers, comparison, applier=entry.identity)
    if lost and not force:
        if manager == MANAGER:
            lost = without_last_applied(schema, base, api_version, lost)
        if lost:
            raise apply_conflict(lost)
    managers = released(managers, comparison, applier=entry.identity)
    _settle(managers, entry, previous, changed=not same(base, merged))
    result = _with_entries(merged, managers)
    if manager == MANAGER:
        follow_last_applied(result, applied)
    return result


def _verify(applied: JsonObject, api_version: str) -> None:
    given = applied.get("apiVersion")
    if given != api_version:
        raise BadRequest(
            f"Incorrect version specified in apply patch. Specified patch version: {given}, expected: {api_version}"
        )
    if entries_of(applied) is not None:
        raise BadRequest("metadata.managedFields must be nil")


def _writers(entry: Entry, comparison: Comparison) -> Managers:
    """Of an object whose writers nobody recorded: one manager that stands for all of them. `entry` is the applier's."""
    return updated({}, comparison, replace(entry, manager=_BEFORE_FIRST_APPLY, operation=UPDATE, fields=EMPTY))


def _pruned(schema: Schema, merged: JsonObject, last: FieldSet, managers: Managers) -> JsonObject:
    """`merged` without what only its applier managed, and manages no longer. `managers` have the applier's new fields."""
    everybodys = EMPTY
    for entry in managers.values():
        everybodys = everybodys.union(entry.fields)
    last = with_declared(schema, last)
    present = with_declared(schema, extract(schema, merged))

    pruned = remove(schema, merged, last)
    kept = with_declared(schema, extract(schema, pruned)).union(with_declared(schema, everybodys))
    pruned = remove(schema, merged, present.difference(kept))
    # What went with its container, and was never the applier's, comes back.
    gone = present.difference(with_declared(schema, extract(schema, pruned)))
    return remove(schema, merged, gone.intersection(last))


def _settle(managers: Managers, entry: Entry, previous: Entry | None, *, changed: bool) -> None:
    """Puts the applier's entry in its final form; an apply that changes nothing does not move its time."""
    fields = entry.fields.difference(NEVER_OWNED)
    managers.pop(entry.identity, None)
    if fields:
        time = entry.time if changed else (previous.time if previous is not None else "")
        managers[entry.identity] = replace(entry, fields=fields, time=time)


def _with_entries(document: JsonObject, managers: Managers) -> JsonObject:
    result = cast("JsonObject", copied(document))
    metadata = result.setdefault("metadata", {})
    if isinstance(metadata, dict) and managers:
        metadata["managedFields"] = write_entries(managers)
    return result
