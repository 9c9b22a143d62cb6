"""`inspect`, `verify`, `needs-renewal`, `p12` and `renew`: what is on the disk."""

import json
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certs.authority_requests import build_authority_request
from certs.names import SubjectName
from tests.cli.program import Program


@pytest.fixture
def web(cli: Program) -> Path:
    cli.succeed("sign", "--dns", "web.example.com", "--out", "web")
    return cli.directory / "web"


def self_signed(path: Path, *, begun: timedelta, left: timedelta) -> Path:
    """A certificate that began `begun` ago and has `left` to live."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - begun, now + left)
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("threshold", "status"),
    [((), 0), (("--expires-in", "80%"), 1), (("--expires-in", "2h"), 1), (("--expires-in", "4h"), 0)],
)
def test_needs_renewal_answers_by_status(lone_cli: Program, threshold: tuple[str, ...], status: int) -> None:
    path = self_signed(lone_cli.directory / "x.pem", begun=timedelta(hours=7), left=timedelta(hours=3))

    outcome = lone_cli("needs-renewal", path, *threshold)

    assert (outcome.status, outcome.output) == (status, "")


def test_needs_renewal_tells_missing_from_broken(lone_cli: Program) -> None:
    (lone_cli.directory / "bad.pem").write_text("nothing")

    assert lone_cli("needs-renewal", "none.pem").status == 2
    assert lone_cli("needs-renewal", "bad.pem").status == 255
    assert lone_cli("needs-renewal", "bad.pem", "--bogus").status == 255
    assert lone_cli("needs-renewal", "localhost:1").status == 255


def test_needs_renewal_looks_at_the_whole_bundle_when_told(lone_cli: Program) -> None:
    fresh = self_signed(lone_cli.directory / "a.pem", begun=timedelta(hours=1), left=timedelta(hours=9))
    due = self_signed(lone_cli.directory / "b.pem", begun=timedelta(hours=9), left=timedelta(hours=1))
    bundle = lone_cli.directory / "bundle.pem"
    bundle.write_bytes(fresh.read_bytes() + due.read_bytes())

    assert lone_cli("needs-renewal", bundle).status == 1
    assert lone_cli("needs-renewal", bundle, "--bundle").status == 0


def test_needs_renewal_asks_a_server(cli: Program) -> None:
    outcome = cli("needs-renewal", cli.variables["CHANCERY_SERVER"], "--verbose")

    assert outcome.status == 1
    assert outcome.output.startswith("not due: ends ")


def test_inspect_says_the_same_of_file_directory_id_and_pipe(cli: Program, web: Path) -> None:
    found = json.loads(cli.succeed("list", "--name", "web.example.com", "--limit", "1", "-o", "json"))[0]
    described = json.loads(cli.succeed("inspect", "web", "-o", "json"))

    assert described[0]["serial_number"] == found["serial_number"]
    assert described[0]["names"] == [{"kind": "dns", "value": "web.example.com"}]
    assert json.loads(cli.succeed("inspect", "web/tls.crt", "-o", "json")) == described
    assert json.loads(cli.succeed("inspect", found["id"], "-o", "json")) == described
    assert json.loads(cli.succeed("inspect", "-", "-o", "json", stdin=(web / "tls.crt").read_bytes())) == described


def test_inspect_shows_a_request_for_an_issuing_ca_to_whoever_is_to_sign_it(lone_cli: Program) -> None:
    der = build_authority_request(ec.generate_private_key(ec.SECP384R1()), SubjectName(common_name="Next Issuer"))
    (lone_cli.directory / "issuer.csr").write_bytes(x509.load_der_x509_csr(der).public_bytes(Encoding.PEM))
    (lone_cli.directory / "issuer.der").write_bytes(der)

    for path in ("issuer.csr", "issuer.der"):
        assert json.loads(lone_cli.succeed("inspect", path, "-o", "json")) == [
            {"kind": "request", "subject": "CN=Next Issuer", "names": [], "key": "ec-p384", "is_ca": True}
        ]
    assert lone_cli.succeed("inspect", "issuer.csr").splitlines()[-1].split() == ["CA", "yes"]


def test_inspect_shows_what_a_server_presents(cli: Program) -> None:
    described = json.loads(cli.succeed("inspect", cli.variables["CHANCERY_SERVER"], "-o", "json"))

    assert {"kind": "dns", "value": "localhost"} in described[0]["names"]
    assert len(described) == 2


def test_inspect_reads_der_requests_and_pkcs12(cli: Program, web: Path) -> None:
    leaf = x509.load_pem_x509_certificates((web / "tls.crt").read_bytes())[0]
    (cli.directory / "leaf.der").write_bytes(leaf.public_bytes(Encoding.DER))
    command = [
        "openssl",
        "req",
        "-new",
        "-key",
        "web/tls.key",
        "-subj",
        "/CN=asked",
        "-outform",
        "DER",
        "-out",
        "r.der",
    ]
    subprocess.run(command, cwd=cli.directory, check=True, capture_output=True, timeout=30)
    secret = {"CHANCERY_P12_PASSPHRASE": "correct horse"}
    cli.succeed("p12", "web", "--out", "web.p12", **secret)

    assert json.loads(cli.succeed("inspect", "leaf.der", "-o", "json"))[0]["kind"] == "certificate"
    assert json.loads(cli.succeed("inspect", "r.der", "-o", "json"))[0]["subject"] == "CN=asked"
    assert len(json.loads(cli.succeed("inspect", "web.p12", "-o", "json", **secret))) == 2
    assert cli("inspect", "web.p12", CHANCERY_P12_PASSPHRASE="wrong").status == 4


@pytest.mark.parametrize("content", [b"", b"hello", b"0\x82\xff\xff", b"\x00" * 100, b"-----BEGIN CERTIFICATE-----\n"])
def test_inspect_refuses_what_it_cannot_read(lone_cli: Program, content: bytes) -> None:
    outcome = lone_cli("inspect", "-", stdin=content)

    assert outcome.status == 6
    assert len(outcome.errors.splitlines()) == 1


def test_inspect_does_not_show_private_keys(cli: Program, web: Path) -> None:
    outcome = cli("inspect", "web/tls.key")

    assert outcome.status == 6
    assert "private key" in outcome.errors


def test_verify_holds_at_one_instant_and_not_at_another(cli: Program, web: Path) -> None:
    good = cli.succeed("verify", "web", "--purpose", "server", "--host", "web.example.com")
    later = cli("verify", "web", "--at", "2099-01-01")
    other_host = cli("verify", "web", "--host", "other.example.com")
    other_purpose = cli("verify", "web", "--purpose", "client")
    other_root = self_signed(cli.directory / "r.pem", begun=timedelta(1), left=timedelta(1))

    assert good.startswith("verified at ")
    for outcome in (later, other_host, other_purpose, cli("verify", "web", "--roots", other_root)):
        assert outcome.status == 1
        assert outcome.errors.startswith("ca-cli: error: ")


def test_verify_reads_the_chain_of_a_server(cli: Program) -> None:
    document = json.loads(cli.succeed("verify", cli.variables["CHANCERY_SERVER"], "--host", "localhost", "-o", "json"))

    assert document["verified"] is True
    assert len(document["path"]) == 3


def test_p12_opens_in_openssl(cli: Program, web: Path) -> None:
    (cli.directory / "pass").write_text("correct horse\n")
    cli.succeed("p12", "web", "--out", "web.p12", "--passphrase-file", "pass", "--name", "web")

    command = ["openssl", "pkcs12", "-in", "web.p12", "-passin", "file:pass", "-nodes"]
    opened = subprocess.run(command, cwd=cli.directory, capture_output=True, text=True, timeout=30, check=True).stdout
    assert opened.count("BEGIN CERTIFICATE") == 2
    assert opened.count("BEGIN PRIVATE KEY") == 1
    assert "friendlyName: web" in opened
    assert cli("p12", "web", "--out", "web.p12", "--passphrase-file", "pass").status == 7


def test_renewal_replaces_key_and_certificate_together(cli: Program) -> None:
    first = cli.succeed("sign", "--profile", "peer", "--dns", "peer.example.com", "--out", "peer", "-o", "name").strip()
    before = {path.name: path.read_bytes() for path in (cli.directory / "peer").iterdir()}

    renewed = json.loads(cli.succeed("renew", "--identity", "peer", "-o", "json"))

    after = {name: (cli.directory / "peer" / name).read_bytes() for name in before}
    assert renewed["renewed_from_id"] == first
    assert renewed["names"] == {"dns_names": ["peer.example.com"]}
    assert after["tls.key"] != before["tls.key"]
    assert after["ca.crt"] == before["ca.crt"]
    cli.succeed("template", "--identity", "peer")


def test_renewal_keeps_the_key_when_told(cli: Program) -> None:
    cli.succeed("sign", "--profile", "client", "--cn", "alice", "--out", "alice")
    before = (cli.directory / "alice" / "tls.key").read_bytes()

    cli.succeed("renew", "--identity", "alice", "--reuse-key", "--ttl", "1h")

    assert (cli.directory / "alice" / "tls.key").read_bytes() == before


def test_server_certificate_is_renewed_by_another_identity(cli: Program, web: Path) -> None:
    before = (web / "tls.crt").read_bytes()

    renewed = json.loads(cli.succeed("renew", "--identity", "web", "-o", "json"))

    assert renewed["profile"] == "server"
    assert renewed["requester"] == "CN=administrator,O=chancery:administrators"
    assert (web / "tls.crt").read_bytes() != before


def test_renewal_that_is_not_due_does_nothing(cli: Program, web: Path) -> None:
    before = (web / "tls.crt").read_bytes()

    outcome = cli("renew", "--identity", "web", "--expires-in", "66%")

    assert outcome.status == 0
    assert outcome.errors.startswith("not due: ")
    assert (web / "tls.crt").read_bytes() == before


def test_hook_is_run_after_renewal_and_its_failure_costs_nothing(cli: Program, web: Path) -> None:
    before = (web / "tls.crt").read_bytes()
    cli.succeed("renew", "--identity", "web", "--exec", "touch told")
    middle = (web / "tls.crt").read_bytes()

    failed = cli("renew", "--identity", "web", "--exec", "false")

    assert (cli.directory / "told").exists()
    assert failed.status == 1
    assert len({before, middle, (web / "tls.crt").read_bytes()}) == 3


@pytest.mark.parametrize(
    "arguments",
    [("--signal", "HUP"), ("--pid", "5", "--pid-file", "x"), ("--exec", "'"), ("--client-key", "x")],
    ids=" ".join,
)
def test_hooks_that_make_no_sense_are_refused_before_anything_happens(cli: Program, arguments: tuple[str, ...]) -> None:
    assert cli("renew", *arguments).status == 2


def test_daemon_renews_and_stops_when_told(cli: Program) -> None:
    cli.succeed("sign", "--profile", "client", "--cn", "alice", "--ttl", "5m", "--out", "alice")
    before = (cli.directory / "alice" / "tls.crt").read_bytes()
    process = cli.start("renew", "--identity", "alice", "--daemon", "--renew-period", "30s", "--exec", "touch told")
    try:
        deadline = time.monotonic() + 30
        while not (cli.directory / "told").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=30)

    assert process.returncode == 0
    assert (cli.directory / "alice" / "tls.crt").read_bytes() != before
    assert "renewed, until" in errors
    assert "told: command touch told" in errors
