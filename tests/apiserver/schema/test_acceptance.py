"""Acceptance says yes only where pruning, defaulting and validation have nothing to do."""

from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import apiserver.kinds
from apiserver.errors import KindsInvalid
from apiserver.kinds.manifests import load_kinds
from apiserver.schema.acceptance import compile_acceptor
from apiserver.schema.defaulting import apply_defaults
from apiserver.schema.pruning import prune
from apiserver.schema.structural import Schema
from apiserver.schema.validation import validate
from tests.apiserver.schema.schemas import TEXT, WHOLE, list_of, object_of, schema_of

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(["", "a", "b", "2024-01-01"]),
    st.sampled_from([-1, 0, 1, 5, 1 << 31, -(1 << 31) - 1, 1 << 63, 1 << 64]),
    st.sampled_from([0.0, 1.0, 1.5, 1e300]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3))
)


def some(**options):
    return st.fixed_dictionaries({}, optional={name.replace("__", "-"): value for name, value in options.items()})


def merged(*parts):
    return st.tuples(*parts).map(lambda found: {key: value for part in found for key, value in part.items()})


COMMON = some(nullable=st.booleans())
BOUNDS = some(
    minimum=st.sampled_from([-(1 << 40), 0, 1]),
    maximum=st.sampled_from([1, 5, 1 << 40]),
    exclusiveMinimum=st.booleans(),
    exclusiveMaximum=st.booleans(),
    multipleOf=st.sampled_from([1, 2]),
    enum=st.just([1, 5]),
    default=st.just(1),
)
LEAVES = st.one_of(
    merged(
        st.just({"type": "string"}),
        COMMON,
        some(
            minLength=st.just(1),
            maxLength=st.just(1),
            pattern=st.just("^a$"),
            enum=st.just(["a", "b"]),
            default=st.just("a"),
            format=st.sampled_from(["date", "other"]),
        ),
    ),
    merged(st.just({"type": "integer"}), COMMON, BOUNDS, some(format=st.sampled_from(["int32", "int64"]))),
    merged(st.just({"type": "number"}), COMMON, BOUNDS, some(format=st.sampled_from(["float", "double"]))),
    merged(st.just({"type": "boolean"}), COMMON, some(default=st.just(True))),
    merged(st.just({"x-kubernetes-int-or-string": True}), COMMON, some(default=st.just("a"), pattern=st.just("^a$"))),
    merged(
        st.just({"x-kubernetes-preserve-unknown-fields": True}),
        COMMON,
        some(default=st.just("a"), required=st.just(["a"]), enum=st.just(["a"]), minimum=st.just(1)),
    ),
)


def _wider(inner):
    sizes = some(minProperties=st.just(1), maxProperties=st.just(1))
    objects = merged(
        st.just({"type": "object"}),
        COMMON,
        sizes,
        some(
            properties=st.dictionaries(NAMES, inner, max_size=3),
            required=st.lists(NAMES, max_size=2, unique=True),
            default=st.just({}),
            **{"x-kubernetes-preserve-unknown-fields": st.just(True), "x-kubernetes-map-type": st.just("atomic")},
        ),
    )
    maps = merged(
        st.just({"type": "object"}), COMMON, sizes, some(additionalProperties=st.one_of(inner, st.just(True)))
    )
    lists = merged(
        st.just({"type": "array"}),
        COMMON,
        st.fixed_dictionaries({"items": inner}),
        some(
            minItems=st.just(1), maxItems=st.just(1), **{"x-kubernetes-list-type": st.sampled_from(["set", "atomic"])}
        ),
    )
    return st.one_of(objects, maps, lists)


NODES = st.recursive(LEAVES, _wider, max_leaves=8)


def _fitting(node, draw):
    """A value that is likely to be accepted."""
    kind = node.get("type")
    if kind == "object":
        named = {name: _fitting(child, draw) for name, child in node.get("properties", {}).items()}
        additional = node.get("additionalProperties")
        return named | ({"a": _fitting(additional, draw)} if isinstance(additional, dict) else {})
    if kind == "array":
        return [_fitting(node["items"], draw)]
    return draw(SCALARS)


