import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import KeyMismatch, MalformedPkcs12, PassphraseRequired, UnsupportedKeyType, WrongPassphrase
from certs.keys import KeyType, encode_private_key, verify_key_pair
from certs.pem import encode_certificate
from certs.pkcs12 import MAX_PKCS12_OCTETS, decode_pkcs12, encode_pkcs12

TYPES = [key_type for key_type in KeyType if not key_type.startswith("ml-dsa")]
EACH_TYPE = pytest.mark.parametrize("key_type", TYPES)
QUICK = 1000


@EACH_TYPE
def test_key_certificate_and_chain_read_back(key_type, private_key, self_signed):
    key, other = private_key(key_type), self_signed(private_key(KeyType.ML_DSA_44))
    data = encode_pkcs12("web ü", key, self_signed(key), [other], b"secret", kdf_rounds=QUICK)
    contents = decode_pkcs12(data, b"secret")

    verify_key_pair(contents.private_key, contents.certificate)
    verify_key_pair(key, contents.certificate)
    assert contents.chain == (other,)
    assert contents.friendly_name == "web ü"


@EACH_TYPE
def test_openssl_reads_the_file_without_legacy_algorithms(key_type, private_key, self_signed, openssl, tmp_path):
    key = private_key(key_type)
    chain = [self_signed(private_key(KeyType.ED25519))]
    (tmp_path / "web.p12").write_bytes(encode_pkcs12("web", key, self_signed(key), chain, b"secret", kdf_rounds=QUICK))

    text = openssl("pkcs12", "-in", "web.p12", "-passin", "pass:secret", "-noenc", "-info")

    assert "friendlyName: web" in text
    assert text.count("BEGIN CERTIFICATE") == 2
    assert text.count("BEGIN PRIVATE KEY") == 1


@EACH_TYPE
def test_what_openssl_wrote_is_read(key_type, private_key, self_signed, openssl, tmp_path):
    key = private_key(key_type)
    (tmp_path / "key.pem").write_bytes(encode_private_key(key))
    (tmp_path / "certificate.pem").write_bytes(encode_certificate(self_signed(key)))

    openssl(
        "pkcs12",
        "-export",
        "-inkey",
        "key.pem",
        "-in",
        "certificate.pem",
        "-name",
        "web",
        "-passout",
        "pass:secret",
        "-out",
        "web.p12",
    )

    contents = decode_pkcs12((tmp_path / "web.p12").read_bytes(), b"secret")
    verify_key_pair(key, contents.certificate)
    assert contents.friendly_name == "web"
    assert contents.chain == ()


@pytest.mark.java
def test_java_opens_the_files_and_signs_with_the_keys(private_key, self_signed, tmp_path):
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        pytest.skip("needs a JDK, version 17 or later")
    issuer = self_signed(private_key(KeyType.EC_P384))
    for key_type in TYPES:
        key = private_key(key_type)
        (tmp_path / f"{key_type}.p12").write_bytes(encode_pkcs12("web", key, self_signed(key), [issuer], b"secret"))
        (tmp_path / f"{key_type}.pem").write_bytes(encode_private_key(key))

    reader = Path(__file__).with_name("KeyStoreReader.java")
    done = subprocess.run(
        [java, str(reader), str(tmp_path), "secret", *TYPES], check=False, capture_output=True, text=True, timeout=100
    )

    assert done.stdout.splitlines() == [f"{key_type} web 1 true true" for key_type in TYPES], done.stderr


def test_curl_presents_the_certificate_of_the_file(private_key, self_signed, tmp_path):
    curl = shutil.which("curl")
    assert curl is not None, "this test needs curl on the path"
    key = private_key(KeyType.EC_P256)
    certificate = self_signed(key)
    (tmp_path / "web.p12").write_bytes(encode_pkcs12("web", key, certificate, [], b"secret"))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    with _server(authority, clients=encode_certificate(certificate).decode()) as port:
        done = subprocess.run(
            [
                curl,
                "-sS",
                "--cert-type",
                "P12",
                "--cert",
                "web.p12:secret",
                "--cacert",
                "ca.pem",
                f"https://127.0.0.1:{port}/",
            ],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
        )

    assert done.stdout == "carried", done.stderr


def test_a_wrong_passphrase_is_told(private_key, self_signed):
    key = private_key(KeyType.EC_P256)
    data = encode_pkcs12("web", key, self_signed(key), [], b"secret", kdf_rounds=QUICK)

    for passphrase in (b"Secret", b""):
        with pytest.raises(WrongPassphrase):
            decode_pkcs12(data, passphrase)


def test_an_empty_passphrase_protects_nothing(private_key, self_signed):
    key = private_key(KeyType.EC_P256)

    with pytest.raises(PassphraseRequired):
        encode_pkcs12("web", key, self_signed(key), [], b"")


def test_a_key_that_is_not_the_certificates_is_refused(private_key, self_signed):
    with pytest.raises(KeyMismatch):
        encode_pkcs12("web", private_key(KeyType.EC_P256), self_signed(private_key(KeyType.ED25519)), [], b"secret")


def test_an_ml_dsa_key_is_sent_to_pem(private_key, self_signed):
    key = private_key(KeyType.ML_DSA_65)

    with pytest.raises(UnsupportedKeyType, match="write it as PEM"):
        encode_pkcs12("web", key, self_signed(key), [], b"secret")


def test_a_file_of_certificates_alone_is_refused(private_key, self_signed):
    certificate = self_signed(private_key(KeyType.EC_P256))
    data = serialize_key_and_certificates(None, None, None, [certificate], BestAvailableEncryption(b"secret"))

    with pytest.raises(MalformedPkcs12, match="lacks a private key"):
        decode_pkcs12(data, b"secret")


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"0", b"0\x80", b"\x31\x00", b"0\x00trailing", b"0" * (MAX_PKCS12_OCTETS + 1)]
)
def test_what_is_no_file_of_this_kind_is_malformed(data: bytes):
    with pytest.raises(MalformedPkcs12):
        decode_pkcs12(data, b"secret")


@given(st.binary(max_size=200))
def test_any_octets_are_refused(octets: bytes):
    for data in (octets, bytes([0x30, 0x81, len(octets)]) + octets):
        with pytest.raises((MalformedPkcs12, WrongPassphrase)):
            decode_pkcs12(data, b"secret")


def test_damage_anywhere_is_noticed_by_the_mac(private_key, self_signed):
    key = private_key(KeyType.EC_P256)
    data = encode_pkcs12("web", key, self_signed(key), [], b"secret", kdf_rounds=QUICK)

    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 0x01
        with suppress(MalformedPkcs12, WrongPassphrase):
            contents = decode_pkcs12(bytes(damaged), b"secret")
            verify_key_pair(key, contents.certificate)


@contextmanager
def _server(authority: trustme.CA, *, clients: str) -> Iterator[int]:
    """Answers each request with the common name of the client certificate, which it requires; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=clients)
    server = HTTPServer(("127.0.0.1", 0), _CommonName)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _CommonName(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.connection, ssl.SSLSocket)
        client = x509.load_der_x509_certificate(self.connection.getpeercert(binary_form=True) or b"")
        body = client.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Tests are quiet."""
