"""An agent beside a service, over a real authority: what it publishes, and what it survives."""

import contextlib
import json
import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from agent.errors import (
    AuthorityUnreachable,
    AuthorityUntrusted,
    ReloadFailed,
    RenewalFailed,
    RequestRefused,
    StorageFull,
    TokenUnreadable,
)
from agent.renewer import Reloaded, Renewed, TrustChanged
from agent.tls import client_context
from certs.pem import split_certificates
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1 import certificate_service_pb2 as certificates
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.agent.pods import SPIFFE_ID, limited_files, new_token, pod_of
from tests.ca.offices import FixedClock, total_of
from tests.ca.server import running_server

ENROLL, RENEW, TRUST = "POST /v1/enroll", "POST /v1/certificates:renew", "GET /v1/trust-bundle"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("ca") / "data", rotation_settle="1s") as server:
        yield server


@pytest.fixture
def own_server(tmp_path):
    with running_server(tmp_path / "data", rotation_settle="1s") as server:
        yield server


@pytest.fixture
def pod(server, tmp_path):
    return pod_of(server, tmp_path)


class Hook:
    description = "hook"

    def __init__(self) -> None:
        self.runs = 0
        self.is_broken = False

    def run(self) -> None:
        self.runs += 1
        if self.is_broken:
            raise ReloadFailed("no")


def test_first_certificate_is_had_with_a_token_and_published_as_one(pod):
    pod.run()

    names = ["bundle.pem", "ca.crt", "identity.json", "tls.crt", "tls.key"]
    assert sorted(path.name for path in pod.directory.iterdir() if path.name[0] not in "._") == names
    assert all((pod.directory / name).readlink() == Path("..data") / name for name in names)
    modes = {name: (pod.directory / name).stat().st_mode & 0o777 for name in names}
    assert modes == {
        "bundle.pem": 0o440,
        "ca.crt": 0o644,
        "identity.json": 0o644,
        "tls.crt": 0o644,
        "tls.key": 0o440,
    }
    assert (pod.directory / "bundle.pem").read_bytes() == pod.held.private_key + pod.held.certificate_chain
    told = json.loads((pod.directory / "identity.json").read_text())
    assert told["spiffe_id"] == SPIFFE_ID
    assert told["serial_number"] == f"{pod.held.leaf.serial_number:032x}"
    assert told["not_after_time"] == f"{pod.held.not_after:%Y-%m-%dT%H:%M:%SZ}"
    assert pod.line.asked == [ENROLL, TRUST, TRUST]
    assert pod.failures == []


def test_agent_that_dies_before_it_publishes_gets_what_it_was_given(pod, server):
    """Its token is good for one certificate."""
    total = total_of(server.office)
    pod.directory.mkdir()
    given = pod.enrollment()(None)
    pod.run()

    assert pod.failures == []
    assert pod.held.fingerprint == given.fingerprint
    assert total_of(server.office) == total + 1


def test_restart_with_valid_files_asks_for_no_certificate(pod, server):
    pod.run()
    before, total = pod.held.fingerprint, total_of(server.office)
    pod.restart()
    pod.token_file.unlink()
    pod.run(turns=2)

    assert pod.held.fingerprint == before
    assert total_of(server.office) == total
    assert {ENROLL, RENEW}.isdisjoint(pod.line.asked)


def test_authority_that_is_away_at_the_start_is_asked_until_it_is_there(pod):
    pod.line.is_cut = True

    def on_pause(number: int) -> None:
        pod.line.is_cut = number < 12

    pod.on_pause = on_pause
    pod.run(turns=13)

    waits = pod.pauses[:12]
    assert waits[0] <= 1
    assert waits[-1] > 25
    assert max(waits) <= 60
    assert all(isinstance(one.error, AuthorityUnreachable) for one in pod.failures)
    assert len(pod.failures) == 12
    assert pod.held.leaf


def test_once_gives_up_only_without_a_certificate(pod):
    pod.line.is_cut = True
    pod._turns = 100

    with pytest.raises(AuthorityUnreachable):
        pod.workload.run_once(patience=timedelta(seconds=30))
    tried = len(pod.pauses)
    pod.line.is_cut = False
    pod.workload.run_once(patience=timedelta(seconds=30))
    pod.line.is_cut = True
    pod.clock.advance(timedelta(hours=20))
    pod.workload.run_once(patience=timedelta(seconds=30))
    pod.clock.advance(timedelta(hours=20))
    with pytest.raises(RenewalFailed, match="expired"):
        pod.workload.run_once(patience=timedelta(seconds=30))

    assert tried > 3
    assert sum(pod.pauses[:tried]) <= 30


