"""A hierarchy of ML-DSA keys from root to leaf: what it issues, lists and answers, how it rotates, and who can verify it.

The judges are our own verifier; the OpenSSL inside `cryptography`, by pyOpenSSL; and an `openssl` program that knows ML-DSA, where
there is one.
"""

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import SignatureAlgorithmOID
from OpenSSL import SSL, crypto

from ca.client.authority import CaClient
from ca.client.connection import Address, Connection
from ca.client.identity import Identity
from ca.crls import CrlPublisher
from ca.ocsp import OcspDesk
from ca.office import Office
from certs.chains import verify_chain
from certs.crl import verify_crl, verify_not_revoked
from certs.descriptions import describe
from certs.errors import CertificateRevoked, UnsupportedKeyType
from certs.keys import KeyType, PrivateKey, encode_private_key, generate_private_key, key_type_of
from certs.names import SubjectAlternativeNames, SubjectName
from certs.pem import join_certificates, load_certificates
from certs.pkcs12 import decode_pkcs12, encode_pkcs12
from certs.requests import build_request
from store.records import CertificateRecord
from tests.ca.offices import NOW, FixedClock, Premises, administrator, call_of, order_for, registry_of, request_for
from tests.ca.rotation.courses import COURSES, TABLES, Case, Course, accepted_by_us, table
from tests.ca.rotation.worlds import ADMINISTRATOR, settle
from tests.ca.server import RunningServer, running_server
from tests.certs.test_interoperability import pkilint_findings
from tests.threads import join

ML_DSA = [key_type for key_type in KeyType if key_type.is_post_quantum]
OIDS = {
    KeyType.ML_DSA_44: SignatureAlgorithmOID.ML_DSA_44,
    KeyType.ML_DSA_65: SignatureAlgorithmOID.ML_DSA_65,
    KeyType.ML_DSA_87: SignatureAlgorithmOID.ML_DSA_87,
}
Chain: TypeAlias = tuple[x509.Certificate, ...]


@dataclass(frozen=True, kw_only=True)
class Founded:
    """An authority whose root and issuing CA are of that type."""

    key_type: KeyType
    office: Office

    @property
    def root(self) -> x509.Certificate:
        (root,) = self.office.issuers.bundle.roots
        return root

    @property
    def issuer(self) -> x509.Certificate:
        return self.office.issuers.active().issuer.certificate

    def issue(self, leaf: KeyType = KeyType.EC_P256, profile: str = "server") -> tuple[CertificateRecord, PrivateKey]:
        key = generate_private_key(leaf)
        request = request_for("web.example", key=key)
        return self.office.authority.issue(order_for(profile=profile, request=request)), key

    def chain(self, record: CertificateRecord) -> Chain:
        leaf = x509.load_der_x509_certificate(record.der)
        return (leaf, *load_certificates(self.office.issuers.chain_pem(record.issuer_id)))

    def crl(self) -> bytes:
        publisher = CrlPublisher(
            inventory=self.office.inventory,
            authorities=self.office.authorities,
            issuers=self.office.issuers,
            revocations=self.office.revocations,
            settings=self.office.settings.issuance,
            clock=self.office.clock,
        )
        return publisher.current(self.office.issuers.active().id, 0).der

    def ocsp_answer(self, leaf: x509.Certificate) -> bytes:
        desk = OcspDesk(
            authority=self.office.authority,
            issuers=self.office.issuers,
            inventory=self.office.inventory,
            revocations=self.office.revocations,
            key_factory=self.office.key_factory,
            clock=self.office.clock,
        )
        question = ocsp.OCSPRequestBuilder().add_certificate(leaf, self.issuer, hashes.SHA256()).build()
        return desk.answer(question.public_bytes(Encoding.DER)).der


@pytest.fixture(scope="module", params=ML_DSA)
def founded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Founded]:
    premises = Premises(directory=tmp_path_factory.mktemp(request.param) / "ca")
    with premises.open(key_type=request.param, mtls=False, crl_shards=1) as office:
        yield Founded(key_type=request.param, office=office)


