"""JSONPath as printer columns and selectable fields use it (k8s.io/client-go/util/jsonpath, the part without templates).

    .spec.color   .metadata.annotations['a.b/c']   .status.conditions[0].type   .spec.items[*].name   .a[?(@.type=="Ready")].status

- Compiled once; a path that finds nothing is no fault.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import orjson

from apiserver.documents import JsonValue, OpaqueJson
from apiserver.fields.values import same

_Step = Callable[[JsonValue], Iterator[JsonValue]]

_TOKEN = re.compile(
    r"""
      \.(?P<field>[A-Za-z_$][\w$-]*)
    | \[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]
    | \[(?P<index>-?\d+)\]
    | (?P<all>\[\*\]|\.\*)
    | \[\?\(\s*@(?P<path>[^=!<>()]*?)\s*(?P<operator>==|!=)\s*(?P<literal>"[^"]*"|'[^']*'|-?\d+(?:\.\d+)?|true|false)\s*\)\]
    """,
    re.VERBOSE,
)


class JsonPathInvalid(Exception):
    """The text is no path that is understood here."""


@dataclass(frozen=True, slots=True, eq=False)
class JsonPath:
    """`text` is the path as written."""

    text: str
    steps: tuple[_Step, ...]
    names: tuple[str, ...]
    """The fields, where the path consists of nothing else."""

    def find(self, document: JsonValue) -> list[JsonValue]:
        """Every value that the path leads to."""
        if self.names:
            return self._walk(document)
        values: Iterable[JsonValue] = [document]
        for step in self.steps:
            values = [child for value in values for child in step(value)]
        return list(values)

    def _walk(self, value: JsonValue) -> list[JsonValue]:
        for name in self.names:
            if isinstance(value, OpaqueJson):
                value = orjson.loads(value.octets)
            if not isinstance(value, dict) or name not in value:
                return []
            value = value[name]
        return [value]


@lru_cache(maxsize=4096)
def compile_json_path(text: str) -> JsonPath:
    """Raises JsonPathInvalid."""
    body = text.strip().removeprefix("{").removesuffix("}")
    body = body if body.startswith((".", "[")) else f".{body}"
    steps: list[_Step] = []
    names: list[str] = []
    position = 0
    while position < len(body):
        match = _TOKEN.match(body, position)
        if match is None:
            raise JsonPathInvalid(f"{text!r} is not understood from {body[position:]!r}")
        steps.append(_step(match))
        if name := match["field"] or match["quoted"]:
            names.append(name)
        position = match.end()
    if not steps:
        raise JsonPathInvalid(f"{text!r} names no field")
    return JsonPath(text=text, steps=tuple(steps), names=tuple(names) if len(names) == len(steps) else ())


def _step(match: "re.Match[str]") -> _Step:
    if name := match["field"] or match["quoted"]:
        return lambda value: _field(value, name)
    if match["index"]:
        index = int(match["index"])
        return lambda value: _index(value, index)
    if match["all"]:
        return _children
    inner = compile_json_path(match["path"]) if match["path"].strip() else None
    written = match["literal"]
    literal: JsonValue = written[1:-1] if written[0] in "'\"" else orjson.loads(written)
    equal = match["operator"] == "=="
    return lambda value: (
        child
        for child in _children(value)
        if _is_among([child] if inner is None else inner.find(child), literal) is equal
    )


def _is_among(found: list[JsonValue], literal: JsonValue) -> bool:
    return any(same(one, literal) for one in found)


def _field(value: JsonValue, name: str) -> Iterator[JsonValue]:
    if isinstance(value, OpaqueJson):
        value = orjson.loads(value.octets)
    if isinstance(value, dict) and name in value:
        yield value[name]


def _index(value: JsonValue, index: int) -> Iterator[JsonValue]:
    if isinstance(value, list) and -len(value) <= index < len(value):
        yield value[index]


def _children(value: JsonValue) -> Iterator[JsonValue]:
    if isinstance(value, OpaqueJson):
        value = orjson.loads(value.octets)
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()
