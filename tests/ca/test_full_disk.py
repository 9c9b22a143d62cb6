"""A disk without room under a running server: an error that says what to do, nothing half-done, and on once there is room.

Two ways to have one: a file size limit on the process, which anybody may set, and a small file system, which only root may.
"""

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from store.audit import AuditTrail
from store.database import open_database
from store.inventory import Inventory
from tests.ca.load import SECONDS, Asked, new_request, signing_request
from tests.ca.serving_process import ServingProcess, serving_process

pytestmark = pytest.mark.slow

_ITS_OWN = 2  # the administrator's certificate and the server's


def test_limit_of_file_sizes_stops_issuance_until_it_is_lifted(tmp_path: Path) -> None:
    with serving_process(tmp_path / "home") as server:
        stub = CertificateServiceStub(server.channel())
        _sign(stub, "before")
        pid = server.process.pid
        largest = max(path.stat().st_size for path in server.data_directory.glob("chancery.db*"))

        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
        signed, asked, refused = _sign_until_refused(stub)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        _verify_refusal(refused)
        _verify_recovery(server, stub, signed + 1, asked)


def test_full_file_system_stops_issuance_until_there_is_room(small_file_system: Path) -> None:
    with serving_process(small_file_system / "home") as server:
        stub = CertificateServiceStub(server.channel())
        first = _sign(stub, "before")
        ballast = small_file_system / "ballast"

        _fill(ballast)
        signed, asked, refused = _sign_until_refused(stub)
        read = stub.GetCertificate(service.GetCertificateRequest(id=first), timeout=SECONDS)
        ballast.unlink()

        _verify_refusal(refused)
        assert "full" in (refused.details() or "")
        assert read.certificate.id == first
        _verify_recovery(server, stub, signed + 1, asked)


@pytest.fixture
def small_file_system(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], check=False, capture_output=True, text=True
        )
        if os.geteuid() == 0
        else None
    )
    if mounted is None or mounted.returncode:
        pytest.skip("only root may mount a small file system")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def _sign(stub: CertificateServiceStub, request_id: str) -> str:
    asked = Asked(request_id=request_id, csr=new_request())
    return stub.SignCsr(signing_request(asked), timeout=SECONDS).certificate.id


def _sign_until_refused(stub: CertificateServiceStub) -> tuple[int, Asked, grpc.Call]:
    """How many were signed first, for there may be room in what the files hold already; then what was refused, and how."""
    csr = new_request()
    for number in range(3000):
        asked = Asked(request_id=f"tight-{number}", csr=csr)
        answer, call = _attempt(stub, asked)
        if answer is None:
            return number, asked, call
    pytest.fail("the disk never filled")


def _attempt(stub: CertificateServiceStub, asked: Asked) -> tuple[service.SignCsrResponse | None, grpc.Call]:
    try:
        return stub.SignCsr.with_call(signing_request(asked), timeout=SECONDS)
    except grpc.RpcError as err:
        return None, err


def _verify_refusal(refused: grpc.Call) -> None:
    status = rpc_status.from_call(refused)
    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason in {"STORE_FULL", "STORE_UNAVAILABLE"}
    assert "disk" in status.message


def _verify_recovery(server: ServingProcess, stub: CertificateServiceStub, signed: int, asked: Asked) -> None:
    """The very process goes on; the refused request gets one certificate, however often it is asked again."""
    answers = {stub.SignCsr(signing_request(asked), timeout=SECONDS).certificate.id for _ in range(3)}
    assert len(answers) == 1
    server.close_channels()
    assert server.stop() == 0
    database = open_database(server.database_url)
    AuditTrail(database).verify_chain()
    database.verify_integrity()
    recorded = Inventory(database).counts(now=0).total
    database.close()
    assert recorded == signed + len(answers) + _ITS_OWN


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
