"""OpenAPI documents of kinds: what kubectl and other clients look for in them, and that they change when a kind does."""

import json

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV30SpecValidator

from apiserver.kinds.catalogue import Catalogue
from apiserver.openapi.documents import OpenApiDocuments
from tests.apiserver.kinds.manifests import load, manifest, version

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
METHODS = {"get", "put", "post", "patch", "delete"}
RICH = {
    "type": "object",
    "required": ["spec"],
    "x-kubernetes-validations": [{"rule": "has(self.spec)", "message": "a spec must be there"}],
    "properties": {
        "spec": {
            "type": "object",
            "description": "What is wanted.",
            "default": {"nullable": "yes", "not": "no"},
            "properties": {
                "nullable": {"type": "string", "nullable": True},
                "not": {"type": "string", "enum": ["no", "never"]},
                "properties": {"type": "object", "additionalProperties": {"type": "string"}},
                "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
                },
                "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "template": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "x-kubernetes-preserve-unknown-fields": True,
                },
                "labels": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "additionalProperties": {"type": "string"},
                },
            },
        }
    },
}
PATCHED = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "name",
            "items": {"type": "object", "properties": {"name": {"type": "string"}}},
        }
    },
}


@pytest.fixture
def documents(tmp_path):
    """The documents of the kinds that manifests describe; of one rich kind, where none is given."""

    def documents(*manifests):
        manifests = manifests or (manifest(versions=[version(schema=RICH, subresources={"status": {}})]),)
        return OpenApiDocuments(Catalogue(load(tmp_path, *manifests)), program_version="1.2.3")

    return documents


def version3(documents, path="apis/example.com/v1"):
    return json.loads(documents.version3[path].octets)


def operations(document):
    return {
        (path, method): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_there_is_a_document_for_each_group_and_version(documents):
    versions = [version("v1"), version("v1beta1", storage=False)]
    found = documents(manifest(versions=versions), manifest("others", "Other", "other.org"))

    assert set(found.version3) == {"apis/example.com/v1", "apis/example.com/v1beta1", "apis/other.org/v1"}
    assert json.loads(found.root.octets) == {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={found.hash_of(path)}"} for path in found.version3
        }
    }


def test_hashes_are_the_same_for_the_same_kinds_and_change_with_the_kind_alone(documents):
    other = manifest("others", "Other", "other.org")
    first, again = documents(manifest(), other), documents(manifest(), other)
    changed = documents(manifest(versions=[version(schema=RICH)]), other)

    assert {path: first.hash_of(path) for path in first.version3} == {
        path: again.hash_of(path) for path in again.version3
    }
    assert (first.root.etag, first.version2.etag) == (again.root.etag, again.version2.etag)
    assert changed.hash_of("apis/example.com/v1") != first.hash_of("apis/example.com/v1")
    assert changed.hash_of("apis/other.org/v1") == first.hash_of("apis/other.org/v1")
    assert changed.root.etag != first.root.etag
    assert changed.version2.etag != first.version2.etag


def test_definitions_are_named_after_the_group_backwards(documents):
    schemas = version3(documents())["components"]["schemas"]

    assert {name for name in schemas if not name.startswith(META)} == {
        "com.example.v1.Thing",
        "com.example.v1.ThingList",
    }
    assert schemas["com.example.v1.Thing"]["x-kubernetes-group-version-kind"] == [
        {"group": "example.com", "version": "v1", "kind": "Thing"}
    ]
    assert schemas["com.example.v1.ThingList"]["x-kubernetes-group-version-kind"] == [
        {"group": "example.com", "version": "v1", "kind": "ThingList"}
    ]
    assert schemas["com.example.v1.ThingList"]["properties"]["items"]["items"] == {
        "$ref": "#/components/schemas/com.example.v1.Thing"
    }


def test_schemas_are_told_as_they_were_written(documents):
    schema = version3(documents())["components"]["schemas"]["com.example.v1.Thing"]

    spec, written = schema["properties"]["spec"], RICH["properties"]["spec"]
    assert {**spec, "properties": {**spec["properties"], "template": written["properties"]["template"]}} == written
    assert schema["x-kubernetes-validations"] == RICH["x-kubernetes-validations"]
    assert schema["required"] == ["spec"]


