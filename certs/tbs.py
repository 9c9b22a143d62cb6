"""TBSCertificate by splicing: what an issuer and a profile fix is encoded once, the rest is joined per certificate.

- The output is, octet for octet, what `signing.sign_with_builder` puts under the signature; `certs.lint` compares the
  two for each new shape of certificate and fails closed.
- Only leaves are encoded here. CA certificates are rare and take the library's way.
"""

from collections.abc import Iterator

from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID, NameOID, ObjectIdentifier

from certs import der
from certs.errors import InspectionFailed
from certs.issuers import Issuer
from certs.keys import key_identifier
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import KeyUsage, Profile
from certs.signatures import signature_algorithm_identifier
from certs.templates import CertificateTemplate

_MAX_CACHED = 1024
_VERSION_3 = der.encode(der.context(0, constructed=True), der.integer(2))
_NOBODY = der.sequence()
_EXTENSIONS = der.context(3, constructed=True)
_KEY_USAGE_BITS = {KeyUsage.DIGITAL_SIGNATURE: 0, KeyUsage.KEY_CERT_SIGN: 5, KeyUsage.CRL_SIGN: 6}
_EMAIL, _DNS, _URI, _IP = (der.context(number, constructed=False) for number in (1, 2, 6, 7))


class TbsEncoder:
    """Encodes the TBSCertificate (RFC 5280 §4.1) of one issuer's leaves."""

    def __init__(self, issuer: Issuer) -> None:
        self.algorithm_identifier = signature_algorithm_identifier(issuer.key_type)
        self._algorithm_and_issuer = self.algorithm_identifier + issuer.subject_octets
        key_id = der.encode(der.context(0, constructed=False), issuer.subject_key_identifier)
        self._authority_key_identifier = extension(ExtensionOID.AUTHORITY_KEY_IDENTIFIER, der.sequence(key_id))
        self._by_profile: dict[str, tuple[Profile, bytes]] = {}
        self._by_urls: dict[tuple[str | None, str | None, str | None], bytes] = {}

    def encode(self, template: CertificateTemplate) -> bytes:
        """The octets to be signed. `template` is of a leaf profile and keeps to it."""
        subject = subject_name(template.subject)
        extensions = (
            self._of_profile(template.profile)
            + self._of_urls(template)
            + _subject_key_identifier(template.public_key_info)
            + _subject_alternative_name(template.names, critical=subject == _NOBODY)
        )
        return der.sequence(
            _VERSION_3,
            der.encode(der.INTEGER, template.serial.octets),
            self._algorithm_and_issuer,
            der.encode(der.SEQUENCE, der.time(template.not_before) + der.time(template.not_after)),
            subject,
            template.public_key_info,
            der.encode(_EXTENSIONS, der.encode(der.SEQUENCE, extensions)),
        )

    def _of_profile(self, profile: Profile) -> bytes:
        cached = self._by_profile.get(profile.name)
        if cached is not None and cached[0] is profile:
            return cached[1]
        if profile.is_ca:
            raise InspectionFailed("CA certificates are not encoded by splicing")
        octets = b"".join(_profile_extensions(profile, self._authority_key_identifier))
        self._by_profile[profile.name] = (profile, octets)
        return octets

    def _of_urls(self, template: CertificateTemplate) -> bytes:
        urls = (template.crl_distribution_point, template.ocsp_url, template.ca_issuers_url)
        octets = self._by_urls.get(urls)
        if octets is None:
            if len(self._by_urls) >= _MAX_CACHED:
                self._by_urls.clear()
            octets = self._by_urls[urls] = b"".join(_url_extensions(*urls))
        return octets


def extension(oid: ObjectIdentifier, value: bytes, *, critical: bool = False) -> bytes:
    """Extension with its `critical` left out where it is FALSE, its default (RFC 5280 §4.1, X.690 §11.5)."""
    flag = der.TRUE if critical else b""
    return der.sequence(der.object_identifier(oid.dotted_string), flag, der.encode(der.OCTET_STRING, value))


def distribution_point_name(url: str) -> bytes:
    """The field `distributionPoint [0]` with one fullName URI (RFC 5280 §4.2.1.13, §5.2.5)."""
    full_name = der.encode(der.context(0, constructed=True), der.encode(_URI, url.encode("ascii")))
    return der.encode(der.context(0, constructed=True), full_name)


