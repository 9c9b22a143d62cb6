from contextlib import suppress
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import OCSPExtensionOID
from hypothesis import given
from hypothesis import strategies as st

from certs import der
from certs.crl import RevocationReason
from certs.errors import KeyMismatch, MalformedOcspRequest, NotAnIssuer
from certs.keys import KeyType, generate_private_key, verify_signature
from certs.ocsp import Good, OcspError, OcspResponder, Revoked, Unknown, ocsp_error
from certs.ocsp_requests import MAX_CERTIFICATES, OcspRequest
from certs.signing import Signer
from certs.tbs import extension

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def issuer(hierarchy):
    return hierarchy().issuer


@pytest.fixture(scope="module")
def leaf(issuer, make_template):
    return x509.load_der_x509_certificate(Signer(issuer).sign(make_template("server", issuer=issuer)))


@pytest.fixture(scope="module")
def responder(issuer, make_template):
    key = generate_private_key(KeyType.EC_P256)
    certificate = x509.load_der_x509_certificate(Signer(issuer).sign(make_template("ocsp", issuer=issuer, key=key)))
    return OcspResponder(issuer.certificate, certificate, key)


@pytest.fixture(scope="module")
def ask(leaf, issuer):
    """A request for the leaf, DER, as `cryptography` makes it."""

    def make(nonce=None, algorithm=None):
        builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer.certificate, algorithm or hashes.SHA256())
        if nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        return builder.build().public_bytes(Encoding.DER)

    return make


@pytest.fixture(scope="module")
def answer(responder, now):
    def make(request, status, **fields):
        times = {"produced_at": now, "this_update": now, "next_update": now + HOUR}
        statuses = [(one, status) for one in request.certificate_ids]
        return responder.sign(statuses, **{**times, "nonce": request.nonce, **fields})

    return make


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()], ids=["sha1", "sha256"])
def test_a_request_names_the_certificate_and_its_issuer(algorithm, ask, leaf, responder):
    request = OcspRequest.from_bytes(ask(b"n" * 16, algorithm))

    (certificate_id,) = request.certificate_ids
    assert certificate_id.serial == leaf.serial_number
    assert certificate_id.hash_name == algorithm.name
    assert request.nonce == b"n" * 16
    assert responder.is_responsible_for(certificate_id)


def test_a_good_certificate_is_said_to_be_good(ask, answer, leaf, now):
    response = ocsp.load_der_ocsp_response(answer(OcspRequest.from_bytes(ask(b"nonce")), Good()))

    assert response.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert response.serial_number == leaf.serial_number
    assert (response.produced_at_utc, response.this_update_utc, response.next_update_utc) == (now, now, now + HOUR)
    assert response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"nonce"


@pytest.mark.parametrize("reason", RevocationReason)
def test_a_revoked_certificate_is_said_when_and_why(reason, ask, answer, now):
    status = Revoked(revoked_at=now - HOUR, reason=reason)

    response = ocsp.load_der_ocsp_response(answer(OcspRequest.from_bytes(ask()), status))

    assert response.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert response.revocation_time_utc == now - HOUR
    said = response.revocation_reason.name if response.revocation_reason else "unspecified"
    assert said == reason.name.lower()


def test_an_unknown_certificate_is_said_to_be_unknown(ask, answer):
    response = ocsp.load_der_ocsp_response(answer(OcspRequest.from_bytes(ask()), Unknown()))

    assert response.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


def test_good_is_never_said_of_another_issuers_certificate(leaf, hierarchy, answer, responder):
    other = hierarchy(KeyType.EC_P384).issuer.certificate
    built = ocsp.OCSPRequestBuilder().add_certificate(leaf, other, hashes.SHA256()).build()
    request = OcspRequest.from_bytes(built.public_bytes(Encoding.DER))

    assert not responder.is_responsible_for(request.certificate_ids[0])
    assert ocsp.load_der_ocsp_response(answer(request, Good())).certificate_status is ocsp.OCSPCertStatus.UNKNOWN


