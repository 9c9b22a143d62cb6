"""A JSON patch (RFC 6902) as it grows: operations on a pod that is not changed itself.

- A list or an object that is not there, or is null, is made first: `add` to the end of nothing is an error (RFC 6902 §4.1).
"""

from collections.abc import Sequence

from kube.documents import JsonObject, JsonValue


class JsonPatch:
    def __init__(self, document: JsonObject) -> None:
        self._document = document
        self._made: set[tuple[str | int, ...]] = set()
        self.operations: list[JsonObject] = []

    def put(self, parent: Sequence[str | int], name: str, value: JsonValue) -> None:
        """A member of an object, whether there is one of that name or not."""
        for length in range(1, len(parent) + 1):
            self._ensure(parent[:length], {})
        self._add(*parent, name, value=value)

    def append(self, items: Sequence[str | int], value: JsonValue, *, found: JsonValue) -> None:
        """To the end of a list; `found` is what the document has there, at an index that may have moved by now."""
        self._ensure(items, [], is_there=found is not None)
        self._add(*items, "-", value=value)

    def insert_first(self, items: Sequence[str | int], value: JsonValue, *, found: JsonValue) -> None:
        """The others move by one."""
        self._ensure(items, [], is_there=found is not None)
        self._add(*items, 0, value=value)

    def _ensure(self, path: Sequence[str | int], empty: JsonValue, *, is_there: bool | None = None) -> None:
        steps = tuple(path)
        there = self._has(steps) if is_there is None else is_there
        if there or steps in self._made:
            return
        self._made.add(steps)
        self._add(*steps, value=empty)

    def _has(self, path: Sequence[str | int]) -> bool:
        found: JsonValue = self._document
        for step in path:
            found = found.get(str(step)) if isinstance(found, dict) else None
        return found is not None

    def _add(self, *path: str | int, value: JsonValue) -> None:
        self.operations.append({"op": "add", "path": "".join(f"/{_token(step)}" for step in path), "value": value})


def _token(step: str | int) -> str:
    """RFC 6901 §3."""
    return str(step).replace("~", "~0").replace("/", "~1")
