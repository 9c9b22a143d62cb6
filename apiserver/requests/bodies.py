"""An object as it comes in a request body.

- UTF-8 and JSON are checked to the last octet, also where nothing is decoded (opaque fields).
- Nesting is bounded, so that nothing behind this edge can run out of stack.
- Two fields of one name are found, wherever they stand; the last one counts, as everywhere in Kubernetes.
"""

import json
from collections.abc import Sequence

import msgspec
import orjson

from apiserver.documents import JsonObject, JsonValue, OpaqueJson
from apiserver.errors import BadRequest
from apiserver.kinds.kind import Kind

DEEPEST = 200
"""Levels of objects and arrays; orjson writes 254 at most."""

_TOP_LEVEL = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_object(octets: bytes, kind: Kind) -> JsonObject:
    """The document of a body, its opaque fields as `OpaqueJson`. Raises BadRequest."""
    if not kind.opaque:
        return _verify_object(decode_json(octets))
    document: JsonObject = {}
    for name, raw in _top_level(octets).items():
        value = bytes(raw)
        document[name] = OpaqueJson(value) if name in kind.opaque and value != b"null" else decode_json(value)
    return document


def decode_json(octets: bytes) -> JsonValue:
    """Raises BadRequest for what is no JSON, no UTF-8, or nested too deeply."""
    try:
        value: JsonValue = orjson.loads(octets)
    except orjson.JSONDecodeError as err:
        raise _broken(str(err)) from err
    if (
        max(octets.count(b"{"), octets.count(b"[")) > DEEPEST // 2
    ):  # otherwise it cannot be deep, and need not be looked at
        verify_depth(value)
    return value


def verify_depth(value: JsonValue) -> None:
    """Raises BadRequest beyond `DEEPEST` levels."""
    level: list[JsonValue] = [value]
    for _ in range(DEEPEST + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise BadRequest(f"the document is nested more than {DEEPEST} levels deep")


def duplicate_fields(octets: bytes) -> Sequence[str]:
    """Paths of fields that stand twice in their object, as `spec.a[0].b`. The octets are known to be JSON."""
    if not _has_duplicates(octets):
        return ()
    found: dict[str, None] = {}
    _collect(_Pairs.load(octets), "", found)
    return tuple(found)


class _Pairs(list[tuple[str, object]]):
    """An object as the pairs that were written, so that none is lost."""

    @classmethod
    def load(cls, octets: bytes) -> object:
        return json.loads(octets, object_pairs_hook=cls)


def _has_duplicates(octets: bytes) -> bool:
    found = False

    def look(pairs: list[tuple[str, object]]) -> None:
        nonlocal found
        if not found and len({name for name, _ in pairs}) < len(pairs):
            found = True

    json.loads(octets, object_pairs_hook=look)
    return found


def _collect(value: object, path: str, found: dict[str, None]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for name, child in value:
            below = f"{path}.{name}" if path else name
            if name in seen:
                found[below] = None
            seen.add(name)
            _collect(child, below, found)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            _collect(child, f"{path}[{index}]", found)


def _top_level(octets: bytes) -> dict[str, msgspec.Raw]:
    try:
        octets.decode()  # msgspec does not look into what it leaves raw
        return _TOP_LEVEL.decode(octets)
    except UnicodeDecodeError as err:
        raise _broken("the body is not UTF-8") from err
    except (msgspec.DecodeError, msgspec.ValidationError) as err:
        raise _broken(str(err)) from err
    except RecursionError as err:
        raise BadRequest(f"the document is nested more than {DEEPEST} levels deep") from err


def _verify_object(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise _broken("the body must be an object")
    return value


def _broken(why: str) -> BadRequest:
    return BadRequest(f"couldn't get version/kind; json parse error: {why}")
