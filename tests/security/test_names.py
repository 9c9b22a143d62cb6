"""Names in every disguise: what policy guards is guarded however it is encoded, and no two identities read alike."""

import itertools

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from ca.callers import Caller, CallerKind
from ca.errors import PolicyDenied
from ca.office import Office
from ca.policy import Operation, Policy, PolicyRequest
from certs import der
from certs.errors import MalformedName, MalformedRequest
from certs.keys import sign
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import CertificateRequest
from tests.ca.offices import call_of, order_for

ORGANIZATION = der.object_identifier(NameOID.ORGANIZATION_NAME.dotted_string)
COMMON_NAME = der.object_identifier(NameOID.COMMON_NAME.dotted_string)
TENANTS = """
apiVersion: chancery.dev/v1alpha1
kind: Policy
rules:
  - name: tenants
    callers: [{any: true}]
    profiles: ["*"]
    names: any
    subject: {common_names: ["*"], organizations: ["*"], others: true}
"""
KEY = ec.generate_private_key(ec.SECP256R1())
TENANT = call_of(Caller.hypothetical(common_name="tenant"))


def attribute(oid: bytes, tag: int, text: bytes) -> bytes:
    return der.sequence(oid, der.encode(tag, text))


def request_of(subject: bytes) -> bytes:
    """A PKCS#10 request with a subject that no builder would write."""
    info = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signed = der.sequence(der.integer(0), subject, info, der.encode(0xA0, b""))
    algorithm = der.sequence(der.object_identifier("1.2.840.10045.4.3.2"))
    return der.sequence(signed, algorithm, der.bit_string(sign(KEY, signed)))


def rdn(*attributes: bytes) -> bytes:
    return der.encode(der.SET, b"".join(attributes))


MASTERS = "system:masters"
DISGUISES = {
    "UTF8String": der.sequence(rdn(attribute(ORGANIZATION, 0x0C, MASTERS.encode()))),
    "PrintableString": der.sequence(rdn(attribute(ORGANIZATION, 0x13, MASTERS.encode()))),
    "IA5String": der.sequence(rdn(attribute(ORGANIZATION, 0x16, MASTERS.encode()))),
    "TeletexString": der.sequence(rdn(attribute(ORGANIZATION, 0x14, MASTERS.encode()))),
    "VisibleString": der.sequence(rdn(attribute(ORGANIZATION, 0x1A, MASTERS.encode()))),
    "BMPString": der.sequence(rdn(attribute(ORGANIZATION, 0x1E, MASTERS.encode("utf-16-be")))),
    "UniversalString": der.sequence(rdn(attribute(ORGANIZATION, 0x1C, MASTERS.encode("utf-32-be")))),
    "OCTET STRING": der.sequence(rdn(attribute(ORGANIZATION, 0x04, MASTERS.encode()))),
    "multi-valued": der.sequence(
        rdn(attribute(COMMON_NAME, 0x0C, b"web"), attribute(ORGANIZATION, 0x0C, MASTERS.encode()))
    ),
    "second": der.sequence(
        rdn(attribute(ORGANIZATION, 0x0C, b"shop")), rdn(attribute(ORGANIZATION, 0x0C, MASTERS.encode()))
    ),
    "NUL behind": der.sequence(rdn(attribute(ORGANIZATION, 0x0C, MASTERS.encode() + b"\0.shop"))),
    "zero width space": der.sequence(rdn(attribute(ORGANIZATION, 0x0C, "system:\u200bmasters".encode()))),
    "soft hyphen": der.sequence(rdn(attribute(ORGANIZATION, 0x0C, "system:mas\u00adters".encode()))),
    "right to left": der.sequence(rdn(attribute(ORGANIZATION, 0x0C, "\u202esretsam:metsys".encode()))),
    "overlong UTF-8": der.sequence(rdn(attribute(ORGANIZATION, 0x0C, b"\xc1\xb3ystem:masters"))),
    "octets behind": der.sequence(rdn(attribute(ORGANIZATION, 0x0C, b"shop"))) + b"\x05\x00",
}


