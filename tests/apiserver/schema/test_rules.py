import pytest

from apiserver.documents import OpaqueJson
from apiserver.schema.rule_texts import may_be_quadratic, uses_old_self
from apiserver.schema.validation import validate
from tests.apiserver.schema.schemas import TEXT, WHOLE, errors_of, faults_of, list_of, object_of, schema_of

BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
FIXED = {"rule": "self == oldSelf", "message": "is fixed"}


def ruled(node, rule, **more):
    return {**node, "x-kubernetes-validations": [{"rule": rule, **more}]}


def test_a_rule_that_does_not_hold_is_an_error():
    node = ruled(object_of(low=WHOLE, high=WHOLE), "self.low <= self.high")

    assert errors_of(node, {"low": 1, "high": 2}) == []
    assert [error for error in errors_of(node, {"low": 3, "high": 2}) if "failed rule: self.low <= self.high" in error]


def test_a_rule_about_a_change_is_asked_on_updates_only():
    node = {**TEXT, "x-kubernetes-validations": [FIXED]}

    assert errors_of(node, "a") == []
    assert errors_of(node, "a", "a") == []
    assert errors_of(node, "b", "a") == ['x: Invalid value: "b": is fixed']


@pytest.mark.parametrize(
    ("node", "old", "new", "place"),
    [
        (object_of(a={**TEXT, "x-kubernetes-validations": [FIXED]}), {"a": "b"}, {"a": "c"}, "x.a"),
        (
            {"type": "object", "additionalProperties": {**TEXT, "x-kubernetes-validations": [FIXED]}},
            {"k": "b", "gone": "b"},
            {"k": "c", "new": "d"},
            "x[k]",
        ),
        (
            list_of(
                {
                    **object_of(name=TEXT, value={**TEXT, "x-kubernetes-validations": [FIXED]}),
                    "required": ["name"],
                },
                **BY_NAME,
            ),
            [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}],
            [{"name": "b", "value": "3"}, {"name": "a", "value": "1"}, {"name": "c", "value": "4"}],
            "x[0].value",
        ),
    ],
)
def test_old_values_are_found_by_property_key_and_list_key(node, old, new, place):
    errors = errors_of(node, new, old)

    assert [error.split(":")[0] for error in errors] == [place]


@pytest.mark.parametrize("kind", ["atomic", "set", None])
def test_old_values_are_not_found_through_other_lists(kind):
    node = list_of({**TEXT, "x-kubernetes-validations": [FIXED]}, **({"x-kubernetes-list-type": kind} if kind else {}))

    assert any("oldSelf cannot be used on the uncorrelatable portion" in fault for fault in faults_of({"x": node}))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("FieldValueInvalid", "Invalid value"),
        ("FieldValueForbidden", "Forbidden"),
        ("FieldValueRequired", "Required value"),
        ("FieldValueDuplicate", "Duplicate value"),
    ],
)
def test_a_rule_has_a_reason(reason, words):
    (error,) = errors_of(ruled(TEXT, "false", reason=reason, message="no"), "a")

    assert error.startswith(f"x: {words}")


def test_a_message_may_be_computed():
    node = ruled(WHOLE, "self < 5", messageExpression="'not ' + string(self)", message="too much")

    assert errors_of(node, 7) == ["x: Invalid value: 7: not 7"]


@pytest.mark.parametrize("expression", ["string(1 / (self - 7))", "''", "'a\\nb'"])
def test_a_message_that_cannot_be_computed_gives_way_to_the_written_one(expression):
    node = ruled(WHOLE, "self < 5", messageExpression=expression, message="too much")

    assert errors_of(node, 7) == ["x: Invalid value: 7: too much"]


def test_a_rule_may_blame_a_field():
    node = ruled(object_of(a=WHOLE), "self.a < 5", fieldPath=".a", message="too much")

    assert [error.split(":")[0] for error in errors_of(node, {"a": 7})] == ["x.a"]


def test_a_rule_that_cannot_be_evaluated_does_not_hold():
    (error,) = errors_of(ruled(WHOLE, "1 / self > 0"), 0)

    assert "evaluating rule: 1 / self > 0" in error


