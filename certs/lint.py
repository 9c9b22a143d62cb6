"""Lint before signing: a template's certificate is made under a throwaway key and judged, before the real key sees it.

- Fails closed: an unknown shape is built by the library, compared octet for octet with the splice and held against
  every rule; only then is the shape remembered.
- A shape is all that changes the structure of a certificate: profile, key type, the kinds of names and attributes
  present, the URLs present, the forms of the times and of the lengths. Certificates of one shape differ in values only.
- The issuer's own key signs nothing here: a lint certificate that leaks is worth nothing.
"""

from cryptography import x509

from certs import der
from certs.errors import LintFailed
from certs.issuers import Issuer
from certs.keys import KeyFactory, PrivateKey
from certs.lint_rules import findings
from certs.profiles import Profile
from certs.signing import sign_with_builder
from certs.tbs import TbsEncoder
from certs.templates import CertificateTemplate

_MAX_SHAPES = 4096

Shape = tuple[object, ...]


def verify_rules(certificate: x509.Certificate) -> None:
    """Holds a finished certificate against every rule; for roots, which sign themselves. Raises LintFailed."""
    if found := findings(certificate):
        raise LintFailed(f"the certificate breaks {len(found)} rules: {'; '.join(found)}")


class Linter:
    """Lints for one issuer. Holds caches only: any number of threads may share it."""

    def __init__(self, issuer: Issuer, key_factory: KeyFactory) -> None:
        self._issuer = issuer
        self._key_factory = key_factory
        self._throwaway_key: PrivateKey | None = None
        self._tbs = TbsEncoder(issuer)
        self._passed: dict[Shape, Profile] = {}

    def verify(self, template: CertificateTemplate) -> None:
        """Raises LintFailed where a certificate of this shape would break a rule, or the two encoders disagree on it.

        Raises a ProfileViolation, NotAnIssuer, NameNotPermitted or IssuerExpired as `Signer.sign` would.
        """
        shape = shape_of(template)
        if self._passed.get(shape) is template.profile:
            return
        self._verify_shape(template)
        if len(self._passed) >= _MAX_SHAPES:
            self._passed.clear()
        self._passed[shape] = template.profile

    def _verify_shape(self, template: CertificateTemplate) -> None:
        if self._throwaway_key is None:
            self._throwaway_key = self._key_factory(self._issuer.key_type)
        built = sign_with_builder(self._issuer, template, private_key=self._throwaway_key)
        verify_rules(x509.load_der_x509_certificate(built))
        if template.profile.is_ca:
            return
        if next(der.read(built).children()).encoded != self._tbs.encode(template):
            raise LintFailed(f"the two encoders disagree on a certificate of profile {template.profile.name}")


def shape_of(template: CertificateTemplate) -> Shape:
    """What two templates have in common when their certificates differ in values alone."""
    subject, names = template.subject, template.names
    return (
        template.profile.name,
        len(template.public_key_info),
        _length_form(sum(map(len, names.dns)) + sum(map(len, names.uris)) + sum(map(len, names.emails))),
        min(len(names.dns), 2),
        min(len(names.ips), 2),
        min(len(names.uris), 2),
        min(len(names.emails), 2),
        subject.common_name is None,
        subject.serial_number is None,
        min(len(subject.organizations), 2),
        min(len(subject.organizational_units), 2),
        min(len(subject.countries), 2),
        min(len(subject.localities), 2),
        min(len(subject.provinces), 2),
        min(len(subject.street_addresses), 2),
        min(len(subject.postal_codes), 2),
        template.crl_distribution_point is None,
        template.ocsp_url is None,
        template.ca_issuers_url is None,
        template.permitted_names,
        template.not_before.year < 2050,
        template.not_after.year < 2050,
    )


def _length_form(octets: int) -> int:
    """0, 1, 2 or 3 for the DER length forms that values of about so many octets take (X.690 §8.1.3)."""
    return (octets >= 0x60) + (octets >= 0xE0) + (octets >= 0xFF00)