def subject_name(subject: SubjectName) -> bytes:
    """Name with one attribute in each RDN, in the order of `SubjectName.to_x509`."""
    attributes = b"".join([_attribute(_COUNTRY, value, der.PRINTABLE_STRING) for value in subject.countries])
    for oid, values in (
        (_PROVINCE, subject.provinces),
        (_LOCALITY, subject.localities),
        (_STREET, subject.street_addresses),
        (_POSTAL_CODE, subject.postal_codes),
        (_ORGANIZATION, subject.organizations),
        (_UNIT, subject.organizational_units),
    ):
        for value in values:
            attributes += _attribute(oid, value)
    if subject.serial_number is not None:
        attributes += _attribute(_SERIAL_NUMBER, subject.serial_number, der.PRINTABLE_STRING)
    if subject.common_name is not None:
        attributes += _attribute(_COMMON_NAME, subject.common_name)
    return der.encode(der.SEQUENCE, attributes)


_COUNTRY, _PROVINCE, _LOCALITY, _STREET, _POSTAL_CODE, _ORGANIZATION, _UNIT, _SERIAL_NUMBER, _COMMON_NAME = (
    der.object_identifier(oid.dotted_string)
    for oid in (
        NameOID.COUNTRY_NAME,
        NameOID.STATE_OR_PROVINCE_NAME,
        NameOID.LOCALITY_NAME,
        NameOID.STREET_ADDRESS,
        NameOID.POSTAL_CODE,
        NameOID.ORGANIZATION_NAME,
        NameOID.ORGANIZATIONAL_UNIT_NAME,
        NameOID.SERIAL_NUMBER,
        NameOID.COMMON_NAME,
    )
)


def _attribute(oid: bytes, value: str, tag: int = der.UTF8_STRING) -> bytes:
    return der.encode(der.SET, der.encode(der.SEQUENCE, oid + der.encode(tag, value.encode())))


def _profile_extensions(profile: Profile, authority_key_identifier: bytes) -> Iterator[bytes]:
    key_usage = frozenset(_KEY_USAGE_BITS[usage] for usage in profile.key_usages)
    yield extension(ExtensionOID.BASIC_CONSTRAINTS, der.sequence(), critical=True)
    yield extension(ExtensionOID.KEY_USAGE, der.named_bits(key_usage), critical=True)
    usages = (der.object_identifier(oid.dotted_string) for oid in profile.extended_key_usages)
    yield extension(ExtensionOID.EXTENDED_KEY_USAGE, der.sequence(*usages))
    yield authority_key_identifier
    if profile.ocsp_no_check:
        yield extension(ExtensionOID.OCSP_NO_CHECK, der.encode(der.NULL, b""))


def _url_extensions(crl: str | None, ocsp: str | None, ca_issuers: str | None) -> Iterator[bytes]:
    if crl is not None:
        yield extension(ExtensionOID.CRL_DISTRIBUTION_POINTS, der.sequence(der.sequence(distribution_point_name(crl))))
    descriptions = [
        der.sequence(der.object_identifier(method.dotted_string), der.encode(_URI, url.encode("ascii")))
        for method, url in (
            (AuthorityInformationAccessOID.OCSP, ocsp),
            (AuthorityInformationAccessOID.CA_ISSUERS, ca_issuers),
        )
        if url is not None
    ]
    if descriptions:
        yield extension(ExtensionOID.AUTHORITY_INFORMATION_ACCESS, der.sequence(*descriptions))


_SKI_HEAD = extension(ExtensionOID.SUBJECT_KEY_IDENTIFIER, der.encode(der.OCTET_STRING, bytes(20)))[:-20]


def _subject_key_identifier(public_key_info: bytes) -> bytes:
    return _SKI_HEAD + key_identifier(public_key_info)


def _subject_alternative_name(names: SubjectAlternativeNames, *, critical: bool) -> bytes:
    general_names = b"".join(
        [
            *[der.encode(_DNS, name.encode("ascii")) for name in names.dns],
            *[der.encode(_IP, address.packed) for address in names.ips],
            *[der.encode(_URI, uri.encode("ascii")) for uri in names.uris],
            *[der.encode(_EMAIL, email.encode("ascii")) for email in names.emails],
        ]
    )
    if not general_names:
        return b""
    value = der.encode(der.OCTET_STRING, der.encode(der.SEQUENCE, general_names))
    return der.encode(der.SEQUENCE, (_SAN_CRITICAL if critical else _SAN_OID) + value)


_SAN_OID = der.object_identifier(ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string)
_SAN_CRITICAL = _SAN_OID + der.TRUE
