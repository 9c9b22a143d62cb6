"""SIGKILL of one replica, under load and in mid-rotation: what it told anybody is kept, and the other goes on at once."""

import random
import ssl
import time
import urllib.request

import grpc
import pytest

from ca.ambient import Secrets
from ca.office import issue_administrator
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from store.audit import AuditTrail
from store.inventory import Inventory
from store.keys_at_rest import KeysAtRest
from tests.ca.load import Asked, Load, enroll_request, new_request, signing_request
from tests.ca.offices import Premises
from tests.ca.replicas.persistence import persisting
from tests.ca.replicas.replicas import (
    PASSPHRASE,
    SECONDS,
    at_once,
    code_of,
    eventually,
    opened,
    running_replicas,
)
from tests.ca.server import MovableClock

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

_ROUNDS = 3
_AT_ONCE = 9.0
"""Seconds, beside what answers take anyhow; a lock that was left held would be waited for for ten or more."""


def seconds_for_answers(ledger):
    answered = len(ledger.answers)
    return eventually(lambda: len(ledger.answers) > answered + 2)


def test_what_a_killed_replica_acknowledged_is_kept_and_the_other_goes_on_at_once(tmp_path, postgresql_url):
    moments = random.Random(31)
    with running_replicas(tmp_path, postgresql_url, count=2) as (one, other):
        for number in range(_ROUNDS):
            load = Load(one, label=f"killed-{number}")
            with persisting([other], f"living-{number}", clients=2) as living:
                load.start()
                usual = seconds_for_answers(living)
                time.sleep(moments.uniform(0.05, 0.6))
                one.kill()
                assert seconds_for_answers(living) < _AT_ONCE + usual
                ledger = load.join()
                one.close_channels()

            living.verify_all_are_recorded(postgresql_url)
            assert not living.failures
            assert {code_of(failure) for failure in ledger.failures} <= {grpc.StatusCode.UNAVAILABLE}
            verify_kept(ledger, other, postgresql_url)
            one.start()
        assert [replica.stop() for replica in (one, other)] == [0, 0]


def verify_kept(ledger, other, url):
    with opened(url) as database:
        recorded = {record.id for record in Inventory(database).after(0, limit=100_000)}
        AuditTrail(database).verify_chain()
    assert ledger.certificates
    assert ledger.certificates.keys() <= recorded
    signing, enrolling = CertificateServiceStub(other.channel()), EnrollmentServiceStub(other.public_channel())
    for asked in ledger.unanswered:
        answers = [
            enrolling.Enroll(enroll_request(asked), timeout=SECONDS)
            if asked.token
            else signing.SignCsr(signing_request(asked), timeout=SECONDS)
            for _ in range(2)
        ]
        assert len({answer.certificate.id for answer in answers}) == 1
    for asked, certificate_id in ledger.answered[-5:]:
        if not asked.token:
            assert signing.SignCsr(signing_request(asked), timeout=SECONDS).certificate.id == certificate_id
    thefts = [Asked(request_id="theft", csr=new_request(), token=one.token) for one, _ in ledger.answered if one.token]
    for theft in thefts[-5:]:
        (outcome,) = at_once([lambda theft=theft: enrolling.Enroll(enroll_request(theft), timeout=SECONDS)])
        assert code_of(outcome) is grpc.StatusCode.UNAUTHENTICATED


def test_killed_at_any_instant_of_a_rotation_in_haste_it_leaves_one_that_the_other_ends(tmp_path, postgresql_url):
    """An emergency makes all its writes back to back, and the keys are among them."""
    moments, seen = random.Random(32), set()
    with (
        running_replicas(tmp_path, postgresql_url, count=2) as (one, other),
        Premises(directory=tmp_path / "third", clock=MovableClock()).open(
            database=postgresql_url, secrets=Secrets(passphrase=PASSPHRASE.encode())
        ) as third,
    ):
        for kind in ("ISSUER", "ROOT", "ISSUER", "ROOT"):
            desk = AdminServiceStub(channel_as(fresh_administrator(third), one))
            request = admin.StartRotationRequest(kind=f"ROTATION_KIND_{kind}", haste="ROTATION_HASTE_EMERGENCY")
            start = desk.StartRotation.future(request, timeout=SECONDS)
            time.sleep(moments.uniform(0.0, 0.5))
            one.kill()
            one.close_channels()
            start.cancel()
            seen.add(phase_of(third))

            eventually(lambda: phase_of(third) in {"none", "stable"})
            active = verify_one_hierarchy(third)
            stub = CertificateServiceStub(channel_as(fresh_administrator(third), other))
            eventually(lambda stub=stub, active=active: issuer_at(stub) == active)
            one.start()
        assert seen


def fresh_administrator(office):
    """An emergency revokes what there was, administrators' certificates among it."""
    office.issuers.refresh()
    return issue_administrator(office, common_name="administrator")


def channel_as(identity, replica):
    eventually(lambda: identity.roots == fetch_roots(replica))
    credentials = grpc.ssl_channel_credentials(identity.roots, identity.private_key, identity.chain)
    own = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
    return replica._kept(grpc.secure_channel(replica.endpoints["grpc"], credentials, own))


def fetch_roots(replica):
    """Whoever it is: what matters is that it has followed."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(replica.endpoints["http"] + "/roots.pem", context=anybody, timeout=SECONDS) as answer:
        return answer.read()


def phase_of(office):
    rotation = office.rotations.rotations.latest()
    return "none" if rotation is None else rotation.phase


def verify_one_hierarchy(office):
    """The id of the one issuing CA that signs, below the one root that is trusted, with their keys at hand."""
    office.issuers.refresh()
    AuditTrail(office.database).verify_chain()
    active = {record.profile: record.id for record in office.issuers.records if record.state == "active"}
    assert active.keys() - {"cross"} == {"root", "intermediate"}
    assert sum(record.state == "active" for record in office.issuers.records if record.profile != "cross") == 2
    assert set(active.values()) - {active.get("cross")} <= set(KeysAtRest(office.database).ids())
    assert office.issuers.root_id(active["intermediate"]) == active["root"]
    return active["intermediate"]


def issuer_at(stub):
    (outcome,) = at_once(
        [lambda: stub.SignCsr(signing_request(Asked(request_id="", csr=new_request())), timeout=SECONDS)]
    )
    return None if isinstance(outcome, Exception) else outcome.certificate.issuer_id
