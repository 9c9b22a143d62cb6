"""What everybody may ask for, CRLs and OCSP, costs the server no more memory than it decides itself."""

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from ca.crls import CrlPublisher
from ca.ocsp import OcspDesk
from ca.office import Office
from certs import der
from certs.fingerprints import certificate_fingerprint
from certs.ocsp_requests import key_bits
from tests.ca.offices import Premises, order_for


@pytest.fixture
def desk(office: Office) -> OcspDesk:
    return OcspDesk(
        authority=office.authority,
        issuers=office.issuers,
        inventory=office.inventory,
        revocations=office.revocations,
        key_factory=office.key_factory,
        clock=office.clock,
    )


def publisher_of(office: Office) -> CrlPublisher:
    return CrlPublisher(
        inventory=office.inventory,
        authorities=office.authorities,
        issuers=office.issuers,
        revocations=office.revocations,
        settings=office.settings.issuance,
        clock=office.clock,
    )


def request_with(name_hash: bytes, key_hash: bytes, serial: int) -> bytes:
    sha256 = der.sequence(der.object_identifier("2.16.840.1.101.3.4.2.1"))
    certificate_id = der.sequence(
        sha256, der.encode(der.OCTET_STRING, name_hash), der.encode(der.OCTET_STRING, key_hash), der.integer(serial)
    )
    return der.sequence(der.sequence(der.sequence(der.sequence(certificate_id))))


def test_answers_about_other_issuers_are_not_kept(desk: OcspDesk) -> None:
    for number in range(8):
        answer = desk.answer(request_with(bytes(12_000), bytes([number]) * 32, 1))
        assert ocsp.load_der_ocsp_response(answer.der).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED

    assert not desk._answers


def test_serial_of_ours_under_another_issuer_is_not_good(desk: OcspDesk, office: Office) -> None:
    """Asked beside one that is ours, so that there is an answer at all."""
    record = office.authority.issue(order_for("web.example"))
    serial = int.from_bytes(record.serial)
    issuer = office.issuers.active().issuer.certificate
    own = ocsp.OCSPRequestBuilder().add_certificate(x509.load_der_x509_certificate(record.der), issuer, hashes.SHA256())
    (own_request,) = der.split(der.content(der.content(own.build().public_bytes(serialization.Encoding.DER))))
    foreign = request_with(hashlib.sha256(b"other").digest(), hashlib.sha256(b"key").digest(), serial)
    (foreign_request,) = der.split(der.content(der.content(foreign)))
    both = der.sequence(der.sequence(der.sequence(der.content(own_request), der.content(foreign_request))))

    answer = ocsp.load_der_ocsp_response(desk.answer(both).der)

    assert [one.certificate_status for one in answer.responses] == [
        ocsp.OCSPCertStatus.GOOD,
        ocsp.OCSPCertStatus.UNKNOWN,
    ]


@pytest.mark.parametrize("serial", [0, -1, 1 << 158, int(b"f" * 32, 16)])
def test_serial_that_was_never_issued_is_not_good(desk: OcspDesk, office: Office, serial: int) -> None:
    issuer = office.issuers.active().issuer.certificate
    name_hash = hashlib.sha256(issuer.subject.public_bytes()).digest()

    answer = desk.answer(request_with(name_hash, hashlib.sha256(key_bits(issuer)).digest(), serial))

    assert ocsp.load_der_ocsp_response(answer.der).certificate_status is ocsp.OCSPCertStatus.UNKNOWN


def test_complete_list_is_kept_once_for_all_shards(office: Office) -> None:
    """There are 1,024 shards that anybody may ask for, and without a base URL each list holds everything."""
    publisher, issuer_id = publisher_of(office), office.issuers.active().id

    lists = {publisher.current(issuer_id, shard).der for shard in range(64)}

    assert len(lists) == 1
    assert len(publisher._published) == 1


def test_unknown_issuers_make_no_lists(premises: Premises) -> None:
    with premises.open() as office:
        publisher = publisher_of(office)
        root = next(one for one in office.issuers.records if one.profile == "root")

        for issuer_id in ("0" * 32, root.id, certificate_fingerprint(root.certificate).hex()[:32]):
            with pytest.raises(Exception, match="issuing CA"):
                publisher.current(issuer_id, 0)
        assert not publisher._published