def test_extensions_are_said_in_words_of_openapi_too(documents):
    """For clients that do not know them, as kube-apiserver does."""
    metadata = {"description": "What every object has.", "allOf": [{"$ref": f"#/components/schemas/{META}.ObjectMeta"}]}
    kept = {"x-kubernetes-preserve-unknown-fields": True}
    whole = {"type": "object", "x-kubernetes-embedded-resource": True, "required": ["spec"], **kept}
    either = {"x-kubernetes-int-or-string": True}
    fields = {"ports": {"type": "array", "items": either}, "others": {"type": "object", "additionalProperties": whole}}
    described = manifest(versions=[version(schema={"type": "object", "properties": fields})])

    told = version3(documents(described))["components"]["schemas"]["com.example.v1.Thing"]["properties"]

    assert told["ports"]["items"] == {**either, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    embedded = told["others"]["additionalProperties"]
    assert embedded["required"] == ["spec", "kind", "apiVersion"]
    assert embedded["properties"].keys() == {"apiVersion", "kind", "metadata"}
    assert embedded["properties"]["metadata"] == metadata


def test_fields_that_select_are_told(documents):
    schema = {"type": "object", "properties": {"color": {"type": "string"}}}
    described = manifest(versions=[version(schema=schema, selectableFields=[{"jsonPath": ".color"}])])

    schemas = version3(documents(described))["components"]["schemas"]

    for name in ("Thing", "ThingList"):
        assert schemas[f"com.example.v1.{name}"]["x-kubernetes-selectable-fields"] == [{"fieldPath": "color"}]


def test_every_object_has_a_kind_a_version_and_metadata(documents):
    properties = version3(documents())["components"]["schemas"]["com.example.v1.Thing"]["properties"]

    assert properties.keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert properties["metadata"]["allOf"] == [{"$ref": f"#/components/schemas/{META}.ObjectMeta"}]
    assert all(properties[name]["type"] == "string" for name in ("apiVersion", "kind"))
    assert all("description" in properties[name] for name in ("apiVersion", "kind", "metadata"))


def test_paths_are_those_of_the_scope_and_the_subresources(documents):
    cluster = manifest("wholes", "Whole", scope="Cluster")
    namespaced = manifest(versions=[version(subresources={"status": {}})])
    base = "/apis/example.com/v1"

    found = {path: item.keys() & METHODS for path, item in version3(documents(cluster, namespaced))["paths"].items()}

    assert found == {
        f"{base}/things": {"get"},
        f"{base}/namespaces/{{namespace}}/things": {"get", "post", "delete"},
        f"{base}/namespaces/{{namespace}}/things/{{name}}": {"get", "put", "patch", "delete"},
        f"{base}/namespaces/{{namespace}}/things/{{name}}/status": {"get", "put", "patch"},
        f"{base}/wholes": {"get", "post", "delete"},
        f"{base}/wholes/{{name}}": {"get", "put", "patch", "delete"},
    }


def test_operations_have_names_of_their_own_and_tell_their_kind(documents):
    found = operations(version3(documents(manifest("wholes", "Whole", scope="Cluster"), manifest())))
    names = [operation["operationId"] for operation in found.values()]

    assert len(set(names)) == len(names)
    assert "listExampleComV1ThingForAllNamespaces" not in names  # the scope stands before the kind
    assert "listExampleComV1NamespacedThingForAllNamespaces" in names
    assert {operation["x-kubernetes-group-version-kind"]["kind"] for operation in found.values()} == {"Thing", "Whole"}
    assert {operation["x-kubernetes-action"] for operation in found.values()} == {
        *("get", "list", "post", "put", "patch", "delete", "deletecollection")
    }


def test_kubectl_finds_what_a_patch_takes(documents):
    """It validates on the server where fieldValidation is offered, and merges strategically where that is."""

    def patch(document):
        return document["paths"]["/apis/example.com/v1/namespaces/{namespace}/things/{name}"]["patch"]

    plain = patch(version3(documents()))
    strategic = patch(version3(documents(manifest(versions=[version(schema=PATCHED)]))))

    assert {"dryRun", "fieldManager", "fieldValidation", "force"} == {one["name"] for one in plain["parameters"]}
    assert plain["requestBody"]["content"].keys() == {
        *("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
    }
    assert strategic["requestBody"]["content"].keys() - plain["requestBody"]["content"].keys() == {
        "application/strategic-merge-patch+json"
    }


def test_refusals_are_declared_as_statuses(documents):
    status = {"application/json": {"schema": {"$ref": f"#/components/schemas/{META}.Status"}}}

    for operation in operations(version3(documents())).values():
        refusals = {code: answer for code, answer in operation["responses"].items() if code >= "400"}
        assert {"400", "401", "403", "404", "405", "406", "429", "500", "503", "504"} <= refusals.keys()
        assert all(answer["content"] == status for answer in refusals.values())


def test_documents_of_rich_kinds_are_valid(documents):
    found = documents(manifest(versions=[version(schema=RICH, subresources={"status": {}})]))

    assert [error.message for error in OpenAPIV30SpecValidator(version3(found)).iter_errors()] == []
    assert [error.message for error in OpenAPIV2SpecValidator(json.loads(found.version2.octets)).iter_errors()] == []


def test_version_2_has_all_groups_in_one(documents):
    document = json.loads(documents(manifest(), manifest("others", "Other", "other.org")).version2.octets)

    assert (document["swagger"], document["info"]["version"]) == ("2.0", "1.2.3")
    assert {"com.example.v1.Thing", "org.other.v1.Other", f"{META}.ObjectMeta"} <= document["definitions"].keys()
    assert {path.split("/")[2] for path in document["paths"]} == {"example.com", "other.org"}


def test_version_2_leaves_out_what_it_cannot_say_and_nothing_else(documents):
    spec = json.loads(documents().version2.octets)["definitions"]["com.example.v1.Thing"]["properties"]["spec"]

    assert spec["properties"]["nullable"] == {"type": "string"}
    assert spec["properties"]["port"] == {"x-kubernetes-int-or-string": True}
    assert spec["default"] == {"nullable": "yes", "not": "no"}
    same = ("not", "properties", "ports", "anything", "labels")
    assert {name: spec["properties"][name] for name in same} == {
        name: RICH["properties"]["spec"]["properties"][name] for name in same
    }


def test_version_2_has_bodies_among_the_parameters(documents):
    things = "/apis/example.com/v1/namespaces/{namespace}/things"
    paths = json.loads(documents().version2.octets)["paths"]
    bodies = {
        method: [one for one in operation["parameters"] if one["in"] == "body"]
        for (path, method), operation in operations({"paths": paths}).items()
        if path == things
    }

    assert bodies["get"] == []
    assert bodies["post"] == [
        {"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/com.example.v1.Thing"}}
    ]
    assert bodies["delete"][0]["required"] is False
    assert "#/components/" not in json.dumps(paths)
