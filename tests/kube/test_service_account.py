"""The API server by what a pod is given: token, CA and two variables, and nothing of a kubeconfig."""

import base64
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kube.cluster import Cluster
from kube.credentials import Credentials
from kube.errors import ClusterUnreachable
from serving.kubeconfig import ApiServerAccess, KubeconfigInvalid
from serving.service_account import ServiceAccountClient
from tests.kube.api_server import FakeCluster

MAPS = "/api/v1/namespaces/shop/configmaps"


@pytest.fixture
def directory(fake: FakeCluster, tmp_path: Path):
    cluster = yaml.safe_load(fake.kubeconfig.read_text())["clusters"][0]["cluster"]
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    (tmp_path / "token").write_text("good\n")
    return tmp_path


@pytest.fixture
def environment(fake: FakeCluster):
    server = yaml.safe_load(fake.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    _, host, port = server.replace("//", "").split(":")
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


class Time:
    present = 0.0

    def __call__(self) -> float:
        return self.present


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def cluster(environment, directory, time):
    client = ServiceAccountClient(environment, directory=directory, monotonic=time)
    opened = Cluster(Credentials(lambda: ApiServerAccess(client)))
    yield opened
    opened.close()


def test_objects_are_read_with_the_pods_token(cluster: Cluster, fake: FakeCluster):
    fake.put(f"{MAPS}/roots", metadata={"labels": {"a": "b"}})

    assert cluster.get(MAPS, {"labelSelector": "a=b", "fieldSelector": "metadata.name=roots"})["items"]


def test_token_is_read_anew_after_a_minute(cluster: Cluster, fake: FakeCluster, directory: Path, time: Time):
    fake.put(f"{MAPS}/roots")
    cluster.get(f"{MAPS}/roots")
    (directory / "token").write_text("another")
    fake.token = "another"

    time.present = 61.0
    assert cluster.get(f"{MAPS}/roots")


def test_server_of_another_ca_is_not_spoken_to(environment, directory: Path, fake: FakeCluster):
    import trustme

    (directory / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())
    cluster = Cluster(Credentials(lambda: ApiServerAccess(ServiceAccountClient(environment, directory=directory))))

    with pytest.raises(ClusterUnreachable, match="certificate"):
        cluster.get(MAPS)
    assert not fake.asked


def test_token_that_went_away_is_no_credential(cluster: Cluster, directory: Path, time: Time):
    (directory / "token").write_text("\n")

    time.present = 61.0
    with pytest.raises(ClusterUnreachable, match="no credentials"):
        cluster.get(MAPS)


@pytest.mark.parametrize("lacking", ["token", "ca.crt", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"])
def test_what_is_half_a_pod_is_none(environment, directory: Path, lacking: str):
    environment.pop(lacking, None)
    (directory / lacking).unlink(missing_ok=True)

    with pytest.raises((OSError, LookupError)):
        ServiceAccountClient(environment, directory=directory)


@pytest.mark.parametrize(
    ("file", "content"), [("token", " \n"), ("token", "a\nb"), ("ca.crt", "garbage"), ("ca.crt", "")]
)
def test_garbage_is_refused(environment, directory: Path, file: str, content: str):
    (directory / file).write_text(content)

    with pytest.raises((OSError, ValueError)):
        ServiceAccountClient(environment, directory=directory)


def test_address_of_ipv6_is_bracketed(directory: Path):
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}

    client = ServiceAccountClient(environment, directory=directory)

    url, headers = client.prepare("GET", "/version", [("a", "b c")], {"Accept": "application/json"})
    assert url == "https://[fd00::1]:443/version?a=b%20c"
    assert headers == {"Accept": "application/json", "Authorization": "Bearer good"}


def test_outside_of_a_pod_it_says_so(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(KubeconfigInvalid, match="in no pod of a cluster"):
        ApiServerAccess.open(None)


def test_pods_do_without_the_kubernetes_package():
    program = "import sys, serving.service_account, kube.cluster, kube.features; sys.exit('kubernetes' in sys.modules)"

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
