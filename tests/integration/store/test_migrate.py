"""Migrations: they make exactly the tables that the code declares, safely and once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from leadsync.store import migrate
from leadsync.store.tables import metadata
from tests.databases import *  # noqa: F403

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine


def _difference(connection: Connection) -> list[object]:
    options = {"version_table": migrate.VERSION_TABLE, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _indexes(engine: Engine) -> dict[str, str]:
    """Return the text of every index, its condition included, as the database spells it."""
    query = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    }[engine.dialect.name]
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(query).all()
    return {name: " ".join(text.split()) for name, text in rows if migrate.VERSION_TABLE not in name}


def test_the_migrations_make_the_declared_tables(store_engine: Engine) -> None:
    """Alembic finds no difference of table, column, type, default or constraint."""
    migrate.upgrade(store_engine)
    with store_engine.connect() as connection:
        assert _difference(connection) == []


def test_the_comparison_would_see_a_difference(store_engine: Engine) -> None:
    """The test above can fail: a dropped column is found."""
    migrate.upgrade(store_engine)
    with store_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE sync_link DROP COLUMN record_snapshot")
    with store_engine.connect() as connection:
        assert _difference(connection) != []


def test_the_migrations_make_the_declared_indexes(store_engine: Engine) -> None:
    """Every index is the declared one, word for word, with the condition of the partial ones (`WHERE current`)."""
    metadata.create_all(store_engine)
    declared = _indexes(store_engine)
    metadata.drop_all(store_engine)
    migrate.upgrade(store_engine)
    assert _indexes(store_engine) == declared
    assert any("WHERE" in text for text in declared.values())


def test_a_new_database_is_not_current_and_an_upgraded_one_is(store_engine: Engine) -> None:
    """`is_current` tells whether `leadsync db upgrade` has something to do."""
    before = migrate.is_current(store_engine)
    migrate.upgrade(store_engine)
    assert (before, migrate.is_current(store_engine)) == (False, True)


def test_a_second_upgrade_changes_nothing(store_engine: Engine) -> None:
    """What stands in the tables stays."""
    migrate.upgrade(store_engine)
    row = {"name": "started", "value": "true", "at": "2026-11-24 00:00:00.000000"}
    with store_engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO sync_control (name, value, updated_at) VALUES (:name, :value, :at)"), row
        )
    migrate.upgrade(store_engine)
    with store_engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sync_control").scalar_one() == 1


def test_several_may_upgrade_at_once(store_engine: Engine, database_url: str) -> None:
    """Three processes that start together upgrade once and all succeed."""
    code = "import sys; from leadsync.store import engine, migrate; migrate.upgrade(engine.create(sys.argv[1]))"
    with ThreadPoolExecutor() as pool:
        runs = list(
            pool.map(
                lambda _: subprocess.run([sys.executable, "-c", code, database_url], capture_output=True, check=False),
                range(3),
            )
        )
    assert [(run.returncode, run.stderr) for run in runs] == [(0, b"")] * 3
    assert migrate.is_current(store_engine)


def test_other_peoples_tables_are_left_alone(store_engine: Engine) -> None:
    """The lead table, and Alembic's version table of another program, stay as they are."""
    migrate.create_leads_table(store_engine)
    with store_engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('theirs')")
    migrate.upgrade(store_engine)
    with store_engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == "theirs"
    assert sa.inspect(store_engine).has_table("leads")


def test_the_head_is_read_from_the_file_names() -> None:
    """`head`, which needs no Alembic, names the same revision as Alembic does."""
    assert migrate.head() == ScriptDirectory(str(migrate._MIGRATIONS)).get_current_head()


def test_an_idle_cycle_needs_neither_pandas_nor_alembic(tmp_path: Path) -> None:
    """Asking whether the tables are current, and which leads changed, imports nothing heavy."""
    code = """
import datetime, sys
from leadsync.store import engine, leads, migrate, tables
store = engine.create(sys.argv[1])
migrate.is_current(store)
migrate.create_leads_table(store)
list(leads.LeadTable(store).changed_since(datetime.datetime.now(datetime.UTC), ["email"]))
print(sorted({"pandas", "numpy", "pyarrow", "alembic", "great_expectations"} & set(sys.modules)))
"""
    url = f"sqlite:///{tmp_path / 'leads.db'}"
    run = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["sync_link", "sync_journal", "sync_lead", "sync_error", "sync_run"])
def test_our_tables_are_told_by_their_prefix(store_engine: Engine, name: str) -> None:
    """The tables of ARCHITECTURE's list are there after an upgrade."""
    migrate.upgrade(store_engine)
    assert sa.inspect(store_engine).has_table(name)
