"""The hierarchy as it is now: loaded from the store, and again whenever the store has another one.

- Whoever asks gets the present state; nobody keeps a part of it for later than the call at hand.
- Keys of issuing CAs are opened once and kept; the root's stays sealed on disk while the process runs.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime

from cryptography import x509

from ca.hierarchy import Hierarchy, IssuingAuthority, TrustBundle
from ca.keys import AuthorityKeys
from certs.keys import KeyFactory, PrivateKey
from store.authorities import Authorities
from store.records import AuthorityRecord


class Issuers:
    """Thread-safe. Raises, where it is made and in `refresh`, AuthorityMismatch, errors of the keys and of the store."""

    def __init__(self, authorities: Authorities, keys: AuthorityKeys, key_factory: KeyFactory) -> None:
        self._authorities = authorities
        self._keys = keys
        self._key_factory = key_factory
        self._opened: dict[str, PrivateKey] = {}
        self._lock = threading.Lock()
        self._subscribers: list[Callable[[], None]] = []
        self._hierarchy = self._load(authorities.list())

    def refresh(self) -> bool:
        """Whether the store had another hierarchy than this, which is now this one. Subscribers are told, in this thread."""
        with self._lock:
            records = self._authorities.list()
            if records == self._hierarchy.records:
                return False
            self._hierarchy = self._load(records)
        for subscriber in self._subscribers:
            subscriber()
        return True

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        """Calls `subscriber` after each change."""
        self._subscribers.append(subscriber)

    @property
    def records(self) -> tuple[AuthorityRecord, ...]:
        return self._hierarchy.records

    @property
    def bundle(self) -> TrustBundle:
        return self._hierarchy.bundle

    @property
    def client_trust_pem(self) -> bytes:
        """The same object until it changes."""
        return self._hierarchy.client_trust_pem

    @property
    def view(self) -> str:
        """Identifies the hierarchy and the keys that are at hand; two replicas with one view can replace each other."""
        return self._hierarchy.view

    def active(self, profile: str = "") -> IssuingAuthority:
        """The issuing CA that signs new certificates of this leaf profile; without one, all that no other serves.

        Raises NoActiveIssuer.
        """
        return self._hierarchy.active(profile)

    def active_id(self) -> str:
        """Of the issuing CA for all profiles that no other serves, with its key at hand or without. Raises NoActiveIssuer."""
        return self._hierarchy.active_id()

    def actives(self) -> tuple[IssuingAuthority, ...]:
        """Each issuing CA that signs new certificates, for whichever profiles; not those whose key is not at hand."""
        return self._hierarchy.actives()

    def served_with(self, profile: str) -> str:
        """The leaf profiles that the issuing CA of this one serves alone, with its key at hand or without; empty: none."""
        return self._hierarchy.served_with(profile)

    def serves(self, authority_id: str) -> str:
        """The leaf profiles that it alone serves; empty for all that no other does."""
        return self._hierarchy.serves(authority_id)

    def get(self, issuer_id: str) -> IssuingAuthority:
        """Raises IssuerNotFound."""
        return self._hierarchy.get(issuer_id)

    def signing(self) -> tuple[IssuingAuthority, ...]:
        """All whose key is at hand and that sign certificates, or did; the active one first."""
        return self._hierarchy.signing()

    def certificate(self, authority_id: str) -> x509.Certificate:
        """Raises IssuerNotFound."""
        return self._hierarchy.certificate(authority_id)

    def root_id(self, issuer_id: str) -> str:
        """The root at the end of its chain. Raises IssuerNotFound."""
        return self._hierarchy.root_id(issuer_id)

    def chain_pem(self, issuer_id: str) -> bytes:
        """The issuing CA and those above it, without the root. Raises IssuerNotFound."""
        return self._hierarchy.chain_pem(issuer_id)

    def expiries(self) -> Iterator[tuple[str, str, datetime]]:
        """Yields profile, identifier and last valid instant of every authority that is not retired."""
        return self._hierarchy.expiries()

    def _load(self, records: tuple[AuthorityRecord, ...]) -> Hierarchy:
        for record in records:
            signs = record.profile == "intermediate" and record.state != "retired"
            if signs and record.id not in self._opened and self._keys.has(record.id):
                self._opened[record.id] = self._keys.get(record.id)
        return Hierarchy(records, self._opened, key_factory=self._key_factory)