@pytest.fixture(scope="module")
def tenants() -> Policy:
    return Policy.parse(TENANTS)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_cluster_administrators_are_not_made_by_encoding(office: Office, tenants: Policy, disguise: str) -> None:
    """A wildcard reaches every organization but the reserved ones; nothing of the kind may come out under it."""
    order = order_for(request=request_of(DISGUISES[disguise]), call=TENANT, profile="client")
    office.authority._policy = lambda: tenants
    try:
        with pytest.raises((PolicyDenied, MalformedName, MalformedRequest)):
            office.authority.issue(order)
    finally:
        office.authority._policy = office.policy


@pytest.mark.parametrize("reserved", ["system:masters", "system:node:a", "chancery:administrators", "system:"])
def test_reserved_names_are_guarded_as_common_names_too(tenants: Policy, reserved: str) -> None:
    for subject in (SubjectName(common_name=reserved), SubjectName(organizations=("shop", reserved))):
        decision = tenants.decide(
            policy_request(subject=subject),
        )
        assert not decision.allowed


@pytest.mark.parametrize(
    "alike", ["System:Masters", " system:masters", "system :masters", "\uff53ystem:masters", "system\uff1amasters"]
)
def test_names_that_lenient_comparison_takes_for_reserved_ones_are_guarded(tenants: Policy, alike: str) -> None:
    """RFC 5280 section 7.1 compares without regard to case, width and spaces, and so do some who read certificates."""
    for subject in (SubjectName(common_name=alike), SubjectName(organizations=(alike,))):
        assert not tenants.decide(policy_request(subject=subject)).allowed


def test_letters_that_only_fold_to_ascii_fill_no_dns_name() -> None:
    """The Kelvin sign in lower case is a k: CN=\u212aube must not come to own kube.example."""
    policy = Policy.parse(
        TENANTS.replace("names: any", 'names: {dns: ["{common_name}", "{common_name}.shop.example"]}')
    )
    caller = Caller.hypothetical(common_name="\u212aube")

    for name in ("kube", "kube.shop.example"):
        names = SubjectAlternativeNames.parse(dns=(name,))
        request = PolicyRequest(caller=caller, operation=Operation.ISSUE, profile="server", names=names)
        assert not policy.decide(request).allowed


def policy_request(subject: SubjectName) -> PolicyRequest:
    return PolicyRequest(caller=TENANT.caller, operation=Operation.ISSUE, profile="client", subject=subject)


SUBJECTS = (
    SubjectName(common_name="alice"),
    SubjectName(common_name="alice "),
    SubjectName(common_name=" alice"),
    SubjectName(common_name="Alice"),
    SubjectName(common_name="alice\\"),
    SubjectName(common_name="alice,O=chancery:administrators"),
    SubjectName(common_name="alice\\,O=chancery:administrators"),
    SubjectName(common_name="alice", organizations=("chancery:administrators",)),
    SubjectName(common_name="alice+O=x"),
    SubjectName(common_name="alice", organizations=("x",)),
    SubjectName(organizations=("x", "y")),
    SubjectName(organizations=("y", "x")),
    SubjectName(organizations=("x,O=y",)),
    SubjectName(common_name="#616c696365"),
    SubjectName(common_name="\\61lice"),
    SubjectName(common_name="local"),
    SubjectName(common_name="token:" + "0" * 32),
    SubjectName(common_name="spiffe://cluster.local/ns/shop/sa/web"),
    SubjectName(organizational_units=("a",), organizations=("b",)),
    SubjectName(common_name="b\u00fccher"),
    SubjectName(common_name="bu\u0308cher"),
    SubjectName(common_name="\u0430lice"),
)
OTHERS = (
    Caller.anonymous(),
    Caller.local(),
    Caller.for_token("0" * 32),
    *(
        Caller(kind=CallerKind.CERTIFICATE, names=SubjectAlternativeNames.parse(**{kind: (text,)}))
        for kind, text in (
            ("dns", "alice.example"),
            ("emails", "alice@example.com"),
            ("uris", "https://example.com/CN=alice"),
            ("uris", "cn:alice"),
            ("uris", "token:" + "0" * 32),
            ("uris", "dns:alice.example"),
            ("ips", "10.0.0.1"),
        )
    ),
)


