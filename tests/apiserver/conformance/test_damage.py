"""A body that cannot be read any more: told as such, and of that object alone.

Upstream: TransformationFailure, GetListWithErrorAggregation, DeleteExpectedTransformOrDecodeError.
"""

import random
from pathlib import Path

import pytest

from tests.apiserver.client import REPORTS, report
from tests.apiserver.server import running_api_server

PATH = f"{REPORTS}/namespaces/damaged/policyreports"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


def large(name):
    """One that becomes a file."""
    return report(name, scope={"kind": "Pod", "name": random.Random(name).randbytes(400_000).hex()})


def files(directory: Path) -> set[Path]:
    return {path for path in (directory / "bodies").glob("??/*") if path.is_file()}


@pytest.fixture
def api(tmp_path):
    """Of a server that was started anew after the body of `bad` was damaged; beside it lies a file that belongs to nobody."""
    directory = tmp_path / "data"
    with running_api_server(directory) as server:
        api = server.client()
        assert api.create(PATH, large("bad")).status == 201
        (damaged,) = files(directory)
        assert api.create(PATH, large("good")).status == 201
    octets = bytearray(damaged.read_bytes())
    octets[len(octets) // 2] ^= 0xFF
    damaged.write_bytes(octets)
    (damaged.parent / ("0" * len(damaged.name))).write_bytes(b'{"orphan": true}')
    with running_api_server(directory) as server:
        yield server.client()


def test_damaged_object_is_told_and_the_others_are_served(api):
    bad, good = api.get(f"{PATH}/bad"), api.get(f"{PATH}/good")

    assert (bad.status, bad.reason) == (500, "StorageReadError")
    assert good.document["scope"] == large("good")["scope"]


def test_list_that_meets_it_is_an_error_and_no_part_of_a_list(api):
    whole, metadata = api.get(PATH), api.get(PATH, headers={"Accept": PARTIAL})

    assert (whole.status, whole.reason) == (500, "StorageReadError")
    assert [item["metadata"]["name"] for item in metadata.document["items"]] == ["bad", "good"]
    assert [
        item["metadata"]["name"] for item in api.get(PATH, fieldSelector="metadata.name=good").document["items"]
    ] == ["good"]


def test_it_can_be_deleted_and_made_anew(api):
    wrong = api.delete(f"{PATH}/bad", {"preconditions": {"uid": "other"}})
    deleted = api.delete(f"{PATH}/bad")
    created = api.create(PATH, large("bad"))

    assert (wrong.status, deleted.status, created.status) == (409, 200, 201)
    assert api.get(f"{PATH}/bad").document["scope"] == large("bad")["scope"]


def test_it_does_not_keep_its_namespace_from_being_emptied(api):
    api.delete(PATH)

    assert api.get(PATH).document["items"] == []


def test_what_holds_it_still_does(api):
    """Marking it would need the body."""
    assert api.delete(f"{PATH}/bad", propagationPolicy="Foreground").status == 500
    assert api.get(PATH, headers={"Accept": PARTIAL}).document["items"][0]["metadata"]["name"] == "bad"


def test_file_that_belongs_to_nobody_is_served_to_nobody(api):
    names = {item["metadata"]["name"] for item in api.get(PATH, headers={"Accept": PARTIAL}).document["items"]}

    assert names == {"bad", "good"}
    assert b"orphan" not in api.get(f"{PATH}/good").octets
