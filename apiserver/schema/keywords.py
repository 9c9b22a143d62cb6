"""The keywords of an openAPIV3Schema, and what value each of them takes.

- A keyword whose value is null is one that is not there.
- The readers give nothing for a value that `faults` complains about.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

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
_TEXTS = (
    "type",
    "format",
    "title",
    "description",
    "pattern",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-patch-merge-key",
)
_LISTS_OF_TEXTS = ("required", "x-kubernetes-list-map-keys")
_LISTS = ("enum", "allOf", "anyOf", "oneOf", "x-kubernetes-validations")
_KNOWN = frozenset(
    {
        *_NUMBERS,
        *_COUNTS,
        *_BOOLEANS,
        *_TEXTS,
        *_LISTS_OF_TEXTS,
        *_LISTS,
        "properties",
        "additionalProperties",
        "items",
        "default",
        "not",
        "example",
        "externalDocs",
    }
)
_RULE_TEXTS = ("rule", "message", "messageExpression", "reason", "fieldPath")
_DEEPEST_VALUE = 100


def faults(given: Mapping[str, object], path: str) -> Iterator[str]:
    """What is wrong with the keywords of one node, each by itself."""
    for name in given.keys() - _KNOWN:
        yield f"{path}.{name}: is not allowed in a structural schema"
    for name in given.keys() & _EXPECTED.keys():
        expected, is_right = _EXPECTED[name]
        if not is_right(given[name]):
            yield f"{path}.{name}: must be {expected}"
    if given.get("x-kubernetes-preserve-unknown-fields") is False:
        yield f"{path}.x-kubernetes-preserve-unknown-fields: must be true or undefined"
    if given.get("additionalProperties") is False:
        yield f"{path}.additionalProperties: additionalProperties cannot be set to false"
    kind = text(given, "type")
    if kind and kind not in TYPES:
        yield f"{path}.type: {kind!r} is not one of {', '.join(sorted(TYPES))}"
    for name in ("default", "enum"):
        if name in given and not is_json(given[name]):
            yield f"{path}.{name}: must be JSON"
    for index, rule in enumerate(objects(given, "x-kubernetes-validations")):
        yield from _rule_faults(rule, f"{path}.x-kubernetes-validations[{index}]")


def text(given: Mapping[str, object], name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""


def texts(given: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = given.get(name)
    return tuple(value) if _is_list_of_texts(value) and isinstance(value, list) else ()


def values(given: Mapping[str, object], name: str) -> Sequence[object]:
    value = given.get(name)
    return value if isinstance(value, list) else ()


def objects(given: Mapping[str, object], name: str) -> Sequence[Mapping[str, object]]:
    value = given.get(name)
    return cast("Sequence[Mapping[str, object]]", value) if _is_list_of_objects(value) else ()


def number(given: Mapping[str, object], name: str) -> float | None:
    value = given.get(name)
    return cast("float", value) if _is_number(value) else None


def count(given: Mapping[str, object], name: str) -> int | None:
    value = given.get(name)
    return cast("int", value) if _is_count(value) else None


def is_json(value: object, depth: int = 0) -> bool:
    """Whether a value that YAML gave is one of JSON, and not so deep that nobody can write it."""
    if depth > _DEEPEST_VALUE:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and is_json(child, depth + 1) for name, child in value.items())
    if isinstance(value, list):
        return all(is_json(child, depth + 1) for child in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, bool)) or (isinstance(value, int) and abs(value) < 1 << 63)


def _rule_faults(rule: Mapping[str, object], path: str) -> Iterator[str]:
    for name in rule.keys() - {*_RULE_TEXTS, "optionalOldSelf"}:
        yield f"{path}.{name}: is not known"
    for name in _RULE_TEXTS:
        if not isinstance(rule.get(name, ""), str):
            yield f"{path}.{name}: must be a text"
    if not isinstance(rule.get("optionalOldSelf", False), bool):
        yield f"{path}.optionalOldSelf: must be true or false"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _is_positive(value: object) -> bool:
    return _is_number(value) and cast("float", value) > 0


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, Mapping) and all(isinstance(name, str) for name in one) for one in value
    )


_EXPECTED: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    **dict.fromkeys(_BOOLEANS, ("true or false", lambda value: isinstance(value, bool))),
    **dict.fromkeys(_NUMBERS, ("a number", _is_number)),
    **dict.fromkeys(_COUNTS, ("a whole number from 0", _is_count)),
    **dict.fromkeys(_TEXTS, ("a text", lambda value: isinstance(value, str))),
    **dict.fromkeys(_LISTS_OF_TEXTS, ("a list of texts", _is_list_of_texts)),
    **dict.fromkeys(_LISTS, ("a list", lambda value: isinstance(value, list))),
    "multipleOf": ("a number above 0", _is_positive),
    "x-kubernetes-validations": ("a list of objects", _is_list_of_objects),
    "properties": ("an object", lambda value: isinstance(value, Mapping)),
}
