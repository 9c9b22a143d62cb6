import time

import pytest

from apiserver.documents import OpaqueJson
from apiserver.schema.validation import validate
from tests.apiserver.schema.schemas import TEXT, WHOLE, errors_of, list_of, object_of, schema_of

EITHER = {"x-kubernetes-int-or-string": True}
BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
NAMED = {**object_of(name=TEXT, value=WHOLE), "required": ["name"]}


@pytest.mark.parametrize(
    ("node", "value", "error"),
    [
        (WHOLE, "a", 'x: Invalid value: "string": x in body must be of type integer: "string"'),
        (WHOLE, True, 'x: Invalid value: "boolean": x in body must be of type integer: "boolean"'),
        (TEXT, None, 'x: Invalid value: "null": x in body must be of type string: "null"'),
        (TEXT, 1, 'x: Invalid value: "integer": x in body must be of type string: "integer"'),
        (TEXT, {}, 'x: Invalid value: "object": x in body must be of type string: "object"'),
        (object_of(), [], 'x: Invalid value: "array": x in body must be of type object: "array"'),
        ({"type": "number"}, True, 'x: Invalid value: "boolean": x in body must be of type number: "boolean"'),
        (EITHER, True, 'x: Invalid value: "boolean": x in body must be of type integer,string: "boolean"'),
        ({**object_of(a=TEXT), "required": ["a"]}, {}, "x.a: Required value"),
        ({**TEXT, "enum": ["a", "b"]}, "c", 'x: Unsupported value: "c": supported values: "a", "b"'),
        ({**WHOLE, "minimum": 2}, 1, "x: Invalid value: 1: x in body should be greater than or equal to 2"),
        ({**WHOLE, "maximum": 2}, 3, "x: Invalid value: 3: x in body should be less than or equal to 2"),
        (
            {**WHOLE, "minimum": 2, "exclusiveMinimum": True},
            2,
            "x: Invalid value: 2: x in body should be greater than 2",
        ),
        ({**WHOLE, "maximum": 2, "exclusiveMaximum": True}, 2, "x: Invalid value: 2: x in body should be less than 2"),
        ({**WHOLE, "multipleOf": 5}, 7, "x: Invalid value: 7: x in body should be a multiple of 5"),
        ({**TEXT, "minLength": 2}, "a", 'x: Invalid value: "a": x in body should be at least 2 chars long'),
        ({**TEXT, "maxLength": 2}, "abc", "x: Too long: may not be more than 2 bytes"),
        (list_of(TEXT, minItems=1), [], "x: Invalid value: 0: x in body should have at least 1 items"),
        (list_of(TEXT, maxItems=2), ["a"] * 3, "x: Too many: 3: must have at most 2 items"),
        (list_of(TEXT, maxItems=1), ["a"] * 2, "x: Too many: 2: must have at most 1 item"),
        (
            {**object_of(a=TEXT), "minProperties": 1},
            {},
            "x: Invalid value: 0: x in body should have at least 1 properties",
        ),
        (
            {"type": "object", "additionalProperties": TEXT, "maxProperties": 1},
            {"a": "", "b": ""},
            "x: Too many: 2: must have at most 1 item",
        ),
        ({**TEXT, "pattern": "^a$"}, "b", "x: Invalid value: \"b\": x in body should match '^a$'"),
        (
            {**TEXT, "format": "date-time"},
            "noon",
            'x: Invalid value: "noon": x in body must be of type date-time: "noon"',
        ),
        (list_of(WHOLE), [1, "a"], 'x[1]: Invalid value: "string": x[1] in body must be of type integer: "string"'),
        (list_of(TEXT, **{"x-kubernetes-list-type": "set"}), ["a", "b", "a"], 'x[2]: Duplicate value: "a"'),
        (list_of(NAMED, **BY_NAME), [{"name": "a", "value": 1}, {"name": "a"}], 'x[1]: Duplicate value: {"name":"a"}'),
    ],
)
def test_each_fault_is_told_in_kube_apiservers_words(node, value, error):
    assert errors_of(node, value) == [error]


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (WHOLE, 1.0),
        (WHOLE, -(1 << 63)),
        (EITHER, 1),
        (EITHER, "1"),
        ({**TEXT, "nullable": True}, None),
        ({**TEXT, "maxLength": 2}, "äö"),
        ({**WHOLE, "enum": [1, 2]}, 2),
        ({"type": "number"}, 1),
        (list_of(TEXT, **{"x-kubernetes-list-type": "set"}), ["a", "b"]),
        (list_of(NAMED, **BY_NAME), [{"name": "a", "value": 1}, {"name": "b", "value": 1}]),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, OpaqueJson(b"{}")),
        ({**TEXT, "format": "whatever"}, "a"),
    ],
)
def test_what_is_valid_is_not_complained_about(node, value):
    assert errors_of(node, value) == []


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^a$", "a\n", False),
        ("^a$|^b$", "a\n", False),
        ("^(a$|b)", "a\n", False),
        (r"\$$", "cost $", True),
        ("[$]x", "$x", True),
        (r"^\d$", "\N{ARABIC-INDIC DIGIT ONE}", False),
        ("b", "abc", True),
        ("(?i)^A$", "a", True),
        (r"\pL", "é", True),
    ],
)
def test_patterns_are_those_of_go(pattern, text, matches):
    assert (errors_of({**TEXT, "pattern": pattern}, text) == []) is matches


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "date-time",
            ["2024-02-29T12:00:00Z", "2024-01-01T00:00:00.123+02:00"],
            ["2024-01-01", "2023-02-29T12:00:00Z"],
        ),
        ("date", ["2024-02-29"], ["2023-02-29", "2024-1-1"]),
        ("byte", ["YQ=="], ["YQ=", "*"]),
        ("ipv4", ["10.0.0.1"], ["10.0.0", "::1"]),
        ("ipv6", ["::1"], ["10.0.0.1"]),
        ("cidr", ["10.0.0.0/8"], ["10.0.0.0"]),
        ("uuid", ["123e4567-e89b-12d3-a456-426614174000"], ["123e"]),
        (
            "hostname",
            ["a.example.com", "a", "a-b.例.com", "☃.net"],
            ["-a", "a_b!", "a.b-", "a..com", "a.b.c1", f"{'a' * 64}.com"],
        ),
        ("email", ["a@example.com", "A B <a@b>", '"A, B" <a@b>'], ["a", "a b@c", "A <a@b", "a@b,c@d"]),
        ("mac", ["00:00:5e:00:53:01"], ["00:00"]),
        ("duration", ["1h30m", "-0.5s", "5 seconds", "2 weeks"], ["later", "5", "5 parsecs", f"{1 << 63} days"]),
        ("uri", ["https://example.com/a"], ["a b"]),
    ],
)
def test_formats_are_checked(name, good, bad):
    node = {**TEXT, "format": name}

    assert [text for text in good if errors_of(node, text)] == []
    assert [text for text in bad if not errors_of(node, text)] == []


