"""OpenAPI documents over HTTP: hashes, caching, and the media types that are asked for."""

import gzip

import pytest

from tests.apiserver.server import running_api_server

GROUPS = ("openreports.io/v1alpha1", "prext.demo/v1alpha1", "wardle.example.com/v1alpha1", "wgpolicyk8s.io/v1alpha2")
FLUNDERS = "/openapi/v3/apis/wardle.example.com/v1alpha1"
PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with running_api_server(tmp_path_factory.mktemp("openapi") / "data") as server:
        yield server.client()


def url_of(api, path=FLUNDERS):
    return api.get("/openapi/v3").document["paths"][path.removeprefix("/openapi/v3/")]["serverRelativeURL"]


def test_the_index_leads_to_every_document_by_its_hash(api):
    index = api.get("/openapi/v3").document["paths"]

    assert set(index) == {f"apis/{group}" for group in GROUPS}
    for path, entry in index.items():
        assert entry["serverRelativeURL"].startswith(f"/openapi/v3/{path}?hash=")
        assert api.get(entry["serverRelativeURL"]).document["openapi"] == "3.0.0"


def test_under_its_hash_a_document_never_changes(api):
    answer = api.get(url_of(api))

    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, immutable"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["ETag"] == f'"{url_of(api).rpartition("=")[2]}"'


def test_without_a_hash_it_is_the_present_one(api):
    answer = api.get(FLUNDERS)

    assert answer.status == 200
    assert "immutable" not in answer.headers["Cache-Control"]
    assert answer.octets == api.get(url_of(api)).octets


def test_under_another_hash_callers_are_sent_on(api):
    answer = api.get(FLUNDERS, hash="0" * 128)

    assert (answer.status, answer.octets) == (301, b"")
    assert answer.headers["Location"] == url_of(api)
    assert "immutable" not in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3", FLUNDERS])
def test_whoever_holds_a_document_is_told_that_it_is_the_same(api, path):
    first = api.get(path)

    held = api.get(path, headers={"If-None-Match": first.headers["ETag"]})
    among_others = api.get(path, headers={"If-None-Match": f'"other", {first.headers["ETag"]}'})
    stale = api.get(path, headers={"If-None-Match": '"other"'})

    assert [(one.status, one.octets) for one in (held, among_others)] == [(304, b"")] * 2
    assert held.headers["ETag"] == first.headers["ETag"]
    assert (stale.status, stale.octets) == (200, first.octets)


@pytest.mark.parametrize("path", ["apis/wardle.example.com", "apis/wardle.example.com/v9", "api/v1", "apis"])
def test_documents_that_there_are_not_are_not_found(api, path):
    assert api.get(f"/openapi/v3/{path}").status == 404


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (None, 200),
        ("", 200),
        ("*/*", 200),
        ("application/*", 200),
        ("application/json", 200),
        ("application/json;q=0.9", 200),
        (f"{PROTOBUF},application/json", 200),
        (PROTOBUF, 406),
        ("application/yaml", 406),
    ],
)
def test_version_2_is_told_as_json_or_not_at_all(api, accept, status):
    answer = api.get("/openapi/v2", headers={} if accept is None else {"Accept": accept})

    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.document.get("swagger", answer.document.get("reason")) in {"2.0", "NotAcceptable"}


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3", FLUNDERS])
def test_documents_are_only_read(api, path):
    head, posted = api.request("HEAD", path), api.create(path, {})

    assert (head.status, head.octets) == (200, b"")
    assert (posted.status, posted.reason, posted.headers["Allow"]) == (405, "MethodNotAllowed", "GET, HEAD")


def test_a_large_document_is_packed_for_those_who_take_it(api):
    plain, packed = api.get("/openapi/v2"), api.get("/openapi/v2", headers={"Accept-Encoding": "gzip"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.octets) == plain.octets
    assert "Accept" in packed.headers["Vary"]
