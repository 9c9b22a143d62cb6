"""An authority in memory that really signs: what is asked of it is kept, and what goes wrong is queued by the test."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ca.client.values import CertificateState, IssuedCertificate, Names
from certs.issuers import Issuer
from certs.keys import KeyType, generate_private_key, subject_public_key_info
from certs.names import SubjectAlternativeNames, SubjectName
from certs.pem import encode_certificate
from certs.profiles import PROFILES, Profile
from certs.serials import Serial
from certs.signing import Signer, self_sign, sign_with_builder
from certs.templates import CertificateTemplate, validity
from kube.signers.authority import verify_answer
from kube.signers.decisions import Sign

_serials = itertools.count(1)


@dataclass(slots=True, kw_only=True)
class FakeAuthority:
    clock: Callable[[], datetime]
    orders: list[Sign] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    issued: dict[str, IssuedCertificate] = field(default_factory=dict)
    before_answer: Callable[[Sign], None] = lambda _: None
    skew: timedelta = timedelta()

    def sign(self, order: Sign) -> IssuedCertificate:
        self.orders.append(order)
        if self.faults:
            raise self.faults.pop(0)
        if order.request_id not in self.issued:
            self.issued[order.request_id] = certify(order, self.clock() + self.skew)
        self.before_answer(order)
        verify_answer(order, self.issued[order.request_id])
        return self.issued[order.request_id]

    def roots(self) -> Sequence[x509.Certificate]:
        if self.faults:
            raise self.faults.pop(0)
        return (hierarchy(self.clock().date().isoformat()).chain[-1],)


def certify(order: Sign, now: datetime) -> IssuedCertificate:
    issuer = hierarchy(now.date().isoformat())
    template = _template(
        PROFILES[order.profile], now, order.lifetime, order.request.public_key, subject=order.subject, names=order.names
    )
    leaf = x509.load_der_x509_certificate(Signer(issuer).sign(template))
    return IssuedCertificate(
        id=template.serial.hex,
        serial_number=template.serial.hex,
        issuer_id="issuer",
        profile=order.profile,
        subject=order.subject.rfc4514,
        names=Names(dns=order.names.dns, uris=order.names.uris),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        issued_at=now,
        renew_at=now,
        sha256_fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        requester="registrar",
        state=CertificateState.VALID,
        revoked_at=None,
        revocation_reason=None,
        certificate_pem=encode_certificate(leaf),
        chain_pem=encode_certificate(issuer.certificate),
        renewed_from_id="",
        has_private_key=False,
    )


@cache
def hierarchy(day: str) -> Issuer:
    """A root and an issuing CA that began a day before."""
    now = datetime.fromisoformat(f"{day}T00:00:00+00:00") - timedelta(days=1)
    root_key, key = generate_private_key(KeyType.EC_P256), generate_private_key(KeyType.EC_P256)
    template = _template(PROFILES["root"], now, None, root_key.public_key(), subject=SubjectName(common_name="Root"))
    root = Issuer(certificate=x509.load_der_x509_certificate(self_sign(template, root_key)), private_key=root_key)
    template = _template(PROFILES["intermediate"], now, None, key.public_key(), subject=SubjectName(common_name="CA"))
    certificate = x509.load_der_x509_certificate(sign_with_builder(root, template))
    return Issuer(certificate=certificate, private_key=key, chain=(root.certificate,))


def _template(profile: Profile, now: datetime, lifetime, public_key, *, subject, names=None) -> CertificateTemplate:
    not_before, not_after = validity(profile, now, lifetime)
    return CertificateTemplate(
        profile=profile,
        serial=Serial.mint(now, lambda size: next(_serials).to_bytes(size, "big")),
        subject=subject,
        names=SubjectAlternativeNames() if names is None else names,
        public_key=public_key,
        public_key_info=subject_public_key_info(public_key),
        not_before=not_before,
        not_after=not_after,
    )
