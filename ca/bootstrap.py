"""The first start: root, issuing CA, passphrase and policy, made or brought; every later start adopts what it finds.

- Nothing that exists is ever made anew. What does not fit together stops the start, with a reason.
- Root and issuing CA are recorded in one transaction: a start that was killed before it begins again, and of several replicas
  that start together one makes the hierarchy and the others adopt it.
- A key is durable before the record that names it; a key without a record is left over and harmless, the reverse would not be.
- What is brought is verified before anything of it is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.audit import Action
from ca.authority_making import AuthorityMaker, Pair, announce
from ca.callers import Caller
from ca.calls import Call
from ca.data_directory import write_private_file
from ca.errors import AlreadyInitialised, AuthorityMismatch
from ca.keys import AuthorityKeys
from ca.policy import default_policy
from ca.settings import ServeSettings
from certs.authority_requests import verify_crl_usage, verify_extended_usage, verify_own_name
from certs.chains import verify_chain
from certs.errors import CertsError, ChainIncomplete
from certs.keys import verify_key_pair
from certs.profiles import PROFILES
from store.authorities import Authorities
from store.records import AuthorityProfile, AuthorityRecord

_CALL = Call(caller=Caller.local(), id="bootstrap")


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtHierarchy:
    """What the user brings: a root with its key, or an issuing CA with its key under a root that stays offline."""

    root: Pair
    issuer: Pair | None = None


_Founding = tuple[AuthorityProfile, Pair, Action]


def keys_directory(settings: ServeSettings) -> Path:
    """Where the keys of the authorities lie, encrypted."""
    return settings.data_directory / "keys"


def ensure_policy(settings: ServeSettings) -> None:
    """Writes the default policy where no file was named and none exists."""
    if settings.issuance.policy_file is None and not settings.policy_file.exists():
        document = default_policy(settings.hierarchy.trust_domain, settings.registrar)
        write_private_file(settings.policy_file, document.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchyFounder:
    """Makes or imports root and issuing CA where the store has none."""

    authorities: Authorities
    keys: AuthorityKeys
    maker: AuthorityMaker

    def ensure(self, brought: BroughtHierarchy | None = None) -> bool:
        """Returns whether anything was made or imported.

        Raises AuthorityMismatch, AlreadyInitialised where there is another hierarchy than was brought, and errors of `certs` and
        `store`.
        """
        if there := self.authorities.list():
            _verify_taken_over(brought, there)
            return False
        if brought is not None:
            _verify_brought(brought, self.maker.clock())
        acts = [
            self.maker.put_away(profile, pair, self.keys, action, _CALL)
            for profile, pair, action in (self._made() if brought is None else self._taken_over(brought))
        ]
        records, events = [record for record, _event in acts], [event for _record, event in acts]
        kept = self.authorities.establish(records, events)
        if records[0].id not in {record.id for record in kept}:
            _verify_taken_over(brought, kept)
            return False
        for event in events:
            announce(event)
        return True

    def _made(self) -> tuple[_Founding, _Founding]:
        root = self.maker.make_root()
        return (
            ("root", root, Action.AUTHORITY_CREATE),
            ("intermediate", self.maker.make_issuer(root), Action.AUTHORITY_CREATE),
        )

    def _taken_over(self, brought: BroughtHierarchy) -> tuple[_Founding, _Founding]:
        issuer, act = brought.issuer, Action.AUTHORITY_IMPORT
        if issuer is None:
            issuer, act = self.maker.make_issuer(brought.root), Action.AUTHORITY_CREATE
        return ("root", brought.root, Action.AUTHORITY_IMPORT), ("intermediate", issuer, act)


def _verify_brought(brought: BroughtHierarchy, now: datetime) -> None:
    """Raises AuthorityMismatch: a key that is another's or not here, a certificate that is no CA, is not valid now, has no room
    below it, allows no TLS below it, has another's name, or chains to nothing."""
    root, issuer = brought.root, brought.issuer
    try:
        verify_chain(root.certificate, (), (root.certificate,), at=now, usage=None, name=None)
        verify_extended_usage(root.certificate)
        if root.private_key is not None:
            verify_key_pair(root.private_key, root.certificate)
        if issuer is None:
            root.issuer().verify_may_issue(PROFILES["intermediate"])
        else:
            _verify_apart(issuer.certificate, root.certificate)
            verify_own_name(issuer.certificate, (root.certificate,))
            verify_crl_usage(issuer.certificate)
            verify_extended_usage(issuer.certificate)
            verify_chain(issuer.certificate, (), (root.certificate,), at=now, usage=None, name=None)
            issuer.issuer(root.certificate)
    except ChainIncomplete as err:
        raise AuthorityMismatch(f"the CA that was brought cannot be used: {_misplaced(root, issuer)}") from err
    except CertsError as err:
        raise AuthorityMismatch(f"the CA that was brought cannot be used: {err}") from err


def _misplaced(root: Pair, issuer: Pair | None) -> str:
    certificate, wanted = root.certificate, "a root is signed by its own key"
    if issuer is not None and certificate.subject == certificate.issuer:
        certificate, wanted = issuer.certificate, "the root signs the issuing CA itself, with no other between"
    subject, signer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    return f"{subject!r} is signed by {signer!r}; {wanted}"


def _verify_taken_over(brought: BroughtHierarchy | None, there: Sequence[AuthorityRecord]) -> None:
    """What is brought a second time is there already; but nobody shall take what is there for what they brought.

    Raises AlreadyInitialised.
    """
    known = {record.certificate for record in there}
    pairs = () if brought is None else filter(None, (brought.root, brought.issuer))
    for pair in pairs:
        if pair.certificate.public_bytes(Encoding.DER) not in known:
            raise AlreadyInitialised(
                f"there is an authority already, and {pair.certificate.subject.rfc4514_string()!r} is not of it; "
                "name another place, or take away what an attempt has left there"
            )


def _verify_apart(issuer: x509.Certificate, root: x509.Certificate) -> None:
    """Raises AuthorityMismatch for a root that is brought as its own issuing CA: its key would be here, and sign leaves."""
    if issuer.public_key() == root.public_key():
        raise AuthorityMismatch(
            "the issuing CA that was brought is the root itself; bring one under it, or the root alone with its key"
        )
