"""Keys, a hierarchy and requests to measure with; made afresh in each run, never kept."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certs.issuers import Issuer
from certs.keys import KeyType, PrivateKey, generate_private_key, subject_public_key_info
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import PROFILES, Profile
from certs.requests import CertificateRequest, build_request
from certs.serials import Serial
from certs.signing import self_sign, sign_with_builder
from certs.templates import CertificateTemplate, validity


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """An issuing CA below a root, all P-256, and DER requests with three names each."""

    issuer: Issuer
    requests: Sequence[bytes]


def p256_key() -> ec.EllipticCurvePrivateKey:
    return cast("ec.EllipticCurvePrivateKey", generate_private_key(KeyType.EC_P256))


def make_material(*, requests: int) -> Material:
    root_key, issuer_key = p256_key(), p256_key()
    root = x509.load_der_x509_certificate(self_sign(_authority("root", root_key, None), root_key))
    above = Issuer(certificate=root, private_key=root_key)
    certificate = x509.load_der_x509_certificate(
        sign_with_builder(above, _authority("intermediate", issuer_key, above))
    )
    issuer = Issuer(certificate=certificate, private_key=issuer_key, chain=(root,))
    return Material(issuer=issuer, requests=make_requests(requests))


def make_requests(count: int) -> list[bytes]:
    """Requests for service certificates, each with a key of its own."""
    return [_request(number) for number in range(count)]


def leaf_template(
    request: CertificateRequest, issuer: Issuer, now: datetime, *, profile: Profile = PROFILES["server"]
) -> CertificateTemplate:
    """What the authority makes of a request, without policy."""
    not_before, not_after = validity(profile, now, None, issuer.not_after, issuer_not_before=issuer.not_before)
    return CertificateTemplate(
        profile=profile,
        serial=Serial.mint(now, os.urandom),
        subject=request.subject,
        names=request.names,
        public_key=request.public_key,
        public_key_info=request.public_key_info,
        not_before=not_before,
        not_after=not_after,
        crl_distribution_point="http://ca.example.com/crl/1/1.crl",
    )


def _authority(name: str, key: PrivateKey, issuer: Issuer | None) -> CertificateTemplate:
    profile, now = PROFILES[name], datetime.now(UTC)
    not_before, not_after = validity(profile, now, None, issuer.not_after if issuer else None)
    return CertificateTemplate(
        profile=profile,
        serial=Serial.mint(now, os.urandom),
        subject=SubjectName(common_name=f"Bench {name}"),
        names=SubjectAlternativeNames(),
        public_key=key.public_key(),
        public_key_info=subject_public_key_info(key.public_key()),
        not_before=not_before if issuer is None else max(not_before, issuer.not_before),
        not_after=not_after,
    )


def _request(number: int) -> bytes:
    names = SubjectAlternativeNames.parse(
        dns=[f"service-{number}.bench.svc", f"service-{number}.bench.svc.cluster.local"], ips=["10.0.0.1"]
    )
    pem = build_request(p256_key(), SubjectName(common_name=f"service-{number}"), names)
    return x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER)
