"""Clients that keep a server busy in every way it issues, and a ledger of what each of them was told.

- A client asks, writes down the answer, and asks again, until a call fails; then it says what it never heard back about.
- A call that fails while the server ought to be well is kept too, so that a test can see that there was none.
"""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import grpc

from certs.keys import KeyType, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1 import enrollment_service_pb2 as enrollment
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from tests.ca.serving_process import ServingProcess
from tests.threads import join

SECONDS = 60
NAME = "load.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, with all that is needed to repeat it. `token` is that of an enrollment."""

    request_id: str
    csr: bytes
    token: str = ""


@dataclass(slots=True)
class Ledger:
    """What the clients know. Appended to from several threads."""

    certificates: dict[str, str] = field(default_factory=dict)
    """PEM by identifier, as the clients were given them."""
    answered: list[tuple[Asked, str]] = field(default_factory=list)
    """Requests and the identifiers of their certificates."""
    unanswered: list[Asked] = field(default_factory=list)
    keys_waiting: set[str] = field(default_factory=set)
    """Certificates whose keys the server made, and nobody has asked for."""
    keys_fetched: set[str] = field(default_factory=set)
    failures: list[grpc.RpcError] = field(default_factory=list)

    def keep(self, asked: Asked | None, certificate: wire.Certificate) -> None:
        self.certificates[certificate.id] = certificate.certificate_pem
        if asked is not None:
            self.answered.append((asked, certificate.id))


class Load:
    """Four clients, each a thread with a connection of its own: unary, bulk, enrollment, keys made by the server."""

    def __init__(self, server: ServingProcess, *, label: str) -> None:
        self.ledger = Ledger()
        self._server = server
        self._label = label
        self._stopping = threading.Event()
        self._busy = threading.Semaphore(0)
        runs: list[Callable[[], None]] = [self._sign, self._sign_in_bulk, self._enroll, self._issue_with_keys]
        self._threads = [threading.Thread(target=run, name=run.__name__) for run in runs]

    def start(self) -> None:
        """Returns once every client has been answered."""
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            assert self._busy.acquire(timeout=SECONDS), "the server does not answer every client"

    def join(self) -> Ledger:
        """For a server that was killed: every client ends by itself."""
        join(*self._threads)
        return self.ledger

    def stop(self) -> Ledger:
        self._stopping.set()
        return self.join()

    def _requests(self, kind: str) -> Iterator[Asked]:
        csr = new_request()
        for number in itertools.count():
            if self._stopping.is_set():
                return
            if number == 3:
                self._busy.release()
            yield Asked(request_id=f"{self._label}-{kind}-{number}", csr=csr)

    def _sign(self) -> None:
        stub = CertificateServiceStub(self._server.channel())
        for asked in self._requests("unary"):
            try:
                answer = stub.SignCsr(signing_request(asked), timeout=SECONDS)
            except grpc.RpcError as err:
                self._failed(err, asked)
                return
            self.ledger.keep(asked, answer.certificate)

    def _sign_in_bulk(self) -> None:
        """Twenty under way: the server commits them in groups, and is killed between and within them."""
        stub = CertificateServiceStub(self._server.channel())
        under_way: dict[str, Asked] = {}
        room = threading.Semaphore(20)
        over = threading.Event()

        def requests() -> Iterator[service.SignCsrsRequest]:
            for asked in self._requests("bulk"):
                while not room.acquire(timeout=0.2):
                    if over.is_set():
                        return
                under_way[asked.request_id] = asked
                yield service.SignCsrsRequest(request=signing_request(asked))

        try:
            for answer in stub.SignCsrs(requests(), timeout=SECONDS * 3):
                self.ledger.keep(under_way.pop(answer.request_id), answer.certificate)
                room.release()
        except grpc.RpcError as err:
            self._failed(err, *list(under_way.values()))
        finally:
            over.set()

    def _enroll(self) -> None:
        desk = AdminServiceStub(self._server.channel())
        stub = EnrollmentServiceStub(self._server.public_channel())
        for asked in self._requests("token"):
            try:
                created = desk.CreateToken(token_request(), timeout=SECONDS)
            except grpc.RpcError as err:
                self._failed(err)
                return
            with_token = Asked(request_id=asked.request_id, csr=asked.csr, token=created.secret)
            try:
                answer = stub.Enroll(enroll_request(with_token), timeout=SECONDS)
            except grpc.RpcError as err:
                self._failed(err, with_token)
                return
            self.ledger.keep(with_token, answer.certificate)

    def _issue_with_keys(self) -> None:
        """Fetches every second key; the others wait."""
        stub = CertificateServiceStub(self._server.channel())
        names = wire.SubjectAlternativeNames(dns_names=[NAME])
        for number, asked in enumerate(self._requests("key")):
            request = service.IssueCertificateRequest(names=names, request_id=asked.request_id)
            try:
                certificate = stub.IssueCertificate(request, timeout=SECONDS).certificate
                self.ledger.keep(None, certificate)
                self.ledger.keys_waiting.add(certificate.id)
                if number % 2:
                    self.ledger.keys_waiting.discard(certificate.id)
                    stub.GetPrivateKey(service.GetPrivateKeyRequest(certificate_id=certificate.id), timeout=SECONDS)
                    self.ledger.keys_fetched.add(certificate.id)
            except grpc.RpcError as err:
                self._failed(err)
                return

    def _failed(self, error: grpc.RpcError, *unanswered: Asked) -> None:
        self.ledger.failures.append(error)
        self.ledger.unanswered.extend(unanswered)


def new_request() -> bytes:
    names = SubjectAlternativeNames.parse(dns=(NAME,))
    return build_request(generate_private_key(KeyType.EC_P256), SubjectName(), names)


def signing_request(asked: Asked) -> service.SignCsrRequest:
    return service.SignCsrRequest(csr=asked.csr, request_id=asked.request_id)


def enroll_request(asked: Asked) -> enrollment.EnrollRequest:
    return enrollment.EnrollRequest(token=asked.token, csr=asked.csr, request_id=asked.request_id)


def token_request() -> admin.CreateTokenRequest:
    return admin.CreateTokenRequest(names=wire.SubjectAlternativeNames(dns_names=[NAME]))
