"""The reflector: list and watch, whatever the cluster does; and what namespaces and trust make of it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme

from apiserver.cluster.namespaces import ClusterNamespaces
from apiserver.cluster.reflector import Reflector
from apiserver.cluster.trust import ClusterTrust
from apiserver.errors import ApiSettingsInvalid, Forbidden, NotFound, ServiceUnavailable, Subject
from apiserver.identity.trust import Trust, TrustSettings
from tests.apiserver.client import eventually
from tests.apiserver.cluster.backends import backend

THING = Subject(name="a", group="g", kind="things")


def listing(version, *names, phase="Active"):
    items = [{"metadata": {"name": name, "resourceVersion": version}, "status": {"phase": phase}} for name in names]
    return lambda _asked: (200, {"metadata": {"resourceVersion": version}, "items": items})


def events(*told):
    lines = [
        json.dumps({"type": kind, "object": {"metadata": {"name": name, "resourceVersion": version}}})
        for kind, name, version in told
    ]
    return lambda _asked: (200, "\n".join(lines).encode() + b"\n")


def error(code):
    return lambda _asked: (200, json.dumps({"type": "ERROR", "object": {"code": code, "message": "no"}}).encode())


def status(code):
    return lambda _asked: (code, {"kind": "Status"})


def asked_versions(served):
    return [
        one.path.partition("resourceVersion=")[2].partition("&")[0] for one in served.asked if "watch=true" in one.path
    ]


@pytest.fixture
def started():
    reflectors = []

    def start(served):
        reflector = Reflector(served.connection(), "/api/v1/namespaces", entropy=bytes)
        reflectors.append((served, reflector))
        reflector.start()
        return reflector

    yield start
    for served, reflector in reflectors:
        reflector.stop()
        served.release.set()


def test_watch_goes_on_where_it_ended(started):
    with backend(
        listing("5", "a"), events(("ADDED", "b", "6"), ("DELETED", "a", "7")), events(("BOOKMARK", "", "9"))
    ) as served:
        served.answers.append(served.silent)
        reflector = started(served)
        eventually(lambda: len(served.asked) == 4)

        assert reflector.get("", "a") is None
        assert reflector.get("", "b") is not None
        assert asked_versions(served) == ["5", "7", "9"]


@pytest.mark.parametrize("gone", [error(410), status(410)])
def test_version_that_is_gone_means_to_start_over(started, gone):
    with backend(listing("5", "a"), gone, listing("50", "b")) as served:
        served.answers.append(served.silent)
        reflector = started(served)
        eventually(lambda: len(served.asked) == 4)

        assert (reflector.get("", "a"), asked_versions(served)) == (None, ["5", "50"])
        assert reflector.get("", "b") is not None


@pytest.mark.parametrize(
    "broken", [status(500), error(500), lambda _asked: (200, b'{"type": "ADDED"'), lambda _asked: (200, b"[]\n")]
)
def test_what_is_known_stays_while_the_cluster_is_broken(started, broken):
    with backend(listing("5", "a"), broken, events(("ADDED", "b", "6"))) as served:
        served.answers.append(served.silent)
        reflector = started(served)
        eventually(lambda: reflector.get("", "b") is not None)

        assert reflector.get("", "a") is not None


@pytest.mark.parametrize("items", [[None], ["a"], {"a": 1}, "a", 7], ids=repr)
def test_list_that_is_none_is_asked_for_again(started, items):
    wrong = {"metadata": {"resourceVersion": "4"}, "items": items}
    with backend(lambda _asked: (200, wrong), listing("5", "a")) as served:
        served.answers.append(served.silent)
        reflector = started(served)
        eventually(lambda: reflector.get("", "a") is not None)

        assert reflector.synced.is_set()


def test_credentials_that_are_missing_for_a_while_end_nothing():
    failures = [FileNotFoundError("token"), RuntimeError("a plugin failed")]

    def refresh(_configuration):
        if failures:
            raise failures.pop()

    with backend(listing("5", "a")) as served:
        served.answers.append(served.silent)
        connection = served.connection()
        connection._access._client.package.configuration.api_key = {"authorization": "Bearer x"}
        connection._access._client.package.configuration.refresh_api_key_hook = refresh
        reflector = Reflector(connection, "/api/v1/namespaces", entropy=bytes)
        reflector.start()
        eventually(lambda: reflector.get("", "a") is not None)
        reflector.stop()

    assert failures == []


async def test_namespaces_decide_what_may_be_created():
    with ThreadPoolExecutor(2) as workers, backend(listing("5", "here")) as served:
        served.answers += [
            lambda _asked: (200, {"metadata": {"name": "young"}, "status": {"phase": "Active"}}),
            status(404),
            lambda _asked: (200, {"metadata": {"name": "going"}, "status": {"phase": "Terminating"}}),
            status(500),
        ]
        namespaces = ClusterNamespaces(served.connection(), workers=workers, entropy=bytes)
        namespaces.reflector.refresh()

        await namespaces.verify_may_create("here", THING)
        await namespaces.verify_may_create("young", THING)
        with pytest.raises(NotFound, match='namespaces "missing" not found'):
            await namespaces.verify_may_create("missing", THING)
        with pytest.raises(Forbidden, match="because it is being terminated") as caught:
            await namespaces.verify_may_create("going", THING)
        with pytest.raises(ServiceUnavailable):
            await namespaces.verify_may_create("unknown", THING)

    assert caught.value.causes[0].reason == "NamespaceTerminating"
    assert caught.value.causes[0].field == "metadata.namespace"


def config_map(**data):
    item = {"metadata": {"namespace": "kube-system", "name": "extension-apiserver-authentication"}, "data": data}
    return lambda _asked: (200, {"metadata": {"resourceVersion": "5"}, "items": [item]})


def test_trust_is_what_the_cluster_says_and_garbage_changes_nothing():
    client_ca, proxy_ca = trustme.CA(), trustme.CA()
    good = config_map(
        **{
            "client-ca-file": client_ca.cert_pem.bytes().decode(),
            "requestheader-client-ca-file": proxy_ca.cert_pem.bytes().decode(),
            "requestheader-allowed-names": '["front-proxy-client"]',
            "requestheader-username-headers": '["X-Remote-User"]',
        }
    )
    bad = config_map(
        **{"client-ca-file": "garbage", "requestheader-client-ca-file": "x", "requestheader-allowed-names": "x"}
    )
    odd = config_map(**{"client-ca-file": 7, "requestheader-client-ca-file": None})
    trust = Trust(TrustSettings())
    with backend(good, bad, odd) as served:
        followed = ClusterTrust(served.connection(), trust, client_ca=True, request_header=True, entropy=bytes)
        followed.reflector.refresh()
        first = trust.present
        followed.reflector.refresh()
        followed.reflector.refresh()

    assert first.request_header.allowed_names == ("front-proxy-client",)
    assert len(first.client_ca.anchors) == len(first.request_header.ca.anchors) == 1
    assert trust.present == first


def test_server_does_not_start_without_knowing_whom_to_believe():
    before = reflectors()
    with backend(status(403)) as served:
        followed = ClusterTrust(
            served.connection(), Trust(TrustSettings()), client_ca=True, request_header=True, entropy=bytes
        )
        with pytest.raises(ApiSettingsInvalid, match="extension-apiserver-authentication-reader"):
            followed.start()

    assert reflectors() <= before


def reflectors() -> set[threading.Thread]:
    """The threads of this process that follow a collection, those of other tests included."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("reflector")}
