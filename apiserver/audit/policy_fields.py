"""Reads the fields of a policy's objects, and collects what is wrong with them, each with its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fields:
    """One object, at `place` (`rules[0]`; empty for the whole); a field that is absent or null has its empty value."""

    document: Mapping[object, object]
    place: str
    faults: list[str]

    @classmethod
    def of(cls, value: object, faults: list[str]) -> "Fields":
        """The whole document."""
        if not isinstance(value, Mapping):
            faults.append("audit policy: must be an object")
            return cls({}, "", faults)
        return cls(value, "", faults)

    def fault(self, name: str, what: str) -> None:
        self.faults.append(f"audit policy: {self._place_of(name)}: {what}")

    def verify_known(self, *names: str) -> None:
        for name in self.document:
            if name not in names:
                self.fault(str(name), "is no field of this; known are " + ", ".join(names))

    def text(self, name: str) -> str:
        value = self.document.get(name)
        if value is None or isinstance(value, str):
            return value or ""
        self.fault(name, "must be a text")
        return ""

    def truth(self, name: str) -> bool | None:
        value = self.document.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.fault(name, "must be true or false")
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(value for value in self._list(name, "texts", str) if isinstance(value, str))

    def objects(self, name: str) -> "Sequence[Fields]":
        return [
            Fields(value, f"{self._place_of(name)}[{index}]", self.faults)
            for index, value in enumerate(self._list(name, "objects", Mapping))
            if isinstance(value, Mapping)
        ]

    def _place_of(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def _list(self, name: str, of_what: str, kind: type) -> Sequence[object]:
        value = self.document.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, kind) for one in value):
            self.fault(name, f"must be a list of {of_what}")
            return []
        return value