FORMATS = [
    *(
        "bsonobjectid",
        "byte",
        "cidr",
        "creditcard",
        "date",
        "date-time",
        "duration",
        "email",
        "hexcolor",
        "hostname",
        "ipv4",
    ),
    *("ipv6", "isbn", "k8s-long-name", "k8s-short-name", "mac", "password", "rgbcolor", "ssn", "uri", "uuid", "uuid4"),
]
HOSTILE = [" ", "a", "a ", "1 ", "1:", ":", "a.", "\\a", "a@", "-", "YWJj"]


@pytest.mark.parametrize("name", FORMATS)
def test_no_text_takes_long_to_be_found_of_no_format(name):
    node = schema_of({"x": {**TEXT, "format": name}})
    begun = time.process_time()

    for part in HOSTILE:
        for text in (part * 20_000, f'"{part * 20_000}<', f"http://{part * 20_000}*"):
            validate(node, {"x": text})

    assert time.process_time() - begun < 2


def test_a_number_that_its_format_cannot_hold_is_refused():
    assert errors_of({**WHOLE, "format": "int32"}, 1 << 31)
    assert errors_of(WHOLE, 1 << 63)
    assert not errors_of({**WHOLE, "format": "int64"}, (1 << 63) - 1)


def test_a_broken_number_is_no_integer():
    assert errors_of(WHOLE, 1.5) == [
        'x: Invalid value: "number": x in body must be of type integer: "number"',
        '<nil>: Invalid value: "": Checked value must be of type integer (default format) in x',
    ]


