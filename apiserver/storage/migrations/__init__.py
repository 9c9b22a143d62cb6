"""The steps that bring a database to the schema of the change log."""

from store.migrations import Lineage

CHANGE_LOG = Lineage(
    scripts="apiserver:storage/migrations", revisions=("0001",), version_table="apiserver_alembic_version"
)
