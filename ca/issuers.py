"""The roots and issuing CAs behind this server: which one signs, what chain goes with a certificate, what to trust.

- A certificate that is in the store without its key is trusted but never signs.
- The chain handed out with a leaf ends below the root: whoever trusts the root has it already.
"""

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
class ActiveIssuer:
    """An issuing CA that signs, with everything that is worked out once for it."""

    id: str
    issuer: Issuer
    signer: Signer
    linter: Linter


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """The roots that relying parties are to trust. `generation` grows by one with every change of the set."""

    generation: int
    roots: tuple[x509.Certificate, ...]

    @property
    def pem(self) -> bytes:
        return join_certificates(self.roots)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        return tuple(certificate_fingerprint(root).hex() for root in self.roots)


class Issuers:
    """All authorities of the store, joined with the keys that are at hand."""

    def __init__(
        self,
        records: Sequence[AuthorityRecord],
        keys: Mapping[str, PrivateKey],
        *,
        generation: int,
        key_factory: KeyFactory,
    ) -> None:
        """Raises AuthorityMismatch where a key does not belong to its certificate or a chain does not reach a root."""
        self.records = tuple(records)
        certificates = {record.id: x509.load_der_x509_certificate(record.certificate) for record in records}
        roots = tuple(certificates[record.id] for record in records if record.profile == "root")
        self.bundle = TrustBundle(generation=generation, roots=roots)
        self._chains = {
            record.id: self._chain(certificates[record.id], tuple(certificates.values())) for record in records
        }
        self._chains_pem = {authority: join_certificates(chain[:-1]) for authority, chain in self._chains.items()}
        self._active: list[ActiveIssuer] = []
        for record in records:
            if record.profile == "intermediate" and record.state == "active" and record.id in keys:
                self._active.append(self._activate(record.id, keys[record.id], key_factory))

    def active(self) -> ActiveIssuer:
        """The issuing CA that signs new certificates. Raises NoActiveIssuer."""
        if not self._active:
            raise NoActiveIssuer("no issuing CA has both a certificate and a key; run: ca-cli doctor")
        return self._active[-1]

    def get(self, issuer_id: str) -> ActiveIssuer:
        """Raises IssuerNotFound."""
        for one in self._active:
            if one.id == issuer_id:
                return one
        raise IssuerNotFound(f"no issuing CA {issuer_id} signs here; list them with: ca-cli status")

    def chain_pem(self, issuer_id: str) -> bytes:
        """The issuing CA and those above it, without the root. Raises IssuerNotFound."""
        try:
            return self._chains_pem[issuer_id]
        except KeyError as err:
            raise IssuerNotFound(f"no authority {issuer_id} is known here") from err

    @property
    def client_trust_pem(self) -> bytes:
        """Roots and issuing CAs: what a listener verifies client certificates with, sent with their chain or without."""
        certificates = {certificate_fingerprint(one): one for chain in self._chains.values() for one in chain}
        return join_certificates(tuple(certificates.values()))

    def expiries(self) -> Iterator[tuple[str, str, datetime]]:
        """Yields profile, identifier and last valid instant of every authority."""
        for record in self.records:
            yield record.profile, record.id, self._chains[record.id][0].not_valid_after_utc

    def _activate(self, authority_id: str, key: PrivateKey, key_factory: KeyFactory) -> ActiveIssuer:
        certificate, *above = self._chains[authority_id]
        try:
            issuer = Issuer(certificate=certificate, private_key=key, chain=tuple(above))
            return ActiveIssuer(
                id=authority_id, issuer=issuer, signer=Signer(issuer), linter=Linter(issuer, key_factory)
            )
        except CertsError as err:
            raise AuthorityMismatch(f"issuing CA {authority_id} cannot be used: {err}") from err

    def _chain(
        self, certificate: x509.Certificate, known: tuple[x509.Certificate, ...]
    ) -> tuple[x509.Certificate, ...]:
        """Certificate first, root last; at an instant when all of them could be valid, as expiry is judged when signing."""
        if certificate in self.bundle.roots:
            return (certificate,)
        try:
            return verify_chain(
                certificate, known, self.bundle.roots, at=certificate.not_valid_before_utc, usage=None, name=None
            )
        except CertsError as err:
            raise AuthorityMismatch(
                f"issuing CA {certificate.subject.rfc4514_string()} has no chain to a root: {err}"
            ) from err