@pytest.mark.parametrize(
    ("node", "fault"),
    [
        (ruled(TEXT, "self +"), "compilation failed"),
        (ruled(TEXT, "unknown == 1"), "compilation failed"),
        (ruled(TEXT, "self"), "must evaluate to a bool"),
        (ruled(object_of(a=TEXT), "self.b == 'c'"), "undefined field 'b'"),
        (ruled(TEXT, "true", reason="Because"), "'Because' is not one of"),
        (ruled(TEXT, "true", messageExpression="1"), "must evaluate to a string"),
        (ruled(object_of(a=TEXT), "true", fieldPath=".b"), "must be a valid path"),
        (ruled(TEXT, " "), "rule is not specified"),
        (ruled(TEXT, "true", optionalOldSelf=True), "may not be set if oldSelf is not used in rule"),
    ],
)
def test_a_rule_that_makes_no_sense_is_a_fault_of_the_schema(node, fault):
    found = faults_of({"x": node})

    assert any(fault in one and "x-kubernetes-validations[0]" in one for one in found), found


def test_what_has_no_type_has_no_rules():
    assert any(
        "it has no type" in fault
        for fault in faults_of({"x": ruled({"x-kubernetes-preserve-unknown-fields": True}, "true")})
    )
    assert not faults_of({"x": ruled({"x-kubernetes-int-or-string": True}, "self != 'a'")})


def test_an_optional_old_self_is_asked_about_new_values_too():
    node = ruled(TEXT, "oldSelf.hasValue() || self == 'first'", optionalOldSelf=True)

    assert errors_of(node, "first") == []
    assert errors_of(node, "second")
    assert errors_of(node, "second", "first") == []


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("sets.contains(self, [1.0, 2])", True),
        ("sets.contains(self, [true])", False),
        ("sets.equivalent(self, [3, 2, 1, 1])", True),
        ("sets.intersects(self, [7])", False),
        ("isIP('10.0.0.1') && isIP('::1')", True),
        ("isIP('10.0.0.01') || isIP('fe80::1%eth0') || isIP('::ffff:10.0.0.1')", False),
        ("isCIDR('10.0.0.0/8')", True),
        ("isCIDR('10.0.0.0/08') || isCIDR('10.0.0.0')", False),
        ("'a1b2'.findAll('[0-9]', 1) == ['1']", True),
    ],
)
def test_functions_answer_as_those_of_kubernetes(rule, holds):
    assert (errors_of(ruled(list_of(WHOLE), rule), [1, 2, 3]) == []) is holds


def test_the_least_of_nothing_is_an_error_and_no_matter_of_cost():
    (error,) = errors_of(ruled(list_of(WHOLE), "self.min() == 1"), [])

    assert "min called on empty list evaluating rule: self.min() == 1" in error


@pytest.mark.parametrize(
    "rule",
    [
        "self.isSorted()",
        "self.sum() == 6",
        "self.min() == 1",
        "self.max() == 3",
        "self.indexOf(2) == 1",
        "self.lastIndexOf(9) == -1",
        "self.all(one, one > 0)",
        "self.exists_one(one, one == 3)",
        "self.all(index, one, one == index + 1)",
        "self.transformList(index, one, one - index) == [1, 1, 1]",
    ],
)
def test_lists_have_the_functions_of_kubernetes(rule):
    node = ruled(list_of(WHOLE), rule)

    assert faults_of({"x": node}) == []
    assert errors_of(node, [1, 2, 3]) == []
    assert errors_of(node, [4, -1, 0, 2, 2]) or rule == "self.lastIndexOf(9) == -1"


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (ruled({"type": "number"}, "self / 2.0 == 0.5"), 1),
        (ruled(WHOLE, "self / 2 == 0"), 1),
        (ruled(WHOLE, "self / 2 == 0"), 1.0),
        (ruled(object_of(a={"type": "number"}), "self.a == 1.0"), {"a": 1}),
    ],
)
def test_numbers_have_the_type_of_their_schema(node, value):
    assert errors_of(node, value) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h30m", 5400),
        ("-1.5s", -1.5),
        ("3 days 2 hours", 266_400),
        ("2 milliseconds", 0.002),
        ("- 1 week", -604_800),
        ("0", 0),
    ],
)
def test_durations_have_the_length_that_they_say(text, seconds):
    node = ruled({**TEXT, "format": "duration"}, f"self == duration('{seconds}s')")

    assert errors_of(node, text) == []


