"""CA certificates from what a Secret is mounted as, and what a process makes of them for its libraries."""

import os
from pathlib import Path

import click
import pytest
import trustme

from certs.pem import split_certificates
from cli.main import make_program
from cli.server_settings import settings_options
from serving.outside_roots import OutsideRootsInvalid, join_ca_certificates
from serving.system_roots import find_system_file
from tests.cli.program import Program

AUTHORITIES = tuple(trustme.CA() for _ in range(3))
PEM = tuple(authority.cert_pem.bytes() for authority in AUTHORITIES)


def as_mounted(directory: Path, files: dict[str, bytes]) -> Path:
    """As a kubelet puts a Secret into a volume: by links through a directory that can be replaced at once."""
    (directory / "..2026_11_29").mkdir(parents=True)
    (directory / "..data").symlink_to("..2026_11_29")
    for name, content in files.items():
        (directory / "..data" / name).write_bytes(content)
        (directory / name).symlink_to(f"..data/{name}")
    return directory


def test_every_file_of_a_directory_counts_once(tmp_path):
    directory = as_mounted(tmp_path / "extra", {"b.crt": PEM[1], "a.pem": PEM[0] + PEM[2]})

    found = join_ca_certificates([directory])

    assert split_certificates(found) == split_certificates(PEM[0] + PEM[2] + PEM[1])


def test_files_and_directories_are_joined_in_order(tmp_path):
    (tmp_path / "one.crt").write_bytes(b"Subject: one\n" + PEM[1])
    directory = as_mounted(tmp_path / "extra", {"ca.crt": PEM[0]})

    assert join_ca_certificates([tmp_path / "one.crt", directory]) == PEM[1] + PEM[0]


def test_an_empty_directory_adds_nobody(tmp_path):
    assert join_ca_certificates([as_mounted(tmp_path / "extra", {})]) == b""


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (AUTHORITIES[0].private_key_pem.bytes(), "there is a .*PRIVATE KEY among the certificates"),
        (PEM[0] + AUTHORITIES[0].private_key_pem.bytes(), "there is a .*PRIVATE KEY among the certificates"),
        (b"", "there is no certificate"),
        (b"not PEM", "there is no certificate"),
        (PEM[0][:200], "cut short|no certificate"),
        (PEM[0].replace(b"MII", b"MIJ", 1), "certificate"),
        (b"\xff" * (5 << 20), "octets"),
    ],
    ids=["key", "key beside", "empty", "text", "cut short", "broken", "too large"],
)
def test_what_is_not_certificates_alone_is_refused_by_name(tmp_path, content, fault):
    directory = as_mounted(tmp_path / "extra", {"fine.crt": PEM[1], "wrong.crt": content})

    with pytest.raises(OutsideRootsInvalid, match=rf"wrong\.crt: .*({fault})"):
        join_ca_certificates([directory])


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(OutsideRootsInvalid, match=r"absent: No such file"):
        join_ca_certificates([tmp_path / "absent"])


def test_the_system_s_file_is_the_first_that_is_there(tmp_path):
    (tmp_path / "second").write_bytes(PEM[0])

    assert find_system_file([tmp_path / "first", tmp_path / "second"]) == tmp_path / "second"
    assert find_system_file([tmp_path / "first"]) is None


# In a process


