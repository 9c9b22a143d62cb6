"""The authority's roots of one generation, verified before anything is written to the cluster.

- What is empty, no certificate, no CA, twice there or too large is refused as a whole: what is published stays.
- Expired roots are left out and named; a bundle of nothing else is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Self

from cryptography import x509

from certs.errors import CertsError
from certs.extensions import extension_value
from certs.fingerprints import certificate_fingerprint
from certs.pem import join_certificates, split_certificates
from kube.trust.errors import BundleEmpty, BundleMalformed, BundleTooLarge, NotACa, RootTwice

MAX_OCTETS = 64 * 1024
"""A webhook configuration has the bundle once for each of its webhooks, and etcd takes no object above 1.5 MiB."""


@dataclass(frozen=True, kw_only=True)
class Roots:
    """`generation` is the authority's; `pem` has one block for each certificate, in the authority's order, and nothing else."""

    generation: int
    certificates: tuple[x509.Certificate, ...]
    expired: tuple[str, ...] = ()
    """Fingerprints of what was left out."""

    @classmethod
    def from_pem(cls, pem: bytes, *, generation: int, at: datetime) -> Self:
        """Raises BundleInvalid."""
        certificates = _verified(pem)
        valid = tuple(one for one in certificates if one.not_valid_after_utc > at)
        if not valid:
            raise BundleEmpty("every root of the bundle has expired, rotate the root")
        left_out = tuple(certificate_fingerprint(one).hex() for one in certificates if one not in valid)
        return cls(generation=generation, certificates=valid, expired=left_out)

    @cached_property
    def pem(self) -> bytes:
        return join_certificates(self.certificates)

    @cached_property
    def fingerprints(self) -> frozenset[str]:
        """SHA-256, lower-case hexadecimal."""
        return frozenset(certificate_fingerprint(one).hex() for one in self.certificates)


def _verified(pem: bytes) -> Sequence[x509.Certificate]:
    if not pem.strip():
        raise BundleEmpty("the bundle is empty, which would leave the cluster without roots")
    if len(pem) > MAX_OCTETS:
        raise BundleTooLarge(f"the bundle has {len(pem)} octets, {MAX_OCTETS} fit into the objects that get it")
    try:
        certificates = split_certificates(pem)
        for certificate in certificates:
            _verify_ca(certificate)
    except CertsError as err:
        raise BundleMalformed(f"the bundle cannot be used: {err}") from err
    if len(set(certificates)) != len(certificates):
        raise RootTwice("a certificate is twice in the bundle")
    return certificates


def _verify_ca(certificate: x509.Certificate) -> None:
    """RFC 5280 §4.2.1.9 and §4.2.1.3. A ClusterTrustBundle takes nothing else."""
    constraints = extension_value(certificate, x509.BasicConstraints)
    usage = extension_value(certificate, x509.KeyUsage)
    if constraints is None or not constraints.ca or (usage is not None and not usage.key_cert_sign):
        fingerprint = certificate_fingerprint(certificate).hex()
        raise NotACa(f"certificate {fingerprint[:16]}… of the bundle is not a CA's")
