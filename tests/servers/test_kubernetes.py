"""The control plane that other tests rely on: it starts, comes back, and lets a server on loopback extend its API."""

import contextlib
import itertools
import json
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.servers.kubernetes.binaries import cache_directory, find_binaries, version
from tests.servers.kubernetes.control_plane import AUTHENTICATION_CONFIG_MAP, NotInTime
from tests.servers.kubernetes.extension import Extension
from tests.servers.kubernetes.fixtures import KUBERNETES
from tests.servers.kubernetes.pki import CertificateFiles, TestAuthority
from tests.servers.threaded import ThreadedServer
from tests.servers.threaded import serving as serving_http

pytestmark = KUBERNETES

_numbers = itertools.count()


@pytest.fixture
def namespace() -> str:
    return f"extension-{next(_numbers)}"


def test_kubectl_speaks_to_the_version_that_was_built(control_plane):
    said = json.loads(control_plane.kubectl("version", "--output=json").stdout)

    assert said["serverVersion"]["gitVersion"] == said["clientVersion"]["gitVersion"] == version()


def test_trust_for_extension_servers_is_published(control_plane):
    data = control_plane.admin.get(AUTHENTICATION_CONFIG_MAP).document["data"]

    assert control_plane.client_ca.pem in data["client-ca-file"].encode()
    assert control_plane.front_proxy_ca.pem in data["requestheader-client-ca-file"].encode()
    assert json.loads(data["requestheader-allowed-names"]) == ["front-proxy-client"]
    assert json.loads(data["requestheader-uid-headers"]) == ["X-Remote-Uid"]


def test_user_may_do_what_rbac_says(control_plane):
    alice = control_plane.kubeconfig_for_user("alice", "readers")
    refused = control_plane.kubectl("get", "secrets", kubeconfig=alice, check=False)
    control_plane.kubectl("create", "role", "reading", "--verb=get,list", "--resource=secrets")
    control_plane.kubectl("create", "rolebinding", "reading", "--role=reading", "--group=readers")
    control_plane.wait_until(
        lambda: control_plane.kubectl("get", "secrets", kubeconfig=alice, check=False).returncode == 0, "alice may read"
    )

    assert 'User "alice" cannot list resource "secrets"' in refused.stderr


@pytest.mark.parametrize("resource", ["podcertificaterequests", "clustertrustbundles"])
def test_certificate_resources_that_are_off_by_default_are_served(control_plane, resource):
    resources = control_plane.admin.get("/apis/certificates.k8s.io/v1beta1").document["resources"]

    assert resource in {entry["name"] for entry in resources}


def test_api_server_comes_back_with_what_was_stored(control_plane):
    control_plane.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    control_plane.api_server.kill()
    gone = control_plane.kubectl("get", "configmap", "kept", check=False)
    control_plane.start_api_server()

    assert gone.returncode == 1
    assert control_plane.kubectl("get", "configmap", "kept", "--output=jsonpath={.data.a}").stdout == "b"


def test_namespace_is_deleted_by_the_controller_manager(controlled_cluster):
    controlled_cluster.kubectl("create", "namespace", "passing")
    controlled_cluster.kubectl("delete", "namespace", "passing", "--timeout=60s")

    assert controlled_cluster.admin.get("/api/v1/namespaces/passing").status == 404


def test_waiting_in_vain_shows_the_logs(control_plane):
    with pytest.raises(NotInTime, match=r"pigs fly: not after 0\.1 seconds[\s\S]*the end of kube-apiserver\.log"):
        control_plane.wait_until(lambda: False, "pigs fly", seconds=0.1)


def test_server_on_loopback_becomes_available_and_is_reached(control_plane, tmp_path, namespace):
    authority = TestAuthority(tmp_path / "ca", "extension")
    extension = Extension.publish(control_plane, namespace=namespace, name="simple")
    with serving(authority.issue_server(extension.server_name)) as (port, callers):
        name = extension.register("simple.example.com", "v1", port=port, ca_bundle=authority.pem)
        extension.wait_until_available(name)
        listed = control_plane.kubectl("api-resources", "--api-group=simple.example.com", "--output=name").stdout
        extension.unregister(name)

    assert listed == "things.simple.example.com\n"
    assert "system:kube-aggregator" in callers


def test_server_with_a_certificate_for_another_name_is_not_available(control_plane, tmp_path, namespace):
    authority = TestAuthority(tmp_path / "ca", "extension")
    extension = Extension.publish(control_plane, namespace=namespace, name="misnamed")
    with serving(authority.issue_server("localhost")) as (port, _):
        name = extension.register("misnamed.example.com", "v1", port=port, ca_bundle=authority.pem)
        extension.wait_until_available(name, status="False")
        said = extension.available(name)
        extension.unregister(name)

    assert said["reason"] == "FailedDiscoveryCheck"
    assert "misnamed.extension-" in said["message"]


def test_account_of_an_extension_may_delegate_and_read_the_trust(control_plane, namespace):
    account = Extension.publish(control_plane, namespace=namespace, name="delegating").kubeconfig()
    questions = (
        ("create", "tokenreviews.authentication.k8s.io"),
        ("create", "subjectaccessreviews.authorization.k8s.io"),
        ("watch", "namespaces"),
        ("get", "configmap/extension-apiserver-authentication", "--namespace=kube-system"),
    )
    answers = {
        question: control_plane.kubectl("auth", "can-i", *question, kubeconfig=account).stdout for question in questions
    }
    forbidden = control_plane.kubectl("auth", "can-i", "get", "secrets", kubeconfig=account, check=False)

    assert answers == dict.fromkeys(questions, "yes\n")
    assert forbidden.stdout == "no\n"


def test_complete_assets_come_before_the_cache(tmp_path):
    assets = tmp_path / "assets"
    assets.mkdir()
    environment = {"KUBEBUILDER_ASSETS": str(assets), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    incomplete = find_binaries(environment)
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (assets / name).touch(mode=0o755)

    assert incomplete.directory == tmp_path / "cache" / "chancery" / "kubernetes" / version()
    assert not incomplete.are_complete
    assert find_binaries(environment).directory == assets
    assert not find_binaries(environment).has_controller_manager


def test_cache_is_below_the_home_directory_by_default():
    assert cache_directory({"HOME": "/h"}) == Path("/h/.cache/chancery/kubernetes") / version()


@contextlib.contextmanager
def serving(files: CertificateFiles) -> Iterator[tuple[int, list[str]]]:
    """A server that knows discovery of a single resource, at the port given; the list is of the users that called."""
    callers: list[str] = []

    class Discovery(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            callers.append(self.headers.get("X-Remote-User", ""))
            *_, group, version = ["", "", *self.path.partition("?")[0].split("/")]
            thing = {
                "name": "things",
                "singularName": "thing",
                "namespaced": True,
                "kind": "Thing",
                "verbs": ["get", "list"],
            }
            document = {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": f"{group}/{version}",
                "resources": [thing],
            }
            octets = json.dumps(document).encode()
            found = self.path.startswith("/apis/")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    with serving_http(ThreadedServer(Discovery, context)) as server:
        yield server.server_port, callers
