from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import pairwise

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from certs import der
from certs.chains import MAX_CERTIFICATES, MAX_DEPTH, verify_chain
from certs.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    CertsError,
    ChainIncomplete,
    ConstraintViolation,
    NameMismatch,
    SignatureMismatch,
    UntrustedRoot,
    UsageNotAllowed,
)
from certs.signing import Signer

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
DAY = timedelta(days=1)
CA_USAGE = x509.KeyUsage(*[False] * 5, True, True, False, False)
LEAF_USAGE = x509.KeyUsage(True, *[False] * 8)


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")


@cache
def key(name):
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(kw_only=True)
class Outsider:
    """A certificate of an outsider's CA, made by `cryptography`; every field can be wrong."""

    name: str
    issuer: str
    signer: str | None = None
    days: int = 2
    begins: int = 0
    ca: bool = False
    critical: bool = True
    path_length: int | None = None
    usage: x509.KeyUsage | None = None
    extended: tuple = ()
    public_key: object = None
    serial: int = 1
    algorithm: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)
    more: tuple = ()

    def build(self, now):
        public_key = self.public_key or key(self.name).public_key()
        builder = x509.CertificateBuilder(
            distinguished(self.issuer), distinguished(self.name), public_key, self.serial,
            now + self.begins * DAY, now + self.days * DAY,
        )  # fmt: skip
        extensions = [(x509.BasicConstraints(self.ca, self.path_length), self.critical), *self.more]
        usage = self.usage or (CA_USAGE if self.ca else LEAF_USAGE)
        extensions.append((usage, True))
        if self.extended:
            extensions.append((x509.ExtendedKeyUsage(self.extended), False))
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        return builder.sign(key(self.signer or self.issuer), self.algorithm)


