"""A real PostgreSQL server for tests: one for each session, an empty database for each test.

- A direct child of the test process, on a free loopback port and a Unix socket, run as an unprivileged user. It ends with the
  tests, even if these are killed (by way of setpriv, where there is one).
- Import the fixtures `postgresql_server` and `postgresql_url` into a conftest. Without the binaries tests are skipped.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.servers.ports import free_port

_START_SECONDS = 60


@dataclass(slots=True)
class PostgresqlServer:
    """A running server. `kill` and `start` are for tests of what happens when it goes and comes back."""

    binaries: Path
    directory: Path
    port: int
    user: str | None
    settings: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = None
    _names: "itertools.count[int]" = field(default_factory=itertools.count)
    _emptied: list[str] = field(default_factory=list)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://tester:never-shown@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Returns the address of a new, empty database."""
        name = f"test_{next(self._names)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def lend_database(self) -> str:
        """As `create_database`, or one that was given back: making one takes long, and removing it longer."""
        return self._emptied.pop() if self._emptied else self.create_database()

    def take_back(self, url: str) -> None:
        name = url.rpartition("/")[2]
        with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
            connection.execute(f'ALTER DATABASE "{name}" RESET ALL')
        self._emptied.append(url)

    def initialise(self) -> None:
        subprocess.run(
            [self.binaries / "initdb", "-D", self.directory / "data", "-U", "tester", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync"],
            check=True, capture_output=True, user=self.user, timeout=60, env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd=self.directory,
        )  # fmt: skip

    def start(self) -> None:
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "QUIT"] if setpriv else []
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*prefix, self.binaries / "postgres", "-D", self.directory / "data", "-p", str(self.port), "-h", "127.0.0.1",
                 "-k", self.directory, "-c", "shared_buffers=32MB", "-c", "max_connections=60",
                 *itertools.chain.from_iterable(("-c", setting) for setting in self.settings)],
                stdout=log, stderr=log, user=self.user, env={"PATH": os.defpath, "LC_ALL": "C"}, cwd=self.directory,
            )  # fmt: skip
        self._await_start()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is a fast shutdown, SIGQUIT an immediate one: as a crash, with recovery at the next start."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None

    def _await_start(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with (
                contextlib.suppress(psycopg.OperationalError),
                psycopg.connect(self.url(), connect_timeout=10) as session,
            ):
                (served,) = session.execute("SHOW data_directory").fetchone() or ("",)
                assert Path(served) == self.directory / "data", f"port {self.port} is that of another server"
                return
            time.sleep(0.05)
        pytest.fail(f"PostgreSQL did not start: {(self.directory / 'log').read_text()[-2000:]}")


def find_binaries() -> Path | None:
    """The directory with initdb and postgres: of PATH, of Debian's versions (newest first), or as pg_config says."""
    candidates = [Path(found).parent] if (found := shutil.which("initdb")) else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    if config := shutil.which("pg_config"):
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True, timeout=10)
        candidates.append(Path(told.stdout.strip()))
    return next((path for path in candidates if (path / "initdb").exists() and (path / "postgres").exists()), None)


def make_server(directory: Path, *settings: str) -> PostgresqlServer:
    """Initialised and started in `directory`, whose path must be short (socket names have 107 octets)."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server binaries: install postgresql to run these tests")
    user = unprivileged_user()
    if user is not None:
        shutil.chown(directory, user)
    server = PostgresqlServer(binaries=binaries, directory=directory, port=free_port(), user=user, settings=settings)
    server.initialise()
    server.start()
    return server


def unprivileged_user() -> str | None:
    """Whom servers run as where the tests are run by root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    with tempfile.TemporaryDirectory(prefix="pg-") as directory:
        server = make_server(Path(directory), "fsync=off", "full_page_writes=off")  # no test pulls its plug
        yield server
        server.stop()


@pytest.fixture
def postgresql_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """The address of a database of this test's own, empty."""
    url = postgresql_server.lend_database()
    yield url
    postgresql_server.take_back(url)
