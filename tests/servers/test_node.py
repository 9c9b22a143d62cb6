"""The node of the tests: what containers of its pods are given, and where their paths and names lead."""

import io
import json
import os
import socket
from pathlib import Path

import pytest

from tests.servers.kubernetes.node.access import NodeAccess, NotThere, NotThereYet
from tests.servers.kubernetes.node.addresses import Addresses
from tests.servers.kubernetes.node.container import Mounts, Names
from tests.servers.kubernetes.node.environment import Image, environment_of, field_of
from tests.servers.kubernetes.node.probes import Health
from tests.servers.kubernetes.node.volumes import Volumes

POD = {
    "metadata": {"name": "web-0", "namespace": "shop", "uid": "1", "labels": {"app": "web"}},
    "spec": {"serviceAccountName": "web", "volumes": []},
}


class FakeAccess(NodeAccess):
    def __init__(self, **data: dict[str, bytes]) -> None:
        object.__setattr__(self, "held", data)
        object.__setattr__(self, "tokens", 0)

    def data(self, plural, namespace, name):
        if name not in self.held:
            raise NotThere(name)
        return self.held[name]

    def token(self, pod, source):
        object.__setattr__(self, "tokens", self.tokens + 1)
        return f"token {self.tokens}".encode(), source["expirationSeconds"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/app/config.yaml", "/node/config/config.yaml"),
        ("/etc/app", "/node/config"),
        ("/etc/app/tls/tls.key", "/node/tls/tls.key"),
        ("/etc/application", "/etc/application"),
        (Path("/etc/app/a"), "/node/config/a"),
        ("/node/etc/app", "/node/etc/app"),
        ("relative", "relative"),
        (3, 3),
    ],
)
def test_paths_below_a_mount_lead_to_its_volume(path, expected):
    mounts = Mounts({"/etc/app": "/node/config", "/etc/app/tls": "/node/tls"}, kept=("/node",))

    assert mounts.outside(path) == expected


def test_functions_are_led(tmp_path):
    (tmp_path / "file").write_text("text")
    mounts = Mounts({"/nowhere": str(tmp_path)}, kept=("/node",))

    with mounts.lead(io.open, 0)("/nowhere/file") as file:
        assert file.read() == "text"
    mounts.lead(os.rename, 0, 1)("/nowhere/file", "/nowhere/other")
    assert (tmp_path / "other").exists()


def test_names_lead_to_services(tmp_path):
    (tmp_path / "names").write_text(json.dumps({"web.shop.svc 443": ["127.20.255.3", 20443]}))
    names = Names(tmp_path / "names", "127.20.0.3")

    assert names.find("web.shop.svc", 443) == ("127.20.255.3", 20443)
    assert names.find("localhost", 443) == ("127.20.0.3", 443)
    assert names.find("web.shop.svc", 80) is None


def test_pods_have_addresses_of_their_own_that_can_be_listened_on():
    addresses, others = Addresses(), Addresses()
    try:
        one, two = (addresses.of_pod(addresses.new()) for _ in range(2))
        with socket.create_server((one, 0)) as first, socket.create_server((two, first.getsockname()[1])):
            assert addresses.part != others.part
    finally:
        addresses.release()
        others.release()


def test_image_is_that_of_the_dockerfile():
    image = Image.of_dockerfile()

    assert image.command_of({"args": ["agent", "--once"]}, {}) == ["ca-cli", "agent", "--once"]
    assert image.command_of({}, {}) == ["ca-cli", "serve"]
    assert image.command_of({"command": ["ca-cli", "$(WHAT)"], "args": ["$(OTHER)"]}, {"WHAT": "version"}) == [
        "ca-cli",
        "version",
        "$(OTHER)",
    ]
    assert image.environment["CHANCERY_HOME"] == "/var/lib/chancery"


def test_environment_is_as_the_pod_says():
    env = [
        {"name": "PLAIN", "value": "a"},
        {"name": "COMPOSED", "value": "$(PLAIN)-$(UNKNOWN)"},
        {"name": "EVERYWHERE", "value": "0.0.0.0"},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "database", "key": "url"}}},
    ]
    access = FakeAccess(database={"url": b"postgresql://"})
    image = Image(entry_point=("ca-cli",), environment={"FROM_IMAGE": "yes", "PLAIN": "overruled"})

    found = environment_of({"env": env}, POD, image, access, address="127.20.0.3", api_server="https://127.0.0.1:6443")

    wanted = {
        "PLAIN": "a", "COMPOSED": "a-$(UNKNOWN)", "EVERYWHERE": "127.20.0.3", "LABEL": "web", "FROM_IMAGE": "yes",
        "SECRET": "postgresql://", "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443",
    }  # fmt: skip
    assert {name: found[name] for name in wanted} == wanted


