"""Structural schemas (apiextensions.k8s.io/v1): a schema that says of every field what type it has, once.

- Read from documents by `apiserver.schema.openapi`, which lets none pass that breaks the rules of a structural schema.
- Immutable, and shared by everybody who asks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from apiserver.documents import JsonValue
from apiserver.schema.patterns import Pattern

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
    checked, or empty. What a node bears is here or anywhere below, so that nobody looks for it in vain; keyed lists are those whose
    items are told apart (sets and maps).
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
    has_junctors: bool = field(init=False)
    bears_rules: bool = field(init=False)
    bears_keyed_lists: bool = field(init=False)
    bears_embedded: bool = field(init=False)
    bears_patch_strategies: bool = field(init=False)

    def __post_init__(self) -> None:
        below = [child for _, child in self.children]
        found = {
            "has_junctors": bool(self.all_of or self.any_of or self.one_of or self.not_ is not None),
            "bears_rules": bool(self.rules) or any(child.bears_rules for child in below),
            "bears_keyed_lists": self.list_type in {"set", "map"} or any(child.bears_keyed_lists for child in below),
            "bears_embedded": self.embedded_resource or any(child.bears_embedded for child in below),
            "bears_patch_strategies": bool(self.patch_strategy) or any(child.bears_patch_strategies for child in below),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def children(self) -> Iterator[tuple[str, "Schema"]]:
        """The nodes directly below, junctors apart, and where each stands: `properties[a]`, `additionalProperties`, `items`."""
        for name, child in self.properties.items():
            yield f"properties[{name}]", child
        if isinstance(self.additional_properties, Schema):
            yield "additionalProperties", self.additional_properties
        if self.items is not None:
            yield "items", self.items

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
