"""Reading YAML that nobody has vouched for: scalars, lists and mappings, with the line that each stands on.

- Scalars stay text: no number, date or truth value is guessed, so that `NO` is a country.
- Refused: documents above 1 MiB, aliases and anchors, tags, duplicate keys, more than one document, deep nesting.
- PyYAML only parses; nothing is constructed but the three kinds of value here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from ca.errors import PolicyInvalid

MAX_DOCUMENT_OCTETS = 1 << 20
MAX_DEPTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """`text` as written; `plain` is whether it stood without quotes, as `true` must."""

    text: str
    plain: bool
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    items: "tuple[Value, ...]"
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    entries: "dict[str, Value]"
    line: int


Value = Scalar | Listing | Mapping


def read_document(document: str) -> Value:
    """The one document in the text. Raises PolicyInvalid, naming the line."""
    octets = len(document.encode("utf-8", "surrogatepass"))
    if octets > MAX_DOCUMENT_OCTETS:
        raise PolicyInvalid([f"the document has {octets} octets; shorten it to at most {MAX_DOCUMENT_OCTETS}"])
    try:
        events = iter(yaml.parse(document, Loader=yaml.SafeLoader))
        return _read_stream(events)
    except yaml.MarkedYAMLError as err:
        line = "" if err.problem_mark is None else f"line {err.problem_mark.line + 1}: "
        raise PolicyInvalid([f"{line}not YAML: {err.problem or err.context}"]) from err
    except (yaml.YAMLError, ValueError, OverflowError) as err:
        raise PolicyInvalid([f"not YAML: {' '.join(str(err).split())}"]) from err


def _read_stream(events: Iterator[yaml.Event]) -> Value:
    next(events)
    if isinstance(next(events), yaml.StreamEndEvent):
        raise PolicyInvalid(["the document is empty; begin with apiVersion, kind and rules"])
    value = _read_value(next(events), events, depth=0)
    next(events)
    if not isinstance(event := next(events), yaml.StreamEndEvent):
        raise PolicyInvalid([f"line {_line(event)}: a second document begins; keep one"])
    return value


def _read_value(event: yaml.Event, events: Iterator[yaml.Event], *, depth: int) -> Value:
    line = _line(event)
    if depth > MAX_DEPTH:
        raise PolicyInvalid([f"line {line}: nested more than {MAX_DEPTH} deep; nothing in a policy is"])
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise PolicyInvalid([f"line {line}: anchors and aliases are not read; write the value out"])
    if (tag := getattr(event, "tag", None)) is not None:
        raise PolicyInvalid([f"line {line}: tags are not read; leave {tag[:100]!r} out"])
    if isinstance(event, yaml.SequenceStartEvent):
        return Listing(items=tuple(_read_items(events, depth=depth)), line=line)
    if isinstance(event, yaml.MappingStartEvent):
        return _read_mapping(events, depth=depth, line=line)
    if not isinstance(event, yaml.ScalarEvent):
        raise PolicyInvalid([f"line {line}: expected a value"])
    return Scalar(text=event.value, plain=event.style is None, line=line)


def _read_items(events: Iterator[yaml.Event], *, depth: int) -> Iterator[Value]:
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        yield _read_value(event, events, depth=depth + 1)


def _read_mapping(events: Iterator[yaml.Event], *, depth: int, line: int) -> Mapping:
    entries: dict[str, Value] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _read_value(event, events, depth=depth + 1)
        if not isinstance(key, Scalar):
            raise PolicyInvalid([f"line {key.line}: a key must be text"])
        if key.text in entries:
            raise PolicyInvalid([f"line {key.line}: {key.text[:100]!r} occurs twice; keep one"])
        entries[key.text] = _read_value(next(events), events, depth=depth + 1)
    return Mapping(entries=entries, line=line)


def _line(event: yaml.Event) -> int:
    return 0 if event.start_mark is None else event.start_mark.line + 1
