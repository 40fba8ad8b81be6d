"""Alembic's entry: runs the migrations on the connection that `store.migrate` hands over."""

from __future__ import annotations

from alembic import context

from leadsync.store.migrate import VERSION_TABLE
from leadsync.store.tables import metadata


def _ours(name: str | None, kind: str, parents: object) -> bool:
    """Leave the platform's tables, Airflow's and anybody else's alone."""
    del parents
    return kind != "table" or (name or "").startswith("sync_")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=_ours,
    transactional_ddl=True,  # true of SQLite too, since our engines begin transactions themselves
)
with context.begin_transaction():
    context.run_migrations()
