from collections.abc import Callable
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import (
    CaRequested,
    CertsError,
    MalformedName,
    MalformedRequest,
    RequestTooLarge,
    TooManyNames,
    UnprovenPossession,
    UnsupportedKeyType,
    WeakKey,
)
from certs.keys import (
    KeyType,
    PrivateKey,
    encode_private_key,
    key_type_of,
    sign,
    signature_hash,
    subject_public_key_info,
)
from certs.names import MAX_NAMES, SubjectAlternativeNames, SubjectName
from certs.requests import MAX_REQUEST_OCTETS, CertificateRequest, build_request

SUBJECT = SubjectName(common_name="web", organizations=("Example",))
NAMES = SubjectAlternativeNames.parse(
    dns=["web.example.com", "*.web.example.com"],
    ips=["10.0.0.7", "fd00::7"],
    uris=["spiffe://cluster.local/ns/a/sa/web"],
    emails=["ops@example.com"],
)
EACH_TYPE = pytest.mark.parametrize("key_type", list(KeyType))
OPENSSL_TYPES = pytest.mark.parametrize("key_type", [kt for kt in KeyType if not kt.startswith("ml-dsa")])


def _key_usage(**asked: bool) -> x509.KeyUsage:
    usages = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    usages += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{**dict.fromkeys(usages, False), **asked})


@pytest.fixture
def p256(private_key: Callable[[KeyType], PrivateKey]) -> PrivateKey:
    return private_key(KeyType.EC_P256)


@EACH_TYPE
def test_a_request_reads_back_as_it_was_built(key_type, private_key):
    key = private_key(key_type)
    request = CertificateRequest.from_bytes(build_request(key, SUBJECT, NAMES))

    assert request.public_key == key.public_key()
    assert request.public_key_info == subject_public_key_info(key.public_key())
    assert request.key_type is key_type
    assert (request.subject, request.names) == (SUBJECT, NAMES)


def test_der_and_pem_are_the_same_request(p256):
    pem = build_request(p256, SUBJECT, NAMES)
    der = x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER)

    assert CertificateRequest.from_bytes(der) == CertificateRequest.from_bytes(pem)


def test_the_older_label_and_spaces_around_are_understood(p256):
    pem = build_request(p256, SUBJECT, NAMES).replace(b" CERTIFICATE", b" NEW CERTIFICATE")

    assert CertificateRequest.from_bytes(b"\r\n" + pem.replace(b"\n", b"\r\n") + b"\n").subject == SUBJECT


def test_a_request_for_no_names_has_none(p256):
    request = CertificateRequest.from_bytes(build_request(p256, SubjectName(), SubjectAlternativeNames()))

    assert request.subject.is_empty
    assert request.names.is_empty


@pytest.mark.parametrize(("subject", "critical"), [(SubjectName(), True), (SUBJECT, False)])
def test_the_names_are_critical_exactly_when_the_subject_is_empty(subject, critical, p256):
    built = x509.load_pem_x509_csr(build_request(p256, subject, NAMES))

    assert built.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical is critical


@OPENSSL_TYPES
def test_openssl_verifies_what_we_build(key_type, private_key, openssl, tmp_path):
    (tmp_path / "web.csr").write_bytes(build_request(private_key(key_type), SUBJECT, NAMES))

    text = openssl("req", "-in", "web.csr", "-verify", "-noout", "-text")

    assert "DNS:web.example.com" in text
    assert "URI:spiffe://cluster.local/ns/a/sa/web" in text


@OPENSSL_TYPES
def test_what_openssl_builds_is_read(key_type, private_key, openssl, tmp_path):
    key = private_key(key_type)
    (tmp_path / "key.pem").write_bytes(encode_private_key(key))

    openssl(*_REQ, "-key", "key.pem", "-addext", "subjectAltName=DNS:Web.example.com,IP:10.0.0.7", "-out", "web.csr")

    request = CertificateRequest.from_bytes((tmp_path / "web.csr").read_bytes())
    assert request.subject == SUBJECT
    assert request.names == SubjectAlternativeNames.parse(dns=["web.example.com"], ips=["10.0.0.7"])
    assert request.key_type is key_type


