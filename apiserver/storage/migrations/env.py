"""Alembic's entry point: runs the steps on the connection, and in the transaction, that `store.migrations` hands it."""

from alembic import context

from apiserver.storage.schema import metadata

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"], target_metadata=metadata, version_table=attributes["version_table"]
)
with context.begin_transaction():
    context.run_migrations()
