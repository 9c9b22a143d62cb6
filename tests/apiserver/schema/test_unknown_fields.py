from apiserver.documents import OpaqueJson
from apiserver.schema.pruning import prune
from tests.apiserver.schema.schemas import TEXT, list_of, object_of, schema_of

PRESERVES = {"x-kubernetes-preserve-unknown-fields": True}


def test_unknown_fields_go_and_their_paths_are_told():
    document = {"spec": {"a": [{"b": 1, "c": "d"}], "e": 1}, "f": {"g": 1}}

    removed = prune(schema_of({"spec": object_of(a=list_of(object_of(c=TEXT)))}), document)

    assert removed == ["f", "spec.a[0].b", "spec.e"]
    assert document == {"spec": {"a": [{"c": "d"}]}}


def test_type_and_metadata_of_the_object_stay():
    document = {"apiVersion": "a/v1", "kind": "A", "metadata": {"whatever": 1}}

    assert prune(schema_of({"metadata": {"type": "object"}}), document) == []
    assert document["metadata"] == {"whatever": 1}


def test_what_is_preserved_is_pruned_only_where_it_is_specified():
    document = {"x": {"free": {"y": 1}, "a": {"b": 1, "c": "d"}}}

    removed = prune(schema_of({"x": {**object_of(a=object_of(c=TEXT)), **PRESERVES}}), document)

    assert removed == ["x.a.b"]
    assert document == {"x": {"free": {"y": 1}, "a": {"c": "d"}}}


def test_a_list_that_preserves_unknown_fields_preserves_those_of_its_items():
    items = object_of(a=object_of(c=TEXT))
    document = {"x": [{"free": 1, "a": {"b": 1, "c": "d"}}, [{"free": 1}]]}

    assert prune(schema_of({"x": list_of(items, **PRESERVES)}), document) == ["x[0].a.b"]
    assert document == {"x": [{"free": 1, "a": {"c": "d"}}, [{"free": 1}]]}


def test_an_embedded_object_keeps_its_type_and_the_fields_of_object_meta():
    document = {"x": {"apiVersion": "v1", "kind": "A", "metadata": {"name": "n", "odd": 1}, "odd": 1}}

    removed = prune(schema_of({"x": {**object_of(spec=TEXT), "x-kubernetes-embedded-resource": True}}), document)

    assert removed == ["x.metadata.odd", "x.odd"]
    assert document == {"x": {"apiVersion": "v1", "kind": "A", "metadata": {"name": "n"}}}


def test_the_values_of_a_map_are_pruned_and_its_keys_are_not():
    document = {"x": {"k": {"a": "b", "odd": 1}}}

    assert prune(schema_of({"x": {"type": "object", "additionalProperties": object_of(a=TEXT)}}), document) == [
        "x.k.odd"
    ]
    assert document == {"x": {"k": {"a": "b"}}}


def test_lists_within_lists_are_pruned():
    document = {"x": [[{"a": "b", "odd": 1}], []]}

    assert prune(schema_of({"x": list_of(list_of(object_of(a=TEXT)))}), document) == ["x[0][0].odd"]


def test_opaque_values_are_not_looked_into():
    document = {"x": OpaqueJson(b'{"odd":1}')}

    assert prune(schema_of({"x": {"type": "object", **PRESERVES, "x-kubernetes-map-type": "atomic"}}), document) == []
