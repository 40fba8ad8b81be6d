"""Write a unit's records: insert, update, upsert, delete and hardDelete, by the functions that REST writes with.

As on a real org, records are saved 200 at a time, each lot in a transaction of its own, and every batch of up to 10,000
counts against the daily limit. A record that is refused leaves the others alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from salesforce_emulator import errors, ids, records, rows
from salesforce_emulator.bulk import csvio, trees
from salesforce_emulator.bulk.columns import SPELLINGS, Columns, Entry, own_id
from salesforce_emulator.bulk.csvio import InvalidBatchError
from salesforce_emulator.bulk.jobs import Result
from salesforce_emulator.errors import ApiError, FieldTypeError, Problem, RecordError
from salesforce_emulator.records import Writer
from salesforce_emulator.table import quoted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.bulk.jobs import Job
    from salesforce_emulator.org import Org
    from salesforce_emulator.users import User

    Record = tuple[Columns, Sequence[Any]]
    """What the columns mean, and the cells."""

LOT = 200
OPERATIONS = frozenset({"insert", "update", "upsert", "delete", "hardDelete"})


@dataclass(slots=True)
class Loader:
    """Write records of one job for its user."""

    org: Org
    user: User
    view: ObjectView
    job: Job

    def records(self, path: Path) -> Iterator[Record]:
        """Read a unit's data: each record's cells and what its columns mean. Raises `InvalidBatchError`."""
        if self.job.content_type == "CSV":
            return self._from_csv(path)
        read = trees.from_json if self.job.content_type == "JSON" else trees.from_xml
        return self._from_trees(read(path.read_bytes()))

    def write(self, lot: Sequence[Record], first: int, db: sqlite3.Connection, locked: Any = ()) -> list[Result]:
        """Write records inside the caller's transaction; `first` is the position of the first in the data."""
        writer = Writer.at(self.org, self.user, self.org.clock.now())
        spelling = SPELLINGS[self.job.content_type]
        seen: set[Any] = set()
        results = []
        for position, (columns, cells) in enumerate(lot, start=first):
            try:
                if position in locked:
                    raise errors.locked(None)
                entry = columns.read(db, cells, spelling)
                record_id, created = _WRITES[self.job.operation](self, writer, db, entry, seen)
                results.append(Result(position, record_id, created))
            except RecordError as error:
                results.append(Result(position, None, problems=tuple(error.problems)))
            except FieldTypeError as error:
                problem = Problem("INVALID_TYPE_ON_FIELD_IN_RECORD", f"value not of required type: {error.value}")
                results.append(Result(position, None, problems=(problem,)))
            except ApiError as error:
                problem = Problem(error.body[0]["errorCode"], error.body[0]["message"])
                results.append(Result(position, None, problems=(problem,)))
        return results

    def _from_csv(self, path: Path) -> Iterator[Record]:
        delimiter = csvio.DELIMITERS[self.job.delimiter]
        if self.job.kind == "V2Ingest":
            csvio.check(path, delimiter, csvio.LINE_ENDINGS[self.job.line_ending])
        lines = csvio.rows(path, delimiter)
        columns = self._columns(next(lines, []))
        for line in lines:
            if len(line) != columns.width:
                message = f"Number of columns in a row ({len(line)}) differs from the header's ({columns.width})"
                raise InvalidBatchError(message)
            yield columns, line

    def _from_trees(self, records: Iterator[dict[str, Any]]) -> Iterator[Record]:
        known: dict[tuple[str, ...], Columns] = {}
        for record in records:
            names = tuple(record)
            if names not in known:
                known[names] = self._columns(names)
            yield known[names], list(record.values())

    def _columns(self, names: Sequence[str]) -> Columns:
        operation = self.job.operation
        if not names and self.job.content_type == "CSV":
            raise InvalidBatchError("Records not found")
        key = None
        if operation == "upsert" and (self.job.external_id or "").lower() != "id":
            key = rows.key_field(self.view, self.job.external_id or "")
        columns = Columns(self.view, lambda name: self.org.view(self.user, name), names, key)
        if operation in {"update", "delete", "hardDelete"} and not columns.has_id and self.job.content_type == "CSV":
            raise InvalidBatchError("Field name not found : Id")
        if operation in {"delete", "hardDelete"} and columns.width > 1:
            raise InvalidBatchError("Delete batch must only have an id column")
        if key is not None and not columns.has_key and self.job.content_type == "CSV":
            raise InvalidBatchError(f"Field name not found : {key.name}")
        return columns

    # --- one record --------------------------------------------------------------------------------------------

    def insert(self, writer: Writer, db: sqlite3.Connection, entry: Entry, _: set[Any]) -> tuple[str, bool]:
        """Create a row."""
        if entry.record_id is not None:
            text = "cannot specify Id in an insert call"
            raise RecordError([Problem("INVALID_FIELD_FOR_INSERT_UPDATE", text, ("Id",))])
        return records.create(writer, db, self.view, entry.values), True

    def update(self, writer: Writer, db: sqlite3.Connection, entry: Entry, seen: set[Any]) -> tuple[str, bool]:
        """Change the row that the record names."""
        record_id = own_id(self.view, entry.record_id, "update")
        if record_id in seen:
            raise RecordError([Problem("DUPLICATE_VALUE", f"duplicate id specified: {record_id}")])
        seen.add(record_id)
        records.update(writer, db, self.view, record_id, entry.values)
        return record_id, False

    def upsert(self, writer: Writer, db: sqlite3.Connection, entry: Entry, seen: set[Any]) -> tuple[str, bool]:
        """Change the row with the record's id or key, or create it."""
        name = self.job.external_id or ""
        if name.lower() == "id":
            write = self.insert if entry.record_id is None else self.update
            return write(writer, db, entry, seen)
        field = rows.key_field(self.view, name)
        key = rows.key_value(self.view, field, entry.key or "")
        folded = key.lower() if isinstance(key, str) and not field.case_sensitive else key
        if folded in seen:
            raise RecordError([Problem("DUPLICATE_VALUE", f"Duplicate external id specified: {key}", (field.name,))])
        seen.add(folded)
        return records.upsert(writer, db, self.view, field=field, key=key, values=entry.values)

    def delete(self, writer: Writer, db: sqlite3.Connection, entry: Entry, _: set[Any]) -> tuple[str, bool]:
        """Move the row to the recycle bin."""
        record_id = own_id(self.view, entry.record_id, "delete")
        records.delete(writer, db, self.view, record_id)
        return record_id, False

    def hard_delete(self, writer: Writer, db: sqlite3.Connection, entry: Entry, seen: set[Any]) -> tuple[str, bool]:
        """Delete the row past the recycle bin."""
        record_id, _ = self.delete(writer, db, entry, seen)
        db.execute(f"DELETE FROM {quoted(self.view.name)} WHERE _n = ?", (ids.number(record_id),))
        return record_id, False


_WRITES: dict[str, Callable[[Loader, Writer, sqlite3.Connection, Entry, set[Any]], tuple[str, bool]]] = {
    "insert": Loader.insert,
    "update": Loader.update,
    "upsert": Loader.upsert,
    "delete": Loader.delete,
    "hardDelete": Loader.hard_delete,
}
