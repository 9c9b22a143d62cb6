import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.documents import OpaqueJson
from apiserver.kinds.json_path import JsonPathInvalid, compile_json_path

DOCUMENT = {
    "spec": {"color": "red", "items": [{"name": "a", "n": 1}, {"name": "b", "n": 2}]},
    "metadata": {"annotations": {"a.b/c": "d"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
    "flags": [True, 1, "1"],
    "raw": OpaqueJson(b'{"x":{"y":[1,2]}}'),
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.color", ["red"]),
        ("spec.color", ["red"]),
        ("{.spec.color}", ["red"]),
        (".metadata.annotations['a.b/c']", ["d"]),
        ('.metadata.annotations["a.b/c"]', ["d"]),
        (".status.conditions[0].type", ["Ready"]),
        (".status.conditions[-1].type", ["Other"]),
        (".status.conditions[9].type", []),
        (".spec.items[*].name", ["a", "b"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type=='Ready')].status", ["True"]),
        ('.status.conditions[?(@.type!="Ready")].status', ["False"]),
        (".spec.items[?(@.n==2)].name", ["b"]),
        (".flags[?(@==true)]", [True]),
        (".spec.nothing", []),
        (".spec.color.deeper", []),
        (".raw.x.y", [[1, 2]]),
        (".raw.x.y[1]", [2]),
    ],
)
def test_paths_lead_to_values(path, found):
    values = compile_json_path(path).find(DOCUMENT)

    assert values == found
    assert [type(value) for value in values] == [type(value) for value in found]


@pytest.mark.parametrize("path", ["", "{}", ".", ".a[", ".a[?(@.b)]", ".a[0", "..a", ".a b", ".a[?(@.b==x)]", "[]"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(JsonPathInvalid):
        compile_json_path(path)


@given(st.text(alphabet="ab.[]{}()?@=!*'\"01-\\ \n$é", max_size=30))
def test_no_text_raises_anything_else(text):
    try:
        path = compile_json_path(text)
    except JsonPathInvalid:
        return
    path.find(DOCUMENT)
    path.find({"a": [{"b": 1}, "a", None], "b": {"a": [[]]}})
    path.find(None)
