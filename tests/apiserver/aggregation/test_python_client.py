"""The `kubernetes` package through the aggregator: custom objects, and the dynamic client with its discovery."""

import contextlib
import itertools

import pytest
from kubernetes import client, config, watch
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError

from tests.apiserver.client import flunder
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

GROUP = ("wardle.example.com", "v1alpha1")


@pytest.fixture
def api_client(cluster):
    with config.new_client_from_config(config_file=str(cluster.admin_kubeconfig)) as api_client:
        yield api_client


@pytest.fixture
def flunder_resource(api_client, tmp_path):
    """As the dynamic client discovers it."""
    dynamic = DynamicClient(api_client, cache_file=str(tmp_path / "discovery.json"))
    return dynamic.resources.get(api_version="wardle.example.com/v1alpha1", kind="Flunder")


def test_custom_objects_are_created_listed_patched_and_deleted(api_client, namespace):
    objects = client.CustomObjectsApi(api_client)
    objects.create_namespaced_custom_object(*GROUP, namespace, "flunders", flunder("a"))
    objects.patch_namespaced_custom_object(*GROUP, namespace, "flunders", "a", {"spec": {"reference": "y"}})
    listed = objects.list_namespaced_custom_object(*GROUP, namespace, "flunders")
    deleted = objects.delete_namespaced_custom_object(*GROUP, namespace, "flunders", "a")

    assert [item["spec"]["reference"] for item in listed["items"]] == ["y"]
    assert deleted["status"] == "Success"


def test_dynamic_client_discovers_creates_patches_and_deletes(flunder_resource, namespace):
    created = flunder_resource.create(body=flunder("a"), namespace=namespace)
    patched = flunder_resource.patch(
        name="a", namespace=namespace, body={"spec": {"reference": "y"}}, content_type="application/merge-patch+json"
    )
    flunder_resource.delete(name="a", namespace=namespace)

    with pytest.raises(NotFoundError):
        flunder_resource.get(name="a", namespace=namespace)
    assert int(patched.metadata.resourceVersion) > int(created.metadata.resourceVersion)
    assert patched.spec.reference == "y"


def test_dynamic_client_applies_server_side(flunder_resource, namespace):
    applied = flunder_resource.server_side_apply(body=flunder("a"), namespace=namespace, field_manager="one")

    with pytest.raises(ConflictError):
        flunder_resource.server_side_apply(
            body=flunder("a", spec={"reference": "y"}), namespace=namespace, field_manager="two"
        )
    assert applied.metadata.managedFields[0].operation == "Apply"


def test_watch_of_the_client_goes_on_from_a_list(api_client, namespace):
    objects = client.CustomObjectsApi(api_client)
    start = objects.list_namespaced_custom_object(*GROUP, namespace, "flunders")["metadata"]["resourceVersion"]
    objects.create_namespaced_custom_object(*GROUP, namespace, "flunders", flunder("a"))
    objects.delete_namespaced_custom_object(*GROUP, namespace, "flunders", "a")
    stream = watch.Watch().stream(
        objects.list_namespaced_custom_object, *GROUP, namespace, "flunders", resource_version=start, timeout_seconds=60
    )
    with contextlib.closing(stream) as events:
        told = [(event["type"], event["object"]["metadata"]["name"]) for event in itertools.islice(events, 2)]

    assert told == [("ADDED", "a"), ("DELETED", "a")]
