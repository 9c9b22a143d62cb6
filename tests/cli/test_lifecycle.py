"""`init` and `serve`: what they make, adopt, refuse and leave."""

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.cli.program import COMMAND, Program, client_variables, serving


@pytest.fixture
def program(initialised_home: Path, tmp_path: Path) -> Program:
    """An authority of the test's own, not yet served."""
    shutil.copytree(initialised_home, tmp_path / "home")
    return Program(home=tmp_path / "home", directory=tmp_path, variables={})


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=60)


def make_root(directory: Path) -> None:
    extensions = (
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=critical,keyCertSign,cRLSign",
        "subjectKeyIdentifier=hash",
    )
    added = [part for extension in extensions for part in ("-addext", extension)]
    openssl(directory, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "root.key")
    openssl(
        directory,
        "req",
        "-x509",
        "-key",
        "root.key",
        "-subj",
        "/CN=Own Root",
        "-days",
        "3650",
        "-out",
        "root.pem",
        *added,
    )


def make_issuer(directory: Path) -> None:
    (directory / "issuer.cnf").write_text(
        "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    openssl(directory, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", "issuer.key", "-subj", "/CN=Own Issuer", "-out", "issuer.csr")  # fmt: skip
    openssl(directory, "x509", "-req", "-in", "issuer.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "365",
            "-CAcreateserial", "-extfile", "issuer.cnf", "-out", "issuer.pem")  # fmt: skip


def test_init_tells_where_everything_is(lone_cli: Program) -> None:
    made = json.loads(lone_cli.succeed("init", "--trust-domain", "example.com", "-o", "json"))

    assert made["trust_domain"] == "example.com"
    assert made["data_directory"] == str(lone_cli.home / "ca")
    assert Path(made["policy_file"]).read_text().startswith("#")
    assert "example.com" in Path(made["policy_file"]).read_text()
    lone_cli.succeed("verify", lone_cli.home / "identity", "--purpose", "client")


def test_init_lets_nobody_else_in(program: Program) -> None:
    exposed = [path for path in (program.home / "ca").rglob("*") if stat.S_IMODE(path.stat().st_mode) & 0o077]

    assert exposed == []
    assert stat.S_IMODE((program.home / "ca").stat().st_mode) == 0o700
    assert stat.S_IMODE((program.home / "identity" / "tls.key").stat().st_mode) == 0o600


def test_second_init_changes_nothing(program: Program) -> None:
    before = {path: path.read_bytes() for path in program.home.rglob("*") if path.is_file() and path.suffix != ".db"}

    overwriting = program("init")
    elsewhere = program("init", "--identity", program.directory / "other")

    assert (overwriting.status, elsewhere.status) == (7, 7)
    assert "--new-administrator" in elsewhere.errors
    assert not (program.directory / "other").exists()
    assert {path: path.read_bytes() for path in before} == before


def test_another_administrator_can_be_made(program: Program) -> None:
    other = program.directory / "other"

    program.succeed("init", "--new-administrator", "--administrator", "alice", "--identity", other)

    described = json.loads(program.succeed("inspect", other, "-o", "json"))
    assert described[0]["subject"] == "CN=alice,O=chancery:administrators"


def test_root_of_ones_own_is_adopted(lone_cli: Program) -> None:
    make_root(lone_cli.directory)

    lone_cli.succeed("init", "--root-cert", "root.pem", "--root-key", "root.key")

    verified = json.loads(lone_cli.succeed("verify", lone_cli.home / "identity", "--roots", "root.pem", "-o", "json"))
    assert verified["path"][-1] == "CN=Own Root"


