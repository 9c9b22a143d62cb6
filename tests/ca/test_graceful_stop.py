"""SIGTERM under load: whatever the server took on it answers, whatever it refuses it has not recorded, and then it ends."""

import queue
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from store.database import open_database
from store.inventory import Inventory
from tests.ca.load import SECONDS, Asked, Ledger, Load, new_request, signing_request
from tests.ca.serving_process import ServingProcess, serving_process

pytestmark = pytest.mark.slow

_REFUSALS = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
"""CANCELLED is what gRPC itself gives a call that had arrived and was not handed over yet when the listener shut down."""


def test_stop_under_load_drops_no_call_that_was_taken(tmp_path: Path) -> None:
    with serving_process(tmp_path / "home") as server:
        load = Load(server, label="stop")
        load.start()

        status = server.stop()

        ledger = load.join()
        assert status == 0
        assert ledger.failures
        assert {_code(err) for err in ledger.failures} <= _REFUSALS
        _verify_records(server, ledger)


def test_open_streams_are_told_and_do_not_hold_the_stop_up(tmp_path: Path) -> None:
    with serving_process(tmp_path / "home", drain_timeout="1m") as server:
        stub = CertificateServiceStub(server.channel())
        requests: queue.SimpleQueue[service.SignCsrsRequest] = queue.SimpleQueue()
        bulk = stub.SignCsrs(iter(requests.get, None), timeout=SECONDS * 3)
        requests.put(service.SignCsrsRequest(request=signing_request(Asked(request_id="one", csr=new_request()))))
        signed = next(bulk).certificate
        watch = stub.WatchCertificates(service.WatchCertificatesRequest(resume_cursor="0"), timeout=SECONDS * 3)
        _read_up_to(watch, signed.id)
        started = time.monotonic()

        status = server.stop()

        assert status == 0
        assert time.monotonic() - started < 20, "the drain timeout is for calls that do something"
        for stream in (bulk, watch):
            with pytest.raises(grpc.RpcError) as caught:
                next(stream)
            assert _code(caught.value) is grpc.StatusCode.UNAVAILABLE
        requests.put(None)  # type: ignore[arg-type]  # ends the iterator


def _read_up_to(watch: Iterator[service.WatchCertificatesResponse], certificate_id: str) -> None:
    for event in watch:
        if event.certificate.id == certificate_id:
            return


def _verify_records(server: ServingProcess, ledger: Ledger) -> None:
    """Every answer has its record; a call of its own that was not answered has none.

    Not so on a bulk stream: a gRPC client for Python gives up answers that it has not read yet once the status behind them
    arrives. They are sent and recorded, and a retry under the same request_id gets them (`test_kill`).
    """
    database = open_database(server.database_url)
    records = Inventory(database).after(0, limit=1_000_000)
    database.close()
    assert ledger.certificates.keys() <= {record.id for record in records}
    unanswered = {asked.request_id for asked in ledger.unanswered if "-bulk-" not in asked.request_id}
    assert not unanswered & {record.request_id for record in records}


def _code(error: grpc.RpcError) -> grpc.StatusCode:
    assert isinstance(error, grpc.Call)
    return error.code()
