"""Following the trust bundle: look at it now and then, put it in place, and say so.

- A rotation of the authority waits for those who say what they hold; it is not to be said before it is in place.
"""

from dataclasses import dataclass

from cryptography import x509

from ca.client.trust import TrustClient
from ca.client.values import TrustBundle
from certs.extensions import extension_value
from certs.fingerprints import certificate_fingerprint
from certs.pem import split_certificates


@dataclass(slots=True)
class TrustFollower:
    """One consumer, by a name that tells it apart from others with its identity; used by one thread."""

    consumer: str
    _held_generation: int = 0

    def look(self, trust: TrustClient, held_roots: bytes) -> TrustBundle:
        """The bundle in force; where `held_roots`, PEM, are its roots, the authority has been told that they are held.

        Raises ClientError.
        """
        held = _fingerprints(held_roots)
        bundle = trust.get_trust_bundle(held_generation=self._held_generation, consumer=self.consumer)
        is_held = held == set(bundle.sha256_fingerprints)
        if is_held and bundle.generation != self._held_generation:
            trust.get_trust_bundle(held_generation=bundle.generation, consumer=self.consumer)
        self._held_generation = bundle.generation if is_held else 0
        return bundle

    def asks_for_renewal(self, bundle: TrustBundle, leaf: x509.Certificate, held_roots: bytes) -> bool:
        """Whether `leaf` is of an issuing CA that is being replaced, or the roots are others by now."""
        key_id = (_issuer_key_id(leaf) or b"").hex()
        return key_id in bundle.retiring_key_ids or _fingerprints(held_roots) != set(bundle.sha256_fingerprints)


def leads_to_a_root(bundle: TrustBundle, certificate_chain: bytes) -> bool:
    """Whether a chain, PEM, does so by the identifiers of keys; where not, nobody who holds the bundle believes the leaf."""
    issuers = {_issuer_key_id(one) for one in split_certificates(certificate_chain)}
    return any(_key_id(root) in issuers for root in split_certificates(bundle.roots_pem))


def _issuer_key_id(certificate: x509.Certificate) -> bytes | None:
    issuer = extension_value(certificate, x509.AuthorityKeyIdentifier)
    return None if issuer is None else issuer.key_identifier


def _key_id(certificate: x509.Certificate) -> bytes:
    subject = extension_value(certificate, x509.SubjectKeyIdentifier)
    return b"" if subject is None else subject.digest


def _fingerprints(roots: bytes) -> set[str]:
    return {certificate_fingerprint(root).hex() for root in split_certificates(roots)}
