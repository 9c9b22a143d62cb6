"""Roots and issuing CAs at one moment: which one signs, what chain goes with a certificate, what to trust.

- A certificate that is in the store without its key is trusted but never signs.
- The chain handed out with a leaf ends below the root: whoever trusts the root has it already. While a root is new, its
  cross-certificate by the root before it goes along, for those who do not trust the new one yet (RFC 4210 section 4.4).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from ca.errors import AuthorityMismatch, IssuerNotFound, NoActiveIssuer
from certs.chains import verify_chain
from certs.errors import CertsError
from certs.fingerprints import certificate_fingerprint
from certs.issuers import Issuer
from certs.keys import KeyFactory, PrivateKey
from certs.lint import Linter
from certs.pem import join_certificates
from certs.signing import Signer
from store.records import AuthorityRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuingAuthority:
    """An issuing CA whose key is at hand, with everything that is worked out once for it."""

    id: str
    issuer: Issuer
    signer: Signer
    linter: Linter


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """The roots that relying parties are to trust. `generation` grows with every change of the set."""

    generation: int
    roots: tuple[x509.Certificate, ...]
    retiring_key_ids: tuple[str, ...] = ()
    """Key identifiers, hexadecimal, of the issuing CAs that are being replaced: who has a certificate of theirs renews it now."""

    @property
    def pem(self) -> bytes:
        return join_certificates(self.roots)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        return tuple(certificate_fingerprint(root).hex() for root in self.roots)


class Hierarchy:
    """All authorities of the store, joined with the keys that are at hand. Immutable."""

    def __init__(
        self, records: Sequence[AuthorityRecord], keys: Mapping[str, PrivateKey], *, key_factory: KeyFactory
    ) -> None:
        """Raises AuthorityMismatch where a key does not belong to its certificate or a chain does not reach a root."""
        self.records = tuple(records)
        self._states = {record.id: record.state for record in records}
        self._active = [
            record for record in reversed(self.records) if record.state == "active" and record.profile == "intermediate"
        ]
        certificates = {record.id: x509.load_der_x509_certificate(record.certificate) for record in records}
        self._roots = tuple(certificates[record.id] for record in records if record.profile == "root")
        self._crosses = tuple(certificates[record.id] for record in records if record.profile == "cross")
        others = tuple(certificates[record.id] for record in records if record.profile == "intermediate")
        self._chains = {record.id: self._chain(certificates[record.id], others) for record in records}
        self._signing = {
            record.id: self._signer(record.id, keys[record.id], key_factory)
            for record in records
            if record.profile == "intermediate" and record.state != "retired" and record.id in keys
        }
        handed_out = {certificates[record.id] for record in records if record.state == "active"}
        self._chains_pem = {
            authority: join_certificates((*chain[:-1], *(one for one in self._bridges(chain[-1]) if one in handed_out)))
            for authority, chain in self._chains.items()
        }
        self.bundle = self._bundle(handed_out)
        self.client_trust_pem = self._client_trust()
        self.view = self._view()

    def active(self, profile: str = "") -> IssuingAuthority:
        """The issuing CA that signs new certificates of this leaf profile: the one that serves it alone, if there is one; without
        a profile, the one for all that no other serves. Raises NoActiveIssuer."""
        alone = [record for record in self._active if profile in record.serves.split()]
        for record in alone or [record for record in self._active if not record.serves]:
            if record.id in self._signing:
                return self._signing[record.id]
        what = f"that serves profile {profile} " if alone else ""
        offline = "with the server stopped, ca-cli init --next-issuer-csr FILE"
        replacing = f"ca-cli rotate issuer --profile {profile} --now" if alone else offline
        raise NoActiveIssuer(
            f"no issuing CA {what}has both a certificate and a key where the settings say that keys are (pkcs11_module?); "
            f"restore its key from a backup, or replace the issuing CA: {replacing}"
        )

    def active_id(self) -> str:
        """Of the issuing CA for all profiles that no other serves, with its key at hand or without. Raises NoActiveIssuer."""
        for record in self._active:
            if not record.serves:
                return record.id
        raise NoActiveIssuer("no issuing CA signs for all profiles; run: ca-cli doctor")

    def actives(self) -> tuple[IssuingAuthority, ...]:
        """Each issuing CA that signs new certificates, for whichever profiles; not those whose key is not at hand."""
        served = dict.fromkeys(record.serves for record in self._active if record.id in self._signing)
        return tuple(self.active(serves.partition(" ")[0]) for serves in served)

    def served_with(self, profile: str) -> str:
        """The leaf profiles that the issuing CA of this one serves alone, with its key at hand or without; empty: none."""
        return next((record.serves for record in self._active if profile in record.serves.split()), "")

    def serves(self, authority_id: str) -> str:
        """The leaf profiles that it alone serves; empty for all that no other does."""
        return next((record.serves for record in self.records if record.id == authority_id), "")

    def get(self, issuer_id: str) -> IssuingAuthority:
        """Also one that signs CRLs only. Raises IssuerNotFound."""
        try:
            return self._signing[issuer_id]
        except KeyError as err:
            raise IssuerNotFound(f"no issuing CA {issuer_id} signs here; list them with: ca-cli status") from err

    def signing(self) -> tuple[IssuingAuthority, ...]:
        """All whose key is at hand and that sign certificates, or did; the active one first."""
        ranks = {"active": 0, "passive": 1}
        chosen = [one for one in self._signing.values() if self._states[one.id] in ranks]
        return tuple(sorted(chosen, key=lambda one: ranks[self._states[one.id]]))

    def certificate(self, authority_id: str) -> x509.Certificate:
        """Raises IssuerNotFound."""
        return self._chain_of(authority_id)[0]

    def root_id(self, issuer_id: str) -> str:
        """The root at the end of its chain. Raises IssuerNotFound."""
        root = self._chain_of(issuer_id)[-1]
        return next(one for one, chain in self._chains.items() if chain == (root,))

    def chain_pem(self, issuer_id: str) -> bytes:
        """The issuing CA and those above it, without the root, with what bridges to an older one. Raises IssuerNotFound."""
        self._chain_of(issuer_id)
        return self._chains_pem[issuer_id]

    def expiries(self) -> Iterator[tuple[str, str, datetime]]:
        """Yields profile, identifier and last valid instant of every authority that is not retired."""
        for record in self.records:
            if record.state != "retired":
                yield record.profile, record.id, self._chains[record.id][0].not_valid_after_utc

    def _chain_of(self, authority_id: str) -> tuple[x509.Certificate, ...]:
        try:
            return self._chains[authority_id]
        except KeyError as err:
            raise IssuerNotFound(f"no authority {authority_id} is known here") from err

    def _bridges(self, root: x509.Certificate) -> Iterator[x509.Certificate]:
        return (cross for cross in self._crosses if cross.public_key() == root.public_key())

    def _bundle(self, handed_out: set[x509.Certificate]) -> TrustBundle:
        retiring = (
            one.issuer.subject_key_identifier.hex()
            for authority_id, one in self._signing.items()
            if self._states[authority_id] == "passive"
        )
        return TrustBundle(
            generation=max((record.generation for record in self.records), default=0),
            roots=tuple(root for root in self._roots if root in handed_out),
            retiring_key_ids=tuple(retiring),
        )

    def _client_trust(self) -> bytes:
        """Roots and issuing CAs: what a listener verifies client certificates with, sent with their chain or without."""
        chains = (chain for authority, chain in self._chains.items() if self._states[authority] != "retired")
        certificates = {certificate_fingerprint(one): one for chain in chains for one in chain}
        return join_certificates(tuple(certificates.values()))

    def _view(self) -> str:
        """Equal where states and keys are; what replicas compare."""
        parts = (f"{record.id}:{record.state}:{record.id in self._signing}" for record in self.records)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _signer(self, authority_id: str, key: PrivateKey, key_factory: KeyFactory) -> IssuingAuthority:
        certificate, *above = self._chains[authority_id]
        try:
            issuer = Issuer(certificate=certificate, private_key=key, chain=tuple(above))
            return IssuingAuthority(
                id=authority_id, issuer=issuer, signer=Signer(issuer), linter=Linter(issuer, key_factory)
            )
        except CertsError as err:
            raise AuthorityMismatch(f"issuing CA {authority_id} cannot be used: {err}") from err

    def _chain(
        self, certificate: x509.Certificate, known: tuple[x509.Certificate, ...]
    ) -> tuple[x509.Certificate, ...]:
        """Certificate first, root last; at an instant when all of them could be valid, as expiry is judged when signing."""
        if certificate in self._roots:
            return (certificate,)
        try:
            return verify_chain(
                certificate, known, self._roots, at=certificate.not_valid_before_utc, usage=None, name=None
            )
        except CertsError as err:
            raise AuthorityMismatch(
                f"authority {certificate.subject.rfc4514_string()} has no chain to a root: {err}"
            ) from err
