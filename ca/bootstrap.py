"""The first start: root, issuing CA, passphrase and policy, made or brought; every later start adopts what it finds.

- Nothing that exists is ever made anew. What does not fit together stops the start, with a reason.
- Root and issuing CA are recorded in one transaction: a start that was killed before it begins again, and of several replicas
  that start together one makes the hierarchy and the others adopt it.
- A key is durable before the record that names it; a key without a record is left over and harmless, the reverse would not be.
- What is brought is verified before anything of it is kept.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.ambient import Clock, Entropy, epoch_seconds, random_id
from ca.audit import Action, audit_event
from ca.callers import Caller
from ca.calls import Call
from ca.data_directory import write_private_file
from ca.errors import AuthorityMismatch
from ca.keys import AuthorityKeys
from ca.policy import default_policy
from ca.settings import ServeSettings
from certs.chains import verify_chain
from certs.errors import CertsError
from certs.inspection import verify_issued
from certs.issuers import Issuer
from certs.keys import KeyFactory, PrivateKey, key_type_of, subject_public_key_info, verify_key_pair
from certs.lint import Linter, verify_rules
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import PROFILES
from certs.serials import Serial
from certs.signing import self_sign, sign_with_builder
from certs.templates import CertificateTemplate, validity
from store.authorities import Authorities
from store.records import AuditEvent, AuthorityRecord

_CALL = Call(caller=Caller.local(), id="bootstrap")

_log = structlog.get_logger("chancery.bootstrap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A CA certificate and its key; the key is None where it stays elsewhere."""

    certificate: x509.Certificate
    private_key: PrivateKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtHierarchy:
    """What the user brings: a root with its key, or an issuing CA with its key under a root that stays offline."""

    root: Pair
    issuer: Pair | None = None


_Founding = tuple[Literal["root", "intermediate"], Pair, Action]


def keys_directory(settings: ServeSettings) -> Path:
    """Where the keys of the authorities lie, encrypted."""
    return settings.data_directory / "keys"


