from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from certs import der
from certs.errors import LintFailed, NameNotAllowed
from certs.keys import KeyType, generate_private_key, subject_public_key_info
from certs.lint import Linter, shape_of, verify_rules
from certs.lint_rules import findings
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import PROFILES
from certs.signing import sign_with_builder

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
DNS = x509.DNSName("web.example")
DEFAULTS = {
    "basic_constraints": (x509.BasicConstraints(False, None), True),
    "key_usage": (x509.KeyUsage(True, *[False] * 8), True),
    "extended": (x509.ExtendedKeyUsage([SERVER]), False),
    "subject_key": (x509.SubjectKeyIdentifier(b"s" * 20), False),
    "authority_key": (x509.AuthorityKeyIdentifier(b"a" * 20, None, None), False),
    "names": (x509.SubjectAlternativeName([DNS]), False),
}
CA = {
    "basic_constraints": (x509.BasicConstraints(True, 0), True),
    "key_usage": (x509.KeyUsage(*[False] * 5, True, True, False, False), True),
    "extended": None,
    "names": None,
}


def url(method, location):
    description = x509.AccessDescription(method, x509.UniformResourceIdentifier(location))
    return x509.AuthorityInformationAccess([description])


def point(location):
    name = x509.UniformResourceIdentifier(location)
    return x509.CRLDistributionPoints([x509.DistributionPoint([name], None, None, None)])


@pytest.fixture
def lint(now, private_key):
    """Findings on a certificate with one thing changed."""

    def run(*, subject="web", serial=2**100, days=1, **changes):
        key = private_key(KeyType.EC_P256)
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
        attributes = [x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)] if subject else []
        builder = (
            x509.CertificateBuilder(issuer, x509.Name(attributes), key.public_key(), serial)
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=days))
        )
        for extension in {**DEFAULTS, **changes}.values():
            if extension is not None:
                builder = builder.add_extension(*extension)
        return findings(builder.sign(key, SHA256()))

    return run


def test_a_sound_certificate_has_no_findings(lint):
    assert lint() == ()
    assert lint(**CA) == ()


SVID = x509.UniformResourceIdentifier("spiffe://cluster.local/ns/a/sa/b")


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"serial": 2**60}, "serial"),
        ({"subject": ""}, "critical exactly where"),
        ({"names": (x509.SubjectAlternativeName([DNS]), True)}, "critical exactly where"),
        ({"subject": "", "names": None, "extended": (x509.ExtendedKeyUsage([CLIENT]), False)}, "names nobody"),
        ({"names": (x509.SubjectAlternativeName([x509.DNSName("WEB.example")]), False)}, "normal form"),
        ({"names": (x509.SubjectAlternativeName([x509.DNSName("a b")]), False)}, "cannot be read"),
        ({"names": (x509.SubjectAlternativeName([x509.RegisteredID(SERVER)]), False)}, "cannot be read"),
        ({"policy": (x509.PolicyConstraints(0, None), True)}, "which no profile has"),
        ({"basic_constraints": (x509.BasicConstraints(False, None), False)}, "critical flag"),
        ({"extended": (x509.ExtendedKeyUsage([SERVER]), True)}, "critical flag"),
        ({"subject_key": None}, "subjectKeyIdentifier"),
        ({"subject_key": (x509.SubjectKeyIdentifier(b"s"), False)}, "subjectKeyIdentifier"),
        ({"authority_key": None}, "authorityKeyIdentifier"),
        (
            {"authority_key": (x509.AuthorityKeyIdentifier(b"a" * 20, [DNS], 7), False)},
            "names issuer and serial",
        ),
        ({"key_usage": None}, "not digitalSignature alone"),
        ({"key_usage": (x509.KeyUsage(True, False, True, *[False] * 6), True)}, "not digitalSignature alone"),
        ({"key_usage": CA["key_usage"]}, "not digitalSignature alone"),
        ({"extended": None}, "extendedKeyUsage"),
        (
            {"extended": (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)},
            "extendedKeyUsage",
        ),
        ({"extended": (x509.ExtendedKeyUsage([SERVER, ExtendedKeyUsageOID.OCSP_SIGNING]), False)}, "extendedKeyUsage"),
        ({"extended": (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)}, "ocsp-nocheck"),
        ({"no_check": (x509.OCSPNoCheck(), False)}, "ocsp-nocheck"),
        ({"names": None}, "no subjectAltName"),
        ({"names": (x509.SubjectAlternativeName([SVID]), False)}, "both serverAuth and clientAuth"),
        ({"names": (x509.SubjectAlternativeName([SVID, SVID]), False)}, "more than one URI"),
        ({"crl": (point("https://ca.example/crl"), False)}, "not http://"),
        ({"ocsp": (url(AuthorityInformationAccessOID.OCSP, "ldap://ca.example"), False)}, "not http://"),
        ({**CA, "key_usage": (x509.KeyUsage(True, *[False] * 4, True, True, False, False), True)}, "a CA's keyUsage"),
        ({**CA, "key_usage": None}, "a CA's keyUsage"),
        ({**CA, "subject": ""}, "a CA has no subject"),
        ({**CA, "names": DEFAULTS["names"]}, "which are a leaf's"),
        ({**CA, "extended": DEFAULTS["extended"]}, "which are a leaf's"),
    ],
)
def test_each_broken_rule_is_found(changes, finding, lint):
    assert finding in " / ".join(lint(**changes))