def leaf_types(key_type: KeyType) -> tuple[KeyType, KeyType]:
    return KeyType.EC_P256, key_type


def openssl_verifies(chain: Chain, *roots: x509.Certificate, crl: bytes | None = None, at: datetime = NOW) -> None:
    """By the library's own OpenSSL, strictly. Raises crypto.X509StoreContextError."""
    store = crypto.X509Store()
    for root in roots:
        store.add_cert(crypto.X509.from_cryptography(root))
    flags = crypto.X509StoreFlags.X509_STRICT
    if crl is not None:
        store.add_crl(x509.load_der_x509_crl(crl))
        flags |= crypto.X509StoreFlags.CRL_CHECK
    store.set_flags(flags)
    store.set_time(at)
    leaf, *others = map(crypto.X509.from_cryptography, chain)
    crypto.X509StoreContext(store, leaf, others).verify_certificate()


def test_root_issuing_ca_and_leaves_are_signed_by_ml_dsa(founded: Founded) -> None:
    leaves = [founded.chain(founded.issue(leaf)[0])[0] for leaf in leaf_types(founded.key_type)]

    assert [key_type_of(one.public_key()) for one in (founded.root, founded.issuer)] == [founded.key_type] * 2
    assert tuple(key_type_of(leaf.public_key()) for leaf in leaves) == leaf_types(founded.key_type)
    for certificate in (founded.root, founded.issuer, *leaves):
        assert certificate.signature_algorithm_oid == OIDS[founded.key_type]
        assert pkilint_findings(certificate) == set()


def test_key_usage_is_for_signatures_alone(founded: Founded) -> None:
    """RFC 9881 section 5: an ML-DSA key neither encrypts nor agrees on keys."""
    (leaf, *_) = founded.chain(founded.issue(founded.key_type)[0])

    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not any((usage.key_encipherment, usage.data_encipherment, usage.key_agreement))


def test_our_verifier_and_openssl_accept_the_chain_and_no_other_root(founded: Founded) -> None:
    for leaf in leaf_types(founded.key_type):
        chain = founded.chain(founded.issue(leaf)[0])

        verify_chain(chain[0], chain[1:], [founded.root], at=NOW, usage="server", name="web.example")
        openssl_verifies(chain, founded.root)
        with pytest.raises(crypto.X509StoreContextError):
            openssl_verifies(chain)


def test_one_flipped_bit_of_the_signature_is_noticed(founded: Founded) -> None:
    chain = founded.chain(founded.issue()[0])
    octets = bytearray(chain[0].public_bytes(Encoding.DER))
    octets[-100] ^= 1
    altered = (x509.load_der_x509_certificate(bytes(octets)), *chain[1:])

    with pytest.raises(crypto.X509StoreContextError, match="signature"):
        openssl_verifies(altered, founded.root)
    with pytest.raises(Exception, match="altered"):
        verify_chain(altered[0], altered[1:], [founded.root], at=NOW)


def test_the_list_of_revoked_certificates_is_signed_and_verified(founded: Founded) -> None:
    good, _ = founded.issue()
    bad, _ = founded.issue()
    registry_of(founded.office).revoke(call_of(administrator()), bad.id, 1)
    crl = founded.crl()

    parsed = verify_crl(crl, founded.issuer, at=NOW)
    assert parsed.signature_algorithm_oid == OIDS[founded.key_type]
    verify_not_revoked(founded.chain(good)[0], parsed)
    with pytest.raises(CertificateRevoked):
        verify_not_revoked(founded.chain(bad)[0], parsed)
    openssl_verifies(founded.chain(good), founded.root, crl=crl)
    with pytest.raises(crypto.X509StoreContextError, match="revoked"):
        openssl_verifies(founded.chain(bad), founded.root, crl=crl)


def test_an_ocsp_answer_is_signed_by_ml_dsa_from_end_to_end(founded: Founded) -> None:
    """A delegate with another kind of key would be the weakest link of the chain."""
    leaf = founded.chain(founded.issue()[0])[0]

    answer = ocsp.load_der_ocsp_response(founded.ocsp_answer(leaf))

    (delegate,) = answer.certificates
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert answer.signature_algorithm_oid == OIDS[founded.key_type]
    delegate.public_key().verify(answer.signature, answer.tbs_response_bytes)
    verify_chain(delegate, [founded.issuer], [founded.root], at=NOW)


