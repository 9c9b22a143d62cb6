"""Whether the names of a finished certificate are within the name constraints of its chain, by code that nobody else uses.

- `certs.name_constraints` decides before signing and verifies chains; what is here was written apart from it, on purpose.
- What cannot be told is outside.
"""

from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from urllib.parse import urlsplit

from cryptography import x509

from certs.alternative_names import SubjectAlternativeNames
from certs.subject import SubjectName


def are_names_permitted(
    names: SubjectAlternativeNames, subject: SubjectName, chain: Sequence[x509.Certificate], *, is_ca: bool = False
) -> bool:
    """`chain` holds the CAs above, in any order."""
    name = subject.common_name or ""
    stands_for_host = (
        not is_ca and not names.dns and "." in name.strip(".") and not set(name.lower()) - _HOST_CHARACTERS
    )
    hosts = (name,) if stands_for_host else names.dns
    return all(_are_within(hosts, names, subject, constraints) for constraints in _constraints(chain))


_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


def _constraints(chain: Sequence[x509.Certificate]) -> Iterator[x509.NameConstraints]:
    for certificate in chain:
        for extension in certificate.extensions:
            if isinstance(extension.value, x509.NameConstraints):
                yield extension.value


def _are_within(
    hosts: Sequence[str], names: SubjectAlternativeNames, subject: SubjectName, constraints: x509.NameConstraints
) -> bool:
    texts = {
        x509.DNSName: (hosts, _is_dns_of),
        x509.IPAddress: (tuple(map(str, names.ips)), _is_address_of),
        x509.UniformResourceIdentifier: (names.uris, _is_uri_of),
        x509.RFC822Name: (names.emails, _is_mailbox_of),
        x509.DirectoryName: (() if subject.is_empty else (subject.rfc4514,), lambda _, name: _is_below(subject, name)),
    }
    for kind, (found, covers) in texts.items():
        permitted = [one.value for one in constraints.permitted_subtrees or () if type(one) is kind]
        excluded = [one.value for one in constraints.excluded_subtrees or () if type(one) is kind]
        for text in found:
            if permitted and not any(covers(text, one) for one in permitted):
                return False
            if any(covers(text, one) or _touches(text, one) for one in excluded):
                return False
    return True


def _is_dns_of(text: str, domain: str) -> bool:
    labels, wanted = _labels(text), [label for label in _labels(domain) if label]
    deeper = 1 if domain.startswith(".") else 0
    return len(labels) >= len(wanted) + deeper and labels[len(labels) - len(wanted) :] == wanted


def _is_address_of(text: str, network: object) -> bool:
    inner, outer = ip_network(text), ip_network(str(network))
    return inner.version == outer.version and int(inner[0]) & int(outer.netmask) == int(outer[0])


def _is_uri_of(text: str, wanted: str) -> bool:
    host = _host_of(text)
    return bool(host) and _is_host_of(host, wanted)


def _is_mailbox_of(text: str, wanted: str) -> bool:
    mailbox, _, host = text.rpartition("@")
    wanted_mailbox, at, wanted_host = wanted.rpartition("@")
    return host == wanted_host.lower() and mailbox == wanted_mailbox if at else _is_host_of(host, wanted)


def _is_below(subject: SubjectName, above: x509.Name) -> bool:
    found, wanted = (
        [sorted((one.oid.dotted_string, " ".join(str(one.value).lower().split())) for one in rdn) for rdn in name.rdns]
        for name in (subject.to_x509(), above)
    )
    return found[: len(wanted)] == wanted


def _touches(text: str, excluded: object) -> bool:
    """A wildcard stands for a name in the subtree though it is not in there itself; a URI without a host could be anywhere."""
    if text.startswith("*."):
        return str(excluded).lower().endswith(text[1:])
    return "://" in text and not _host_of(text)


def _host_of(uri: str) -> str:
    """Empty where it has none that is a domain name: an address, for one."""
    host = urlsplit(uri).hostname or ""
    return "" if ":" in host or host.rpartition(".")[2].isdigit() else host


def _is_host_of(host: str, wanted: str) -> bool:
    wanted = wanted.lower()
    return host.endswith(wanted) if wanted.startswith(".") or not wanted else host == wanted


def _labels(text: str) -> list[str]:
    return text.lower().rstrip(".").split(".")