def distinguished(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


ROOT = {"name": "root", "issuer": "root", "ca": True}
MIDDLE = {"name": "middle", "issuer": "root", "ca": True}
LEAF = {
    "name": "leaf",
    "issuer": "middle",
    "extended": (SERVER, CLIENT),
    "more": ((x509.SubjectAlternativeName([x509.DNSName("web.example")]), False),),
}


@pytest.fixture(scope="module")
def build(now):
    def run(*, root=None, middle=None, leaf=None):
        """Root, intermediate and leaf with some of their fields changed."""
        changed = ((ROOT, root), (MIDDLE, middle), (LEAF, leaf))
        return tuple(Outsider(**{**fields, **(changes or {})}).build(now) for fields, changes in changed)

    return run


@pytest.fixture(scope="module")
def verify(build, now):
    def run(*, at=now, usage="server", name="web.example", **changes):
        root, middle, leaf = build(**changes)
        return verify_chain(leaf, [middle], [root], at=at, usage=usage, name=name)

    return run


def test_a_sound_chain_is_answered_from_leaf_to_root(build, now):
    root, middle, leaf = build()

    for usage in ("server", "client", None):
        assert verify_chain(leaf, [middle], [root], at=now, usage=usage, name="web.example") == (leaf, middle, root)


def test_the_order_and_number_of_certificates_do_not_matter(build, now):
    root, middle, leaf = build()
    other = build(root={"name": "x", "issuer": "x"})[0]

    path = verify_chain(leaf, [other, root, leaf, middle, middle], [other, root], at=now)

    assert path == (leaf, middle, root)


def test_a_root_verifies_as_itself(build, now):
    root, middle, _ = build()

    assert verify_chain(root, [], [root], at=now) == (root,)
    assert verify_chain(middle, [], [root], at=now) == (middle, root)


def test_our_own_certificates_verify(hierarchy, make_template):
    authority = hierarchy()
    issuer = authority.issuer
    leaf = x509.load_der_x509_certificate(Signer(issuer).sign(make_template("peer", issuer=issuer)))

    path = verify_chain(
        leaf, [issuer.certificate], [authority.root.certificate], at=authority.now, usage="client", name="peer.example"
    )

    assert len(path) == 3


def test_certificates_of_trustme_verify(now):
    ca = trustme.CA()
    issued = ca.issue_cert("web.example")
    leaf = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
    root = x509.load_pem_x509_certificate(ca.cert_pem.bytes())

    assert verify_chain(leaf, [], [root], at=leaf.not_valid_before_utc, usage="server", name="web.example") == (
        leaf,
        root,
    )


def test_validity_includes_both_ends(verify, now):
    verify(at=now)
    verify(at=now + 2 * DAY)


@pytest.mark.parametrize("which", ["root", "middle", "leaf"])
def test_each_certificate_must_be_valid_at_the_instant(which, verify, now):
    with pytest.raises(CertificateExpired, match="renew it"):
        verify(at=now + DAY + timedelta(seconds=1), **{which: {"days": 1}})
    with pytest.raises(CertificateNotYetValid, match="check the clock"):
        verify(**{which: {"begins": 1}})


def test_an_expired_twin_does_not_hide_a_valid_certificate(build, now):
    root, middle, leaf = build()
    twin = build(middle={"begins": -2, "days": -1, "serial": 9})[1]

    assert verify_chain(leaf, [twin, middle], [root], at=now) == (leaf, middle, root)


@pytest.mark.parametrize("which", ["root", "middle", "leaf"])
def test_each_signature_is_verified(which, verify):
    with pytest.raises(SignatureMismatch):
        verify(**{which: {"signer": "somebody else"}})


def test_a_missing_intermediate_is_named(build, now):
    root, _, leaf = build()

    with pytest.raises(ChainIncomplete, match="'CN=middle' is missing; add it"):
        verify_chain(leaf, [], [root], at=now)


def test_a_root_that_is_only_sent_is_not_trusted(build, now):
    root, middle, leaf = build()
    other = build(root={"name": "other", "issuer": "other"})[0]

    for roots in ([], [other]):
        with pytest.raises(UntrustedRoot, match="'CN=root', which is not among"):
            verify_chain(leaf, [middle, root], roots, at=now)


def test_an_intermediate_is_no_root(build, now):
    _, middle, leaf = build()

    with pytest.raises(ChainIncomplete):
        verify_chain(leaf, [], [middle], at=now)


def test_a_root_of_the_same_name_and_another_key_is_not_the_root(build, now):
    _, middle, leaf = build()
    impostor = build(root={"public_key": key("impostor").public_key(), "signer": "impostor"})[0]

    with pytest.raises(SignatureMismatch):
        verify_chain(leaf, [middle], [impostor], at=now)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"middle": {"ca": False}}, ConstraintViolation),
        ({"middle": {"critical": False}}, ConstraintViolation),
        ({"root": {"ca": False}}, ConstraintViolation),
        ({"middle": {"usage": LEAF_USAGE}}, UsageNotAllowed),
        ({"root": {"usage": LEAF_USAGE}}, UsageNotAllowed),
        ({"root": {"path_length": 0}}, ConstraintViolation),
        ({"middle": {"extended": (CLIENT,)}}, UsageNotAllowed),
        ({"leaf": {"extended": (CLIENT,)}}, UsageNotAllowed),
        ({"leaf": {"extended": ()}}, UsageNotAllowed),
        ({"leaf": {"extended": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)}}, UsageNotAllowed),
        ({"leaf": {"ca": True}}, UsageNotAllowed),
        ({"leaf": {"usage": x509.KeyUsage(False, False, True, *[False] * 6)}}, UsageNotAllowed),
        ({"leaf": {"public_key": ec.generate_private_key(ec.SECP256K1()).public_key()}}, ConstraintViolation),
        ({"leaf": {"public_key": rsa.generate_private_key(65537, 1024).public_key()}}, ConstraintViolation),
        ({"leaf": {"more": ((UNKNOWN, True),)}}, ConstraintViolation),
        ({"middle": {"more": ((x509.PolicyConstraints(0, None), True),)}}, ConstraintViolation),
        ({"middle": {"more": ((x509.NameConstraints([x509.DNSName("other.example")], None), True),)}}, ConstraintViolation),
        ({"leaf": {"algorithm": hashes.SHA224()}}, ConstraintViolation),
        ({"leaf": {"more": ()}}, NameMismatch),
    ],
)  # fmt: skip
def test_each_broken_rule_refuses_the_chain(changes, error, verify):
    with pytest.raises(error):
        verify(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"root": {"path_length": 1}, "middle": {"path_length": 0}},
        {"middle": {"extended": (SERVER,)}},
        {"middle": {"extended": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)}},
        {"middle": {"more": ((x509.NameConstraints([x509.DNSName("example")], None), True),)}},
        {"leaf": {"algorithm": hashes.SHA512()}},
    ],
)
def test_rules_that_are_kept_do_not(changes, verify):
    assert len(verify(**changes)) == 3


