"""JSON patch, RFC 6902, as kube-apiserver applies it.

- A patch is applied whole or not at all, to a copy.
- Where kube-apiserver's library (evanphx/json-patch v4) departs from the RFC, this follows the library: an index may be negative
  and counts from the end; replace adds a member that is not there; a member that is not there is null to test and to copy.
- Documents do not grow without bound: operations and copied octets are limited.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import orjson

from apiserver.documents import JsonObject, JsonValue, OpaqueJson
from apiserver.errors import BadRequest, RequestEntityTooLarge, Unprocessable
from apiserver.fields.depth import bounded
from apiserver.fields.values import copied, same

MOST_OPERATIONS = 10_000
MOST_COPIED = 3 << 20
"""Octets that all `copy` operations of a patch may add."""
OPERATION_FIELDS = frozenset({"op", "path", "from", "value"})

_REFUSED = "the server rejected our request due to an error in our request"
_INDEX = re.compile(r"[+-]?[0-9]{1,18}")

Container: TypeAlias = "JsonObject | list[JsonValue]"


@bounded
def apply_json_patch(document: JsonValue, operations: JsonValue) -> JsonValue:
    """A new document that shares nothing with the two that are handed in.

    Raises BadRequest for what is no patch, RequestEntityTooLarge for too many operations, Unprocessable where one does not apply.
    """
    patch = _read(operations)
    if len(patch) > MOST_OPERATIONS:
        raise RequestEntityTooLarge.because(
            f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(patch)}",
            limit=MOST_OPERATIONS,
        )
    target = _Target(document=copied(document))
    for operation in patch:
        perform = _OPERATIONS.get(operation.op)
        if perform is None:
            raise Unprocessable(_REFUSED)
        perform(target, operation)
    return target.document


def json_type(value: JsonValue) -> str:
    """What Go's decoder calls a value."""
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    """`path` and `source` are pointers, None where they are missing."""

    op: str
    path: str | None
    source: str | None
    value: JsonValue


@dataclass(slots=True, kw_only=True)
class _Target:
    """The document while it is being patched."""

    document: JsonValue
    copied_octets: int = field(default=0)


def _read(operations: JsonValue) -> Sequence[_Operation]:
    if not isinstance(operations, list):
        raise BadRequest(_decoding(operations, "Go value of type []handlers.jsonPatchOp"))
    return [_read_operation(operation) for operation in operations]


def _read_operation(operation: JsonValue) -> _Operation:
    if not isinstance(operation, dict):
        raise BadRequest(_decoding(operation, "Go value of type handlers.jsonPatchOp"))
    return _Operation(
        op=_text(operation, "op") or "",
        path=_text(operation, "path"),
        source=_text(operation, "from"),
        value=operation.get("value"),
    )


def _text(operation: JsonObject, name: str) -> str | None:
    value = operation.get(name)
    if value is None or isinstance(value, str):
        return value
    raise BadRequest(_decoding(value, f"Go struct field jsonPatchOp.{name} of type string"))


def _decoding(value: JsonValue, place: str) -> str:
    return f"error decoding patch: json: cannot unmarshal {json_type(value)} into {place}"


def _add(target: _Target, operation: _Operation) -> None:
    container, token = _locate(target, operation.path)
    _put(container, token, copied(operation.value))


def _remove(target: _Target, operation: _Operation) -> None:
    container, token = _locate(target, operation.path)
    _take(container, token)


def _replace(target: _Target, operation: _Operation) -> None:
    if operation.path == "":
        if not isinstance(operation.value, (dict, list)):
            raise Unprocessable(_REFUSED)
        target.document = copied(operation.value)
        return
    container, token = _locate(target, operation.path)
    if isinstance(container, dict):
        container[token] = copied(operation.value)
    else:
        container[_index(container, token)] = copied(operation.value)


def _move(target: _Target, operation: _Operation) -> None:
    container, token = _locate(target, operation.source)
    value = _take(container, token)
    # The value is gone while its new place is looked for: nothing can be moved into itself.
    container, token = _locate(target, operation.path)
    _put(container, token, value)


def _copy(target: _Target, operation: _Operation) -> None:
    container, token = _locate(target, operation.source)
    value = _get(container, token)
    container, token = _locate(target, operation.path)
    target.copied_octets += _octets(value)
    if target.copied_octets > MOST_COPIED:
        raise Unprocessable(_REFUSED)
    _put(container, token, copied(value))


def _test(target: _Target, operation: _Operation) -> None:
    if operation.path == "":
        value = target.document
    else:
        container, token = _locate(target, operation.path)
        value = _get(container, token)
    if not same(value, operation.value):
        raise Unprocessable(_REFUSED)


_OPERATIONS: Mapping[str, Callable[[_Target, _Operation], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _locate(target: _Target, pointer: str | None) -> tuple[Container, str]:
    """The container of what a pointer (RFC 6901) points at, and the last token."""
    if not pointer or not pointer.startswith("/"):
        raise Unprocessable(_REFUSED)
    *steps, last = (token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/"))
    container = target.document
    for step in steps:
        if not isinstance(container, (dict, list)):
            raise Unprocessable(_REFUSED)
        container = _get(container, step)
    if not isinstance(container, (dict, list)):
        raise Unprocessable(_REFUSED)
    return container, last


def _get(container: Container, token: str) -> JsonValue:
    return container.get(token) if isinstance(container, dict) else container[_index(container, token)]


def _put(container: Container, token: str, value: JsonValue) -> None:
    if isinstance(container, dict):
        container[token] = value
    elif token == "-":  # noqa: S105 - a token of RFC 6901: behind the last element
        container.append(value)
    else:
        container.insert(_index(container, token, room=1), value)


def _take(container: Container, token: str) -> JsonValue:
    if isinstance(container, list):
        return container.pop(_index(container, token))
    if token not in container:
        raise Unprocessable(_REFUSED)
    return container.pop(token)


def _index(items: list[JsonValue], token: str, room: int = 0) -> int:
    """`room` is 1 where the place behind the last element will do."""
    size = len(items) + room
    if not _INDEX.fullmatch(token) or not -size <= int(token) < size:
        raise Unprocessable(_REFUSED)
    return int(token) % size


def _octets(value: JsonValue) -> int:
    try:
        return len(orjson.dumps(value, default=_opaque, option=orjson.OPT_PASSTHROUGH_DATACLASS))
    except orjson.JSONEncodeError as err:
        raise BadRequest("the document is nested too deeply") from err


def _opaque(value: object) -> orjson.Fragment:
    if isinstance(value, OpaqueJson):
        return orjson.Fragment(value.octets)
    raise TypeError(f"{type(value).__name__} is no JSON")