NO_NAME = der.sequence()
LOCAL_TIME = der.encode(der.SEQUENCE, der.generalized_time(datetime(2026, 1, 1)) + der.time(datetime(2027, 1, 1)))
BACKWARDS = der.encode(der.SEQUENCE, der.time(datetime(2027, 1, 1)) + der.time(datetime(2026, 1, 1)))


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda tbs: tbs[1:-1], "version is not 3"),
        (lambda tbs: [*tbs[:3], NO_NAME, *tbs[4:]], "issuer is empty"),
        (lambda tbs: [*tbs[:4], LOCAL_TIME, *tbs[5:]], "UTCTime through 2049"),
        (lambda tbs: [*tbs[:4], BACKWARDS, *tbs[5:]], "ends before it begins"),
    ],
)
def test_forms_that_no_builder_makes_are_found_too(
    change, finding, hierarchy, make_template, private_key, signed_again
):
    issuer = hierarchy().issuer
    leaf = x509.load_der_x509_certificate(sign_with_builder(issuer, make_template("server", issuer=issuer)))

    assert finding in " / ".join(findings(signed_again(leaf, issuer.private_key, change)))


def test_a_root_is_held_against_the_rules(hierarchy, self_signed, private_key):
    verify_rules(hierarchy().root.certificate)

    with pytest.raises(LintFailed, match=r"breaks \d rules: "):
        verify_rules(self_signed(private_key(KeyType.EC_P256)))


class CountingFactory:
    def __init__(self):
        self.made = []

    def __call__(self, key_type):
        self.made.append(key_type)
        return generate_private_key(key_type)


@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.ED25519, KeyType.ML_DSA_44])
def test_every_profile_passes_under_one_throwaway_key(key_type, hierarchy, make_template):
    issuer, factory = hierarchy(key_type).issuer, CountingFactory()
    linter = Linter(issuer, factory)

    for profile in PROFILES:
        if not PROFILES[profile].is_ca:
            linter.verify(make_template(profile, issuer=issuer))
            linter.verify(make_template(profile, issuer=issuer))

    assert factory.made == [key_type]


def test_an_intermediate_passes(hierarchy, make_template):
    root = hierarchy().root

    Linter(root, generate_private_key).verify(make_template("intermediate", issuer=root))


def test_encoders_that_disagree_fail_closed_every_time(hierarchy, make_template, private_key):
    issuer = hierarchy().issuer
    other = subject_public_key_info(private_key(KeyType.EC_P384).public_key())
    template = replace(make_template("server", issuer=issuer), public_key_info=other)
    linter = Linter(issuer, generate_private_key)

    for _ in range(2):
        with pytest.raises(LintFailed):
            linter.verify(template)


def test_what_the_profile_forbids_fails_lint_too(hierarchy, make_template):
    issuer = hierarchy().issuer
    linter = Linter(issuer, generate_private_key)
    linter.verify(make_template("workload", issuer=issuer))

    with pytest.raises(NameNotAllowed):
        linter.verify(replace(make_template("workload", issuer=issuer), names=SubjectAlternativeNames()))


def test_the_real_key_signs_no_lint_certificate(hierarchy, make_template):
    authority = hierarchy()
    throwaway = generate_private_key(KeyType.EC_P256)

    built = x509.load_der_x509_certificate(
        sign_with_builder(authority.issuer, make_template("server", issuer=authority.issuer), private_key=throwaway)
    )

    with pytest.raises(InvalidSignature):
        built.verify_directly_issued_by(authority.issuer.certificate)


def test_values_do_not_change_a_shape_and_structure_does(make_template):
    template = make_template("server")

    def changed(**fields):
        return shape_of(replace(template, **fields))

    same = changed(serial=make_template("server").serial, subject=SubjectName(common_name="b", organizations=("c",)))
    assert same == shape_of(template)
    assert changed(subject=SubjectName()) != shape_of(template)
    assert changed(names=SubjectAlternativeNames.parse(dns=["a.example"])) != shape_of(template)
    assert changed(ocsp_url="http://ca.example/ocsp") != shape_of(template)
    assert changed(not_after=template.not_after.replace(year=2050)) != shape_of(template)