def test_a_renewed_certificate_is_of_the_same_kind(founded: Founded) -> None:
    record, key = founded.issue(founded.key_type)
    again = request_for("web.example", key=generate_private_key(founded.key_type))

    renewed = founded.office.authority.issue(order_for(request=again, renewed_from=record.id))

    chain = founded.chain(renewed)
    openssl_verifies(chain, founded.root)
    assert key_type_of(chain[0].public_key()) is founded.key_type
    assert chain[0].public_key() != key.public_key()


def test_inspection_tells_algorithm_and_key(founded: Founded) -> None:
    description = describe(founded.chain(founded.issue(founded.key_type)[0])[0])

    assert description.key.lower() == founded.key_type
    assert description.signature_algorithm.lower() == founded.key_type


def test_pkcs12_holds_a_chain_of_ml_dsa_and_no_key_of_it(founded: Founded) -> None:
    record, key = founded.issue()
    leaf, *others = founded.chain(record)
    opened = decode_pkcs12(encode_pkcs12("web", key, leaf, [*others, founded.root], b"secret"), b"secret")
    record, key = founded.issue(founded.key_type)

    assert opened.chain == (founded.issuer, founded.root)
    with pytest.raises(UnsupportedKeyType, match="PEM"):
        encode_pkcs12("web", key, founded.chain(record)[0], others, b"secret")


def test_openssl_speaks_tls_with_ml_dsa_certificates_on_both_sides(founded: Founded, tmp_path: Path) -> None:
    record, key = founded.issue(founded.key_type, profile="peer")
    (tmp_path / "tls.key").write_bytes(encode_private_key(key))
    contexts = [context_of(founded, founded.chain(record), tmp_path / "tls.key") for _ in range(2)]
    ends = socket.socketpair()
    server, client = (SSL.Connection(context, end) for context, end in zip(contexts, ends, strict=True))
    server.set_accept_state()
    client.set_connect_state()
    answering = threading.Thread(target=server.do_handshake)
    answering.start()

    client.do_handshake()
    join(answering)

    shown = server.get_peer_certificate(as_cryptography=True), client.get_peer_certificate(as_cryptography=True)
    assert client.get_protocol_version_name() == "TLSv1.3"
    assert [key_type_of(one.public_key()) for one in shown if one is not None] == [founded.key_type] * 2
    for end in ends:
        end.close()


def context_of(founded: Founded, chain: Chain, key: Path) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_certificate(chain[0])
    for certificate in chain[1:]:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey_file(key)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    store = context.get_cert_store()
    assert store is not None
    store.add_cert(crypto.X509.from_cryptography(founded.root))
    store.set_time(NOW)
    return context


@pytest.fixture(scope="module", params=ML_DSA)
def present(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Founded]:
    """As `founded`, at the present: gRPC is not told what time it is."""
    premises = Premises(
        directory=tmp_path_factory.mktemp(f"present-{request.param}") / "ca", clock=FixedClock(datetime.now(UTC))
    )
    with premises.open(key_type=request.param, mtls=False) as office:
        yield Founded(key_type=request.param, office=office)


def test_grpc_accepts_an_ecdsa_leaf_below_ml_dsa_on_both_sides(present: Founded) -> None:
    """The whole chain of a client would be too long for gRPC; ours shows the leaf, and the server knows the issuing CA."""
    identity = identity_of(present, KeyType.EC_P256)

    with greeting_server(present, identity) as address, Connection.mutual_tls(address, identity) as connection:
        answer = connection.channel.unary_unary("/test/Greet")(b"", timeout=60)

    assert len(identity.chain_pem) > 8192
    assert answer == b"hello"


