"""Faults of a manifest, each with where it is; and its fields, which may be of any type, read with the type that they must have."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import cast

from apiserver.documents import JsonObject, JsonValue


@dataclass(slots=True)
class Faults:
    """Collects them. `place` is the document they are found in."""

    place: str
    found: list[str] = field(default_factory=list)

    def add(self, path: str, what: str) -> None:
        self.found.append(f"{self.place}: {path}: {what}")

    def unknown(self, path: str, document: Mapping[str, object], known: Set[str]) -> None:
        for name in document:
            if name not in known:
                self.add(f"{path}.{name}" if path else name, "is not known")

    def object(self, document: JsonObject, name: str, path: str, *, optional: bool = False) -> JsonObject:
        value = document.get(name)
        if isinstance(value, dict):
            return value
        if value is not None or not optional:
            self.add(_below(path, name), "is required" if value is None else "must be an object")
        return {}

    def objects(self, document: JsonObject, name: str, path: str) -> Sequence[JsonObject]:
        value = document.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.add(_below(path, name), "must be a list of objects")
            return ()
        return cast("list[JsonObject]", value)

    def text(self, document: JsonObject, name: str, path: str, *, optional: bool = False) -> str:
        value = document.get(name)
        if isinstance(value, str) and (value or optional):
            return value
        if value is None or value == "":
            if not optional:
                self.add(_below(path, name), "is required")
        else:
            self.add(_below(path, name), "must be a text")
        return ""

    def texts(self, document: JsonObject, name: str, path: str) -> tuple[str, ...]:
        value = document.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.add(_below(path, name), "must be a list of texts")
            return ()
        return tuple(cast("list[str]", value))

    def truth(self, document: JsonObject, name: str, path: str, *, optional: bool = False) -> bool:
        value: JsonValue = document.get(name)
        if isinstance(value, bool):
            return value
        if value is not None or not optional:
            self.add(_below(path, name), "is required" if value is None else "must be true or false")
        return False

    def whole(self, document: JsonObject, name: str, path: str) -> int:
        value = document.get(name, 0)
        if isinstance(value, int) and not isinstance(value, bool) and -(1 << 31) <= value < 1 << 31:
            return value
        self.add(_below(path, name), "must be a whole number")
        return 0


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
