"""Structural schemas (apiextensions.k8s.io/v1): a schema that says of every field what type it has, once.

- `Schema.from_openapi` finds every fault and tells all of them; an instance obeys the rules of a structural schema.
- Immutable, and shared by everybody who asks.
- Reading is bounded in depth and size, so that a document that refers to itself comes to an end.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

from apiserver.documents import JsonValue
from apiserver.errors import KindsInvalid
from apiserver.schema import keywords
from apiserver.schema.formats import is_checked
from apiserver.schema.patterns import Pattern, PatternInvalid
from apiserver.schema.structure_faults import structure_faults

_ROOT = "openAPIV3Schema"
_DEEPEST = 60
_MOST_NODES = 50_000
_NOTHING: Mapping[str, "Schema"] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One of x-kubernetes-validations, as written."""

    rule: str
    message: str = ""
    message_expression: str = ""
    reason: str = ""
    field_path: str = ""
    optional_old_self: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One node.

    `additional_properties` is True where any value may stand under any name, False where nothing is said. `format` is one that is
    checked, or empty. The last three tell what is here or anywhere below, so that nobody looks for it in vain: rules; lists whose
    items are told apart (sets and maps); embedded objects.
    """

    type: str = ""
    format: str = ""
    description: str = ""
    properties: Mapping[str, "Schema"] = field(default_factory=lambda: _NOTHING)
    additional_properties: "Schema | bool" = False
    items: "Schema | None" = None
    required: tuple[str, ...] = ()
    nullable: bool = False
    has_default: bool = False
    default: JsonValue = None
    enum: tuple[JsonValue, ...] = ()
    pattern: Pattern | None = None
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
    bears_keyed_lists: bool = False
    bears_embedded: bool = False

    @classmethod
    def from_openapi(cls, document: Mapping[str, object]) -> "Schema":
        """Reads an openAPIV3Schema. Raises KindsInvalid, with a line for each fault."""
        reader = _Reader()
        schema = reader.read(document, _ROOT, depth=0)
        faults = reader.faults or [*structure_faults(schema, _ROOT)]
        if not faults:
            from apiserver.schema.default_faults import default_faults  # noqa: PLC0415 - what validates has to know Schema

            faults = [*default_faults(schema, _ROOT)]
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
            and not (self.nullable or self.has_default or self.embedded_resource or self.properties)
            and not (self.rules or self.required or self.enum or self.has_junctors or self.additional_properties)
            and self.min_properties is None
            and self.max_properties is None
        )

    @property
    def has_junctors(self) -> bool:
        return bool(self.all_of or self.any_of or self.one_of or self.not_ is not None)

    @property
    def below(self) -> Iterator["Schema"]:
        """The nodes directly below, junctors apart."""
        yield from self.properties.values()
        if isinstance(self.additional_properties, Schema):
            yield self.additional_properties
        if self.items is not None:
            yield self.items


@dataclass(slots=True)
class _Reader:
    """Turns documents into nodes and collects what is wrong with the documents themselves; what is wrong with the schema that they
    make is for `structure_faults`."""

    faults: list[str] = field(default_factory=list)
    nodes: int = 0

    def read(self, document: object, path: str, *, depth: int) -> Schema:
        if not self._is_readable(document, path, depth):
            return Schema()
        given = {
            str(name): value for name, value in cast("Mapping[object, object]", document).items() if value is not None
        }
        self.faults += keywords.faults(given, path)
        texts, count, number = keywords.texts, keywords.count, keywords.number
        kind = keywords.text(given, "type")
        properties = self._properties(given, path, depth)
        additional = self._additional(given, path, depth)
        items = self.read(given["items"], f"{path}.items", depth=depth + 1) if "items" in given else None
        rules = tuple(_rule(one) for one in keywords.objects(given, "x-kubernetes-validations"))
        embedded = given.get("x-kubernetes-embedded-resource") is True
        list_type = keywords.text(given, "x-kubernetes-list-type")
        nodes = [
            *properties.values(),
            *([additional] if isinstance(additional, Schema) else []),
            *([items] if items else []),
        ]
        return Schema(
            type=kind,
            format=_checked_format(kind, given),
            description=keywords.text(given, "description"),
            properties=MappingProxyType(properties) if properties else _NOTHING,
            additional_properties=additional,
            items=items,
            required=texts(given, "required"),
            nullable=given.get("nullable") is True,
            has_default="default" in given,
            default=cast("JsonValue", given.get("default")),
            enum=tuple(cast("Sequence[JsonValue]", keywords.values(given, "enum"))),
            pattern=self._pattern(given, path),
            minimum=number(given, "minimum"),
            maximum=number(given, "maximum"),
            exclusive_minimum=given.get("exclusiveMinimum") is True,
            exclusive_maximum=given.get("exclusiveMaximum") is True,
            multiple_of=number(given, "multipleOf"),
            min_length=count(given, "minLength"),
            max_length=count(given, "maxLength"),
            min_items=count(given, "minItems"),
            max_items=count(given, "maxItems"),
            unique_items=given.get("uniqueItems") is True,
            min_properties=count(given, "minProperties"),
            max_properties=count(given, "maxProperties"),
            all_of=self._junctor(given, "allOf", path, depth),
            any_of=self._junctor(given, "anyOf", path, depth),
            one_of=self._junctor(given, "oneOf", path, depth),
            not_=self.read(given["not"], f"{path}.not", depth=depth + 1) if "not" in given else None,
            int_or_string=given.get("x-kubernetes-int-or-string") is True,
            preserve_unknown_fields=given.get("x-kubernetes-preserve-unknown-fields") is True,
            embedded_resource=embedded,
            list_type=list_type,
            list_map_keys=texts(given, "x-kubernetes-list-map-keys"),
            map_type=keywords.text(given, "x-kubernetes-map-type"),
            patch_strategy=tuple(filter(None, keywords.text(given, "x-kubernetes-patch-strategy").split(","))),
            patch_merge_key=keywords.text(given, "x-kubernetes-patch-merge-key"),
            rules=rules,
            bears_rules=bool(rules) or any(node.bears_rules for node in nodes),
            bears_keyed_lists=list_type in {"set", "map"} or any(node.bears_keyed_lists for node in nodes),
            bears_embedded=embedded or any(node.bears_embedded for node in nodes),
        )

    def _is_readable(self, document: object, path: str, depth: int) -> bool:
        if not isinstance(document, Mapping):
            self.faults.append(f"{path}: must be an object")
            return False
        self.nodes += 1
        if self.nodes == _MOST_NODES + 1:
            self.faults.append(f"{path}: the schema has more than {_MOST_NODES} nodes")
        if self.nodes > _MOST_NODES:
            return False
        if depth > _DEEPEST:
            self.faults.append(f"{path}: is nested more than {_DEEPEST} levels deep")
            return False
        return True

    def _properties(self, given: Mapping[str, object], path: str, depth: int) -> dict[str, Schema]:
        properties = given.get("properties")
        if not isinstance(properties, Mapping):
            return {}
        return {
            str(name): self.read(child, f"{path}.properties[{name}]", depth=depth + 1)
            for name, child in properties.items()
        }

    def _additional(self, given: Mapping[str, object], path: str, depth: int) -> Schema | bool:
        additional = given.get("additionalProperties", False)
        if isinstance(additional, bool):
            return additional
        return self.read(additional, f"{path}.additionalProperties", depth=depth + 1)

    def _junctor(self, given: Mapping[str, object], name: str, path: str, depth: int) -> tuple[Schema, ...]:
        return tuple(
            self.read(child, f"{path}.{name}[{index}]", depth=depth + 1)
            for index, child in enumerate(keywords.values(given, name))
        )

    def _pattern(self, given: Mapping[str, object], path: str) -> Pattern | None:
        text = keywords.text(given, "pattern")
        if not text:
            return None
        try:
            return Pattern.compile(text)
        except PatternInvalid as err:
            self.faults.append(f"{path}.pattern: must be a valid regular expression, but isn't: {err}")
            return None


def _rule(given: Mapping[str, object]) -> Rule:
    optional = given.get("optionalOldSelf")
    return Rule(
        rule=keywords.text(given, "rule"),
        message=keywords.text(given, "message"),
        message_expression=keywords.text(given, "messageExpression"),
        reason=keywords.text(given, "reason"),
        field_path=keywords.text(given, "fieldPath"),
        optional_old_self=optional if isinstance(optional, bool) else None,
    )


def _checked_format(kind: str, given: Mapping[str, object]) -> str:
    name = keywords.text(given, "format")
    return name if is_checked(name, kind) else ""
