"""What one caller wants in plenty keeps no other waiting, and no answer grows with what was sent."""

import asyncio
import threading

import grpc
import pytest

from ca.errors import Overloaded
from ca.key_making import KeyMaker
from certs.keys import KeyType, PrivateKey, generate_private_key
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.server import RunningServer
from tests.ca.wire import SECONDS, failing, workload_identity

LONG = "x" * 900_000


async def test_keys_that_are_slow_to_make_take_no_thread_that_others_need() -> None:
    release = threading.Event()

    def slow(key_type: KeyType) -> PrivateKey:
        release.wait(SECONDS)
        return generate_private_key(key_type)

    maker = KeyMaker(slow, capacity=50)
    making = [asyncio.create_task(maker.make(KeyType.EC_P256)) for _ in range(50)]
    await asyncio.sleep(0)
    try:
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "served"), SECONDS) == "served"
        with pytest.raises(Overloaded):
            await maker.make(KeyType.EC_P256)
    finally:
        release.set()
    assert len(await asyncio.gather(*making)) == 50
    assert await maker.make(KeyType.EC_P256)


async def test_caller_that_goes_away_makes_no_room_before_its_key_is_made() -> None:
    """Else a caller could have any number made, by calling and cancelling."""
    release = threading.Event()

    def slow(key_type: KeyType) -> PrivateKey:
        release.wait(SECONDS)
        return generate_private_key(key_type)

    maker = KeyMaker(slow, capacity=1)
    making = asyncio.create_task(maker.make(KeyType.EC_P256))
    await asyncio.sleep(0.05)
    making.cancel()
    await asyncio.wait([making])

    try:
        with pytest.raises(Overloaded):
            await maker.make(KeyType.EC_P256)
    finally:
        release.set()


def test_refusal_of_long_names_arrives(server: RunningServer) -> None:
    """A status whose text is too long for the trailers would arrive as another one."""
    stub = CertificateServiceStub(server.channel(workload_identity(server.office)))
    uris = [f"https://example.com/{number}/{'a' * 2000}" for number in range(20)]

    with failing() as failure:
        stub.IssueCertificate(
            service.IssueCertificateRequest(profile="peer", names=wire.SubjectAlternativeNames(uris=uris)),
            timeout=SECONDS,
        )

    assert (failure.code, failure.reason) == (grpc.StatusCode.PERMISSION_DENIED, "POLICY_DENIED")


def test_what_was_sent_is_not_repeated_without_bound(server: RunningServer) -> None:
    channel = server.channel()
    certificates, administration = CertificateServiceStub(channel), AdminServiceStub(channel)
    calls = (
        lambda: certificates.SignCsr(service.SignCsrRequest(profile=LONG, csr=b"x"), timeout=SECONDS),
        lambda: certificates.GetCertificate(service.GetCertificateRequest(id=LONG), timeout=SECONDS),
        lambda: certificates.GetCertificate(service.GetCertificateRequest(id="ab" * 400_000), timeout=SECONDS),
        lambda: certificates.IssueCertificate(service.IssueCertificateRequest(key_type=LONG), timeout=SECONDS),
        lambda: administration.DeleteToken(admin.DeleteTokenRequest(id=LONG), timeout=SECONDS),
        lambda: administration.CreateToken(admin.CreateTokenRequest(profile=LONG), timeout=SECONDS),
    )
    for call in calls:
        with failing() as failure:
            call()

        assert failure.code in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
        assert len(failure.message) <= 1000
