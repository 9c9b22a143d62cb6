"""What a path and a method ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import ApiError, BadRequest
from apiserver.requests.path import read_path

GROUP = "/apis/wardle.example.com/v1alpha1"


@pytest.mark.parametrize(
    ("method", "path", "query", "verb", "namespace", "name", "subresource"),
    [
        ("GET", f"{GROUP}/flunders", {}, "list", "", "", ""),
        ("GET", f"{GROUP}/flunders", {"watch": "true"}, "watch", "", "", ""),
        ("GET", f"{GROUP}/flunders", {"watch": "1"}, "watch", "", "", ""),
        ("GET", f"{GROUP}/flunders", {"watch": "False"}, "list", "", "", ""),
        ("GET", f"{GROUP}/namespaces/a/flunders", {}, "list", "a", "", ""),
        ("GET", f"{GROUP}/namespaces/a/flunders/x", {}, "get", "a", "x", ""),
        ("GET", f"{GROUP}/namespaces/a/flunders/x", {"watch": "true"}, "get", "a", "x", ""),
        ("HEAD", f"{GROUP}/namespaces/a/flunders/x", {}, "get", "a", "x", ""),
        ("POST", f"{GROUP}/namespaces/a/flunders", {}, "create", "a", "", ""),
        ("PUT", f"{GROUP}/namespaces/a/flunders/x", {}, "update", "a", "x", ""),
        ("PATCH", f"{GROUP}/namespaces/a/flunders/x/status", {}, "patch", "a", "x", "status"),
        ("DELETE", f"{GROUP}/namespaces/a/flunders/x", {}, "delete", "a", "x", ""),
        ("DELETE", f"{GROUP}/namespaces/a/flunders", {}, "deletecollection", "a", "", ""),
        ("GET", f"{GROUP}/flunders/x", {}, "get", "", "x", ""),
    ],
)
def test_resource_requests_are_told_apart(method, path, query, verb, namespace, name, subresource):
    info = read_path(method, path, query)

    assert (info.group, info.version, info.resource) == ("wardle.example.com", "v1alpha1", "flunders")
    assert (info.verb, info.namespace, info.name, info.subresource) == (verb, namespace, name, subresource)


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/apis", "/apis/g", "/apis/g/v1", "/api/v1/pods", "/openapi/v3/apis/g/v1"]
)
def test_everything_else_is_a_path_and_a_method(path):
    info = read_path("GET", path, {})

    assert not info.is_resource
    assert (info.verb, info.path) == ("get", path)


@pytest.mark.parametrize(
    ("method", "path", "query", "verb"),
    [
        ("HEAD", f"{GROUP}/flunders", {}, "list"),
        ("HEAD", f"{GROUP}/flunders", {"watch": "1"}, "watch"),
        ("GET", f"{GROUP}/flunders", {"watch": ""}, "watch"),
        ("GET", f"{GROUP}/flunders", {"watch": "0"}, "list"),
        ("GET", f"{GROUP}/flunders", {"watch": "no"}, "watch"),
        ("OPTIONS", f"{GROUP}/flunders", {}, "options"),
        ("BREW", f"{GROUP}/flunders/x", {}, "brew"),
        ("PUT", f"{GROUP}/flunders", {}, "update"),
        ("POST", f"{GROUP}/flunders/x", {}, "create"),
        ("HEAD", "/metrics", {}, "head"),
    ],
)
def test_verbs_of_unusual_requests(method, path, query, verb):
    assert read_path(method, path, query).verb == verb


@pytest.mark.parametrize(
    ("path", "namespace", "resource", "name"),
    [
        (f"{GROUP}/flunders/", "", "flunders", ""),
        (f"{GROUP}/namespaces", "", "namespaces", ""),
        (f"{GROUP}/namespaces/a", "", "namespaces", "a"),
        (f"{GROUP}/namespaces/a/namespaces/b", "a", "namespaces", "b"),
        (f"{GROUP}/namespaces//flunders", "", "flunders", ""),
        (f"{GROUP}/namespaces/%61/%66lunders/%C3%A9", "a", "flunders", "é"),
        (f"{GROUP}/namespaces/../flunders/..", "..", "flunders", ".."),
        (f"{GROUP}/flunders/a%00b", "", "flunders", "a\0b"),
        (f"{GROUP}/flunders/%252e", "", "flunders", "%2e"),
        (f"{GROUP}/flunders/a+b", "", "flunders", "a+b"),
    ],
)
def test_paths_are_taken_literally_and_decoded_once(path, namespace, resource, name):
    info = read_path("GET", path, {})

    assert (info.namespace, info.resource, info.name) == (namespace, resource, name)
    assert info.in_namespace is ("/namespaces/" in path and resource + name != "namespacesa")


@pytest.mark.parametrize("path", [f"{GROUP}/flunders/%ff", f"{GROUP}/flunders/%ED%A0%80", "/apis/" + "x" * 4096])
def test_paths_that_are_no_text_or_too_long_are_refused(path):
    with pytest.raises(BadRequest, match=r"not UTF-8|longer than 4096 octets"):
        read_path("GET", path, {})


@pytest.mark.parametrize(
    ("path", "probe"),
    [
        ("/livez", True),
        ("/readyz/", True),
        ("/healthz/ping", True),
        ("/", False),
        ("/livezz", False),
        ("/metrics", False),
        ("/apis/livez/v1/things", False),
        (f"{GROUP}/livez", False),
    ],
)
def test_probes_are_told_from_other_requests(path, probe):
    assert read_path("GET", path, {}).is_probe is probe


def test_watches_and_profiles_run_long_and_reads_are_told_from_writes():
    def of(method, path, **query):
        return read_path(method, path, query)

    assert of("GET", f"{GROUP}/flunders", watch="1").is_long_running
    assert of("GET", "/debug/pprof/profile").is_long_running
    assert not of("GET", f"{GROUP}/flunders").is_long_running
    assert [of(method, f"{GROUP}/flunders/x").is_read_only for method in ("GET", "HEAD", "OPTIONS")] == [True] * 3
    assert not any(of(method, f"{GROUP}/flunders/x").is_read_only for method in ("POST", "PUT", "PATCH", "DELETE"))


def test_percent_encoded_slash_stays_within_a_name():
    info = read_path("GET", f"{GROUP}/namespaces/a/flunders/x%2Fstatus", {})

    assert (info.name, info.subresource) == ("x/status", "")


def test_longer_paths_than_any_resource_has_are_known_as_such():
    assert read_path("GET", f"{GROUP}/namespaces/a/flunders/x/status/more", {}).too_deep


@given(st.sampled_from(["GET", "POST", "DELETE", "BREW"]), st.text(max_size=80))
def test_any_path_is_read_or_refused(method, path):
    try:
        info = read_path(method, "/" + path, {})
    except ApiError:
        return

    assert info.path.startswith("/")
