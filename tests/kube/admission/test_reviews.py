"""AdmissionReviews: what is answered, and what is refused as none."""

import base64
from typing import Any

import orjson
import pytest

from kube.admission.errors import ReviewUnreadable, ReviewVersionUnknown
from kube.admission.reviews import parse_review, review
from tests.kube.admission.pods_for_tests import INJECTION, USUAL, pod_of

UID = "7e1c3f3e-0000-4000-8000-000000000000"


def request_of(pod: Any, **fields: Any) -> dict[str, Any]:
    return {
        "uid": UID,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": "shop",
        "object": pod,
        **fields,
    }


def body_of(**fields: Any) -> bytes:
    return orjson.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", **fields})


def response(pod: Any, **fields: Any) -> dict[str, Any]:
    document = review(request_of(pod, **fields), injection=INJECTION, features=USUAL).document
    assert (document["apiVersion"], document["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    return document["response"]


def test_answer_has_the_uid_and_the_patch_in_base64():
    answer = response(pod_of())

    assert (answer["uid"], answer["allowed"], answer["patchType"]) == (UID, True, "JSONPatch")
    assert orjson.loads(base64.b64decode(answer["patch"]))[0]["op"] == "add"


def test_refusal_says_every_reason_and_where():
    status = response(pod_of(annotations={"mode": "x", "dir": "y"}))["status"]

    assert (status["code"], status["reason"]) == (400, "BadRequest")
    assert "chancery.dev/mode" in status["message"]
    assert [cause["reason"] for cause in status["details"]["causes"]] == ["ANNOTATION_INVALID"] * 2


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "DELETE", "object": None},
        {"operation": "UPDATE"},
        {"operation": "CONNECT"},
        {"operation": None},
        {"subResource": "ephemeralcontainers"},
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
        {"kind": {"group": "", "version": "v2", "kind": "Pod"}},
        {"kind": None},
    ],
)
def test_what_is_no_creation_of_a_pod_goes_through_unchanged(fields):
    assert response(pod_of(), **fields) == {"uid": UID, "allowed": True}


def test_dry_run_is_answered_the_same():
    assert response(pod_of(), dryRun=True) == response(pod_of())


def test_names_count_for_nothing():
    named = pod_of()
    named["metadata"].update(name="web-0", uid="x")

    assert response(named, name="web-0")["patch"] == response(pod_of())["patch"]


@pytest.mark.parametrize("version", ["admission.k8s.io/v1beta1", "admission.k8s.io/v9", "", None, 1])
def test_unknown_version_is_refused(version):
    with pytest.raises(ReviewVersionUnknown, match=r"send admission\.k8s\.io/v1"):
        parse_review(orjson.dumps({"apiVersion": version, "kind": "AdmissionReview", "request": {"uid": "1"}}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"kind": NaN}',
        body_of(kind="Pod"),
        body_of(),
        body_of(request=[]),
        body_of(request={}),
        body_of(request={"uid": 5}),
        body_of(request={"uid": ""}),
        body_of(request={"uid": "x" * 1000}),
    ],
)
def test_garbage_is_refused(body):
    with pytest.raises(ReviewUnreadable):
        parse_review(body)


@pytest.mark.parametrize("pod", [None, [], "pod"])
def test_creation_without_a_pod_is_refused(pod):
    with pytest.raises(ReviewUnreadable):
        response(pod)
