"""Name constraints (RFC 5280 §4.2.1.10, §6.1.3 b and c) on DNS names, IP addresses, URIs, email addresses and subjects.

- Fails closed: a name of a kind that is constrained and not understood is outside.
- A wildcard is outside where any name it stands for is.
- The work is bounded; certificates that multiply names by constraints are refused.
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from certs.alternative_names import SubjectAlternativeNames
from certs.errors import ConstraintViolation, NameNotPermitted
from certs.extensions import extension_value
from certs.subject import SubjectName

MAX_COMPARISONS = 100_000

Matcher = Callable[[x509.GeneralName, x509.GeneralName, bool], bool]
"""`(name, constraint, excluding)`: whether the name lies in the subtree, or, for exclusion, touches it."""


def verify_name_constraints(path: Sequence[x509.Certificate]) -> None:
    """Holds the names in `path`, leaf first, against the constraints of every CA above. Raises ConstraintViolation."""
    for index, authority in enumerate(path[1:], start=1):
        constraints = extension_value(authority, x509.NameConstraints)
        if constraints is None:
            continue
        for below, certificate in enumerate(path[:index]):
            # RFC 5280 §6.1.3 b: a self-issued certificate is exempt unless it is the last
            if below == 0 or certificate.subject != certificate.issuer:
                _verify_names(certificate, constraints)


def is_constrained(chain: Sequence[x509.Certificate]) -> bool:
    """Whether a CA of `chain` has name constraints."""
    return any(extension_value(authority, x509.NameConstraints) is not None for authority in chain)


def verify_permitted(
    names: SubjectAlternativeNames, subject: SubjectName, chain: Sequence[x509.Certificate], *, is_ca: bool = False
) -> None:
    """Holds what a certificate is to name against the constraints of `chain`, the CAs above. Raises NameNotPermitted."""
    asked = _general_names(names, subject, is_ca=is_ca)
    for authority in chain:
        constraints = extension_value(authority, x509.NameConstraints)
        if constraints is None:
            continue
        try:
            _verify_general_names(asked, constraints)
        except ConstraintViolation as err:
            raise NameNotPermitted(f"{err}; {authority.subject.rfc4514_string()} {_described(constraints)}") from err


def permitted_names(names: SubjectAlternativeNames, chain: Sequence[x509.Certificate]) -> SubjectAlternativeNames:
    """Those of `names` that `chain` permits."""

    def is_permitted(**one: object) -> bool:
        try:
            verify_permitted(SubjectAlternativeNames(**one), SubjectName(), chain)  # type: ignore[arg-type]  # one name of one kind
        except NameNotPermitted:
            return False
        return True

    return SubjectAlternativeNames(
        dns=tuple(one for one in names.dns if is_permitted(dns=(one,))),
        ips=tuple(one for one in names.ips if is_permitted(ips=(one,))),
        uris=tuple(one for one in names.uris if is_permitted(uris=(one,))),
        emails=tuple(one for one in names.emails if is_permitted(emails=(one,))),
    )


def _general_names(names: SubjectAlternativeNames, subject: SubjectName, *, is_ca: bool) -> list[x509.GeneralName]:
    asked = [] if names.is_empty else list(names.to_x509())
    if not subject.is_empty:
        asked.append(x509.DirectoryName(subject.to_x509()))
    # OpenSSL takes a common name that looks like a host's for one where there is no DNS name, and so refuses it
    if not is_ca and not names.dns and _HOST_LIKE.fullmatch(subject.common_name or ""):
        asked.append(x509.DNSName(subject.common_name or ""))
    return asked


_HOST_LIKE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")


def _described(constraints: x509.NameConstraints) -> str:
    parts = [
        f"{word} {', '.join(_text(subtree) or 'all' for subtree in subtrees)}"
        for word, subtrees in (
            ("permits", constraints.permitted_subtrees),
            ("excludes", constraints.excluded_subtrees),
        )
        if subtrees
    ]
    return " and ".join(parts)


def _verify_names(certificate: x509.Certificate, constraints: x509.NameConstraints) -> None:
    _verify_general_names(_names(certificate), constraints)


def _verify_general_names(names: Sequence[x509.GeneralName], constraints: x509.NameConstraints) -> None:
    permitted, excluded = list(constraints.permitted_subtrees or ()), list(constraints.excluded_subtrees or ())
    if len(names) * (len(permitted) + len(excluded)) > MAX_COMPARISONS:
        raise ConstraintViolation("the certificates have too many names and name constraints to compare")
    for name in names:
        if any(_matches(name, subtree, excluding=True) for subtree in excluded if type(subtree) is type(name)):
            raise ConstraintViolation(f"{_text(name)!r} is excluded by the name constraints of a CA above")
        allowed = [subtree for subtree in permitted if type(subtree) is type(name)]
        if allowed and not any(_matches(name, subtree, excluding=False) for subtree in allowed):
            raise ConstraintViolation(f"{_text(name)!r} is outside the name constraints of a CA above")


def _names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    names = list(extension_value(certificate, x509.SubjectAlternativeName) or ())
    if list(certificate.subject):
        names.append(x509.DirectoryName(certificate.subject))
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        try:
            names.append(x509.RFC822Name(str(attribute.value)))
        except ValueError as err:
            raise ConstraintViolation("the subject holds an email address that cannot be read") from err
    return names


def _matches(name: x509.GeneralName, subtree: x509.GeneralName, *, excluding: bool) -> bool:
    for kind, matcher in _MATCHERS:
        if isinstance(name, kind):
            return matcher(name, subtree, excluding)
    return excluding


def _dns(name: x509.GeneralName, subtree: x509.GeneralName, excluding: bool) -> bool:  # noqa: FBT001  a Matcher
    host, domain = str(name.value).lower().rstrip("."), str(subtree.value).lower().rstrip(".")
    if host.startswith("*."):
        base = host[2:]
        return _is_within(base, domain.removeprefix(".")) or (excluding and domain.endswith("." + base))
    if domain.startswith("."):
        return host.endswith(domain)
    return _is_within(host, domain)


def _ip(name: x509.GeneralName, subtree: x509.GeneralName, excluding: bool) -> bool:  # noqa: FBT001  a Matcher
    if not isinstance(name, x509.IPAddress) or not isinstance(subtree, x509.IPAddress):
        return excluding
    address, network = name.value, subtree.value
    if not isinstance(network, IPv4Network | IPv6Network) or not isinstance(address, IPv4Address | IPv6Address):
        return excluding
    return address in network


def _uri(name: x509.GeneralName, subtree: x509.GeneralName, excluding: bool) -> bool:  # noqa: FBT001  a Matcher
    try:
        host = urlsplit(str(name.value)).hostname
    except ValueError:
        return excluding
    # RFC 5280 §4.2.1.10: a URI without a host that is a domain name is refused wherever URIs are constrained
    if not host or _is_address(host):
        return excluding
    return _host_matches(host.rstrip("."), str(subtree.value).lower())


def _email(name: x509.GeneralName, subtree: x509.GeneralName, excluding: bool) -> bool:  # noqa: FBT001  a Matcher
    local_part, at, host = str(name.value).rpartition("@")
    wanted_local_part, wanted_at, wanted_host = str(subtree.value).rpartition("@")
    if not at:
        return excluding
    if wanted_at:
        return (local_part, host.lower()) == (wanted_local_part, wanted_host.lower())
    return _host_matches(host.lower(), wanted_host.lower())


def _directory(name: x509.GeneralName, subtree: x509.GeneralName, excluding: bool) -> bool:  # noqa: ARG001, FBT001  a Matcher
    if not isinstance(name, x509.DirectoryName) or not isinstance(subtree, x509.DirectoryName):
        return False
    wanted = _normal(subtree.value)
    return _normal(name.value)[: len(wanted)] == wanted


_MATCHERS: tuple[tuple[type[x509.GeneralName], Matcher], ...] = (
    (x509.DNSName, _dns),
    (x509.IPAddress, _ip),
    (x509.UniformResourceIdentifier, _uri),
    (x509.RFC822Name, _email),
    (x509.DirectoryName, _directory),
)


def _is_within(host: str, domain: str) -> bool:
    return not domain or host == domain or host.endswith("." + domain)


def _host_matches(host: str, constraint: str) -> bool:
    """URI and email constraints: a leading dot stands for subdomains, no dot for the one host."""
    return not constraint or (host.endswith(constraint) if constraint.startswith(".") else host == constraint)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _normal(name: x509.Name) -> list[frozenset[tuple[str, str]]]:
    """RDNs for comparison: without case and runs of spaces (RFC 5280 §7.1)."""
    return [
        frozenset((attribute.oid.dotted_string, " ".join(str(attribute.value).casefold().split())) for attribute in rdn)
        for rdn in name.rdns
    ]


def _text(name: x509.GeneralName) -> str:
    return name.value.rfc4514_string() if isinstance(name, x509.DirectoryName) else str(name.value)
