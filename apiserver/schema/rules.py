"""Validation rules (x-kubernetes-validations): what a schema demands beyond types, in CEL.

- A rule that names oldSelf is about a change: it is asked where there is an old value to compare with, and nowhere else, unless it
  takes an optional one. Any other rule is not asked about a value that an update leaves as it was.
- Old values are found along properties, map keys and the keys of associative lists; other lists have no identity to follow.
- A rule that cannot be evaluated is one that does not hold.
- All rules of an object together have a second; what is not done then is an error. A single evaluation cannot be interrupted, and
  nothing else runs meanwhile: loops end after 10,000 steps (`apiserver.schema.cel`), and a rule whose steps may each look at the
  whole value is asked about small values only. So one takes half a second at worst. kube-apiserver counts the cost instead.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from apiserver.documents import JsonObject, JsonValue
from apiserver.field_errors import OMITTED, FieldError, FieldErrorType, invalid
from apiserver.fields.values import quoted, same
from apiserver.schema.cel import EvaluationFailed, Expression, TooCostly, compile_expression
from apiserver.schema.keyed_lists import former_items
from apiserver.schema.rule_texts import may_be_quadratic, uses_old_self
from apiserver.schema.rule_values import declaration, typed
from apiserver.schema.structural import Rule, Schema

REASONS: Mapping[str, FieldErrorType] = {
    "": FieldErrorType.INVALID,
    "FieldValueInvalid": FieldErrorType.INVALID,
    "FieldValueForbidden": FieldErrorType.FORBIDDEN,
    "FieldValueRequired": FieldErrorType.REQUIRED,
    "FieldValueDuplicate": FieldErrorType.DUPLICATE,
}
_LONGEST_MESSAGE = 5 << 10
_SECONDS = 1.0
_MOST_COMPARED = 5_000
_OCTETS_OF_A_VALUE = 16
_STEP = re.compile(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]")
_ABSENT = cast("JsonValue", object())  # no value, which null is not
_DYNAMIC = ("dyn",)


@dataclass(slots=True)
class _Stopped(Exception):
    """Nothing more is asked."""

    error: FieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in an object rules are asked. `old` is the old value or absent; `is_unchanged` says that it is the same as the new one,
    or that something is which both are within."""

    schema: Schema
    value: JsonValue
    old: JsonValue
    path: str
    is_root: bool = False
    is_unchanged: bool = False
    deadline: float = field(repr=False)

    def below(self, schema: Schema, value: JsonValue, old: JsonValue, path: str) -> "_Place":
        is_unchanged = self.is_unchanged or (old is not _ABSENT and same(value, old))
        return replace(self, schema=schema, value=value, old=old, path=path, is_root=False, is_unchanged=is_unchanged)


