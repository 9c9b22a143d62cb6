"""`sign`, `fetch`, `template`, tokens and bulk, against a real server."""

import json
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from tests.cli.program import Program


def leaf_of(directory: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificates((directory / "tls.crt").read_bytes())[0]


def dns_names(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


def openssl_request(directory: Path, name: str) -> Path:
    key, request = directory / f"{name}.key", directory / f"{name}.csr"
    command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += [
        "-keyout",
        str(key),
        "-out",
        str(request),
        "-subj",
        "/",
        "-addext",
        f"subjectAltName=DNS:{name}.example",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return request


def test_sign_writes_an_identity_that_openssl_accepts(cli: Program) -> None:
    cli.succeed("sign", "--dns", "web.example.com", "--ip", "10.0.0.7")

    directory = cli.directory / "web.example.com"
    command = [
        "openssl",
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-CAfile",
        "ca.crt",
        "-untrusted",
        "tls.crt",
    ]
    verified = subprocess.run(
        [*command, "tls.crt"], cwd=directory, capture_output=True, text=True, timeout=30, check=False
    )
    key = load_pem_private_key((directory / "tls.key").read_bytes(), None)
    assert verified.stdout == "tls.crt: OK\n", verified.stderr
    assert key.public_key() == leaf_of(directory).public_key()
    assert dns_names(leaf_of(directory)) == ["web.example.com"]


def test_key_is_readable_by_its_owner_alone(cli: Program) -> None:
    cli.succeed("sign", "--dns", "web.example.com", "--out", "out")

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (cli.directory / "out").iterdir()}
    assert modes == {"tls.key": 0o600, "tls.crt": 0o644, "ca.crt": 0o644}
    assert stat.S_IMODE((cli.directory / "out").stat().st_mode) == 0o700


def test_identity_that_is_there_is_not_overwritten_unless_told(cli: Program) -> None:
    cli.succeed("sign", "--dns", "web.example.com", "--out", "out")
    before = (cli.directory / "out" / "tls.key").read_bytes()

    refused = cli("sign", "--dns", "web.example.com", "--out", "out")
    unchanged = (cli.directory / "out" / "tls.key").read_bytes()
    cli.succeed("sign", "--dns", "web.example.com", "--out", "out", "--force")

    assert refused.status == 7
    assert "--force" in refused.errors
    assert unchanged == before
    assert (cli.directory / "out" / "tls.key").read_bytes() != before


def test_ttl_profile_and_key_type_are_what_was_asked_for(cli: Program) -> None:
    arguments = ("--profile", "client", "--cn", "alice", "--org", "developers", "--ttl", "2h", "--key-type", "ed25519")

    document = json.loads(cli.succeed("sign", *arguments, "--output", "json"))

    leaf = leaf_of(cli.directory / "alice")
    assert document["profile"] == "client"
    assert document["subject"] == "CN=alice,O=developers"
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds() == 2 * 3600 + 60
    assert type(leaf.public_key()).__name__ == "Ed25519PublicKey"


def test_request_made_elsewhere_is_signed_to_standard_output(cli: Program) -> None:
    request = openssl_request(cli.directory, "other")

    chain = x509.load_pem_x509_certificates(cli.succeed("sign", "--csr", request, "--out", "-").encode())

    assert len(chain) == 2
    assert dns_names(chain[0]) == ["other.example"]


def test_request_from_standard_input_needs_no_file(cli: Program) -> None:
    request = openssl_request(cli.directory, "piped").read_bytes()

    chain = x509.load_pem_x509_certificates(cli.succeed("sign", "--csr", "-", stdin=request).encode())

    assert dns_names(chain[0]) == ["piped.example"]


def test_server_made_key_is_fetched_at_once_or_left(cli: Program) -> None:
    cli.succeed("sign", "--server-key", "--dns", "now.example.com")
    certificate_id = cli.succeed(
        "sign", "--server-key", "--leave-key", "--dns", "later.example.com", "-o", "name"
    ).strip()
    left = (cli.directory / "later.example.com" / "tls.key").exists()
    told = cli.succeed("fetch", certificate_id, "--key", "--out", "fetched", "-o", "json")
    again = cli("fetch", certificate_id, "--key", "--out", "again")

    now, fetched = cli.directory / "now.example.com", cli.directory / "fetched"
    for directory in (now, fetched):
        key = load_pem_private_key((directory / "tls.key").read_bytes(), None)
        assert key.public_key() == leaf_of(directory).public_key()
    assert not left
    assert json.loads(told)["has_private_key"] is False
    assert again.status == 3
    assert not (cli.directory / "again" / "tls.key").exists()


def test_pkcs12_holds_key_and_chain(cli: Program) -> None:
    cli.succeed("sign", "--dns", "web.example.com", "--p12", "web.p12", CHANCERY_P12_PASSPHRASE="correct horse")

    opened = load_pkcs12((cli.directory / "web.p12").read_bytes(), b"correct horse")
    assert opened.cert is not None
    assert opened.cert.certificate == leaf_of(cli.directory / "web.example.com")
    assert len(opened.additional_certs) == 1
    assert stat.S_IMODE((cli.directory / "web.p12").stat().st_mode) == 0o600


def test_passphrase_that_nobody_gave_stops_before_anything_is_signed(cli: Program) -> None:
    outcome = cli("sign", "--dns", "unsigned.example.com", "--p12", "web.p12")

    assert outcome.status == 4
    assert "--p12-passphrase-file" in outcome.errors
    assert json.loads(cli.succeed("list", "--name", "unsigned.example.com", "-o", "json")) == []


def test_retry_under_one_request_id_returns_the_same_certificate(cli: Program) -> None:
    request = openssl_request(cli.directory, "retry")
    arguments = ("sign", "--csr", request, "--out", "-", "--request-id", f"retry-{cli.directory.parent.name}")

    assert cli.succeed(*arguments) == cli.succeed(*arguments)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "say whom the certificate is for"),
        (("--dns", "-bad-.example"), 6, "dns"),
        (("--ip", "10.0.0.300"), 6, "10.0.0.300"),
        (("--country", "China", "--cn", "x"), 6, "two-letter"),
        (("--cn", "x", "--profile", "nonsense"), 6, "nonsense"),
        (("--dns", "a.example", "--ttl", "1000d"), 6, "90d"),
        (("--dns", "a.example", "--ttl", "soon"), 2, "length of time"),
        (("--dns", "a.example", "--csr", "x", "--server-key"), 2, "give one of them"),
        (("--csr", "missing.csr"), 3, "missing.csr does not exist"),
        (("--cn", "root", "--org", "system:masters", "--profile", "server"), 4, "no rule allows"),
    ],
    ids=lambda value: "_".join(value) or "nothing" if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_refused_in_one_line(
    cli: Program, arguments: tuple[str, ...], status: int, words: str
) -> None:
    outcome = cli("sign", *arguments)

    assert outcome.status == status, outcome
    assert words in outcome.errors
    assert outcome.errors.startswith("ca-cli: error: ")
    assert list(cli.directory.iterdir()) == []


