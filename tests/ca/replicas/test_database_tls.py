"""TLS to the database, both ways: the server shows a certificate of a CA that is named, the client one in place of a password."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import trustme

from store.database import open_database
from store.errors import StoreUnavailable
from tests.ca.load import Asked, new_request, signing_request
from tests.ca.replicas.replicas import certificates_of, running_replicas
from tests.ca.serving_process import ServingProcess
from tests.servers.postgresql import PostgresqlServer, find_binaries, make_server, unprivileged_user

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

_ACCESS = """
hostssl secure chancery 127.0.0.1/32 cert
host secure all 127.0.0.1/32 reject
host all tester 127.0.0.1/32 trust
"""
_TLS_OF_SESSIONS = """
    SELECT s.ssl, s.version FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'chancery'
"""
SECONDS = 30


@dataclass(frozen=True)
class SecureServer:
    """Lets the user `chancery` into the database `secure`, over TLS, by a certificate."""

    server: PostgresqlServer
    files: Path

    def url(self, host: str = "localhost", **changes: str) -> str:
        parameters = {
            "sslmode": "verify-full",
            "sslrootcert": str(self.files / "ca.pem"),
            "sslcert": str(self.files / "client.pem"),
            "sslkey": str(self.files / "client.key"),
        } | changes
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"postgresql://chancery@{host}:{self.server.port}/secure?{query}"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureServer]:
    if find_binaries() is None:
        pytest.skip("no PostgreSQL server binaries: install postgresql to run these tests")
    files = tmp_path_factory.mktemp("client")
    authority, other = trustme.CA(), trustme.CA()
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        shown = authority.issue_cert("localhost")
        shown.cert_chain_pems[0].write_to_path(directory / "server.pem")
        shown.private_key_pem.write_to_path(directory / "server.key")
        authority.cert_pem.write_to_path(directory / "ca.pem")
        authority.cert_pem.write_to_path(files / "ca.pem")
        other.cert_pem.write_to_path(files / "other-ca.pem")
        for kind, issuer, user in (
            ("client", authority, "chancery"),
            ("mallory", authority, "mallory"),
            ("alien", other, "chancery"),
        ):
            identity = issuer.issue_cert(f"{kind}.example", common_name=user)
            identity.cert_chain_pems[0].write_to_path(files / f"{kind}.pem")
            identity.private_key_pem.write_to_path(files / f"{kind}.key")
            (files / f"{kind}.key").chmod(0o600)
        (directory / "access").write_text(_ACCESS)
        (directory / "server.key").chmod(0o600)
        if user := unprivileged_user():
            for path in directory.iterdir():
                shutil.chown(path, user)
        server = make_server(
            directory,
            "fsync=off",
            "ssl=on",
            *(
                f"ssl_{what}_file={directory / file}"
                for what, file in (("cert", "server.pem"), ("key", "server.key"), ("ca", "ca.pem"))
            ),
            f"hba_file={directory / 'access'}",
        )
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE ROLE chancery LOGIN")
            connection.execute("CREATE ROLE mallory LOGIN")
            connection.execute("CREATE DATABASE secure OWNER chancery")
        yield SecureServer(server, files)
        server.stop()


def test_the_authority_runs_on_a_database_that_it_verifies_and_that_verifies_it(tmp_path, secure):
    with running_replicas(tmp_path, secure.url(), count=1) as (replica,):
        stub = certificates_of(replica)
        answer = stub.SignCsr(signing_request(Asked(request_id="r-1", csr=new_request())), timeout=SECONDS)
        assert answer.certificate.certificate_pem
        with psycopg.connect(secure.server.url()) as connection:
            rows = connection.execute(_TLS_OF_SESSIONS).fetchall()
    assert rows
    assert all(ssl for ssl, _ in rows)
    assert {version for _, version in rows} == {"TLSv1.3"}


@pytest.mark.parametrize(
    ("host", "changes", "hint"),
    [
        ("localhost", {"sslrootcert": "other-ca.pem"}, "name the CA that issued it"),
        ("127.0.0.1", {}, "address the server by a name in it"),
        ("localhost", {"sslrootcert": "absent.pem"}, "sslrootcert=FILE"),
        ("localhost", {"sslmode": "disable"}, "add sslmode=verify-full|check name, password"),
        ("localhost", {"sslcert": "absent.pem"}, "check sslcert"),
        ("localhost", {"sslcert": "alien.pem", "sslkey": "alien.key"}, "check sslcert"),
        ("localhost", {"sslcert": "mallory.pem", "sslkey": "mallory.key"}, "check sslcert"),
        ("localhost", {"sslcert": "alien.pem"}, "check sslcert"),
    ],
    ids=[
        "wrong CA",
        "wrong name",
        "no CA",
        "no TLS",
        "no client certificate",
        "alien client",
        "another's certificate",
        "another's key",
    ],
)
def test_what_does_not_fit_is_refused_with_a_hint(secure, host, changes, hint):
    named = {name: str(secure.files / value) if "." in value else value for name, value in changes.items()}

    with pytest.raises(StoreUnavailable, match=hint) as fault:
        open_database(secure.url(host, **named))

    assert "\n" not in str(fault.value)


def test_the_program_says_it_in_one_line_and_does_not_start(tmp_path, secure):
    url = secure.url(sslrootcert=str(secure.files / "other-ca.pem"))
    replica = ServingProcess(home=tmp_path / "home", settings={"database": url})
    replica.launch()

    status = replica.process.wait(SECONDS)

    assert replica.process.stdout is not None
    replica.process.stdout.close()
    assert status != 0
    (line,) = [line for line in replica.log.splitlines() if "certificate of the database server" in line]
    assert "name the CA that issued it" in line
    assert "Traceback" not in replica.log
