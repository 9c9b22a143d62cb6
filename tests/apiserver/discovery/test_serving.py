"""Discovery over HTTP, as the aggregator, kubectl and the Python client ask for it."""

import pytest

from apiserver.discovery.version import version_document
from tests.apiserver.server import running_api_server

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
OF_THE_AGGREGATOR = f"{AGGREGATED},{AGGREGATED.replace('v=v2', 'v=v2beta1')}"


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with running_api_server(tmp_path_factory.mktemp("discovery") / "data") as server:
        yield server.client()


@pytest.mark.parametrize("path", ["/api", "/apis"])
def test_the_aggregator_gets_the_form_and_the_headers_that_it_insists_on(api, path):
    answer = api.get(path, headers={"Accept": OF_THE_AGGREGATOR})

    assert answer.status == 200
    assert answer.headers["Content-Type"] == AGGREGATED
    assert answer.headers["Cache-Control"] == "public"
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["ETag"].startswith('"')


def test_whoever_holds_the_document_is_told_that_it_is_the_same(api):
    tag = api.get("/apis", headers={"Accept": AGGREGATED}).headers["ETag"]

    held = api.get("/apis", headers={"Accept": AGGREGATED, "If-None-Match": tag})
    other_form = api.get("/apis", headers={"Accept": "application/json", "If-None-Match": tag})

    assert (held.status, held.octets, held.headers["ETag"]) == (304, b"", tag)
    assert (other_form.status, other_form.document["kind"]) == (200, "APIGroupList")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api", "APIVersions"),
        ("/apis", "APIGroupList"),
        ("/apis/", "APIGroupList"),
        ("/apis/wardle.example.com", "APIGroup"),
        ("/apis/wardle.example.com/", "APIGroup"),
        ("/apis/wardle.example.com/v1alpha1", "APIResourceList"),
    ],
)
def test_old_clients_ask_step_by_step(api, path, kind):
    answer = api.get(path)

    assert (answer.status, answer.document["kind"]) == (200, kind)
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/apis/nothing.org", "/apis/wardle.example.com/v9", "/api/v1", "/apis/%20"])
def test_groups_and_versions_that_there_are_not_are_not_found(api, path):
    assert api.get(path).status == 404


@pytest.mark.parametrize("path", ["/api", "/apis", "/apis/wardle.example.com/v1alpha1", "/version"])
def test_discovery_is_only_read(api, path):
    head, posted = api.request("HEAD", path), api.create(path, {})

    assert (head.status, head.octets) == (200, b"")
    assert (posted.status, posted.reason, posted.headers["Allow"]) == (405, "MethodNotAllowed", "GET, HEAD")


def test_paths_are_told_to_whoever_asks_for_the_root(api):
    answer = api.get("/")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    paths = answer.document["paths"]
    assert paths == sorted(paths)
    assert {"/apis", "/apis/wardle.example.com/v1alpha1", "/livez", "/metrics", "/openapi/v3", "/version"} <= {*paths}
    assert "/" not in paths


def test_the_version_is_that_of_the_kubernetes_api_with_ours_as_build_metadata(api):
    told = api.get("/version").document

    assert told["gitVersion"] == f"v{told['major']}.{told['minor']}.0+chancery.0.0.0"
    assert told["platform"].startswith("linux/")
    assert version_document("9.9.9").octets != version_document("0.0.0").octets