def test_true_is_not_one_in_an_enumeration():
    assert errors_of({"x-kubernetes-preserve-unknown-fields": True, "enum": [1]}, True)


def test_one_is_not_the_text_of_it_in_a_set():
    either = {"x-kubernetes-int-or-string": True}

    assert errors_of(list_of(either, **{"x-kubernetes-list-type": "set"}), [1, "1"]) == []


BETWEEN = {"anyOf": [{"minimum": 10}, {"maximum": 1}]}


@pytest.mark.parametrize(
    ("junctor", "value", "expected"),
    [
        (BETWEEN, 0, None),
        (BETWEEN, 5, '"x" must validate at least one schema (anyOf)'),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 1, None),
        (
            {"oneOf": [{"minimum": 1}, {"minimum": 2}]},
            0,
            '"x" must validate one and only one schema (oneOf). Found none valid',
        ),
        (
            {"oneOf": [{"minimum": 1}, {"minimum": 2}]},
            3,
            '"x" must validate one and only one schema (oneOf). Found 2 valid alternatives',
        ),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 2, None),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 3, '"x" must validate all the schemas (allOf)'),
        ({"allOf": [{"minimum": 4}, {"minimum": 5}]}, 3, '"x" must validate all the schemas (allOf). None validated'),
        ({"not": {"minimum": 1}}, 0, None),
        ({"not": {"minimum": 1}}, 1, '"x" must not validate the schema (not)'),
    ],
)
def test_junctors(junctor, value, expected):
    errors = errors_of({**WHOLE, **junctor}, value)

    assert errors[:1] == ([] if expected is None else [f'<nil>: Invalid value: "": {expected}'])


def test_every_error_is_told_and_a_hundred_are_enough():
    assert len(errors_of(object_of(a=WHOLE, b=WHOLE), {"a": "c", "b": "d"})) == 2
    assert len(errors_of(list_of(WHOLE), ["a"] * 500)) == 100
    assert len(errors_of(list_of(WHOLE), ["a"] * 500, ["b"] * 500)) == 100


def test_of_an_object_of_the_wrong_size_nothing_else_is_told():
    node = {"type": "object", "additionalProperties": WHOLE, "maxProperties": 1}

    assert errors_of(node, {"a": "b", "c": "d"}) == ["x: Too many: 2: must have at most 1 item"]


def test_an_update_may_keep_what_was_wrong_and_may_not_add_to_it():
    node = object_of(a={**WHOLE, "maximum": 1}, b=WHOLE)

    assert errors_of(node, {"a": 5, "b": 2}, {"a": 5, "b": 1}) == []
    assert errors_of(node, {"a": 6}, {"a": 5}) == [
        "x.a: Invalid value: 6: x.a in body should be less than or equal to 1"
    ]


def test_an_embedded_object_has_a_type():
    node = {**object_of(a=TEXT), "x-kubernetes-embedded-resource": True}

    assert errors_of(node, {"kind": "A"}) == ["x.apiVersion: Required value"]
    assert errors_of(node, {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a/b"}})
    assert errors_of(node, {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}) == []


@pytest.mark.parametrize(
    ("metadata", "place"),
    [
        ({"labels": {"a b": "c"}}, "x.metadata.labels"),
        ({"annotations": {"a b": "c"}}, "x.metadata.annotations"),
        ({"finalizers": ["a b"]}, "x.metadata.finalizers"),
        ({"namespace": "A"}, "x.metadata.namespace"),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "", "uid": "u"}]},
            "x.metadata.ownerReferences.name",
        ),
        ({"creationTimestamp": "noon"}, "x.metadata.creationTimestamp"),
        ({"labels": []}, "x.metadata.labels"),
    ],
)
def test_metadata_of_an_embedded_object_obeys_the_rules_of_metadata(metadata, place):
    node = {**object_of(a=TEXT), "x-kubernetes-embedded-resource": True}

    errors = errors_of(node, {"apiVersion": "v1", "kind": "A", "metadata": metadata})

    assert {error.split(": ")[0] for error in errors} == {place}


def test_required_fields_of_the_root_are_named_without_a_dot():
    errors = validate(schema_of({"a": TEXT}, required=["a"]), {})

    assert [str(error) for error in errors] == ["a: Required value"]
