"""Signing: a template and an issuer become a certificate, by our own splice or by the library's builder.

- Every way in holds the template against its profile and the issuer first; nothing is signed that the profile forbids.
- Both encoders put the same octets under the signature; the splice is the quick one, the builder stays selectable.
"""

from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from certs.errors import IssuerExpired, ProfileViolation
from certs.issuers import Issuer
from certs.keys import PrivateKey, key_identifier, signature_hash, verify_key_pair
from certs.name_constraints import verify_permitted
from certs.profiles import KeyUsage, Profile
from certs.signatures import signed, signing_function
from certs.tbs import TbsEncoder
from certs.templates import CertificateTemplate, verify_template


class CertificateEncoder(StrEnum):
    """Who encodes leaves: our splice, or `cryptography`'s CertificateBuilder."""

    SPLICE = "splice"
    BUILDER = "builder"


class Signer:
    """Signs for one issuer. Holds caches only: any number of threads may share it."""

    def __init__(self, issuer: Issuer, *, encoder: CertificateEncoder = CertificateEncoder.SPLICE) -> None:
        self.issuer = issuer
        self.encoder = encoder
        self._tbs = TbsEncoder(issuer)
        self._sign = signing_function(issuer.private_key)

    def sign(self, template: CertificateTemplate) -> bytes:
        """The certificate, DER. CA certificates always come from the builder.

        Raises a ProfileViolation, NotAnIssuer, NameNotPermitted or IssuerExpired.
        """
        if template.profile.is_ca or self.encoder is CertificateEncoder.BUILDER:
            return sign_with_builder(self.issuer, template)
        _verify_may_sign(self.issuer, template)
        return signed(self._tbs.encode(template), self._tbs.algorithm_identifier, self._sign)

    def encode(self, template: CertificateTemplate) -> bytes:
        """The octets that `sign` would sign by splicing, for `certs.lint`."""
        return self._tbs.encode(template)


def sign_with_builder(issuer: Issuer, template: CertificateTemplate, *, private_key: PrivateKey | None = None) -> bytes:
    """The certificate, DER, by `cryptography`'s CertificateBuilder; the slow way, and the measure of the other.

    `private_key` signs in place of the issuer's own: `certs.lint` hands in a throwaway key of the same type.
    Raises a ProfileViolation, NotAnIssuer, NameNotPermitted or IssuerExpired.
    """
    _verify_may_sign(issuer, template)
    builder = _builder(template, issuer.certificate.subject, issuer.subject_key_identifier)
    return _finish(builder, issuer.private_key if private_key is None else private_key)


def self_sign(template: CertificateTemplate, private_key: PrivateKey) -> bytes:
    """A root certificate, DER: issuer and subject are one, and so are both key identifiers (RFC 5280 §3.2).

    Raises a ProfileViolation, KeyMismatch where the key is not the template's.
    """
    if template.profile.name != "root":
        raise ProfileViolation(
            f"profile {template.profile.name} is not for self-signed certificates; use root",
            profile=template.profile.name,
            field="profile",
        )
    verify_template(template)
    verify_key_pair(private_key, template.public_key)
    return _finish(
        _builder(template, template.subject.to_x509(), key_identifier(template.public_key_info)), private_key
    )


def _verify_may_sign(issuer: Issuer, template: CertificateTemplate) -> None:
    if template.profile.name == "root":
        raise ProfileViolation("a root is signed by itself; use intermediate", profile="root", field="profile")
    verify_template(template)
    issuer.verify_may_issue(template.profile)
    if issuer.is_name_constrained:
        verify_permitted(template.names, template.subject, issuer.full_chain, is_ca=template.profile.is_ca)
    if template.not_after > issuer.not_after or template.not_before < issuer.not_before:
        raise IssuerExpired(
            "the certificate would be valid outside its issuer's chain, which holds from "
            f"{issuer.not_before:%Y-%m-%dT%H:%M:%SZ} to {issuer.not_after:%Y-%m-%dT%H:%M:%SZ}; "
            "rotate the issuer or ask for less"
        )


def _builder(
    template: CertificateTemplate, issuer_name: x509.Name, authority_key_identifier: bytes
) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .serial_number(template.serial.to_int())
        .issuer_name(issuer_name)
        .not_valid_before(template.not_before)
        .not_valid_after(template.not_after)
        .subject_name(template.subject.to_x509())
        .public_key(template.public_key)
    )
    for value, critical in _extensions(template, authority_key_identifier):
        builder = builder.add_extension(value, critical=critical)
    return builder


def _extensions(
    template: CertificateTemplate, authority_key_identifier: bytes
) -> list[tuple[x509.ExtensionType, bool]]:
    profile = template.profile
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=profile.is_ca, path_length=profile.path_length), True),
        (key_usage_extension(profile), True),
    ]
    if profile.extended_key_usages:
        extensions.append((x509.ExtendedKeyUsage(profile.extended_key_usages), False))
    extensions.append((x509.AuthorityKeyIdentifier(authority_key_identifier, None, None), False))
    if profile.ocsp_no_check:
        extensions.append((x509.OCSPNoCheck(), False))
    if template.crl_distribution_point is not None:
        url = x509.UniformResourceIdentifier(template.crl_distribution_point)
        extensions.append((x509.CRLDistributionPoints([x509.DistributionPoint([url], None, None, None)]), False))
    if access := _access_descriptions(template):
        extensions.append((x509.AuthorityInformationAccess(access), False))
    extensions.append((x509.SubjectKeyIdentifier(key_identifier(template.public_key_info)), False))
    if template.permitted_names is not None:
        extensions.append((template.permitted_names.to_x509(), True))  # RFC 5280 §4.2.1.10: critical, and in CAs alone
    if not template.names.is_empty:
        # RFC 5280 §4.2.1.6: critical exactly where the subject is empty
        extensions.append((template.names.to_x509(), template.subject.is_empty))
    return extensions


def _access_descriptions(template: CertificateTemplate) -> list[x509.AccessDescription]:
    urls = (
        (AuthorityInformationAccessOID.OCSP, template.ocsp_url),
        (AuthorityInformationAccessOID.CA_ISSUERS, template.ca_issuers_url),
    )
    return [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(url)) for method, url in urls if url is not None
    ]


def key_usage_extension(profile: Profile) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=KeyUsage.DIGITAL_SIGNATURE in profile.key_usages,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=KeyUsage.KEY_CERT_SIGN in profile.key_usages,
        crl_sign=KeyUsage.CRL_SIGN in profile.key_usages,
        encipher_only=False,
        decipher_only=False,
    )


def _finish(builder: x509.CertificateBuilder, private_key: CertificateIssuerPrivateKeyTypes) -> bytes:
    return builder.sign(private_key, signature_hash(private_key)).public_bytes(Encoding.DER)  # type: ignore[arg-type]  # the stub lists three hashes by class
