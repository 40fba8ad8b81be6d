"""The org's rows in SQLite: a connection per thread, readers beside one writer, transactions that nest."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from salesforce_emulator.soql import sqlite
from salesforce_emulator.table import Table, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from salesforce_emulator.schema import FieldSchema, SObjectSchema

_SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-8192",
    "PRAGMA mmap_size=268435456",
    "PRAGMA wal_autocheckpoint=4000",
)


class Rollback(Exception):  # noqa: N818 - not an error: asks a transaction to undo itself
    """Raised inside `writing` to undo the transaction; it goes no further than that block."""


class Storage:
    """Hold an org's tables under a directory, or in a private one that vanishes with `close`."""

    def __init__(self, directory: Path | None) -> None:
        self._private = None if directory else TemporaryDirectory(prefix="salesforce-emulator-")
        folder = directory or Path(self._private.name if self._private else "")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._path = folder / "org.sqlite"
        self._synchronous = "NORMAL" if directory else "OFF"
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._writer = threading.RLock()
        self._numbers: dict[str, int] = {}
        self.tables: dict[str, Table] = {}
        self.computed: dict[str, Table] = {}
        self.connection().execute("CREATE TABLE IF NOT EXISTS _setting (name TEXT PRIMARY KEY, value TEXT)")

    def connection(self) -> sqlite3.Connection:
        """Return this thread's connection; inside `writing` it sees what is not yet committed."""
        existing: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if existing is not None:
            return existing
        made = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=60
        )
        for setting in (*_SETTINGS, f"PRAGMA synchronous={self._synchronous}"):
            made.execute(setting)
        sqlite.register(made)
        self._local.connection, self._local.depth = made, 0
        self._connections.append(made)
        return made

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction; inside another one of the same thread, a savepoint. Any exception undoes it."""
        with self._writer:
            db = self.connection()
            depth = self._local.depth
            begin, commit, undo = (
                (f"SAVEPOINT s{depth}", f"RELEASE s{depth}", f"ROLLBACK TO s{depth}")
                if depth
                else ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
            )
            db.execute(begin)
            self._local.depth = depth + 1
            try:
                yield db
            except BaseException as error:
                db.execute(undo)
                if depth:
                    db.execute(commit)
                if not isinstance(error, Rollback):
                    raise
            else:
                db.execute(commit)
            finally:
                self._local.depth = depth

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read several times from one state of the org, whatever others write meanwhile."""
        db = self.connection()
        if db.in_transaction:
            yield db
            return
        db.execute("BEGIN")
        try:
            yield db
        finally:
            db.execute("COMMIT")

    def open(self, schemas: Mapping[str, SObjectSchema], *, empty: bool) -> None:
        """Make each object's table where it is missing, or all of them anew when `empty`."""
        with self.writing() as db:
            self.tables = {name: Table(schema) for name, schema in schemas.items() if schema.stored}
            self.computed = {name: Table(schema) for name, schema in schemas.items() if not schema.stored}
            existing = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "sqlite_sequence" in existing:
                self._numbers |= dict(db.execute("SELECT name, seq FROM sqlite_sequence")) if not self._numbers else {}
            for table in self.tables.values():
                if empty:
                    db.execute(f"DROP TABLE IF EXISTS {quoted(table.name)}")
                if empty or table.name not in existing:
                    for statement in table.create_sql():
                        db.execute(statement)

    def next_number(self, name: str) -> int:
        """Take the next row number of an object; numbers are never used again, not even after a reset."""
        self._numbers[name] = number = self._numbers.get(name, 0) + 1
        return number

    def reserve_number(self, name: str, number: int | None) -> None:
        """Make the next row number of an object greater than `number`."""
        self._numbers[name] = max(self._numbers.get(name, 0), number or 0)

    def refresh(self, schema: SObjectSchema) -> None:
        """Take over an object's changed attributes; its columns are the same."""
        self.tables[schema.name] = Table(schema)

    def add_column(self, schema: SObjectSchema, field: FieldSchema) -> None:
        """Add a field's column; `schema` is the object with the field in it."""
        table = Table(schema)
        with self.writing() as db:
            if field.name in table.position:
                db.execute(f"ALTER TABLE {quoted(table.name)} ADD COLUMN {table.column_sql(field)}")
                if table.is_indexed(field):
                    db.execute(table.index_sql(field))
            self.tables[schema.name] = table

    def drop_column(self, schema: SObjectSchema, name: str) -> None:
        """Drop a field's column with its values; `schema` is the object without the field."""
        with self.writing() as db:
            db.execute(f"DROP INDEX IF EXISTS {quoted(f'{schema.name}.{name}')}")
            db.execute(f"ALTER TABLE {quoted(schema.name)} DROP COLUMN {quoted(name)}")
            self.tables[schema.name] = Table(schema)

    def settings(self) -> dict[str, str]:
        """Return what was kept with `keep`."""
        return dict(self.connection().execute("SELECT name, value FROM _setting"))

    def keep(self, values: Iterable[tuple[str, str]]) -> None:
        """Keep settings of the org (its keys and passwords) beside the rows."""
        with self.writing() as db:
            db.executemany("INSERT OR REPLACE INTO _setting VALUES (?, ?)", values)

    def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a SELECT on this thread's connection and return its rows."""
        return self.connection().execute(sql, tuple(parameters)).fetchall()

    def close(self) -> None:
        """Close every connection and remove a private directory."""
        for each in self._connections:
            each.close()
        if self._private:
            self._private.cleanup()
