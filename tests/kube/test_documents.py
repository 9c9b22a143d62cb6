"""Whatever somebody wrote into the cluster can be read: as what it should be, or as nothing."""

from hypothesis import given
from hypothesis import strategies as st

from kube import documents
from kube.collections import Collection, Resource
from kube.controllers import key_of
from kube.listing import reduced

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["metadata", "name", "uid", "a", "items"]), inner),
    max_leaves=20,
)
PATHS = st.lists(st.sampled_from(["metadata", "name", "a", "items"]), max_size=4)


@given(document=JSON, path=PATHS)
def test_each_way_in_returns_its_type(document, path):
    assert isinstance(documents.text(document, *path), str)
    assert isinstance(documents.mapping(document, *path), dict)
    assert all(isinstance(one, dict) for one in documents.objects(document, *path))
    assert all(isinstance(value, str) for value in documents.texts(document, *path).values())
    assert not isinstance(documents.sequence(document, *path), str)


@given(document=st.dictionaries(st.sampled_from(["metadata", "kind", "apiVersion", "a"]), JSON))
def test_any_object_has_a_place_and_a_key(document):
    collection = Collection()
    collection.put(document)
    key = key_of(document)

    assert collection.get(key.namespace, key.name) == document


@given(
    document=st.dictionaries(st.sampled_from(["metadata", "kind", "apiVersion", "a"]), JSON),
    kept=st.dictionaries(st.sampled_from(["metadata", "kind", "a"]), JSON),
)
def test_any_object_can_be_cut_down(document, kept):
    cut = reduced(document, lambda _: kept)

    assert documents.name_of(cut) == documents.name_of(document)
    assert documents.uid_of(cut) == documents.uid_of(document)


@given(name=st.text(min_size=1))
def test_name_never_leads_to_another_path(name):
    pods = Resource(version="v1", plural="pods")
    try:
        path = pods.path("shop", name)
    except ValueError:
        return

    assert path == f"/api/v1/namespaces/shop/pods/{name}"
    assert path.count("/") == 6
    assert not set(path) & set("?#% \n")
    assert not path.endswith(("/.", "/.."))
