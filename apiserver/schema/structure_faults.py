"""What keeps a schema from being structural (apiextensions.k8s.io/v1, in kube-apiserver's words).

- Every value has a type, or is an int-or-string, or is preserved as it is; said once, outside of allOf, anyOf, oneOf and not.
- Those four constrain values that are specified outside of them, and specify none themselves.
- What a client may not do to metadata, a schema may not either: of an object's metadata only its name is constrained.
"""

from collections.abc import Iterator
from dataclasses import replace

from apiserver.schema.structural import Schema

_LIST_TYPES = frozenset({"atomic", "set", "map"})
_MAP_TYPES = frozenset({"atomic", "granular"})
_NAMES = frozenset({"name", "generateName"})
_LEVELS = {"root": "at the root", "items": "for specified array items", "field": "for specified object fields"}


def structure_faults(schema: Schema, path: str) -> Iterator[str]:
    """Of a whole schema; `path` says where it stands."""
    if schema.nullable:
        yield f"{path}.nullable: cannot be true at the root"
    if schema.additional_properties:
        yield f"{path}.additionalProperties: must not be used at the root"
    if schema.type and schema.type != "object":
        yield f"{path}.type: must be object at the root"
    metadata = schema.properties.get("metadata")
    if metadata is not None:
        yield from _root_metadata_faults(metadata, f"{path}.properties[metadata]")
    for name in ("apiVersion", "kind", "metadata"):
        yield from _forbidden_defaults(schema.properties.get(name), f"{path}.properties[{name}]", name)
    yield from _faults(schema, path, "root")


def _faults(schema: Schema, path: str, level: str) -> Iterator[str]:
    yield from _type_faults(schema, path, level)
    yield from _list_faults(schema, path)
    if schema.embedded_resource or level == "root":
        yield from _resource_faults(schema, path)
    if schema.embedded_resource:
        yield from _embedded_faults(schema, path)
    yield from _junctor_faults(schema, schema, path, path)
    for place, child in schema.children:
        yield from _faults(child, f"{path}.{place}", "items" if child is schema.items else "field")


def _type_faults(schema: Schema, path: str, level: str) -> Iterator[str]:
    if not schema.type and not schema.int_or_string and not schema.preserve_unknown_fields:
        yield f"{path}.type: must not be empty {_LEVELS[level]}"
    if schema.int_or_string and schema.type:
        yield f"{path}.type: must be empty if x-kubernetes-int-or-string is true"
    if schema.int_or_string and schema.preserve_unknown_fields:
        yield f"{path}.x-kubernetes-preserve-unknown-fields: must be false if x-kubernetes-int-or-string is true"
    if schema.int_or_string and schema.embedded_resource:
        yield f"{path}.x-kubernetes-embedded-resource: must be false if x-kubernetes-int-or-string is true"
    if schema.properties and not isinstance(schema.additional_properties, bool):
        yield f"{path}.additionalProperties: additionalProperties and properties are mutual exclusive"
    if schema.map_type and schema.map_type not in _MAP_TYPES:
        yield f"{path}.x-kubernetes-map-type: {schema.map_type!r} is not atomic or granular"
    if schema.map_type and schema.type != "object":
        yield f"{path}.type: must be object if x-kubernetes-map-type is specified"


def _list_faults(schema: Schema, path: str) -> Iterator[str]:
    if schema.type == "array" and schema.items is None:
        yield f"{path}.items: must be specified"
    yield from _unique_faults(schema, path)
    if schema.list_type and schema.list_type not in _LIST_TYPES:
        yield f"{path}.x-kubernetes-list-type: {schema.list_type!r} is not atomic, set or map"
    if schema.list_type and schema.type != "array":
        yield f"{path}.type: must be array if x-kubernetes-list-type is specified"
    if schema.list_map_keys and schema.list_type != "map":
        yield f"{path}.x-kubernetes-list-type: must be map if x-kubernetes-list-map-keys is non-empty"
    if schema.list_type in {"set", "map"}:
        yield from _item_faults(schema, path)


def _unique_faults(schema: Schema, path: str) -> Iterator[str]:
    if schema.unique_items:
        yield f"{path}.uniqueItems: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"


def _item_faults(schema: Schema, path: str) -> Iterator[str]:
    """Of the items of a set or a map."""
    items = schema.items
    if items is not None and items.nullable:
        yield f"{path}.items.nullable: cannot be nullable when x-kubernetes-list-type is {schema.list_type}"
    if schema.list_type == "map":
        yield from _key_faults(schema, path)
    elif items is not None and items.type == "array" and items.list_type not in {"", "atomic"}:
        yield f"{path}.items.x-kubernetes-list-type: must be atomic as item of a list with x-kubernetes-list-type=set"
    elif items is not None and items.type == "object" and items.map_type != "atomic":
        yield f"{path}.items.x-kubernetes-map-type: must be atomic as item of a list with x-kubernetes-list-type=set"