def test_good_is_never_said_under_a_hash_that_is_not_known(ask, answer):
    request = OcspRequest.from_bytes(ask(algorithm=hashes.SHA512()))

    assert request.certificate_ids[0].hash_name == ""
    assert ocsp.load_der_ocsp_response(answer(request, Good())).certificate_status is ocsp.OCSPCertStatus.UNKNOWN


@pytest.mark.parametrize("key_type", KeyType)
def test_a_ca_of_any_key_type_may_answer_itself(key_type, hierarchy, make_template, now):
    issuer = hierarchy(key_type).issuer
    leaf = x509.load_der_x509_certificate(Signer(issuer).sign(make_template("server", issuer=issuer)))
    built = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer.certificate, hashes.SHA256()).build()
    request = OcspRequest.from_bytes(built.public_bytes(Encoding.DER))
    responder = OcspResponder(issuer.certificate, issuer.certificate, issuer.private_key)

    data = responder.sign(
        [(request.certificate_ids[0], Good())], produced_at=now, this_update=now, next_update=now + HOUR
    )

    response = ocsp.load_der_ocsp_response(data)
    assert response.certificates == []
    verify_signature(issuer.private_key.public_key(), response.signature, response.tbs_response_bytes)


@pytest.mark.parametrize(("status", "said"), [(Good(), "leaf.pem: good"), (None, "leaf.pem: revoked")])
def test_openssl_verifies_the_response_to_its_own_request(
    status, said, answer, issuer, hierarchy, leaf, now, openssl, tmp_path
):
    files = {"leaf": leaf, "issuer": issuer.certificate, "root": hierarchy().root.certificate}
    for name, certificate in files.items():
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    openssl("ocsp", "-issuer", "issuer.pem", "-cert", "leaf.pem", "-reqout", "request.der")
    request = OcspRequest.from_bytes((tmp_path / "request.der").read_bytes())
    revoked = Revoked(revoked_at=now, reason=RevocationReason.SUPERSEDED)
    (tmp_path / "response.der").write_bytes(answer(request, status or revoked))

    verified = (
        "ocsp", "-respin", "response.der", "-CAfile", "root.pem", "-verify_other", "issuer.pem",
        "-attime", f"{now.timestamp():.0f}", "-validity_period", "4000000000",
    )  # fmt: skip
    openssl(*verified, "-reqin", "request.der")
    shown = openssl(*verified, "-no_nonce", "-issuer", "issuer.pem", "-cert", "leaf.pem")

    assert said in shown


def test_several_certificates_are_answered_in_order(ask, responder, now):
    single = OcspRequest.from_bytes(ask()).certificate_ids[0]
    requests = b"".join(der.sequence(single.encoded) for _ in range(3))
    request = OcspRequest.from_bytes(der.sequence(der.sequence(der.encode(der.SEQUENCE, requests))))

    data = responder.sign(
        [(request.certificate_ids[0], Good()), (request.certificate_ids[1], Unknown())],
        produced_at=now, this_update=now, next_update=now + HOUR,
    )  # fmt: skip

    statuses = [one.certificate_status for one in ocsp.load_der_ocsp_response(data).responses]
    assert len(request.certificate_ids) == 3
    assert statuses == [ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.UNKNOWN]


@pytest.mark.parametrize("status", OcspError)
def test_errors_are_not_signed(status):
    assert ocsp.load_der_ocsp_response(ocsp_error(status)).response_status.value == status


@pytest.mark.parametrize("size", [0, 129])
def test_a_nonce_of_a_wrong_size_is_refused(size, ask):
    with pytest.raises(MalformedOcspRequest, match="nonce"):
        OcspRequest.from_bytes(ask(bytes(size)))


def test_too_many_certificates_and_too_many_octets_are_refused(ask):
    single = OcspRequest.from_bytes(ask()).certificate_ids[0]
    requests = b"".join(der.sequence(single.encoded) for _ in range(MAX_CERTIFICATES + 1))

    with pytest.raises(MalformedOcspRequest, match="ask for 1 to"):
        OcspRequest.from_bytes(der.sequence(der.sequence(der.encode(der.SEQUENCE, requests))))
    with pytest.raises(MalformedOcspRequest, match="send at most"):
        OcspRequest.from_bytes(bytes(20_000))
    with pytest.raises(MalformedOcspRequest, match="ask for 1 to"):
        OcspRequest.from_bytes(der.sequence(der.sequence(der.sequence())))


