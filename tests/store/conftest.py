"""One contract suite for every engine: each test that asks for `database` runs on all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.audit import AuditTrail
from store.authorities import Authorities
from store.database import Database, open_database
from store.inventory import Inventory
from store.private_keys import PrivateKeys
from store.rotations import Rotations
from store.tokens import Tokens
from tests.servers.postgresql import postgresql_server, postgresql_url  # noqa: F401 - fixtures


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "chancery.db"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, sqlite_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite://{sqlite_path}"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = open_database(url)
    yield database
    database.close()


@pytest.fixture
def inventory(database: Database) -> Inventory:
    return Inventory(database)


@pytest.fixture
def private_keys(database: Database) -> PrivateKeys:
    return PrivateKeys(database)


@pytest.fixture
def tokens(database: Database) -> Tokens:
    return Tokens(database)


@pytest.fixture
def audit_trail(database: Database) -> AuditTrail:
    return AuditTrail(database)


@pytest.fixture
def authorities(database: Database) -> Authorities:
    return Authorities(database)


@pytest.fixture
def rotations(database: Database) -> Rotations:
    return Rotations(database)