def test_grpc_has_no_use_for_a_leaf_whose_key_is_ml_dsa(present: Founded) -> None:
    """What docs/post-quantum.md says of gRPC 1.85; where this fails, gRPC has learnt it."""
    server, client = identity_of(present, KeyType.EC_P256), identity_of(present, present.key_type)

    with (
        greeting_server(present, server) as address,
        Connection.mutual_tls(address, client) as connection,
        pytest.raises(grpc.RpcError) as refused,
    ):
        connection.channel.unary_unary("/test/Greet")(b"", timeout=60)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def identity_of(founded: Founded, leaf: KeyType) -> Identity:
    key = generate_private_key(leaf)
    record = founded.office.authority.issue(order_for(profile="peer", request=request_for("localhost", key=key)))
    return Identity.from_pem(
        chain_pem=join_certificates(founded.chain(record)),
        private_key_pem=encode_private_key(key),
        roots_pem=founded.office.issuers.bundle.pem,
    )


@contextlib.contextmanager
def greeting_server(founded: Founded, identity: Identity) -> Iterator[Address]:
    """Asks for certificates, and trusts what the authority's own listeners trust."""
    trust = founded.office.issuers.client_trust_pem
    credentials = grpc.ssl_server_credentials([(identity.private_key_pem, identity.chain_pem)], trust, True)
    server = grpc.server(ThreadPoolExecutor(1))
    greet = grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"hello")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", {"Greet": greet}),))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield Address(host="localhost", port=port)
    finally:
        server.stop(0).wait()


@pytest.mark.parametrize("kind", ["issuer", "root"])
def test_an_ml_dsa_hierarchy_rotates_as_any_other(kind: str, tmp_path: Path) -> None:
    premises = Premises(directory=tmp_path / "ca")
    with premises.open(key_type=KeyType.ML_DSA_65, mtls=False) as office:
        office.rotations.look()
        course = Course(office=office, clock=premises.clock, directory=tmp_path / "cases")
        COURSES[kind](course)

        def accepted_by_openssl(case: Case) -> bool:
            try:
                openssl_verifies(case.chain, *case.roots, at=case.clock())
            except crypto.X509StoreContextError:
                return False
            return True

        new = office.issuers.active().issuer
        assert new.key_type is KeyType.ML_DSA_65
        assert table(course, accepted_by_us) == TABLES[kind]
        assert table(course, accepted_by_openssl) == TABLES[kind]


def test_a_hierarchy_becomes_ml_dsa_by_rotation(tmp_path: Path) -> None:
    """The cross-certificate by the old root is ECDSA, as is whoever trusts that root alone."""
    premises = Premises(directory=tmp_path / "ca")
    with premises.open() as office:
        office.rotations.look()
    with premises.open(key_type=KeyType.ML_DSA_44, mtls=False) as office:
        course = Course(office=office, clock=premises.clock, directory=tmp_path / "cases")
        COURSES["root"](course)

        (root,) = office.issuers.bundle.roots
        assert key_type_of(root.public_key()) is KeyType.ML_DSA_44
        assert table(course, accepted_by_us) == TABLES["root"]


@pytest.fixture
def openssl(tmp_path: Path) -> Callable[..., str]:
    """Runs an `openssl` that knows ML-DSA; answers what it printed."""
    program = shutil.which("openssl")
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout if program else ""
    library = re.search(r"Library: OpenSSL (\d+)\.(\d+)", version)
    if program is None or library is None or tuple(map(int, library.groups())) < (3, 5):
        pytest.skip(f"needs OpenSSL 3.5 or later on the path, which knows ML-DSA; there is {version.strip() or 'none'}")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        return done.stdout + done.stderr

    return run


