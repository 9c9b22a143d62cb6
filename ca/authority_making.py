"""Makes roots, issuing CAs and cross-certificates: keys, names, windows, and the certificate that was inspected.

- Each key gets a name of its own: path building goes by names.
- A key is durable before the record that names it; a key without a record is left over and harmless, the reverse would not be.
- Nothing is said of an authority before its record is durable: what is described here may come to nothing.
"""

from dataclasses import dataclass
from datetime import datetime

import orjson
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.ambient import Clock, Entropy, epoch_seconds, random_id
from ca.audit import Action, audit_event
from ca.calls import Call
from ca.errors import AuthorityMismatch
from ca.keys import AuthorityKeys
from ca.settings import Hierarchy as HierarchySettings
from certs.authority_requests import build_authority_request
from certs.inspection import verify_issued
from certs.issuers import Issuer
from certs.keys import KeyFactory, KeyType, PrivateKey, PublicKey, key_type_of, subject_public_key_info
from certs.lint import Linter, verify_rules
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import PROFILES
from certs.serials import Serial
from certs.signing import self_sign, sign_with_builder
from certs.templates import CertificateTemplate, validity
from store.records import AuditEvent, AuthorityProfile, AuthorityRecord, AuthorityState, IssuerRequest

_log = structlog.get_logger("chancery.authorities")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A CA certificate and its key; the key is None where it stays elsewhere."""

    certificate: x509.Certificate
    private_key: PrivateKey | None

    def issuer(self, *above: x509.Certificate) -> Issuer:
        """Raises AuthorityMismatch where the key is not here, and errors of `certs`."""
        if self.private_key is None:
            raise AuthorityMismatch("the CA that is to sign has no key here; bring it, or an issuing CA with its key")
        return Issuer(certificate=self.certificate, private_key=self.private_key, chain=above)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityMaker:
    """Raises errors of `certs`: IssuerExpired, NotAnIssuer, LintFailed, InspectionFailed."""

    settings: HierarchySettings
    clock: Clock
    entropy: Entropy
    key_factory: KeyFactory
    authority_key_factory: KeyFactory | None = None
    """Makes the keys of authorities; None where they are made as all others are."""

    def make_root(self, replaced: KeyType | None = None) -> Pair:
        """`replaced` is the key type of the root that this one follows, and its own unless the settings say otherwise."""
        key = self._make_key(replaced)
        template = self._template(
            "root",
            self._name(self.settings.root_common_name),
            key.public_key(),
            validity(PROFILES["root"], self.clock()),
        )
        der = self_sign(template, key)
        certificate = x509.load_der_x509_certificate(der)
        verify_rules(certificate)
        verify_issued(der, template=template, issuer=Issuer(certificate=certificate, private_key=key))
        return Pair(certificate=certificate, private_key=key)

    def make_issuer(self, root: Pair, replaced: KeyType | None = None) -> Pair:
        """`replaced` as in `make_root`. Raises AuthorityMismatch where the root's key is not here."""
        key = self._make_key(replaced)
        name = self._name(self.settings.issuer_common_name)
        certificate = self._sign("intermediate", name, key.public_key(), root.issuer())
        return Pair(certificate=certificate, private_key=key)

    def make_request(
        self, keys: AuthorityKeys, call: Call, replaced: KeyType | None = None, serves: str = ""
    ) -> tuple[IssuerRequest, AuditEvent]:
        """A request for an issuing CA that is signed elsewhere. Its key is kept, durably, before there is a request.

        `replaced` as in `make_root`.
        """
        key, authority_id, now = self._make_key(replaced), random_id(self.entropy), self.clock()
        name = self._name(self.settings.issuer_common_name)
        keys.put(authority_id, key)
        request = IssuerRequest(
            authority_id=authority_id,
            request=build_authority_request(keys.get(authority_id), name, self.settings.permitted_names),
            created_at=epoch_seconds(now),
            serves=serves,
        )
        event = audit_event(
            Action.AUTHORITY_REQUEST,
            call,
            at=now,
            subject_id=authority_id,
            subject=name.rfc4514,
            serves=serves,
            key_type=key_type_of(key.public_key()).value,
        )
        return request, event

    def make_cross(self, root: Pair, by: Pair) -> Pair:
        """The name and key of `root` in a certificate that another root signs (RFC 4210 section 4.4.1); without its key.

        Raises AuthorityMismatch where one of the keys is not here; NotAnIssuer where the path length leaves no room.
        """
        key = root.issuer().private_key.public_key()
        name = SubjectName.from_x509(root.certificate.subject)
        return Pair(certificate=self._sign("cross", name, key, by.issuer()), private_key=None)

    def put_away(
        self,
        profile: AuthorityProfile,
        pair: Pair,
        keys: AuthorityKeys,
        action: Action,
        call: Call,
        state: AuthorityState = "active",
        serves: str = "",
    ) -> tuple[AuthorityRecord, AuditEvent]:
        """Keeps the key, durably, where there is one; returns what is to be recorded of the certificate, and the act."""
        authority_id = random_id(self.entropy)
        if pair.private_key is not None:
            keys.put(authority_id, pair.private_key)
        return self.describe(authority_id, profile, pair.certificate, action, call, state, serves)

    def describe(
        self,
        authority_id: str,
        profile: AuthorityProfile,
        certificate: x509.Certificate,
        action: Action,
        call: Call,
        state: AuthorityState = "active",
        serves: str = "",
    ) -> tuple[AuthorityRecord, AuditEvent]:
        """What is to be recorded of an authority whose key, if it is here, is kept already; and the act."""
        now = self.clock()
        record = AuthorityRecord(
            id=authority_id,
            profile=profile,
            subject=certificate.subject.rfc4514_string(),
            certificate=certificate.public_bytes(Encoding.DER),
            state=state,
            created_at=epoch_seconds(now),
            serves=serves,
        )
        event = audit_event(
            action,
            call,
            at=now,
            subject_id=authority_id,
            profile=profile,
            subject=record.subject,
            serves=serves,
            serial=format(certificate.serial_number, "032x"),
            not_after=epoch_seconds(certificate.not_valid_after_utc),
            key_type=key_type_of(certificate.public_key()).value,
        )
        return record, event

    def _sign(self, profile: str, subject: SubjectName, public_key: PublicKey, issuer: Issuer) -> x509.Certificate:
        window = validity(PROFILES[profile], self.clock(), None, issuer.not_after, issuer_not_before=issuer.not_before)
        template = self._template(profile, subject, public_key, window)
        Linter(issuer, self.key_factory).verify(template)
        der = sign_with_builder(issuer, template)
        return verify_issued(der, template=template, issuer=issuer)

    def _make_key(self, replaced: KeyType | None) -> PrivateKey:
        return (self.authority_key_factory or self.key_factory)(self.settings.key_type or replaced or KeyType.EC_P256)

    def _name(self, common_name: str) -> SubjectName:
        return SubjectName(common_name=f"{common_name} {self.entropy(4).hex()}", organizations=("Chancery",))

    def _template(
        self, profile: str, subject: SubjectName, public_key: PublicKey, window: tuple[datetime, datetime]
    ) -> CertificateTemplate:
        return CertificateTemplate(
            profile=PROFILES[profile],
            serial=Serial.mint(self.clock(), self.entropy),
            subject=subject,
            names=SubjectAlternativeNames(),
            public_key=public_key,
            public_key_info=subject_public_key_info(public_key),
            not_before=window[0],
            not_after=window[1],
            permitted_names=self.settings.permitted_names if profile == "intermediate" else None,
        )


def announce(event: AuditEvent) -> None:
    """Logs what was made, imported or asked for, once the act is recorded."""
    _log.info("authority", action=event.action, id=event.subject_id, subject=orjson.loads(event.details)["subject"])
