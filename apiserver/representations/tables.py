"""Tables: what `kubectl get` prints (meta.k8s.io Table).

- Cells come from metadata and projection, never from a body.
- A date becomes an age when it is shown, not when it is stored.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import cast

import orjson

from apiserver.documents import JsonObject
from apiserver.errors import BadRequest
from apiserver.field_errors import go_number
from apiserver.kinds.json_path import compile_json_path
from apiserver.kinds.kind import Column, Kind
from apiserver.representations.durations import human_duration
from apiserver.representations.encoding import ListFrame, type_prefix
from apiserver.storage.records import Record

_NAME = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": (
        "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
        "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
        "idempotence and configuration definition. Cannot be updated. More info: "
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
    ),
    "priority": 0,
}


class IncludeObject(StrEnum):
    """What of the object a row carries along."""

    NONE = "None"
    METADATA = "Metadata"
    OBJECT = "Object"

    @classmethod
    def parse(cls, text: str) -> "IncludeObject":
        """Raises BadRequest."""
        if not text:
            return cls.METADATA
        try:
            return cls(text)
        except ValueError as err:
            raise BadRequest(
                f'Unable to convert to Table as requested: includeObject: Invalid value: "{text[:64]}": '
                "must be 'Metadata', 'Object', 'None', or empty"
            ) from err


class TableShape:
    """The table of one kind, at one instant."""

    def __init__(self, kind: Kind, *, version: str, now: datetime) -> None:
        """`version` is that of meta.k8s.io."""
        self._api_version = f"meta.k8s.io/{version}"
        self._definitions = orjson.dumps([_NAME, *map(_definition, kind.columns)])
        self._now = now
        self._cells: list[Callable[[Record, Mapping[str, object], Mapping[str, object]], object]] = [
            self._reader(column) for column in kind.columns
        ]
        self._wants_metadata = any(column.json_path.startswith(".metadata") for column in kind.columns)

    def row(self, record: Record, included: bytes | None) -> bytes:
        """`included` is the object that the row carries, encoded."""
        projection = orjson.loads(record.projection)
        metadata = orjson.loads(record.metadata) if self._wants_metadata else {}
        cells = orjson.dumps([record.key.name, *(cell(record, projection, metadata) for cell in self._cells)])
        return b'{"cells":' + cells + b',"object":' + (included or b"null") + b"}"

    def frame(self, *, revision: int, continue_token: str, remaining: int | None) -> ListFrame:
        metadata: dict[str, object] = {"resourceVersion": str(revision)}
        if continue_token:
            metadata["continue"] = continue_token
        if remaining:
            metadata["remainingItemCount"] = remaining
        return ListFrame(prefix=self._prefix(orjson.dumps(metadata), with_columns=True), suffix=b"]}")

    def single(self, record: Record, included: bytes | None, *, with_columns: bool = True) -> bytes:
        """A table of one row."""
        metadata = b'{"resourceVersion":"%d"}' % record.revision
        return self._prefix(metadata, with_columns=with_columns) + self.row(record, included) + b"]}"

    def empty(self, metadata: bytes) -> bytes:
        """A bookmark's: no rows."""
        return self._prefix(metadata, with_columns=False) + b"]}"

    def _prefix(self, metadata: bytes, *, with_columns: bool) -> bytes:
        columns = self._definitions if with_columns else b"null"
        return type_prefix("Table", self._api_version) + metadata + b',"columnDefinitions":' + columns + b',"rows":['

    def _reader(self, column: Column) -> Callable[[Record, Mapping[str, object], Mapping[str, object]], object]:
        show = self._age if column.type == "date" else _SHOWN.get(column.type, lambda value: value)
        if column.json_path.startswith(".metadata"):
            path = compile_json_path(column.json_path)

            def from_metadata(_record: Record, _fields: Mapping[str, object], metadata: Mapping[str, object]) -> object:
                values = path.find({"metadata": cast("JsonObject", metadata)})
                return show(values[0]) if values else show(None)

            return from_metadata
        return lambda _record, fields, _metadata: show(fields.get(column.json_path))

    def _age(self, value: object) -> object:
        if not isinstance(value, str):
            return None
        if not value:
            return "<unknown>"
        try:
            since = datetime.fromisoformat(value)
        except ValueError:
            return "<invalid>"
        return human_duration(int((self._now - since).total_seconds()))


def _definition(column: Column) -> dict[str, object]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description
        or f"Custom resource definition column (in JSONPath format): {column.json_path}",
        "priority": column.priority,
    }


def _whole(value: object) -> object:
    if isinstance(value, float):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> object:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _truth(value: object) -> object:
    return value if isinstance(value, bool) else None


def _words(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return go_number(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


_SHOWN: Mapping[str, Callable[[object], object]] = {
    "integer": _whole,
    "number": _number,
    "boolean": _truth,
    "string": _words,
}
