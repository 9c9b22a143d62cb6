"""Validation rules (x-kubernetes-validations): what a schema demands beyond types, in CEL.

- A rule that names oldSelf is about a change: it is asked where there is an old value to compare with, and nowhere else.
- Old values are found along properties, map keys and the keys of associative lists; other lists have no identity to follow.
- A rule that cannot be evaluated is one that does not hold.
"""

import re
from collections.abc import Iterator, Mapping

from apiserver.documents import JsonObject, JsonValue
from apiserver.field_errors import FieldError, FieldErrorType
from apiserver.schema.cel import EvaluationFailed, ExpressionInvalid, compile_expression
from apiserver.schema.structural import Rule, Schema

_OLD = re.compile(r"\boldSelf\b")
_REASONS: Mapping[str, FieldErrorType] = {
    "": FieldErrorType.INVALID,
    "FieldValueInvalid": FieldErrorType.INVALID,
    "FieldValueForbidden": FieldErrorType.FORBIDDEN,
    "FieldValueRequired": FieldErrorType.REQUIRED,
    "FieldValueDuplicate": FieldErrorType.DUPLICATE,
}
_ABSENT: JsonValue = object()  # type: ignore[assignment] # stands for no value, which null is not


def rule_faults(schema: Schema, path: str = "openAPIV3Schema") -> Iterator[str]:
    """What is wrong with the rules of a schema itself."""
    for index, rule in enumerate(schema.rules):
        place = f"{path}.x-kubernetes-validations[{index}]"
        for name, text in (("rule", rule.rule), ("messageExpression", rule.message_expression)):
            try:
                if text:
                    compile_expression(text)
            except ExpressionInvalid as err:
                yield f"{place}.{name}: {err}"
        if rule.reason not in _REASONS:
            yield f"{place}.reason: {rule.reason!r} is not one of {', '.join(filter(None, _REASONS))}"
        if rule.optional_old_self:
            yield f"{place}.optionalOldSelf: is not supported; leave it out"
    for name, child in schema.properties.items():
        yield from rule_faults(child, f"{path}.properties[{name}]")
    if isinstance(schema.additional_properties, Schema):
        yield from rule_faults(schema.additional_properties, f"{path}.additionalProperties")
    if schema.items is not None:
        yield from rule_faults(schema.items, f"{path}.items")


def rule_errors(schema: Schema, document: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    """What the rules say against `document`, which its schema has accepted otherwise."""
    if schema.bears_rules:
        yield from _errors(schema, document, _ABSENT if old is None else old, "")


def _errors(schema: Schema, value: JsonValue, old: JsonValue, path: str) -> Iterator[FieldError]:
    if value is None:
        return
    for rule in schema.rules:
        about_change = _OLD.search(rule.rule) is not None
        if not about_change or old is not _ABSENT:
            yield from _judge(rule, schema, value, old, path)
    if isinstance(value, dict):
        former = old if isinstance(old, dict) else {}
        for name, child in value.items():
            below = schema.properties.get(name) or schema.additional_properties
            if isinstance(below, Schema) and below.bears_rules:
                yield from _errors(below, child, former.get(name, _ABSENT), f"{path}.{name}" if path else name)
    elif isinstance(value, list) and schema.items is not None and schema.items.bears_rules:
        known = _by_key(schema, old)
        for index, child in enumerate(value):
            yield from _errors(schema.items, child, known.get(_key(schema, child), _ABSENT), f"{path}[{index}]")


def _judge(rule: Rule, schema: Schema, value: JsonValue, old: JsonValue, path: str) -> Iterator[FieldError]:
    itself, former = _typed(schema, value), None if old is _ABSENT else _typed(schema, old)
    place = f"{path}{rule.field_path}".lstrip(".") or "<nil>"
    try:
        if compile_expression(rule.rule).evaluate(itself, former) is True:
            return
        message = _message(rule, itself, former)
    except EvaluationFailed as err:
        message = f"rule evaluation error: {err}"
    kind = _REASONS[rule.reason]
    yield FieldError(type=kind, field=place, value=schema.type or "object", detail=message)


def _message(rule: Rule, itself: object, former: object) -> str:
    if rule.message_expression:
        try:
            found = compile_expression(rule.message_expression).evaluate(itself, former)
        except EvaluationFailed:
            found = None
        if isinstance(found, str) and found.strip() and "\n" not in found:
            return found
    return rule.message or f"failed rule: {rule.rule}"


def _typed(schema: Schema, value: JsonValue) -> object:
    """Numbers of the type number as such: CEL keeps them apart from integers, and JSON does not."""
    if schema.type == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, dict):
        additional = schema.additional_properties if isinstance(schema.additional_properties, Schema) else Schema()
        return {name: _typed(schema.properties.get(name, additional), child) for name, child in value.items()}
    if isinstance(value, list):
        return [_typed(schema.items or Schema(), child) for child in value]
    return value


def _by_key(schema: Schema, old: JsonValue) -> Mapping[object, JsonValue]:
    if schema.list_type != "map" or not isinstance(old, list):
        return {}
    return {_key(schema, child): child for child in old}


def _key(schema: Schema, value: JsonValue) -> object:
    if schema.list_type != "map" or not isinstance(value, dict):
        return None
    return tuple(str(value.get(name)) for name in schema.list_map_keys)
