"""The names that a certificate speaks for (subjectAltName, RFC 5280 §4.2.1.6), in the one form that we write.

- An instance is valid and normal: lower-case DNS names, IP addresses as values, absolute URIs, no doubles.
- At most MAX_NAMES, counted before anything is parsed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self, TypeVar

from cryptography import x509

from certs.errors import MalformedName, TooManyNames
from certs.name_forms import parse_dns_name, parse_email, parse_uri

MAX_NAMES = 100

IpAddress = IPv4Address | IPv6Address
Value = TypeVar("Value")

_ADDRESSES = (IPv4Address, IPv6Address)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectAlternativeNames:
    """Made by `parse` or `from_x509`; a direct call raises MalformedName for what `parse` would change or refuse."""

    dns: tuple[str, ...] = ()
    ips: tuple[IpAddress, ...] = ()
    uris: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self)
        if count > MAX_NAMES:
            raise _too_many(count)
        for name in self.dns:
            if parse_dns_name(name) != name:
                raise _not_normal("dns", name)
        for address in self.ips:
            _verify_address(address)
        for uri in self.uris:
            if parse_uri(uri) != uri:
                raise _not_normal("uri", uri)
        for email in self.emails:
            if parse_email(email) != email:
                raise _not_normal("email", email)
        if count > 1 and len({*self.dns, *self.ips, *self.uris, *self.emails}) != count:
            raise MalformedName("a name occurs twice, give it once", field="alternative names")

    @classmethod
    def parse(
        cls,
        *,
        dns: Iterable[str] = (),
        ips: Iterable[str] = (),
        uris: Iterable[str] = (),
        emails: Iterable[str] = (),
    ) -> Self:
        """Read names as people and requests write them; the order is kept, doubles are dropped.

        Raises MalformedName with kind (``dns``, ``ip``, ``uri``, ``email``) and value, TooManyNames above MAX_NAMES.
        """
        dns, ips, uris, emails = tuple(dns), tuple(ips), tuple(uris), tuple(emails)
        count = len(dns) + len(ips) + len(uris) + len(emails)
        if count > MAX_NAMES:
            raise _too_many(count)
        return cls(
            dns=_once(map(_lower, dns)),
            ips=_once(map(parse_ip_address, ips)),
            uris=_once(map(parse_uri, uris)),
            emails=_once(map(parse_email, emails)),
        )

    @classmethod
    def of_hosts(cls, hosts: Iterable[str]) -> Self:
        """Read DNS names and IP addresses, told apart by their form. Raises as `parse`."""
        hosts = tuple(hosts)
        addresses = {host for host in hosts if ":" in host or host.rpartition(".")[2].isdigit()}
        return cls.parse(
            dns=(host for host in hosts if host not in addresses), ips=(host for host in hosts if host in addresses)
        )

    @classmethod
    def from_x509(cls, extension: x509.SubjectAlternativeName) -> Self:
        """Read a parsed extension. Raises MalformedName also for other kinds of name (otherName, directoryName…)."""
        if len(extension) > MAX_NAMES:
            raise _too_many(len(extension))
        dns: list[str] = []
        ips: list[IpAddress] = []
        uris: list[str] = []
        emails: list[str] = []
        for name in extension:
            if type(name) is x509.DNSName:
                dns.append(_lower(name.value))
            elif type(name) is x509.IPAddress and isinstance(name.value, _ADDRESSES):
                ips.append(name.value)
            elif type(name) is x509.UniformResourceIdentifier:
                uris.append(parse_uri(name.value))
            elif type(name) is x509.RFC822Name:
                emails.append(parse_email(name.value))
            else:
                raise MalformedName(
                    "only DNS names, IP addresses, URIs and email addresses are supported, leave it out",
                    field=type(name).__name__,
                )
        return cls(dns=_once(dns), ips=_once(ips), uris=_once(uris), emails=_once(emails))

    def to_x509(self) -> x509.SubjectAlternativeName:
        """The extension's value, in the order DNS, IP, URI, email. Raises ValueError when there are no names."""
        return x509.SubjectAlternativeName(
            [
                *map(x509.DNSName, self.dns),
                *map(x509.IPAddress, self.ips),
                *map(x509.UniformResourceIdentifier, self.uris),
                *map(x509.RFC822Name, self.emails),
            ]
        )

    def all_names(self) -> tuple[tuple[str, str], ...]:
        """Pairs of kind (``dns``, ``ip``, ``uri``, ``email``) and text, as the inventory indexes them."""
        return (
            *(("dns", name) for name in self.dns),
            *(("ip", str(address)) for address in self.ips),
            *(("uri", uri) for uri in self.uris),
            *(("email", email) for email in self.emails),
        )

    @property
    def is_empty(self) -> bool:
        return not (self.dns or self.ips or self.uris or self.emails)

    def __len__(self) -> int:
        return len(self.dns) + len(self.ips) + len(self.uris) + len(self.emails)


def parse_ip_address(text: str) -> IpAddress:
    """Read one IPv4 or IPv6 address. Raises MalformedName for ranges, zones and IPv4 addresses in IPv6 clothes."""
    try:
        address = ip_address(text)
    except ValueError as err:
        raise MalformedName(
            "is not an IP address, write one such as 10.0.0.7 or fd00::7", field="ip", value=text
        ) from err
    _verify_address(address)
    return address


def _verify_address(address: IpAddress) -> None:
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise MalformedName("has a zone, leave out % and what follows", field="ip", value=str(address))
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        raise MalformedName(f"is an IPv4 address, write {address.ipv4_mapped}", field="ip", value=str(address))


def _lower(name: str) -> str:
    """Lower case for ASCII alone: other alphabets have capitals whose small letter is an ASCII one."""
    return name.lower() if name.isascii() else name


def _once(values: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(dict.fromkeys(values)) if values else ()


def _not_normal(kind: str, value: str) -> MalformedName:
    return MalformedName("is not in its normal form, read it with parse", field=kind, value=value)


def _too_many(count: int) -> TooManyNames:
    return TooManyNames(
        f"{count} alternative names are asked for, ask for at most {MAX_NAMES} in one certificate",
        count=count,
        limit=MAX_NAMES,
    )