def test_a_critical_extension_that_is_not_understood_is_refused(leaf, issuer):
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer.certificate, hashes.SHA256())

    OcspRequest.from_bytes(builder.add_extension(unknown, critical=False).build().public_bytes(Encoding.DER))
    with pytest.raises(MalformedOcspRequest, match="critical"):
        OcspRequest.from_bytes(builder.add_extension(unknown, critical=True).build().public_bytes(Encoding.DER))


CERTIFICATE_ID = "30 0d 06 09 6086480165 03040201 0500 04 01 aa 04 01 bb 02 01 07"


def request_of(certificate_id, before="", after="", inside=""):
    """A request of one CertID, with more elements of hexadecimal DER around it."""
    before, after, inside, certificate_id = (bytes.fromhex(one) for one in (before, after, inside, certificate_id))
    requests = der.sequence(der.sequence(der.sequence(certificate_id), inside))
    return der.sequence(der.sequence(before, requests, after))


@pytest.mark.parametrize("before", ["", "a003020100", "a103810161", "a003020100 a103810161"])
def test_version_and_requestor_may_be_stated(before):
    (certificate_id,) = OcspRequest.from_bytes(request_of(CERTIFICATE_ID, before)).certificate_ids

    assert (certificate_id.hash_name, certificate_id.serial) == ("sha256", 7)
    assert (certificate_id.issuer_name_hash, certificate_id.issuer_key_hash) == (b"\xaa", b"\xbb")


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        ({"before": "a003020101"}, "version 1"),
        ({"after": "a2023000 0500"}, "has not"),
        ({"inside": "a00b 3009 3007 0602 2a03 0101ff"}, "critical"),
        ({"certificate_id": CERTIFICATE_ID.replace("0500", "0101")}, "no OCSP request"),
        ({"certificate_id": CERTIFICATE_ID.replace("30 0d", "30 0e").replace("0500", "020100")}, "parameters"),
        ({"certificate_id": CERTIFICATE_ID.replace("02 01 07", "02 15" + "01" * 21)}, "1 to 20 octets"),
    ],
)
def test_requests_outside_the_grammar_are_malformed(parts, match):
    with pytest.raises(MalformedOcspRequest, match=match):
        OcspRequest.from_bytes(request_of(**{"certificate_id": CERTIFICATE_ID, **parts}))


def test_two_nonces_are_refused():
    nonce = extension(OCSPExtensionOID.NONCE, der.encode(der.OCTET_STRING, b"n"))
    extensions = der.encode(der.context(2, constructed=True), der.sequence(nonce, nonce))

    with pytest.raises(MalformedOcspRequest, match="two nonces"):
        OcspRequest.from_bytes(request_of(CERTIFICATE_ID, after=extensions.hex()))


@given(data=st.binary(max_size=200))
def test_anything_else_is_malformed(data):
    with pytest.raises(MalformedOcspRequest):
        OcspRequest.from_bytes(data)


@given(position=st.integers(0, 10_000), octet=st.integers(0, 255))
def test_a_damaged_request_is_read_or_malformed(position, octet, ask):
    data = bytearray(ask(b"n" * 16))
    data[position % len(data)] = octet

    with suppress(MalformedOcspRequest):
        OcspRequest.from_bytes(bytes(data))


def test_a_responder_is_certified_by_the_ca_for_that_purpose(issuer, hierarchy, leaf, make_template, private_key):
    key = private_key(KeyType.EC_P256)
    other = hierarchy(KeyType.EC_P384).issuer
    foreign = x509.load_der_x509_certificate(Signer(other).sign(make_template("ocsp", issuer=other)))

    with pytest.raises(NotAnIssuer, match="not for OCSP"):
        OcspResponder(issuer.certificate, leaf, key)
    with pytest.raises(NotAnIssuer, match="not of the CA"):
        OcspResponder(issuer.certificate, foreign, key)
    with pytest.raises(KeyMismatch):
        OcspResponder(issuer.certificate, leaf, issuer.private_key)
