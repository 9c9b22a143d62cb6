"""Who may say that a certificate is used no more because another has taken its place: its pod, and nobody beside it."""

from typing import Any

import grpc
import pytest

from ca.holder_limits import PER_HOLDER
from ca.office import AdministratorIdentity
from certs.keys import KeyType, PrivateKey, encode_private_key, generate_private_key
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.cluster.api_server import BoundToken, FakeApiServer
from tests.ca.cluster.test_enrollment import CART, enroll
from tests.ca.offices import request_for, total_of
from tests.ca.server import RunningServer
from tests.ca.wire import SECONDS, failing


class Container:
    """One process of a pod, with the certificate that it got by the pod's token."""

    def __init__(self, server: RunningServer, cluster: FakeApiServer, token: BoundToken, **fields: Any) -> None:
        self.server, self.token = server, token
        self.key: PrivateKey = generate_private_key(KeyType.EC_P256)
        self.held: wire.Certificate = enroll(server, cluster.knows(token), request_for(key=self.key), **fields)

    def sign(self, **fields: Any) -> wire.Certificate:
        """Another of its own identity, by the certificate that it has."""
        certificate = (self.held.certificate_pem + self.held.chain_pem).encode()
        identity = AdministratorIdentity(
            private_key=encode_private_key(self.key), chain=certificate, roots=b"", certificate_id=""
        )
        stub = CertificateServiceStub(self.server.channel(identity))
        request = service.SignCsrRequest(csr=request_for(uris=(CART,)), profile="workload", **fields)
        return stub.SignCsr(request, timeout=SECONDS).certificate


def another_token(token: BoundToken) -> BoundToken:
    """The next one of the same pod, as a kubelet has it made."""
    return BoundToken(pod_name=token.pod_name, pod_uid=token.pod_uid)


def in_use(server: RunningServer, *certificates: wire.Certificate) -> list[bool]:
    now = certificates[0].not_before_time.seconds + 120
    found = server.office.inventory.in_use([certificates[0].issuer_id], now=now, limit=1000)
    return [one.id in {record.id for record in found} for one in certificates]


@pytest.mark.parametrize("by", ["id", "serial_number", "request_id"])
def test_pod_that_enrolls_again_says_what_it_uses_no_more(
    enrolling: RunningServer, cluster: FakeApiServer, by: str
) -> None:
    first = Container(enrolling, cluster, token := BoundToken(), request_id=f"first-{by}").held
    name = f"first-{by}" if by == "request_id" else getattr(first, by)

    second = Container(enrolling, cluster, another_token(token), replaces=name).held

    assert second.renewed_from_id == first.id
    assert in_use(enrolling, first, second) == [False, True]


def test_containers_of_one_pod_that_say_nothing_use_what_they_have_side_by_side(
    enrolling: RunningServer, cluster: FakeApiServer
) -> None:
    token = BoundToken()
    one, two = (Container(enrolling, cluster, another_token(token)) for _ in range(2))
    beside = [container.sign() for container in (one, two)]

    assert in_use(enrolling, one.held, two.held, *beside) == [True] * 4


@pytest.mark.parametrize("by", ["id", "serial_number", "request_id"])
def test_replicas_of_one_account_do_not_speak_for_one_another(
    enrolling: RunningServer, cluster: FakeApiServer, by: str
) -> None:
    one, two = Container(enrolling, cluster, BoundToken()), Container(enrolling, cluster, BoundToken())
    served = one.sign(request_id=f"served-{by}")
    name = f"served-{by}" if by == "request_id" else getattr(served, by)
    before = total_of(enrolling.office)

    with failing() as failure:
        two.sign(replaces=name)

    assert (failure.reason, total_of(enrolling.office)) == ("CERTIFICATE_NOT_FOUND", before)
    assert one.sign(replaces=name).renewed_from_id == served.id
    assert in_use(enrolling, served) == [False]


@pytest.mark.parametrize("whose", ["another pod's", "another account's", "a user's", "nobody's", "nonsense", "long"])
def test_pod_that_enrolls_leaves_what_is_not_its_own_as_it_stands(
    enrolling: RunningServer, cluster: FakeApiServer, whose: str
) -> None:
    stub = CertificateServiceStub(enrolling.channel())
    request = service.SignCsrRequest(csr=request_for(uris=(CART,)), profile="workload")
    others = {
        "another pod's": lambda: Container(enrolling, cluster, BoundToken()).held.id,
        "another account's": lambda: Container(enrolling, cluster, BoundToken(service_account="till")).held.id,
        "a user's": lambda: stub.SignCsr(request, timeout=SECONDS).certificate.serial_number,
        "nobody's": lambda: "0" * 32,
        "nonsense": lambda: "\N{SNOWMAN}'; --",
        "long": lambda: "f" * 60_000,
    }

    got = Container(enrolling, cluster, BoundToken(), replaces=others[whose]()).held

    assert got.renewed_from_id == ""


def test_user_of_the_same_name_does_not_speak_for_a_pod(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    """An administrator has given somebody else the account's identity: that one is in no pod."""
    pod = Container(enrolling, cluster, BoundToken())
    user = Container(enrolling, cluster, BoundToken())
    stub = CertificateServiceStub(enrolling.channel())
    request = service.SignCsrRequest(csr=request_for(key=user.key, uris=(CART,)), profile="workload")
    user.held = stub.SignCsr(request, timeout=SECONDS).certificate

    with failing() as failure:
        user.sign(replaces=pod.sign().id)

    assert failure.reason == "CERTIFICATE_NOT_FOUND"


def test_pod_does_not_fill_the_database_with_certificates_of_its_own(
    enrolling: RunningServer, cluster: FakeApiServer
) -> None:
    container = Container(enrolling, cluster, BoundToken())
    for _ in range(PER_HOLDER.burst):
        container.sign()

    with failing() as failure:
        container.sign()
    assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert Container(enrolling, cluster, BoundToken(pod_name="cart-9", pod_uid="another-pod")).sign()
