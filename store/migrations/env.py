"""Alembic's entry point: runs the steps on the connection, and in the transaction, that `store.migrations` hands it."""

from alembic import context

from store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
