"""Profiles: which extensions, usages, lifetimes, key types and names each kind of certificate may have.

- Profiles are the only source of basicConstraints, keyUsage and extendedKeyUsage; nothing of a request reaches them.
- Leaves never sign certificates, and a CA never serves TLS.
- `certs.inspection` writes these expectations down a second time; a change here is a change there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.errors import UnknownProfile
from certs.keys import KeyType

BACKDATE = timedelta(seconds=60)
"""How far not_before lies before the instant of issuance, for clocks that are slow."""


class KeyUsage(StrEnum):
    """The bits of keyUsage that profiles use (RFC 5280 §4.2.1.3)."""

    DIGITAL_SIGNATURE = "digitalSignature"
    KEY_CERT_SIGN = "keyCertSign"
    CRL_SIGN = "cRLSign"


class NameKind(StrEnum):
    """The kinds of subjectAltName that certificates here carry (RFC 5280 §4.2.1.6)."""

    DNS = "dns"
    IP = "ip"
    URI = "uri"
    EMAIL = "email"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a certificate of this profile is and may be.

    `path_length` is for a CA alone. A certificate carries kinds of names from `name_kinds` only, and at least one name
    of a kind in `required_names` where that is not empty. With `spiffe_id_required` it has exactly one URI, a SPIFFE ID
    with a path.
    Lifetimes count from issuance; the back-dating of 60 s is not part of them.
    """

    name: str
    is_ca: bool = False
    path_length: int | None = None
    key_usages: frozenset[KeyUsage]
    extended_key_usages: tuple[ObjectIdentifier, ...] = ()
    ocsp_no_check: bool = False
    default_lifetime: timedelta
    minimum_lifetime: timedelta
    maximum_lifetime: timedelta
    key_types: frozenset[KeyType]
    name_kinds: frozenset[NameKind] = frozenset()
    required_names: frozenset[NameKind] = frozenset()
    spiffe_id_required: bool = False
    common_name_required: bool = False


def get_profile(name: str) -> Profile:
    """The profile of that name. Raises UnknownProfile."""
    try:
        return PROFILES[name]
    except KeyError as err:
        raise UnknownProfile(
            f"there is no profile {name[:64]!r}; use one of {', '.join(PROFILES)}", profile=name[:64]
        ) from err


def _authority(
    name: str, *, path_length: int, default: timedelta, maximum: timedelta, key_types: frozenset[KeyType]
) -> Profile:
    return Profile(
        name=name,
        is_ca=True,
        path_length=path_length,
        key_usages=frozenset({KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN}),
        default_lifetime=default,
        minimum_lifetime=timedelta(hours=1),
        maximum_lifetime=maximum,
        key_types=key_types,
        common_name_required=True,
    )


def _leaf(
    name: str,
    *usages: ObjectIdentifier,
    name_kinds: frozenset[NameKind] = frozenset(),
    required_names: frozenset[NameKind] = frozenset(),
    spiffe_id_required: bool = False,
    ocsp_no_check: bool = False,
) -> Profile:
    return Profile(
        name=name,
        key_usages=frozenset({KeyUsage.DIGITAL_SIGNATURE}),
        extended_key_usages=usages,
        ocsp_no_check=ocsp_no_check,
        default_lifetime=timedelta(hours=24),
        minimum_lifetime=timedelta(minutes=5),
        maximum_lifetime=timedelta(days=90),
        key_types=_ALL_KEY_TYPES,
        name_kinds=name_kinds,
        required_names=required_names,
        spiffe_id_required=spiffe_id_required,
        common_name_required=ocsp_no_check,
    )


_ALL_KEY_TYPES = frozenset(KeyType)
# RSA with 2,048 bits has 112 bits of strength, which end in 2030 (NIST SP 800-131A); a root does not
_ROOT_KEY_TYPES = _ALL_KEY_TYPES - {KeyType.RSA_2048}
_HOST_NAMES = frozenset({NameKind.DNS, NameKind.IP})
_SERVER_AUTH, _CLIENT_AUTH = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH

LEAF_PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            _leaf("server", _SERVER_AUTH, name_kinds=_HOST_NAMES | {NameKind.URI}, required_names=_HOST_NAMES),
            _leaf("client", _CLIENT_AUTH, name_kinds=frozenset(NameKind)),
            _leaf("peer", _SERVER_AUTH, _CLIENT_AUTH, name_kinds=frozenset(NameKind), required_names=_HOST_NAMES),
            _leaf(
                "workload", _SERVER_AUTH, _CLIENT_AUTH, name_kinds=_HOST_NAMES | {NameKind.URI}, spiffe_id_required=True
            ),
            _leaf("ocsp", ExtendedKeyUsageOID.OCSP_SIGNING, ocsp_no_check=True),
        )
    }
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "root": _authority(
            "root",
            path_length=2,  # an issuing CA, and between them the cross-certificate of the next root (ADR 7)
            default=timedelta(days=3652),
            maximum=timedelta(days=7305),
            key_types=_ROOT_KEY_TYPES,
        ),
        "cross": _authority(
            "cross",
            path_length=1,
            default=timedelta(days=3652),
            maximum=timedelta(days=7305),
            key_types=_ROOT_KEY_TYPES,
        ),
        "intermediate": _authority(
            "intermediate",
            path_length=0,
            default=timedelta(days=365),
            maximum=timedelta(days=3652),
            key_types=_ALL_KEY_TYPES,
        ),
        **LEAF_PROFILES,
    }
)
