"""Engines of the lead store: URLs, transactions, and what is said when the database is not there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from leadsync.errors import ConfigurationError, LeadStoreUnavailableError
from leadsync.store import engine as engines
from tests.databases import *  # noqa: F403

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine


@pytest.mark.parametrize(
    ("written", "spelled_out"),
    [
        ("postgres://u:p@h:5433/d", "postgresql+psycopg://u:p@h:5433/d"),
        ("postgresql://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+psycopg://h/d?sslmode=require", "postgresql+psycopg://h/d?sslmode=require"),
        ("sqlite:////var/leads.db", "sqlite:////var/leads.db"),
    ],
)
def test_the_driver_is_spelled_out(written: str, spelled_out: str) -> None:
    """Every usual way to write a URL means the same driver."""
    assert engines.normalise_url(written).render_as_string(hide_password=False) == spelled_out


@pytest.mark.parametrize("url", ["", "leads.db", "mysql://u:hush@h/d", "postgresql//u:hush@h/d"])
def test_a_wrong_url_is_refused_without_repeating_its_password(url: str) -> None:
    """A URL that names no lead store is a configuration error, and the message keeps the password to itself."""
    with pytest.raises(ConfigurationError) as refusal:
        engines.create(url)
    assert "hush" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    """The error says which host, port and database; neither user nor password."""
    pytest.importorskip("psycopg")
    engine = engines.create("postgresql://lead_user:hush@127.0.0.1:1/leads?password=hush")
    with (
        pytest.raises(LeadStoreUnavailableError, match=r"PostgreSQL 127\.0\.0\.1:1/leads") as unavailable,
        engine.connect(),
    ):
        pass
    assert "hush" not in str(unavailable.value)
    assert "lead_user" not in str(unavailable.value)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """On SQLite the error names the file."""
    engine = engines.create(f"sqlite:///{tmp_path}/missing/leads.db")
    with pytest.raises(LeadStoreUnavailableError, match=r"missing/leads\.db"), engine.connect():
        pass


def test_a_misspelt_table_is_no_trouble_with_the_database(store_engine: Engine) -> None:
    """Our own mistakes keep their own exceptions: trying again would not help."""
    with pytest.raises(sa.exc.DBAPIError), store_engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1 FROM nowhere")


@pytest.mark.postgres
def test_a_lost_connection_is_something_to_try_again(postgres_url: str) -> None:
    """A connection that breaks in the middle of a transaction is the database's trouble."""
    engine = engines.create(postgres_url)
    with engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with engine.connect() as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(LeadStoreUnavailableError):
            connection.exec_driver_sql("SELECT 1")


def _fail_half_way(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE half (n INTEGER)")
        connection.exec_driver_sql("INSERT INTO half VALUES (1)")
        raise ZeroDivisionError


def test_a_failed_block_leaves_nothing_behind(store_engine: Engine) -> None:
    """A transaction is all or nothing, tables included."""
    with pytest.raises(ZeroDivisionError):
        _fail_half_way(store_engine)
    assert not sa.inspect(store_engine).has_table("half")


def test_writers_that_read_first_wait_for_one_another(store_engine: Engine) -> None:
    """Four writers count up a number 25 times each, reading it first: none fails, and no count is lost."""
    with store_engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE counter (n INTEGER)")
        connection.exec_driver_sql("INSERT INTO counter VALUES (0)")
    lock = "" if store_engine.dialect.name == "sqlite" else " FOR UPDATE"
    failures: list[BaseException] = []

    def count() -> None:
        try:
            for _ in range(25):
                with store_engine.begin() as connection:
                    number = connection.exec_driver_sql(f"SELECT n FROM counter{lock}").scalar_one()
                    connection.execute(sa.text("UPDATE counter SET n = :n"), {"n": number + 1})
        except BaseException as failure:  # noqa: BLE001 - it is raised again below, where pytest sees it
            failures.append(failure)

    writers = [threading.Thread(target=count) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    with store_engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT n FROM counter").scalar_one() == 100


def test_a_reader_keeps_its_view_and_blocks_nobody(store_engine: Engine) -> None:
    """While `reading` is open another connection commits, and the reader goes on seeing what it saw."""
    with store_engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE note (n INTEGER)")
    count = sa.text("SELECT count(*) FROM note")
    with engines.reading(store_engine) as view:
        before = view.execute(count).scalar_one()
        with store_engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO note VALUES (1)")
        after = view.execute(count).scalar_one()
    with engines.reading(store_engine) as view:
        later = view.execute(count).scalar_one()
    assert (before, after, later) == (0, 0, 1)
