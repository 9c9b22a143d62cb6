"""One version of a CustomResourceDefinition: its schema, columns, subresources and selectable fields."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from apiserver.documents import JsonObject
from apiserver.errors import KindsInvalid
from apiserver.kinds.faults import Faults
from apiserver.kinds.json_path import JsonPathInvalid, compile_json_path
from apiserver.kinds.kind import Column
from apiserver.schema.labels import rfc1035_faults
from apiserver.schema.openapi import read_schema
from apiserver.schema.structural import Schema

_KNOWN = frozenset(
    {
        "name",
        "served",
        "storage",
        "deprecated",
        "deprecationWarning",
        "schema",
        "subresources",
        "additionalPrinterColumns",
        "selectableFields",
    }
)
_COLUMN = frozenset({"name", "type", "jsonPath", "format", "description", "priority"})
_COLUMN_TYPES = frozenset({"integer", "number", "string", "boolean", "date"})
_COLUMN_FORMATS = frozenset({"int32", "int64", "float", "double", "byte", "date", "date-time", "password"})
_AGE = Column(
    name="Age",
    type="date",
    json_path=".metadata.creationTimestamp",
    description=(
        "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be "
        "set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 "
        "form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
        "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
    ),
)
# A status is validated by itself, and what the root says of the whole would be lost on it.
_NOT_BESIDE_STATUS = frozenset(
    {"allOf", "anyOf", "oneOf", "not", "enum", "minProperties", "maxProperties", "x-kubernetes-map-type"}
)
_SELECTABLE_TYPES = frozenset({"string", "boolean", "integer"})
_MOST_SELECTABLE = 8
_FIELD_PATH = re.compile(r"(\.[^.\[\]]+)+")
_LONGEST_WARNING = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """`openapi` is the openAPIV3Schema as written, `schema` the same, parsed. As in a `Kind` otherwise."""

    name: str
    served: bool
    stored: bool
    openapi: JsonObject
    schema: Schema
    columns: tuple[Column, ...]
    selectable_fields: tuple[str, ...]
    status: bool
    deprecation_warning: str


def read_version(version: JsonObject, path: str, deprecation: str, faults: Faults) -> Version | None:
    """`deprecation` is the warning where it is deprecated and says nothing of its own. None where the schema has faults."""
    faults.unknown(path, version, _KNOWN)
    name = faults.text(version, "name", path)
    for fault in rfc1035_faults(name) if name else ():
        faults.add(f"{path}.name", fault)
    served, stored = faults.truth(version, "served", path), faults.truth(version, "storage", path)
    document = faults.object(faults.object(version, "schema", path), "openAPIV3Schema", f"{path}.schema")
    subresources = faults.object(version, "subresources", path, optional=True)
    faults.unknown(f"{path}.subresources", subresources, {"status"})
    columns = tuple(_columns(version, path, faults))
    warning = _deprecation_warning(version, path, deprecation, faults)
    schema = _schema(document, path, faults, has_status="status" in subresources)
    if schema is None:
        return None
    return Version(
        name=name,
        served=served,
        stored=stored,
        openapi=document,
        schema=schema,
        columns=columns,
        selectable_fields=tuple(_selectable(version, schema, path, faults)),
        status="status" in subresources,
        deprecation_warning=warning,
    )


def _schema(document: JsonObject, path: str, faults: Faults, *, has_status: bool) -> Schema | None:
    try:
        schema = read_schema(document)
    except KindsInvalid as err:
        for fault in err.faults:
            faults.add(f"{path}.schema", fault)
        return None
    if has_status:
        for name in sorted(_NOT_BESIDE_STATUS & document.keys()):
            faults.add(
                f"{path}.schema.openAPIV3Schema.{name}", "must not be at the root if the status subresource is enabled"
            )
    return schema


def _deprecation_warning(version: JsonObject, path: str, default: str, faults: Faults) -> str:
    is_deprecated = faults.truth(version, "deprecated", path, optional=True)
    warning = faults.text(version, "deprecationWarning", path, optional=True)
    if version.get("deprecationWarning") is not None:
        if not is_deprecated:
            faults.add(f"{path}.deprecationWarning", "can only be set for deprecated versions")
        if not 0 < len(warning) <= _LONGEST_WARNING or not warning.isprintable():
            faults.add(
                f"{path}.deprecationWarning", f"must be a printable text of at most {_LONGEST_WARNING} characters"
            )
    return (warning or default) if is_deprecated else ""


def _columns(version: JsonObject, path: str, faults: Faults) -> Iterator[Column]:
    given = faults.objects(version, "additionalPrinterColumns", path)
    if not given:
        yield _AGE
    for index, column in enumerate(given):
        place = f"{path}.additionalPrinterColumns[{index}]"
        faults.unknown(place, column, _COLUMN)
        kind, shape = faults.text(column, "type", place), faults.text(column, "format", place, optional=True)
        if kind and kind not in _COLUMN_TYPES:
            faults.add(f"{place}.type", f"must be one of {', '.join(sorted(_COLUMN_TYPES))}")
        if shape and shape not in _COLUMN_FORMATS:
            faults.add(f"{place}.format", f"must be one of {', '.join(sorted(_COLUMN_FORMATS))}")
        yield Column(
            name=faults.text(column, "name", place),
            type=kind,
            json_path=_json_path(column, place, faults),
            format=shape,
            description=faults.text(column, "description", place, optional=True),
            priority=faults.whole(column, "priority", place),
        )


def _json_path(column: JsonObject, place: str, faults: Faults) -> str:
    text = faults.text(column, "jsonPath", place)
    if text and not text.startswith("."):
        faults.add(f"{place}.jsonPath", "must be a simple json path starting with .")
    elif text:
        try:
            compile_json_path(text)
        except JsonPathInvalid as err:
            faults.add(f"{place}.jsonPath", str(err))
    return text


def _selectable(version: JsonObject, schema: Schema, path: str, faults: Faults) -> Iterator[str]:
    given = faults.objects(version, "selectableFields", path)
    seen: set[str] = set()
    for index, one in enumerate(given):
        place = f"{path}.selectableFields[{index}]"
        faults.unknown(place, one, {"jsonPath"})
        text = faults.text(one, "jsonPath", place)
        place += ".jsonPath"
        if not text:
            continue
        if text.startswith(".metadata.") or text == ".metadata":
            faults.add(place, "must not point to fields in metadata")
        elif not _FIELD_PATH.fullmatch(text) or (found := _field(schema, text)) is None:
            faults.add(place, "is an invalid path: does not refer to a valid field")
        elif found.type not in _SELECTABLE_TYPES:
            faults.add(place, "must point to a field of type string, boolean or integer")
        if text in seen:
            faults.add(place, f"{text} stands twice")
        seen.add(text)
        yield text
    if len(seen) > _MOST_SELECTABLE:
        faults.add(f"{path}.selectableFields", f"must have at most {_MOST_SELECTABLE} items")


def _field(schema: Schema, path: str) -> Schema | None:
    for name in path.removeprefix(".").split("."):
        known = schema.properties.get(name)
        if known is None:
            return None
        schema = known
    return schema