def _key_faults(schema: Schema, path: str) -> Iterator[str]:
    keys, items = schema.list_map_keys, schema.items
    if not keys:
        yield f"{path}.x-kubernetes-list-map-keys: must not be empty if x-kubernetes-list-type is map"
    if len(set(keys)) < len(keys):
        yield f"{path}.x-kubernetes-list-map-keys: must not contain duplicate entries"
    if items is None:
        return
    if items.type != "object":
        yield f"{path}.items.type: must be object if parent array's x-kubernetes-list-type is map"
    for key in dict.fromkeys(keys):
        child, place = items.properties.get(key), f"{path}.items.properties[{key}]"
        if child is None:
            yield f"{path}.x-kubernetes-list-map-keys: {key!r} is not among the properties of the items"
            continue
        if child.type in {"array", "object"}:
            yield f"{place}.type: must be a scalar type if parent array's x-kubernetes-list-type is map"
        if key not in items.required and not child.has_default:
            yield (
                f"{place}.default: this property is in x-kubernetes-list-map-keys, so it must have a default or be a "
                "required property"
            )
        if child.nullable:
            yield f"{place}.nullable: this property is in x-kubernetes-list-map-keys, so it cannot be nullable"


def _resource_faults(schema: Schema, path: str) -> Iterator[str]:
    """Of a whole object, embedded or not."""
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        child = schema.properties.get(name)
        if child is not None and child.type != wanted:
            yield f"{path}.properties[{name}].type: must be {wanted}"
        if child is not None and (child.bears_embedded or child.embedded_resource):
            yield f"{path}.properties[{name}]: x-kubernetes-embedded-resource must not be used inside of resource meta"


def _embedded_faults(schema: Schema, path: str) -> Iterator[str]:
    if schema.type != "object":
        yield f"{path}.type: must be object if x-kubernetes-embedded-resource is true"
    if schema.additional_properties:
        yield f"{path}.additionalProperties: must not be used if x-kubernetes-embedded-resource is set"
    if not schema.preserve_unknown_fields and not schema.properties:
        yield (
            f"{path}.properties: must not be empty if x-kubernetes-embedded-resource is true without "
            "x-kubernetes-preserve-unknown-fields"
        )


def _root_metadata_faults(metadata: Schema, path: str) -> Iterator[str]:
    rest = replace(metadata, type="", description="", properties={}, has_default=False, default=None)
    if rest != Schema() or not metadata.properties.keys() <= _NAMES:
        yield f"{path}: must not specify anything other than name and generateName, but metadata is implicitly specified"


def _forbidden_defaults(schema: Schema | None, path: str, top: str) -> Iterator[str]:
    if schema is None:
        return
    if schema.has_default:
        yield f"{path}.default: must not be set in top-level {top}"
    for name, child in schema.properties.items():
        yield from _forbidden_defaults(child, f"{path}.properties[{name}]", top)


def _junctor_faults(constraint: Schema, schema: Schema, path: str, place: str) -> Iterator[str]:
    """`constraint` holds the junctors, at `place`; `schema` at `path` specifies the values that they constrain."""
    choices = (("allOf", constraint.all_of), ("anyOf", constraint.any_of), ("oneOf", constraint.one_of))
    for name, alternatives in choices:
        for index, one in enumerate(alternatives):
            if not (schema.int_or_string and _names_int_or_string(constraint, name, index)):
                yield from _constraint_faults(one, schema, path, f"{place}.{name}[{index}]")
    if constraint.not_ is not None:
        yield from _constraint_faults(constraint.not_, schema, path, f"{place}.not")


def _constraint_faults(constraint: Schema, schema: Schema, path: str, place: str) -> Iterator[str]:
    """Of one node inside of a junctor."""
    yield from _unique_faults(constraint, place)
    for name, wanted, is_set in _specifications(constraint):
        if is_set:
            yield f"{place}.{name}: must be {wanted} to be structural"
    if "metadata" in constraint.properties:
        yield f"{place}.properties[metadata]: must not be specified in a nested context"
    yield from _junctor_faults(constraint, schema, path, place)
    for name, child in constraint.properties.items():
        below = f"{path}.properties[{name}]"
        if name in schema.properties:
            yield from _constraint_faults(child, schema.properties[name], below, f"{place}.properties[{name}]")
        else:
            yield f"{below}: must be specified because it is defined in {place}.properties[{name}]"
    if constraint.items is not None:
        if schema.items is not None:
            yield from _constraint_faults(constraint.items, schema.items, f"{path}.items", f"{place}.items")
        else:
            yield f"{path}.items: must be specified because it is defined in {place}.items"


def _specifications(constraint: Schema) -> Iterator[tuple[str, str, bool]]:
    """What only the node itself may say, what it must be here, and whether this one says it."""
    yield "type", "empty", bool(constraint.type)
    yield "additionalProperties", "undefined", bool(constraint.additional_properties)
    yield "default", "undefined", constraint.has_default
    yield "description", "empty", bool(constraint.description)
    yield "nullable", "false", constraint.nullable
    yield "x-kubernetes-preserve-unknown-fields", "false", constraint.preserve_unknown_fields
    yield "x-kubernetes-embedded-resource", "false", constraint.embedded_resource
    yield "x-kubernetes-int-or-string", "false", constraint.int_or_string
    yield "x-kubernetes-list-map-keys", "empty", bool(constraint.list_map_keys)
    yield "x-kubernetes-list-type", "undefined", bool(constraint.list_type)
    yield "x-kubernetes-map-type", "undefined", bool(constraint.map_type)
    yield "x-kubernetes-validations", "empty", bool(constraint.rules)


def _names_int_or_string(constraint: Schema, name: str, index: int) -> bool:
    """Whether a junctor may name types here: anyOf of integer and string, or an allOf that begins with it."""
    if name == "anyOf":
        return _is_int_or_string(constraint)
    return name == "allOf" and index == 0 and _is_int_or_string(constraint.all_of[0])


def _is_int_or_string(constraint: Schema) -> bool:
    return constraint.any_of == (Schema(type="integer"), Schema(type="string"))
