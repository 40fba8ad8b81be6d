"""Bulk jobs and batches: what is known of each, kept in memory and in SQLite beside the rows they wrote.

A job is an ingest job or a query job of Bulk API 2.0, or a job of Bulk API v1, whose data come in batches. What is
processed as one piece (a job of 2.0, a batch of v1) is a `Unit`: its data lie in a file, its results in `_bulk_result`,
written in the transaction that wrote the row, so that a server that was killed goes on where it stopped.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

from salesforce_emulator import ids
from salesforce_emulator.errors import Problem

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container, Iterator, Sequence
    from pathlib import Path

    from salesforce_emulator.storage import Storage

    Kind = Literal["V2Ingest", "V2Query", "Classic"]

_TABLES = (
    "CREATE TABLE IF NOT EXISTS _bulk_unit (id TEXT PRIMARY KEY, number INTEGER, data TEXT)",
    """CREATE TABLE IF NOT EXISTS _bulk_result (
        unit TEXT, n INTEGER, record TEXT, created INTEGER, problems TEXT, PRIMARY KEY (unit, n)
    ) WITHOUT ROWID""",
)
_JOB, _BATCH = "750", "751"
_PAGE = 2_000
_UNFINISHED = frozenset({".upload", ".part"})
"""Files of uploads that a killed server was still reading."""


@dataclass(slots=True, kw_only=True)
class Unit:
    """What is processed as one piece: its state, and what came of it (milliseconds of work, records)."""

    id: str
    job_id: str
    state: str
    created: str
    modified: str
    message: str | None = None
    processed: int = 0
    failed: int = 0
    milliseconds: int = 0
    locked: Container[int] = field(default=(), metadata={"kept": False})


@dataclass(slots=True, kw_only=True)
class Job(Unit):
    """A job: who loads or reads what, and in which form."""

    kind: Kind
    operation: str
    object: str
    user_id: str
    version: str
    external_id: str | None = None
    content_type: str = "CSV"
    delimiter: str = "COMMA"
    line_ending: str = "LF"
    concurrency: str = "Parallel"
    query: str | None = None

    @property
    def is_query(self) -> bool:
        """Tell whether the job reads."""
        return self.operation.startswith("query")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one record: its position in the data, its id, whether it was created, why it was refused."""

    position: int
    record_id: str | None
    created: bool = False
    problems: Sequence[Problem] = ()

    @property
    def error(self) -> str:
        """Return the reasons as the result files print them, empty for a success."""
        return "".join(f"{each.code}:{each.message}:{' '.join([*each.fields, '--'])}" for each in self.problems)