@pytest.mark.parametrize(
    ("node", "value", "holds"),
    [
        (ruled({"type": "number"}, "self > 1"), 1.5, True),
        (ruled({"type": "number"}, "self > 1"), 1, False),
        (ruled(WHOLE, "self <= 1.5"), 2, False),
        (ruled(object_of(a={"type": "number"}, b=WHOLE), "self.a > self.b && self.a != 1"), {"a": 2.5, "b": 2}, True),
        (ruled(list_of(WHOLE), "self.all(one, one < 2.5)"), [1, 3], False),
    ],
)
def test_numbers_of_different_types_are_compared(node, value, holds):
    assert faults_of({"x": node}) == []
    assert (errors_of(node, value) == []) is holds


def test_rules_are_not_asked_where_the_document_could_not_be_understood():
    errors = errors_of(ruled(object_of(a=WHOLE), "self.a > 0"), {"a": "b"})

    assert len(errors) == 2
    assert "some validation rules were not checked" in errors[1]


def test_a_rule_beside_an_opaque_field_is_asked():
    opaque = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-map-type": "atomic"}
    schema = schema_of({"a": WHOLE, "x": opaque}, **{"x-kubernetes-validations": [{"rule": "self.a > 0"}]})

    assert validate(schema, {"a": 1, "x": OpaqueJson(b'{"b":1}')}) == []
    assert validate(schema, {"a": 0, "x": OpaqueJson(b'{"b":1}')})


@pytest.mark.parametrize(
    "rule",
    [
        "self.a.all(x, x in self.b)",
        "self.a.all(x, self.b.exists(y, x == y))",
        "size(self.a.filter(x, self.t != '')) == 0",
    ],
)
def test_a_rule_whose_steps_may_look_at_everything_is_asked_about_small_values_only(rule):
    node = ruled(object_of(a=list_of(WHOLE), b=list_of(WHOLE), t=TEXT), rule)

    (error,) = errors_of(node, {"a": [1] * 3000, "b": [*range(3000)], "t": "a"})

    assert f"call cost exceeds limit for rule: {rule}" in error
    assert all("cost" not in error for error in errors_of(node, {"a": [1] * 10, "b": [*range(10)], "t": "a"}))


@pytest.mark.parametrize(
    "rule", ["self.a.all(x, x == 1)", "size(self.b) == 9000 && 1 in self.b", "self['a'].all(x, x in [1, 2]) && true"]
)
def test_a_rule_that_looks_at_everything_once_is_asked_about_large_values(rule):
    node = ruled(object_of(a=list_of(WHOLE), b=list_of(WHOLE)), rule)

    assert errors_of(node, {"a": [1] * 9000, "b": [*range(9000)]}) == []


@pytest.mark.parametrize(
    ("rule", "is_quadratic"),
    [
        ("self.size() < 5 && self.b in self.a", False),
        ("self.all(k, self[k] > 0)", False),
        ("self.all(k, !(k in oldSelf.a) || self.a[k] == oldSelf.a[k])", True),
        ("self.a.b.exists(x, x.c in ['self', \"a.all(\"])", False),
        ("self.all(x, self.all(y, x != y))", True),
        ("self.map(x, x.n).all(n, n > 0)", True),
        ("self.all(x, x in self)", True),
    ],
)
def test_a_rule_may_be_quadratic_where_the_steps_of_a_loop_see_more_than_their_item(rule, is_quadratic):
    assert may_be_quadratic(rule) is is_quadratic


@pytest.mark.parametrize(
    ("rule", "about_change"),
    [
        ("self == oldSelf", True),
        ("self.oldSelf == 1", False),
        ("self != 'oldSelf'", False),
        ("!(oldSelf in ['a'])", True),
    ],
)
def test_a_rule_is_about_a_change_where_it_names_the_old_value(rule, about_change):
    assert uses_old_self(rule) is about_change


def test_a_rule_that_loops_without_end_is_stopped():
    node = ruled(list_of(WHOLE), "self.all(a, self.all(b, self.all(c, self.all(d, a + b + c + d >= 0))))")

    (error,) = errors_of(node, list(range(300)))

    assert "no further validation rules will be run" in error