def ensure_policy(settings: ServeSettings) -> None:
    """Writes the default policy where no file was named and none exists."""
    if settings.issuance.policy_file is None and not settings.policy_file.exists():
        write_private_file(settings.policy_file, default_policy(settings.hierarchy.trust_domain).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchyFounder:
    """Makes or imports root and issuing CA where the store has none."""

    authorities: Authorities
    keys: AuthorityKeys
    settings: ServeSettings
    clock: Clock
    entropy: Entropy
    key_factory: KeyFactory

    def ensure(self, brought: BroughtHierarchy | None = None) -> bool:
        """Returns whether anything was made or imported. Raises AuthorityMismatch and errors of `certs` and `store`."""
        if self.authorities.list():
            return False
        if brought is not None:
            _verify_brought(brought, self.clock())
        acts = [self._keep(*one) for one in (self._made() if brought is None else self._taken_over(brought))]
        records = [record for record, _event in acts]
        kept = self.authorities.establish(records, [event for _record, event in acts])
        return records[0].id in {record.id for record in kept}

    def _made(self) -> tuple[_Founding, _Founding]:
        root = self._make_root()
        return (
            ("root", root, Action.AUTHORITY_CREATE),
            ("intermediate", self._make_issuer(root), Action.AUTHORITY_CREATE),
        )

    def _taken_over(self, brought: BroughtHierarchy) -> tuple[_Founding, _Founding]:
        issuer, act = brought.issuer, Action.AUTHORITY_IMPORT
        if issuer is None:
            issuer, act = self._make_issuer(brought.root), Action.AUTHORITY_CREATE
        return ("root", brought.root, Action.AUTHORITY_IMPORT), ("intermediate", issuer, act)

    def _make_root(self) -> Pair:
        template, key = self._template(
            "root", self.settings.hierarchy.root_common_name, validity(PROFILES["root"], self.clock())
        )
        der = self_sign(template, key)
        certificate = x509.load_der_x509_certificate(der)
        verify_rules(certificate)
        verify_issued(der, template=template, issuer=Issuer(certificate=certificate, private_key=key))
        return Pair(certificate=certificate, private_key=key)

    def _make_issuer(self, root: Pair) -> Pair:
        issuer = _issuer(root)
        window = validity(
            PROFILES["intermediate"], self.clock(), None, issuer.not_after, issuer_not_before=issuer.not_before
        )
        template, key = self._template("intermediate", self.settings.hierarchy.issuer_common_name, window)
        Linter(issuer, self.key_factory).verify(template)
        der = sign_with_builder(issuer, template)
        verify_issued(der, template=template, issuer=issuer)
        return Pair(certificate=x509.load_der_x509_certificate(der), private_key=key)

    def _template(
        self, profile: str, common_name: str, window: tuple[datetime, datetime]
    ) -> tuple[CertificateTemplate, PrivateKey]:
        key = self.key_factory(self.settings.hierarchy.key_type)
        authority_tag = self.entropy(4).hex()  # one DN for each key: path building goes by name
        template = CertificateTemplate(
            profile=PROFILES[profile],
            serial=Serial.mint(self.clock(), self.entropy),
            subject=SubjectName(common_name=f"{common_name} {authority_tag}", organizations=("Chancery",)),
            names=SubjectAlternativeNames(),
            public_key=key.public_key(),
            public_key_info=subject_public_key_info(key.public_key()),
            not_before=window[0],
            not_after=window[1],
        )
        return template, key

    def _keep(
        self, profile: Literal["root", "intermediate"], pair: Pair, action: Action
    ) -> tuple[AuthorityRecord, AuditEvent]:
        """Puts the key on disk; returns what is to be recorded."""
        certificate = pair.certificate
        now = self.clock()
        authority_id = random_id(self.entropy)
        if pair.private_key is not None:
            self.keys.put(authority_id, pair.private_key)
        record = AuthorityRecord(
            id=authority_id,
            profile=profile,
            subject=certificate.subject.rfc4514_string(),
            certificate=certificate.public_bytes(Encoding.DER),
            state="active",
            created_at=epoch_seconds(now),
        )
        event = audit_event(
            action,
            _CALL,
            at=now,
            subject_id=authority_id,
            profile=profile,
            subject=record.subject,
            serial=format(certificate.serial_number, "032x"),
            not_after=epoch_seconds(certificate.not_valid_after_utc),
            key_type=key_type_of(certificate.public_key()).value,
        )
        _log.info("authority", action=action.value, id=authority_id, subject=record.subject)
        return record, event


def _verify_brought(brought: BroughtHierarchy, now: datetime) -> None:
    """Raises AuthorityMismatch: a key that is another's or not here, a certificate that is no CA, is not valid now, has no room
    below it, or chains to nothing."""
    root, issuer = brought.root, brought.issuer
    try:
        verify_chain(root.certificate, (), (root.certificate,), at=now, usage=None, name=None)
        if root.private_key is not None:
            verify_key_pair(root.private_key, root.certificate)
        if issuer is None:
            _issuer(root).verify_may_issue(PROFILES["intermediate"])
        else:
            _verify_apart(issuer.certificate, root.certificate)
            verify_chain(issuer.certificate, (), (root.certificate,), at=now, usage=None, name=None)
            _issuer(issuer, root.certificate)
    except CertsError as err:
        raise AuthorityMismatch(f"the CA that was brought cannot be used: {err}") from err


def _verify_apart(issuer: x509.Certificate, root: x509.Certificate) -> None:
    """Raises AuthorityMismatch for a root that is brought as its own issuing CA: its key would be here, and sign leaves."""
    if issuer.public_key() == root.public_key():
        raise AuthorityMismatch(
            "the issuing CA that was brought is the root itself; bring one under it, or the root alone with its key"
        )


def _issuer(pair: Pair, *above: x509.Certificate) -> Issuer:
    """Raises AuthorityMismatch where the key is not here, and errors of `certs`."""
    if pair.private_key is None:
        raise AuthorityMismatch("the CA that is to sign has no key here; bring it, or an issuing CA with its key")
    return Issuer(certificate=pair.certificate, private_key=pair.private_key, chain=above)
