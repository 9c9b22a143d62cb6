"""Roots and issuing CAs as a user might bring them, made by `cryptography` alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ca.authority_making import Pair
from certs.keys import encode_private_key
from certs.pem import join_certificates
from tests.ca.offices import NOW

YEAR = timedelta(days=365)
_NO_USAGE = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outsider:
    """A certificate with its key, and those above it."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pair(self) -> Pair:
        return Pair(certificate=self.certificate, private_key=self.private_key)

    @property
    def without_key(self) -> Pair:
        return Pair(certificate=self.certificate, private_key=None)

    @property
    def chain_pem(self) -> bytes:
        return join_certificates((self.certificate, *self.above))

    @property
    def key_pem(self) -> bytes:
        return encode_private_key(self.private_key)


def authority(
    name: str,
    *,
    issuer: Outsider | None = None,
    path_length: int | None = None,
    not_before: datetime = NOW - timedelta(days=1),
    lifetime: timedelta = YEAR,
    is_ca: bool = True,
    name_constraints: x509.NameConstraints | None = None,
    signs_crls: bool = True,
    extended: x509.ExtendedKeyUsage | None = None,
) -> Outsider:
    """A root, or an issuing CA below `issuer`."""
    return _made(
        name,
        issuer=issuer,
        not_before=not_before,
        lifetime=lifetime,
        constraints=x509.BasicConstraints(ca=is_ca, path_length=path_length if is_ca else None),
        usage=x509.KeyUsage(
            **{**_NO_USAGE, "key_cert_sign": is_ca, "crl_sign": is_ca and signs_crls, "digital_signature": not is_ca}
        ),
        extended=extended,
        name_constraints=name_constraints,
    )


def client(
    name: str,
    issuer: Outsider,
    *,
    not_before: datetime,
    lifetime: timedelta = timedelta(hours=1),
    serial: int | None = None,
) -> Outsider:
    """A client certificate."""
    return _made(
        name,
        issuer=issuer,
        not_before=not_before,
        lifetime=lifetime,
        constraints=x509.BasicConstraints(ca=False, path_length=None),
        usage=x509.KeyUsage(**{**_NO_USAGE, "digital_signature": True}),
        extended=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
        serial=serial,
    )


def _made(
    name: str,
    *,
    issuer: Outsider | None,
    not_before: datetime,
    lifetime: timedelta,
    constraints: x509.BasicConstraints,
    usage: x509.KeyUsage,
    extended: x509.ExtendedKeyUsage | None = None,
    serial: int | None = None,
    name_constraints: x509.NameConstraints | None = None,
) -> Outsider:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = key if issuer is None else issuer.private_key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number() if serial is None else serial)
        .not_valid_before(not_before)
        .not_valid_after(not_before + lifetime)
        .add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_authority_key_identifier(issuer, key), critical=False)
    )
    if extended is not None:
        builder = builder.add_extension(extended, critical=False)
    if name_constraints is not None:
        builder = builder.add_extension(name_constraints, critical=True)
    above = () if issuer is None else (issuer.certificate, *issuer.above)
    return Outsider(certificate=builder.sign(signer, hashes.SHA256()), private_key=key, above=above)


def _authority_key_identifier(issuer: Outsider | None, key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    if issuer is None:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    above = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above.value)
