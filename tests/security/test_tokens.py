"""One token, one certificate: for its bearer, once, whatever is raced, replayed or guessed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import grpc
import pytest

from ca.tokens import Grant, TokenDesk, TokenSecret
from certs.keys import KeyType, PrivateKey, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from protos.chancery.ca.v1 import enrollment_service_pb2 as enrollment
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from store.records import CertificateFilter
from tests.ca.offices import administrator, call_of, request_for
from tests.ca.server import RunningServer
from tests.ca.wire import SECONDS, failing


def desk_of(server: RunningServer) -> TokenDesk:
    office = server.office
    return TokenDesk(tokens=office.tokens, policy=office.policy, clock=office.clock, entropy=office.entropy)


def new_token(server: RunningServer, name: str = "web.example") -> TokenSecret:
    grant = Grant(profile="server", subject=SubjectName(), names=SubjectAlternativeNames.parse(dns=(name,)))
    _record, secret = desk_of(server).create(
        call_of(administrator()), grant, lifetime=timedelta(minutes=5), root_fingerprint=bytes(32)
    )
    return secret


def enroll(
    server: RunningServer, token: object, *, key: PrivateKey | None = None, request_id: str = ""
) -> enrollment.EnrollResponse:
    request = enrollment.EnrollRequest(token=str(token), csr=request_for(key=key), request_id=request_id)
    return EnrollmentServiceStub(server.public_channel()).Enroll(request, timeout=SECONDS)


def issued_for(server: RunningServer, token: TokenSecret) -> int:
    wanted = CertificateFilter(requester=f"token:{token.id}")
    return len(server.office.inventory.search(wanted, now=0).items)


@pytest.mark.parametrize("request_id", ["", "same"])
def test_token_that_is_raced_gives_one_certificate(server: RunningServer, request_id: str) -> None:
    token = new_token(server)

    def attempt(_number: int) -> str | None:
        try:
            return enroll(server, token, request_id=request_id).certificate.id
        except grpc.RpcError:
            return None

    with ThreadPoolExecutor(8) as pool:
        given = [one for one in pool.map(attempt, range(8)) if one]

    assert len(given) == 1
    assert issued_for(server, token) == 1


def test_retry_is_for_the_key_that_was_certified(server: RunningServer) -> None:
    """Who has come by the token and the request_id later gets nothing with a key of its own."""
    token, key = new_token(server), generate_private_key(KeyType.EC_P256)
    first = enroll(server, token, key=key, request_id="mine")

    assert enroll(server, token, key=key, request_id="mine").certificate.id == first.certificate.id
    with failing() as failure:
        enroll(server, token, request_id="mine")
    assert failure.reason == "REQUEST_ID_REUSED"
    assert issued_for(server, token) == 1


def test_request_id_of_another_token_is_another_request(server: RunningServer) -> None:
    one, another, key = new_token(server, "one.example"), new_token(server, "two.example"), None
    first = enroll(server, one, key=key, request_id="shared").certificate
    second = enroll(server, another, key=key, request_id="shared").certificate

    assert (list(first.names.dns_names), list(second.names.dns_names)) == (["one.example"], ["two.example"])


def spent(server: RunningServer) -> str:
    token = new_token(server)
    enroll(server, token)
    return str(token)


def withdrawn(server: RunningServer) -> str:
    token = new_token(server)
    desk_of(server).delete(call_of(administrator()), token.id)
    return str(token)


def unknown(server: RunningServer) -> str:
    return str(TokenSecret(id="0" * 32, secret=bytes(32), root_fingerprint=bytes(32)))


def wrong_secret(server: RunningServer) -> str:
    return str(TokenSecret(id=new_token(server).id, secret=bytes(32), root_fingerprint=bytes(32)))


@pytest.mark.parametrize("guess", [spent, withdrawn, unknown, wrong_secret])
def test_every_wrong_token_is_answered_alike(server: RunningServer, guess: Callable[[RunningServer], str]) -> None:
    with failing() as failure:
        enroll(server, guess(server))

    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_REFUSED")
    assert failure.message == "the token is not valid, or no longer; ask for a new one"


def test_bad_token_costs_no_look_at_its_request(server: RunningServer) -> None:
    """Parsing what strangers send is for those who hold a token."""
    request = enrollment.EnrollRequest(token=unknown(server), csr=b"not a request")

    with failing() as failure:
        EnrollmentServiceStub(server.public_channel()).Enroll(request, timeout=SECONDS)

    assert failure.reason == "TOKEN_REFUSED"
