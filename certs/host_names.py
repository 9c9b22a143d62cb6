"""Whom a certificate speaks for (RFC 9525): a wanted name is looked for in subjectAltName, never in the common name."""

from ipaddress import ip_address

from cryptography import x509

from certs.errors import MalformedName, NameMismatch
from certs.extensions import extension_value
from certs.names import parse_dns_name


def verify_name(certificate: x509.Certificate, name: str) -> None:
    """`name` is a DNS name, an IP address, a URI (it has `://`) or an email address (it has `@`).

    A wildcard in the certificate stands for exactly one leftmost label (RFC 9525 §6.3). Raises NameMismatch, and
    MalformedName for a name that no certificate could hold.
    """
    names = extension_value(certificate, x509.SubjectAlternativeName) or x509.SubjectAlternativeName([])
    if not _holds(names, name):
        found = ", ".join(str(one.value) for one in list(names)[:5]) or "no names"
        raise NameMismatch(f"the certificate is not for {name[:253]!r}; it is for {found}")


def _holds(names: x509.SubjectAlternativeName, name: str) -> bool:
    if "://" in name:
        return name in names.get_values_for_type(x509.UniformResourceIdentifier)
    if "@" in name:
        local_part, _, host = name.rpartition("@")
        emails = (email.rpartition("@") for email in names.get_values_for_type(x509.RFC822Name))
        return any((found, domain.lower()) == (local_part, host.lower()) for found, _, domain in emails)
    try:
        address = ip_address(name)
    except ValueError:
        return _holds_dns_name(names.get_values_for_type(x509.DNSName), name)
    return address in names.get_values_for_type(x509.IPAddress)


def _holds_dns_name(found: list[str], name: str) -> bool:
    wanted = parse_dns_name(name.removesuffix("."))
    if wanted.startswith("*"):
        raise MalformedName("a wildcard cannot be looked for, name one host", field="dns", value=name)
    _, _, parent = wanted.partition(".")
    return any(host == wanted or (parent and host == f"*.{parent}") for host in map(str.lower, found))
