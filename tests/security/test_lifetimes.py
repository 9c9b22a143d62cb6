"""Nobody lengthens a certificate's life by a way round the rule that gave it."""

from datetime import timedelta

import grpc
import pytest

from ca.errors import PolicyDenied
from ca.tokens import Grant, TokenDesk
from certs.names import SubjectAlternativeNames, SubjectName
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.offices import Premises, administrator, call_of
from tests.ca.server import RunningServer
from tests.ca.wire import SECONDS, failing, identity_of, workload_identity

DAY = 86_400


def renewal(days: int) -> service.RenewCertificateRequest:
    request = service.RenewCertificateRequest()
    request.lifetime.seconds = days * DAY
    return request


def test_renewal_does_not_outlive_what_its_holder_could_be_issued(server: RunningServer) -> None:
    """The default policy gives workloads a day, and lets every holder renew."""
    stub = CertificateServiceStub(server.channel(workload_identity(server.office)))

    with failing() as failure:
        stub.RenewCertificate(renewal(days=90), timeout=SECONDS)

    assert (failure.code, failure.reason) == (grpc.StatusCode.PERMISSION_DENIED, "POLICY_DENIED")
    renewed = stub.RenewCertificate(renewal(days=1), timeout=SECONDS).certificate
    assert renewed.not_after_time.seconds - renewed.issue_time.seconds == DAY


def test_renewal_of_an_hour_does_not_become_a_day(server: RunningServer) -> None:
    identity = identity_of(server.office, common_name="guest", lifetime=timedelta(hours=1))
    stub = CertificateServiceStub(server.channel(identity))

    with failing() as failure:
        stub.RenewCertificate(renewal(days=1), timeout=SECONDS)

    assert failure.code is grpc.StatusCode.PERMISSION_DENIED


def test_administrator_may_renew_for_longer(server: RunningServer) -> None:
    """Who could be issued the longer one need not ask for it twice."""
    identity = identity_of(
        server.office, common_name="brief", organizations=("chancery:administrators",), lifetime=timedelta(hours=1)
    )

    renewed = CertificateServiceStub(server.channel(identity)).RenewCertificate(renewal(days=2), timeout=SECONDS)

    assert renewed.certificate.not_after_time.seconds - renewed.certificate.issue_time.seconds == 2 * DAY


CURBED_RULE = """
apiVersion: chancery.dev/v1alpha1
kind: Policy
rules:
  - name: clerks
    callers: [{certificate: {organizations: ["chancery:administrators"]}}]
    operations: [issue, administer]
    profiles: [server]
    names: {dns: ["*.shop.example"]}
    max_lifetime: 1h
"""


def test_token_does_not_outlive_what_its_creator_could_be_issued(premises: Premises) -> None:
    with premises.open() as office:
        office.settings.policy_file.write_text(CURBED_RULE)
        assert office.policy.refresh()
        desk = TokenDesk(tokens=office.tokens, policy=office.policy, clock=office.clock, entropy=office.entropy)
        asked = Grant(
            profile="server",
            subject=SubjectName(),
            names=SubjectAlternativeNames.parse(dns=("web.shop.example",)),
        )

        _record, secret = desk.create(
            call_of(administrator()), asked, lifetime=timedelta(minutes=5), root_fingerprint=b"\0" * 32
        )

        assert desk.redeem(str(secret))[1].certificate_lifetime == timedelta(hours=1)
        with pytest.raises(PolicyDenied):
            desk.create(
                call_of(administrator()),
                Grant(
                    profile="server",
                    subject=SubjectName(),
                    names=asked.names,
                    certificate_lifetime=timedelta(hours=2),
                ),
                lifetime=timedelta(minutes=5),
                root_fingerprint=b"\0" * 32,
            )
