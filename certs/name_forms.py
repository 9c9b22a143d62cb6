"""The text forms of the names in a certificate: DNS names, URIs and email addresses, each parsed into one normal form.

- A parser answers the normal form or raises MalformedName; it is idempotent.
- ASCII only: internationalised names are written as A-labels (RFC 5890 §2.3.2.1).
"""

import re
from ipaddress import IPv4Address, IPv6Address

from certs.errors import MalformedName
from certs.spiffe import SpiffeId

MAX_DNS_OCTETS = 253
MAX_URI_OCTETS = 2048
MAX_EMAIL_OCTETS = 254

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_CHARACTER = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})"
_URI = re.compile(rf"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?#]*)(?=[/?#]|\Z))?({_CHARACTER}*(?:#{_CHARACTER}*)?)")
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]@]+)(?::([0-9]{1,5}))?")


def parse_dns_name(text: str) -> str:
    """The lower-case form of a DNS name (RFC 1034 §3.5, RFC 1123 §2.1); its first label may be a wildcard."""
    name = text.lower()
    if len(name) > MAX_DNS_OCTETS or not text.isascii() or not _DNS_NAME.fullmatch(name):
        raise MalformedName(_what_is_wrong(text), field="dns", value=text)
    if name.startswith("*") and name.count(".") < 2:
        raise MalformedName(
            "a wildcard needs two labels or more after it, as in *.example.com", field="dns", value=text
        )
    if name[-1].isdigit() and name.rpartition(".")[2].isdigit():
        raise MalformedName("its last label is a number, ask for an address as an IP address", field="dns", value=text)
    if "xn--" in name:
        _verify_a_labels(name)
    return name


def parse_email(text: str) -> str:
    """An rfc822Name (RFC 5280 §4.2.1.6): dot-atom, @ and a DNS name; only the latter is put in lower case."""
    local_part, at, domain = text.rpartition("@")
    if not at or len(text) > MAX_EMAIL_OCTETS or len(local_part) > 64 or not _LOCAL_PART.fullmatch(local_part):
        raise MalformedName("is not an email address, write one such as ops@example.com", field="email", value=text)
    try:
        host = parse_dns_name(domain)
    except MalformedName as err:
        raise MalformedName(f"its domain is wrong: {err}", field="email", value=text) from err
    if host.startswith("*"):
        raise MalformedName("an email address has no wildcard, name the mailbox", field="email", value=text)
    return f"{local_part}@{host}"


def parse_uri(text: str) -> str:
    """An absolute URI (RFC 3986, RFC 5280 §4.2.1.6), scheme and host in lower case; ``spiffe:`` as SPIFFE-ID says."""
    match = _URI.fullmatch(text) if len(text) <= MAX_URI_OCTETS else None
    if match is None or not (match[2] or match[3]):
        raise MalformedName(
            f"is not an absolute URI of at most {MAX_URI_OCTETS} ASCII characters, write one such as https://example.com/",
            field="uri",
            value=text,
        )
    scheme, authority, rest = match[1].lower(), match[2], match[3]
    if scheme == "spiffe":
        return str(SpiffeId.parse(text))
    if authority is None:
        return f"{scheme}:{rest}"
    return f"{scheme}://{_normal_authority(authority, text)}{rest}"


def _normal_authority(authority: str, text: str) -> str:
    match = _HOST_AND_PORT.fullmatch(authority)
    if match is None or int(match[2] or 0) > 65535:
        raise MalformedName("needs a host and no user name, as in scheme://host:port/path", field="uri", value=text)
    host, port = match[1], f":{match[2]}" if match[2] else ""
    try:
        return f"[{IPv6Address(host[1:-1])}]{port}" if host.startswith("[") else f"{_normal_host(host)}{port}"
    except ValueError as err:
        raise MalformedName("its host is not an IPv6 address", field="uri", value=text) from err
    except MalformedName as err:
        raise MalformedName(f"its host is wrong: {err}", field="uri", value=text) from err


def _normal_host(host: str) -> str:
    try:
        return str(IPv4Address(host))
    except ValueError:
        name = parse_dns_name(host)
    if name.startswith("*"):
        raise MalformedName("has no wildcard in a URI", field="dns", value=host)
    return name


def _verify_a_labels(name: str) -> None:
    for label in name.split("."):
        if not label.startswith("xn--"):
            continue
        try:
            decoded = label[4:].encode("ascii").decode("punycode")
        except (UnicodeError, OverflowError) as err:
            raise MalformedName("has a label after xn-- that is not punycode", field="dns", value=name) from err
        if decoded.isascii():
            raise MalformedName("has an A-label that stands for plain ASCII, write the ASCII", field="dns", value=name)


def _what_is_wrong(text: str) -> str:  # noqa: PLR0911 - one answer for each way to be wrong
    if not text:
        return "is empty, leave it out or give a name"
    if text.endswith("."):
        return "ends in a dot, leave the dot out"
    if not text.isascii():
        return "is not ASCII, write internationalised names as A-labels (xn--…)"
    if len(text) > MAX_DNS_OCTETS:
        return f"has {len(text)} octets, a DNS name has at most {MAX_DNS_OCTETS}"
    if "*" in text:
        return "a wildcard is the whole leftmost label and nothing else, as in *.example.com"
    if "_" in text:
        return "has an underscore, which host names do not have (RFC 1123 §2.1)"
    return "is not a DNS name: labels of 1 to 63 letters, digits and inner hyphens, joined by dots"
