"""Three replicas, one authority: whichever is asked, the answer is the same, and what happens once happens once for all."""

import threading
import urllib.error
from itertools import pairwise

import grpc
import pytest
from cryptography import x509

from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from store.audit import AuditTrail
from store.authorities import Authorities
from store.inventory import Inventory
from tests.ca.load import Asked, enroll_request, new_request, signing_request, token_request
from tests.ca.replicas.replicas import (
    SECONDS,
    at_once,
    certificates_of,
    client_identity,
    code_of,
    eventually,
    fetch,
    opened,
)
from tests.threads import join

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

_FOLLOWED_WITHIN = 40.0  # seconds; a look every two, on a machine that is busy with other tests


def sign(replica, request_id="", csr=b""):
    return certificates_of(replica).SignCsr(
        signing_request(Asked(request_id=request_id, csr=csr or new_request())), timeout=SECONDS
    )


def test_of_replicas_that_start_together_one_founds_and_the_others_adopt(replicas, shared_url):
    with opened(shared_url) as database:
        profiles = [record.profile for record in Authorities(database).list()]

    assert profiles == ["root", "intermediate"]
    assert len({fetch(replica, "/roots.pem") for replica in replicas}) == 1
    assert not any((replica.data_directory / "keys").exists() for replica in replicas)
    assert len({sign(replica).certificate.issuer_id for replica in replicas}) == 1


def test_what_one_issued_the_others_fetch_renew_and_revoke(replicas):
    one, two, three = replicas
    holder = client_identity(one, "travelling")

    found = certificates_of(two).GetCertificate(
        service.GetCertificateRequest(id=holder.certificate_id), timeout=SECONDS
    )
    renewed = certificates_of(two, holder).RenewCertificate(
        service.RenewCertificateRequest(csr=new_request()), timeout=SECONDS
    )
    certificates_of(three).RevokeCertificate(
        service.RevokeCertificateRequest(id=holder.certificate_id, reason="REVOCATION_REASON_SUPERSEDED"),
        timeout=SECONDS,
    )

    assert found.certificate.certificate_pem.encode() in holder.chain
    assert renewed.certificate.id != holder.certificate_id

    def is_refused_by(replica):
        stub = certificates_of(replica, holder)
        (outcome,) = at_once([lambda: stub.GetCsrTemplate(service.GetCsrTemplateRequest(), timeout=SECONDS)])
        return code_of(outcome) is grpc.StatusCode.UNAUTHENTICATED

    assert is_refused_by(three)
    for other in (one, two):
        assert eventually(lambda other=other: is_refused_by(other)) < _FOLLOWED_WITHIN


def test_a_watch_at_one_is_told_what_another_issues(replicas):
    one, two, _ = replicas
    watch = certificates_of(one).WatchCertificates(service.WatchCertificatesRequest(), timeout=SECONDS)
    seen = []
    reading = threading.Thread(target=lambda: seen.append(next(watch)), daemon=True)
    reading.start()

    eventually(lambda: bool(sign(two)) and bool(seen))

    assert seen
    watch.cancel()
    join(reading)


def test_a_request_id_gives_one_certificate_whoever_is_asked(replicas):
    asked = Asked(request_id="one-for-all", csr=new_request())
    stubs = [certificates_of(replica) for replica in replicas * 3]

    raced = at_once([lambda stub=stub: stub.SignCsr(signing_request(asked), timeout=SECONDS) for stub in stubs])
    later = [sign(replica, asked.request_id, asked.csr) for replica in replicas]

    assert len({answer.certificate.certificate_pem for answer in (*raced, *later)}) == 1


def test_a_token_raced_at_all_replicas_is_spent_once(replicas):
    for _ in range(3):
        token = AdminServiceStub(replicas[0].channel()).CreateToken(token_request(), timeout=SECONDS).secret
        thieves = [Asked(request_id=f"thief-{number}", csr=new_request(), token=token) for number in range(6)]
        stubs = [EnrollmentServiceStub(replica.public_channel()) for replica in replicas * 2]

        outcomes = at_once(
            [
                lambda stub=stub, thief=thief: stub.Enroll(enroll_request(thief), timeout=SECONDS)
                for stub, thief in zip(stubs, thieves, strict=True)
            ]
        )

        codes = sorted((code_of(outcome) for outcome in outcomes), key=lambda code: code.value[0])
        assert codes == [grpc.StatusCode.OK] + [grpc.StatusCode.UNAUTHENTICATED] * 5


