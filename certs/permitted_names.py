"""What an issuing CA that is made may name: the permitted subtrees of its name constraints (RFC 5280 §4.2.1.10).

- A kind of name for which nothing is permitted here is not constrained at all.
- An instance is valid and normal; each kind has its own meaning of a host:

      dns     example.com         itself and every name below it
      ips     10.0.0.0/8          the addresses of the network
      uris    example.com         that host alone; .example.com: every host below it
      emails  example.com         mailboxes at that host; .example.com: at hosts below it; a@example.com: that mailbox
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Self

from cryptography import x509

from certs.errors import MalformedName
from certs.name_forms import parse_dns_name, parse_email

IpNetwork = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class PermittedNames:
    dns: tuple[str, ...] = ()
    ips: tuple[IpNetwork, ...] = ()
    uris: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls,
        *,
        dns: Iterable[str] = (),
        ips: Iterable[str] = (),
        uris: Iterable[str] = (),
        emails: Iterable[str] = (),
    ) -> Self:
        """Raises MalformedName with the kind and the value."""
        return cls(
            dns=_once(_domain, dns), ips=tuple(dict.fromkeys(map(_network, ips))), uris=_once(_hosts, uris),
            emails=_once(_mailboxes, emails),
        )  # fmt: skip

    @property
    def is_empty(self) -> bool:
        return not (self.dns or self.ips or self.uris or self.emails)

    def to_x509(self) -> x509.NameConstraints:
        """Raises ValueError where nothing is constrained."""
        subtrees: list[x509.GeneralName] = [
            *map(x509.DNSName, self.dns),
            *map(x509.IPAddress, self.ips),
            *map(x509.UniformResourceIdentifier, self.uris),
            *map(x509.RFC822Name, self.emails),
        ]
        return x509.NameConstraints(permitted_subtrees=subtrees or None, excluded_subtrees=None)


def _once(parse: Callable[[str], str], texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(parse, texts)))


def _domain(text: str) -> str:
    return _plain(text, "permitted DNS name", "leave out the dot in front; names below it are meant anyway")


def _hosts(text: str) -> str:
    """Raises MalformedName; a constraint on URIs holds no scheme and no path (RFC 5280 §4.2.1.10)."""
    if "/" in text or ":" in text:
        raise MalformedName(
            "give the host alone, as in example.com, or .example.com for hosts below it",
            field="permitted URI",
            value=text,
        )
    return _host(text, "permitted URI")


def _mailboxes(text: str) -> str:
    return parse_email(text) if "@" in text else _host(text, "permitted email address")


def _host(text: str, field: str) -> str:
    return f".{_plain(text[1:], field)}" if text.startswith(".") else _plain(text, field)


def _plain(text: str, field: str, about_dots: str = "there is one dot too many in front") -> str:
    if text.startswith("."):
        raise MalformedName(about_dots, field=field, value=text)
    try:
        name = parse_dns_name(text)
    except MalformedName as err:
        raise MalformedName(f"is no domain: {err}", field=field, value=text) from err
    if name.startswith("*"):
        raise MalformedName("leave out the wildcard; give the domain", field=field, value=text)
    return name


def _network(text: str) -> IpNetwork:
    try:
        return ip_network(text)
    except ValueError as err:
        raise MalformedName(
            "is no network, such as 10.0.0.0/8 or fd00::/8, with zeros after its prefix",
            field="permitted IP",
            value=text,
        ) from err
