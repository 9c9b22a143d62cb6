"""Health and reflection, as probes and grpcurl use them, on both gRPC ports."""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.ca.server import RunningServer, running_server
from tests.ca.wire import SECONDS, failing

PRIVATE = {
    "chancery.ca.v1.AdminService",
    "chancery.ca.v1.CertificateService",
    "chancery.ca.v1.RegistrarService",
    "chancery.ca.v1.TrustService",
    "grpc.CertificateService",
}
PUBLIC = {"chancery.ca.v1.EnrollmentService", "chancery.ca.v1.TrustService"}
EVERYWHERE = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


@pytest.fixture(params=["private", "public"])
def port(request: pytest.FixtureRequest, server: RunningServer) -> tuple[grpc.Channel, set[str]]:
    return (server.channel(), PRIVATE) if request.param == "private" else (server.public_channel(), PUBLIC)


def test_every_service_is_healthy(port: tuple[grpc.Channel, set[str]]) -> None:
    channel, services = port
    stub = health_pb2_grpc.HealthStub(channel)

    for name in ("", *services):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=SECONDS)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with failing() as failure:
        stub.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=SECONDS)
    assert failure.code is grpc.StatusCode.NOT_FOUND


def test_reflection_shows_what_is_served(port: tuple[grpc.Channel, set[str]]) -> None:
    channel, services = port
    database = ProtoReflectionDescriptorDatabase(channel)

    assert set(database.get_services()) == services | EVERYWHERE
    for name in services:
        file = database.FindFileContainingSymbol(name)
        package, _, service = name.rpartition(".")
        assert file.package == package
        assert service in {one.name for one in file.service}


def test_reflection_can_be_switched_off(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", reflection=False) as server, failing() as failure:
        ProtoReflectionDescriptorDatabase(server.channel()).get_services()

    assert failure.code is grpc.StatusCode.UNIMPLEMENTED
