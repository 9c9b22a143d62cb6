from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from certs.errors import ConstraintViolation
from certs.keys import KeyType
from certs.name_constraints import verify_name_constraints

ISSUER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "constrained")])


def subject(*attributes):
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


LEAF = subject((NameOID.COMMON_NAME, "leaf"))


@pytest.fixture(scope="module")
def judge(now, private_key):
    """Holds names and subject of a leaf against the permitted and excluded subtrees of its issuer."""
    key = private_key(KeyType.EC_P256)

    def builder(whose, issuer):
        return x509.CertificateBuilder(issuer, whose, key.public_key(), 1, now, now + timedelta(days=1))

    def run(*names, permitted=None, excluded=None, subject=LEAF, between=None):
        constraints = x509.NameConstraints(permitted, excluded)
        authority = builder(ISSUER, ISSUER).add_extension(constraints, critical=True).sign(key, SHA256())
        leaf = builder(subject, ISSUER)
        if names:
            leaf = leaf.add_extension(x509.SubjectAlternativeName(names), critical=False)
        middle = [] if between is None else [builder(between, between).sign(key, SHA256())]
        verify_name_constraints([leaf.sign(key, SHA256()), *middle, authority])

    return run


DNS, URI, EMAIL = x509.DNSName, x509.UniformResourceIdentifier, x509.RFC822Name


def ip(text):
    return x509.IPAddress(ip_network(text) if "/" in text else ip_address(text))


def directory(*attributes):
    return x509.DirectoryName(subject(*attributes))


INSIDE = [
    (DNS("example.com"), DNS("example.com")),
    (DNS("a.b.EXAMPLE.com"), DNS("example.com")),
    (DNS("*.example.com"), DNS("example.com")),
    (DNS("a.example.com"), DNS(".example.com")),
    (DNS("anything.test"), DNS("")),
    (ip("10.1.2.3"), ip("10.0.0.0/8")),
    (ip("fd00::1"), ip("fd00::/8")),
    (URI("spiffe://cluster.local/ns/a"), URI("cluster.local")),
    (URI("https://a.example.com:8443/x"), URI(".example.com")),
    (EMAIL("ops@example.com"), EMAIL("example.com")),
    (EMAIL("ops@example.com"), EMAIL("ops@EXAMPLE.com")),
    (EMAIL("ops@a.example.com"), EMAIL(".example.com")),
]
OUTSIDE = [
    (DNS("notexample.com"), DNS("example.com")),
    (DNS("example.com"), DNS(".example.com")),
    (DNS("*.com"), DNS("example.com")),
    (DNS("example.com.evil.test"), DNS("example.com")),
    (ip("11.0.0.1"), ip("10.0.0.0/8")),
    (ip("10.0.0.1"), ip("fd00::/8")),
    (URI("spiffe://other.local/ns/a"), URI("cluster.local")),
    (URI("spiffe://a.cluster.local/ns/a"), URI("cluster.local")),
    (URI("https://example.com/"), URI(".example.com")),
    (URI("https://10.0.0.1/"), URI("example.com")),
    (URI("urn:example.com"), URI("example.com")),
    (URI("https://[::1/"), URI("example.com")),
    (EMAIL("OPS@example.com"), EMAIL("ops@example.com")),
    (EMAIL("ops@a.example.com"), EMAIL("example.com")),
    (EMAIL("example.com"), EMAIL("example.com")),
]
TOUCHING = [
    (DNS("*.example.com"), DNS("secret.example.com")),
    (URI("https://10.0.0.1/"), URI("example.com")),
    (URI("urn:a"), URI("example.com")),
    (EMAIL("nobody"), EMAIL("example.com")),
]


@pytest.mark.parametrize(("name", "subtree"), INSIDE)
def test_a_permitted_name_passes(name, subtree, judge):
    judge(name, permitted=[subtree])


@pytest.mark.parametrize(("name", "subtree"), OUTSIDE)
def test_a_name_outside_all_permitted_subtrees_fails(name, subtree, judge):
    with pytest.raises(ConstraintViolation, match="outside"):
        judge(name, permitted=[subtree])


@pytest.mark.parametrize(("name", "subtree"), [*INSIDE, *TOUCHING])
def test_a_name_that_may_be_in_an_excluded_subtree_fails(name, subtree, judge):
    with pytest.raises(ConstraintViolation, match="excluded"):
        judge(name, excluded=[subtree])


def test_exclusion_wins_over_permission(judge):
    with pytest.raises(ConstraintViolation, match="excluded"):
        judge(DNS("a.example.com"), permitted=[DNS("example.com")], excluded=[DNS("a.example.com")])


def test_constraints_bind_names_of_their_own_kind_alone(judge):
    judge(ip("10.0.0.1"), DNS("example.com"), permitted=[DNS("example.com")])
    judge(permitted=[DNS("example.com")])


@pytest.mark.parametrize(
    "name", [x509.RegisteredID(NameOID.COMMON_NAME), x509.OtherName(NameOID.COMMON_NAME, b"\x05\x00")]
)
def test_constrained_kinds_that_are_not_understood_fail(name, judge):
    for subtrees in ({"permitted": [name]}, {"excluded": [name]}):
        with pytest.raises(ConstraintViolation):
            judge(name, **subtrees)


ORGANIZATION = (NameOID.ORGANIZATION_NAME, "Example  Inc")


def test_subjects_are_compared_by_their_first_rdns_without_case(judge):
    leaf = subject((NameOID.ORGANIZATION_NAME, "example inc"), (NameOID.COMMON_NAME, "leaf"))

    judge(subject=leaf, permitted=[directory(ORGANIZATION)])
    with pytest.raises(ConstraintViolation, match="excluded"):
        judge(subject=leaf, excluded=[directory(ORGANIZATION)])
    with pytest.raises(ConstraintViolation, match="outside"):
        judge(permitted=[directory(ORGANIZATION)])


def test_email_addresses_in_the_subject_count(judge):
    leaf = subject((NameOID.COMMON_NAME, "leaf"), (NameOID.EMAIL_ADDRESS, "ops@evil.test"))

    with pytest.raises(ConstraintViolation, match="outside"):
        judge(subject=leaf, permitted=[EMAIL("example.com")])


def test_an_email_address_in_the_subject_that_cannot_be_read_fails(judge):
    leaf = subject((NameOID.COMMON_NAME, "leaf"), (NameOID.EMAIL_ADDRESS, "Ops <ops@example.com>"))

    with pytest.raises(ConstraintViolation, match="cannot be read"):
        judge(subject=leaf, permitted=[EMAIL("example.com")])


def test_a_self_issued_ca_between_is_exempt_and_the_leaf_is_not(judge):
    between = subject((NameOID.COMMON_NAME, "between"))

    judge(permitted=[directory((NameOID.COMMON_NAME, "leaf"))], between=between)
    with pytest.raises(ConstraintViolation):
        judge(permitted=[directory((NameOID.COMMON_NAME, "other"))], between=between)


def test_the_work_is_bounded(judge):
    many = [DNS(f"h{number}.example.com") for number in range(1000)]

    with pytest.raises(ConstraintViolation, match="too many"):
        judge(*many, permitted=many)