def test_garbage_for_a_request_is_refused_by_the_server(cli: Program) -> None:
    outcome = cli(
        "sign", "--csr", "-", stdin=b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
    )

    assert outcome.status == 6


def test_bulk_makes_one_identity_for_each_key(cli: Program) -> None:
    printed = cli.succeed("sign", "--count", "12", "--dns", "many.example.com", "--out", "many")

    directories = sorted((cli.directory / "many").iterdir())
    keys = {(directory / "tls.key").read_bytes() for directory in directories}
    assert printed == "12 signed, 0 refused, in many\n"
    assert [directory.name for directory in directories] == [f"{number:02}" for number in range(1, 13)]
    assert len(keys) == 12
    for directory in directories:
        key = load_pem_private_key((directory / "tls.key").read_bytes(), None)
        assert key.public_key() == leaf_of(directory).public_key()


def test_bad_request_among_many_fails_alone(cli: Program) -> None:
    requests = cli.directory / "requests"
    requests.mkdir()
    for name in ("one", "two"):
        openssl_request(requests, name)
    (requests / "bad.csr").write_bytes(b"no request")

    outcome = cli("sign", "--csr-dir", "requests", "--out", "out")

    assert outcome.status == 1
    assert outcome.output == "2 signed, 1 refused, in out\n"
    assert "ca-cli: error: bad: " in outcome.errors
    assert dns_names(leaf_of(cli.directory / "out" / "one")) == ["one.example"]
    assert not (cli.directory / "out" / "bad").exists()


def test_fetch_in_a_pipe_is_the_chain(cli: Program) -> None:
    certificate_id = cli.succeed("sign", "--dns", "web.example.com", "-o", "name").strip()

    chain = cli.succeed("fetch", certificate_id)

    assert chain == (cli.directory / "web.example.com" / "tls.crt").read_text()