def rule_errors(schema: Schema, document: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    """What the rules say against `document`, which its schema has accepted otherwise."""
    if not schema.bears_rules:
        return
    place = _Place(
        schema=schema,
        value=document,
        old=_ABSENT if old is None else old,
        path="",
        is_root=True,
        is_unchanged=old is not None and same(document, old),
        deadline=time.monotonic() + _SECONDS,
    )
    try:
        yield from _errors(place)
    except _Stopped as stopped:
        yield stopped.error


def compile_rule(rule: Rule, schema: Schema) -> Expression:
    """Raises ExpressionInvalid."""
    if not rule.optional_old_self:
        return compile_expression(rule.rule, _variables(schema))
    declared = (("self", declaration(schema)), ("oldSelf", _DYNAMIC))
    compile_expression(rule.rule, declared)  # alone, so that nothing but an expression gets into the other
    bound = f"cel.bind(oldSelf, isNew ? optional.none() : optional.of(former), {rule.rule}\n)"
    return compile_expression(bound, (("self", declaration(schema)), ("former", _DYNAMIC), ("isNew", ("bool",))))


def compile_message(rule: Rule, schema: Schema) -> Expression | None:
    """Raises ExpressionInvalid. None where there is no messageExpression."""
    if not rule.message_expression:
        return None
    return compile_expression(rule.message_expression, _variables(schema))


def field_place(schema: Schema, path: str) -> str | None:
    """A fieldPath (`.a['b.c']`) as errors write it (`a.b.c`, and `a[k]` for the key of a map); None where it leads to no field."""
    position, place, known = 0, "", schema
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            return None
        name = match[1] or re.sub(r"\\(.)", r"\1", match[2])
        if known.properties:
            if name not in known.properties:
                return None
            place, known = f"{place}.{name}", known.properties[name]
        elif isinstance(known.additional_properties, Schema):
            place, known = f"{place}[{name}]", known.additional_properties
        else:
            return None
        position = match.end()
    return place.removeprefix(".")


def _errors(place: _Place) -> Iterator[FieldError]:
    schema, value, old, path = place.schema, place.value, place.old, place.path
    if value is None:
        return
    yield from _own_errors(place)
    if isinstance(value, dict):
        former = old if isinstance(old, dict) else {}
        for name, child in value.items():
            known = schema.properties.get(name)
            where = f"{path}.{name}" if path else name
            if known is None and isinstance(schema.additional_properties, Schema):
                known, where = schema.additional_properties, f"{path}[{name}]"
            if known is not None and known.bears_rules:
                yield from _errors(place.below(known, child, former.get(name, _ABSENT), where))
    elif isinstance(value, list) and schema.items is not None and schema.items.bears_rules:
        formers = former_items(schema, value, old if isinstance(old, list) else ())
        for index, child in enumerate(value):
            former_item = _ABSENT if formers[index] is None else formers[index]
            yield from _errors(place.below(schema.items, child, former_item, f"{path}[{index}]"))


def _own_errors(place: _Place) -> Iterator[FieldError]:
    rules = place.schema.rules
    if not rules:
        return
    is_new = place.old is _ABSENT or place.old is None
    itself = typed(place.schema, place.value, is_root=place.is_root)
    former = None if is_new else typed(place.schema, place.old, is_root=place.is_root)
    is_large = any(map(_may_be_quadratic, rules)) and _size([itself, former]) > _MOST_COMPARED
    for rule in rules:
        about_change = uses_old_self(rule.rule)
        if (about_change and is_new and not rule.optional_old_self) or (not about_change and place.is_unchanged):
            continue
        if is_large and _may_be_quadratic(rule):
            raise _Stopped(_too_costly(rule, place))
        variables: dict[str, object] = {"self": itself}
        if rule.optional_old_self:
            variables |= {"former": former, "isNew": is_new}
        elif not is_new:
            variables["oldSelf"] = former
        yield from _judge(rule, place, variables)


def _may_be_quadratic(rule: Rule) -> bool:
    return may_be_quadratic(rule.rule) or may_be_quadratic(rule.message_expression)


def _size(value: object) -> int:
    """How many values there are, counting a long text as several."""
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_size, value))
    return 1 + len(value) // _OCTETS_OF_A_VALUE if isinstance(value, (str, bytes)) else 1


def _too_costly(rule: Rule, place: _Place) -> FieldError:
    why = "no further validation rules will be run due to call cost exceeds limit for rule"
    detail = f"'operation cancelled: actual cost limit exceeded': {why}: {_named(rule)}"
    return invalid(place.path or "<nil>", place.schema.type, detail)


def _named(rule: Rule) -> str:
    return rule.message.strip() or rule.rule.strip()


def _judge(rule: Rule, place: _Place, variables: Mapping[str, object]) -> Iterator[FieldError]:
    schema, path = place.schema, place.path or "<nil>"
    if time.monotonic() > place.deadline:
        why = "validation failed due to running out of cost budget, no further validation rules will be run"
        raise _Stopped(invalid(path, schema.type, why))
    try:
        if compile_rule(rule, schema).evaluate(variables) is True:
            return
    except TooCostly as err:
        raise _Stopped(_too_costly(rule, place)) from err
    except EvaluationFailed as err:
        why = f"{err} evaluating rule"
        if str(err).startswith("no such overload"):
            why = f"'{err}': call arguments did not match a supported operator, function or macro signature for rule"
        yield invalid(path, schema.type, f"{why}: {_named(rule)}")
        return
    where = field_place(schema, rule.field_path) if rule.field_path else ""
    place_of_error = f"{place.path}.{where}" if place.path and where else where or path
    shown = OMITTED if schema.type in {"object", "array"} else place.value
    message = _message(rule, place, variables) or rule.message.strip() or f"failed rule: {rule.rule.strip()}"
    detail = "" if REASONS[rule.reason] is FieldErrorType.DUPLICATE else message
    yield FieldError(type=REASONS[rule.reason], field=place_of_error, value=shown, detail=detail)


def _message(rule: Rule, place: _Place, variables: Mapping[str, object]) -> str:
    """What messageExpression makes of the values; nothing where it makes no line of text."""
    expression = compile_message(rule, place.schema)
    if expression is None:
        return ""
    try:
        found = expression.evaluate({"oldSelf": variables.get("former"), **variables})
    except TooCostly as err:
        why = "no further validation rules will be run due to call cost exceeds limit for messageExpression"
        raise _Stopped(
            invalid(place.path or "<nil>", place.schema.type, f"{why}: {quoted(rule.message_expression)}")
        ) from err
    except EvaluationFailed:
        return ""
    text = found.strip() if isinstance(found, str) else ""
    return text if len(text) <= _LONGEST_MESSAGE and "\n" not in text else ""


def _variables(schema: Schema) -> tuple[tuple[str, tuple[object, ...]], ...]:
    declared = declaration(schema)
    return (("self", declared), ("oldSelf", declared))
