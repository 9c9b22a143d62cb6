"""The certificates of a control plane: an authority for each purpose, P-256 throughout, valid for a day.

- Each authority writes what it makes below its own directory; keys are files because the servers and kubectl read files.
- What an authority signs is for one side of TLS alone, so that a client certificate never serves, nor the reverse.
"""

import ipaddress
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    certificate: Path
    key: Path


class TestAuthority:
    """A self-signed CA, made at once."""

    __test__ = False  # pytest shall not take it for a test by its name

    def __init__(self, directory: Path, common_name: str) -> None:
        directory.mkdir(parents=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(Encoding.PEM)
        self.certificate = directory / "ca.crt"
        self.certificate.write_bytes(self.pem)

    def issue_client(self, common_name: str, *organizations: str) -> CertificateFiles:
        """A certificate that makes its bearer the user `common_name`, in the groups `organizations`."""
        organization = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
        subject = x509.Name([*organization, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        return self._issue(subject, ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def issue_server(self, *names: str) -> CertificateFiles:
        """A certificate for DNS names and IP addresses."""
        return self._issue(x509.Name([]), ExtendedKeyUsageOID.SERVER_AUTH, [_general_name(name) for name in names])

    def _issue(
        self, subject: x509.Name, purpose: x509.ObjectIdentifier, alternatives: Sequence[x509.GeneralName]
    ) -> CertificateFiles:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._name, key.public_key())
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(authority_key, critical=False)
        if alternatives:  # critical: the subject is empty (RFC 5280 section 4.2.1.6)
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=True)
        certificate = builder.sign(self._key, hashes.SHA256())
        stem = self._directory / f"{next(_numbers)}"
        files = CertificateFiles(certificate=stem.with_suffix(".crt"), key=stem.with_suffix(".key"))
        files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        write_key(files.key, key)
        return files


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    # SEC 1, not PKCS #8: kube-apiserver takes only the former for a key of service accounts
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))


def _builder(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