def test_no_two_identities_have_one_name() -> None:
    """Ownership of certificates and keys goes by this name."""
    callers = [*(Caller(kind=CallerKind.CERTIFICATE, subject=subject) for subject in SUBJECTS), *OTHERS]

    for one, another in itertools.combinations(callers, 2):
        assert one.name != another.name


@pytest.mark.parametrize(
    "uris",
    [
        ("spiffe://cluster.local/ns/shop/sa/web", "https://example.com/"),
        ("https://example.com/", "spiffe://cluster.local/ns/shop/sa/web"),
        ("https://spiffe://cluster.local/ns/shop/sa/web",),
    ],
)
def test_identity_beside_another_uri_is_none(uris: tuple[str, ...]) -> None:
    certificate = certificate_with(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris]))

    try:
        caller = Caller.from_certificate(certificate)
    except MalformedName:
        return
    assert caller.spiffe_id is None
    assert not caller.name.startswith("spiffe://")


def certificate_with(names: x509.SubjectAlternativeName) -> x509.Certificate:
    from datetime import UTC, datetime

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .add_extension(names, critical=False)
        .sign(KEY, hashes.SHA256())
    )


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("dns", "web.example\0.evil"),
        ("dns", "web.example."),
        ("dns", "w\u0435b.example"),
        ("dns", "we\u200bb.example"),
        ("dns", "\uff57eb.example"),
        ("dns", "\u212aube.example"),
        ("dns", "xn--web-"),
        ("dns", "*.example"),
        ("dns", "*"),
        ("dns", "w*b.shop.example"),
        ("dns", "a.*.shop.example"),
        ("dns", "*.*.shop.example"),
        ("dns", "127.0.0.1"),
        ("dns", "0x7f000001.1"),
        ("dns", "web.example\n"),
        ("dns", " web.example"),
        ("ips", "::ffff:10.0.0.1"),
        ("ips", "fe80::1%eth0"),
        ("ips", "010.0.0.1"),
        ("ips", "10.1"),
        ("ips", "0x0a.0.0.1"),
        ("uris", "https://user@example.com/"),
        ("uris", "https://trusted.example@evil.example/"),
        ("uris", "https://user:secret@example.com/"),
        ("uris", "spiffe://user@cluster.local/ns/a/sa/b"),
        ("uris", "spiffe://cluster.local:443/ns/a/sa/b"),
        ("uris", "spiffe://Cluster.local/ns/a/sa/b"),
        ("uris", "SPIFFE://cluster.local/ns/a/sa/b"),
        ("uris", "spiffe://cluster.local/ns/a/sa/../../b"),
        ("uris", "spiffe://cluster.local/ns/a/sa/%62"),
        ("uris", "spiffe://cluster.local//ns/a/sa/b"),
        ("uris", "spiffe://cluster.local/ns/a/sa/b?x"),
        ("uris", "spiffe://cluster.local/ns/a/sa/b#x"),
        ("uris", "spiffe:///ns/a/sa/b"),
        ("uris", "spiffe:cluster.local/ns/a/sa/b"),
        ("uris", "https://example.com\\@evil.example/"),
        ("emails", '"a b"@example.com'),
        ("emails", "a@b@example.com"),
        ("emails", "a@[10.0.0.1]"),
    ],
)
def test_ambiguous_names_are_no_names(kind: str, text: str) -> None:
    with pytest.raises(MalformedName):
        SubjectAlternativeNames.parse(**{kind: (text,)})


def test_request_for_the_disguises_is_otherwise_good() -> None:
    """Else the tests above would show nothing."""
    plain = der.sequence(rdn(attribute(ORGANIZATION, 0x1E, "shop".encode("utf-16-be"))))

    assert CertificateRequest.from_bytes(request_of(plain)).subject == SubjectName(organizations=("shop",))