def test_an_rsa_pss_signature_proves_possession(private_key, openssl, tmp_path):
    (tmp_path / "key.pem").write_bytes(encode_private_key(private_key(KeyType.RSA_2048)))

    openssl(*_REQ, "-key", "key.pem", "-sigopt", "rsa_padding_mode:pss", "-out", "web.csr")

    assert CertificateRequest.from_bytes((tmp_path / "web.csr").read_bytes()).key_type is KeyType.RSA_2048


@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.EC_P384, KeyType.RSA_2048])
@pytest.mark.parametrize("digest", ["-sha1", "-sha224"])
def test_a_signature_over_a_weak_hash_proves_nothing(key_type, digest, private_key, openssl, tmp_path):
    (tmp_path / "key.pem").write_bytes(encode_private_key(private_key(key_type)))

    openssl(*_REQ, "-key", "key.pem", digest, "-out", "web.csr")

    with pytest.raises(UnprovenPossession, match="SHA-256 or better"):
        CertificateRequest.from_bytes((tmp_path / "web.csr").read_bytes())


def test_a_compressed_point_is_certified_in_the_usual_form(openssl, tmp_path):
    openssl(*_GENPKEY, "ec_paramgen_curve:P-256", "-out", "key.pem")
    openssl("pkey", "-in", "key.pem", "-ec_conv_form", "compressed", "-out", "compressed.pem")
    openssl(*_REQ, "-key", "compressed.pem", "-out", "web.csr")

    request = CertificateRequest.from_bytes((tmp_path / "web.csr").read_bytes())

    assert len(request.public_key_info) == 91
    assert request.public_key_info == subject_public_key_info(request.public_key)


@pytest.mark.parametrize(
    ("genpkey", "refusal"),
    [
        (["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"], UnsupportedKeyType),
        (["EC", "-pkeyopt", "ec_paramgen_curve:P-224"], UnsupportedKeyType),
        (["EC", "-pkeyopt", "ec_paramgen_curve:sm2"], UnsupportedKeyType),
        (["ED448"], UnsupportedKeyType),
        (["RSA", "-pkeyopt", "rsa_keygen_bits:1024"], WeakKey),
        (["RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:3"], WeakKey),
    ],
    ids=lambda value: "-".join(value[-1:]) if isinstance(value, list) else value.__name__,
)
def test_a_weak_or_unknown_key_is_refused(genpkey, refusal, openssl, tmp_path):
    openssl("genpkey", "-algorithm", *genpkey, "-out", "key.pem")
    openssl(*_REQ, "-key", "key.pem", "-out", "web.csr")

    with pytest.raises(refusal):
        CertificateRequest.from_bytes((tmp_path / "web.csr").read_bytes())


def test_explicit_curve_parameters_never_pass_into_a_certificate(openssl, tmp_path):
    openssl(*_GENPKEY, "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit", "-out", "key.pem")
    openssl(*_REQ, "-key", "key.pem", "-out", "web.csr")

    request = CertificateRequest.from_bytes((tmp_path / "web.csr").read_bytes())

    assert len(request.public_key_info) == 91
    assert request.public_key_info == subject_public_key_info(request.public_key)


@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.RSA_2048, KeyType.ED25519, KeyType.ML_DSA_44])
def test_a_request_signed_by_another_key_is_refused(key_type, private_key):
    key = private_key(key_type)
    ours = x509.load_pem_x509_csr(build_request(key, SUBJECT, NAMES))
    stolen = x509.load_pem_x509_csr(build_request(key, SubjectName(common_name="other"), NAMES))

    with pytest.raises(UnprovenPossession, match="sign it again with the key that it holds"):
        CertificateRequest.from_bytes(_request(ours.tbs_certrequest_bytes, _algorithm(ours), stolen.signature))


