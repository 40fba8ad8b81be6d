"""Bring the `sync_` tables to the state that this version of the package needs, with Alembic.

The table `leads` is the platform's and no part of the migrations; `create_leads_table` makes one for the demo, for
tests and for benchmarks.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import sqlalchemy as sa

from leadsync.store.engine import reading
from leadsync.store.leads import STANDARD_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Engine

VERSION_TABLE = "sync_alembic_version"

_MIGRATIONS = files("leadsync.store").joinpath("migrations")
_LOCK = 0x6C656164
"""The key of PostgreSQL's advisory lock: `lead` in ASCII."""


def head() -> str:
    """Return the newest revision; the files are named `<revision>_<words>.py`, so this needs no Alembic."""
    names = (entry.name for entry in _MIGRATIONS.joinpath("versions").iterdir())
    return max(name.split("_")[0] for name in names if name[:1].isdigit())


def is_current(engine: Engine) -> bool:
    """Say whether the `sync_` tables are those of this version of the package."""
    with reading(engine) as connection:
        if not sa.inspect(connection).has_table(VERSION_TABLE):
            return False
        return connection.scalars(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).all() == [head()]


def upgrade(engine: Engine) -> None:
    """Create or change the `sync_` tables; all of it or nothing, and safe where several processes do it at once."""
    # Alembic takes 0.2 s to import, and a cycle only asks `is_current`.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:  # on SQLite this waits for the write lock
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def create_leads_table(engine: Engine, extra: Iterable[str] = ()) -> None:
    """Create the platform's table `leads` if there is none, with further text columns named in `extra`."""
    stamp = sa.Text() if engine.dialect.name == "sqlite" else sa.DateTime(timezone=True)
    table = sa.Table(
        "leads",
        sa.MetaData(),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text) for name in (*STANDARD_COLUMNS, *extra)),
        sa.Column("created_at", stamp),
        sa.Column("updated_at", stamp),
        sa.Index("ix_leads_updated_at_id", "updated_at", "id"),
    )
    table.create(engine, checkfirst=True)
