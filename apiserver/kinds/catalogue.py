"""All kinds that a server has, by where they are found and by where their objects are stored."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from apiserver.kinds.kind import Kind

_VERSION = re.compile(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?", re.ASCII)
_MATURITY = {None: -3, "beta": -2, "alpha": -1}


class Catalogue:
    """Fixed when the process starts."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.kinds = tuple(kinds)
        self._by_place = {(kind.group, kind.version, kind.names.plural): kind for kind in self.kinds}
        self._views: dict[str, tuple[Kind, ...]] = {}
        for kind in self.kinds:
            self._views[kind.storage] = (*self._views.get(kind.storage, ()), kind)

    @cached_property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Groups by name, each with its versions, the preferred one first (Kubernetes version priority)."""
        names = sorted({kind.group for kind in self.kinds})
        return {
            name: tuple(sorted({kind.version for kind in self.kinds if kind.group == name}, key=precedence))
            for name in names
        }

    @property
    def storages(self) -> Sequence[str]:
        return tuple(self._views)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        return self._by_place.get((group, version, plural))

    def of_version(self, group: str, version: str) -> Sequence[Kind]:
        """In the order of their plurals."""
        found = [kind for kind in self.kinds if (kind.group, kind.version) == (group, version)]
        return sorted(found, key=lambda kind: kind.names.plural)

    def views(self, storage: str) -> Sequence[Kind]:
        """The kinds whose objects are stored there."""
        return self._views[storage]


def precedence(version: str) -> tuple[int, int, int, str]:
    """Sorts v2 before v1, v1 before v1beta2, that before v1alpha1, and what is no such version last, by its letters
    (k8s.io/apimachinery/pkg/version CompareKubeAwareVersionStrings)."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (1, 0, 0, version)
    major, maturity, minor = match.groups()
    return (_MATURITY[maturity], -int(major), -int(minor or 0), version)
