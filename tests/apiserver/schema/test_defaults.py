import pytest

from apiserver.schema.defaulting import apply_defaults
from tests.apiserver.schema.schemas import TEXT, list_of, object_of, schema_of

DEFAULTED = {**TEXT, "default": "a"}


@pytest.mark.parametrize(
    ("node", "given", "expected"),
    [
        (DEFAULTED, {}, {"x": "a"}),
        (DEFAULTED, {"x": "b"}, {"x": "b"}),
        (DEFAULTED, {"x": None}, {"x": "a"}),
        (TEXT, {"x": None}, {}),
        (TEXT, {}, {}),
        ({**TEXT, "nullable": True}, {"x": None}, {"x": None}),
        ({**DEFAULTED, "nullable": True}, {"x": None}, {"x": None}),
        ({**DEFAULTED, "nullable": True}, {}, {"x": "a"}),
        ({"x-kubernetes-preserve-unknown-fields": True}, {"x": None}, {}),
        (object_of(y=DEFAULTED), {}, {}),
        (object_of(y=DEFAULTED), {"x": {}}, {"x": {"y": "a"}}),
        ({**object_of(y=DEFAULTED), "default": {}}, {}, {"x": {"y": "a"}}),
        (list_of(object_of(y=DEFAULTED)), {"x": [{}, {"y": "b"}]}, {"x": [{"y": "a"}, {"y": "b"}]}),
        (list_of(DEFAULTED), {"x": [None]}, {"x": ["a"]}),
        (list_of(TEXT), {"x": [None]}, {"x": [None]}),
        ({"type": "object", "additionalProperties": DEFAULTED}, {"x": {"k": None}}, {"x": {"k": "a"}}),
        ({"type": "object", "additionalProperties": TEXT}, {"x": {"k": None}}, {"x": {}}),
        (
            {"type": "object", "additionalProperties": object_of(y=DEFAULTED)},
            {"x": {"k": {}}},
            {"x": {"k": {"y": "a"}}},
        ),
    ],
)
def test_silence_becomes_the_default(node, given, expected):
    apply_defaults(schema_of({"x": node}), given)

    assert given == expected


def test_documents_do_not_share_a_default():
    schema = schema_of({"x": {**list_of(TEXT), "default": ["a"]}})
    one, other = {}, {}
    apply_defaults(schema, one)
    apply_defaults(schema, other)

    one["x"].append("b")

    assert other == {"x": ["a"]}
    assert schema.properties["x"].default == ["a"]
