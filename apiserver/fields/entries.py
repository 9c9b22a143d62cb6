"""Entries of managedFields: who manages which fields (meta/v1 ManagedFieldsEntry).

- An entry is identified by manager, operation and subresource, and an Update's by its apiVersion as well: an applier has one entry.
- What is written is sorted by operation, time (whole seconds), manager, apiVersion, subresource.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import orjson

from apiserver.ambient import format_time
from apiserver.documents import JsonObject, JsonValue
from apiserver.errors import BadRequest
from apiserver.fields.manager_names import manager_faults
from apiserver.fields.sets import FieldSet
from apiserver.fields.values import quoted

APPLY = "Apply"
UPDATE = "Update"

_LONGEST_SUBRESOURCE = 256

Identity: TypeAlias = tuple[str, str, str, str]
"""manager, operation, apiVersion of an Update, subresource."""

Managers: TypeAlias = "dict[Identity, Entry]"


class EntriesNotUnderstood(Exception):
    """Entries of a form that there may be elsewhere: whoever writes them back has not made them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`time` is metav1.Time, or "" where it is not known."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    fields: FieldSet

    @property
    def identity(self) -> Identity:
        return (self.manager, self.operation, self.api_version if self.operation == UPDATE else "", self.subresource)

    @property
    def document(self) -> JsonObject:
        document: JsonObject = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.document,
            "subresource": self.subresource,
        }
        return {name: value for name, value in document.items() if value != ""}

    @classmethod
    def from_document(cls, document: JsonValue, path: str) -> "Entry":
        """`path` is where it stands, for messages. Raises BadRequest, EntriesNotUnderstood."""
        if not isinstance(document, dict):
            raise BadRequest(f"{path}: must be an object")
        texts = {name: _text(document, name, path) for name in _TEXTS}
        if texts["operation"] not in (APPLY, UPDATE) or not texts["apiVersion"] or texts["fieldsType"] != "FieldsV1":
            raise EntriesNotUnderstood(path)
        if len(texts["subresource"].encode()) > _LONGEST_SUBRESOURCE:
            raise BadRequest(f"{path}.subresource: Too long: may not be more than {_LONGEST_SUBRESOURCE} bytes")
        for fault in manager_faults(texts["manager"], f"{path}.manager"):
            raise BadRequest(str(fault))
        try:
            fields = FieldSet.from_document(document.get("fieldsV1") or {})
        except BadRequest as err:
            raise EntriesNotUnderstood(f"{path}.fieldsV1: {err}") from err
        return cls(
            manager=texts["manager"],
            operation=texts["operation"],
            api_version=texts["apiVersion"],
            subresource=texts["subresource"],
            time=_time(texts["time"], f"{path}.time"),
            fields=fields,
        )


_TEXTS = ("manager", "operation", "apiVersion", "time", "fieldsType", "subresource")


def read_entries(documents: JsonValue) -> Managers:
    """By identity. Raises BadRequest, EntriesNotUnderstood."""
    if documents is None:
        return {}
    if not isinstance(documents, list):
        raise BadRequest("metadata.managedFields: must be an array")
    entries = (
        Entry.from_document(document, f"metadata.managedFields[{index}]") for index, document in enumerate(documents)
    )
    return {entry.identity: entry for entry in entries}


def stored_entries(documents: JsonValue) -> Managers:
    """As `read_entries`, of what is stored: where it cannot be read nobody manages anything."""
    try:
        return read_entries(documents)
    except (BadRequest, EntriesNotUnderstood):
        return {}


def write_entries(managers: Mapping[Identity, Entry]) -> list[JsonValue]:
    """The value of metadata.managedFields."""
    return [entry.document for entry in sorted(managers.values(), key=_place)]


def oldest_first(identities: Iterable[Identity], managers: Mapping[Identity, Entry]) -> list[Identity]:
    """By time, then by identity."""
    return sorted(identities, key=lambda identity: (managers[identity].time, identity_text(identity)))


def identity_text(identity: Identity) -> str:
    """What Kubernetes sorts entries of one conflict by."""
    manager, operation, api_version, subresource = identity
    named = {"manager": manager, "operation": operation, "apiVersion": api_version, "subresource": subresource}
    return orjson.dumps({name: value for name, value in named.items() if value}).decode()


def _place(entry: Entry) -> tuple[str, str, str, str, str]:
    return (entry.operation, entry.time, entry.manager, entry.api_version, entry.subresource)


def _text(document: JsonObject, name: str, path: str) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRequest(f"{path}.{name}: must be a string")
    return value


def _time(text: str, path: str) -> str:
    if not text:
        return ""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as err:
        raise BadRequest(f"{path}: must be a time as of RFC 3339, not {quoted(text)}") from err
    return format_time(instant.replace(tzinfo=instant.tzinfo or UTC))