def test_root_stays_offline_where_an_issuer_is_brought(lone_cli: Program) -> None:
    make_root(lone_cli.directory)
    make_issuer(lone_cli.directory)

    lone_cli.succeed("init", "--root-cert", "root.pem", "--issuer-cert", "issuer.pem", "--issuer-key", "issuer.key")

    verified = json.loads(lone_cli.succeed("verify", lone_cli.home / "identity", "-o", "json"))
    assert verified["path"][1:] == ["CN=Own Issuer", "CN=Own Root"]
    assert len(list((lone_cli.home / "ca" / "keys").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--root-key", "root.key"), 2),
        (("--root-cert", "root.pem"), 2),
        (("--issuer-cert", "root.pem", "--issuer-key", "root.key"), 2),
        (("--root-cert", "root.pem", "--root-key", "other.key"), 7),
        (("--root-cert", "missing.pem", "--root-key", "root.key"), 3),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_hierarchy_that_does_not_fit_makes_no_authority(
    lone_cli: Program, arguments: tuple[str, ...], status: int
) -> None:
    make_root(lone_cli.directory)
    openssl(lone_cli.directory, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "other.key")

    assert lone_cli("init", *arguments).status == status
    assert not (lone_cli.home / "identity").exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--root-cert", "two.pem", "--root-key", "root.key"), "two.pem: there are 2 certificates"),
        (("--root-cert", "root.pem", "--root-key", "root.pem"), "root.pem: there is not exactly one private key"),
        (("--root-cert", "root.key", "--root-key", "root.key"), "root.key: there is a "),
    ],
    ids=["chain", "no key", "no certificate"],
)
def test_of_several_files_the_one_that_cannot_be_read_is_named(
    lone_cli: Program, arguments: tuple[str, ...], error: str
) -> None:
    make_root(lone_cli.directory)
    root = (lone_cli.directory / "root.pem").read_bytes()
    (lone_cli.directory / "two.pem").write_bytes(root + root)

    refused = lone_cli("init", *arguments)

    assert refused.status == 6
    assert error in refused.errors


def test_an_authority_is_not_made_new_by_what_makes_another_administrator(lone_cli: Program) -> None:
    make_root(lone_cli.directory)

    assert lone_cli("init", "--new-administrator", "--root-cert", "root.pem", "--root-key", "root.key").status == 2


def test_every_fault_of_a_configuration_is_told_at_once(lone_cli: Program) -> None:
    (lone_cli.directory / "c.yaml").write_text("grpc_port: many\nlog_level: loud\ncolour: red\n")

    outcome = lone_cli("serve", "--config", "c.yaml", "--crl-shards", "0")

    assert outcome.status == 7
    for fault in ("grpc_port", "log_level", "colour", "crl_shards"):
        assert fault in outcome.errors
    assert outcome.errors.count("ca-cli: error: ") == 4


def test_flag_wins_over_variable_and_variable_over_file(lone_cli: Program) -> None:
    (lone_cli.directory / "c.yaml").write_text("trust_domain: file.example\nroot_common_name: From File\n")
    arguments = ("init", "--config", "c.yaml", "-o", "json")
    variables = {"CHANCERY_TRUST_DOMAIN": "variable.example"}

    made = json.loads(lone_cli.succeed(*arguments, "--trust-domain", "flag.example", **variables))

    assert made["trust_domain"] == "flag.example"
    subject = json.loads(lone_cli.succeed("inspect", lone_cli.home / "identity" / "ca.crt", "-o", "json"))[0]["subject"]
    assert "From File" in subject


@pytest.mark.parametrize("text", ["- a", "a: [", "1: 2", "\x00"])
def test_configuration_that_is_none_is_refused(lone_cli: Program, text: str) -> None:
    (lone_cli.directory / "c.yaml").write_text(text)

    assert lone_cli("serve", "--config", "c.yaml").status == 7


@pytest.mark.slow
def test_first_start_makes_what_init_would(lone_cli: Program) -> None:
    with serving(lone_cli) as endpoints:
        client = Program(home=lone_cli.home, directory=lone_cli.directory, variables=client_variables(endpoints))
        client.succeed("sign", "--dns", "web.example.com")

    assert (lone_cli.home / "identity" / "tls.crt").exists()


@pytest.mark.slow
def test_second_server_on_one_directory_is_refused(program: Program) -> None:
    with serving(program):
        outcome = program("init", "--identity", program.directory / "x")

    assert outcome.status == 7
    assert "another process uses" in outcome.errors