def test_certificate_renews_itself_without_a_token(pod, server):
    pod.run()
    before = pod.held
    pod.token_file.unlink()
    pod.clock.advance(timedelta(hours=17))
    pod.run()

    assert pod.held.fingerprint != before.fingerprint
    assert pod.held.private_key != before.private_key
    assert SPIFFE_ID in str(pod.held.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName))
    assert pod.line.asked.count(RENEW) == 1
    assert pod.failures == []


def test_authority_that_is_away_later_costs_nothing_that_is_held(pod):
    pod.run()
    before = pod.held.fingerprint
    pod.line.is_cut = True
    pod.clock.advance(timedelta(hours=17))
    pod.run(turns=5)
    during = pod.held.fingerprint
    pod.line.is_cut = False
    pod.clock.advance(timedelta(minutes=10))
    pod.run()

    assert during == before
    assert {one.step for one in pod.failures} == {"trust", "renew"}
    assert pod.held.fingerprint != before


def test_machine_that_slept_beyond_its_renewal_renews_at_the_next_look(pod):
    pod.run()
    before = pod.held.fingerprint
    pod.on_pause = lambda number: pod.clock.advance(timedelta(hours=20)) if number == 3 else None
    pod.run(turns=3)

    assert pod.pauses[2] <= 60
    assert pod.held.fingerprint != before
    assert pod.failures == []


def test_clock_that_jumps_back_and_forth_costs_one_renewal_at_most(pod, server):
    pod.run()
    total = total_of(server.office)
    for hours in (-48, 48, -1, 1):
        pod.clock.advance(timedelta(hours=hours))
        pod.run(turns=3)
    unmoved = total_of(server.office)
    pod.clock.advance(timedelta(days=3))
    pod.run(turns=3)
    ahead = total_of(server.office)
    pod.clock.advance(timedelta(days=-3))
    pod.run(turns=3)

    assert unmoved == total
    assert total < ahead <= total + 3
    assert total_of(server.office) == ahead
    assert pod.held.not_after > pod.clock()


def test_token_is_read_anew_each_time(pod, server):
    pod.token_file.write_text("chancery1.0000.0000")
    pod.on_pause = lambda number: pod.token_file.write_text(new_token(server)) if number == 2 else None
    pod.run(turns=3)

    assert [type(one.error) for one in pod.failures] == [RequestRefused, RequestRefused]
    assert pod.failures[0].error.refusal == "TOKEN_REFUSED"
    assert pod.held.leaf


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"a" * 70_000, b"two\nlines"], ids=["none", "binary", "long", "two"]
)
def test_file_that_holds_no_token_is_not_sent(pod, content):
    pod.token_file.write_bytes(content)
    pod.run()

    assert isinstance(pod.failures[0].error, TokenUnreadable)
    assert pod.line.asked == []


def test_answer_that_was_lost_is_asked_for_again_with_the_same_key(pod, server):
    pod.run()
    total = total_of(server.office)
    pod.clock.advance(timedelta(hours=17))
    ask, lost = pod.line.ask, []

    def losing(verb, path, **options):
        answer = ask(verb, path, **options)
        if path == "/v1/certificates:renew" and not lost:
            lost.append(answer["certificate"]["certificate_pem"])
            raise AuthorityUnreachable("the answer was lost")
        return answer

    pod.line.ask = losing
    pod.on_pause = lambda _number: pod.clock.advance(timedelta(seconds=2))
    pod.run(turns=2)

    assert total_of(server.office) == total + 1
    assert pod.held.certificate_chain.decode().startswith(lost[0])


def test_revoked_certificate_is_replaced_by_way_of_the_token(pod, server):
    pod.run()
    revoke = certificates.RevokeCertificateRequest(id=f"{pod.held.leaf.serial_number:032x}")
    CertificateServiceStub(server.channel()).RevokeCertificate(revoke, timeout=60)
    before = pod.held.fingerprint
    pod.token_file.write_text(new_token(server))
    pod.clock.advance(timedelta(hours=17))
    pod.run()

    assert pod.held.fingerprint != before
    assert "CALLER_REVOKED" in pod.notes[0] or "revoked" in pod.notes[0]
    assert pod.failures == []


def test_full_disk_costs_neither_the_old_files_nor_the_new_certificate(pod, server):
    pod.run()
    before, total = pod.held, total_of(server.office)
    pod.clock.advance(timedelta(hours=17))
    publish = pod.workload._publication.publish
    disk = {"is_full": True}

    class Disk:
        directory = pod.directory

        def publish(self, credentials):
            if not disk["is_full"]:
                return publish(credentials)
            with limited_files(512):
                return publish(credentials)

    pod.workload._publication = Disk()
    pod.run()
    during = pod.held
    disk["is_full"] = False
    pod.clock.advance(timedelta(minutes=1))
    pod.run()

    assert isinstance(pod.failures[0].error, StorageFull)
    assert during == before
    assert pod.held.fingerprint != before.fingerprint
    assert total_of(server.office) == total + 1


