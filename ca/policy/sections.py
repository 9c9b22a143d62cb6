"""Taking a document apart: every key accounted for, every fault kept, none of them final.

- Reading goes on after a fault, with the empty value in its place: whoever writes policies sees all faults at once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from ca.policy.reading import Listing, Mapping, Scalar, Value

MAX_ENTRIES = 1000
MAX_UNKNOWN_KEYS = 20
"""How many of one mapping are named in faults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A piece of text, with the place to name in a fault."""

    text: str
    place: str


class Section:
    """A mapping whose keys are known. `place` leads to it, as in `rule 'web': names`; `faults` is appended to."""

    def __init__(self, value: Value, *, place: str, keys: Iterable[str], faults: list[str]) -> None:
        self.place = place
        self.line = value.line
        self.faults = faults
        known = tuple(keys)
        self._entries = value.entries if isinstance(value, Mapping) else {}
        if not isinstance(value, Mapping):
            self.fault(f"must be a mapping with some of the keys {', '.join(known)}")
        unknown = [key for key in self._entries if key not in known]
        for key in unknown[:MAX_UNKNOWN_KEYS]:
            self._fault_at(self._entries[key].line, f"has no key {key[:100]!r}; {suggestion(key, known)}")

    def fault(self, problem: str) -> None:
        self._fault_at(self.line, problem)

    def has(self, key: str) -> bool:
        return key in self._entries

    def text(self, key: str) -> str | None:
        """The text under the key; None where there is none, which is a fault only if something else stands there."""
        value = self._entries.get(key)
        if value is None:
            return None
        if isinstance(value, Scalar) and value.text:
            return value.text
        self._fault_at(value.line, f"{key} must be text")
        return None

    def truth(self, key: str) -> bool:
        """Whether the key says `true`; absent is false."""
        value = self._entries.get(key)
        if value is None:
            return False
        if isinstance(value, Scalar) and value.plain and value.text in {"true", "false"}:
            return value.text == "true"
        self._fault_at(value.line, f"{key} must be true or false")
        return False

    def texts(self, key: str) -> tuple[Entry, ...] | None:
        """The list of texts under the key; None where the key is absent."""
        values = self.values(key)
        return None if values is None else tuple(self._entries_of(key, values))

    def values(self, key: str) -> tuple[Value, ...] | None:
        """The list under the key, which must not be empty; None where the key is absent."""
        value = self._entries.get(key)
        if value is None:
            return None
        if not isinstance(value, Listing):
            self._fault_at(value.line, f"{key} must be a list, as in [one, two]")
            return ()
        if not value.items:
            self._fault_at(value.line, f"{key} is empty; list something or leave it out")
        if len(value.items) > MAX_ENTRIES:
            self._fault_at(value.line, f"{key} has {len(value.items)} entries; keep to {MAX_ENTRIES}")
        return value.items[:MAX_ENTRIES]

    def value(self, key: str) -> Value | None:
        return self._entries.get(key)

    def section(self, key: str, keys: Iterable[str]) -> "Section":
        """The mapping under the key, which must be there."""
        return Section(self._entries[key], place=f"{self.place}: {key}", keys=keys, faults=self.faults)

    def _entries_of(self, key: str, values: tuple[Value, ...]) -> Iterator[Entry]:
        for value in values:
            if isinstance(value, Scalar) and value.text:
                yield Entry(text=value.text, place=f"line {value.line}: {self.place}: {key}")
            else:
                self._fault_at(value.line, f"{key} must list text only")

    def _fault_at(self, line: int, problem: str) -> None:
        self.faults.append(f"line {line}: {self.place}: {problem}")


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean 'dns'?`, or what there is to choose from."""
    choice = tuple(known)
    near = get_close_matches(word[:100], choice, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(choice)}"
