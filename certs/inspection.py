"""Inspection: the finished certificate, read again by code that did not make it.

- The expectations of each profile are written down here a second time, on purpose; neither `profiles` nor the encoders
  of `tbs` are asked. The certificate is parsed by `cryptography` and taken apart by the strict reader of `der`; subject
  and extensions are compared, octet for octet, with what `cryptography` encodes.
- An extension that is missing, in excess, wrong or wrongly critical fails; nothing is ignored.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    SignatureAlgorithmOID,
)

from certs import der
from certs.errors import InspectionFailed, MalformedInput
from certs.issuers import Issuer
from certs.keys import KeyType, key_identifier
from certs.name_inspection import are_names_permitted
from certs.permitted_names import PermittedNames
from certs.templates import CertificateTemplate

_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)
_BACKDATE = timedelta(seconds=60)


_NOT_A_CA = x509.BasicConstraints(ca=False, path_length=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expectation:
    extended_key_usage: x509.ExtendedKeyUsage | None = None
    maximum: timedelta = timedelta(days=90)
    basic_constraints: x509.BasicConstraints = _NOT_A_CA
    key_usage: str = "digital_signature"
    ocsp_no_check: bool = False
    names: str = ""


_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_EXPECTATIONS = {
    "root": _Expectation(
        maximum=timedelta(days=7305),
        basic_constraints=x509.BasicConstraints(ca=True, path_length=2),
        key_usage="key_cert_sign crl_sign",
    ),
    "cross": _Expectation(
        maximum=timedelta(days=7305),
        basic_constraints=x509.BasicConstraints(ca=True, path_length=1),
        key_usage="key_cert_sign crl_sign",
    ),
    "intermediate": _Expectation(
        maximum=timedelta(days=3652),
        basic_constraints=x509.BasicConstraints(ca=True, path_length=0),
        key_usage="key_cert_sign crl_sign",
    ),
    "server": _Expectation(extended_key_usage=x509.ExtendedKeyUsage([_SERVER]), names="hosts uris"),
    "client": _Expectation(extended_key_usage=x509.ExtendedKeyUsage([_CLIENT]), names="any"),
    "peer": _Expectation(extended_key_usage=x509.ExtendedKeyUsage([_SERVER, _CLIENT]), names="hosts any"),
    "workload": _Expectation(extended_key_usage=x509.ExtendedKeyUsage([_SERVER, _CLIENT]), names="identity"),
    "ocsp": _Expectation(
        extended_key_usage=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), ocsp_no_check=True
    ),
}
_SIGNATURE_ALGORITHMS = {
    KeyType.EC_P256: SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    KeyType.EC_P384: SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    KeyType.EC_P521: SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    KeyType.ED25519: SignatureAlgorithmOID.ED25519,
    KeyType.RSA_2048: SignatureAlgorithmOID.RSA_WITH_SHA256,
    KeyType.RSA_3072: SignatureAlgorithmOID.RSA_WITH_SHA256,
    KeyType.RSA_4096: SignatureAlgorithmOID.RSA_WITH_SHA256,
    KeyType.ML_DSA_44: SignatureAlgorithmOID.ML_DSA_44,
    KeyType.ML_DSA_65: SignatureAlgorithmOID.ML_DSA_65,
    KeyType.ML_DSA_87: SignatureAlgorithmOID.ML_DSA_87,
}


def verify_issued(
    data: bytes, *, template: CertificateTemplate, issuer: Issuer, verify_signature: bool = False
) -> x509.Certificate:
    """The parsed certificate, once `data` (DER) says what `template` and `issuer` say and nothing else.

    `verify_signature` costs one verification more (three P-256 signatures' time); CA certificates are always verified.
    For a root the issuer is the root itself. Raises InspectionFailed.
    """
    expectation = _EXPECTATIONS.get(template.profile.name)
    if expectation is None:
        raise InspectionFailed(f"no expectation is written down for profile {template.profile.name}")
    try:
        subject, extensions = _verify_fields(data, template, issuer)
        certificate = x509.load_der_x509_certificate(data)
        _expect(certificate.serial_number == int.from_bytes(template.serial.octets, "big") > 0, "serial number")
        _expect(certificate.signature_algorithm_oid == _SIGNATURE_ALGORITHMS[issuer.key_type], "signature algorithm")
        _verify_validity(certificate, template, issuer, expectation)
        _verify_extensions(extensions, subject, template, issuer)
        _expect(_names_fit(template, expectation.names), f"names for profile {template.profile.name}")
        _expect(template.permitted_names is None or template.profile.name == "intermediate", "name constraints")
        if issuer.is_name_constrained:
            permitted = are_names_permitted(
                template.names, template.subject, issuer.full_chain, is_ca=template.profile.is_ca
            )
            _expect(permitted, "names, which the chain does not permit")
        if verify_signature or expectation.basic_constraints.ca:
            certificate.verify_directly_issued_by(issuer.certificate)
    except (*_UNREADABLE, InvalidSignature, MalformedInput) as err:
        raise InspectionFailed(f"the finished certificate cannot be read or does not verify: {err}") from err
    return certificate


def _verify_fields(data: bytes, template: CertificateTemplate, issuer: Issuer) -> tuple[bytes, list[bytes]]:
    """Holds the fields but validity and extensions against the decision; answers subject and extensions, DER."""
    tbs, outer_algorithm, _ = der.split(der.content(data))
    version, serial, algorithm, issuer_name, _, subject, public_key_info, extensions = der.split(der.content(tbs))
    _expect(version == b"\xa0\x03\x02\x01\x02", "version")
    _expect(serial == b"\x02\x10" + template.serial.octets, "serial number")
    _expect(algorithm == outer_algorithm, "signature algorithm")
    _expect(issuer_name == issuer.subject_octets, "issuer")
    _expect(subject == template.subject.to_x509().public_bytes(), "subject")
    _expect(public_key_info == template.public_key_info, "public key")
    return subject, der.split(der.content(der.content(extensions, tag=0xA3)))


def _verify_validity(
    certificate: x509.Certificate, template: CertificateTemplate, issuer: Issuer, expectation: _Expectation
) -> None:
    not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    _expect(not_before == template.not_before and not_after == template.not_after, "validity")
    _expect(issuer.not_before <= not_before < not_after <= issuer.not_after, "validity beyond its issuer's")
    _expect(not_after - not_before <= expectation.maximum + _BACKDATE, "validity beyond its profile's")


def _verify_extensions(found: list[bytes], subject: bytes, template: CertificateTemplate, issuer: Issuer) -> None:
    expected = set(
        _fixed_extensions(
            template.profile.name,
            issuer.subject_key_identifier,
            template.crl_distribution_point,
            template.ocsp_url,
            template.ca_issuers_url,
        )
    )
    if template.permitted_names is not None:
        expected.add(_extension(_name_constraints(template.permitted_names), critical=True))
    expected.add(_extension(x509.SubjectKeyIdentifier(key_identifier(template.public_key_info)), critical=False))
    if not template.names.is_empty:
        expected.add(_extension(template.names.to_x509(), critical=subject == b"\x30\x00"))
    _expect(len(found) == len(expected) and set(found) == expected, "extensions")


def _name_constraints(permitted: PermittedNames) -> x509.NameConstraints:
    """Only an issuing CA has them; in the order DNS, IP, URI, email."""
    subtrees: list[x509.GeneralName] = [x509.DNSName(one) for one in permitted.dns]
    subtrees += [x509.IPAddress(one) for one in permitted.ips]
    subtrees += [x509.UniformResourceIdentifier(one) for one in permitted.uris]
    subtrees += [x509.RFC822Name(one) for one in permitted.emails]
    return x509.NameConstraints(subtrees, None)


@lru_cache(maxsize=1024)
def _fixed_extensions(
    profile: str, authority_key_identifier: bytes, crl: str | None, ocsp: str | None, ca_issuers: str | None
) -> frozenset[bytes]:
    expectation = _EXPECTATIONS[profile]
    extensions = {
        _extension(expectation.basic_constraints, critical=True),
        _extension(_KEY_USAGES[expectation.key_usage], critical=True),
        _extension(x509.AuthorityKeyIdentifier(authority_key_identifier, None, None), critical=False),
    }
    if expectation.extended_key_usage is not None:
        extensions.add(_extension(expectation.extended_key_usage, critical=False))
    if expectation.ocsp_no_check:
        extensions.add(_extension(x509.OCSPNoCheck(), critical=False))
    if crl is not None:
        extensions.add(_extension(_distribution_point(crl), critical=False))
    if ocsp is not None or ca_issuers is not None:
        extensions.add(_extension(_access(ocsp, ca_issuers), critical=False))
    return frozenset(extensions)


def _extension(value: x509.ExtensionType, *, critical: bool) -> bytes:
    flag = b"\x01\x01\xff" if critical else b""
    inner = _octets(0x04, value.public_bytes())
    return _octets(0x30, _oid(value.oid) + flag + inner)


@lru_cache(maxsize=64)
def _oid(oid: x509.ObjectIdentifier) -> bytes:
    """The DER of an OID, cut out of an extendedKeyUsage that `cryptography` encodes."""
    return x509.ExtendedKeyUsage([oid]).public_bytes()[2:]


def _octets(tag: int, value: bytes) -> bytes:
    length = len(value)
    size = bytes([length]) if length < 128 else bytes([0x80 | (length.bit_length() + 7) // 8]) + _minimal(length)
    return bytes([tag]) + size + value


def _minimal(length: int) -> bytes:
    return length.to_bytes((length.bit_length() + 7) // 8, "big")


def _names_fit(template: CertificateTemplate, rule: str) -> bool:
    names = template.names
    identities = [uri for uri in names.uris if uri.startswith("spiffe:")]
    if identities and (len(names.uris) != 1 or not _SPIFFE_ID.fullmatch(identities[0])):
        return False
    match rule:
        case "hosts uris":
            return bool(names.dns or names.ips) and not names.emails
        case "hosts any":
            return bool(names.dns or names.ips)
        case "identity":
            return len(identities) == 1 and not names.emails
        case "any":
            return not identities
        case _:
            return names.is_empty


_SPIFFE_ID = re.compile(r"spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)+")


def _distribution_point(url: str) -> x509.CRLDistributionPoints:
    return x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)])


def _access(ocsp: str | None, ca_issuers: str | None) -> x509.AuthorityInformationAccess:
    urls = ((AuthorityInformationAccessOID.OCSP, ocsp), (AuthorityInformationAccessOID.CA_ISSUERS, ca_issuers))
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(method, x509.UniformResourceIdentifier(url)) for method, url in urls if url]
    )


def _key_usage(*named: str) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature="digital_signature" in named,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign="key_cert_sign" in named,
        crl_sign="crl_sign" in named,
        encipher_only=False,
        decipher_only=False,
    )


_KEY_USAGES = {
    "digital_signature": _key_usage("digital_signature"),
    "key_cert_sign crl_sign": _key_usage("key_cert_sign", "crl_sign"),
}


def _expect(holds: bool, what: str) -> None:  # noqa: FBT001  reads as an assertion
    if not holds:
        raise InspectionFailed(f"the finished certificate is not what was decided: wrong {what}")
