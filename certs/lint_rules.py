"""The rules that every certificate of a private CA keeps, judged on the parsed certificate alone.

- RFC 5280 §4, the SPIFFE X509-SVID standard, RFC 6960 §4.2.2.2 and what browsers' and Kubernetes' verifiers insist on.
- A rule says what is wrong; it never repairs. Rules know neither template nor profile, so they bind the profiles too.
"""

from collections.abc import Callable, Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from certs import der
from certs.errors import CertsError
from certs.extensions import extension_value
from certs.names import SubjectAlternativeNames, SubjectName

_KNOWN_EXTENSIONS = {
    ExtensionOID.BASIC_CONSTRAINTS: True,
    ExtensionOID.KEY_USAGE: True,
    ExtensionOID.EXTENDED_KEY_USAGE: False,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: None,
    ExtensionOID.CRL_DISTRIBUTION_POINTS: False,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: False,
    ExtensionOID.OCSP_NO_CHECK: False,
    ExtensionOID.NAME_CONSTRAINTS: True,
}
"""Each extension we write, with its `critical`; None where that depends on the subject."""

_TLS_USAGES = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH})
_LEAF_USAGES = (
    frozenset({ExtendedKeyUsageOID.SERVER_AUTH}),
    frozenset({ExtendedKeyUsageOID.CLIENT_AUTH}),
    _TLS_USAGES,
    frozenset({ExtendedKeyUsageOID.OCSP_SIGNING}),
)

Findings = Iterator[str]
Rule = Callable[[x509.Certificate], Findings]


def findings(certificate: x509.Certificate) -> tuple[str, ...]:
    """All that is wrong with the certificate, one sentence each; empty where nothing is."""
    try:
        return tuple(finding for rule in _RULES for finding in rule(certificate))
    except (CertsError, ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as err:
        return (f"it cannot be read: {err}",)


def _version_and_serial(certificate: x509.Certificate) -> Findings:
    if certificate.version is not x509.Version.v3:
        yield "its version is not 3 (RFC 5280 §4.1.2.1)"
    if not 64 < certificate.serial_number.bit_length() < 160 or certificate.serial_number < 0:
        yield "its serial is not a positive number of 65 to 159 bits (RFC 5280 §4.1.2.2)"


def _validity(certificate: x509.Certificate) -> Findings:
    if certificate.not_valid_before_utc >= certificate.not_valid_after_utc:
        yield "it ends before it begins"
    moments = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    for element, moment in zip(_validity_element(certificate).children(), moments, strict=True):
        if element.encoded != der.time(moment):
            yield "a time is not in whole seconds, as UTCTime through 2049 (RFC 5280 §4.1.2.5)"


def _names(certificate: x509.Certificate) -> Findings:
    if not list(certificate.issuer):
        yield "its issuer is empty (RFC 5280 §4.1.2.4)"
    SubjectName.from_x509(certificate.subject)
    names = extension_value(certificate, x509.SubjectAlternativeName)
    if names is None and not list(certificate.subject):
        yield "it names nobody: subject and alternative names are empty (RFC 5280 §4.1.2.6)"
    if names is not None:
        if SubjectAlternativeNames.from_x509(names).to_x509() != names:
            yield "its alternative names are not in their normal form"
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        if extension.critical is bool(list(certificate.subject)):
            yield "subjectAltName is not critical exactly where the subject is empty (RFC 5280 §4.2.1.6)"


def _extension_set(certificate: x509.Certificate) -> Findings:
    for extension in certificate.extensions:
        if extension.oid not in _KNOWN_EXTENSIONS:
            yield f"it has the extension {extension.oid.dotted_string}, which no profile has"
        elif _KNOWN_EXTENSIONS[extension.oid] not in {None, extension.critical}:
            yield f"the critical flag of extension {extension.oid.dotted_string} is wrong"


def _key_identifiers(certificate: x509.Certificate) -> Findings:
    subject_key = extension_value(certificate, x509.SubjectKeyIdentifier)
    authority_key = extension_value(certificate, x509.AuthorityKeyIdentifier)
    if subject_key is None or len(subject_key.digest) != 20:
        yield "it has no subjectKeyIdentifier of 20 octets (RFC 5280 §4.2.1.2)"
    if authority_key is None or not authority_key.key_identifier:
        yield "it has no authorityKeyIdentifier (RFC 5280 §4.2.1.1)"
    elif authority_key.authority_cert_issuer or authority_key.authority_cert_serial_number:
        yield "its authorityKeyIdentifier names issuer and serial, which forbids cross-certificates"


def _authority(certificate: x509.Certificate) -> Findings:
    if not _is_ca(certificate):
        return
    usage = extension_value(certificate, x509.KeyUsage)
    if usage is None or usage != _key_usage(key_cert_sign=True, crl_sign=True):
        yield "a CA's keyUsage is not keyCertSign and cRLSign (RFC 5280 §4.2.1.3)"
    if not list(certificate.subject):
        yield "a CA has no subject (RFC 5280 §4.1.2.6)"
    if extension_value(certificate, x509.ExtendedKeyUsage) or extension_value(certificate, x509.SubjectAlternativeName):
        yield "a CA has extendedKeyUsage or subjectAltName, which are a leaf's"


def _name_constraints(certificate: x509.Certificate) -> Findings:
    constraints = extension_value(certificate, x509.NameConstraints)
    if constraints is None:
        return
    if not _is_ca(certificate):
        yield "a leaf has nameConstraints, which are a CA's (RFC 5280 §4.2.1.10)"
    for subtree in (*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())):
        if not isinstance(subtree, _CONSTRAINED):
            yield f"nameConstraints on {type(subtree).__name__} are not what verifiers know"


