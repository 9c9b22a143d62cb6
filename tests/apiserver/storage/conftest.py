"""One contract suite for both engines: each test that asks for `log` runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.opening import DATABASE, open_change_log
from tests.servers.postgresql import postgresql_server, postgresql_url  # noqa: F401 - fixtures


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def sqlite_url(directory: Path) -> str:
    return f"sqlite://{directory / DATABASE}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    return sqlite_url if request.param == "sqlite" else str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def log(url: str, directory: Path) -> Iterator[StoredChangeLog]:
    log = open_change_log(url, directory)
    yield log
    log.close()


@pytest.fixture
def sqlite_log(sqlite_url: str, directory: Path) -> Iterator[StoredChangeLog]:
    log = open_change_log(sqlite_url, directory)
    yield log
    log.close()