def test_container_waits_for_a_secret_that_is_not_there():
    env = [{"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "database", "key": "url"}}}]

    with pytest.raises(NotThereYet):
        environment_of(
            {"env": env}, POD, Image(entry_point=()), FakeAccess(), address="", api_server="https://127.0.0.1:1"
        )


@pytest.mark.parametrize(
    ("path", "value"),
    [("metadata.name", "web-0"), ("spec.serviceAccountName", "web"), ("status.podIP", "127.20.0.3")],
)
def test_fields_are_read(path, value):
    assert field_of(POD, path, "127.20.0.3") == value


def volumes_of(tmp_path, access, *volumes):
    pod = {**POD, "spec": {**POD["spec"], "volumes": list(volumes)}}
    return Volumes(access=access, pod=pod, directory=tmp_path / "pod", claims=tmp_path / "claims", address="")


def test_projected_volume_is_replaced_whole(tmp_path):
    access = FakeAccess(roots={"ca.crt": b"old", "other": b"x"})
    source = {"configMap": {"name": "roots", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    volumes = volumes_of(tmp_path, access, {"name": "roots", "projected": {"sources": [source]}})
    volumes.fill()
    path = tmp_path / "pod" / "roots"
    before = (path / "..data").resolve()

    access.held["roots"] = {"ca.crt": b"new"}
    volumes.fill()

    assert (path / "ca.crt").read_bytes() == b"new"
    assert not before.exists()
    assert [each.name for each in path.iterdir() if not each.name.startswith("..")] == ["ca.crt"]


def test_what_is_optional_is_not_waited_for(tmp_path):
    access = FakeAccess()
    source = {"secret": {"name": "roots", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    with pytest.raises(NotThereYet):
        volumes_of(tmp_path, access, {"name": "roots", "projected": {"sources": [source]}}).fill()
    source["secret"]["optional"] = True
    volumes = volumes_of(tmp_path, access, {"name": "roots", "projected": {"sources": [source]}})

    volumes.fill()
    access.held["roots"] = {"ca.crt": b"new"}
    volumes.fill()

    assert (tmp_path / "pod" / "roots" / "ca.crt").read_bytes() == b"new"


def test_token_is_kept_until_it_nears_its_end(tmp_path):
    def filled(seconds):
        source = {"serviceAccountToken": {"path": "token", "audience": "a", "expirationSeconds": seconds}}
        access = FakeAccess()
        volumes = volumes_of(tmp_path / str(seconds), access, {"name": "t", "projected": {"sources": [source]}})
        for _ in range(3):
            volumes.fill()
        return access.tokens

    assert filled(3600) == 1
    assert filled(0) == 3


def test_claim_outlives_the_pod_and_an_empty_directory_does_not(tmp_path):
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}}
    volumes = volumes_of(tmp_path, FakeAccess(), claim, {"name": "tmp", "emptyDir": {}})
    volumes.fill()
    mounts = volumes.mounts(
        {"volumeMounts": [{"name": "data", "mountPath": "/data/"}, {"name": "tmp", "mountPath": "/tmp"}]}
    )
    for directory in mounts.values():
        (Path(directory) / "file").touch()

    volumes.remove()

    assert (Path(mounts["/data"]) / "file").exists()
    assert not Path(mounts["/tmp"]).exists()


def test_container_is_ready_once_it_has_started_and_killed_when_it_no_longer_lives():
    succeed = {"startup": False, "readiness": True, "liveness": True}

    def probe(name, failures):
        return {"exec": {"command": [name]}, "periodSeconds": 1, "failureThreshold": failures}

    said = {"startupProbe": probe("startup", 9), "readinessProbe": probe("readiness", 1)}
    health = Health(
        said={**said, "livenessProbe": probe("liveness", 2)},
        address="",
        run=lambda command, _seconds: 0 if succeed[command[0]] else 1,
    )

    assert (health.look(0), health.is_started, health.is_ready) == (False, False, False)
    succeed["startup"] = True
    assert (health.look(1), health.is_started, health.is_ready) == (False, True, False)
    assert (health.look(2), health.is_ready) == (False, True)
    succeed |= {"readiness": False, "liveness": False}
    assert (health.look(4), health.is_ready) == (False, False)
    assert health.look(6)
