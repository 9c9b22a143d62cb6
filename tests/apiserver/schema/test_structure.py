import pytest

from apiserver.errors import KindsInvalid
from apiserver.schema.openapi import read_schema
from tests.apiserver.schema.schemas import TEXT, WHOLE, faults_of, list_of, object_of, schema_of

X = "openAPIV3Schema.properties[x]"


@pytest.mark.parametrize(
    ("node", "fault"),
    [
        ({}, f"{X}.type: must not be empty for specified object fields"),
        ({"type": "text"}, f"{X}.type: 'text' is not one of array, boolean, integer, number, object, string"),
        ({"type": "array"}, f"{X}.items: must be specified"),
        ({"type": "array", "items": {}}, f"{X}.items.type: must not be empty for specified array items"),
        (
            {"type": "integer", "x-kubernetes-int-or-string": True},
            "must be empty if x-kubernetes-int-or-string is true",
        ),
        ({**object_of(a=TEXT), "additionalProperties": TEXT}, "properties are mutual exclusive"),
        (
            {**object_of(), "additionalProperties": False},
            f"{X}.additionalProperties: additionalProperties cannot be set to",
        ),
        (list_of(TEXT, uniqueItems=True), f"{X}.uniqueItems: uniqueItems cannot be set to true"),
        ({**TEXT, "x-kubernetes-list-type": "set"}, f"{X}.type: must be array"),
        (list_of(TEXT, **{"x-kubernetes-list-type": "bag"}), "'bag' is not atomic, set or map"),
        (
            list_of(object_of(a=TEXT), **{"x-kubernetes-list-type": "map"}),
            "must not be empty if x-kubernetes-list-type is map",
        ),
        (
            list_of(TEXT, **{"x-kubernetes-list-map-keys": ["a"]}),
            "must be map if x-kubernetes-list-map-keys is non-empty",
        ),
        ({**TEXT, "x-kubernetes-map-type": "atomic"}, "must be object if x-kubernetes-map-type is specified"),
        ({**TEXT, "x-kubernetes-embedded-resource": True}, "must be object if x-kubernetes-embedded-resource is true"),
        ({**TEXT, "$ref": "#/a"}, f"{X}.$ref: is not allowed in a structural schema"),
        ({**TEXT, "maxLength": -1}, f"{X}.maxLength: must be a whole number from 0"),
        ({**TEXT, "nullable": "yes"}, f"{X}.nullable: must be true or false"),
        ({**WHOLE, "minimum": float("nan")}, f"{X}.minimum: must be a number"),
        ({**WHOLE, "multipleOf": 0}, f"{X}.multipleOf: must be a number above 0"),
        ({**TEXT, "enum": "a"}, f"{X}.enum: must be a list"),
        ({**TEXT, "pattern": "("}, f"{X}.pattern: "),
        ({**TEXT, "pattern": "(?!a)"}, f"{X}.pattern: "),
        ({**TEXT, "x-kubernetes-validations": 5}, f"{X}.x-kubernetes-validations: must be a list of objects"),
        ({"type": []}, f"{X}.type: must be a text"),
    ],
)
def test_what_no_structural_schema_may_say_is_a_fault(node, fault):
    found = faults_of({"x": node})

    assert any(fault in one for one in found), found


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (object_of(), "must be a scalar type"),
        (TEXT, "so it must have a default or be a required property"),
        ({**TEXT, "default": "a", "nullable": True}, "so it cannot be nullable"),
    ],
)
def test_keys_of_a_list_are_scalars_that_are_always_there(key, fault):
    found = faults_of(
        {"x": list_of(object_of(k=key), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]})}
    )

    assert any(fault in one for one in found), found


@pytest.mark.parametrize("name", ["allOf", "anyOf", "oneOf"])
def test_junctors_specify_nothing_themselves(name):
    found = faults_of({"x": {**object_of(a=TEXT), name: [{"type": "object", "properties": {"b": {}}}]}})

    assert f"{X}.{name}[0].type: must be empty to be structural" in found
    assert any(f"{X}.properties[b]: must be specified" in one for one in found)


def test_an_int_or_string_may_name_its_types_in_any_of():
    assert not faults_of(
        {"x": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}}
    )


def test_an_int_or_string_names_nothing_but_its_types_in_any_of():
    found = faults_of(
        {"x": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}}
    )

    assert f"{X}.anyOf[0].type: must be empty to be structural" in found


def test_every_fault_is_listed_at_once_with_its_path():
    found = faults_of(
        {"a": {}, "b": list_of(object_of(c={"type": "text"}, d={"type": []})), "e": {**TEXT, "maxLength": "5"}}
    )

    assert {fault.split(":")[0] for fault in found} == {
        "openAPIV3Schema.properties[a].type",
        "openAPIV3Schema.properties[b].items.properties[c].type",
        "openAPIV3Schema.properties[b].items.properties[d].type",
        "openAPIV3Schema.properties[e].maxLength",
    }
    assert len(found) == 4


def test_of_what_is_no_node_nothing_else_is_told():
    assert faults_of({"a": 5, "b": object_of(c=[])}) == [
        "openAPIV3Schema.properties[a]: must be an object",
        "openAPIV3Schema.properties[b].properties[c]: must be an object",
    ]


def test_faults_of_structure_defaults_and_rules_are_listed_at_once():
    rule = {"x-kubernetes-validations": [{"rule": "self > 'a'"}]}

    assert len(faults_of({"a": {}, "b": {**TEXT, "default": 5}})) == 2
    assert len(faults_of({"a": {"type": "array"}, "b": {**WHOLE, **rule}})) == 2


def test_a_schema_that_contains_itself_is_refused():
    node = {"type": "object"}
    node["properties"] = {"x": node, "y": node}

    with pytest.raises(KindsInvalid, match="more than 60 levels"):
        read_schema(node)


def test_metadata_of_the_root_is_not_specified_further():
    found = faults_of({"metadata": object_of(labels={"type": "object", "additionalProperties": TEXT})})

    assert any("must not specify anything other than name and generateName" in fault for fault in found)


@pytest.mark.parametrize(
    ("node", "fault"),
    [
        ({**TEXT, "default": 5}, "must be of type string"),
        ({**object_of(a=TEXT), "default": {"b": "c"}}, "must not have unknown fields"),
        ({**TEXT, "enum": ["a"], "default": "b"}, 'supported values: "a"'),
        (
            {**TEXT, "default": "b", "x-kubernetes-validations": [{"rule": "self == 'a'", "message": "must be a"}]},
            'default: Invalid value: "b": must be a',
        ),
    ],
)
def test_a_default_obeys_its_own_schema(node, fault):
    found = faults_of({"x": node})

    assert any(fault in one for one in found), found


def test_a_null_default_is_none():
    assert not schema_of({"x": {**TEXT, "nullable": True, "default": None}}).properties["x"].has_default


def test_a_preserved_atomic_object_is_opaque():
    node = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-map-type": "atomic"}

    assert schema_of({"x": node}).properties["x"].is_opaque
    assert not schema_of({"x": {**node, "required": ["a"]}}).properties["x"].is_opaque
    assert not schema_of({"x": {**node, "properties": {"a": TEXT}}}).properties["x"].is_opaque
