"""The API server over real HTTPS: what is written, what its refusals mean, and who is not spoken to."""

import json
import time

import pytest

from kube.cluster import Cluster, PatchKind
from kube.errors import (
    AlreadyThere,
    ClusterUnreachable,
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotLeading,
    NotThere,
    Refused,
    TooOld,
)
from serving.kubeconfig import KubeconfigInvalid
from tests.kube.api_server import FakeCluster, Fault, Handler, write_kubeconfig

MAPS = "/api/v1/namespaces/shop/configmaps"


def config_map(name: str = "roots", **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.fixture
def cluster(fake: FakeCluster):
    opened = fake.open()
    yield opened
    opened.close()


def test_objects_are_made_read_changed_and_deleted(cluster: Cluster):
    made = cluster.create(MAPS, config_map(a="1"))
    replaced = cluster.replace(f"{MAPS}/roots", {**made, "data": {"a": "2"}})
    patched = cluster.patch(f"{MAPS}/roots", {"data": {"b": "3"}}, kind=PatchKind.MERGE)
    read = cluster.get(f"{MAPS}/roots")
    cluster.delete(f"{MAPS}/roots", uid=read["metadata"]["uid"])

    assert (replaced["data"], patched["data"], read) == ({"a": "2"}, {"a": "2", "b": "3"}, patched)
    with pytest.raises(NotThere):
        cluster.get(f"{MAPS}/roots")


@pytest.mark.parametrize("kind", PatchKind)
def test_patch_says_which_kind_it_is(cluster: Cluster, fake: FakeCluster, kind: PatchKind):
    fake.put(f"{MAPS}/roots")
    cluster.patch(f"{MAPS}/roots", {}, kind=kind)

    assert fake.requests("PATCH")[0].content_type == kind


def test_second_of_a_name_and_second_of_two_writers_are_told(cluster: Cluster):
    made = cluster.create(MAPS, config_map())
    cluster.replace(f"{MAPS}/roots", made)

    with pytest.raises(AlreadyThere):
        cluster.create(MAPS, config_map())
    with pytest.raises(Conflict):
        cluster.replace(f"{MAPS}/roots", made)
    with pytest.raises(Conflict):
        cluster.delete(f"{MAPS}/roots", uid="another")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (400, Refused),
        (401, NotAuthenticated),
        (403, Forbidden),
        (404, NotThere),
        (409, Conflict),
        (410, TooOld),
        (413, Refused),
        (422, Refused),
        (429, ClusterUnreachable),
        (302, ClusterUnreachable),
        (500, ClusterUnreachable),
        (503, ClusterUnreachable),
    ],
)
def test_status_becomes_an_error_with_its_message(cluster: Cluster, fake: FakeCluster, code: int, error: type):
    fake.faults = [Fault(fits=lambda _: True, act=lambda handler: handler.refuse(code, "", "says why"), times=9)]

    with pytest.raises(error, match="says why"):
        cluster.create(MAPS, config_map())


def test_advice_when_to_come_back_is_kept_and_bounded(cluster: Cluster, fake: FakeCluster):
    def refuse(after: str) -> Fault:
        return Fault(fits=lambda _: True, act=lambda handler: handler.refuse(429, "", "busy", Retry_After=after))

    fake.faults = [refuse("7"), refuse("99999999"), refuse("-1"), refuse("soon")]
    advice = []
    for _ in range(4):
        with pytest.raises(ClusterUnreachable) as caught:
            cluster.get(MAPS)
        advice.append(caught.value.retry_after)

    assert advice == [7.0, 300.0, 0.0, 0.0]


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"null", b'{"a":', b"\xff", b"[" * 100_000])
def test_answer_that_is_no_document_is_no_answer(cluster: Cluster, fake: FakeCluster, body: bytes):
    fake.faults = [
        Fault(fits=lambda _: True, act=lambda handler: handler.answer(200, body)),
        Fault(fits=lambda _: True, act=lambda handler: handler.answer(500, body)),
    ]

    for _ in range(2):
        with pytest.raises(ClusterUnreachable):
            cluster.get(MAPS)


