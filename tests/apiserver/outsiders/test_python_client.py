"""The `kubernetes` package, straight at the server: its custom objects, its dynamic client, its watch."""

import contextlib

import pytest
from kubernetes import client, config, dynamic, watch

pytestmark = pytest.mark.xdist_group("outsiders")

GROUP, VERSION, NAMESPACE, PLURAL = "wardle.example.com", "v1alpha1", "python", "flunders"


@pytest.fixture
def api_client(installation):
    api_client = config.new_client_from_config(str(installation.kubeconfig("development")))
    yield api_client
    api_client.close()


@pytest.fixture
def objects(api_client):
    objects = client.CustomObjectsApi(api_client)
    yield objects
    objects.delete_collection_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL)


def flunder(name, **spec):
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Flunder",
        "metadata": {"name": name},
        "spec": {"reference": "x", **spec},
    }


def test_custom_objects(objects):
    created = objects.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, flunder("a"))
    created["spec"]["reference"] = "y"
    replaced = objects.replace_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, "a", created)
    patched = objects.patch_namespaced_custom_object(
        GROUP, VERSION, NAMESPACE, PLURAL, "a", {"metadata": {"labels": {"l": "1"}}}
    )
    listed = objects.list_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, label_selector="l=1")
    with pytest.raises(client.ApiException) as stale:
        objects.replace_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, "a", created)

    assert replaced["spec"]["reference"] == "y"
    assert patched["metadata"]["labels"] == {"l": "1"}
    assert [item["metadata"]["name"] for item in listed["items"]] == ["a"]
    assert stale.value.status == 409


def test_lists_are_paged(objects):
    for number in range(5):
        objects.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, flunder(f"p{number}"))
    names, token = [], None
    while token != "":
        page = objects.list_namespaced_custom_object(
            GROUP, VERSION, NAMESPACE, PLURAL, limit=2, **({"_continue": token} if token else {})
        )
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")

    assert names == [f"p{number}" for number in range(5)]


def test_watch_follows(objects):
    start = objects.list_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL)["metadata"]["resourceVersion"]
    for name in ("w1", "w2"):
        objects.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, flunder(name))
    objects.delete_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, "w1")
    seen = []
    watcher = watch.Watch()
    for event in watcher.stream(
        objects.list_namespaced_custom_object,
        GROUP,
        VERSION,
        NAMESPACE,
        PLURAL,
        resource_version=start,
        timeout_seconds=60,
    ):
        seen.append((event["type"], event["object"]["metadata"]["name"]))
        if len(seen) == 3:
            watcher.stop()

    assert seen == [("ADDED", "w1"), ("ADDED", "w2"), ("DELETED", "w1")]


def test_dynamic_client(api_client, objects, tmp_path):
    dynamic_client = dynamic.DynamicClient(api_client, cache_file=str(tmp_path / "discovery.json"))
    flunders = dynamic_client.resources.get(api_version=f"{GROUP}/{VERSION}", kind="Flunder")
    reports = dynamic_client.resources.get(api_version="openreports.io/v1alpha1", kind="Report")

    flunders.create(body=flunder("d"), namespace=NAMESPACE)
    applied = flunders.server_side_apply(
        body=flunder("d", referenceType="Flunder"),
        name="d",
        namespace=NAMESPACE,
        field_manager="me",
        force_conflicts=True,
    )
    merged = flunders.patch(
        body={"spec": {"reference": "z"}}, name="d", namespace=NAMESPACE, content_type="application/merge-patch+json"
    )
    names = [item.metadata.name for item in flunders.get(namespace=NAMESPACE).items]
    with contextlib.closing(flunders.watch(namespace=NAMESPACE, resource_version="0", timeout=60)) as watch:
        event = next(watch)
    flunders.delete(name="d", namespace=NAMESPACE)

    assert applied.spec.referenceType == "Flunder"
    assert merged.spec.reference == "z"
    assert names == ["d"]
    assert (event["type"], event["object"].metadata.name) == ("ADDED", "d")
    assert reports.get(namespace=NAMESPACE).items == []
