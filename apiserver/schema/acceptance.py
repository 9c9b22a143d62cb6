"""Acceptance: one quick look that most documents pass: nothing to prune, nothing to default, nothing wrong.

- A schema is compiled to a function once. It says yes only where pruning, defaulting and validation would find nothing to do. Where
  it says no they look properly, and may find nothing either.
- Rules in CEL are not its concern.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from apiserver.documents import JsonObject, JsonValue, OpaqueJson
from apiserver.schema.structural import Schema

Acceptor = Callable[[JsonValue], bool]

_ENVELOPE = frozenset({"apiVersion", "kind", "metadata"})
_PRESERVED = Schema(preserve_unknown_fields=True)


def compile_acceptor(schema: Schema) -> Callable[[JsonObject], bool]:
    """Of a whole object; what every object has (apiVersion, kind, metadata) is not looked at."""
    envelope = [schema.properties[name] for name in _ENVELOPE & schema.properties.keys()]
    if not _is_plain(schema) or any(not _is_silent(child) for child in envelope):
        return lambda _document: False
    fields = {name: _compile(child) for name, child in schema.properties.items() if name not in _ENVELOPE}
    fields |= dict.fromkeys(_ENVELOPE, _anything)
    needed = frozenset([*schema.required, *_defaulted(schema)]) - _ENVELOPE
    return _object(schema, fields, needed)


def _is_silent(schema: Schema) -> bool:
    """Whether a node says nothing but its type."""
    return replace(schema, type="", description="") == Schema()


def _compile(schema: Schema) -> Acceptor:
    if not _is_plain(schema):
        return _nothing
    accepts = _COMPILERS.get("int-or-string" if schema.int_or_string else schema.type, _compile_untyped)(schema)
    return _or_null(accepts) if schema.nullable and not schema.enum else accepts


def _is_plain(schema: Schema) -> bool:
    """Whether its demands are few enough for a quick look."""
    return not (
        schema.has_junctors
        or schema.embedded_resource
        or schema.list_type in {"set", "map"}
        or schema.unique_items
        or schema.multiple_of
        or schema.format not in {"", "int32", "int64", "double"}
        or any(
            bound is not None
            for bound in (schema.min_properties, schema.max_properties, schema.min_items, schema.max_items)
        )
    )


def _compile_object(schema: Schema) -> Acceptor:
    if schema.enum:
        return _nothing
    fields = {name: _compile(child) for name, child in schema.properties.items()}
    accepts = _object(schema, fields, frozenset([*schema.required, *_defaulted(schema)]))
    if schema.is_opaque:
        return lambda value: type(value) is OpaqueJson or accepts(value)
    return accepts


def _object(schema: Schema, fields: dict[str, Acceptor], needed: frozenset[str]) -> Acceptor:
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

    return accepts


def _compile_array(schema: Schema) -> Acceptor:
    if schema.items is None or schema.enum:
        return _nothing
    item = _compile(schema.items)
    return lambda value: type(value) is list and all(map(item, value))


def _compile_string(schema: Schema) -> Acceptor:
    if schema.pattern is not None or schema.min_length is not None or schema.max_length is not None:
        return _nothing
    if schema.enum:
        choices = frozenset(one for one in schema.enum if isinstance(one, str))
        return lambda value: type(value) is str and value in choices
    return lambda value: type(value) is str


def _compile_integer(schema: Schema) -> Acceptor:
    low, high = _bounds(schema)
    if schema.enum or schema.exclusive_minimum or schema.exclusive_maximum:
        return _nothing
    return lambda value: type(value) is int and low <= value <= high


def _compile_number(schema: Schema) -> Acceptor:
    low, high = _bounds(schema)
    if schema.enum or schema.exclusive_minimum or schema.exclusive_maximum:
        return _nothing
    return lambda value: type(value) in {int, float} and low <= value <= high  # type: ignore[operator] # just seen


def _compile_boolean(schema: Schema) -> Acceptor:
    return _nothing if schema.enum else lambda value: type(value) is bool


def _compile_untyped(schema: Schema) -> Acceptor:
    says_nothing = replace(schema, description="", nullable=False, has_default=False, default=None) == _PRESERVED
    return _something if says_nothing else _nothing


def _bounds(schema: Schema) -> tuple[float, float]:
    """What the schema allows of what the format can hold."""
    widest = 31 if schema.format == "int32" else 63
    low, high = -(1 << widest), (1 << widest) - 1
    return (
        low if schema.minimum is None else max(low, schema.minimum),
        high if schema.maximum is None else min(high, schema.maximum),
    )


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
    "number": _compile_number,
    "boolean": _compile_boolean,
}