@pytest.mark.slow
def test_running_server_makes_another_administrator_and_the_archive_holds_who_it_is(program: Program) -> None:
    with serving(program) as endpoints:
        program.succeed(
            "init", "--new-administrator", "--administrator", "alice", "--identity", program.directory / "a"
        )
        arguments = ("init", "--new-administrator", "--administrator", "bob", "--identity", "-")
        archive = subprocess.run(
            [*COMMAND, *arguments],
            env={**os.environ, **program.environment},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            modes = {member.name: member.mode for member in opened}
            opened.extractall(program.directory / "b", filter="data")
        for name in ("a", "b"):
            variables = {**client_variables(endpoints), "CHANCERY_IDENTITY": str(program.directory / name)}
            Program(home=program.home, directory=program.directory, variables=variables).succeed("status")
        malformed = program("init", "--new-administrator", "--administrator", "", "--identity", program.directory / "c")

    assert modes == {"tls.crt": 0o600, "tls.key": 0o600, "ca.crt": 0o600}
    assert malformed.status
    assert not (program.directory / "c").exists()


def test_archive_is_made_of_a_stopped_authority_too(program: Program) -> None:
    arguments = ("init", "--new-administrator", "--identity", "-")

    archive = subprocess.run(
        [*COMMAND, *arguments], env={**os.environ, **program.environment}, capture_output=True, check=True, timeout=60
    ).stdout

    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        assert set(opened.getnames()) == {"tls.crt", "tls.key", "ca.crt"}


def test_lost_and_wrong_passphrases_are_told_in_one_line_and_a_hint(program: Program) -> None:
    (program.home / "ca" / "passphrase").unlink()
    lost = program("serve")
    wrong = program("serve", CHANCERY_PASSPHRASE="correct horse")

    assert (lost.status, wrong.status) == (7, 4)
    assert [line.partition(" ")[0] for line in lost.errors.splitlines()] == ["ca-cli:", "hint:"]
    assert "--passphrase-file" in lost.errors
    assert [line.partition(" ")[0] for line in wrong.errors.splitlines()] == ["ca-cli:", "hint:"]
    assert "CHANCERY_PASSPHRASE does not open" in wrong.errors
    assert "horse" not in wrong.errors


def test_authority_is_made_under_a_passphrase_of_the_environment(lone_cli: Program) -> None:
    made = lone_cli.succeed("init", "-o", "table", CHANCERY_PASSPHRASE="correct horse")

    assert "CHANCERY_PASSPHRASE" in made
    assert "horse" not in made
    assert not (lone_cli.home / "ca" / "passphrase").exists()


def test_loose_modes_and_a_wrong_passphrase_stop_the_start(program: Program) -> None:
    directory = program.home / "ca"
    passphrase = directory / "passphrase"
    passphrase.chmod(0o644)
    loose = program("serve")
    passphrase.chmod(0o600)
    passphrase.write_text("wrong\n")
    wrong = program("serve")
    passphrase.unlink()
    directory.chmod(0o755)
    open_directory = program("serve")

    assert (loose.status, wrong.status, open_directory.status) == (7, 4, 7)
    assert f"chmod 0600 {passphrase}" in loose.errors
    assert f"chmod 0700 {directory}" in open_directory.errors


@pytest.mark.slow
def test_port_that_is_taken_is_named(program: Program) -> None:
    with serving(program) as endpoints:
        other = Program(home=program.home.parent / "other", directory=program.directory, variables={})
        port = endpoints["grpc"].rpartition(":")[2]
        taken = other.start("serve", "--grpc-port", port, "--http-port", "0", "--enrollment-port", "0")
        _, errors = taken.communicate(timeout=60)

    assert taken.returncode == 7
    assert port in errors


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_is_graceful_and_leaves_nothing_behind(program: Program, number: signal.Signals) -> None:
    process = program.start("serve", "--grpc-port", "0", "--http-port", "0", "--enrollment-port", "0")
    assert process.stdout is not None
    process.stdout.readline()

    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 0
    assert "stopped" in errors
    program.succeed("audit", "verify")


@pytest.mark.slow
def test_plain_text_server_is_for_loopback_alone(program: Program) -> None:
    refused = program("serve", "--no-mtls", "--listen-address", "0.0.0.0")
    with serving(program, "--no-mtls") as endpoints:
        client = Program(home=program.home, directory=program.directory, variables=client_variables(endpoints))
        template = client("template", "--plaintext", "-o", "json")
        ready = client("status", "--quiet", "--plaintext")

    assert refused.status == 7
    assert "insecure_bind" in refused.errors
    assert template.status == 0, template
    assert json.loads(template.output)["profiles"] == []
    assert ready.status == 0
