import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import MalformedName
from certs.names import SpiffeId, TrustDomain

TRUST_DOMAINS = st.from_regex(r"\A[a-z0-9._-]{1,255}\Z")
SEGMENTS = st.from_regex(r"\A[A-Za-z0-9._-]{1,40}\Z").filter(lambda segment: segment not in {".", ".."})


def test_a_workload_identity_names_namespace_and_service_account():
    identity = SpiffeId.for_service_account(TrustDomain.parse("cluster.local"), "default", "web")

    assert str(identity) == "spiffe://cluster.local/ns/default/sa/web"
    assert identity.path == "/ns/default/sa/web"


@given(TRUST_DOMAINS, st.lists(SEGMENTS, max_size=6))
def test_a_valid_identity_reads_back_unchanged(trust_domain: str, segments: list[str]):
    text = f"spiffe://{trust_domain}" + "".join(f"/{segment}" for segment in segments)
    identity = SpiffeId.parse(text)

    assert str(identity) == text
    assert identity.trust_domain.name == trust_domain


@given(st.text(max_size=80) | st.text(alphabet="abz09._-/:%AZ", max_size=60).map("spiffe://".__add__))
def test_any_text_is_an_identity_in_its_only_form_or_malformed(text: str):
    try:
        identity = SpiffeId.parse(text)
    except MalformedName:
        return
    assert str(identity) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spiffe:",
        "spiffe://",
        "spiffe:///ns/a",
        "SPIFFE://td/a",
        "spiffe://TD/a",
        "spiffe://td/",
        "spiffe://td/a/",
        "spiffe://td//a",
        "spiffe://td/./a",
        "spiffe://td/a/..",
        "spiffe://td/a%20b",
        "spiffe://td/a?b",
        "spiffe://td/a#b",
        "spiffe://td:8443/a",
        "spiffe://user@td/a",
        "spiffe://td/a\n",
        "spiffe://td\n",
        "spiffe://td/ü",
        "https://td/a",
        " spiffe://td/a",
        "spiffe://" + "a" * 256,
        "spiffe://td/" + "a" * 2048,
    ],
)
def test_what_the_standard_forbids_is_refused(text: str):
    with pytest.raises(MalformedName):
        SpiffeId.parse(text)


@pytest.mark.parametrize("text", ["td/ns/a/sa/admin", "Cluster.Local", "", "a b"])
def test_a_trust_domain_holds_no_path_and_no_capitals(text: str):
    with pytest.raises(MalformedName, match="lower case"):
        TrustDomain.parse(text)


@pytest.mark.parametrize(("namespace", "service_account"), [("a/sa/admin", "x"), ("", "x"), ("a", ""), ("a", "../b")])
def test_a_kubernetes_name_cannot_reach_into_another_segment(namespace: str, service_account: str):
    with pytest.raises(MalformedName):
        SpiffeId.for_service_account(TrustDomain.parse("cluster.local"), namespace, service_account)


def test_dots_within_a_segment_are_allowed():
    assert SpiffeId.parse("spiffe://td/.a/..b/c.").path == "/.a/..b/c."
