"""Whether a pod is what its token says."""

import json

import pytest

from ca.cluster.faults import NoAnswer, Refusal
from ca.cluster.pods import pod_path, read_pod, verify_pod
from ca.orders import PodCredential
from tests.ca.cluster.api_server import BoundToken

TOKEN = BoundToken()
CREDENTIAL = PodCredential(
    namespace="shop",
    service_account="cart",
    pod_name=TOKEN.pod_name,
    pod_uid=TOKEN.pod_uid,
    node_name="node-1",
    credential_id="JTI=x",
    expires_at=0,
)


def judge(**changes):
    pod = TOKEN.pod()
    for part, fields in changes.items():
        pod[part] = pod[part] | fields
    verify_pod(read_pod(json.dumps(pod).encode()), CREDENTIAL)


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown"])
def test_pod_of_the_token_is_accepted(phase):
    judge(status={"phase": phase})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"metadata": {"uid": "another"}}, "taken the name"),
        ({"spec": {"serviceAccountName": "admin"}}, "another service account"),
        ({"spec": {"nodeName": "node-2"}}, "another node"),
        ({"spec": {"nodeName": ""}}, "another node"),
        ({"status": {"phase": "Succeeded"}}, "has ended"),
        ({"status": {"phase": "Failed"}}, "has ended"),
        ({"metadata": {"deletionTimestamp": "2026-11-21T12:00:00Z"}}, "being deleted"),
    ],
)
def test_pod_that_is_another_or_has_ended_is_refused(changes, why):
    with pytest.raises(Refusal, match=why):
        judge(**changes)


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"kind":"Status","metadata":{"uid":"x"},"spec":{}}'])
def test_nonsense_is_no_answer(answer):
    with pytest.raises(NoAnswer):
        read_pod(answer)


def test_pod_is_looked_for_in_its_namespace():
    assert pod_path(CREDENTIAL) == f"/api/v1/namespaces/shop/pods/{TOKEN.pod_name}"
