"""Empty databases for tests, SQLite and PostgreSQL alike: import the fixtures that a test module needs.

`LEADSYNC_TEST_POSTGRES` is the URL of a server on which databases may be made; by default the one on this machine.
"""

from __future__ import annotations

import os
import secrets
import socket
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from leadsync import samples
from leadsync.store import engine as engines
from leadsync.store import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine

SERVER = "LEADSYNC_TEST_POSTGRES"
LOCAL = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"

__all__ = ["database_url", "lead_store", "postgres_url", "store_engine"]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Make a database of this test session's own, and drop it afterwards."""
    server = engines.normalise_url(os.environ.get(SERVER, LOCAL))
    if SERVER not in os.environ:
        try:
            socket.create_connection((server.host, server.port), timeout=2).close()
        except OSError as refused:
            pytest.skip(f"no PostgreSQL at {server.host}:{server.port} ({refused}); {SERVER} may name another")
    name = f"leadsync_test_{os.getpid()}_{secrets.token_hex(3)}"
    maker = engines.create(server).execution_options(isolation_level="AUTOCOMMIT")
    with maker.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield server.set(database=name).render_as_string(hide_password=False)
    with maker.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    maker.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'leads.db'}"
    url: str = request.getfixturevalue("postgres_url")
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    return url


@pytest.fixture
def store_engine(database_url: str) -> Iterator[Engine]:
    """Make the engine of an empty database."""
    engine = engines.create(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def lead_store(store_engine: Engine) -> Engine:
    """Make a lead store: the `sync_` tables, and `leads` without a row but with every column of the samples."""
    migrate.upgrade(store_engine)
    migrate.create_leads_table(store_engine, samples.extra_fields.COLUMNS)
    return store_engine
