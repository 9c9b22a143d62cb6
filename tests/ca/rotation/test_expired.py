"""An issuing CA or a root that has expired: said with what to do, replaced by itself, and the server stays up meanwhile."""

import json
import logging
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from structlog.testing import capture_logs

from ca.bootstrap import BroughtHierarchy
from ca.metrics import Metrics
from ca.office import Office, open_office
from ca.serving import ServingCertificate, serving_names
from ca.settings import ServeSettings
from certs.errors import IssuerExpired
from certs.keys import generate_private_key
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.hierarchies import YEAR, authority
from tests.ca.offices import FixedClock, Premises, order_for, request_for
from tests.ca.rotation.worlds import ADMINISTRATOR, Consumer, Holder, settle
from tests.ca.server import MovableClock, _served, running_server
from tests.ca.wire import SECONDS, failing
from tests.cli.program import Program

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def phase_of(office: Office) -> str:
    rotation = office.rotations.status().rotation
    assert rotation is not None
    return f"{rotation.kind} {rotation.haste} {rotation.phase}"


def test_an_expired_issuing_ca_is_named_with_what_to_do(premises: Premises) -> None:
    with premises.open() as office:
        ended = premises.clock.instant = office.issuers.active().issuer.not_after
        with pytest.raises(IssuerExpired) as refusal:
            office.authority.issue(order_for("web.example"))

    assert str(refusal.value) == (
        f"the issuing CA for profile server ends at {ended:%Y-%m-%dT%H:%M:%SZ}; "
        "replace it with: ca-cli rotate issuer --profile server --now"
    )


def test_an_expired_issuing_ca_is_replaced_at_once_and_by_itself(premises: Premises) -> None:
    with premises.open() as office:
        office.rotations.look()
        premises.clock.instant = office.issuers.active().issuer.not_after + SECOND

        assert office.rotations.look()
        assert phase_of(office) == "issuer now publishing"
        premises.clock.advance(20 * SECOND)
        assert office.rotations.look()

        assert office.authority.issue(order_for("web.example"))
        settle(office, premises.clock)
        assert phase_of(office) == "issuer now stable"


def test_one_that_expired_while_nothing_ran_is_replaced_after_the_start(premises: Premises) -> None:
    with premises.open() as office:
        ended = office.issuers.active().issuer.not_after
    premises.clock.instant = ended + 30 * MINUTE

    with premises.open() as office:
        settle(office, premises.clock)
        assert office.authority.issue(order_for("web.example"))


def test_an_expired_root_is_named_and_replaced_though_it_can_sign_no_bridge(premises: Premises) -> None:
    with premises.open(rotation_automatic=False) as office:
        (root,) = office.issuers.bundle.roots
        premises.clock.instant = root.not_valid_after_utc - timedelta(days=30)
        office.rotations.start("issuer", "now", ADMINISTRATOR)
        settle(office, premises.clock)
        premises.clock.instant = root.not_valid_after_utc + SECOND
        with pytest.raises(IssuerExpired, match=r"the root ends at .* ca-cli rotate root --now"):
            office.authority.issue(order_for("web.example"))

    with premises.open() as office:
        assert office.rotations.look()
        assert phase_of(office) == "root now publishing"
        settle(office, premises.clock)
        verifier = Consumer(office, "verifier")
        verifier.follow()
        assert verifier.accepts(Holder(office, "web.example"))
        assert root not in office.issuers.bundle.roots


def test_where_nothing_is_replaced_by_itself_the_operator_can(premises: Premises) -> None:
    with premises.open(rotation_automatic=False) as office:
        office.rotations.look()
        premises.clock.instant = office.issuers.active().issuer.not_after + SECOND
        assert not office.rotations.look()

        office.rotations.start("issuer", "emergency", ADMINISTRATOR)
        while office.rotations.look():
            pass

        assert office.authority.issue(order_for("web.example"))


def test_other_profiles_go_on_where_one_issuing_ca_has_expired(premises: Premises) -> None:
    workload = request_for(uris=["spiffe://cluster.local/ns/shop/sa/web"])
    with premises.open(rotation_automatic=False) as office:
        office.rotations.look()
        first = office.issuers.active().issuer.not_after
        premises.clock.advance(timedelta(days=100))
        office.rotations.add(["workload"], "now", ADMINISTRATOR)
        settle(office, premises.clock)
        premises.clock.instant = first + SECOND

        with pytest.raises(IssuerExpired, match="for profile server"):
            office.authority.issue(order_for("web.example"))
        assert office.authority.issue(order_for(profile="workload", request=workload))


