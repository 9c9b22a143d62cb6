"""What can go wrong with a certificate, split by whose fault it is.

    CertsError
    ├── MalformedInput             what was read is not what it claims to be
    │   ├── MalformedRequest    MalformedCertificate    MalformedKey    MalformedPkcs12
    │   ├── MalformedCrl    MalformedOcspRequest
    │   └── MalformedName    MalformedSerial
    ├── RequestRefused             well-formed, yet nobody may have it: the caller's to change
    │   ├── RequestTooLarge    TooManyNames    CaRequested    UnprovenPossession
    │   └── WeakKey    UnsupportedKeyType    NameNotPermitted
    ├── ProfileViolation           the profile forbids it
    │   ├── KeyTypeNotAllowed    LifetimeOutOfRange
    │   └── NameNotAllowed    NameRequired
    ├── UnknownProfile
    ├── PassphraseError            the holder of the key file's
    │   └── PassphraseRequired    WrongPassphrase
    ├── VerificationFailed         a chain, a signature or a pair that does not hold
    │   ├── ChainIncomplete    UntrustedRoot    SignatureMismatch    KeyMismatch
    │   ├── CertificateExpired    CertificateNotYetValid    CertificateRevoked
    │   └── ConstraintViolation    UsageNotAllowed    NameMismatch
    ├── IssuerUnusable             the operator's: the issuer must be replaced or renewed
    │   └── IssuerExpired    IssuerNotYetValid    NotAnIssuer
    └── Defect                     ours: nothing may leave, the text is withheld at the edges
        └── LintFailed    InspectionFailed

- Nothing here knows gRPC, HTTP or exit codes.
- No message holds a private key, a passphrase or the body of a request.
"""

from collections.abc import Mapping
from typing import ClassVar


class CertsError(Exception):
    """The root. `reason` is stable (AIP-193); `metadata` holds what a program may want to read, never a secret."""

    reason: ClassVar[str] = "CERTS_ERROR"

    @property
    def metadata(self) -> Mapping[str, str]:
        return {}


class MalformedInput(CertsError):
    reason = "MALFORMED_INPUT"


class MalformedRequest(MalformedInput):
    reason = "MALFORMED_REQUEST"


class MalformedCertificate(MalformedInput):
    reason = "MALFORMED_CERTIFICATE"


class MalformedKey(MalformedInput):
    reason = "MALFORMED_KEY"


class MalformedPkcs12(MalformedInput):
    reason = "MALFORMED_PKCS12"


class MalformedCrl(MalformedInput):
    reason = "MALFORMED_CRL"


class MalformedOcspRequest(MalformedInput):
    reason = "MALFORMED_OCSP_REQUEST"


class MalformedSerial(MalformedInput):
    reason = "MALFORMED_SERIAL"


class MalformedName(MalformedInput):
    """`field` names the subject attribute or the kind of name; `value` is what was given, cut at 100 characters."""

    reason = "MALFORMED_NAME"

    def __init__(self, problem: str, *, field: str, value: str = "") -> None:
        self.field = field
        self.value = value if len(value) <= 100 else value[:100] + "…"
        super().__init__(f"{field} {self.value!r}: {problem}" if value else f"{field}: {problem}")

    @property
    def metadata(self) -> Mapping[str, str]:
        return {"field": self.field, "value": self.value}


class RequestRefused(CertsError):
    reason = "REQUEST_REFUSED"


class RequestTooLarge(RequestRefused):
    """`octets` is the size given, `limit` the largest accepted; both in octets."""

    reason = "REQUEST_TOO_LARGE"

    def __init__(self, message: str, *, octets: int, limit: int) -> None:
        super().__init__(message)
        self.octets = octets
        self.limit = limit

    @property
    def metadata(self) -> Mapping[str, str]:
        return {"octets": str(self.octets), "limit": str(self.limit)}


