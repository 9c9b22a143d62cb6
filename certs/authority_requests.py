"""Requests for issuing CAs (PKCS #10, RFC 2986): what leaves for wherever the root's key is, and what may come back.

- The request says all that the certificate is to say, so that a signer that copies extensions has nothing to add.
- What comes back is verified as if nobody had read the request: key, rights, path length, names, chain, instant.
"""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.chains import verify_chain
from certs.errors import ConstraintViolation, UsageNotAllowed
from certs.extensions import extension_value
from certs.issuers import Issuer
from certs.keys import PrivateKey, key_identifier, signature_hash, subject_public_key_info, verify_key_pair
from certs.permitted_names import PermittedNames
from certs.profiles import PROFILES
from certs.signing import key_usage_extension
from certs.subject import SubjectName

_PROFILE = PROFILES["intermediate"]
_TLS_USAGES = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH})
_ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


def build_authority_request(
    private_key: PrivateKey, subject: SubjectName, permitted_names: PermittedNames | None = None
) -> bytes:
    """A request, DER, for an issuing CA with this key and name, signed by the key; `permitted_names` None for any."""
    identifier = key_identifier(subject_public_key_info(private_key.public_key()))
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject.to_x509())
        .add_extension(x509.BasicConstraints(ca=True, path_length=_PROFILE.path_length), critical=True)
        .add_extension(key_usage_extension(_PROFILE), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(identifier), critical=False)
    )
    if permitted_names is not None:
        builder = builder.add_extension(permitted_names.to_x509(), critical=True)
    return builder.sign(private_key, signature_hash(private_key)).public_bytes(Encoding.DER)


def is_request_of(request: bytes, certificate: x509.Certificate) -> bool:
    """Whether both have one key."""
    return x509.load_der_x509_csr(request).public_key() == certificate.public_key()


def verify_signed_authority(
    certificate: x509.Certificate,
    *,
    request: bytes,
    private_key: PrivateKey,
    known: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> Issuer:
    """The issuer that the certificate makes of `private_key`, at the instant `at`; it was asked for with `request`, DER.

    `known` are authorities that there are or were: no two have one name. Raises KeyMismatch, NotAnIssuer, ConstraintViolation,
    UsageNotAllowed, and what `verify_chain` raises.
    """
    verify_key_pair(private_key, certificate)
    chain = verify_chain(certificate, known, roots, at=at)
    issuer = Issuer(certificate=certificate, private_key=private_key, chain=chain[1:])
    _verify_path_length(certificate)
    verify_crl_usage(certificate)
    verify_extended_usage(certificate)
    verify_own_name(certificate, known)
    _verify_constraints(certificate, x509.load_der_x509_csr(request))
    return issuer


def verify_crl_usage(certificate: x509.Certificate) -> None:
    """Raises UsageNotAllowed where what it revokes would be believed by nobody (RFC 5280 section 4.2.1.3)."""
    usage = extension_value(certificate, x509.KeyUsage)
    if usage is None or not usage.crl_sign:
        subject = certificate.subject.rfc4514_string()
        raise UsageNotAllowed(f"{subject!r} may not sign CRLs; sign it with keyUsage keyCertSign and cRLSign")


def verify_extended_usage(certificate: x509.Certificate) -> None:
    """Verifiers hold it against all that is below, OpenSSL that of a root as well. Raises UsageNotAllowed."""
    extended = extension_value(certificate, x509.ExtendedKeyUsage)
    if extended is not None and not (set(extended) >= _TLS_USAGES or _ANY in extended):
        subject = certificate.subject.rfc4514_string()
        raise UsageNotAllowed(
            f"the extendedKeyUsage of {subject!r} forbids TLS servers or clients below it; leave it out"
        )


def verify_own_name(certificate: x509.Certificate, known: Sequence[x509.Certificate]) -> None:
    """Path building goes by names: each key has its own (RFC 5280 section 4.2.1.1 leaves no other way without identifiers).

    Raises ConstraintViolation.
    """
    if not list(certificate.subject):
        raise ConstraintViolation("it has no subject (RFC 5280 section 4.1.2.6); sign it with one")
    if any(certificate.subject == one.subject for one in known):
        raise ConstraintViolation(
            f"its subject {certificate.subject.rfc4514_string()!r} is that of another authority; sign it with one of its own"
        )


def _verify_path_length(certificate: x509.Certificate) -> None:
    constraints = extension_value(certificate, x509.BasicConstraints)
    found = None if constraints is None else constraints.path_length
    if found != _PROFILE.path_length:
        raise ConstraintViolation(
            f"its path length is {'unlimited' if found is None else found}; sign it with pathlen:{_PROFILE.path_length}"
        )


def _verify_constraints(certificate: x509.Certificate, request: x509.CertificateSigningRequest) -> None:
    """Of each kind of name that was to be limited there is a limit, and it is no other than was asked for."""
    asked = next((one.value for one in request.extensions if isinstance(one.value, x509.NameConstraints)), None)
    if asked is None:
        return
    found = extension_value(certificate, x509.NameConstraints)
    wanted = asked.permitted_subtrees or []
    given = [] if found is None else found.permitted_subtrees or []
    kinds = {type(one) for one in wanted}
    missing = kinds - {type(one) for one in given}
    if missing or any(type(one) in kinds and one not in wanted for one in given):
        raise ConstraintViolation(
            "its name constraints permit more than the request asks for; sign it with those of the request"
        )
