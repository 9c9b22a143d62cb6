from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import MalformedName
from certs.names import parse_dns_name, parse_email, parse_ip_address, parse_uri

LABELS = st.from_regex(r"\A[a-zA-Z]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?\Z").filter(
    lambda label: label[:4].lower() != "xn--"
)
DNS_NAMES = st.lists(LABELS, min_size=1, max_size=6).map(".".join)


@given(DNS_NAMES)
def test_a_dns_name_is_read_in_lower_case(name: str):
    assert parse_dns_name(name) == name.lower()


@given(DNS_NAMES, DNS_NAMES)
def test_a_wildcard_is_one_label_above_two(first: str, second: str):
    assert parse_dns_name(f"*.{first}.{second}") == f"*.{first}.{second}".lower()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("", "is empty"),
        ("example.com.", "leave the dot out"),
        (".", "leave the dot out"),
        ("*", "whole leftmost label"),
        ("*.com", "two labels"),
        ("*.*.example.com", "whole leftmost label"),
        ("a.*.example.com", "whole leftmost label"),
        ("w*.example.com", "whole leftmost label"),
        ("*.", "leave the dot out"),
        ("my_host.example.com", "underscore"),
        ("-a.example.com", "is not a DNS name"),
        ("a-.example.com", "is not a DNS name"),
        ("a..example.com", "is not a DNS name"),
        (".example.com", "is not a DNS name"),
        ("a b.example.com", "is not a DNS name"),
        ("a.example.com\n", "is not a DNS name"),
        ("a.example.com\0", "is not a DNS name"),
        ("http://example.com", "is not a DNS name"),
        ("example.com:443", "is not a DNS name"),
        ("a" * 64 + ".example.com", "is not a DNS name"),
        ("10.0.0.1", "IP address"),
        ("web.1", "IP address"),
        ("münchen.example.com", "A-labels"),
        ("\u212aube.example.com", "A-labels"),
        ("xn--a\u00df.example.com", "A-labels"),
        ("xn--0.example.com", "punycode"),
        ("xn--abc-.example.com", "is not a DNS name"),
        (".".join(["a" * 63] * 4), "at most 253"),
    ],
)
def test_a_wrong_dns_name_is_refused_with_its_cause(name: str, hint: str):
    with pytest.raises(MalformedName, match=hint) as refusal:
        parse_dns_name(name)

    assert refusal.value.field == "dns"


@pytest.mark.parametrize(
    "name", ["localhost", "a", "1password.example.com", "XN--MNCHEN-3YA.example", "a--b.example", "1.a"]
)
def test_unusual_but_valid_dns_names_are_read(name: str):
    assert parse_dns_name(name) == name.lower()


def test_the_longest_dns_name_has_253_octets():
    name = ".".join(["a" * 63] * 3) + "." + "a" * 61

    assert parse_dns_name(name) == name


def test_an_email_keeps_its_mailbox_and_lowers_its_domain():
    assert parse_email("Ops.Team+tls@Example.COM") == "Ops.Team+tls@example.com"


@pytest.mark.parametrize(
    "email",
    [
        "",
        "@",
        "a@",
        "@b",
        "a",
        ".a@b.c",
        "a..b@c.d",
        "a b@c.d",
        "a@*.b.c",
        "a@10.0.0.1",
        '"a"@b.c',
        "ü@b.c",
        "a@b.c.",
        "x" * 65 + "@b.c",
    ],
)
def test_a_wrong_email_is_refused(email: str):
    with pytest.raises(MalformedName) as refusal:
        parse_email(email)

    assert refusal.value.field == "email"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://Example.COM/Path?q=A#F", "https://example.com/Path?q=A#F"),
        ("HTTPS://example.com:8443", "https://example.com:8443"),
        ("https://[2001:DB8:0::1]/", "https://[2001:db8::1]/"),
        ("https://10.0.0.1/", "https://10.0.0.1/"),
        ("urn:uuid:0f0e0d0c", "urn:uuid:0f0e0d0c"),
        ("spiffe://cluster.local/ns/a/sa/b", "spiffe://cluster.local/ns/a/sa/b"),
        ("x:%20", "x:%20"),
    ],
)
def test_a_uri_is_read_with_scheme_and_host_in_lower_case(text: str, normal: str):
    assert parse_uri(text) == normal


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "example.com/path",
        "//example.com",
        "https:",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://exa mple.com/",
        "https://example.com/[a]",
        "x:[a]",
        "https://[10.0.0.1]/",
        "https://example.com/%zz",
        "https://example.com/#a#b",
        "https://example.com:port/",
        "https://example.com:99999/",
        "https://*.example.com/",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://10.0.0.256/",
        "https://example.com/ü",
        "https://example.com/\n",
        "SPIFFE://td/a",
        "spiffe://TD/a",
        "spiffe:td",
        "1x:y",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_a_wrong_uri_is_refused(uri: str):
    with pytest.raises(MalformedName):
        parse_uri(uri)


@pytest.mark.parametrize(("text", "normal"), [("10.0.0.7", "10.0.0.7"), ("FD00:0::7", "fd00::7"), ("::", "::")])
def test_addresses_are_read_as_values(text: str, normal: str):
    assert str(parse_ip_address(text)) == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.0/8",
        "10.0.0",
        "010.0.0.1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "localhost",
        "10.0.0.1 ",
        "[::1]",
        "1",
    ],
)
def test_what_is_not_one_address_is_refused(text: str):
    with pytest.raises(MalformedName) as refusal:
        parse_ip_address(text)

    assert refusal.value.field == "ip"


@pytest.mark.parametrize("parse", [parse_dns_name, parse_email, parse_uri], ids=lambda parse: parse.__name__)
@given(
    text=st.text(max_size=60)
    | st.text(alphabet="aZ09.-_*@:/[]%?#+x", max_size=40)
    | st.from_regex(r"\Ahttps?://[a-zA-Z0-9.\[\]:@/-]+\Z")
)
def test_any_text_is_refused_or_has_one_normal_form(parse: Callable[[str], str], text: str):
    try:
        normal = parse(text)
    except MalformedName:
        return
    assert normal.isascii()
    assert parse(normal) == normal