class TooManyNames(RequestRefused):
    """`count` is the number of names asked for, `limit` the most accepted."""

    reason = "TOO_MANY_NAMES"

    def __init__(self, message: str, *, count: int, limit: int) -> None:
        super().__init__(message)
        self.count = count
        self.limit = limit

    @property
    def metadata(self) -> Mapping[str, str]:
        return {"count": str(self.count), "limit": str(self.limit)}


class CaRequested(RequestRefused):
    reason = "CA_REQUESTED"


class UnprovenPossession(RequestRefused):
    reason = "UNPROVEN_POSSESSION"


class WeakKey(RequestRefused):
    reason = "WEAK_KEY"


class UnsupportedKeyType(RequestRefused):
    reason = "UNSUPPORTED_KEY_TYPE"


class NameNotPermitted(RequestRefused):
    """The name constraints of the issuer's chain leave it out."""

    reason = "NAME_NOT_PERMITTED"


class ProfileViolation(CertsError):
    """`profile` is the profile's name, `field` the part of the template that it forbids."""

    reason = "PROFILE_VIOLATION"

    def __init__(self, message: str, *, profile: str, field: str) -> None:
        super().__init__(message)
        self.profile = profile
        self.field = field

    @property
    def metadata(self) -> Mapping[str, str]:
        return {"profile": self.profile, "field": self.field}


class KeyTypeNotAllowed(ProfileViolation):
    reason = "KEY_TYPE_NOT_ALLOWED"


class LifetimeOutOfRange(ProfileViolation):
    reason = "LIFETIME_OUT_OF_RANGE"


class NameNotAllowed(ProfileViolation):
    reason = "NAME_NOT_ALLOWED"


class NameRequired(ProfileViolation):
    reason = "NAME_REQUIRED"


class UnknownProfile(CertsError):
    """`profile` is the name that no profile has."""

    reason = "UNKNOWN_PROFILE"

    def __init__(self, message: str, *, profile: str) -> None:
        super().__init__(message)
        self.profile = profile

    @property
    def metadata(self) -> Mapping[str, str]:
        return {"profile": self.profile}


class PassphraseError(CertsError):
    reason = "PASSPHRASE_ERROR"


class PassphraseRequired(PassphraseError):
    reason = "PASSPHRASE_REQUIRED"


class WrongPassphrase(PassphraseError):
    reason = "WRONG_PASSPHRASE"


class VerificationFailed(CertsError):
    reason = "VERIFICATION_FAILED"


class ChainIncomplete(VerificationFailed):
    reason = "CHAIN_INCOMPLETE"


class UntrustedRoot(VerificationFailed):
    reason = "UNTRUSTED_ROOT"


class SignatureMismatch(VerificationFailed):
    reason = "SIGNATURE_MISMATCH"


class KeyMismatch(VerificationFailed):
    reason = "KEY_MISMATCH"


class CertificateExpired(VerificationFailed):
    reason = "CERTIFICATE_EXPIRED"


class CertificateNotYetValid(VerificationFailed):
    reason = "CERTIFICATE_NOT_YET_VALID"


class CertificateRevoked(VerificationFailed):
    reason = "CERTIFICATE_REVOKED"


class ConstraintViolation(VerificationFailed):
    reason = "CONSTRAINT_VIOLATION"


class UsageNotAllowed(VerificationFailed):
    reason = "USAGE_NOT_ALLOWED"


class NameMismatch(VerificationFailed):
    reason = "NAME_MISMATCH"


class IssuerUnusable(CertsError):
    reason = "ISSUER_UNUSABLE"


class IssuerExpired(IssuerUnusable):
    reason = "ISSUER_EXPIRED"


class IssuerNotYetValid(IssuerUnusable):
    reason = "ISSUER_NOT_YET_VALID"


class NotAnIssuer(IssuerUnusable):
    reason = "NOT_AN_ISSUER"


class Defect(CertsError):
    reason = "INTERNAL"


class LintFailed(Defect):
    reason = "LINT_FAILED"


class InspectionFailed(Defect):
    reason = "INSPECTION_FAILED"
