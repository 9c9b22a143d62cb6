"""Which top-level fields an endpoint writes: of the others nobody becomes the manager through it."""

from dataclasses import dataclass

from apiserver.fields.comparison import Comparison
from apiserver.fields.sets import FieldSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """`only` are the fields that are written, None: all; `never` those that are not."""

    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()

    def limit(self, fields: FieldSet) -> FieldSet:
        """Those of `fields` that can be written."""
        if self.only is None and not self.never:
            return fields
        return FieldSet({element: node for element, node in fields.tree.items() if self._has(element[2:])})

    def limit_comparison(self, comparison: Comparison) -> Comparison:
        return Comparison(
            added=self.limit(comparison.added),
            modified=self.limit(comparison.modified),
            removed=self.limit(comparison.removed),
        )

    def _has(self, name: str) -> bool:
        return name not in self.never and (self.only is None or name in self.only)


EVERYTHING = Reach()
ALL_BUT_STATUS = Reach(never=frozenset({"status"}))
"""The main resource of a kind with a status subresource."""
STATUS_ALONE = Reach(only=frozenset({"status"}))
"""The status subresource."""
