"""The first start: root, issuing CA, passphrase and policy, made or brought; every later start adopts what it finds.

- Nothing that exists is ever made anew. What does not fit together stops the start, with a reason.
- Each step can be repeated: a start that was killed half-way goes on where it stopped.
- A key is durable before the record that names it; a key without a record is left over and harmless, the reverse would not be.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.ambient import Clock, Entropy, epoch_seconds, random_id
from ca.audit import Action, audit_event
from ca.callers import Caller
from ca.calls import Call
from ca.data_directory import read_private_file, write_private_file
from ca.errors import AuthorityMismatch
from ca.keys import KeyFiles
from ca.policy import default_policy
from ca.settings import ServeSettings
from certs.chains import verify_chain
from certs.errors import CertsError, PassphraseRequired
from certs.inspection import verify_issued
from certs.issuers import Issuer
from certs.keys import KeyFactory, PrivateKey, key_type_of, subject_public_key_info, verify_key_pair
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import PROFILES
from certs.serials import Serial
from certs.signing import self_sign, sign_with_builder
from certs.templates import CertificateTemplate, validity
from store.authorities import Authorities
from store.records import AuthorityRecord

_PASSPHRASE_OCTETS = 24
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


def ensure_passphrase(settings: ServeSettings, entropy: Entropy) -> bytes:
    """Reads the passphrase of the CA keys; where no file was named and none exists, makes one beside the keys.

    Raises KeyFileMissing, LooseFileMode, PassphraseRequired.
    """
    path = settings.passphrase_file
    if settings.storage.passphrase_file is None and not path.exists():
        write_private_file(path, entropy(_PASSPHRASE_OCTETS).hex().encode() + b"\n")
        _log.warning("made a passphrase beside the keys; keep it elsewhere in production", path=str(path))
    passphrase = read_private_file(path).strip(b"\r\n")
    if not passphrase:
        raise PassphraseRequired(f"{path} is empty; put the passphrase of the CA keys into it")
    return passphrase


def ensure_policy(settings: ServeSettings) -> None:
    """Writes the default policy where no file was named and none exists."""
    if settings.issuance.policy_file is None and not settings.policy_file.exists():
        write_private_file(settings.policy_file, default_policy(settings.hierarchy.trust_domain).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchyFounder:
    """Makes or imports root and issuing CA where the store has none."""

    authorities: Authorities
    keys: KeyFiles
    settings: ServeSettings
    clock: Clock
    entropy: Entropy
    key_factory: KeyFactory

    def ensure(self, brought: BroughtHierarchy | None = None) -> bool:
        """Returns whether anything was made or imported. Raises AuthorityMismatch and errors of `certs` and `store`."""
        records = self.authorities.list()
        root = next((record for record in records if record.profile == "root" and record.state == "active"), None)
        made = root is None
        if root is None:
            root = self._import(brought.root, "root") if brought else self._make_root()
        if any(record.profile == "intermediate" for record in records):
            return made
        if brought is not None and brought.issuer is not None:
            self._import(brought.issuer, "intermediate", above=brought.root.certificate)
        else:
            self._make_issuer(root)
        return True

    def _make_root(self) -> AuthorityRecord:
        template, key = self._template("root", self.settings.hierarchy.root_common_name, self._default_lifetime("root"))
        return self._keep("root", self_sign(template, key), key, Action.AUTHORITY_CREATE)

    def _make_issuer(self, root: AuthorityRecord) -> AuthorityRecord:
        root_certificate = x509.load_der_x509_certificate(root.certificate)
        if not self.keys.has(root.id):
            raise AuthorityMismatch(
                "there is no issuing CA, and the root's key is not here to make one; bring an issuing CA with its key"
            )
        issuer = Issuer(certificate=root_certificate, private_key=self.keys.get(root.id))
        window = validity(
            PROFILES["intermediate"], self.clock(), None, issuer.not_after, issuer_not_before=issuer.not_before
        )
        template, key = self._template("intermediate", self.settings.hierarchy.issuer_common_name, window)
        der = sign_with_builder(issuer, template)
        verify_issued(der, template=template, issuer=issuer, verify_signature=True)
        return self._keep("intermediate", der, key, Action.AUTHORITY_CREATE)

    def _import(self, pair: Pair, profile: str, *, above: x509.Certificate | None = None) -> AuthorityRecord:
        """Raises AuthorityMismatch where the pair cannot do what it is brought for."""
        try:
            _verify_brought(pair, above, self.clock())
        except CertsError as err:
            raise AuthorityMismatch(f"the {profile} that was brought cannot be used: {err}") from err
        if above is not None and pair.private_key is None:
            raise AuthorityMismatch("an issuing CA that is brought needs its key")
        return self._keep(
            profile, pair.certificate.public_bytes(Encoding.DER), pair.private_key, Action.AUTHORITY_IMPORT
        )

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

    def _default_lifetime(self, profile: str) -> tuple[datetime, datetime]:
        return validity(PROFILES[profile], self.clock())

    def _keep(self, profile: str, der: bytes, key: PrivateKey | None, action: Action) -> AuthorityRecord:
        certificate = x509.load_der_x509_certificate(der)
        now = self.clock()
        authority_id = random_id(self.entropy)
        if key is not None:
            self.keys.put(authority_id, key)
        record = AuthorityRecord(
            id=authority_id,
            profile="root" if profile == "root" else "intermediate",
            subject=certificate.subject.rfc4514_string(),
            certificate=der,
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
        self.authorities.add(record, event)
        _log.info("authority recorded", action=action.value, id=authority_id, subject=record.subject)
        return record


def _verify_brought(pair: Pair, above: x509.Certificate | None, now: datetime) -> None:
    """Raises errors of `certs`: a key that is another's, a certificate that is no CA, is not valid now, or chains to nothing."""
    if pair.private_key is not None:
        verify_key_pair(pair.private_key, pair.certificate)
    root = pair.certificate if above is None else above
    verify_chain(pair.certificate, (), (root,), at=now, usage=None, name=None)
