"""A root whose key never meets the server: the request is signed by OpenSSL, on what would be another machine."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ca.bootstrap import BroughtHierarchy
from certs.pem import join_certificates
from tests.ca.hierarchies import YEAR, authority
from tests.ca.offices import FixedClock, Premises
from tests.cli.program import Program, client_variables, serving
from tests.cli.test_lifecycle import make_issuer, make_root, openssl

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def program(lone_cli: Program) -> Program:
    """An authority under a root of OpenSSL's, which brought an issuing CA."""
    make_root(lone_cli.directory)
    make_issuer(lone_cli.directory)
    lone_cli.succeed("init", "--root-cert", "root.pem", "--issuer-cert", "issuer.pem", "--issuer-key", "issuer.key")
    return lone_cli


def sign(directory: Path, request: str, out: str) -> None:
    """As docs/hierarchy.md says it."""
    openssl(directory, "x509", "-req", "-in", request, "-CA", "root.pem", "-CAkey", "root.key", "-sha256",
            "-days", "365", "-extfile", "issuer.cnf", "-out", out)  # fmt: skip


def issuers(program: Program, variables: dict[str, str]) -> dict[str, str]:
    status = json.loads(program.succeed("status", "-o", "json", **variables))
    return {one["subject"]: one["state"] for one in status["issuers"] if one["profile"] == "intermediate"}


def test_request_out_certificate_in_and_the_new_issuing_ca_signs(program: Program) -> None:
    with serving(program, "--rotation-settle", "1s") as endpoints:
        variables = client_variables(endpoints)
        refused = program("rotate", "issuer", "--now", **variables)
        program.succeed("rotate", "issuer", "--csr-out", "next.csr", **variables)
        printed = program.succeed("rotate", "issuer", "--csr-out", "-", **variables)
        sign(program.directory, "next.csr", "next.pem")
        program.succeed("rotate", "issuer", "--certificate", "next.pem", "--now", **variables)
        deadline = time.monotonic() + 60
        while "CN=Own Issuer" not in (states := issuers(program, variables)) or states["CN=Own Issuer"] == "active":
            assert time.monotonic() < deadline, states
            time.sleep(0.2)
        program.succeed("sign", "--dns", "web.example", "--out", "web", **variables)

    assert refused.status == 7
    assert "ca-cli rotate issuer --csr-out FILE" in refused.errors
    assert (program.directory / "next.csr").read_text() == printed
    path = ["-CAfile", "root.pem", "-untrusted", "web/tls.crt", "-x509_strict", "-purpose", "sslserver", "web/tls.crt"]
    openssl(program.directory, "verify", *path)
    chain = (program.directory / "web" / "tls.crt").read_text()
    assert (program.directory / "next.pem").read_text().strip().splitlines()[-2] in chain


def test_what_is_not_its_answer_is_refused_in_a_sentence(program: Program) -> None:
    with serving(program) as endpoints:
        variables = client_variables(endpoints)
        early = program("rotate", "issuer", "--certificate", "issuer.pem", **variables)
        program.succeed("rotate", "issuer", "--csr-out", "next.csr", **variables)
        again = program("rotate", "issuer", "--csr-out", "next.csr", **variables)
        wrong = program("rotate", "issuer", "--certificate", "issuer.pem", **variables)

    assert "no issuing CA waits for a certificate" in early.errors
    assert "next.csr exists" in again.errors
    assert "the certificate is not taken" in wrong.errors
    assert 0 not in {early.status, again.status, wrong.status}


@pytest.mark.parametrize(
    "arguments",
    [
        ("root", "--csr-out", "x.csr"),
        ("root", "--certificate", "x.pem"),
        ("issuer", "--csr-out", "x.csr", "--certificate", "x.pem"),
        ("issuer", "--csr-out", "x.csr", "--now"),
        ("issuer", "--certificate", "x.pem", "--status"),
    ],
)
def test_options_that_contradict_each_other_are_refused_before_anything_is_asked(
    lone_cli: Program, arguments: tuple[str, ...]
) -> None:
    assert lone_cli("rotate", *arguments).status == 2


@pytest.mark.parametrize(
    ("lifetime", "reason"),
    [
        (timedelta(hours=1), "the issuing CA for profile server ends at"),
        (YEAR, "with the server stopped, ca-cli init --next-issuer-csr"),
    ],
    ids=["expired", "its key lost"],
)
def test_an_issuing_ca_that_signs_no_more_under_an_offline_root_is_replaced_with_the_server_stopped(
    lone_cli: Program, lifetime: timedelta, reason: str
) -> None:
    """Nobody has a certificate any more that a server would take, or it has none that a client would."""
    then = FixedClock(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2))
    root = authority("Own Root", not_before=then() - YEAR, lifetime=30 * YEAR)
    old = authority("Own Issuer", issuer=root, path_length=0, not_before=then(), lifetime=lifetime)
    premises = Premises(directory=lone_cli.home / "ca", clock=then)
    with premises.open(brought=BroughtHierarchy(root=root.without_key, issuer=old.pair)):
        pass
    if lifetime == YEAR:
        (the_key,) = (premises.directory / "keys").iterdir()
        the_key.unlink()
    (lone_cli.directory / "root.pem").write_bytes(join_certificates([root.certificate]))
    (lone_cli.directory / "root.key").write_bytes(root.key_pem)
    (lone_cli.directory / "issuer.cnf").write_text(
        "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    refused = lone_cli("serve", "--grpc-port", "0", "--http-port", "0", "--enrollment-port", "0")

    lone_cli.succeed("init", "--next-issuer-csr", "next.csr")
    sign(lone_cli.directory, "next.csr", "next.pem")
    time.sleep(1.1)  # OpenSSL dates it from this very second
    lone_cli.succeed("init", "--next-issuer", "next.pem")
    with serving(lone_cli, "--rotation-settle", "1s"):
        pass
    lone_cli.succeed("init", "--new-administrator", "--force")

    assert refused.status == 7
    assert reason in refused.errors
    chain = (lone_cli.home / "identity" / "tls.crt").read_text()
    assert (lone_cli.directory / "next.pem").read_text().strip().splitlines()[-2] in chain


@pytest.mark.parametrize("arguments", [("--next-issuer-csr", "a", "--next-issuer", "b"), ("--next-issuer-csr", "a")])
def test_without_an_authority_there_is_no_next_issuing_ca(lone_cli: Program, arguments: tuple[str, ...]) -> None:
    assert lone_cli("init", *arguments).status == (2 if len(arguments) == 4 else 7)
    assert not (lone_cli.home / "ca").exists()
