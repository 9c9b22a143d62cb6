"""Validation of a document against its schema, in kube-apiserver's words.

- Every fault is told, up to a number that a person can still read.
- An update is forgiven what it leaves as it was (ratcheting): a part that equals its old value is not complained about. Parts are
  followed along properties, the keys of maps and the keys of associative lists.
- Rules in CEL are asked where nothing else is so wrong that they could not be understood.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import cast

from apiserver.documents import JsonObject, JsonValue, OpaqueJson
from apiserver.field_errors import FieldError, FieldErrorType, invalid, required
from apiserver.fields.values import quoted, same
from apiserver.schema.embedded import embedded_errors
from apiserver.schema.keyed_lists import duplicate_errors, former_items
from apiserver.schema.object_meta import OBJECT_META
from apiserver.schema.rules import rule_errors
from apiserver.schema.structural import Schema
from apiserver.schema.value_errors import (
    enum_errors,
    list_size_errors,
    object_size_errors,
    scalar_errors,
    type_errors,
)

_MOST_ERRORS = 100
_ROOT = "<nil>"
_NOT_ASKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
_NOTHING: Mapping[str, JsonValue] = {}
_ABSENT = cast("JsonValue", object())  # no value, which null is not
_BLOCKING = frozenset(
    {
        FieldErrorType.NOT_SUPPORTED,
        FieldErrorType.REQUIRED,
        FieldErrorType.TOO_LONG,
        FieldErrorType.TOO_MANY,
        FieldErrorType.TYPE_INVALID,
    }
)


def validate(
    schema: Schema,
    document: JsonObject,
    old: JsonObject | None = None,
    *,
    is_accepted: bool = False,
    before: Sequence[FieldError] = (),
) -> list[FieldError]:
    """What is wrong with `document`; `old` is what it replaces. Of metadata only what the schema itself says is looked at.
    `before` is what was found wrong with the rest of it; it comes first.

    `is_accepted` says that `apiserver.schema.acceptance` has found nothing wrong, which leaves the rules.
    """
    errors = list(before)
    if not is_accepted:
        found = chain(
            _value_errors(schema, document, "", _ABSENT if old is None else old),
            embedded_errors(schema, document),
            duplicate_errors(schema, document, old),
        )
        errors += _some(found)
    if schema.bears_rules:
        if any(error.type in _BLOCKING for error in errors):
            errors.append(invalid(_ROOT, None, _NOT_ASKED))
        else:
            errors += _some(rule_errors(schema, document, old))
    return errors


def _value_errors(schema: Schema, value: JsonValue, path: str, old: JsonValue = _ABSENT) -> Iterable[FieldError]:
    """Of a value and all that is in it, rules apart; nothing where an update leaves it as it was."""
    if old is _ABSENT:
        return _errors(schema, value, path, old)
    found = _some(_errors(schema, value, path, old))
    return () if found and same(value, old) else found


def _errors(schema: Schema, value: JsonValue, path: str, old: JsonValue) -> Iterable[FieldError]:
    """Without forgiving the value as a whole."""
    found: Iterable[FieldError] = ()
    if isinstance(value, dict):
        found = _object_errors(schema, value, path, old)
    elif isinstance(value, list):
        found = _list_errors(schema, value, path, old)
    elif not isinstance(value, OpaqueJson):
        found = scalar_errors(schema, value, path)
    if schema.has_junctors and value is not None:
        return chain(found, _junctor_errors(schema, value, path, old))
    return found


def _object_errors(schema: Schema, value: JsonObject, path: str, old: JsonValue) -> Iterator[FieldError]:
    yield from type_errors(schema, value, path)
    yield from enum_errors(schema, value, path)
    if size := object_size_errors(schema, len(value), path):
        yield from size
        return
    for name in schema.required:
        if name not in value:
            yield required(_below(path, name))
    properties = schema.properties
    additional = schema.additional_properties if isinstance(schema.additional_properties, Schema) else None
    former = old if isinstance(old, dict) else _NOTHING
    if not path:  # the old type was converted to what the new one is
        former = {name: child for name, child in former.items() if name not in {"apiVersion", "kind"}}
    for name, child in value.items():
        known = properties.get(name, additional)
        if known is not None:
            yield from _value_errors(known, child, _below(path, name), former.get(name, _ABSENT))
    if schema.embedded_resource and isinstance(metadata := value.get("metadata"), dict):
        yield from _value_errors(OBJECT_META, metadata, _below(path, "metadata"), former.get("metadata", _ABSENT))


def _list_errors(schema: Schema, value: list[JsonValue], path: str, old: JsonValue) -> Iterator[FieldError]:
    yield from type_errors(schema, value, path)
    yield from enum_errors(schema, value, path)
    if schema.items is not None:
        formers = former_items(schema, value, old) if isinstance(old, list) else None
        for index, child in enumerate(value):
            former = _ABSENT if formers is None or formers[index] is None else formers[index]
            yield from _value_errors(schema.items, child, f"{path}[{index}]", former)
    yield from list_size_errors(schema, len(value), path)


def _junctor_errors(schema: Schema, value: JsonValue, path: str, old: JsonValue) -> Iterator[FieldError]:
    if schema.any_of:
        failures = _failures(schema.any_of, value, path, old)
        if all(failures):
            yield invalid(_ROOT, "", f"{quoted(path)} must validate at least one schema (anyOf)")
            yield from min(failures, key=len)
    if schema.one_of:
        failures = _failures(schema.one_of, value, path, old)
        held = sum(not failed for failed in failures)
        if held != 1:
            count = f"Found {held} valid alternatives" if held else "Found none valid"
            yield invalid(_ROOT, "", f"{quoted(path)} must validate one and only one schema (oneOf). {count}")
            yield from [] if held else min(failures, key=len)
    if schema.all_of:
        failures = _failures(schema.all_of, value, path, old)
        if any(failures):
            none = ". None validated" if all(failures) else ""
            yield invalid(_ROOT, "", f"{quoted(path)} must validate all the schemas (allOf){none}")
            yield from chain.from_iterable(failures)
    if schema.not_ is not None and not _some(_errors(schema.not_, value, path, old)):
        yield invalid(_ROOT, "", f"{quoted(path)} must not validate the schema (not)")


def _failures(alternatives: tuple[Schema, ...], value: JsonValue, path: str, old: JsonValue) -> list[list[FieldError]]:
    return [_some(_errors(one, value, path, old)) for one in alternatives]


def _some(errors: Iterable[FieldError]) -> list[FieldError]:
    return list(islice(errors, _MOST_ERRORS))


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
