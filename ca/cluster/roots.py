"""The present roots in a Kubernetes Secret, for pods that must trust the authority before they can ask it anything.

- It is published after the hierarchy is durable. So where it is and no authority is, one was lost; nothing takes its place.
- Read first, then the store: what is in the store then is never older than what was published, unless the store was taken back.
- Replaced only as it was read. Of replicas that publish at the same time a single one succeeds, and the others look again.
- A Secret of another authority is left alone.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.cluster.faults import Occupied
from ca.cluster.secrets import Secret, SecretStore
from ca.errors import AuthorityLost, AuthorityMismatch, ClusterUnavailable, SecretMalformed
from ca.hierarchy import TrustBundle
from certs.errors import CertsError
from certs.pem import split_certificates
from store.records import AuthorityRecord

ROOTS_KEY = "ca.crt"
AUTHORITY = "chancery.dev/authority"
"""Annotation: the id of the authority's first root, whatever roots follow it."""
TRUST_DOMAIN = "chancery.dev/trust-domain"
GENERATION = "chancery.dev/generation"

_ATTEMPTS = 8
_GENERATION = re.compile(r"[0-9]{1,9}")

_log = structlog.get_logger("chancery.roots")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a Secret says of the authority whose roots it holds."""

    name: str
    roots: tuple[x509.Certificate, ...]
    authority_id: str
    trust_domain: str
    generation: int

    @classmethod
    def from_secret(cls, secret: Secret) -> "Published | None":
        """None for one that nobody has published anything in. Raises SecretMalformed for one that is something else."""
        authority_id = secret.annotations.get(AUTHORITY, "")
        pem = secret.data.get(ROOTS_KEY, b"")
        if not pem.strip() and not authority_id:
            return None
        generation = secret.annotations.get(GENERATION, "")
        return cls(
            name=secret.name,
            roots=_roots(secret.name, pem, is_ours=bool(authority_id)),
            authority_id=authority_id,
            trust_domain=secret.annotations.get(TRUST_DOMAIN, ""),
            generation=int(generation) if _GENERATION.fullmatch(generation) else 0,
        )


def find_published(secrets: SecretStore, name: str) -> Published | None:
    """What is there now. Raises SecretMalformed, ClusterUnavailable, ClusterRefused."""
    secret = secrets.get(name)
    return None if secret is None else Published.from_secret(secret)


def verify_belongs(published: Published | None, records: Sequence[AuthorityRecord], trust_domain: str) -> None:
    """`records` were read after `published`. Raises AuthorityLost, AuthorityMismatch."""
    if published is None:
        return
    name = published.name
    if published.trust_domain not in ("", trust_domain):
        raise AuthorityMismatch(
            f"Secret {name} holds the roots of trust domain {published.trust_domain}, and trust_domain is {trust_domain}; "
            f"set it to that, or name another kubernetes_roots_secret"
        )
    if not records:
        raise AuthorityLost(
            f"Secret {name} holds the roots of an authority, and there is none in the database: it was lost, or this is another "
            "database. Bring the volume or the database back, or restore a backup with `ca-cli restore`. Only to begin with a new "
            f"authority that nobody trusts yet: kubectl delete secret {name}"
        )
    ours = {record.certificate for record in records if record.profile == "root"}
    is_known = published.authority_id in {record.id for record in records} or any(
        root.public_bytes(Encoding.DER) in ours for root in published.roots
    )
    if not is_known:
        raise AuthorityMismatch(
            f"Secret {name} holds the roots of another authority than the one in the database; name another "
            "kubernetes_roots_secret, or the right database (two replicas share one, or else have each its own authority)"
        )
    present = max((record.generation for record in records), default=0)
    if published.generation > present:
        raise AuthorityMismatch(
            f"Secret {name} holds generation {published.generation} of the roots, and the database knows {present}: it was taken "
            "back to before a rotation of the root. Bring back a later one, or, where there is none, "
            f"have the older roots published: kubectl delete secret {name}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RootsPublication:
    """`look` reads the store anew."""

    secrets: SecretStore
    name: str
    trust_domain: str
    look: Callable[[], tuple[Sequence[AuthorityRecord], TrustBundle]]

    def publish(self) -> int:
        """Brings the Secret up to date, where it is not. Returns the generation that it holds now.

        Raises AuthorityMismatch, SecretMalformed, ClusterUnavailable, ClusterRefused.
        """
        for _ in range(_ATTEMPTS):
            secret = self.secrets.get(self.name)
            records, bundle = self.look()
            if secret is not None:
                verify_belongs(Published.from_secret(secret), records, self.trust_domain)
            data = {ROOTS_KEY: bundle.pem}
            annotations = self._annotations(records, bundle)
            if secret is not None and _holds(secret, data, annotations):
                return bundle.generation
            try:
                self._write(secret, data, annotations)
            except Occupied:
                continue
            _log.info("roots published", secret=self.name, generation=bundle.generation, roots=len(bundle.roots))
            return bundle.generation
        raise ClusterUnavailable(f"Secret {self.name} is being changed by others all the time")

    def _write(self, secret: Secret | None, data: Mapping[str, bytes], annotations: Mapping[str, str]) -> None:
        if secret is None:
            self.secrets.create(self.name, data, annotations)
        else:
            self.secrets.replace(secret, data, annotations)

    def _annotations(self, records: Sequence[AuthorityRecord], bundle: TrustBundle) -> Mapping[str, str]:
        first = next(record.id for record in records if record.profile == "root")
        return {AUTHORITY: first, TRUST_DOMAIN: self.trust_domain, GENERATION: str(bundle.generation)}


def _holds(secret: Secret, data: Mapping[str, bytes], annotations: Mapping[str, str]) -> bool:
    return data.items() <= secret.data.items() and annotations.items() <= secret.annotations.items()


def _roots(name: str, pem: bytes, *, is_ours: bool) -> tuple[x509.Certificate, ...]:
    """What is marked as ours and was spoilt is written again; anything else might be somebody's."""
    try:
        return split_certificates(pem)
    except CertsError as err:
        if is_ours:
            return ()
        raise SecretMalformed(
            f"Secret {name} has an entry {ROOTS_KEY!r} that holds no certificates: {err}; name another kubernetes_roots_secret, "
            "or remove the entry"
        ) from err
