from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import apiserver.kinds
from apiserver.kinds.manifests import load_kinds
from apiserver.kinds.views import carry_over, differences, hides, visible
from tests.apiserver.kinds.manifests import TEXT, load, manifest, version

SHIPPED = {f"{kind.names.plural}.{kind.group}": kind for kind in load_kinds([Path(apiserver.kinds.__file__).parent])}
POLICY, OPEN = SHIPPED["policyreports.wgpolicyk8s.io"], SHIPPED["reports.openreports.io"]

FIELDS = st.dictionaries(
    st.sampled_from(["source", "configuration", "scope", "summary", "results", "elsewhere"]), st.integers(), max_size=6
)


def test_a_view_shows_what_its_schema_knows():
    fields = {"summary": {"pass": 1}, "source": "kyverno"}

    assert visible(OPEN, fields) == fields
    assert visible(POLICY, fields) == {"summary": {"pass": 1}}


def test_a_view_tells_whether_it_hides_something_of_another():
    assert hides(POLICY, OPEN)
    assert not hides(OPEN, POLICY)
    assert not hides(OPEN, OPEN)


def test_a_view_that_preserves_everything_shows_everything(tmp_path):
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"a": TEXT}}
    (kind,) = load(tmp_path, manifest(versions=[version(schema=schema)]))

    assert visible(kind, {"odd": 1}) == {"odd": 1}
    assert carry_over(kind, stored={"odd": 1}, new={}) == {}
    assert not hides(kind, OPEN)
    assert hides(OPEN, kind)


@given(stored=st.none() | FIELDS, new=FIELDS)
@pytest.mark.parametrize("kind", [POLICY, OPEN], ids=["wgpolicyk8s.io", "openreports.io"])
def test_a_write_through_a_view_loses_nothing(kind, stored, new):
    written = visible(kind, new)

    kept = carry_over(kind, stored=stored, new=written)

    assert visible(kind, kept) == written
    hidden = {name: value for name, value in (stored or {}).items() if name not in visible(kind, stored)}
    assert kept == hidden | written


def test_the_shipped_views_agree_below_the_top_level():
    for one in SHIPPED.values():
        for other in SHIPPED.values():
            if one.storage == other.storage:
                assert list(differences(one.schema, other.schema)) == []