def test_a_signature_of_another_kind_of_key_proves_nothing(p256, private_key):
    ours = x509.load_pem_x509_csr(build_request(p256, SUBJECT, NAMES))
    for key_type in (KeyType.ED25519, KeyType.RSA_2048, KeyType.ML_DSA_44):
        other = x509.load_pem_x509_csr(build_request(private_key(key_type), SUBJECT, NAMES))
        signature = sign(private_key(key_type), ours.tbs_certrequest_bytes)

        with pytest.raises(UnprovenPossession):
            CertificateRequest.from_bytes(_request(ours.tbs_certrequest_bytes, _algorithm(other), signature))


@pytest.mark.parametrize(
    "extension",
    [
        x509.BasicConstraints(ca=True, path_length=None),
        x509.BasicConstraints(ca=True, path_length=0),
        _key_usage(key_cert_sign=True),
        _key_usage(crl_sign=True),
    ],
    ids=["ca", "ca-path-length", "key-cert-sign", "crl-sign"],
)
@pytest.mark.parametrize("critical", [True, False])
def test_a_request_for_ca_rights_is_refused(extension, critical, p256):
    with pytest.raises(CaRequested, match="leave it out"):
        CertificateRequest.from_bytes(_with_extensions(p256, (extension, critical)))


def test_other_extensions_are_dropped(p256):
    data = _with_extensions(
        p256,
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x04\x00"), True),
        (NAMES.to_x509(), False),
    )
    request = CertificateRequest.from_bytes(data)

    assert request.names == NAMES
    assert request.subject.is_empty


def test_thousands_of_names_are_refused(p256):
    names = x509.SubjectAlternativeName([x509.DNSName(f"a{number}.example.com") for number in range(2000)])

    with pytest.raises(TooManyNames, match=f"at most {MAX_NAMES}"):
        CertificateRequest.from_bytes(_with_extensions(p256, (names, False)))


def test_an_oversized_request_is_refused_unread():
    with pytest.raises(RequestTooLarge, match="65537 octets") as refusal:
        CertificateRequest.from_bytes(b"0" * (MAX_REQUEST_OCTETS + 1))

    assert (refusal.value.octets, refusal.value.limit) == (MAX_REQUEST_OCTETS + 1, MAX_REQUEST_OCTETS)


@pytest.mark.parametrize(
    "name", [x509.DNSName("not a name"), x509.DNSName("a_b.example.com"), x509.DNSName("a.\0.com")]
)
def test_a_name_that_cannot_be_certified_is_refused(name, p256):
    with pytest.raises(MalformedName):
        CertificateRequest.from_bytes(_with_extensions(p256, (x509.SubjectAlternativeName([name]), False)))


@pytest.mark.parametrize(
    ("oid", "value"),
    [("550403", b"a" * 65), ("550406", b"China"), ("550403", b""), ("2a864886f70d010901", b"a@example.com")],
    ids=["long", "country", "empty", "email"],
)
def test_a_subject_that_cannot_be_certified_is_refused_without_a_warning(oid: str, value: bytes, p256):
    attribute = _element(0x30, _element(0x06, bytes.fromhex(oid)) + _element(0x0C, value))

    with pytest.raises(MalformedName):
        CertificateRequest.from_bytes(_signed(p256, b"", subject=_element(0x30, _element(0x31, attribute))))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"0",
        b"0\x03\x02\x01\x00",
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        b"-----BEGIN CERTIFICATE REQUEST-----\n",
        b"-----BEGIN CERTIFICATE REQUEST----------END CERTIFICATE REQUEST-----",
    ],
)
def test_what_is_no_request_is_malformed(data: bytes):
    with pytest.raises(MalformedRequest):
        CertificateRequest.from_bytes(data)


def test_one_request_at_a_time(p256):
    pem = build_request(p256, SUBJECT, NAMES)
    der = x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER)

    for data in (pem * 2, pem + b"trailing", b"leading\n" + pem, der + b"\0", der * 2):
        with pytest.raises(MalformedRequest):
            CertificateRequest.from_bytes(data)


def test_a_certificate_is_not_a_request(p256, self_signed):
    certificate = self_signed(p256)

    for encoding in (Encoding.PEM, Encoding.DER):
        with pytest.raises(MalformedRequest):
            CertificateRequest.from_bytes(certificate.public_bytes(encoding))


