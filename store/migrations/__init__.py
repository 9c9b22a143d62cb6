"""Brings a database to the schema of this release.

- One transaction for all steps: a database is never left between two schemas, on either engine.
- PostgreSQL: replicas that start together take turns by an advisory lock; all but the first find nothing to do.
- A schema that this release does not know is refused, untouched.
"""

from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from store.errors import SchemaTooNew
from store.locks import Lock, take_lock

if TYPE_CHECKING:
    from store.database import Database

REVISIONS = ("0001",)
"""Oldest first; each is a file under `versions`."""


def migrate(database: "Database") -> None:
    """Raises SchemaTooNew, and StorageFault leaves."""
    if database.read(_revision) != REVISIONS[-1]:
        database.write(_upgrade)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is not None and revision not in REVISIONS:
        raise SchemaTooNew(found=revision, newest=REVISIONS[-1])
    return revision


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - slow to load, and needed only where there is something to do
    from alembic.config import Config  # noqa: PLC0415 - as above

    take_lock(connection, Lock.MIGRATION)
    if _revision(connection) == REVISIONS[-1]:
        return
    config = Config()
    config.set_main_option("script_location", "store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