_CONSTRAINED = (
    x509.DNSName,
    x509.IPAddress,
    x509.UniformResourceIdentifier,
    x509.RFC822Name,
    x509.DirectoryName,
)


def _leaf(certificate: x509.Certificate) -> Findings:
    if _is_ca(certificate):
        return
    usage = extension_value(certificate, x509.KeyUsage)
    if usage is None or usage != _key_usage(digital_signature=True):
        yield "a leaf's keyUsage is not digitalSignature alone (RFC 5280 §4.2.1.3, RFC 9881 §5)"
    extended = _extended_key_usages(certificate)
    if extended not in _LEAF_USAGES:
        yield "a leaf's extendedKeyUsage is none of serverAuth, clientAuth, both, OCSPSigning"
    no_check = extension_value(certificate, x509.OCSPNoCheck) is not None
    if no_check != (extended == {ExtendedKeyUsageOID.OCSP_SIGNING}):
        yield "id-pkix-ocsp-nocheck belongs to OCSP responders, and to them always (RFC 6960 §4.2.2.2.1)"
    if (
        ExtendedKeyUsageOID.SERVER_AUTH in extended
        and extension_value(certificate, x509.SubjectAlternativeName) is None
    ):
        yield "a server has no subjectAltName, and clients look nowhere else (RFC 9525 §2)"


def _spiffe(certificate: x509.Certificate) -> Findings:
    names = extension_value(certificate, x509.SubjectAlternativeName)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier) if names is not None else []
    if not any(uri.startswith("spiffe:") for uri in uris):
        return
    if len(uris) != 1:
        yield "an SVID has more than one URI (X509-SVID §2)"
    if _extended_key_usages(certificate) != _TLS_USAGES:
        yield "an SVID does not state both serverAuth and clientAuth (X509-SVID §4.4)"


def _urls(certificate: x509.Certificate) -> Findings:
    points = extension_value(certificate, x509.CRLDistributionPoints) or ()
    access = extension_value(certificate, x509.AuthorityInformationAccess) or ()
    locations = [name for point in points for name in point.full_name or ()]
    locations += [description.access_location for description in access]
    for location in locations:
        # RFC 5280 §8: HTTPS here needs a certificate that may need this very URL
        if not isinstance(location, x509.UniformResourceIdentifier) or not location.value.startswith("http://"):
            yield "a CRL, OCSP or issuer URL is not http://"


_RULES: tuple[Rule, ...] = (
    _version_and_serial,
    _validity,
    _extension_set,
    _names,
    _key_identifiers,
    _authority,
    _name_constraints,
    _leaf,
    _spiffe,
    _urls,
)


def _is_ca(certificate: x509.Certificate) -> bool:
    constraints = extension_value(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _extended_key_usages(certificate: x509.Certificate) -> frozenset[x509.ObjectIdentifier]:
    return frozenset(extension_value(certificate, x509.ExtendedKeyUsage) or ())


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _validity_element(certificate: x509.Certificate) -> der.Element:
    tbs = next(der.read(certificate.public_bytes(Encoding.DER)).children())
    return list(tbs.children())[4]
