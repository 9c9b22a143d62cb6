"""Clients that do not give up: each repeats a request, under one request_id, until it is answered, and notes what went wrong."""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from store.audit import AuditTrail
from store.inventory import Inventory
from tests.ca.load import Asked, new_request, signing_request
from tests.ca.replicas.replicas import SECONDS, certificates_of, opened
from tests.ca.serving_process import ServingProcess
from tests.threads import join


@dataclass(slots=True)
class Ledger:
    """`answers` holds identifier and PEM by request_id; `failures` status code, reason and message."""

    answers: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    failures: list[tuple[grpc.StatusCode, str, str]] = field(default_factory=list)
    clients: int = 0

    def verify_all_are_recorded(self, url: str) -> None:
        """One certificate for each request, the one that was handed out, and an audit trail that fits."""
        with opened(url) as database:
            records = {record.request_id: record for record in Inventory(database).after(0, limit=100_000)}
            AuditTrail(database).verify_chain()
        for request_id, given in self.answers.items():
            ((certificate_id, pem),) = given
            assert records[request_id].id == certificate_id
            assert pem.startswith("-----BEGIN CERTIFICATE-----")

    def verify_failures_are_clear(self) -> None:
        kinds = {(code, reason) for code, reason, _ in self.failures}
        assert kinds <= {(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")}, self.failures


@contextlib.contextmanager
def persisting(replicas: Sequence[ServingProcess], label: str, *, clients: int = 4) -> Iterator[Ledger]:
    """Clients of these replicas by turns, for as long as the block lasts; at its end each has the answer to its last request."""
    ledger, stopping = Ledger(clients=clients), threading.Event()
    stubs = [[certificates_of(replica) for replica in replicas] for _ in range(clients)]
    threads = [
        threading.Thread(target=partial(_persist, ledger, stopping, own, f"{label}-{number}"), daemon=True)
        for number, own in enumerate(stubs)
    ]
    for thread in threads:
        thread.start()
    try:
        yield ledger
    finally:
        stopping.set()
        join(*threads)


def _persist(ledger: Ledger, stopping: threading.Event, stubs: Sequence[CertificateServiceStub], label: str) -> None:
    csr, turns = new_request(), itertools.cycle(stubs)
    for number in itertools.count():
        if stopping.is_set():
            return
        request = signing_request(Asked(request_id=f"{label}-{number}", csr=csr))
        for stub in turns:
            try:
                certificate = stub.SignCsr(request, timeout=SECONDS).certificate
            except grpc.RpcError as err:
                ledger.failures.append(_described(err))
                time.sleep(0.05)
            else:
                given = ledger.answers.setdefault(request.request_id, set())
                given.add((certificate.id, certificate.certificate_pem))
                break


def _described(error: grpc.RpcError) -> tuple[grpc.StatusCode, str, str]:
    assert isinstance(error, grpc.Call)
    status, info = rpc_status.from_call(error), error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        detail.Unpack(info)
    return error.code(), info.reason, error.details() or ""
