"""The chart with several authorities on one PostgreSQL database, of which one is killed and the database crashes, while
certificates are asked for without a pause.

- One story, told by the fixture `story`; the tests look at what is left of it.
"""

import json
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from certs.pem import split_certificates
from tests.end_to_end import objects
from tests.end_to_end.conftest import cluster_for
from tests.end_to_end.installation import NAMESPACE, Installation, certificate_in, seconds_since
from tests.end_to_end.load import Calls, kept_calling
from tests.end_to_end.objects import SHOP
from tests.end_to_end.orders import Orders
from tests.servers.kubernetes.node.running import RunningContainer
from tests.servers.postgresql import PostgresqlServer, make_server

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.postgresql,
    pytest.mark.xdist_group("end_to_end"),
    pytest.mark.slow,
    pytest.mark.timeout(240),
]

SPIFFE_ID = "spiffe://cluster.local/ns/shop/sa/default"
VALUES = {
    "ca": {
        "replicaCount": 2,
        "database": {"existingSecret": "chancery-database"},
        "settings": {"log_level": "debug"},  # has a line for each call
    },
    "controller": {"settings": {"trust_interval": "1s"}},
    "injector": {"replicaCount": 1},
    "apiserver": {"enabled": False},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """`early` are the pods that were served before anything failed, `revoked` what was revoked right before the crash."""

    release: Installation
    orders: Orders
    calls: dict[str, Calls]
    early: dict[str, x509.Certificate]
    revoked: x509.Certificate


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresqlServer]:
    """Of this module's own, as it crashes; with `fsync`, as it does not forget."""
    with tempfile.TemporaryDirectory(prefix="pg-") as directory:
        server = make_server(Path(directory))
        yield server
        server.stop()


@pytest.fixture(scope="module")
def story(database: PostgresqlServer) -> Iterator[Story]:
    with cluster_for(VALUES) as release:
        release.apply(
            objects.namespace(),
            objects.namespace(NAMESPACE),
            objects.secret("chancery-database", {"url": database.create_database()}),
        )
        release.install()
        release.make_administrator()
        yield told(release, database)


def told(release: Installation, database: PostgresqlServer) -> Story:
    orders = Orders(release=release)
    began = time.monotonic()
    with kept_calling({"requests": orders.sign, "pods": orders.serve_pod}) as calls:
        await_more(orders, certificates=3, pods=2)
        early = dict(orders.pods)
        before = len(orders.certificates)
        release.kill(signing_replica(release), "ca")
        release.figures["requests signed while a replica was away"] = f"{len(orders.certificates) - before}"
        await_more(orders, certificates=3, pods=1)
        revoked = revoke_one(release)
        crash(release, database, orders)
        await_more(orders, certificates=3, pods=1)
    release.figures["the whole of it"] = seconds_since(began)
    longest = max(orders.waits, key=lambda name: orders.waits[name])
    release.figures["longest wait"] = f"{orders.waits[longest]:.1f} s, for {longest}"
    release.figures |= {f"served meanwhile: {name}": f"{each.succeeded}" for name, each in calls.items()}
    for what, figure in sorted(release.figures.items()):
        print(f"{what}: {figure}")
    return Story(release=release, orders=orders, calls=calls, early=early, revoked=revoked)


def await_more(orders: Orders, *, certificates: int, pods: int) -> None:
    """So many more of each than now."""
    signed, served = len(orders.certificates) + certificates, len(orders.pods) + pods
    orders.release.wait_until(
        lambda: len(orders.certificates) >= signed and len(orders.pods) >= served,
        f"{signed} requests are signed and {served} pods served",
        seconds=90,
    )


def replicas(release: Installation) -> dict[str, RunningContainer]:
    pods = release.node.pods_of(NAMESPACE, "chancery-ca")
    return {pod.document["metadata"]["name"]: pod.containers["ca"] for pod in pods}