def run_with(tmp_path, **variables):
    """What a command of a server finds in its environment: variables, and the PEM that SSL_CERT_FILE holds."""
    found = {}

    @click.command()
    @settings_options(groups=("storage",))
    def command(**given: object) -> None:
        assert "extra_ca_certificates" not in given
        found.update(
            {name: os.environ.get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")}
        )
        found["pem"] = Path(found["SSL_CERT_FILE"]).read_bytes() if found["SSL_CERT_FILE"] else b""

    with pytest.MonkeyPatch.context() as patch:
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
            patch.setenv(name, "")
        for name, value in variables.items():
            patch.setenv(name, str(value))
        command.main([], standalone_mode=False)
    return found


def test_extra_authorities_are_beside_the_system_s(tmp_path):
    (tmp_path / "system").write_bytes(PEM[0])
    extra = as_mounted(tmp_path / "extra", {"ca.crt": PEM[1]})
    found = run_with(tmp_path, SSL_CERT_FILE=tmp_path / "system", CHANCERY_EXTRA_CA_CERTIFICATES=extra)

    assert split_certificates(found["pem"]) == split_certificates(PEM[0] + PEM[1])
    assert found["REQUESTS_CA_BUNDLE"] == found["SSL_CERT_FILE"] != str(tmp_path / "system")
    assert not Path(found["SSL_CERT_FILE"]).exists()  # it goes with the process


def test_other_authorities_take_the_place_of_the_system_s(tmp_path):
    (tmp_path / "system").write_bytes(PEM[0])
    default, extra = (
        as_mounted(tmp_path / name, {"ca.crt": pem}) for name, pem in (("default", PEM[1]), ("extra", PEM[2]))
    )
    found = run_with(
        tmp_path,
        SSL_CERT_FILE=tmp_path / "system",
        CHANCERY_DEFAULT_CA_CERTIFICATES=default,
        CHANCERY_EXTRA_CA_CERTIFICATES=f"{extra}, ",
    )

    assert split_certificates(found["pem"]) == split_certificates(PEM[1] + PEM[2])
    assert found["SSL_CERT_DIR"] == str(Path(found["SSL_CERT_FILE"]).parent)


def test_a_bundle_that_the_environment_names_to_requests_stays(tmp_path):
    extra = as_mounted(tmp_path / "extra", {"ca.crt": PEM[1]})

    found = run_with(tmp_path, CHANCERY_EXTRA_CA_CERTIFICATES=extra, REQUESTS_CA_BUNDLE="/mine.pem")

    assert found["REQUESTS_CA_BUNDLE"] == "/mine.pem"


def test_without_any_openssl_is_told_where_the_system_has_them(tmp_path):
    assert run_with(tmp_path)["SSL_CERT_FILE"] == str(find_system_file() or "")
    assert run_with(tmp_path)["REQUESTS_CA_BUNDLE"] == ""
    assert run_with(tmp_path, SSL_CERT_DIR=tmp_path)["SSL_CERT_FILE"] == ""


@pytest.fixture
def program(tmp_path) -> Program:
    (tmp_path / "work").mkdir()
    return Program(home=tmp_path / "home", directory=tmp_path / "work", variables={})


def test_every_fault_stops_the_start_and_is_named(program, tmp_path):
    extra = as_mounted(tmp_path / "extra", {"tls.key": AUTHORITIES[0].private_key_pem.bytes()})
    done = program(
        "serve", "--extra-ca-certificates", f"{extra},{tmp_path / 'absent'}", "--default-ca-certificates", "gone"
    )

    assert done.status == 7
    for fault in (
        "extra_ca_certificates: ",
        "tls.key: there is a",
        "absent: No such file",
        "default_ca_certificates: gone",
    ):
        assert fault in done.errors
    assert not (tmp_path / "home" / "ca").exists()


def test_nobody_in_place_of_the_system_s_is_refused(program, tmp_path):
    done = program("init", "--default-ca-certificates", as_mounted(tmp_path / "default", {}))

    assert (done.status, "so that nobody would be believed" in done.errors) == (7, True)


@pytest.mark.parametrize("command", ["serve", "apiserver", "controller", "init", "audit verify"])
def test_commands_that_connect_outside_take_them(command):
    name, *rest = command.split()
    with make_program().make_context("ca-cli", [name, "--help"], resilient_parsing=True) as context:
        found = make_program().get_command(context, name)
        for one in rest:
            found = found.commands[one]

    assert {"extra_ca_certificates", "default_ca_certificates"} <= {each.name for each in found.params}
