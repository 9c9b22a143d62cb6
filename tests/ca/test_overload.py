"""More requests than the signing queue holds: some are told to come back, the others are served, and nothing waits for ever."""

import concurrent.futures
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from store.database import Database
from tests.ca.load import SECONDS, Asked, new_request, signing_request
from tests.ca.server import running_server

_CALLS = 120


def test_full_queue_answers_resource_exhausted_and_loses_nobody(tmp_path: Path) -> None:
    csr = new_request()
    with running_server(tmp_path / "data", signing_queue=4) as server:
        stub = CertificateServiceStub(server.channel())
        before = server.office.inventory.counts(now=0).total

        with _busy(server.office.database):
            calls = [
                stub.SignCsr.future(signing_request(Asked(request_id=f"crowd-{number}", csr=csr)), timeout=SECONDS)
                for number in range(_CALLS)
            ]
            settled = [_settled(call) for call in calls]
            concurrent.futures.wait(settled, timeout=SECONDS, return_when=concurrent.futures.FIRST_COMPLETED)
        concurrent.futures.wait(settled, timeout=SECONDS)

        codes = Counter(call.code() for call in calls)
        assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert server.office.inventory.counts(now=0).total - before == codes[grpc.StatusCode.OK]
        refused = [call for call in calls if call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED]
        assert {_reason(call) for call in refused} == {"OVERLOADED"}
        assert stub.SignCsr(signing_request(Asked(request_id="later", csr=csr)), timeout=SECONDS).certificate


@contextlib.contextmanager
def _busy(database: Database) -> Iterator[None]:
    """With one write after which all others come, until the end of the block: however fast it is, a queue becomes full."""
    over = threading.Event()
    writing = database.submit(lambda _connection: over.wait(SECONDS))
    try:
        yield
    finally:
        over.set()
    assert writing.result(SECONDS)


def _settled(call: "grpc.Future[service.SignCsrResponse]") -> "concurrent.futures.Future[None]":
    settled: concurrent.futures.Future[None] = concurrent.futures.Future()
    call.add_done_callback(lambda _call: settled.set_result(None))
    return settled


def _reason(call: grpc.Call) -> str:
    status = rpc_status.from_call(call)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason
