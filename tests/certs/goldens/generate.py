"""Makes the golden certificates and CRL: `python tests/certs/goldens/generate.py` writes them beside this file.

Ed25519 signatures are deterministic (RFC 8032 §5.1.6): the same keys, serials and instant give the same octets anywhere.
"""

import base64
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from certs.crl import RevocationReason, RevokedCertificate, sign_crl
from certs.issuers import Issuer
from certs.keys import PrivateKey, subject_public_key_info
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import PROFILES
from certs.serials import Serial
from certs.signing import Signer, self_sign
from certs.templates import CertificateTemplate, validity

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES: Mapping[str, SubjectAlternativeNames] = {
    "server": SubjectAlternativeNames.parse(dns=["web.example", "*.web.example"], ips=["10.0.0.7", "fd00::7"]),
    "client": SubjectAlternativeNames.parse(emails=["ops@example.com"]),
    "peer": SubjectAlternativeNames.parse(dns=["peer.example"], uris=["spiffe://cluster.local/ns/a/sa/peer"]),
    "workload": SubjectAlternativeNames.parse(uris=["spiffe://cluster.local/ns/a/sa/web"], dns=["web.a.svc"]),
}


def goldens() -> dict[str, str]:
    """File names and their PEM text."""
    keys = {name: Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number, name in enumerate(PROFILES, 1)}
    root = self_sign(_template("root", keys["root"], None), keys["root"])
    above = Issuer(certificate=x509.load_der_x509_certificate(root), private_key=keys["root"])
    intermediate = Signer(above).sign(_template("intermediate", keys["intermediate"], above))
    issuer = Issuer(
        certificate=x509.load_der_x509_certificate(intermediate),
        private_key=keys["intermediate"],
        chain=(above.certificate,),
    )
    signer = Signer(issuer)
    leaves = {name: signer.sign(_template(name, keys[name], issuer)) for name in PROFILES if name not in _AUTHORITIES}
    cross = Signer(above).sign(_template("cross", keys["cross"], above))
    certificates = {"root": root, "cross": cross, "intermediate": intermediate, **leaves}
    files = {f"{name}.pem": _pem("CERTIFICATE", octets) for name, octets in certificates.items()}
    return {**files, "shard.crl.pem": _pem("X509 CRL", _crl(issuer))}


_AUTHORITIES = frozenset({"root", "cross", "intermediate"})


def _template(profile: str, key: PrivateKey, issuer: Issuer | None) -> CertificateTemplate:
    not_before, not_after = validity(PROFILES[profile], NOW, None, issuer.not_after if issuer else None)
    public_key = key.public_key()
    number = list(PROFILES).index(profile)
    return CertificateTemplate(
        profile=PROFILES[profile],
        serial=Serial.mint(NOW, lambda size: bytes([number]) * size),
        subject=SubjectName()
        if profile == "workload"
        else SubjectName(common_name=profile, organizations=("Example",)),
        names=NAMES.get(profile, SubjectAlternativeNames()),
        public_key=public_key,
        public_key_info=subject_public_key_info(public_key),
        not_before=not_before,
        not_after=not_after,
        crl_distribution_point=None if profile in _AUTHORITIES else "http://ca.example/crl/7.crl",
        ocsp_url=None if profile in _AUTHORITIES else "http://ca.example/ocsp",
    )


def _crl(issuer: Issuer) -> bytes:
    entries = [
        RevokedCertificate(serial=Serial.mint(NOW, lambda size: b"\x02" * size), revoked_at=NOW),
        RevokedCertificate(
            serial=Serial.mint(NOW, lambda size: b"\x03" * size), revoked_at=NOW, reason=RevocationReason.KEY_COMPROMISE
        ),
    ]
    return sign_crl(
        issuer,
        entries,
        number=300,
        this_update=NOW,
        next_update=NOW.replace(day=22),
        distribution_point="http://ca.example/crl/7.crl",
    )


def _pem(label: str, octets: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(octets).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


if __name__ == "__main__":
    for file_name, pem in goldens().items():
        Path(__file__).with_name(file_name).write_text(pem)