@pytest.fixture
def errors_are_logged() -> Iterator[None]:
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.configure(wrapper_class=before)


@pytest.mark.usefixtures("errors_are_logged")
async def test_a_serving_certificate_that_cannot_be_renewed_is_logged_and_goes_on_serving(premises: Premises) -> None:
    with premises.open() as office:
        serving = ServingCertificate(
            authority=office.authority,
            issuers=office.issuers,
            names=serving_names((), "localhost"),
            key_factory=office.key_factory,
            clock=office.clock,
            metrics=Metrics(),
        )
        premises.clock.instant = office.issuers.active().issuer.not_after - timedelta(hours=1)
        before = serving.renew()
        assert before.not_after == office.issuers.active().issuer.not_after
        premises.clock.advance(timedelta(minutes=58))

        with capture_logs() as logs:
            await serving._try_to_renew()

        assert serving.pair is before
        assert "serving certificate not renewed" in [entry["event"] for entry in logs]


def found(directory: Path, clock: FixedClock, **issuer: Any) -> None:
    """An authority under a root that is brought with its key, and an issuing CA that is brought, too."""
    root = authority("Own Root", not_before=clock() - YEAR, lifetime=30 * YEAR)
    brought = authority("Own Issuer", issuer=root, path_length=0, **issuer)
    with Premises(directory=directory, clock=clock).open(brought=BroughtHierarchy(root=root.pair, issuer=brought.pair)):
        pass


def test_asked_over_grpc_and_from_the_command_line_it_is_refused_and_the_server_stays_up(tmp_path: Path) -> None:
    present = datetime.now(UTC).replace(microsecond=0)
    found(tmp_path / "ca", FixedClock(present), not_before=present - MINUTE, lifetime=9 * MINUTE)
    with running_server(tmp_path / "ca", rotation_automatic=False) as server:
        identity = server.write_identity(tmp_path / "identity")
        server.clock.advance(4 * MINUTE)  # the callers' certificates hold for as long as the issuing CA does
        stub = CertificateServiceStub(server.channel())

        with failing() as failure:
            stub.SignCsr(service.SignCsrRequest(csr=request_for("web.example"), profile="server"), timeout=SECONDS)
        assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ISSUER_EXPIRED")

        program = Program(home=tmp_path, directory=tmp_path, variables={"CHANCERY_SERVER": server.grpc_target})
        refused = program("sign", "--dns", "web.example", "--identity", identity, "--out", "web")
        assert refused.status == 7
        assert "ca-cli rotate issuer --profile server --now" in refused.errors

        AdminServiceStub(server.channel()).StartRotation(
            admin.StartRotationRequest(kind=admin.ROTATION_KIND_ISSUER, haste=admin.ROTATION_HASTE_EMERGENCY),
            timeout=SECONDS,
        )
        while server.office.rotations.rotations.current() is not None:
            pass
        assert server.office.authority.issue(order_for("web.example"))


def opened(directory: Path, **settings: object) -> Any:
    ports = {"grpc_port": 0, "http_port": 0, "enrollment_port": 0}
    return open_office(
        ServeSettings.from_mapping({"data_directory": directory, **ports, **settings}),
        clock=MovableClock(),
        entropy=secrets.token_bytes,
        key_factory=generate_private_key,
    )


def expired(tmp_path: Path) -> Path:
    """An authority whose issuing CA ended an hour ago."""
    then = FixedClock(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2))
    found(tmp_path / "ca", then, not_before=then() - MINUTE, lifetime=timedelta(hours=1))
    return tmp_path / "ca"


def test_a_server_that_starts_with_an_expired_issuing_ca_replaces_it_and_serves(tmp_path: Path) -> None:
    with opened(expired(tmp_path), rotation_settle="1s") as office, _served(office):
        assert office.issuers.active().issuer.certificate.issuer.rfc4514_string() == "CN=Own Root"
        assert office.authority.issue(order_for("web.example"))
        events = [json.loads(event.details) for event in office.audit.page().items if event.action == "rotation.begin"]
        assert [(one["kind"], one["haste"]) for one in events] == [("issuer", "now")]


def test_a_server_that_may_not_replace_it_does_not_start_and_says_what_to_do(tmp_path: Path) -> None:
    directory = expired(tmp_path)

    with (
        opened(directory, rotation_automatic=False) as office,
        pytest.raises(IssuerExpired, match="rotate issuer"),
        _served(office),
    ):
        pass