def test_server_that_says_nothing_is_given_up_in_time(fake: FakeCluster):
    cluster = fake.open().hurried(0.3)
    fake.faults = [Fault(fits=lambda _: True, act=Handler.say_nothing)]
    began = time.monotonic()

    with pytest.raises(ClusterUnreachable):
        cluster.get(MAPS)
    assert time.monotonic() - began < 15


def test_answer_that_comes_drop_by_drop_is_given_up_in_time(fake: FakeCluster):
    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            if fake.release.wait(0.02):
                return

    cluster = fake.open().hurried(0.3)
    fake.faults = [Fault(fits=lambda _: True, act=drip)]
    began = time.monotonic()

    with pytest.raises(ClusterUnreachable, match="does not end"):
        cluster.get(MAPS)
    assert time.monotonic() - began < 15


def test_token_that_is_refused_is_read_anew_and_the_call_repeated(cluster: Cluster, fake: FakeCluster):
    text = fake.kubeconfig.read_text()
    fake.token = "newer"
    fake.kubeconfig.write_text(text.replace("token: good", "token: newer"))

    made = cluster.create(MAPS, config_map(a="1"))

    assert made["data"] == {"a": "1"}
    assert len(fake.requests("POST")) == 2


def test_token_that_stays_refused_is_not_read_in_a_loop(cluster: Cluster, fake: FakeCluster):
    fake.token = "another"
    for _ in range(3):
        with pytest.raises(NotAuthenticated):
            cluster.get(MAPS)

    assert len(fake.requests("GET")) == 4


def test_certificate_of_another_authority_is_not_believed(fake: FakeCluster, tmp_path):
    import trustme

    url = json.dumps(fake.kubeconfig.read_text()).split("server: ")[1].split("\\n")[0]
    write_kubeconfig(tmp_path / "other", url, trustme.CA().cert_pem.bytes(), "good")

    with pytest.raises(ClusterUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        Cluster.open(tmp_path / "other").get(MAPS)
    assert fake.asked == []


@pytest.mark.parametrize("how", ["plain HTTP", "unverified", "absent", "no YAML", "list", "empty"])
def test_kubeconfig_that_would_not_do_is_refused(tmp_path, how: str):
    path = tmp_path / "kubeconfig"
    match how:
        case "plain HTTP":
            write_kubeconfig(path, "http://127.0.0.1:1", None, "t")
        case "unverified":
            write_kubeconfig(path, "https://127.0.0.1:1", None, "t", **{"insecure-skip-tls-verify": True})
        case "no YAML":
            path.write_text("{[")
        case "list":
            path.write_text("[1]")
        case "empty":
            path.write_text("")

    with pytest.raises(KubeconfigInvalid):
        Cluster.open(path)


def test_fenced_cluster_reads_and_does_not_write(fake: FakeCluster):
    def refuse() -> float:
        raise NotLeading("no")

    fake.put(f"{MAPS}/roots")
    cluster = fake.open().fenced(refuse)
    cluster.get(f"{MAPS}/roots")
    writes = (
        lambda: cluster.create(MAPS, config_map("other")),
        lambda: cluster.replace(f"{MAPS}/roots", config_map()),
        lambda: cluster.patch(f"{MAPS}/roots", {}, kind=PatchKind.MERGE),
        lambda: cluster.delete(f"{MAPS}/roots"),
    )

    for write in writes:
        with pytest.raises(NotLeading):
            write()
    assert {one.method for one in fake.asked} == {"GET"}


def test_write_of_a_leader_ends_when_its_permission_does(fake: FakeCluster):
    cluster = fake.open().fenced(lambda: 0.3)
    fake.faults = [Fault(fits=lambda _: True, act=Handler.say_nothing)]
    began = time.monotonic()

    with pytest.raises(ClusterUnreachable):
        cluster.create(MAPS, config_map())
    assert time.monotonic() - began < 15