@given(data=st.data())
def test_what_is_accepted_needs_nothing_more(data):
    node = data.draw(NODES)
    try:
        schema = schema_of({"x": node})
    except KindsInvalid:
        return
    accepts = compile_acceptor(schema)
    value = _fitting(node, data.draw) if data.draw(st.booleans()) else data.draw(VALUES)
    document = {"apiVersion": "a/v1", "kind": "A", "metadata": {}, "x": value}
    if not accepts(document):
        return

    changed = deepcopy(document)
    removed = prune(schema, changed)
    apply_defaults(schema, changed)

    assert removed == []
    assert changed == document
    assert validate(schema, document) == []


@pytest.mark.parametrize(
    ("node", "value", "accepted"),
    [
        (TEXT, "a", True),
        (TEXT, 1, False),
        ({**WHOLE, "format": "int32", "minimum": -(1 << 40), "maximum": 1 << 40}, 1 << 31, False),
        ({**WHOLE, "format": "int32", "minimum": -(1 << 40)}, -(1 << 31) - 1, False),
        (WHOLE, 1 << 63, False),
        (object_of(a=TEXT), {"b": 1}, False),
        (object_of(a={**TEXT, "default": "b"}), {}, False),
        (list_of(object_of(a=WHOLE)), [{"a": 1}, {}], True),
        (list_of(object_of(a=WHOLE)), [{"a": 1}, {"a": "b"}], False),
        ({"type": "object", "additionalProperties": TEXT}, {"k": "v"}, True),
        ({"x-kubernetes-preserve-unknown-fields": True}, None, False),
        ({**TEXT, "pattern": "^a$", "maxLength": 1, "format": "byte"}, "a", False),
        ({**TEXT, "pattern": "^2", "maxLength": 10, "format": "date"}, "2024-02-29", True),
        ({**TEXT, "pattern": "^2", "maxLength": 10, "format": "date"}, "2023-02-29", False),
        ({"x-kubernetes-int-or-string": True}, "5%", True),
        ({"x-kubernetes-int-or-string": True}, 5, True),
        ({"x-kubernetes-int-or-string": True}, 5.5, False),
        ({**WHOLE, "multipleOf": 5}, 10, True),
        ({**WHOLE, "multipleOf": 5}, 11, False),
        (list_of(TEXT, minItems=1, **{"x-kubernetes-list-type": "set"}), ["a", "b"], True),
        (list_of(TEXT, minItems=1, **{"x-kubernetes-list-type": "set"}), ["a", "a"], False),
        (list_of(TEXT, minItems=1), [], False),
        ({"type": "object", "additionalProperties": TEXT, "maxProperties": 1}, {"a": "b"}, True),
        ({"type": "object", "additionalProperties": TEXT, "maxProperties": 1}, {"a": "b", "c": "d"}, False),
    ],
)
def test_acceptance(node, value, accepted):
    assert compile_acceptor(schema_of({"x": node}))({"x": value}) is accepted


def sample(schema: Schema):
    """An ordinary document: every field is there."""
    if schema.type == "object":
        fields = {name: sample(child) for name, child in schema.properties.items() if name != "metadata"}
        if isinstance(schema.additional_properties, Schema):
            fields["key"] = sample(schema.additional_properties)
        return fields
    if schema.type == "array":
        return [sample(schema.items), sample(schema.items)]
    if schema.enum:
        return schema.enum[0]
    return {"string": "text", "integer": 1, "number": 1.5, "boolean": True}.get(schema.type, "text")


SHIPPED = load_kinds([Path(apiserver.kinds.__file__).parent])


@pytest.mark.parametrize("kind", SHIPPED, ids=lambda kind: f"{kind.names.plural}.{kind.group}")
def test_ordinary_documents_of_every_shipped_kind_are_accepted_at_one_look(kind):
    document = {
        **sample(kind.schema),
        "apiVersion": kind.api_version,
        "kind": kind.names.kind,
        "metadata": {"name": "a"},
    }

    assert validate(kind.schema, document) == []
    assert kind.accepts(document)
    assert not kind.accepts({**document, "nothing": "known"})
