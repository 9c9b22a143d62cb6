"""Selectors: the grammar and the words of k8s.io/apimachinery/pkg/labels and pkg/fields, and what is chosen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import BadRequest
from apiserver.identity.user import SelectorRequirement
from apiserver.requests.selectors import FieldSelector, LabelSelector, Selection
from apiserver.storage.records import Body, Key, Record

NAME = st.from_regex(r"[a-z0-9]([-a-z0-9_.]{0,20}[a-z0-9])?", fullmatch=True)


def requirement(key, operator, *values):
    return SelectorRequirement(key=key, operator=operator, values=values)


def record(name="a", namespace="n", labels=b"{}", projection=b"{}"):
    return Record(
        key=Key(storage="s", namespace=namespace, name=name),
        revision=1,
        uid="u",
        metadata=b'{"name":"a","labels":' + labels + b"}",
        projection=projection,
        body=Body(id=1, octets=2),
    )


# labels/selector_test.go: TestSelectorParse, TestSetSelectorParser, TestLabelSelectorParse
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \t ", []),
        ("x=a", [("x", "In", "a")]),
        ("x==a", [("x", "In", "a")]),
        ("x = a , y != b", [("x", "In", "a"), ("y", "NotIn", "b")]),
        ("x=", [("x", "In", "")]),
        ("x= ,z= ", [("x", "In", ""), ("z", "In", "")]),
        ("x!=", [("x", "NotIn", "")]),
        ("x", [("x", "Exists")]),
        ("\rx", [("x", "Exists")]),
        ("a ", [("a", "Exists")]),
        ("!x", [("x", "DoesNotExist")]),
        ("! x,y", [("x", "DoesNotExist"), ("y", "Exists")]),
        ("this-is-a-dns.domain.com/key-with-dash", [("this-is-a-dns.domain.com/key-with-dash", "Exists")]),
        (
            "this-is-another-dns.domain.com/key-with-dash in (so,what)",
            [("this-is-another-dns.domain.com/key-with-dash", "In", "so", "what")],
        ),
        (
            "0.1.2.domain/99 notin (10.10.100.1, tick.tack.clock)",
            [("0.1.2.domain/99", "NotIn", "10.10.100.1", "tick.tack.clock")],
        ),
        ("foo  in\t (abc)", [("foo", "In", "abc")]),
        ("x notin\n (abc)", [("x", "NotIn", "abc")]),
        ("x  notin   \t  (abc,def)", [("x", "NotIn", "abc", "def")]),
        ("x in (def,abc,def)", [("x", "In", "abc", "def")]),
        ("x in (abc,)", [("x", "In", "", "abc")]),
        ("x in ()", [("x", "In", "")]),
        ("x notin ( )", [("x", "NotIn", "")]),
        ("x notin (, a)", [("x", "NotIn", "", "a")]),
        (
            "x notin (abc,,def),bar,z in (),w",
            [("x", "NotIn", "", "abc", "def"), ("bar", "Exists"), ("z", "In", ""), ("w", "Exists")],
        ),
        ("x,y in (a)", [("x", "Exists"), ("y", "In", "a")]),
        ("x>1", [("x", "Gt", "1")]),
        ("x<7,y > 9223372036854775807", [("x", "Lt", "7"), ("y", "Gt", "9223372036854775807")]),
        ("x>007", [("x", "Gt", "007")]),
        ("a in (x,y,notin, z,in)", [("a", "In", "in", "notin", "x", "y", "z")]),
        ("in in (in)", [("in", "In", "in")]),
        ("notin", [("notin", "Exists")]),
        ("x=notin", [("x", "In", "notin")]),
    ],
)
def test_label_selectors_are_read_as_kubernetes_reads_them(text, expected):
    assert list(LabelSelector.parse(text).requirements) == [requirement(*one) for one in expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("x in a", "unable to parse requirement: found 'a' expected: '('"),
        ("x=a||y=b", 'Invalid value: "a||y"'),
        ("x==a==b", "found '==', expected: ',' or 'end of string'"),
        ("!x=a", "found '=', expected: ',' or 'end of string'"),
        ("x<a", "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("x>", "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("x>1_0", "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("x>9223372036854775808", "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("x>٣", "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("x>-1", 'values[0][x]: Invalid value: "-1": a valid label must be'),
        ("x>" + "0" * 5000, "must be no more than 63 bytes"),
        ("x>" + "9" * 5000, "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("x,,y", "found ',', expected"),
        (",x,y", "found ',', expected: !, identifier, or 'end of string'"),
        ("x,", "found '', expected: identifier after ','"),
        ("x nott in (y)", "found 'nott', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in (xyz),", "found '', expected: identifier after ','"),
        ("a in (xyz)b", "found 'b', expected: ',' or 'end of string'"),
        ("a in (xyz abc)", "found 'abc', expected: ',' or ')'"),
        ("a notin(", "found '', expected: ',', ')' or identifier"),
        ("a (", "found '(', expected"),
        ("(", "found '(', expected"),
        ("!", "found '', expected: identifier"),
        ("!!x", "found '!', expected: identifier"),
        ("x=(a)", "found '(', expected: identifier"),
        ("a/b/c=d", "a valid label key must consist of"),
        ("-x", 'Invalid value: "-x": name part must consist of'),
        ("x=-a", 'values[0][x]: Invalid value: "-a": a valid label must be'),
        ("x in (a,-b)", 'Invalid value: "-b": a valid label must be'),
        ("x=" + "a" * 64, "must be no more than 63 bytes"),
        ("x" * 64, "name part must be no more than 63 bytes"),
        ("x," * 40_000, "the label selector is too long"),
        ("x=\udcff", "Invalid value"),
        ("\0", "Invalid value"),
    ],
)
def test_label_selectors_that_cannot_be_read_are_refused_in_its_words(text, message):
    with pytest.raises(BadRequest) as caught:
        LabelSelector.parse(text)

    assert message in caught.value.message


# labels/selector_test.go: TestSelectorMatches, TestSetMatches
@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("", {"x": "y"}, True),
        ("x=y", {"x": "y"}, True),
        ("x=y,z=w", {"x": "y", "z": "w"}, True),
        ("x!=y,z!=w", {"x": "z", "z": "a"}, True),
        ("notin=in", {"notin": "in"}, True),
        ("x", {"x": "z"}, True),
        ("!x", {"y": "z"}, True),
        ("!x", {"x": "z"}, False),
        ("x", {}, False),
        ("x=", {"x": ""}, True),
        ("x=", {}, False),
        ("x!=a", {}, True),
        ("x notin (a,b)", {}, True),
        ("x notin (a,b)", {"x": "b"}, False),
        ("x in (a,b)", {"x": "b"}, True),
        ("x in (a,b)", {}, False),
        ("x=y", {"x": "Y"}, False),
        ("x=y,x=z", {"x": "y"}, False),
        ("x>1", {"x": "2"}, True),
        ("x>1", {"x": "0"}, False),
        ("x>1", {"x": "1"}, False),
        ("x>9", {"x": "10"}, True),
        ("x<7", {"x": "5"}, True),
        ("x<7", {"x": "7"}, False),
        ("x>1", {}, False),
        ("x<1", {}, False),
        ("x>1", {"x": "a"}, False),
        ("x>1", {"x": "1_0"}, False),
        ("x>1", {"x": "2.0"}, False),
        ("x>1", {"x": "99999999999999999999"}, False),
        ("x>1", {"x": "0002"}, True),
    ],
)
def test_labels_are_matched(text, labels, matches):
    assert LabelSelector.parse(text).matches(labels) is matches


# fields/selector_test.go: TestSplitTerms, TestSplitTerm, TestEscapeValue, TestSelectorParse
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (",,", []),
        ("metadata.name=a", [("metadata.name", "In", "a")]),
        ("metadata.name==a", [("metadata.name", "In", "a")]),
        ("metadata.name!=a", [("metadata.name", "NotIn", "a")]),
        ("metadata.name=", [("metadata.name", "In", "")]),
        (
            "metadata.name=a,metadata.namespace!=b",
            [("metadata.name", "In", "a"), ("metadata.namespace", "NotIn", "b")],
        ),
        ("metadata.name=a,", [("metadata.name", "In", "a")]),
        (r"spec.x=a\,b", [("spec.x", "In", "a,b")]),
        (r"spec.x=a\=b", [("spec.x", "In", "a=b")]),
        (r"spec.x=\\", [("spec.x", "In", "\\")]),
        (r"spec.x=a\\,spec.x=b", [("spec.x", "In", "a\\"), ("spec.x", "In", "b")]),
        (r"spec.x=a\\\,b", [("spec.x", "In", "a\\,b")]),
        ("spec.x=a b", [("spec.x", "In", "a b")]),
        ("spec.x=é", [("spec.x", "In", "é")]),
        ("spec.x=a!b", [("spec.x", "In", "a!b")]),
    ],
)
def test_field_selectors_are_read_as_kubernetes_reads_them(text, expected):
    selector = FieldSelector.parse(text, (".spec.x",))

    assert list(selector.requirements) == [requirement(*one) for one in expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("metadata.name=a,b", "invalid selector: 'metadata.name=a,b'; can't understand 'b'"),
        ("metadata.name>a", "can't understand"),
        ("metadata.name in (a)", "can't understand"),
        ("metadata.name=a=b", "unescaped character in value"),
        ("metadata.name===a", "unescaped character in value"),
        (r"metadata.name=a\b", r"invalid escape sequence: \b"),
        ("metadata.name=a\\", "invalid escape sequence: \\"),
        ("data.x=1", '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        ("=a", '"" is not a known field selector'),
        ("metadata.uid=x", '"metadata.uid" is not a known field selector'),
        ("metadata.name=" + "x" * 70_000, "the field selector is too long"),
    ],
)
def test_field_selectors_that_cannot_be_read_are_refused(text, message):
    with pytest.raises(BadRequest) as caught:
        FieldSelector.parse(text)

    assert message in caught.value.message


def test_fields_of_a_kind_may_be_named_as_its_manifest_says():
    with pytest.raises(BadRequest, match=r'only "metadata\.name", "metadata\.namespace", "spec\.color"'):
        FieldSelector.parse("spec.size=1", (".spec.color",))

    assert FieldSelector.parse("spec.color=red", (".spec.color",)).exact("spec.color") == "red"


def test_any_field_may_be_named_where_nobody_knows_the_kind_yet():
    selector = FieldSelector.read("spec.anything=1,metadata.name=a")

    assert (selector.exact("metadata.name"), selector.exact("spec.anything")) == ("a", "1")


@pytest.mark.parametrize(
    ("selection", "matches"),
    [
        ({"fields": "metadata.name=a"}, True),
        ({"fields": "metadata.name!=a"}, False),
        ({"fields": "metadata.name=a,metadata.name=b"}, False),
        ({"fields": "metadata.namespace=n"}, True),
        ({"fields": "metadata.namespace=m"}, False),
        ({"fields": "metadata.namespace=m", "namespace": "n"}, False),
        ({"fields": "metadata.namespace!=m", "namespace": "n"}, True),
        ({"namespace": "m"}, False),
        ({"fields": "spec.color=red"}, True),
        ({"fields": "spec.color!=red"}, False),
        ({"fields": "spec.size=3"}, True),
        ({"fields": "spec.on=true"}, True),
        ({"fields": "spec.absent="}, True),
        ({"fields": "spec.absent!=x"}, True),
        ({"labels": "l=1"}, True),
        ({"labels": "l=2"}, False),
        ({"labels": "l", "fields": "spec.color=blue"}, False),
    ],
)
def test_objects_are_selected_by_everything_that_is_said(selection, matches):
    given_ = {"labels": "", "fields": "", "namespace": None, **selection}
    wanted = Selection.parse(**given_, selectable=(".spec.color", ".spec.size", ".spec.on", ".spec.absent"))
    projection = b'{".spec.color":"red",".spec.size":3,".spec.on":true,".spec.absent":null}'

    assert wanted.matches(record(labels=b'{"l":"1"}', projection=projection)) is matches


def test_exact_namespace_and_name_narrow_what_is_read():
    wanted = Selection.parse(labels="", fields="metadata.name=a,metadata.namespace=n", namespace=None)

    assert (wanted.namespace, wanted.name, wanted.is_everything) == ("n", "a", False)
    assert Selection.parse(labels="", fields="", namespace="n").is_everything


@given(st.text(max_size=60))
def test_any_text_is_a_selector_or_refused(text):
    for parse in (LabelSelector.parse, FieldSelector.read):
        try:
            found = parse(text)
        except BadRequest:
            continue
        assert all(one.operator for one in found.requirements)


@given(st.dictionaries(NAME, st.lists(NAME, min_size=1, max_size=4, unique=True), max_size=5))
def test_sets_that_are_written_are_the_sets_that_are_read(sets):
    text = ",".join(f"{key} in ({', '.join(values)})" for key, values in sets.items())

    found = LabelSelector.parse(text)

    assert {one.key: one.values for one in found.requirements} == {k: tuple(sorted(v)) for k, v in sets.items()}
    assert found.matches({key: values[0] for key, values in sets.items()})


@given(st.text(max_size=20))
def test_any_value_of_a_field_can_be_said(value):
    escaped = value.replace("\\", r"\\").replace(",", r"\,").replace("=", r"\=")

    assert FieldSelector.read(f"a={escaped},b=x").requirements[0].values == (value,)
