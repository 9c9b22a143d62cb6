"""Brings a database to the schema of this release.

- One transaction for all steps: a database is never left between two schemas, on either engine.
- PostgreSQL: replicas that start together take turns by an advisory lock; all but the first find nothing to do.
- A schema that this release does not know is refused, untouched.
- Servers of ours that share a database have a lineage each: their own steps, and their own note of how far they are.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from store.errors import SchemaTooNew
from store.locks import Lock, take_lock

if TYPE_CHECKING:
    from store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """`revisions` are those of the files under `versions`, oldest first; `scripts` is where they are, as `package:directory`."""

    scripts: str
    revisions: tuple[str, ...]
    version_table: str

    @property
    def newest(self) -> str:
        return self.revisions[-1]


AUTHORITY = Lineage(
    scripts="store:migrations",
    revisions=("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008"),
    version_table="alembic_version",
)
"""The inventory of the certificate authority."""


def migrate(database: "Database", lineage: Lineage = AUTHORITY) -> None:
    """Raises SchemaTooNew, and StorageFault leaves."""
    if database.read(lambda connection: _revision(connection, lineage)) != lineage.newest:
        database.write(lambda connection: _upgrade(connection, lineage))


def _revision(connection: Connection, lineage: Lineage) -> str | None:
    if not inspect(connection).has_table(lineage.version_table):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {lineage.version_table}"))  # noqa: S608 - our own name
    revision: str | None = found.scalar()
    if revision is not None and revision not in lineage.revisions:
        raise SchemaTooNew(found=revision, newest=lineage.newest)
    return revision


def _upgrade(connection: Connection, lineage: Lineage) -> None:
    from alembic import command  # noqa: PLC0415 - slow to load, and needed only where there is something to do
    from alembic.config import Config  # noqa: PLC0415 - as above

    take_lock(connection, Lock.MIGRATION)
    if _revision(connection, lineage) == lineage.newest:
        return
    config = Config()
    config.set_main_option("script_location", lineage.scripts)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = lineage.version_table
    command.upgrade(config, lineage.newest)