def test_fetch_of_what_is_not_there_is_not_found(cli: Program) -> None:
    assert cli("fetch", "0" * 32).status == 3


def test_template_shows_what_the_caller_may_ask_for(cli: Program) -> None:
    template = json.loads(cli.succeed("template", "-o", "json"))

    assert template["subject"]["common_name"] == ["administrator"]
    assert "server" in template["profiles"]
    assert template["key_types"][0] == "ec-p256"


def test_token_is_worth_one_certificate(cli: Program, tmp_path: Path) -> None:
    cli.succeed("token", "create", "--dns", "token.example.com", "--out", "token")
    newcomer = Program(home=tmp_path / "newcomer", directory=cli.directory, variables=cli.variables)

    newcomer.succeed("sign", "--token-file", "token", "--dns", "token.example.com", "--out", "first")
    again = newcomer("sign", "--token-file", "token", "--dns", "token.example.com", "--out", "second")

    assert stat.S_IMODE((cli.directory / "token").stat().st_mode) == 0o600
    assert dns_names(leaf_of(cli.directory / "first")) == ["token.example.com"]
    assert again.status == 4
    assert not (cli.directory / "second" / "tls.key").exists()


def test_token_of_another_authority_is_not_sent_to_this_one(cli: Program, tmp_path: Path) -> None:
    cli.succeed("token", "create", "--dns", "token.example.com", "--out", "token")
    identifier, secret, _ = (cli.directory / "token").read_text().strip().split(".")[1:]
    forged = f"chancery1.{identifier}.{secret}.{'A' * 43}"

    outcome = cli("sign", "--token-file", "-", "--dns", "token.example.com", "--out", "x", stdin=forged.encode())

    assert outcome.status == 4
    assert "other roots than the one that was pinned" in outcome.errors


def test_client_token_makes_the_identity_of_a_new_machine(cli: Program, tmp_path: Path) -> None:
    token = cli.succeed("token", "create", "--profile", "client", "--cn", "bob").strip()
    newcomer = Program(home=tmp_path / "newcomer", directory=cli.directory, variables=cli.variables)

    newcomer.succeed("sign", "--out", tmp_path / "newcomer" / "identity", "--cn", "bob", CHANCERY_TOKEN=token)
    template = json.loads(newcomer.succeed("template", "-o", "json"))

    assert template["subject"]["common_name"] == ["bob"]


def test_tokens_are_listed_without_secrets_and_withdrawn(cli: Program) -> None:
    secret = cli.succeed("token", "create", "--dns", "gone.example.com").strip()
    identifier = secret.split(".")[1]
    listed = cli.succeed("token", "list", "-o", "json")

    cli.succeed("token", "delete", identifier)
    refused = cli("sign", "--dns", "gone.example.com", CHANCERY_TOKEN=secret)

    assert identifier in listed
    assert secret.split(".")[2] not in listed
    assert refused.status == 4
    assert cli("token", "delete", identifier).status == 3


def test_cluster_administrator_is_made_without_naming_a_profile(cli: Program) -> None:
    secret = {"CHANCERY_P12_PASSPHRASE": "correct horse"}

    signed = json.loads(
        cli.succeed("sign", "--cn", "development", "--org", "system:masters", "--p12", "-o", "json", **secret)
    )

    assert signed["profile"] == "client"
    assert load_pkcs12((cli.directory / "development" / "tls.p12").read_bytes(), b"correct horse").cert is not None


@pytest.mark.parametrize(
    ("names", "profile"),
    [
        (("--dns", "usual.example.com"), "server"),
        (("--ip", "10.1.2.3"), "server"),
        (("--uri", "spiffe://cluster.local/ns/shop/sa/usual"), "workload"),
        (("--email", "usual@example.com"), "client"),
    ],
)
def test_profile_follows_from_the_names(cli: Program, names: tuple[str, str], profile: str) -> None:
    assert json.loads(cli.succeed("sign", *names, "-o", "json"))["profile"] == profile


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://chancery:secret@127.0.0.1/ca",
        "postgresql://chancery@127.0.0.1/ca?password=secret",
        "postgresql://chancery@127.0.0.1/ca?sslkey=/k&sslpassword=secret",
    ],
)
def test_database_password_in_a_flag_is_refused(cli: Program, address: str) -> None:
    outcome = cli("serve", "--database", address)

    assert outcome.status != 0
    assert "CHANCERY_DATABASE" in outcome.errors
    assert "secret" not in outcome.errors
