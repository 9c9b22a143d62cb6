"""What is kept of the cluster: by place, and counted by namespace."""

from hypothesis import given
from hypothesis import strategies as st

from kube.collections import Collection

_PLACES = st.tuples(st.sampled_from(["", "shop", "bank"]), st.sampled_from(["a", "b", "c"]))


def one_at(place):
    namespace, name = place
    return {"metadata": {"namespace": namespace, "name": name}}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), _PLACES),
            st.tuples(st.just("remove"), _PLACES),
            st.tuples(st.just("fill"), st.lists(_PLACES, max_size=4)),
        ),
        max_size=30,
    )
)
def test_namespace_has_any_exactly_where_looking_through_all_finds_one(acts):
    collection = Collection()
    for act, value in acts:
        if act == "put":
            collection.put(one_at(value))
        elif act == "remove":
            collection.remove(*value)
        else:
            collection.fill(map(one_at, value))
        found = {one["metadata"]["namespace"] for one in collection.all()}
        assert {name for name in ("", "shop", "bank", "nowhere") if collection.has_any_in(name)} == found