def signing_replica(release: Installation) -> str:
    """The name of the pod that the registrar speaks to."""
    signed = {name: container.log.read_bytes().count(b".SignRequest") for name, container in replicas(release).items()}
    assert any(signed.values()), signed
    return max(signed, key=lambda name: signed[name])


def revoke_one(release: Installation) -> x509.Certificate:
    identity = release.node.directory / "revoked"
    release.ca_cli("sign", "--cn", "leaver", "--profile", "client", "--out", str(identity))
    leaf = certificate_in(identity)
    release.ca_cli("revoke", serial_number(leaf), "--yes")
    return leaf


def crash(release: Installation, database: PostgresqlServer, orders: Orders) -> None:
    """And recovery, once somebody who waits has been told why."""
    began = time.monotonic()
    database.stop(signal.SIGQUIT)
    release.wait_until(
        lambda: "AuthorityUnavailable" in events_of(release, orders.under_way), "a loss is noticed", seconds=90
    )
    database.start()
    release.figures["the database was away"] = seconds_since(began)
    began, before = time.monotonic(), len(orders.certificates)
    release.wait_until(lambda: len(orders.certificates) > before, "requests are signed again")
    release.figures["a database that is back to the next certificate"] = seconds_since(began)
    release.wait_until(lambda: all(each.is_ready for each in replicas(release).values()), "all are ready", seconds=60)


def events_of(release: Installation, request: str) -> set[str]:
    answer = release.cluster.admin.get("/api/v1/events", fieldSelector=f"involvedObject.name={request}")
    return {each["reason"] for each in answer.document["items"]}


def serial_number(leaf: x509.Certificate) -> str:
    return f"{leaf.serial_number:032x}"


def test_every_order_was_met(story: Story) -> None:
    assert {name: each.failures for name, each in story.calls.items()} == {name: [] for name in story.calls}
    assert all(each.succeeded >= 4 for each in story.calls.values())


def test_no_pod_loses_its_identity(story: Story) -> None:
    release = story.release
    for number, pod in enumerate(story.early):
        copied = release.node.directory / f"copied-{number}"
        shutil.copytree(release.directory_in(SHOP, pod, "idle").resolve() / "..data", copied)

        assert certificate_in(copied) == story.early[pod]
        assert json.loads((copied / "identity.json").read_text())["spiffe_id"] == SPIFFE_ID
        release.ca_cli("renew", identity=copied)
        assert certificate_in(copied) != story.early[pod]


def test_there_is_one_root(story: Story) -> None:
    trusted = story.release.trusted()
    roots = {root for bundle in trusted.values() for root in split_certificates(bundle)}

    assert len(roots) == 1
    assert {f"{pod} idle" for pod in story.orders.pods} <= trusted.keys()


def test_nothing_that_was_acknowledged_is_lost(story: Story) -> None:
    listed = json.loads(story.release.ca_cli("list", "--limit", "0", "--output", "json").stdout)
    states = {each["serial_number"]: each["state"] for each in listed}
    given = [*story.orders.certificates.values(), *story.orders.pods.values()]

    assert {states.get(serial_number(leaf)) for leaf in given} == {"valid"}
    assert states[serial_number(story.revoked)] == "revoked"


def test_no_order_was_met_twice(story: Story) -> None:
    listed = json.loads(story.release.ca_cli("list", "--profile", "server", "--limit", "0", "--output", "json").stdout)
    times = Counter(name for each in listed for name in each["names"]["dns_names"])

    assert {times[f"{order}.{SHOP}.svc"] for order in story.orders.certificates} == {1}


def test_audit_trail_is_whole(story: Story) -> None:
    verified = story.release.execute("ca-cli", "audit", "verify")

    assert verified.returncode == 0, verified


def test_only_what_was_killed_was_started_again(story: Story) -> None:
    assert list(story.release.restarts().values()) == [1], (story.release.restarts(), story.release.node.logs())
