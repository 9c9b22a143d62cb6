"""Projections: the few values of an object that lists, tables and selectors need, kept beside its metadata.

- By path, for every kind that shows the object: {".summary.pass": 3}. A path that leads nowhere is left out.
- Of several values the first counts, as in printer columns.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import orjson

from apiserver.documents import JsonObject, JsonValue
from apiserver.kinds.json_path import JsonPath, compile_json_path
from apiserver.kinds.kind import Kind

_LONGEST = 1024  # characters of a value; a cell of a table shows no more


def project(sharing: Sequence[Kind], fields: JsonObject, metadata: Mapping[str, JsonValue]) -> bytes:
    """From the stored form of an object."""
    document: JsonObject = {**fields, "metadata": dict(metadata)}
    found: JsonObject = {}
    for path in _paths(tuple(kind.projected_paths for kind in sharing)):
        values = path.find(document)
        if values:
            found[path.text] = _bounded(values[0])
    return orjson.dumps(found)


@lru_cache(maxsize=256)
def _paths(texts: tuple[tuple[str, ...], ...]) -> tuple[JsonPath, ...]:
    return tuple(compile_json_path(text) for text in dict.fromkeys(text for one in texts for text in one))


def _bounded(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, (dict, list)):
        octets = orjson.dumps(value, default=lambda _opaque: "…", option=orjson.OPT_PASSTHROUGH_DATACLASS)
        return octets.decode()[:_LONGEST]
    return value
