"""Where our server answers otherwise than kube-apiserver, on purpose: docs/conformance.md has each, and each is still so."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.apiserver.client import Answer, ApiClient
from tests.apiserver.upstream.playing import API, widget
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

WIDGETS = f"{API}/namespaces/default/widgets"
Request = Callable[[ApiClient], Answer]


@pytest.fixture(scope="module", autouse=True)
def present(theirs, ours):
    """The widget `present`, on both sides."""
    for client in (theirs, ours):
        assert client.create(WIDGETS, widget("present")).status in {201, 409}


def created(document: object, **options: Any) -> Request:
    return lambda client: client.create(WIDGETS, document, dryRun="All", **options)


def replaced(metadata: dict[str, object]) -> Request:
    return lambda client: client.put(f"{WIDGETS}/present", widget("present", metadata=metadata), dryRun="All")


def got(path: str = "", accept: str = "*/*", **query: object) -> Request:
    return lambda client: client.get(f"{WIDGETS}{path}", headers={"Accept": accept}, **query)


def asked(method: str, path: str) -> Request:
    return lambda client: client.request(method, path)


def watched(client: ApiClient) -> Answer:
    return client.get(WIDGETS, headers={"Accept": "application/yaml"}, watch="true", timeoutSeconds=1)


def applied(metadata: object) -> Request:
    return lambda client: client.apply(f"{WIDGETS}/new", {**widget("new"), "metadata": metadata}, dryRun="All")


WITHOUT_KIND = {"metadata": {"name": "a"}, "spec": {"color": "red"}}
METADATA_OF_A_LIST = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": 5}

DIFFERENCES: dict[str, tuple[Request, int, int]] = {
    "a body that does not say its kind": (created(WITHOUT_KIND), 400, 201),
    "a body of text/yaml": (created(widget(), headers={"Content-Type": "text/yaml"}), 415, 201),
    "a whole number written with a fraction, where a rule looks at it": (created(widget(count=1.0)), 422, 201),
    "multipleOf less than one, and a whole number": (created(widget(ratio=2)), 422, 201),
    "metadata of an embedded object that is none": (created(widget(embedded=POD)), 400, 422),
    "metadata of an applied object that is none": (applied(5), 500, 400),
    "a version that is no number, of an update": (replaced({"resourceVersion": "x"}), 500, 422),
    "a version that is no number, of a get": (got("/present", resourceVersion="x"), 500, 400),
    "a version that begins with a zero": (got(resourceVersion="01"), 200, 400),
    "metadata of one object, of a list": (got(accept=METADATA_OF_A_LIST), 406, 200),
    "a watch in YAML": (watched, 406, 200),
    "HEAD of an object": (asked("HEAD", f"{WIDGETS}/present"), 200, 405),
    "POST to discovery": (asked("POST", API), 200, 405),
    "deletecollection of all namespaces": (asked("DELETE", f"{API}/widgets"), 404, 405),
}


@pytest.mark.parametrize(("request_of", "real", "own"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_differences_are_those_that_are_documented(theirs, ours, request_of, real, own):
    assert (request_of(theirs).status, request_of(ours).status) == (real, own)


def test_failures_are_json_whatever_was_asked_for(theirs, ours):
    types = [client.get(f"{WIDGETS}/none", headers={"Accept": "application/yaml"}).headers for client in (theirs, ours)]

    assert [headers["Content-Type"] for headers in types] == ["application/yaml", "application/json"]
