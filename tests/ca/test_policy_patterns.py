"""What each kind of pattern matches, and what it must never match."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.callers import Caller
from ca.policy.patterns import DnsPattern, EmailPattern, TextPattern, UriPattern
from certs.names import SpiffeId

_CART = Caller.hypothetical(common_name="cart", spiffe_id=SpiffeId.parse("spiffe://cluster.local/ns/shop/sa/cart"))
_ANYBODY = Caller.hypothetical(common_name="anybody")


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("web.example.com", "web.example.com", True),
        ("*.example.com", "web.example.com", True),
        ("*.example.com", "a.web.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.example.com", "webexample.com", False),
        ("*.example.com", "web.example.com.evil", False),
        ("web-*.example.com", "web-17.example.com", True),
        ("web-*.example.com", "web-.example.com", True),
        ("web-*.example.com", "db-17.example.com", False),
        ("a*b*c.example.com", "aXbYc.example.com".lower(), True),
        ("a*b*c.example.com", "acb.example.com", False),
        ("web.*.example.com", "web.prod.example.com", True),
        ("**.example.com", "web.example.com", True),
        ("**.example.com", "a.b.c.example.com", True),
        ("**.example.com", "example.com", False),
        ("**.example.com", "notexample.com", False),
        ("**.*.example.com", "web.example.com", False),
        ("**.*.example.com", "a.web.example.com", True),
        ("**", "localhost", True),
        ("**", "a.b.c", True),
        ("*", "localhost", True),
        ("*", "a.b", False),
    ],
)
def test_dns_patterns_compare_label_by_label(pattern, text, matches):
    assert DnsPattern.parse(pattern).matches(text, _ANYBODY) is matches


@pytest.mark.parametrize(
    ("pattern", "allows", "denies"),
    [
        ("*.example.com", True, True),
        ("**.example.com", True, True),
        ("admin.example.com", False, True),
        ("adm*.example.com", False, True),
        ("**.admin.example.com", False, False),
        ("*.example.org", False, False),
    ],
)
def test_a_wildcard_name_is_allowed_as_a_whole_and_denied_for_any_part(pattern, allows, denies):
    assert DnsPattern.parse(pattern).matches("*.example.com", _ANYBODY) is allows
    assert DnsPattern.parse(pattern, denying=True).matches("*.example.com", _ANYBODY) is denies


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("spiffe://cluster.local/ns/*/sa/*", "spiffe://cluster.local/ns/shop/sa/cart", True),
        ("spiffe://cluster.local/ns/*/sa/*", "spiffe://cluster.local/ns/shop/sa/cart/x", False),
        ("spiffe://cluster.local/ns/*/sa/*", "spiffe://evil.local/ns/shop/sa/cart", False),
        ("spiffe://cluster.local/ns/shop/**", "spiffe://cluster.local/ns/shop/sa/cart", True),
        ("spiffe://cluster.local/ns/shop/**", "spiffe://cluster.local/ns/shop", False),
        ("spiffe://cluster.local/ns/shop/**", "spiffe://cluster.local/ns/shop-evil/sa/cart", False),
        ("spiffe://cluster.local/ns/shop-*/sa/web", "spiffe://cluster.local/ns/shop-eu/sa/web", True),
        ("https://example.com/*", "https://example.com/", False),
        ("https://example.com/**", "https://example.com/a/../../etc", False),
        ("https://example.com/*", "https://example.com/..", False),
        ("https://example.com/*", "https://example.com/%2e%2E", False),
        ("https://example.com/*", "https://example.com/a%2Fb", False),
        ("https://example.com/*", "https://example.com/.well-known", True),
        ("urn:example:*", "urn:example:a", True),
        ("urn:example:*", "urn:example:a/b", False),
        ("**", "urn:example:a/b", True),
    ],
)
def test_uri_patterns_compare_segment_by_segment(pattern, text, matches):
    assert UriPattern.parse(pattern).matches(text, _ANYBODY) is matches


@pytest.mark.parametrize("text", ["https://example.com/a/../admin", "https://example.com/a/%2e%2e/admin"])
def test_a_disguised_uri_is_matched_by_every_pattern_that_denies(text):
    assert UriPattern.parse("https://example.com/admin/**", denying=True).matches(text, _ANYBODY)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("*@example.com", "ops@example.com", True),
        ("*@example.com", "ops@mail.example.com", False),
        ("ops+*@**.example.com", "ops+1@a.b.example.com", True),
        ("*@example.com", "ops@example.com.evil", False),
        ("**", "ops@example.com", True),
    ],
)
def test_email_patterns_hold_the_domain_and_the_mailbox(pattern, text, matches):
    assert EmailPattern.parse(pattern).matches(text, _ANYBODY) is matches


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("web", "web", True),
        ("web", "Web", False),
        ("web*", "web", True),
        ("*", "anything at all", True),
        ("*", "", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*b*", "abc", True),
        ("ab*bc", "abc", False),
    ],
)
def test_text_patterns_are_globs(pattern, text, matches):
    assert TextPattern.parse(pattern).matches(text, _ANYBODY) is matches


def test_letter_case_does_not_evade_a_pattern_that_denies():
    assert TextPattern.parse("Admin*", denying=True).matches("aDMIN-1", _ANYBODY)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("{service_account}.{namespace}.svc", "cart.shop.svc"),
        ("{service_account}.{namespace}.svc.{trust_domain}", "cart.shop.svc.cluster.local"),
        ("{service_account}-*.{namespace}.svc", "cart-0.shop.svc"),
        ("{common_name}", "cart"),
    ],
)
def test_placeholders_take_their_value_from_the_caller(pattern, text):
    assert DnsPattern.parse(pattern).matches(text, _CART)
    assert not DnsPattern.parse(pattern).matches(f"x{text}", _CART)


def test_a_caller_without_the_value_matches_no_pattern_that_wants_it():
    assert not TextPattern.parse("{namespace}*").matches("anything", _ANYBODY)
    assert not UriPattern.parse("spiffe://{trust_domain}/**").matches("spiffe://cluster.local/ns/a/sa/b", _ANYBODY)


@pytest.mark.parametrize("value", ["*", "{namespace}", "**", "a*"])
def test_a_placeholders_value_is_text_and_never_a_pattern(value):
    caller = Caller.hypothetical(common_name=value)

    assert TextPattern.parse("{common_name}").matches(value, caller)
    assert not TextPattern.parse("{common_name}").matches("anything", caller)
    assert not DnsPattern.parse("{common_name}.example.com").matches("a.b.example.com", caller)


def test_a_placeholders_value_does_not_reach_into_the_next_label_or_segment():
    caller = Caller.hypothetical(common_name="a.b")
    slashed = Caller.hypothetical(common_name="a/b")

    assert DnsPattern.parse("{common_name}").matches("a.b", caller)
    assert not DnsPattern.parse("{common_name}.example.com").matches("a.b.example.com", caller)
    assert not UriPattern.parse("https://example.com/{common_name}").matches("https://example.com/a/b", slashed)
    assert UriPattern.parse("https://example.com/{common_name}").matches("https://example.com/a.b", caller)


def test_dns_names_compare_with_a_placeholders_value_in_lower_case():
    assert DnsPattern.parse("{common_name}").matches("web.example", Caller.hypothetical(common_name="Web.Example"))


_NAMES = st.from_regex(r"[a-c]{1,3}(\.[a-c]{1,3}){0,4}", fullmatch=True)


@given(_NAMES)
def test_a_name_matches_itself_and_every_suffix_below_a_deep_wildcard(name):
    labels = name.split(".")

    assert DnsPattern.parse(name).matches(name, _ANYBODY)
    for count in range(1, len(labels)):
        assert DnsPattern.parse(".".join(["**", *labels[count:]])).matches(name, _ANYBODY)
    assert DnsPattern.parse(".".join("*" for _ in labels)).matches(name, _ANYBODY)


@given(st.lists(st.text(alphabet="ab", max_size=2), min_size=1, max_size=5), st.text(alphabet="ab", max_size=12))
def test_globs_agree_with_an_exhaustive_search(pieces, text):
    def search(rest: list[str], remaining: str) -> bool:
        if len(rest) == 1:
            return remaining.endswith(rest[0])
        head, *tail = rest
        return any(
            remaining[start:].startswith(head) and search(tail, remaining[start + len(head) :])
            for start in range(len(remaining) + 1)
        )

    expected = (
        text == pieces[0]
        if len(pieces) == 1
        else text.startswith(pieces[0]) and search(pieces[1:], text[len(pieces[0]) :])
    )
    if not text and len(pieces) > 1:
        expected = False

    assert TextPattern.parse("*".join(pieces)).matches(text, _ANYBODY) is expected


@pytest.mark.timeout(60)
def test_a_hostile_pattern_ends_at_once():
    pattern = TextPattern.parse("*a" * 1000 + "*b")

    assert not pattern.matches("a" * 2000, _ANYBODY)