def test_a_private_key_is_fetched_once_from_all_replicas(replicas):
    names = wire.SubjectAlternativeNames(dns_names=["key.example"])
    issued = certificates_of(replicas[0]).IssueCertificate(
        service.IssueCertificateRequest(names=names, request_id="with-key"), timeout=SECONDS
    )
    request = service.GetPrivateKeyRequest(certificate_id=issued.certificate.id)
    stubs = [certificates_of(replica) for replica in replicas * 2]

    outcomes = at_once([lambda stub=stub: stub.GetPrivateKey(request, timeout=SECONDS) for stub in stubs])

    codes = sorted((code_of(outcome) for outcome in outcomes), key=lambda code: code.value[0])
    assert codes == [grpc.StatusCode.OK] + [grpc.StatusCode.NOT_FOUND] * 5


def test_serials_are_unique_and_the_audit_chain_holds_under_load_on_all_replicas(replicas, shared_url):
    csr = new_request()

    def many(replica, number):
        stub = certificates_of(replica)
        requests = (signing_request(Asked(request_id=f"load-{number}-{one}", csr=csr)) for one in range(40))
        return [stub.SignCsr(request, timeout=SECONDS).certificate for request in requests]

    work = [lambda replica=replica, number=number: many(replica, number) for number, replica in enumerate(replicas * 2)]
    batches = at_once(work)

    certificates = [certificate for batch in batches for certificate in batch]
    serials = {x509.load_pem_x509_certificate(one.certificate_pem.encode()).serial_number for one in certificates}
    assert len(serials) == len({one.id for one in certificates}) == len(certificates) == 240
    with opened(shared_url) as database:
        AuditTrail(database).verify_chain()
        records = Inventory(database).after(0, limit=10_000)
        assert [record.sequence for record in records] == list(range(1, len(records) + 1))
        assert len({record.serial for record in records}) == len(records)
        assert {one.id for one in certificates} <= {record.id for record in records}


def test_numbers_of_crls_grow_across_replicas_and_no_larger_one_lacks_a_revocation(replicas, shared_url):
    with opened(shared_url) as database:
        issuer = next(one.id for one in Authorities(database).list() if one.profile == "intermediate")
    lists = []
    for number in range(6):
        replica = replicas[number % 3]
        certificate = sign(replica).certificate
        request = service.RevokeCertificateRequest(id=certificate.id, reason="REVOCATION_REASON_SUPERSEDED")
        certificates_of(replicas[(number + 1) % 3]).RevokeCertificate(request, timeout=SECONDS)
        serial = x509.load_pem_x509_certificate(certificate.certificate_pem.encode()).serial_number
        eventually(lambda replica=replica, serial=serial: serial in serials_of(crl_of(replica, issuer)))
        lists += [crl_of(one, issuer) for one in replicas]

    by_number = {number_of(crl): crl for crl in lists}
    ordered = [serials_of(by_number[number]) for number in sorted(by_number)]
    assert len(by_number) >= 6
    assert all(earlier <= later for earlier, later in pairwise(ordered))
    for replica in replicas:
        theirs = [number_of(crl) for crl in lists[replicas.index(replica) :: 3]]
        assert theirs == sorted(theirs)


def crl_of(replica, issuer):
    return x509.load_der_x509_crl(fetch(replica, f"/crl/{issuer}/0.crl"))


def number_of(crl):
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def serials_of(crl):
    return {one.serial_number for one in crl}


def test_a_replica_with_another_passphrase_does_not_start(replicas, tmp_path, shared_url):
    stranger = type(replicas[0])(home=tmp_path / "stranger", settings={"database": shared_url, "passphrase": "another"})
    stranger.launch()

    assert stranger.process.wait(SECONDS) != 0
    assert stranger.process.stdout is not None
    stranger.process.stdout.close()
    last = stranger.log.strip().splitlines()
    assert any("the passphrase in CHANCERY_PASSPHRASE does not open" in line for line in last), last
    assert not any("Traceback" in line for line in last)


def test_the_administration_of_one_is_seen_by_the_others(replicas):
    created = AdminServiceStub(replicas[0].channel()).CreateToken(token_request(), timeout=SECONDS)
    listed = AdminServiceStub(replicas[1].channel()).ListTokens(admin.ListTokensRequest(page_size=100), timeout=SECONDS)

    assert created.token.id in {token.id for token in listed.tokens}
    with pytest.raises(urllib.error.HTTPError):
        fetch(replicas[2], "/crl/none/0.crl")
