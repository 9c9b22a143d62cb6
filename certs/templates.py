"""Templates: all that a certificate will say, decided before anything is encoded or signed.

- A template names its profile; what the profile fixes (usages, basicConstraints) cannot be overridden in it.
- `verify_template` holds a template against its profile. `Signer` calls it: nothing is signed that the profile forbids.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from certs.errors import (
    IssuerExpired,
    IssuerNotYetValid,
    KeyTypeNotAllowed,
    LifetimeOutOfRange,
    NameNotAllowed,
    NameRequired,
)
from certs.keys import KeyType, PublicKey, key_type_of
from certs.lifetimes import format_lifetime
from certs.names import SubjectAlternativeNames, SubjectName
from certs.permitted_names import PermittedNames
from certs.profiles import BACKDATE, NameKind, Profile
from certs.serials import Serial

_SPIFFE_SCHEME = "spiffe://"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateTemplate:
    """One certificate to be.

    `not_before` and `not_after` are aware UTC in whole seconds, both inclusive (RFC 5280 §4.1.2.5). `public_key_info`
    is the DER SubjectPublicKeyInfo of `public_key`. The three URLs are HTTP URLs of the CRL shard, the OCSP responder
    and the issuer's certificate; each is left out of the certificate where it is None.
    """

    profile: Profile
    serial: Serial
    subject: SubjectName
    names: SubjectAlternativeNames
    public_key: PublicKey
    public_key_info: bytes
    not_before: datetime
    not_after: datetime
    crl_distribution_point: str | None = None
    ocsp_url: str | None = None
    ca_issuers_url: str | None = None
    permitted_names: PermittedNames | None = None
    """For an issuing CA: what certificates below it may name; None for anything."""

    @property
    def key_type(self) -> KeyType:
        """The type of the subject's key."""
        return key_type_of(self.public_key)


def validity(
    profile: Profile,
    now: datetime,
    lifetime: timedelta | None = None,
    issuer_not_after: datetime | None = None,
    *,
    issuer_not_before: datetime | None = None,
) -> tuple[datetime, datetime]:
    """`(not_before, not_after)` of a certificate issued at `now` for `lifetime`, None meaning the profile's default.

    `issuer_not_after` is the earliest end, `issuer_not_before` the latest start in the issuer's chain; None for a root.
    The default is shortened to end with the issuer; a lifetime that was asked for is never shortened silently.
    Raises LifetimeOutOfRange, naming the longest possible lifetime, IssuerExpired and IssuerNotYetValid.
    """
    now = now.replace(microsecond=0)
    if issuer_not_before is not None and issuer_not_before > now:
        raise IssuerNotYetValid(f"the issuer's chain begins at {issuer_not_before:%Y-%m-%dT%H:%M:%SZ}; check the clock")
    _verify_lifetime(profile, lifetime)
    not_before = now - BACKDATE if issuer_not_before is None else max(now - BACKDATE, issuer_not_before)
    not_after = now + (profile.default_lifetime if lifetime is None else lifetime)
    if issuer_not_after is None or not_after <= issuer_not_after:
        return not_before, not_after
    remaining = issuer_not_after - now
    if remaining < profile.minimum_lifetime:
        raise IssuerExpired(f"the issuer's chain ends at {issuer_not_after:%Y-%m-%dT%H:%M:%SZ}; rotate the issuer")
    if lifetime is not None:
        longest = format_lifetime(remaining)
        problem = f"a lifetime of {format_lifetime(lifetime)} outlives the issuer; ask for {longest} or less"
        raise LifetimeOutOfRange(problem, profile=profile.name, field="lifetime")
    return not_before, issuer_not_after