def test_an_extension_asked_for_twice_is_refused(p256):
    extension = bytes.fromhex("30170603551d110410300e820c612e6578616d706c652e6369")
    twice = _element(0x30, extension * 2)
    lists = _attribute(_element(0x30, extension)) * 2

    for attributes in (_attribute(twice), lists):
        with pytest.raises(MalformedRequest):
            CertificateRequest.from_bytes(_signed(p256, attributes))
    assert CertificateRequest.from_bytes(_signed(p256, _attribute(_element(0x30, extension)))).names.dns == (
        "a.example.ci",
    )


@pytest.mark.parametrize(
    "value",
    ["82036162ff", "8201ff", "a003020100", "8403020100", "87036162", "870501020304", "8802", "82", "ff"],
)
def test_a_damaged_list_of_names_is_refused(value: str, p256):
    names = _element(0x30, bytes.fromhex(value))
    extension = _element(0x30, bytes.fromhex("0603551d11") + _element(0x04, names))

    with pytest.raises((MalformedRequest, MalformedName)):
        CertificateRequest.from_bytes(_signed(p256, _attribute(_element(0x30, extension))))


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_each_octet_of_a_request_counts(flip: int):
    unused_bits = len(GOOD) - len(x509.load_der_x509_csr(GOOD).signature) - 1
    for position in set(range(len(GOOD))) - {unused_bits}:
        damaged = bytearray(GOOD)
        damaged[position] ^= flip
        with pytest.raises(CertsError):
            CertificateRequest.from_bytes(bytes(damaged))


@given(st.binary(max_size=400))
def test_any_octets_are_refused(octets: bytes):
    for data in (octets, b"-----BEGIN CERTIFICATE REQUEST-----\n" + octets + b"\n-----END CERTIFICATE REQUEST-----\n"):
        with pytest.raises(CertsError):
            CertificateRequest.from_bytes(data)


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_a_well_signed_request_of_any_content_is_read_or_refused(attributes: bytes, name: bytes):
    for data in (_signed(SIGNER, attributes), _signed(SIGNER, b"", subject=_element(0x30, name))):
        with suppress(CertsError):
            request = CertificateRequest.from_bytes(data)
            assert key_type_of(request.public_key) is request.key_type


_REQ = ("req", "-new", "-subj", "/O=Example/CN=web")
_GENPKEY = ("genpkey", "-algorithm", "EC", "-pkeyopt")
SIGNER = ec.derive_private_key(0xC0FFEE, ec.SECP256R1())
GOOD = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(SUBJECT.to_x509())
    .add_extension(NAMES.to_x509(), critical=False)
    .sign(SIGNER, hashes.SHA256(), ecdsa_deterministic=True)
    .public_bytes(Encoding.DER)
)


def _with_extensions(key: PrivateKey, *extensions: tuple[x509.ExtensionType, bool]) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, signature_hash(key)).public_bytes(Encoding.DER)


def _signed(key: PrivateKey, attributes: bytes, *, subject: bytes = b"0\0") -> bytes:
    """A request whose signature holds, whatever its subject and attributes are."""
    info = bytes.fromhex("020100") + subject + subject_public_key_info(key.public_key()) + _element(0xA0, attributes)
    signed = _element(0x30, info)
    return _request(signed, bytes.fromhex("300a06082a8648ce3d040302"), sign(key, signed))


def _attribute(extensions: bytes) -> bytes:
    return _element(0x30, bytes.fromhex("06092a864886f70d01090e") + _element(0x31, extensions))


def _request(signed: bytes, algorithm: bytes, signature: bytes) -> bytes:
    return _element(0x30, signed + algorithm + _element(0x03, b"\0" + signature))


def _algorithm(request: x509.CertificateSigningRequest) -> bytes:
    der = request.public_bytes(Encoding.DER)
    signature = _element(0x03, b"\0" + request.signature)
    return der[der.index(request.tbs_certrequest_bytes) + len(request.tbs_certrequest_bytes) : -len(signature)]


def _element(tag: int, value: bytes) -> bytes:
    if len(value) < 0x80:
        return bytes([tag, len(value)]) + value
    length = len(value).to_bytes(1 if len(value) < 0x100 else 2, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value
