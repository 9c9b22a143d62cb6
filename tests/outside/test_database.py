"""A PostgreSQL server that shows a certificate of somebody else's CA, and libpq that is told to believe the system's."""

import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trustme

from tests.cli.program import Program, client_variables, serving
from tests.outside.test_roots import as_mounted
from tests.servers.postgresql import PostgresqlServer, find_binaries, make_server, unprivileged_user

pytestmark = [pytest.mark.postgresql, pytest.mark.xdist_group("outside")]

AUTHORITY, OTHER = trustme.CA(), trustme.CA()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    if find_binaries() is None:
        pytest.skip("no PostgreSQL server binaries: install postgresql to run these tests")
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        directory = Path(name)
        shown = AUTHORITY.issue_cert("localhost")
        shown.cert_chain_pems[0].write_to_path(directory / "server.pem")
        shown.private_key_pem.write_to_path(directory / "server.key")
        (directory / "server.key").chmod(0o600)
        if user := unprivileged_user():
            for path in directory.iterdir():
                shutil.chown(path, user)
        running = make_server(
            directory, "fsync=off", "ssl=on", *(f"ssl_{what}_file={directory}/server.{end}" for what, end in _FILES)
        )
        yield running
        running.stop()


_FILES = (("cert", "pem"), ("key", "key"))


@pytest.fixture
def database(server, request) -> str:
    """Of one that libpq verifies by the system's CAs."""
    return (
        server.create_database().replace("127.0.0.1", "localhost")
        + f"?{getattr(request, 'param', 'sslmode=verify-full')}"
    )


@pytest.fixture
def make(tmp_path, database):
    """Runs `ca-cli init` on it as a process, with these variables: status, and what it says."""

    def run(**variables: str) -> tuple[int, str]:
        (tmp_path / "work").mkdir(exist_ok=True)
        given = {"CHANCERY_DATABASE": database, "CHANCERY_PASSPHRASE": "correct horse", **variables}
        process = Program(home=tmp_path / "home", directory=tmp_path / "work", variables=given).start("init")
        _, errors = process.communicate(timeout=60)
        return process.returncode, errors

    return run


def mounted(directory: Path, *authorities: trustme.CA) -> str:
    files = {f"{number}.crt": authority.cert_pem.bytes() for number, authority in enumerate(authorities)}
    return str(as_mounted(directory, files))


def test_nobody_believes_it_unasked(make):
    status, errors = make()

    assert status == 5
    assert "of no CA in sslrootcert" in errors


@pytest.mark.parametrize("database", ["sslmode=verify-full", "sslrootcert=system"], indirect=True)
def test_extra_authority_is_believed(make, tmp_path):
    assert make(CHANCERY_EXTRA_CA_CERTIFICATES=mounted(tmp_path / "extra", OTHER, AUTHORITY)) == (0, "")


def test_authority_in_place_of_the_system_s_is_believed(make, tmp_path):
    assert make(CHANCERY_DEFAULT_CA_CERTIFICATES=mounted(tmp_path / "default", AUTHORITY)) == (0, "")


def test_nobody_else_is_believed_beside_those_in_place_of_the_system_s(make, tmp_path):
    AUTHORITY.cert_pem.write_to_path(tmp_path / "system.pem")
    variables = {
        "SSL_CERT_FILE": str(tmp_path / "system.pem"),
        "CHANCERY_DEFAULT_CA_CERTIFICATES": mounted(tmp_path / "default", OTHER),
    }

    assert make(**variables)[0] == 5


def test_the_system_s_are_found_without_being_named(make, tmp_path):
    """By the file of a system that believes the server's CA."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "system.pem")

    assert make(SSL_CERT_FILE=str(tmp_path / "system.pem")) == (0, "")


def test_authorities_of_the_user_s_own_file_are_believed_in_their_place(make, tmp_path):
    (tmp_path / ".postgresql").mkdir()
    AUTHORITY.cert_pem.write_to_path(tmp_path / ".postgresql" / "root.crt")

    assert make(HOME=str(tmp_path))[0] == 0
    assert make(HOME=str(tmp_path), PGSSLROOTCERT=str(tmp_path / "absent"))[0] != 0


def test_authority_and_api_server_run_on_it(server, tmp_path, database):
    (tmp_path / "work").mkdir()
    extra = mounted(tmp_path / "extra", AUTHORITY)
    reports = database.replace(
        database.rpartition("/")[2].partition("?")[0], server.create_database().rpartition("/")[2]
    )
    variables = {
        "CHANCERY_DATABASE": database,
        "CHANCERY_PASSPHRASE": "correct horse",
        "CHANCERY_EXTRA_CA_CERTIFICATES": extra,
        "CHANCERY_APISERVER_DATABASE": reports,
        "CHANCERY_APISERVER_EXTRA_CA_CERTIFICATES": extra,
    }
    program = Program(home=tmp_path / "home", directory=tmp_path / "work", variables=variables)

    with serving(program) as endpoints:
        start = partial(program.start, **client_variables(endpoints))
        process = start("apiserver", "--secure-port", "0", "--authorization-skip-lookup")
        try:
            assert process.stdout is not None
            announced = process.stdout.readline()
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=60)
        assert announced.startswith("apiserver"), errors
