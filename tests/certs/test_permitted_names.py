"""Name constraints in the issuing CAs that are made: what they say, what they keep out, and who agrees."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from certs.chains import verify_chain
from certs.errors import ConstraintViolation, InspectionFailed, MalformedName, NameNotAllowed, NameNotPermitted
from certs.inspection import verify_issued
from certs.issuers import Issuer
from certs.keys import KeyType, generate_private_key, subject_public_key_info
from certs.lint import Linter, verify_rules
from certs.lint_rules import findings
from certs.name_constraints import permitted_names, verify_name_constraints, verify_permitted
from certs.name_inspection import are_names_permitted
from certs.names import SubjectAlternativeNames, SubjectName
from certs.pem import join_certificates
from certs.permitted_names import PermittedNames
from certs.profiles import PROFILES
from certs.serials import Serial
from certs.signing import Signer, sign_with_builder
from certs.templates import CertificateTemplate, validity
from tests.ca.offices import CountedEntropy

LIMITS = PermittedNames.parse(
    dns=["example.com", "svc"],
    ips=["10.0.0.0/8", "fd00::/8"],
    uris=["cluster.local", ".apps.example.com"],
    emails=["example.com"],
)
NOBODY = SubjectName()
CA_NAME = SubjectName(common_name="Limited Issuing CA")
_ENTROPY = CountedEntropy()
_KEY = generate_private_key(KeyType.EC_P256)


def template(now, profile, *, subject=NOBODY, permitted=None, issuer=None, key=_KEY, **names):
    window = validity(PROFILES[profile], now, None, issuer and issuer.not_after)
    return CertificateTemplate(
        profile=PROFILES[profile],
        serial=Serial.mint(now, _ENTROPY),
        subject=subject,
        names=SubjectAlternativeNames.parse(**names),
        public_key=key.public_key(),
        public_key_info=subject_public_key_info(key.public_key()),
        not_before=window[0],
        not_after=window[1],
        permitted_names=permitted,
    )


@pytest.fixture(scope="module")
def limited(world, now):
    """An issuing CA with limits, made as every other."""
    key = generate_private_key(KeyType.EC_P256)
    wanted = template(now, "intermediate", subject=CA_NAME, permitted=LIMITS, issuer=world.root, key=key)
    Linter(world.root, generate_private_key).verify(wanted)
    der = sign_with_builder(world.root, wanted)
    certificate = verify_issued(der, template=wanted, issuer=world.root)
    return Issuer(certificate=certificate, private_key=key, chain=(world.root.certificate,))


@pytest.fixture(scope="module")
def world(hierarchy):
    return hierarchy()


def test_constraints_are_critical_and_the_root_has_none(limited, world):
    found = limited.certificate.extensions.get_extension_for_class(x509.NameConstraints)

    assert found.critical
    assert len(found.value.permitted_subtrees) == 7
    assert found.value.excluded_subtrees is None
    assert not world.root.is_name_constrained
    assert limited.is_name_constrained
    verify_rules(limited.certificate)


def test_openssl_reads_them_as_they_are_meant(limited, openssl, tmp_path):
    (tmp_path / "ca.pem").write_bytes(limited.certificate.public_bytes(Encoding.PEM))

    said = openssl("x509", "-in", "ca.pem", "-noout", "-ext", "nameConstraints")

    for line in ("critical", "DNS:example.com", "IP:10.0.0.0/255.0.0.0", "URI:.apps.example.com", "email:example.com"):
        assert line in said


INSIDE = [
    ("server", {"dns": ["example.com"]}),
    ("server", {"dns": ["a.b.example.com", "*.example.com", "web.shop.svc"], "ips": ["10.1.2.3", "fd00::7"]}),
    ("workload", {"uris": ["spiffe://cluster.local/ns/shop/sa/web"], "dns": ["web.shop.svc"]}),
    ("client", {"emails": ["ops@example.com"], "uris": ["https://one.apps.example.com/x"]}),
    ("client", {"subject": SubjectName(common_name="administrator", organizations=("chancery:administrators",))}),
    ("client", {"subject": SubjectName(common_name="ops.example.com")}),
]
OUTSIDE = [
    ("server", {"dns": ["example.org"]}, "example.org"),
    ("server", {"dns": ["badexample.com"]}, "badexample.com"),
    ("server", {"dns": ["web.example.com", "localhost"]}, "localhost"),
    ("server", {"dns": ["*.org.example"]}, "org.example"),
    ("server", {"ips": ["192.0.2.1"]}, "192.0.2.1"),
    ("server", {"ips": ["10.0.0.1", "::1"]}, "::1"),
    ("workload", {"uris": ["spiffe://other.local/ns/shop/sa/web"]}, "other.local"),
    ("workload", {"uris": ["spiffe://sub.cluster.local/ns/shop/sa/web"]}, "sub.cluster.local"),
    ("client", {"uris": ["https://apps.example.com/x"]}, "apps.example.com"),
    ("client", {"emails": ["ops@mail.example.com"]}, "mail.example.com"),
    ("client", {"subject": SubjectName(common_name="ops.example.org")}, "ops.example.org"),
]


@pytest.mark.parametrize(("profile", "names"), INSIDE)
def test_what_is_permitted_is_signed_and_openssl_and_we_accept_it(
    limited, world, now, openssl, tmp_path, profile, names
):
    wanted = template(now, profile, issuer=limited, **names)
    Linter(limited, generate_private_key).verify(wanted)
    leaf = verify_issued(Signer(limited).sign(wanted), template=wanted, issuer=limited)

    verify_chain(leaf, [limited.certificate], [world.root.certificate], at=now)
    write(tmp_path, leaf, limited, world)
    openssl("verify", *path_arguments(now), "-x509_strict", "leaf.pem")


@pytest.mark.parametrize(("profile", "names", "culprit"), OUTSIDE)
def test_what_is_not_permitted_is_refused_with_the_reason_before_anything_is_signed(
    limited, now, profile, names, culprit
):
    wanted = template(now, profile, issuer=limited, **names)

    for refuse in (Signer(limited).sign, Linter(limited, generate_private_key).verify):
        with pytest.raises(NameNotPermitted) as caught:
            refuse(wanted)
        assert culprit in str(caught.value)
        assert "CN=Limited Issuing CA permits example.com, svc, 10.0.0.0/8" in str(caught.value)


@pytest.mark.parametrize(("profile", "names", "culprit"), OUTSIDE)
def test_signed_all_the_same_inspection_openssl_and_our_verifier_refuse_it(
    limited, world, now, openssl, tmp_path, profile, names, culprit
):
    """By a twin of the issuer that knows of no limits: same key, same name."""
    free = unlimited_twin(limited, world, now)
    wanted = template(now, profile, issuer=limited, **names)
    der = Signer(free).sign(wanted)
    leaf = x509.load_der_x509_certificate(der)

    with pytest.raises(InspectionFailed):
        verify_issued(der, template=wanted, issuer=limited)
    if "subject" not in names:  # RFC 5280 has no constraints on common names; OpenSSL has
        with pytest.raises(ConstraintViolation):
            verify_chain(leaf, [limited.certificate], [world.root.certificate], at=now)
    write(tmp_path, leaf, limited, world)
    with pytest.raises(AssertionError, match="permitted subtree violation"):
        openssl("verify", *path_arguments(now), "leaf.pem")


def unlimited_twin(limited, world, now):
    wanted = template(now, "intermediate", subject=CA_NAME, issuer=world.root, key=limited.private_key)
    certificate = x509.load_der_x509_certificate(sign_with_builder(world.root, wanted))
    return Issuer(certificate=certificate, private_key=limited.private_key, chain=(world.root.certificate,))


def path_arguments(now):
    return "-attime", str(int(now.timestamp())), "-CAfile", "root.pem", "-untrusted", "ca.pem"


def write(directory: Path, leaf, limited, world):
    for name, certificate in (("leaf", leaf), ("ca", limited.certificate), ("root", world.root.certificate)):
        (directory / f"{name}.pem").write_bytes(join_certificates([certificate]))


def test_constraints_elsewhere_than_in_an_issuing_ca_are_refused(limited, world, now):
    with pytest.raises(NameNotAllowed):
        Signer(world.root).sign(template(now, "server", permitted=LIMITS, issuer=world.root, dns=["a.example"]))
    with pytest.raises(NameNotAllowed):
        sign_with_builder(
            world.root,
            template(now, "intermediate", subject=CA_NAME, permitted=PermittedNames(), issuer=world.root),
        )


def test_a_ca_that_lost_its_constraints_or_has_others_fails_inspection(world, now):
    wanted = template(now, "intermediate", subject=CA_NAME, permitted=LIMITS, issuer=world.root)
    for other in (None, replace(LIMITS, dns=("example.com",)), replace(LIMITS, dns=("example.com", "svc", "org"))):
        der = sign_with_builder(world.root, replace(wanted, permitted_names=other))
        with pytest.raises(InspectionFailed, match="extensions"):
            verify_issued(der, template=wanted, issuer=world.root)


def test_lint_finds_constraints_in_a_leaf_and_constraints_that_nobody_knows(now):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder(name, name, _KEY.public_key(), 1 << 100, now, now + timedelta(days=1))
    odd = x509.NameConstraints([x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))], None)

    found = findings(builder.add_extension(odd, critical=True).sign(_KEY, SHA256()))

    assert any("a leaf has nameConstraints" in one for one in found)
    assert any("RegisteredID" in one for one in found)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("dns", ".example.com"),
        ("dns", "*.example.com"),
        ("dns", "exa mple"),
        ("dns", ""),
        ("ips", "10.0.0.1/8"),
        ("ips", "example.com"),
        ("uris", "spiffe://cluster.local"),
        ("uris", "..example.com"),
        ("uris", "host:80"),
        ("emails", "@example.com"),
        ("emails", "*.example.com"),
    ],
)
def test_what_is_no_limit_is_refused_with_its_kind_and_value(kind, value):
    with pytest.raises(MalformedName, match=r"permitted|email"):
        PermittedNames.parse(**{kind: [value]})


def test_permitted_names_are_normal_and_kept_once():
    parsed = PermittedNames.parse(dns=["Example.COM", "example.com"], emails=["Ops@Example.com", ".example.com"])

    assert parsed == PermittedNames(dns=("example.com",), emails=("Ops@example.com", ".example.com"))
    assert PermittedNames.parse().is_empty


_HOSTS = st.sampled_from(
    ["example.com", "a.example.com", "b.a.example.com", "xample.com", "com", "*.a.example.com", "other"]
)
_SUBTREES = st.sampled_from(
    [
        x509.DNSName("example.com"),
        x509.DNSName(".example.com"),
        x509.DNSName("a.example.com"),
        x509.DNSName(""),
        x509.UniformResourceIdentifier("example.com"),
        x509.UniformResourceIdentifier(".example.com"),
        x509.RFC822Name("example.com"),
        x509.RFC822Name(".example.com"),
        x509.RFC822Name("me@example.com"),
        x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Us")])),
    ]
)


@given(
    hosts=st.lists(_HOSTS, max_size=3, unique=True),
    permitted=st.lists(_SUBTREES, max_size=3),
    excluded=st.lists(_SUBTREES, max_size=2),
    organization=st.sampled_from(["Us", "us", "Them", None]),
)
def test_whoever_decides_before_signing_inspects_or_verifies_decides_alike(
    now, hosts, permitted, excluded, organization
):
    plain = [host for host in hosts if not host.startswith("*")]
    names = SubjectAlternativeNames.parse(
        dns=hosts, uris=[f"https://{host}/x" for host in plain], emails=[f"me@{host}" for host in plain]
    )
    subject = SubjectName(organizations=(organization,) if organization else ())
    chain = constrained_chain(now, permitted, excluded, names, subject)

    verdicts = (
        passes(lambda: verify_permitted(names, subject, chain[1:])),
        are_names_permitted(names, subject, chain[1:]),
        passes(lambda: verify_name_constraints(chain)),
    )

    assert len(set(verdicts)) == 1, verdicts
    assert passes(lambda: verify_permitted(permitted_names(names, chain[1:]), SubjectName(), chain[1:]))


def passes(verify):
    try:
        verify()
    except (ConstraintViolation, NameNotPermitted):
        return False
    return True


def constrained_chain(now, permitted, excluded, names, subject):
    ca = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")])
    authority = x509.CertificateBuilder(ca, ca, _KEY.public_key(), 1, now, now + timedelta(days=1))
    if permitted or excluded:
        constraints = x509.NameConstraints(permitted or None, excluded or None)
        authority = authority.add_extension(constraints, critical=True)
    leaf = x509.CertificateBuilder(ca, subject.to_x509(), _KEY.public_key(), 2, now, now + timedelta(days=1))
    if not names.is_empty:
        leaf = leaf.add_extension(names.to_x509(), critical=False)
    return [leaf.sign(_KEY, SHA256()), authority.sign(_KEY, SHA256())]