def test_the_openssl_program_agrees(founded: Founded, openssl: Callable[..., str], tmp_path: Path) -> None:
    record, key = founded.issue(founded.key_type)
    leaf, issuer = founded.chain(record)
    files = {
        "leaf.pem": join_certificates((leaf,)),
        "issuer.pem": join_certificates((issuer,)),
        "root.pem": join_certificates((founded.root,)),
        "crl.pem": x509.load_der_x509_crl(founded.crl()).public_bytes(Encoding.PEM),
        "leaf.key": encode_private_key(key),
        "leaf.csr": request_for("web.example", key=key),
        "answer.der": founded.ocsp_answer(leaf),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    at = ("-attime", f"{NOW.timestamp():.0f}")
    trust = ("-CAfile", "root.pem", "-untrusted", "issuer.pem")

    verified = openssl("verify", "-x509_strict", "-purpose", "sslserver", *at, *trust, "leaf.pem")
    unrevoked = openssl("verify", "-crl_check", "-CRLfile", "crl.pem", *at, *trust, "leaf.pem")
    answered = openssl(
        "ocsp", "-respin", "answer.der", "-sha256", "-issuer", "issuer.pem", "-cert", "leaf.pem", "-no_nonce",
        *at, "-CAfile", "root.pem", "-verify_other", "issuer.pem", "-validity_period", "999999999",
    )  # fmt: skip
    key_shown = openssl("pkey", "-in", "leaf.key", "-noout", "-text")
    requested = openssl("req", "-config", "/dev/null", "-in", "leaf.csr", "-verify", "-noout")

    assert verified.strip() == unrevoked.strip() == "leaf.pem: OK"
    assert "Response verify OK" in answered
    assert "leaf.pem: good" in answered
    assert key_shown.startswith(f"{founded.key_type.upper()} Private-Key")
    assert "verify OK" in requested
    made = openssl("pkcs12", "-export", "-inkey", "leaf.key", "-in", "leaf.pem", "-passout", "pass:secret", "-out", "a")
    assert (made, (tmp_path / "a").read_bytes()[:1]) == ("", b"\x30")


@pytest.mark.slow
@pytest.mark.parametrize("key_type", ML_DSA)
def test_server_and_client_talk_mutual_tls_below_ml_dsa(key_type: KeyType, tmp_path: Path) -> None:
    if ssl.OPENSSL_VERSION_INFO < (3, 5):
        pytest.skip(f"this Python has {ssl.OPENSSL_VERSION}, whose TLS does not know ML-DSA; 3.5 does")
    with running_server(tmp_path / "data", key_type=key_type) as server:
        made = server.administrator
        identity = Identity.from_pem(chain_pem=made.chain, private_key_pem=made.private_key, roots_pem=made.roots)
        with CaClient.connect(server.grpc_target, identity) as client:
            issued = [client.certificates.sign_csr(csr_of(leaf), profile="peer") for leaf in leaf_types(key_type)]
        reached = https(server, server.write_identity(tmp_path / "identity"))

    assert [key_type_of(load_certificates(one.full_chain_pem)[0].public_key()) for one in issued] == [
        *leaf_types(key_type)
    ]
    assert reached == 200


def csr_of(key_type: KeyType) -> bytes:
    names = SubjectAlternativeNames.parse(dns=("web.example",))
    return build_request(generate_private_key(key_type), SubjectName(), names)


def https(server: RunningServer, identity: Path) -> int:
    context = ssl.create_default_context(cafile=identity / "ca.crt")
    context.load_cert_chain(identity / "tls.crt", identity / "tls.key")
    with urllib.request.urlopen(f"{server.url}/v1/csr-template", context=context, timeout=60) as answer:
        return int(answer.status)


@pytest.mark.parametrize("key_type", [KeyType.ML_DSA_44, KeyType.EC_P384])
@pytest.mark.parametrize("kind", ["issuer", "root"])
def test_a_rotation_keeps_the_key_type_where_none_is_asked_for(kind: str, key_type: KeyType, tmp_path: Path) -> None:
    premises = Premises(directory=tmp_path / "ca")
    with premises.open(key_type=key_type, mtls=False):
        pass
    with premises.open() as office:
        office.rotations.look()
        first = office.issuers.active()
        office.rotations.start(kind, "now", ADMINISTRATOR)
        settle(office, premises.clock)

        active = office.issuers.active()
        (root,) = office.issuers.bundle.roots
        assert active.id != first.id
        assert (active.issuer.key_type, key_type_of(root.public_key())) == (key_type, key_type)