def test_key_identifiers_choose_between_issuers_of_one_name(build, now):
    root, _, _ = build()
    wanted = {"more": ((x509.SubjectKeyIdentifier(b"right"), False),)}
    other = {"more": ((x509.SubjectKeyIdentifier(b"wrong"), False),), "public_key": key("other").public_key()}
    authority_key = (x509.AuthorityKeyIdentifier(b"right", None, None), False)
    leaf = build(leaf={"more": (*LEAF["more"], authority_key)})[2]
    right, wrong = build(middle=wanted)[1], build(middle=other)[1]

    assert verify_chain(leaf, [wrong, right], [root], at=now)[1] == right
    with pytest.raises(ChainIncomplete):
        verify_chain(leaf, [wrong], [root], at=now)


def test_another_path_is_tried_where_the_first_fails(build, now):
    root, middle, leaf = build()
    forged = build(middle={"signer": "somebody else", "serial": 5})[1]

    assert verify_chain(leaf, [forged, middle], [root], at=now)[1] == middle


def test_a_cross_certificate_bridges_to_the_old_root(build, now):
    _, middle, leaf = build()
    old = Outsider(name="old", issuer="old", ca=True).build(now)
    bridge = Outsider(name="root", issuer="old", ca=True).build(now)

    assert verify_chain(leaf, [middle, bridge], [old], at=now) == (leaf, middle, bridge, old)


def test_a_chain_that_is_too_long_is_refused(now):
    names = [f"ca {number}" for number in range(MAX_DEPTH)]
    chain = [Outsider(name=names[0], issuer=names[0], ca=True)]
    chain += [Outsider(name=name, issuer=above, ca=True) for above, name in pairwise(names)]
    leaf = Outsider(name="leaf", issuer=names[-1]).build(now)
    root, *middle = [one.build(now) for one in chain]

    with pytest.raises(ChainIncomplete):
        verify_chain(leaf, middle, [root], at=now)
    assert len(verify_chain(middle[-1], middle, [root], at=now)) == MAX_DEPTH


def test_circles_and_crowds_of_certificates_end(build, now):
    root, _, leaf = build()
    crowd = [
        Outsider(name=name, issuer=issuer, ca=True, serial=serial).build(now)
        for serial in range(1, 7)
        for name in ("middle", "b", "c")
        for issuer in ("middle", "b", "c")
    ]

    with pytest.raises(CertsError):
        verify_chain(leaf, crowd, [root], at=now)
    with pytest.raises(ConstraintViolation, match=f"more than {MAX_CERTIFICATES}"):
        verify_chain(leaf, [root] * (MAX_CERTIFICATES + 1), [root], at=now)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda tbs: tbs[1:-1], "version 3"),
        (lambda tbs: [tbs[0], der.integer(2**160), *tbs[2:]], "20 octets"),
    ],
)
def test_forms_that_rfc_5280_has_not_are_refused(change, match, build, now, signed_again):
    root, middle, leaf = build()

    with pytest.raises(ConstraintViolation, match=match):
        verify_chain(signed_again(leaf, key("middle"), change), [middle], [root], at=now)


@pytest.mark.parametrize("bits", [1, 7])
def test_signature_that_leaves_bits_unused_is_refused(bits, build, now):
    """Where its last bits are zero anyway, the library verifies it, and the certificate would have two fingerprints."""
    root, middle, leaf = build()
    data = bytearray(leaf.public_bytes(Encoding.DER))
    data[-len(leaf.signature) - 1] = bits
    try:
        damaged = x509.load_der_x509_certificate(bytes(data))
    except ValueError:
        return

    with pytest.raises(SignatureMismatch):
        verify_chain(damaged, [middle], [root], at=now)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_damaged_leaf_never_verifies(position, bit, build, now):
    root, middle, leaf = build()
    data = bytearray(leaf.public_bytes(Encoding.DER))
    data[position % len(data)] ^= 1 << bit
    try:
        damaged = x509.load_der_x509_certificate(bytes(data))
    except (ValueError, x509.InvalidVersion):
        return

    with pytest.raises(CertsError):
        verify_chain(damaged, [middle], [root], at=now, usage="server", name="web.example")
