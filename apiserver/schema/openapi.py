"""Reads a schema from the openAPIV3Schema of a CustomResourceDefinition (apiextensions.k8s.io/v1 JSONSchemaProps).

- Every fault is found and told at once. A node that cannot be read is not judged further; rules are compiled where all nodes can be
  read, and defaults are validated where all rules compile.
- Reading is bounded in depth and size, so that a document that refers to itself comes to an end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

from apiserver.documents import JsonValue
from apiserver.errors import KindsInvalid
from apiserver.schema import keywords
from apiserver.schema.default_faults import default_faults
from apiserver.schema.formats import is_checked
from apiserver.schema.patterns import Pattern, PatternInvalid
from apiserver.schema.rule_faults import rule_faults
from apiserver.schema.structural import Rule, Schema
from apiserver.schema.structure_faults import structure_faults

_ROOT = "openAPIV3Schema"
_DEEPEST = 60
_MOST_NODES = 50_000


def read_schema(document: Mapping[str, object]) -> Schema:
    """`document` as YAML or JSON gave it. Raises KindsInvalid, with a line for each fault: its path, and what is wrong."""
    reader = _Reader()
    schema = reader.read(document, _ROOT, depth=0)
    faults = list(reader.faults)
    if not reader.is_exhausted:
        faults += (fault for fault in structure_faults(schema, _ROOT) if reader.unread.isdisjoint(_nodes(fault)))
    if not reader.faults:
        rules = [*rule_faults(schema, _ROOT)]
        faults += rules or default_faults(schema, _ROOT)
    if faults:
        raise KindsInvalid(faults)
    return schema


@dataclass(slots=True)
class _Reader:
    """Turns documents into nodes and collects what is wrong with the documents themselves; what is wrong with the schema that they
    make is for `structure_faults`."""

    faults: list[str] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    """The paths of nodes that could not be read as they are."""
    nodes: int = 0
    is_exhausted: bool = False

    def read(self, document: object, path: str, *, depth: int) -> Schema:
        if not self._is_readable(document, path, depth):
            return Schema()
        given = {
            str(name): value for name, value in cast("Mapping[object, object]", document).items() if value is not None
        }
        self._refuse(path, *keywords.faults(given, path))
        texts, count, number = keywords.texts, keywords.count, keywords.number
        kind = keywords.text(given, "type")
        return Schema(
            type=kind,
            format=_checked_format(kind, given),
            description=keywords.text(given, "description"),
            properties=MappingProxyType(self._properties(given, path, depth)),
            additional_properties=self._additional(given, path, depth),
            items=self.read(given["items"], f"{path}.items", depth=depth + 1) if "items" in given else None,
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
            embedded_resource=given.get("x-kubernetes-embedded-resource") is True,
            list_type=keywords.text(given, "x-kubernetes-list-type"),
            list_map_keys=texts(given, "x-kubernetes-list-map-keys"),
            map_type=keywords.text(given, "x-kubernetes-map-type"),
            patch_strategy=tuple(filter(None, keywords.text(given, "x-kubernetes-patch-strategy").split(","))),
            patch_merge_key=keywords.text(given, "x-kubernetes-patch-merge-key"),
            rules=tuple(_rule(one) for one in keywords.objects(given, "x-kubernetes-validations")),
        )

    def _is_readable(self, document: object, path: str, depth: int) -> bool:
        if self.is_exhausted:
            return False
        if not isinstance(document, Mapping):
            self._refuse(path, f"{path}: must be an object")
            return False
        self.nodes += 1
        self.is_exhausted = self.nodes > _MOST_NODES or depth > _DEEPEST
        if self.is_exhausted:
            self._refuse(path, f"{path}: the schema has more than {_MOST_NODES} nodes, or more than {_DEEPEST} levels")
        return not self.is_exhausted

    def _refuse(self, path: str, *faults: str) -> None:
        if faults:
            self.faults += faults
            self.unread.add(path)

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


def _nodes(fault: str) -> tuple[str, str]:
    """The path that a fault names, and the one without the keyword at its end."""
    path = fault.partition(": ")[0]
    return path, path.rpartition(".")[0]


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
