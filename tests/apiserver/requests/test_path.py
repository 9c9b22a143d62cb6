"""What a path and a method ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import ApiError
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