class Jobs:
    """Hold the org's jobs and batches, oldest first, and their files in one folder."""

    def __init__(self, storage: Storage, folder: Path) -> None:
        self._storage = storage
        self._lock = threading.RLock()
        self._units: dict[str, Unit] = {}
        self._batches: dict[str, list[Unit]] = {}
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with storage.writing() as db:
            for statement in _TABLES:
                db.execute(statement)
        for (data,) in storage.fetch("SELECT data FROM _bulk_unit ORDER BY number"):
            values = orjson.loads(data)
            self._remember(Job(**values) if "kind" in values else Unit(**values))
        for unit_id in self._units:
            storage.reserve_number(unit_id[:3], ids.number(unit_id))
        for path in folder.iterdir():
            if path.suffix in _UNFINISHED or path.stem not in self._units:
                path.unlink()

    def _remember(self, unit: Unit) -> None:
        with self._lock:
            self._units[unit.id] = unit
            if not isinstance(unit, Job):
                self._batches.setdefault(unit.job_id, []).append(unit)

    def add_job(self, now: str, **values: Any) -> Job:
        """Make a job."""
        job_id = ids.make(_JOB, self._storage.next_number(_JOB))
        job = Job(id=job_id, job_id=job_id, created=now, modified=now, **values)
        self._remember(job)
        self.keep(job)
        return job

    def add_batch(self, job: Job, now: str, data: bytes) -> Unit:
        """Make a batch of a job, which waits to be worked on."""
        batch_id = ids.make(_BATCH, self._storage.next_number(_BATCH))
        batch = Unit(id=batch_id, job_id=job.id, state="Queued", created=now, modified=now)
        self.data(batch).write_bytes(data)
        self._remember(batch)
        self.keep(batch)
        return batch

    def keep(self, unit: Unit) -> None:
        """Store what a unit says now."""
        names = [name for name in _fields(unit) if name != "locked"]
        data = orjson.dumps({name: getattr(unit, name) for name in names}).decode()
        with self._storage.writing() as db:
            values = (unit.id, ids.number(unit.id), data)
            db.execute("INSERT OR REPLACE INTO _bulk_unit VALUES (?, ?, ?)", values)

    def job(self, job_id: str) -> Job | None:
        """Find a job by its id of 15 or 18 characters."""
        found = self._units.get(ids.normalise(job_id) or "")
        return found if isinstance(found, Job) else None

    def batch(self, job: Job, batch_id: str) -> Unit | None:
        """Find a batch of a job."""
        found = self._units.get(ids.normalise(batch_id) or "")
        return found if found is not None and found is not job and found.job_id == job.id else None

    def batches(self, job: Job) -> list[Unit]:
        """Return a job's batches in order."""
        with self._lock:
            return list(self._batches.get(job.id, ()))

    def all_jobs(self) -> list[Job]:
        """Return every job, oldest first."""
        with self._lock:
            return [unit for unit in self._units.values() if isinstance(unit, Job)]

    def units(self) -> list[Unit]:
        """Return jobs and batches, oldest first."""
        with self._lock:
            return list(self._units.values())

    def delete(self, job: Job) -> None:
        """Forget a job with its batches, data and results."""
        with self._lock, self._storage.writing() as db:
            for unit in [job, *self._batches.pop(job.id, ())]:
                self._units.pop(unit.id, None)
                db.execute("DELETE FROM _bulk_unit WHERE id = ?", (unit.id,))
                db.execute("DELETE FROM _bulk_result WHERE unit = ?", (unit.id,))
                for path in self.folder.glob(f"{unit.id}.*"):
                    path.unlink(missing_ok=True)

    def expire(self, before: str, final: Container[str]) -> None:
        """Forget the jobs whose youngest batch (or they themselves) is older than a stamp, if all is in a final state.

        The rule is documented (Bulk API limits).
        """
        for job in self.all_jobs():
            units = [job, *self.batches(job)]
            if max(unit.created for unit in units) < before and all(unit.state in final for unit in units):
                self.delete(job)

    def clear(self) -> None:
        """Forget everything."""
        for job in self.all_jobs():
            self.delete(job)

    def data(self, unit: Unit) -> Path:
        """Return where the data lie that were uploaded for a unit."""
        return self.folder / f"{unit.id}.data"

    def rows(self, unit: Unit) -> Path:
        """Return where the rows lie that a query read."""
        return self.folder / f"{unit.id}.rows"

    def index(self, unit: Unit) -> Path:
        """Return where the byte offsets of a query's rows lie."""
        return self.folder / f"{unit.id}.index"

    def add_results(self, db: sqlite3.Connection, unit: Unit, results: Sequence[Result]) -> None:
        """Store results inside the transaction that wrote the records."""
        values = [
            (unit.id, each.position, each.record_id, int(each.created), _problems(each.problems)) for each in results
        ]
        db.executemany("INSERT INTO _bulk_result VALUES (?, ?, ?, ?, ?)", values)

    def counts(self, unit: Unit) -> tuple[int, int]:
        """Return how many records have a result, and how many of these failed."""
        sql = "SELECT count(*), count(problems) FROM _bulk_result WHERE unit = ?"
        ((processed, failed),) = self._storage.fetch(sql, (unit.id,))
        return processed, failed

    def results(self, unit: Unit) -> Iterator[Result]:
        """Read a unit's results in the order of its data, some thousand at a time (threads may take turns)."""
        sql = "SELECT n, record, created, problems FROM _bulk_result WHERE unit = ? AND n >= ? ORDER BY n LIMIT ?"
        position = 0
        while found := self._storage.fetch(sql, (unit.id, position, _PAGE)):
            for number, record, created, problems in found:
                reasons = [Problem(*each) for each in orjson.loads(problems)] if problems else ()
                yield Result(number, record, bool(created), reasons)
            position = found[-1][0] + 1


def _fields(unit: Unit) -> Iterator[str]:
    return iter(unit.__dataclass_fields__)


def _problems(problems: Sequence[Problem]) -> str | None:
    if not problems:
        return None
    return orjson.dumps([(each.code, each.message, each.fields) for each in problems]).decode()
