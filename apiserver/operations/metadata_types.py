"""metadata as it comes: typed as ObjectMeta is (meta/v1 ObjectMeta), in the words of Go's decoder.

- Behind `read_metadata` no type has to be asked again: nulls, empty fields and unknown ones are gone.
- A text that is null within a map or a list is empty, as in Go.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from apiserver.documents import JsonObject, JsonValue
from apiserver.errors import BadRequest

_Reader = Callable[[str, JsonValue, list[str]], JsonValue]
"""From a field's name and value to the typed value; adds paths of unknown fields to the list."""

_OWNER: Mapping[str, str] = {
    **dict.fromkeys(("apiVersion", "kind", "name"), "string"),
    "uid": "types.UID",
    **dict.fromkeys(("controller", "blockOwnerDeletion"), "bool"),
}
_BEYOND = 1 << 63
_RFC_3339 = "2006-01-02T15:04:05Z07:00"
_TIME = (
    ("2006", r"\d{4}"),
    ("-", "-"),
    ("01", r"\d\d"),
    ("-", "-"),
    ("02", r"\d\d"),
    ("T", "T"),
    ("15", r"\d\d"),
    (":", ":"),
    ("04", r"\d\d"),
    (":", ":"),
    ("05", r"\d\d([.,]\d+)?"),
    ("Z07:00", r"Z|[+-]\d\d:\d\d"),
)
_WHOLE_TIME = re.compile("".join(f"({pattern})" for _, pattern in _TIME), re.ASCII)


def read_metadata(document: JsonObject) -> list[str]:
    """Puts a plain, typed metadata into `document`; returns the paths of fields that ObjectMeta does not have.

    Raises BadRequest where a field has a type that it does not have there.
    """
    given = document.get("metadata")
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise BadRequest(f"json: cannot unmarshal {_json_type(given)} into Go value of type v1.ObjectMeta")
    metadata: JsonObject = {}
    unknown: list[str] = []
    for name, value in given.items():
        read = _FIELDS.get(name)
        if read is None:
            unknown.append(f"metadata.{name}")
        elif value is not None:
            typed = read(name, value, unknown)
            if typed not in ("", [], {}) or name == "managedFields":  # empty, it resets
                metadata[name] = typed
    document["metadata"] = metadata
    return unknown


def _text(name: str, value: JsonValue, _unknown: list[str]) -> JsonValue:
    return _verified(name, value, "types.UID" if name == "uid" else "string")


def _integer(name: str, value: JsonValue, _unknown: list[str]) -> JsonValue:
    if isinstance(value, float) and value.is_integer() and abs(value) < _BEYOND:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _mismatch(name, value, "int64")
    return value


def _time(name: str, value: JsonValue, _unknown: list[str]) -> JsonValue:
    """Raises BadRequest for what is no time of RFC 3339, as Go's time.Parse says it."""
    if not isinstance(value, str):
        raise _mismatch(name, value, "string")
    if not _WHOLE_TIME.fullmatch(value):
        raise _no_time(value[:64])
    try:
        datetime.fromisoformat(value)
    except ValueError as err:
        raise BadRequest(f'parsing time "{value}": {err}') from err
    return value


def _no_time(text: str) -> BadRequest:
    rest = text
    for part, pattern in _TIME:
        found = re.match(pattern, rest, re.ASCII)
        if found is None:
            return BadRequest(f'parsing time "{text}" as "{_RFC_3339}": cannot parse "{rest}" as "{part}"')
        rest = rest[found.end() :]
    return BadRequest(f'parsing time "{text}": extra text: "{rest}"')


def _text_map(name: str, value: JsonValue, _unknown: list[str]) -> JsonValue:
    if not isinstance(value, dict):
        raise _mismatch(name, value, "map[string]string")
    return {key: "" if child is None else _verified(name, child, "string") for key, child in value.items()}


def _text_list(name: str, value: JsonValue, _unknown: list[str]) -> JsonValue:
    if not isinstance(value, list):
        raise _mismatch(name, value, "[]string")
    return ["" if child is None else _verified(name, child, "string") for child in value]


def _owners(name: str, value: JsonValue, unknown: list[str]) -> JsonValue:
    if not isinstance(value, list):
        raise _mismatch(name, value, "[]v1.OwnerReference")
    owners: list[JsonValue] = []
    for index, owner in enumerate(value):
        if owner is not None and not isinstance(owner, dict):
            raise _mismatch(name, owner, "v1.OwnerReference")
        typed: JsonObject = {}
        for field, child in (owner or {}).items():
            if field not in _OWNER:
                unknown.append(f"metadata.{name}[{index}].{field}")
            elif child is not None:
                typed[field] = _verified(f"{name}.{field}", child, _OWNER[field], of="OwnerReference")
        owners.append(typed)
    return owners


def _entries(name: str, value: JsonValue, _unknown: list[str]) -> JsonValue:
    """managedFields: what stands in an entry is `apiserver.fields`' concern."""
    if not isinstance(value, list):
        raise _mismatch(name, value, "[]v1.ManagedFieldsEntry")
    for entry in value:
        if not isinstance(entry, dict):
            raise _mismatch(name, entry, "v1.ManagedFieldsEntry")
    return value


def _verified(name: str, value: JsonValue, go_type: str, *, of: str = "ObjectMeta") -> JsonValue:
    if not isinstance(value, bool if go_type == "bool" else str):
        raise _mismatch(name, value, go_type, of=of)
    return value


def _mismatch(name: str, value: JsonValue, go_type: str, *, of: str = "ObjectMeta") -> BadRequest:
    found = _json_type(value)
    if go_type == "int64" and found == "number":
        found += f" {value}"
    return BadRequest(f"json: cannot unmarshal {found} into Go struct field {of}.{name} of type {go_type}")


def _json_type(value: JsonValue) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


_FIELDS: Mapping[str, _Reader] = {
    "annotations": _text_map,
    "creationTimestamp": _time,
    "deletionGracePeriodSeconds": _integer,
    "deletionTimestamp": _time,
    "finalizers": _text_list,
    "generateName": _text,
    "generation": _integer,
    "labels": _text_map,
    "managedFields": _entries,
    "name": _text,
    "namespace": _text,
    "ownerReferences": _owners,
    "resourceVersion": _text,
    "selfLink": _text,
    "uid": _text,
}
