"""What no single manifest shows: names that two kinds of a group share, and views that do not fit together."""

from collections.abc import Iterator, Sequence

from apiserver.kinds.kind import Kind
from apiserver.kinds.views import differences


def clashes(kinds: Sequence[Kind]) -> Iterator[str]:
    """Of all kinds that are loaded together."""
    yield from _name_clashes(kinds)
    yield from _storage_clashes(kinds)


def _name_clashes(kinds: Sequence[Kind]) -> Iterator[str]:
    """Within a group a resource has its names for itself; versions of one resource share them."""
    owners: dict[tuple[str, str, str], str] = {}
    for kind in kinds:
        names = kind.names
        taken = [
            ("the resource name", name) for name in dict.fromkeys((names.plural, names.singular, *names.short_names))
        ]
        taken += [("the kind", name) for name in (names.kind, names.list_kind)]
        for what, name in taken:
            owner = owners.setdefault((what, kind.group, name), names.plural)
            if owner != names.plural:
                yield f"{names.plural}.{kind.group}: {what} {name} is one of {owner}.{kind.group}, too"


def _storage_clashes(kinds: Sequence[Kind]) -> Iterator[str]:
    storages = {f"{kind.names.plural}.{kind.group}": kind.storage for kind in kinds}
    first: dict[str, Kind] = {}
    for kind in kinds:
        named = f"{kind.api_version} {kind.names.kind}"
        if storages.get(kind.storage, kind.storage) != kind.storage:
            yield f"{named}: is stored as {kind.storage}, which is itself stored as {storages[kind.storage]}"
        other = first.setdefault(kind.storage, kind)
        if other is kind:
            continue
        shown = f"{other.api_version} {other.names.kind}"
        if kind.namespaced != other.namespaced:
            yield f"{named}: differs in scope from {shown}, which shows the same objects"
        if kind.status != other.status:
            yield f"{named}: differs in the status subresource from {shown}, which shows the same objects"
        for path, how in differences(kind.schema, other.schema):
            yield f"{named}: {path} {how} {shown}, which shows the same objects; below the top level they must agree"
