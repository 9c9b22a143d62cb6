"""Following the trust bundle: look at it now and then, put it in place, and say so once everybody uses it.

- What is to be done about a bundle is decided here without doing it; a rotation waits for those who say what they hold.
"""

from dataclasses import dataclass

from cryptography import x509

from agent.authority import Authority, TrustBundle, fingerprints
from agent.credentials import Credentials
from agent.errors import CertificateRefused
from certs.errors import CertsError
from certs.extensions import extension_value
from certs.pem import split_certificates


@dataclass(slots=True, kw_only=True)
class TrustFollower:
    """One consumer, by a name of at most 64 characters that tells it apart from others with its identity."""

    consumer: str
    _reported: int = 0

    def look(self, authority: Authority, held: Credentials, *, is_told: bool) -> TrustBundle:
        """The bundle in force. Where `held` has its roots and `is_told`, the authority hears that they are in use.

        Raises RenewalFailed.
        """
        bundle = self._ask(authority, held, self._reported if is_told else 0)
        in_use = is_told and fingerprints(held.trust_bundle) == fingerprints(bundle.roots_pem)
        if in_use and bundle.generation != self._reported:
            bundle = self._ask(authority, held, bundle.generation)
        self._reported = bundle.generation if in_use else 0
        return bundle

    def _ask(self, authority: Authority, held: Credentials, generation: int) -> TrustBundle:
        try:
            return authority.trust_bundle(held, held_generation=generation, consumer=self.consumer, showing=True)
        except CertificateRefused:  # expired, or of an issuing CA that is gone: then as anybody, and unheard
            return authority.trust_bundle(held, held_generation=0, consumer=self.consumer, showing=False)


def has_other_roots(bundle: TrustBundle, held: Credentials) -> bool:
    return fingerprints(bundle.roots_pem) != fingerprints(held.trust_bundle)


def asks_for_renewal(bundle: TrustBundle, held: Credentials) -> bool:
    """Whether the certificate is of an issuing CA that is being replaced, or leads to no root of the bundle."""
    try:
        chain = split_certificates(held.certificate_chain)
        issuers = [_issuer_key_id(certificate) for certificate in chain]
        roots = {_key_id(root) for root in split_certificates(bundle.roots_pem)}
    except CertsError:
        return False
    return issuers[0] in bundle.retiring_key_ids or roots.isdisjoint(issuers)


def _issuer_key_id(certificate: x509.Certificate) -> str:
    value = extension_value(certificate, x509.AuthorityKeyIdentifier)
    return value.key_identifier.hex() if value is not None and value.key_identifier is not None else ""


def _key_id(certificate: x509.Certificate) -> str:
    value = extension_value(certificate, x509.SubjectKeyIdentifier)
    return value.digest.hex() if value is not None else ""
