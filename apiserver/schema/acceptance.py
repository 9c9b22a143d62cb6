"""Acceptance: one quick look that most documents pass: nothing to prune, nothing to default, nothing wrong.

- A schema is compiled to a function once. It says yes only where pruning, defaulting and validation would find nothing to do. Where
  it says no they look properly, and may find nothing either.
- Rules in CEL are not its concern.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from apiserver.documents import JsonObject, JsonValue, OpaqueJson
from apiserver.schema.keyed_lists import own_duplicate_errors
from apiserver.schema.structural import Schema
from apiserver.schema.value_errors import list_size_errors, object_size_errors, scalar_errors

Acceptor = Callable[[JsonValue], bool]

_ENVELOPE = frozenset({"apiVersion", "kind", "metadata"})
_PRESERVED = Schema(preserve_unknown_fields=True)


def compile_acceptor(schema: Schema) -> Callable[[JsonObject], bool]:
    """Of a whole object; what every object has (apiVersion, kind, metadata) is not looked at."""
    envelope = [schema.properties[name] for name in _ENVELOPE & schema.properties.keys()]
    if schema.has_junctors or any(not _is_silent(child) for child in envelope):
        return _nothing
    fields = {name: _compile(child) for name, child in schema.properties.items() if name not in _ENVELOPE}
    fields |= dict.fromkeys(_ENVELOPE, _anything)
    return _compile_fields(schema, fields, needed=frozenset([*schema.required, *_defaulted(schema)]) - _ENVELOPE)


def _is_silent(schema: Schema) -> bool:
    """Whether a node says nothing but its type."""
    return replace(schema, type="", description="") == Schema()


def _compile(schema: Schema) -> Acceptor:
    if schema.has_junctors or schema.embedded_resource:
        return _nothing
    accepts = _COMPILERS.get(schema.type, _compile_untyped)(schema)
    return _or_null(accepts) if schema.nullable and not schema.enum else accepts


def _compile_object(schema: Schema) -> Acceptor:
    if schema.enum:
        return _nothing
    fields = {name: _compile(child) for name, child in schema.properties.items()}
    accepts = _compile_fields(schema, fields, needed=frozenset([*schema.required, *_defaulted(schema)]))
    if schema.is_opaque:
        return lambda value: type(value) is OpaqueJson or accepts(value)
    return accepts


def _compile_fields(schema: Schema, fields: dict[str, Acceptor], *, needed: frozenset[str]) -> Acceptor:
    others: Acceptor | None = None
    if isinstance(schema.additional_properties, Schema):
        others = _compile(schema.additional_properties)
    elif schema.additional_properties:
        others = _is_scalar  # what is within would be pruned
    elif schema.preserve_unknown_fields:
        others = _anything

    def accepts(value: JsonValue) -> bool:
        if type(value) is not dict or not needed <= value.keys():
            return False
        for name, child in value.items():
            look = fields.get(name, others)
            if look is None or not look(child):
                return False
        return True

    if schema.min_properties is None and schema.max_properties is None:
        return accepts
    return lambda value: accepts(value) and not object_size_errors(schema, len(value), "")  # type: ignore[arg-type] # an object


def _compile_array(schema: Schema) -> Acceptor:
    if schema.items is None or schema.enum:
        return _nothing
    item = _compile(schema.items)
    if schema.list_type not in {"set", "map"} and schema.min_items is None and schema.max_items is None:
        return lambda value: type(value) is list and all(map(item, value))
    return lambda value: (
        type(value) is list
        and not list_size_errors(schema, len(value), "")
        and all(map(item, value))
        and next(own_duplicate_errors(schema, value, ""), None) is None
    )


def _compile_string(schema: Schema) -> Acceptor:
    if any(said is not None for said in (schema.pattern, schema.min_length, schema.max_length)) or schema.format:
        return _compile_scalar(schema)
    if schema.enum:
        choices = frozenset(one for one in schema.enum if isinstance(one, str))
        return lambda value: type(value) is str and value in choices
    return lambda value: type(value) is str


def _compile_integer(schema: Schema) -> Acceptor:
    if schema.enum or schema.exclusive_minimum or schema.exclusive_maximum or schema.multiple_of is not None:
        return _compile_scalar(schema)
    widest = 31 if schema.format == "int32" else 63
    smallest, largest = -(1 << widest), (1 << widest) - 1
    low = smallest if schema.minimum is None else max(smallest, schema.minimum)
    high = largest if schema.maximum is None else min(largest, schema.maximum)
    return lambda value: type(value) is int and low <= value <= high


def _compile_untyped(schema: Schema) -> Acceptor:
    if schema.int_or_string:
        return _compile_scalar(schema)
    says_nothing = replace(schema, description="", nullable=False, has_default=False, default=None) == _PRESERVED
    return _something if says_nothing else _nothing


def _compile_scalar(schema: Schema) -> Acceptor:
    return lambda value: value is not None and type(value) is not OpaqueJson and not scalar_errors(schema, value, "")


def _defaulted(schema: Schema) -> Iterable[str]:
    """Fields that would be set where they are missing."""
    return (name for name, child in schema.properties.items() if child.has_default)


def _or_null(accepts: Acceptor) -> Acceptor:
    return lambda value: value is None or accepts(value)


def _is_scalar(value: JsonValue) -> bool:
    return type(value) not in {dict, list}


def _something(value: JsonValue) -> bool:
    """A null would go, where it is not allowed."""
    return value is not None


def _anything(_value: JsonValue) -> bool:
    return True


def _nothing(_value: JsonValue) -> bool:
    return False


_COMPILERS: dict[str, Callable[[Schema], Acceptor]] = {
    "object": _compile_object,
    "array": _compile_array,
    "string": _compile_string,
    "integer": _compile_integer,
    "number": _compile_scalar,
    "boolean": _compile_scalar,
}
