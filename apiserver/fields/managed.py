"""metadata.managedFields of a document that was created, updated or patched (k8s.io/apimachinery, managedfields.FieldManager).

- An object whose managedFields are empty stays without, until somebody applies to it; a new one always has them.
- What a caller writes into managedFields counts, but not through a subresource: none keeps the live ones, and so does what is of
  no known form; `[]` and `[{}]` empty them.
- Where nothing changes the live entries come back as they are, so that a write can be seen to be none.
"""

from datetime import datetime

from apiserver.ambient import format_time
from apiserver.documents import JsonObject, JsonValue
from apiserver.fields.comparison import compare
from apiserver.fields.depth import bounded
from apiserver.fields.entries import (
    UPDATE,
    EntriesNotUnderstood,
    Entry,
    Managers,
    read_entries,
    stored_entries,
    write_entries,
)
from apiserver.fields.manager_names import UNKNOWN, default_manager, manager_faults, verify_manager
from apiserver.fields.ownership import reconciled, updated
from apiserver.fields.reach import EVERYTHING, Reach
from apiserver.fields.sets import EMPTY
from apiserver.fields.values import same
from apiserver.schema.structural import Schema

__all__ = ["default_manager", "entries_of", "manager_faults", "record_update", "verify_manager", "without_entries"]


@bounded
def record_update(
    schema: Schema,
    *,
    live: JsonObject | None,
    new: JsonObject,
    manager: str,
    api_version: str,
    subresource: str,
    now: datetime,
    reach: Reach = EVERYTHING,
) -> list[JsonValue]:
    """The managedFields of `new`, which is what will be stored but for them; an empty list: none.

    `live` is None for a creation. `manager` may be "". `reach` says of which fields this endpoint can make somebody the manager.
    Raises BadRequest where `new` has managedFields of which a field cannot be what it is.
    """
    stored = entries_of(live)
    given = None if subresource else entries_of(new)
    if given is None or given == stored:
        given = None
        if live is not None and isinstance(stored, list) and same(without_entries(live), without_entries(new)):
            return stored
    managers, asked = _managers(stored, given)
    if live is not None and not managers:
        return []
    entry = Entry(
        manager=manager or UNKNOWN,
        operation=UPDATE,
        api_version=api_version,
        subresource=subresource,
        time=format_time(now),
        fields=EMPTY,
    )
    comparison = reach.limit_comparison(compare(schema, without_entries(live or {}), without_entries(new)))
    result = updated(reconciled(schema, managers), comparison, entry)
    if not asked and result == managers and isinstance(stored, list):
        return stored
    return write_entries(result)


def entries_of(document: JsonObject | None) -> JsonValue:
    """metadata.managedFields as it stands."""
    metadata = (document or {}).get("metadata")
    return metadata.get("managedFields") if isinstance(metadata, dict) else None


def without_entries(document: JsonObject) -> JsonObject:
    """A document without metadata.managedFields; it shares the rest."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return document
    return {**document, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}


def _managers(stored: JsonValue, given: JsonValue) -> tuple[Managers, bool]:
    """The managers to start from, and whether they are others than the stored ones."""
    if given is None:
        return stored_entries(stored), False
    if given in ([], [{}]):
        return {}, True
    known = stored_entries(stored)
    try:
        managers = read_entries(given)
    except EntriesNotUnderstood:
        return known, False
    return (managers, managers != known) if managers else (known, False)