def verify_template(template: CertificateTemplate) -> None:
    """Raises a ProfileViolation where the template leaves its profile: key type, lifetime or names."""
    profile = template.profile
    key_type = template.key_type
    if key_type not in profile.key_types:
        allowed = ", ".join(sorted(profile.key_types))
        raise KeyTypeNotAllowed(
            f"profile {profile.name} does not allow {key_type} keys; use one of {allowed}",
            profile=profile.name,
            field="key_type",
        )
    span = template.not_after - template.not_before
    if not profile.minimum_lifetime <= span <= profile.maximum_lifetime + BACKDATE:
        raise LifetimeOutOfRange(
            f"profile {profile.name} does not allow a validity of {format_lifetime(span)}",
            profile=profile.name,
            field="validity",
        )
    _verify_constraints(template)
    _verify_subject(template)
    verify_names(profile, template.names)


def _verify_constraints(template: CertificateTemplate) -> None:
    permitted = template.permitted_names
    if permitted is not None and (template.profile.name != "intermediate" or permitted.is_empty):
        raise NameNotAllowed(
            "name constraints are for an issuing CA, and name something",
            profile=template.profile.name,
            field="permitted_names",
        )


def verify_names(profile: Profile, names: SubjectAlternativeNames) -> None:
    """Raises NameNotAllowed or NameRequired where the profile forbids these alternative names."""
    found_required = not profile.required_names
    for kind, values in _by_kind(names):
        if values and kind not in profile.name_kinds:
            raise NameNotAllowed(
                f"profile {profile.name} does not allow {kind} names such as {str(values[0])!r}",
                profile=profile.name,
                field=kind,
            )
        found_required = found_required or (bool(values) and kind in profile.required_names)
    if not found_required:
        kinds = " or ".join(sorted(profile.required_names))
        raise NameRequired(
            f"profile {profile.name} needs a {kinds} name; ask for one", profile=profile.name, field="names"
        )
    if names.uris or profile.spiffe_id_required:
        _verify_uris(profile, names.uris)


def _by_kind(names: SubjectAlternativeNames) -> tuple[tuple[NameKind, tuple[object, ...]], ...]:
    return (
        (NameKind.DNS, names.dns),
        (NameKind.IP, names.ips),
        (NameKind.URI, names.uris),
        (NameKind.EMAIL, names.emails),
    )


def _verify_lifetime(profile: Profile, lifetime: timedelta | None) -> None:
    if lifetime is not None and not profile.minimum_lifetime <= lifetime <= profile.maximum_lifetime:
        raise LifetimeOutOfRange(
            f"profile {profile.name} allows {format_lifetime(profile.minimum_lifetime)} to "
            f"{format_lifetime(profile.maximum_lifetime)}; ask for a lifetime in between",
            profile=profile.name,
            field="lifetime",
        )


def _verify_subject(template: CertificateTemplate) -> None:
    profile, subject = template.profile, template.subject
    if profile.common_name_required and subject.common_name is None:
        raise NameRequired(
            f"profile {profile.name} needs a common name; give one", profile=profile.name, field="common_name"
        )
    if template.names.is_empty and subject.is_empty:
        raise NameRequired(
            "the certificate would name nobody; give a subject or a name", profile=profile.name, field="subject"
        )


def _verify_uris(profile: Profile, uris: tuple[str, ...]) -> None:
    identities = [uri for uri in uris if uri.startswith(_SPIFFE_SCHEME)]
    if not identities and not profile.spiffe_id_required:
        return
    # X509-SVID §2 and §5.2: validators refuse a second URI, whatever it is
    if len(uris) != 1 or len(identities) != 1:
        raise NameNotAllowed(
            f"profile {profile.name} needs exactly one URI, a SPIFFE ID, and found {len(uris)}",
            profile=profile.name,
            field="uri",
        )
    # X509-SVID §4.4: an SVID that states extended key usages states both
    if len(profile.extended_key_usages) != 2:
        raise NameNotAllowed(
            f"a SPIFFE ID needs profile workload or peer, not {profile.name}", profile=profile.name, field="uri"
        )
    # the names were parsed as SPIFFE-ID §2 has it: the first slash after the scheme begins the path
    if "/" not in identities[0].removeprefix(_SPIFFE_SCHEME):
        raise NameNotAllowed(
            "a SPIFFE ID without a path names a whole trust domain; add the workload's path",
            profile=profile.name,
            field="uri",
        )
