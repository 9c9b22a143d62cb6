from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import MalformedName, NameMismatch
from certs.host_names import verify_name
from certs.keys import KeyType

NAMES = [
    x509.DNSName("Web.example"),
    x509.DNSName("*.wild.example"),
    x509.IPAddress(ip_address("10.0.0.7")),
    x509.IPAddress(ip_address("fd00::7")),
    x509.UniformResourceIdentifier("spiffe://cluster.local/ns/a/sa/b"),
    x509.RFC822Name("Ops@Example.com"),
]


@pytest.fixture(scope="module")
def certify(now, private_key):
    """A certificate of these alternative names whose common name is ``common.example``."""

    def make(names):
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "common.example")])
        key = private_key(KeyType.EC_P256)
        builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(key, SHA256())

    return make


@pytest.fixture(scope="module")
def certificate(certify):
    return certify(NAMES)


@pytest.mark.parametrize(
    "name",
    ["web.example", "WEB.EXAMPLE", "web.example.", "a.wild.example", "10.0.0.7", "fd00::7", "fd00:0:0::7",
     "spiffe://cluster.local/ns/a/sa/b", "Ops@example.com"],
)  # fmt: skip
def test_names_in_the_certificate_hold(name, certificate):
    verify_name(certificate, name)


@pytest.mark.parametrize(
    "name",
    ["other.example", "a.web.example", "wild.example", "a.b.wild.example", "common.example", "10.0.0.8", "fd00::8",
     "spiffe://cluster.local/ns/a/sa", "spiffe://cluster.local/ns/a/sa/B", "ops@example.com", "Ops@sub.example.com", "example"],
)  # fmt: skip
def test_other_names_do_not(name, certificate):
    with pytest.raises(NameMismatch, match=r"is not for '.*'; it is for Web\.example"):
        verify_name(certificate, name)


@pytest.mark.parametrize("name", ["*.wild.example", "", "a b", "a..b"])
def test_what_is_no_name_of_a_host_is_malformed(name, certificate):
    with pytest.raises(MalformedName):
        verify_name(certificate, name)


def test_the_common_name_is_never_looked_at(certify):
    with pytest.raises(NameMismatch, match="no names"):
        verify_name(certify([]), "common.example")


@given(name=st.text(max_size=40))
def test_any_text_matches_or_is_refused(name, certificate):
    with suppress(NameMismatch, MalformedName):
        verify_name(certificate, name)
