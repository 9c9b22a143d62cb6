"""What authentication knows about a caller, and how records name it."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ca.callers import Caller, CallerKind
from certs.errors import MalformedName
from certs.names import SpiffeId, SubjectAlternativeNames, SubjectName

_KEY = ec.generate_private_key(ec.SECP256R1())
_NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _certificate(*names: x509.GeneralName, common_name: str | None = None, organizations: tuple[str, ...] = ()):
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, value) for value in organizations]
    if common_name is not None:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    subject = x509.Name(attributes)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(_KEY.public_key())
        .serial_number(0xABC)
        .not_valid_before(_NOW)
        .not_valid_after(_NOW + timedelta(hours=24))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(_KEY, hashes.SHA256())


def _workload_caller(path: str) -> Caller:
    return Caller.hypothetical(spiffe_id=SpiffeId.parse(f"spiffe://cluster.local{path}"))


def test_a_certificate_tells_everything_that_policy_and_audit_want_to_know():
    certificate = _certificate(
        x509.DNSName("web.example"),
        x509.IPAddress(ip_address("10.0.0.7")),
        common_name="web",
        organizations=("team-a", "team-b"),
    )

    caller = Caller.from_certificate(certificate)

    assert caller.kind is CallerKind.CERTIFICATE
    assert caller.subject == SubjectName(common_name="web", organizations=("team-a", "team-b"))
    assert (caller.common_name, caller.organizations) == ("web", ("team-a", "team-b"))
    assert caller.names == SubjectAlternativeNames.parse(dns=["web.example"], ips=["10.0.0.7"])
    assert caller.serial_number == "abc".rjust(32, "0")
    assert caller.certificate_fingerprint == certificate.fingerprint(hashes.SHA256())


def test_a_certificate_without_alternative_names_has_none():
    assert Caller.from_certificate(_certificate(common_name="web")).names.is_empty


def test_service_account_is_who_its_certificate_will_say():
    uri = "spiffe://cluster.local/ns/shop/sa/cart"

    caller = Caller.for_service_account(SpiffeId.parse(uri))

    assert (caller.kind, caller.name) == (CallerKind.SERVICE_ACCOUNT, uri)
    assert (caller.namespace, caller.service_account) == ("shop", "cart")
    assert caller.names.uris == (uri,)
    assert (caller.serial_number, caller.common_name, caller.organizations) == (None, None, ())


def test_a_single_spiffe_id_is_the_identity_and_the_name():
    uri = "spiffe://cluster.local/ns/shop/sa/cart"

    caller = Caller.from_certificate(_certificate(x509.UniformResourceIdentifier(uri), common_name="cart"))

    assert str(caller.spiffe_id) == uri
    assert caller.name == uri
    assert (caller.trust_domain, caller.namespace, caller.service_account) == ("cluster.local", "shop", "cart")


@pytest.mark.parametrize(
    "uris",
    [
        ("https://web.example/",),
        ("spiffe://cluster.local/ns/shop/sa/cart", "spiffe://cluster.local/ns/kube-system/sa/admin"),
        ("spiffe://cluster.local/ns/shop/sa/cart", "https://web.example/"),
    ],
)
def test_several_uris_or_another_one_give_no_identity(uris):
    caller = Caller.from_certificate(_certificate(*map(x509.UniformResourceIdentifier, uris), common_name="web"))

    assert caller.spiffe_id is None
    assert caller.namespace is None
    assert caller.name == "CN=web"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/ns/shop",
        "/ns/shop/sa",
        "/ns/shop/sa/cart/x",
        "/sa/cart/ns/shop",
        "/xx/shop/sa/cart",
        "/ns/shop/pod/x",
    ],
)
def test_only_the_service_account_form_names_a_namespace(path):
    if path == "/":
        with pytest.raises(MalformedName):
            _workload_caller(path)
        return
    caller = _workload_caller(path)

    assert caller.namespace is None
    assert caller.service_account is None


@pytest.mark.parametrize(
    ("caller", "name"),
    [
        (Caller.anonymous(), "anonymous"),
        (Caller.local(), "local"),
        (Caller.for_token("t-17"), "token:t-17"),
        (Caller.hypothetical(common_name="web", organizations=("shop",)), "CN=web,O=shop"),
        (Caller.from_certificate(_certificate(x509.DNSName("anonymous"))), "dns:anonymous"),
        (Caller.from_certificate(_certificate(common_name="local")), "CN=local"),
        (Caller.from_certificate(_certificate(x509.UniformResourceIdentifier("token:t-17"))), "uri:token:t-17"),
        (Caller.from_certificate(_certificate()), "serial:00000000000000000000000000000abc"),
    ],
)
def test_no_certificate_can_carry_the_name_of_another_kind_of_caller(caller, name):
    assert caller.name == name


def test_a_hypothetical_caller_of_which_nothing_is_said_is_anonymous():
    assert Caller.hypothetical() == Caller.anonymous()


def test_a_hypothetical_caller_holds_its_spiffe_id_as_a_real_one_does():
    caller = _workload_caller("/ns/shop/sa/cart")

    assert caller.names.uris == ("spiffe://cluster.local/ns/shop/sa/cart",)


def test_a_subject_that_this_authority_could_not_have_issued_is_refused():
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"), x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "x")]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(_KEY.public_key())
        .serial_number(1)
        .not_valid_before(_NOW)
        .not_valid_after(_NOW + timedelta(hours=1))
        .sign(_KEY, hashes.SHA256())
    )

    with pytest.raises(MalformedName):
        Caller.from_certificate(certificate)
