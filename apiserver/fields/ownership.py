"""Who manages what after a change (structured-merge-diff, merge.Updater; the managers around it in k8s.io/apimachinery).

- Whoever changes a field takes it from all others; a field that goes is nobody's.
- Functions take managers and return new ones; entries without fields are dropped.
- All versions and groups that show one stored object have the same paths, so entries of any apiVersion are taken alike.
"""

from dataclasses import replace

from apiserver.fields.comparison import Comparison
from apiserver.fields.entries import UPDATE, Entry, Identity, Managers, oldest_first
from apiserver.fields.reconciliation import reconcile
from apiserver.fields.sets import FieldSet
from apiserver.schema.structural import Schema

_MOST_UPDATERS = 10
_ANCIENT = "ancient-changes"

NEVER_OWNED = FieldSet.of(
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "clusterName",
            "creationTimestamp",
            "generation",
            "managedFields",
            "name",
            "namespace",
            "resourceVersion",
            "selfLink",
            "uid",
        )
    ),
)
"""What identifies an object, and what the server alone writes."""


def reconciled(schema: Schema, managers: Managers) -> Managers:
    """Managers from when the kind's schema was another."""
    return {identity: replace(entry, fields=reconcile(schema, entry.fields)) for identity, entry in managers.items()}


def conflicts(
    managers: Managers, comparison: Comparison, *, applier: Identity | None = None
) -> dict[Identity, FieldSet]:
    """Which changed fields are whose, the applier's own apart."""
    taken = comparison.taken
    found = {identity: entry.fields.intersection(taken) for identity, entry in managers.items() if identity != applier}
    return {identity: fields for identity, fields in found.items() if fields}


def released(managers: Managers, comparison: Comparison, *, applier: Identity | None = None) -> Managers:
    """Managers without what was changed or removed; the applier keeps what it has."""
    gone = comparison.taken.union(comparison.removed)
    if not gone:
        return _filled(managers)
    return _filled(
        {
            identity: entry if identity == applier else replace(entry, fields=entry.fields.difference(gone))
            for identity, entry in managers.items()
        }
    )


def updated(managers: Managers, comparison: Comparison, entry: Entry) -> Managers:
    """Managers after an update. `entry` is the updater's, without fields, with the time of the update."""
    result = released(managers, comparison)
    fields = comparison.taken.difference(NEVER_OWNED)
    if fields:
        present = result.get(entry.identity)
        result[entry.identity] = replace(entry, fields=fields if present is None else fields.union(present.fields))
    return _capped(result)


def _filled(managers: Managers) -> Managers:
    return {identity: entry for identity, entry in managers.items() if entry.fields}


def _capped(managers: Managers) -> Managers:
    """At most so many updaters: the oldest ones of an apiVersion are told apart no longer."""
    updaters = [identity for identity, entry in managers.items() if entry.operation == UPDATE]
    excess = len(updaters) - _MOST_UPDATERS
    if excess <= 0:
        return managers
    result = dict(managers)
    first: dict[str, Identity] = {}
    for identity in oldest_first(updaters, managers):
        if excess <= 0:
            break
        entry = result[identity]
        if entry.api_version not in first:
            first[entry.api_version] = identity
            continue
        bucket = (_ANCIENT, UPDATE, entry.api_version, "")
        if bucket not in result:
            oldest = result.pop(first[entry.api_version])
            result[bucket] = replace(oldest, manager=_ANCIENT, subresource="")
        fields = entry.fields.union(result[bucket].fields)
        result[bucket] = replace(result[bucket], fields=fields, time=entry.time)
        if identity != bucket:
            del result[identity]
        excess -= 1
    return result