def test_files_that_were_taken_away_come_back(pod, server):
    pod.run()
    before, total = pod.held, total_of(server.office)
    (pod.directory / "..data").unlink()
    for name in ("tls.crt", "tls.key"):
        (pod.directory / name).unlink()
    pod.run()

    assert pod.held == before
    assert total_of(server.office) == total


def test_hook_that_fails_is_run_again_and_costs_no_certificate(pod):
    pod.clock = FixedClock(pod.clock())  # or a machine may be so slow that it is time to renew once more
    hook = Hook()
    pod.hooks = (hook,)
    pod.run()
    first = hook.runs
    hook.is_broken = True
    pod.clock.advance(timedelta(hours=17))
    pod.run(turns=2)
    hook.is_broken = False
    pod.run(turns=2)

    assert first == 0
    assert hook.runs == 3
    assert len([event for event in pod.events if isinstance(event, Reloaded)]) == 1
    assert {one.step for one in pod.failures} == {"hook"}


def test_new_root_is_followed_and_reported_once_everybody_was_told(own_server, tmp_path):
    hook = Hook()
    pod = pod_of(own_server, tmp_path, hooks=(hook,))
    administration = AdminServiceStub(own_server.channel())
    pod.run()
    before = pod.held
    hook.is_broken = True
    start = admin.StartRotationRequest(kind=admin.ROTATION_KIND_ROOT, haste=admin.ROTATION_HASTE_NOW)
    administration.StartRotation(start, timeout=60)
    pod.run(turns=3)
    untold = held_by_pod(administration)
    between = pod.held
    hook.is_broken = False
    pod.run(turns=2)

    assert untold == 1
    assert (between.fingerprint, len(split_certificates(between.trust_bundle))) == (before.fingerprint, 2)
    assert held_by_pod(administration) == 2
    assert any(isinstance(event, TrustChanged) for event in pod.events)


def held_by_pod(administration: AdminServiceStub) -> int:
    answer = administration.GetRotation(admin.GetRotationRequest(), timeout=60)
    (held,) = [one.held_generation for one in answer.consumers if one.name == f"{SPIFFE_ID} pod"]
    return int(held)


def test_certificate_of_an_issuing_ca_that_is_replaced_is_renewed_at_once(own_server, tmp_path):
    pod = pod_of(own_server, tmp_path)
    administration = AdminServiceStub(own_server.channel())
    pod.run()
    before = pod.held
    start = admin.StartRotationRequest(kind=admin.ROTATION_KIND_ISSUER, haste=admin.ROTATION_HASTE_NOW)
    administration.StartRotation(start, timeout=60)
    own_server.clock.advance(timedelta(seconds=20))
    for _ in range(200):
        pod.run()
        if pod.held.fingerprint != before.fingerprint:
            break
        time.sleep(0.25)

    assert pod.held.leaf.issuer != before.leaf.issuer
    assert len([event for event in pod.events if isinstance(event, Renewed)]) == 2


def test_emergency_that_it_slept_through_is_survived_by_way_of_the_bootstrap_file_and_the_token(own_server, tmp_path):
    pod = pod_of(own_server, tmp_path)
    pod.run()
    before, another = pod.held, new_token(own_server)
    start = admin.StartRotationRequest(kind=admin.ROTATION_KIND_ROOT, haste=admin.ROTATION_HASTE_EMERGENCY)
    AdminServiceStub(own_server.channel()).StartRotation(start, timeout=60)
    old_roots = client_context(before.trust_bundle)
    with contextlib.suppress(AuthorityUntrusted):
        for _ in range(600):
            pod.line.server.ask("GET", "/v1/trust-bundle", context=old_roots)
            time.sleep(0.1)
    pod.token_file.write_text(another)
    pod.run()
    untrusting = pod.held
    pod.bootstrap.write_bytes(own_server.office.issuers.bundle.pem)
    for _ in range(100):
        time.sleep(0.1)
        pod.clock.advance(timedelta(minutes=5))
        pod.run()
        if pod.held.fingerprint != before.fingerprint:
            break

    assert untrusting == before
    assert pod.held.trust_bundle == own_server.office.issuers.bundle.pem
    assert pod.held.leaf.issuer != before.leaf.issuer
    assert all(isinstance(one.error, RenewalFailed) for one in pod.failures)
