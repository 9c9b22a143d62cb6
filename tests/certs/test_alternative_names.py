from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import MalformedName, TooManyNames
from certs.names import MAX_NAMES, SubjectAlternativeNames

HOSTS = st.from_regex(r"\A[a-w]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-w][a-z0-9]{0,8}){1,3}\Z")
ADDRESSES = st.ip_addresses().filter(lambda address: getattr(address, "ipv4_mapped", None) is None)
NAMES = st.fixed_dictionaries(
    {
        "dns": st.lists(HOSTS | HOSTS.map("*.".__add__), max_size=5),
        "ips": st.lists(ADDRESSES.map(str), max_size=5),
        "uris": st.lists(HOSTS.map("https://{}/a".format) | HOSTS.map("spiffe://{}/ns/a".format), max_size=3),
        "emails": st.lists(HOSTS.map("Ops@{}".format), max_size=3),
    }
)


@given(NAMES)
def test_names_read_back_from_their_encoding(texts: dict[str, list[str]]):
    names = SubjectAlternativeNames.parse(**texts)

    assert names.is_empty == (len(names) == 0)
    if not names.is_empty:
        assert SubjectAlternativeNames.from_x509(names.to_x509()) == names


@given(NAMES)
def test_the_index_forms_parse_to_the_same_names(texts: dict[str, list[str]]):
    names = SubjectAlternativeNames.parse(**texts)
    by_kind: dict[str, list[str]] = {"dns": [], "ip": [], "uri": [], "email": []}
    for kind, text in names.all_names():
        by_kind[kind].append(text)

    again = SubjectAlternativeNames.parse(
        dns=by_kind["dns"], ips=by_kind["ip"], uris=by_kind["uri"], emails=by_kind["email"]
    )
    assert again == names
    assert len(names.all_names()) == len(names)


def test_doubles_are_dropped_and_the_order_kept():
    names = SubjectAlternativeNames.parse(dns=["b.example.com", "A.example.com", "B.EXAMPLE.com"], ips=["::1", "0::1"])

    assert names.dns == ("b.example.com", "a.example.com")
    assert names.ips == (IPv6Address("::1"),)


def test_an_ipv6_address_is_a_name_like_any_other():
    names = SubjectAlternativeNames.parse(ips=["fd00::7", "10.0.0.7"])

    assert names.all_names() == (("ip", "fd00::7"), ("ip", "10.0.0.7"))


def test_the_number_of_names_is_bounded_before_they_are_parsed():
    with pytest.raises(TooManyNames) as refusal:
        SubjectAlternativeNames.parse(dns=["not a name"] * (MAX_NAMES + 1))

    assert (refusal.value.count, refusal.value.limit) == (MAX_NAMES + 1, MAX_NAMES)


def test_as_many_names_as_allowed_are_read():
    dns = [f"a{number}.example.com" for number in range(MAX_NAMES)]

    assert SubjectAlternativeNames.parse(dns=dns).dns == tuple(dns)


def test_a_large_extension_is_refused():
    extension = x509.SubjectAlternativeName([x509.DNSName(f"a{number}.example.com") for number in range(5000)])

    with pytest.raises(TooManyNames, match="5000"):
        SubjectAlternativeNames.from_x509(extension)


@pytest.mark.parametrize(
    "name",
    [
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a"),
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")])),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        x509.IPAddress(IPv4Network("10.0.0.0/8")),
    ],
    ids=lambda name: type(name).__name__,
)
def test_other_kinds_of_name_are_refused(name: x509.GeneralName):
    with pytest.raises(MalformedName, match="leave it out"):
        SubjectAlternativeNames.from_x509(x509.SubjectAlternativeName([name]))


def test_names_in_an_extension_are_put_in_normal_form():
    extension = x509.SubjectAlternativeName([x509.DNSName("WEB.example.com"), x509.DNSName("web.EXAMPLE.com")])

    assert SubjectAlternativeNames.from_x509(extension).dns == ("web.example.com",)


@pytest.mark.parametrize(
    "values",
    [
        {"dns": ("Web.example.com",)},
        {"dns": ("not a name",)},
        {"dns": ("a.b", "a.b")},
        {"uris": ("HTTPS://a/",)},
        {"emails": ("a@B.c",)},
        {"ips": (ip_address("::ffff:10.0.0.1"),)},
        {"ips": (ip_address("fe80::1%eth0"),)},
        {"ips": (IPv4Address("10.0.0.1"), IPv4Address("10.0.0.1"))},
    ],
)
def test_an_instance_cannot_hold_what_parse_would_change(values: dict[str, tuple[str, ...]]):
    with pytest.raises(MalformedName):
        SubjectAlternativeNames(**values)


def test_the_kind_of_a_wrong_name_is_told():
    with pytest.raises(MalformedName) as refusal:
        SubjectAlternativeNames.parse(ips=["10.0.0.300"])

    assert (refusal.value.field, refusal.value.value) == ("ip", "10.0.0.300")
