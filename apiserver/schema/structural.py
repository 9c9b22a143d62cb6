"""Structural schemas (apiextensions.k8s.io/v1): a schema that says of every field what type it has, once.

- `Schema.from_openapi` finds every fault and tells all of them; an instance obeys the rules of a structural schema.
- Immutable, and shared by everybody who asks.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import cast

from apiserver.documents import JsonValue
from apiserver.errors import KindsInvalid

TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean"})
_NUMBERS = ("minimum", "maximum", "multipleOf")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_BOOLEANS = (
    "nullable",
    "uniqueItems",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
)
_KNOWN = frozenset(
    {
        *_NUMBERS,
        *_COUNTS,
        *_BOOLEANS,
        "type",
        "format",
        "title",
        "description",
        "properties",
        "additionalProperties",
        "items",
        "required",
        "default",
        "enum",
        "pattern",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "example",
        "externalDocs",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",
        "x-kubernetes-validations",
        "x-kubernetes-patch-strategy",
        "x-kubernetes-patch-merge-key",
    }
)
_LIST_TYPES = frozenset({"", "atomic", "set", "map"})
_MAP_TYPES = frozenset({"", "atomic", "granular"})
_STRUCTURAL_ONLY = frozenset({"default", "nullable", "additionalProperties", "type", "description", "title"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One of x-kubernetes-validations, as written."""

    rule: str
    message: str = ""
    message_expression: str = ""
    reason: str = ""
    field_path: str = ""
    optional_old_self: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One node. `additional_properties` is True where any value may stand under any name, False where nothing is said."""

    type: str = ""
    format: str = ""
    description: str = ""
    properties: Mapping[str, "Schema"] = field(default_factory=lambda: MappingProxyType({}))
    additional_properties: "Schema | bool" = False
    items: "Schema | None" = None
    required: tuple[str, ...] = ()
    nullable: bool = False
    has_default: bool = False
    default: JsonValue = None
    enum: tuple[JsonValue, ...] = ()
    pattern: "re.Pattern[str] | None" = None
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    multiple_of: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool = False
    min_properties: int | None = None
    max_properties: int | None = None
    all_of: tuple["Schema", ...] = ()
    any_of: tuple["Schema", ...] = ()
    one_of: tuple["Schema", ...] = ()
    not_: "Schema | None" = None
    int_or_string: bool = False
    preserve_unknown_fields: bool = False
    embedded_resource: bool = False
    list_type: str = ""
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""
    patch_strategy: tuple[str, ...] = ()
    patch_merge_key: str = ""
    rules: tuple[Rule, ...] = ()
    bears_rules: bool = False
    """Whether there are rules here or anywhere below."""

    @classmethod
    def from_openapi(cls, document: Mapping[str, object]) -> "Schema":
        """Reads an openAPIV3Schema. Raises KindsInvalid, with a line for each fault."""
        faults: list[str] = []
        schema = _read(document, "openAPIV3Schema", faults, structural=True)
        if schema.type != "object":
            faults.append('openAPIV3Schema.type: must be "object"')
        if faults:
            raise KindsInvalid(faults)
        return schema

    @property
    def is_opaque(self) -> bool:
        """Whether a value is stored as it comes: nothing is said below it, and nobody owns a part of it."""
        return (
            self.type == "object"
            and self.preserve_unknown_fields
            and self.map_type == "atomic"
            and not (
                self.properties or self.rules or self.has_default or self.embedded_resource or self.has_constraints
            )
        )

    @property
    def has_junctors(self) -> bool:
        return bool(self.all_of or self.any_of or self.one_of or self.not_ is not None)

    @property
    def has_constraints(self) -> bool:
        return bool(
            self.required
            or self.all_of
            or self.any_of
            or self.one_of
            or self.not_
            or self.enum
            or self.min_properties is not None
            or self.max_properties is not None
        )


def _read(document: object, path: str, faults: list[str], *, structural: bool) -> Schema:
    """`structural` False inside of allOf, anyOf, oneOf and not, where only values may be constrained."""
    if not isinstance(document, Mapping):
        faults.append(f"{path}: must be an object")
        return Schema()
    faults += [f"{path}.{name}: is not allowed in a structural schema" for name in document if name not in _KNOWN]
    if not structural:
        faults += [
            f"{path}.{name}: must not be set inside of a logical junctor" for name in _STRUCTURAL_ONLY & document.keys()
        ]
    _verify_kinds(document, path, faults)
    kind = document.get("type", "")
    if kind and kind not in TYPES:
        faults.append(f"{path}.type: {kind!r} is not one of {', '.join(sorted(TYPES))}")
    schema = Schema(
        type=str(kind),
        format=str(document.get("format", "")),
        description=str(document.get("description", "")),
        properties=MappingProxyType(dict(_properties(document, path, faults, structural=structural))),
        additional_properties=_additional(document, path, faults, structural=structural),
        items=None
        if "items" not in document
        else _read(document["items"], f"{path}.items", faults, structural=structural),
        required=_texts(document, "required", path, faults),
        nullable=document.get("nullable") is True,
        has_default="default" in document,
        default=cast("JsonValue", document.get("default")),
        enum=tuple(cast("Sequence[JsonValue]", document.get("enum") or ())),
        pattern=_pattern(document, path, faults),
        minimum=_number(document, "minimum"),
        maximum=_number(document, "maximum"),
        exclusive_minimum=document.get("exclusiveMinimum") is True,
        exclusive_maximum=document.get("exclusiveMaximum") is True,
        multiple_of=_number(document, "multipleOf"),
        min_length=_count(document, "minLength"),
        max_length=_count(document, "maxLength"),
        min_items=_count(document, "minItems"),
        max_items=_count(document, "maxItems"),
        unique_items=document.get("uniqueItems") is True,
        min_properties=_count(document, "minProperties"),
        max_properties=_count(document, "maxProperties"),
        all_of=_junctor(document, "allOf", path, faults),
        any_of=_junctor(document, "anyOf", path, faults),
        one_of=_junctor(document, "oneOf", path, faults),
        not_=None if "not" not in document else _read(document["not"], f"{path}.not", faults, structural=False),
        int_or_string=document.get("x-kubernetes-int-or-string") is True,
        preserve_unknown_fields=document.get("x-kubernetes-preserve-unknown-fields") is True,
        embedded_resource=document.get("x-kubernetes-embedded-resource") is True,
        list_type=str(document.get("x-kubernetes-list-type", "")),
        list_map_keys=_texts(document, "x-kubernetes-list-map-keys", path, faults),
        map_type=str(document.get("x-kubernetes-map-type", "")),
        patch_strategy=tuple(filter(None, str(document.get("x-kubernetes-patch-strategy", "")).split(","))),
        patch_merge_key=str(document.get("x-kubernetes-patch-merge-key", "")),
        rules=_rules(document, path, faults),
    )
    if structural:
        faults += _structural_faults(schema, path)
    return replace(schema, bears_rules=True) if _bears_rules(schema) else schema


def _bears_rules(schema: Schema) -> bool:
    additional = schema.additional_properties
    below = [*schema.properties.values(), schema.items, additional if isinstance(additional, Schema) else None]
    return bool(schema.rules) or any(child is not None and child.bears_rules for child in below)


def _structural_faults(schema: Schema, path: str) -> Iterator[str]:
    if not schema.type and not schema.int_or_string and not schema.preserve_unknown_fields:
        yield f"{path}.type: must not be empty for specified object fields"
    if schema.int_or_string and schema.type:
        yield f"{path}.type: must be empty if x-kubernetes-int-or-string is true"
    if schema.type == "array" and schema.items is None:
        yield f"{path}.items: must be specified"
    if schema.properties and schema.additional_properties:
        yield f"{path}: properties and additionalProperties exclude each other"
    if schema.embedded_resource and schema.type != "object":
        yield f"{path}.type: must be object if x-kubernetes-embedded-resource is true"
    if schema.list_type not in _LIST_TYPES:
        yield f"{path}.x-kubernetes-list-type: {schema.list_type!r} is not atomic, set or map"
    if schema.list_type and schema.type != "array":
        yield f"{path}.type: must be array if x-kubernetes-list-type is specified"
    if schema.map_type not in _MAP_TYPES:
        yield f"{path}.x-kubernetes-map-type: {schema.map_type!r} is not atomic or granular"
    if schema.map_type and schema.type != "object":
        yield f"{path}.type: must be object if x-kubernetes-map-type is specified"
    yield from _list_map_faults(schema, path)


def _list_map_faults(schema: Schema, path: str) -> Iterator[str]:
    if schema.list_type != "map":
        if schema.list_map_keys:
            yield f"{path}.x-kubernetes-list-type: must be map if x-kubernetes-list-map-keys is non-empty"
        return
    if not schema.list_map_keys:
        yield f"{path}.x-kubernetes-list-map-keys: must not be empty if x-kubernetes-list-type is map"
    items = schema.items or Schema()
    if items.type != "object":
        yield f"{path}.items.type: must be object if parent array's x-kubernetes-list-type is map"
    for key in schema.list_map_keys:
        child = items.properties.get(key)
        if child is None:
            yield f"{path}.x-kubernetes-list-map-keys: {key} is no property of the items"
        elif child.type in {"array", "object"}:
            yield f"{path}.items.properties[{key}].type: must be a scalar type, as it is a key of the list"
        elif key not in items.required and not child.has_default:
            yield f"{path}.items.properties[{key}].default: must be set, or the property be required, as it is a key of the list"


def _properties(
    document: Mapping[str, object], path: str, faults: list[str], *, structural: bool
) -> Iterator[tuple[str, Schema]]:
    properties = document.get("properties") or {}
    if not isinstance(properties, Mapping):
        faults.append(f"{path}.properties: must be an object")
        return
    for name, child in properties.items():
        if name == "metadata" and path == "openAPIV3Schema" and isinstance(child, Mapping):
            faults += [
                f"{path}.properties[metadata].{key}: must not be specified"
                for key in child
                if key not in {"type", "description", "properties"}
            ]
        yield str(name), _read(child, f"{path}.properties[{name}]", faults, structural=structural)


def _additional(document: Mapping[str, object], path: str, faults: list[str], *, structural: bool) -> "Schema | bool":
    given = document.get("additionalProperties", False)
    if isinstance(given, bool):
        return given
    return _read(given, f"{path}.additionalProperties", faults, structural=structural)


def _junctor(document: Mapping[str, object], name: str, path: str, faults: list[str]) -> tuple[Schema, ...]:
    given = document.get(name) or ()
    if not isinstance(given, Sequence) or isinstance(given, str):
        faults.append(f"{path}.{name}: must be a list of schemas")
        return ()
    return tuple(_read(child, f"{path}.{name}[{index}]", faults, structural=False) for index, child in enumerate(given))


def _rules(document: Mapping[str, object], path: str, faults: list[str]) -> tuple[Rule, ...]:
    given = document.get("x-kubernetes-validations") or ()
    rules = []
    for index, one in enumerate(cast("Sequence[object]", given)):
        place = f"{path}.x-kubernetes-validations[{index}]"
        if not isinstance(one, Mapping) or not isinstance(one.get("rule"), str) or not one["rule"].strip():
            faults.append(f"{place}.rule: is required")
            continue
        rules.append(
            Rule(
                rule=one["rule"],
                message=str(one.get("message", "")),
                message_expression=str(one.get("messageExpression", "")),
                reason=str(one.get("reason", "")),
                field_path=str(one.get("fieldPath", "")),
                optional_old_self=one.get("optionalOldSelf") is True,
            )
        )
    return tuple(rules)


def _verify_kinds(document: Mapping[str, object], path: str, faults: list[str]) -> None:
    """Every keyword has the type that it must have."""
    faults += [
        f"{path}.{name}: must be true or false" for name in _BOOLEANS if not isinstance(document.get(name, False), bool)
    ]
    faults += [
        f"{path}.{name}: must be a number" for name in _NUMBERS if name in document and _number(document, name) is None
    ]
    faults += [
        f"{path}.{name}: must be a whole number from 0"
        for name in _COUNTS
        if name in document and _count(document, name) is None
    ]
    if not isinstance(document.get("enum", []), list):
        faults.append(f"{path}.enum: must be a list")


def _pattern(document: Mapping[str, object], path: str, faults: list[str]) -> "re.Pattern[str] | None":
    """Go's and Python's expressions agree on what schemas use; `$` is not to match before a final newline."""
    text = document.get("pattern")
    if not text:
        return None
    try:
        return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", str(text)))
    except re.error as err:
        faults.append(f"{path}.pattern: must be a valid regular expression: {err}")
        return None


def _texts(document: Mapping[str, object], name: str, path: str, faults: list[str]) -> tuple[str, ...]:
    given = document.get(name) or []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        faults.append(f"{path}.{name}: must be a list of texts")
        return ()
    return tuple(given)


def _number(document: Mapping[str, object], name: str) -> float | None:
    value = document.get(name)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _count(document: Mapping[str, object], name: str) -> int | None:
    value = document.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
