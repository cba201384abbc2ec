"""Run the migrations on the connection that `core.records.store.migrate` gives."""

from alembic import context

from core.records.tables import Table

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Table.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
