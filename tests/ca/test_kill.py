"""SIGKILL under load loses nothing that a client was told, on either engine.

Certificates, one-time tokens, sealed keys and the audit trail are all asked for at the moment of the kill, over gRPC and
TLS; what the clients hold afterwards is compared with what the restarted server, and in the end the store itself, says.
"""

import random
import time
from pathlib import Path

import grpc
import pytest
from sqlalchemy import Connection, text

from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from store.audit import AuditTrail
from store.database import Database, open_database
from tests.ca.load import SECONDS, Asked, Ledger, Load, enroll_request, new_request, signing_request
from tests.ca.serving_process import ServingProcess, serving_process

pytestmark = pytest.mark.slow

_ROUNDS = 4
_RETRIED = 15
_ISSUED = "SELECT count(DISTINCT subject_id) FROM audit_events WHERE action = 'certificate.issue'"
_SPENT_TWICE = """
    SELECT count(*) FROM
    (SELECT 1 FROM certificates WHERE token_id IS NOT NULL GROUP BY token_id HAVING count(*) > 1) AS twice
"""


def test_nothing_is_lost_by_kills_on_sqlite(tmp_path: Path) -> None:
    with serving_process(tmp_path / "home") as server:
        _kill_again_and_again(server, random.Random(20))


@pytest.mark.postgresql
def test_nothing_is_lost_by_kills_on_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    with serving_process(tmp_path / "home", database=postgresql_url) as server:
        _kill_again_and_again(server, random.Random(21))


def test_first_start_that_is_killed_again_and_again_ends_with_one_hierarchy(tmp_path: Path) -> None:
    moments = random.Random(22)
    server = ServingProcess(home=tmp_path / "home")
    for _ in range(6):
        server.launch()
        time.sleep(moments.uniform(0.3, 1.2))
        server.kill()

    with serving_process(tmp_path / "home") as server:
        assert server.stop() == 0

    database = open_database(server.database_url)
    profiles = database.read(_profiles)
    AuditTrail(database).verify_chain()
    database.close()
    assert profiles == ["intermediate", "root"]


def _kill_again_and_again(server: ServingProcess, moments: random.Random) -> None:
    known: dict[str, str] = {}
    for number in range(_ROUNDS):
        load = Load(server, label=f"round{number}")
        load.start()
        time.sleep(moments.uniform(0.02, 0.7))
        server.kill()
        ledger = load.join()
        server.close_channels()
        known |= ledger.certificates
        assert {_code(err) for err in ledger.failures} <= {grpc.StatusCode.UNAVAILABLE}, ledger.failures

        server.start()

        known |= _verify_retries(server, ledger)
        _verify_tokens_are_single_use(server, ledger)
        _verify_keys(server, ledger)
        _verify_inventory(server, known)
        server.close_channels()
    assert server.stop() == 0
    _verify_store(server.database_url, known)


def _verify_retries(server: ServingProcess, ledger: Ledger) -> dict[str, str]:
    """A request that was answered is answered with the same certificate; one that was not, with one and the same from now on."""
    repeat = _Repeater(server)
    for asked, certificate_id in _some(ledger):
        assert repeat(asked)[0] == certificate_id
    given = dict(map(repeat, ledger.unanswered))
    assert dict(map(repeat, ledger.unanswered)) == given
    return given


def _verify_tokens_are_single_use(server: ServingProcess, ledger: Ledger) -> None:
    stub = EnrollmentServiceStub(server.public_channel())
    tokens = [asked.token for asked in (*ledger.unanswered, *(asked for asked, _ in _some(ledger))) if asked.token]
    assert tokens

    for token in tokens:
        thief = Asked(request_id="another", csr=new_request(), token=token)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Enroll(enroll_request(thief), timeout=SECONDS)
        assert _code(caught.value) is grpc.StatusCode.UNAUTHENTICATED


def _verify_keys(server: ServingProcess, ledger: Ledger) -> None:
    """A key that was fetched is gone; one that nobody asked for waits."""
    stub = CertificateServiceStub(server.channel())
    for certificate_id in ledger.keys_fetched:
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetPrivateKey(service.GetPrivateKeyRequest(certificate_id=certificate_id), timeout=SECONDS)
        assert _code(caught.value) is grpc.StatusCode.NOT_FOUND
    for certificate_id in ledger.keys_waiting:
        answer = stub.GetPrivateKey(service.GetPrivateKeyRequest(certificate_id=certificate_id), timeout=SECONDS)
        assert "PRIVATE KEY" in answer.private_key_pem


def _verify_inventory(server: ServingProcess, known: dict[str, str]) -> None:
    stub = CertificateServiceStub(server.channel())
    recorded: dict[str, str] = {}
    request = service.ListCertificatesRequest(page_size=1000, include_pem=True)
    while True:
        page = stub.ListCertificates(request, timeout=SECONDS)
        recorded |= {one.id: one.certificate_pem for one in page.certificates}
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert known.items() <= recorded.items()


def _verify_store(url: str, known: dict[str, str]) -> None:
    database = open_database(url)
    try:
        AuditTrail(database).verify_chain()
        database.verify_integrity()
        _verify_rows(database, known)
    finally:
        database.close()


def _verify_rows(database: Database, known: dict[str, str]) -> None:
    """Every certificate has its event, and no token has two certificates."""
    certificates = database.read(lambda connection: _number(connection, "SELECT count(*) FROM certificates"))
    events = database.read(lambda connection: _number(connection, _ISSUED))
    assert certificates == events >= len(known) > 4 * _ROUNDS
    assert database.read(lambda connection: _number(connection, _SPENT_TWICE)) == 0


class _Repeater:
    """Sends a request once more; answers with identifier and PEM."""

    def __init__(self, server: ServingProcess) -> None:
        self._certificates = CertificateServiceStub(server.channel())
        self._enrollment = EnrollmentServiceStub(server.public_channel())

    def __call__(self, asked: Asked) -> tuple[str, str]:
        answer = (
            self._enrollment.Enroll(enroll_request(asked), timeout=SECONDS)
            if asked.token
            else self._certificates.SignCsr(signing_request(asked), timeout=SECONDS)
        )
        return answer.certificate.id, answer.certificate.certificate_pem


def _some(ledger: Ledger) -> list[tuple[Asked, str]]:
    """The last of each kind: those that the kill was nearest to."""
    with_token = [one for one in ledger.answered if one[0].token]
    without = [one for one in ledger.answered if not one[0].token]
    return with_token[-_RETRIED:] + without[-_RETRIED:]


def _number(connection: Connection, query: str) -> int:
    return int(connection.execute(text(query)).scalar_one())


def _profiles(connection: Connection) -> list[str]:
    return sorted(connection.execute(text("SELECT profile FROM authorities")).scalars())


def _code(error: grpc.RpcError) -> grpc.StatusCode:
    assert isinstance(error, grpc.Call)
    return error.code()
