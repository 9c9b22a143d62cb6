"""A self-signed serving certificate for a server that has no other: as good as none to whoever does not copy it, and said so."""

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.replacement import replace_pair
from certs.alternative_names import SubjectAlternativeNames
from cli import ambient

CERTIFICATE, KEY = "apiserver.crt", "apiserver.key"
_LIFETIME = timedelta(days=365)
_BACKDATED = timedelta(minutes=1)


def ensure_self_signed(directory: Path, common_name: str, names: SubjectAlternativeNames) -> tuple[Path, Path]:
    """The paths of certificate and key below `directory`, made where they are missing or have expired."""
    from certs.key_types import KeyType
    from certs.keys import encode_private_key

    certificate, private_key = directory / CERTIFICATE, directory / KEY
    if private_key.exists() and _is_current(certificate):
        return certificate, private_key
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ambient.make_key(KeyType.EC_P256)
    now = ambient.clock()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(ambient.entropy(16), "big") >> 1)
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names.to_x509(), critical=False)
        .sign(key, hashes.SHA256())
    )
    replace_pair(
        directory,
        certificate_name=CERTIFICATE,
        certificate=built.public_bytes(Encoding.PEM),
        key_name=KEY,
        private_key=encode_private_key(key),
    )
    return certificate, private_key


def _is_current(path: Path) -> bool:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc > ambient.clock()
    except (OSError, ValueError):
        return False
