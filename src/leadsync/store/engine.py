"""Engines for the lead store: SQLite on a laptop, PostgreSQL in production.

Both give the same promises. A transaction is real from its first statement on. `engine.begin()` is a transaction that
means to write; on SQLite it takes the write lock at once, because a reader that turns writer in mid-transaction is
refused without waiting if somebody else has written meanwhile. `reading` is one unchanging view of the data that
blocks nobody. Trouble with the connection is a `LeadStoreUnavailableError` that names the place, never the password.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, make_url

from leadsync.errors import ConfigurationError, LeadStoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, ExceptionContext

BUSY_SECONDS = 30
"""How long a writer waits for another one on SQLite."""

CONNECT_SECONDS = 10
"""How long PostgreSQL may take to accept a connection."""

_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}

_SQLITE_TROUBLE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_READONLY")
"""SQLite says `OperationalError` to a misspelt column too; these are the ones that mean the database itself."""


def normalise_url(url: str | URL) -> URL:
    """Spell the driver out, whichever way the URL of a lead store is written.

    Raises:
        ConfigurationError: the text is no URL, or names a database that the lead store cannot live in.
    """
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        # The text is not repeated: it may hold a password.
        raise ConfigurationError(
            "the URL of the lead store cannot be read; write sqlite:////path/to/file "
            "or postgresql+psycopg://user:password@host:5432/database"
        ) from None
    name = parsed.get_backend_name()
    if name not in _DRIVERS:
        raise ConfigurationError(f"the lead store cannot live in {name}; it takes sqlite or postgresql")
    return parsed.set(drivername=_DRIVERS[name])


def place(url: URL) -> str:
    """Name where a lead store is, without user, password or query."""
    if url.get_backend_name() == "sqlite":
        return f"SQLite {url.database or ':memory:'}"
    host = url.host or url.query.get("host", "the local socket")
    return f"PostgreSQL {host}:{url.port or 5432}/{url.database or ''}"


def create(url: str | URL) -> Engine:
    """Make the engine of a lead store; nothing is connected yet.

    Raises:
        ConfigurationError: the URL is wrong, or PostgreSQL's driver is not installed.
    """
    parsed = normalise_url(url)
    # No value of a lead may reach a log: errors show statements without their parameters.
    options: dict[str, Any] = {"json_serializer": _dump, "json_deserializer": orjson.loads, "hide_parameters": True}
    if parsed.get_backend_name() == "postgresql":
        options |= {"pool_pre_ping": True}
        parsed = parsed.update_query_dict(
            {"connect_timeout": str(CONNECT_SECONDS), "application_name": "leadsync", **parsed.query}
        )
    else:
        options |= {"connect_args": {"timeout": BUSY_SECONDS}}
    try:
        engine = sa.create_engine(parsed, **options)
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"the driver of {place(parsed)} is not installed ({missing.name}); install leadsync[postgres]"
        ) from missing
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "handle_error", _name_the_place)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open one unchanging view of the database: it sees no later commit and blocks nobody; do not write in it."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            view = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        else:
            view = connection.execution_options(leadsync_reading=True)
        with view.begin():
            yield view


def _dump(value: Any) -> str:
    return orjson.dumps(value).decode()


def _prepare_sqlite(connection: Any, record: Any) -> None:
    del record
    # Without this, sqlite3 opens transactions by itself, late, and commits before some statements.
    connection.isolation_level = None
    # synchronous stays FULL: an intent in the journal must survive a power cut before its request is sent.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("leadsync_reading", False)
    connection.exec_driver_sql("BEGIN DEFERRED" if reads else "BEGIN IMMEDIATE")


def _name_the_place(context: ExceptionContext) -> Exception | None:
    error = context.original_exception
    if isinstance(context.sqlalchemy_exception, sa.exc.IntegrityError) and hasattr(error, "diag"):
        # PostgreSQL repeats the refused value in its message's detail; the first line names the constraint.
        plain = type(error)(error.diag.message_primary)
        return sa.exc.IntegrityError(context.statement, None, plain, hide_parameters=True)
    if context.dialect.name == "sqlite":
        trouble = str(getattr(error, "sqlite_errorname", "")).startswith(_SQLITE_TROUBLE)
    else:
        dbapi: Any = context.dialect.loaded_dbapi
        trouble = context.is_disconnect or isinstance(error, dbapi.OperationalError)
    if not trouble:
        return None
    url = context.engine.url if context.engine is not None else None
    where = place(url) if url is not None else "an unnamed database"
    return LeadStoreUnavailableError(
        f"the lead store ({where}) cannot be used: {str(error).strip()}. "
        "Check that the database runs and that the connection lead_store names it; the task is tried again."
    )
