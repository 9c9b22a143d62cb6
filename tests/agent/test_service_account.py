"""An agent in a pod: a projected token in, a certificate out, by a real authority and a cluster that the test plays."""

from datetime import timedelta

import pytest

from agent.errors import AuthorityUnreachable, RequestRefused
from protos.chancery.ca.v1 import certificate_service_pb2 as certificates
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.agent.pods import pod_of
from tests.ca.cluster.api_server import BoundToken, fake_api_server
from tests.ca.offices import total_of
from tests.ca.server import running_server


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with fake_api_server(tmp_path_factory.mktemp("cluster")) as fake:
        yield fake


@pytest.fixture(scope="module")
def server(cluster, tmp_path_factory):
    directory = tmp_path_factory.mktemp("ca") / "data"
    with running_server(directory, kubernetes_enrollment=True, kubernetes_kubeconfig=cluster.kubeconfig) as server:
        yield server


@pytest.fixture
def pod(server, cluster, tmp_path):
    cluster.answer = None
    pod = pod_of(server, tmp_path)
    pod.token_file.write_text(cluster.knows(BoundToken()) + "\n")
    return pod


def lose_answers(pod) -> list[bool]:
    """While the list holds True, what enrolls is done and its answer never comes."""
    ask, lossy = pod.line.ask, [True]

    def losing(verb, path, **options):
        answer = ask(verb, path, **options)
        if lossy[0] and path.startswith("/v1/enroll"):
            raise AuthorityUnreachable("the answer was lost")
        return answer

    pod.line.ask = losing
    return lossy


def take_files(pod) -> None:
    (pod.directory / "..data").unlink()
    for name in ("tls.crt", "tls.key"):
        (pod.directory / name).unlink()


def test_pod_gets_the_identity_of_its_service_account_and_renews_it_without_the_token(pod, server):
    pod.run()
    first = pod.held
    pod.token_file.unlink()
    pod.clock.advance(timedelta(hours=17))
    pod.run()

    assert "spiffe://cluster.local/ns/shop/sa/cart" in (pod.directory / "identity.json").read_text()
    assert pod.held.fingerprint != first.fingerprint
    assert pod.failures == []


def test_pod_that_dies_before_it_has_its_answer_gets_the_same_certificate_again(pod, server):
    total = total_of(server.office)
    lossy = lose_answers(pod)
    pod.run()
    pod.restart()
    lossy[0] = False
    pod.run()

    assert pod.held.leaf
    assert total_of(server.office) == total + 1
    assert (pod.directory / "_enrollment.json").stat().st_mode & 0o777 == 0o600


def test_pod_that_lost_its_files_shows_its_token_with_the_key_of_before(pod):
    pod.run()
    before = pod.held
    take_files(pod)
    pod.restart()
    pod.run()

    assert pod.failures == []
    assert pod.held.private_key == before.private_key


def test_cluster_that_is_away_is_waited_for(pod, cluster):
    cluster.answer = lambda _asked: (503, {})

    def on_pause(number: int) -> None:
        cluster.answer = None if number >= 2 else cluster.answer

    pod.on_pause = on_pause
    pod.run(turns=3)

    assert len(pod.failures) == 2
    assert all(isinstance(one.error, RequestRefused) and one.error.may_pass for one in pod.failures)
    assert pod.held.leaf


def test_token_that_has_ended_is_replaced_by_the_kubelet_in_time_for_the_next_attempt(pod, cluster):
    fresh = pod.token_file.read_text()
    pod.token_file.write_text(BoundToken().text())  # one that the cluster does not vouch for any more
    pod.on_pause = lambda number: pod.token_file.write_text(fresh) if number == 1 else None
    pod.run(turns=2)

    assert [one.error.refusal for one in pod.failures] == ["ENROLLMENT_REFUSED"]
    assert pod.held.leaf


def test_revoked_certificate_is_replaced_with_the_next_token(pod, server, cluster):
    pod.run()
    before = pod.held
    revoke = certificates.RevokeCertificateRequest(id=f"{before.leaf.serial_number:032x}")
    CertificateServiceStub(server.channel()).RevokeCertificate(revoke, timeout=60)
    pod.clock.advance(timedelta(hours=17))
    pod.run()
    with_the_same_token = pod.held
    pod.token_file.write_text(cluster.knows(BoundToken()))
    pod.clock.advance(timedelta(minutes=10))
    pod.run()

    assert with_the_same_token == before  # its key is as good as revoked, and the token counts for no other
    assert pod.held.fingerprint != before.fingerprint
    assert pod.held.private_key != before.private_key
