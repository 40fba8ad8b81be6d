"""The org's bulk service: its jobs, the threads that work on them, and their pace."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from salesforce_emulator.bulk import export
from salesforce_emulator.bulk.csvio import InvalidBatchError
from salesforce_emulator.bulk.jobs import Job, Jobs
from salesforce_emulator.bulk.load import LOT, Loader
from salesforce_emulator.clock import stamp
from salesforce_emulator.errors import ApiError
from salesforce_emulator.limits import BULK_BATCHES, BULK_QUERY_MEGABYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from salesforce_emulator.bulk.jobs import Unit
    from salesforce_emulator.bulk.load import Record
    from salesforce_emulator.org import Org
    from salesforce_emulator.users import User

_log = logging.getLogger(__name__)

BATCH = 10_000
RUNNING, WAITING = frozenset({"InProgress"}), frozenset({"UploadComplete", "Queued"})
DONE, DONE_V1 = "JobComplete", "Completed"
FINAL = frozenset({DONE, DONE_V1, "Closed", "Aborted", "Failed", "NotProcessed"})
KEPT = timedelta(days=7)
"""How long what is finished can be read (documented)."""
_POLL_SECONDS = 0.2


@dataclass(slots=True)
class Pace:
    """How fast jobs run: nothing while `paused`, else `seconds` of rest before each batch of `batch_size` records."""

    paused: bool = False
    seconds: float = 0
    batch_size: int = BATCH


class Bulk:
    """Run the jobs of an org in the background: loads one after the other, and queries beside them."""

    def __init__(self, org: Org, folder: Path) -> None:
        self._org = org
        self.jobs = Jobs(org.storage, folder)
        self.pace = Pace()
        self._changed = threading.Condition()
        self._closing = False
        self._loads: queue.Queue[Unit | None] = queue.Queue()
        self._queries: queue.Queue[Unit | None] = queue.Queue()
        self._threads: list[threading.Thread] = []
        for unit in self.jobs.units():
            if unit.state in RUNNING | WAITING:
                self.submit(unit)

    def submit(self, unit: Unit) -> None:
        """Let a unit be worked on."""
        with self._changed:
            if not self._threads:
                for waiting in (self._loads, self._queries):
                    thread = threading.Thread(target=self._work, args=(waiting,), name="bulk", daemon=True)
                    self._threads.append(thread)
                    thread.start()
        job = self.job_of(unit)
        (self._queries if job.is_query else self._loads).put(unit)

    def job_of(self, unit: Unit) -> Job:
        """Return the job that a unit is or belongs to."""
        job = unit if isinstance(unit, Job) else self.jobs.job(unit.job_id)
        if job is None:
            raise KeyError(unit.id)
        return job

    def set_pace(self, **changes: Any) -> Pace:
        """Change the pace; running jobs follow at once."""
        with self._changed:
            for name, value in changes.items():
                setattr(self.pace, name, value)
            self._changed.notify_all()
        return self.pace

    def set_state(self, unit: Unit, state: str, *, unless: frozenset[str] = frozenset()) -> bool:
        """Move a unit to a state and stamp it; False where it is in a state that forbids it."""
        with self._changed:
            if unit.state in unless:
                return False
            unit.state, unit.modified = state, self._org.clock.stamp()
            self.jobs.keep(unit)
            self._changed.notify_all()
        return True

    def abort_batches(self, job: Job) -> bool:
        """Abort a job of v1: what waits is not processed, what runs fails; False where nothing is left to abort."""
        with self._changed:
            unfinished = [batch for batch in self.jobs.batches(job) if batch.state not in FINAL]
            if job.state == "Aborted" or (job.state == "Closed" and not unfinished):
                return False
            self.set_state(job, "Aborted")
            for batch in unfinished:
                self.set_state(batch, "NotProcessed" if batch.state in WAITING else "Failed")
        return True

    def current(self) -> Jobs:
        """Return the jobs, without those whose time is over by the org's clock."""
        self.jobs.expire(stamp(self._org.clock.now() - KEPT), FINAL)
        return self.jobs

    def reset(self) -> None:
        """Forget all jobs; what runs stops before its next records."""
        with self._changed:
            for unit in self.jobs.units():
                unit.state = "Aborted"
            self.jobs.clear()
            self.pace = Pace()
            self._changed.notify_all()

    def close(self) -> None:
        """Stop the threads; what is unfinished goes on with the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for waiting in (self._loads, self._queries):
            waiting.put(None)
        for thread in self._threads:
            thread.join()

    # --- in the background -------------------------------------------------------------------------------------

    def _work(self, waiting: queue.Queue[Unit | None]) -> None:
        while (unit := waiting.get()) is not None and not self._closing:
            try:
                self._run(unit)
            except Exception:  # noqa: BLE001 - a defect of ours must not end the thread
                _log.exception("bulk job %s failed", unit.id)
                self._finish(unit, "Failed", "InternalServerError : an unexpected error occurred")

    def _run(self, unit: Unit) -> None:
        if not self._rest(unit, 0) or not self._begin(unit):
            return
        job, started = self.job_of(unit), time.perf_counter()
        user = next(user for user in self._org.users if user.id == job.user_id)
        try:
            if not self._rest(unit, self.pace.seconds):
                return
            if job.is_query:
                self._read(unit, job, user)
            else:
                self._load(unit, job, user)
        except InvalidBatchError as error:
            self._finish(unit, "Failed", str(error), started)
            return
        except ApiError as error:
            code, message = error.body[0]["errorCode"], error.body[0]["message"]
            text = message if unit is job else f"InvalidBatch : Failed to process query: {code}: {message}"
            self._finish(unit, "Failed", text, started)
            return
        self._finish(unit, DONE if unit is job else DONE_V1, None, started)

    def _begin(self, unit: Unit) -> bool:
        return self._alive(unit) and self.set_state(unit, "InProgress", unless=frozenset({"Aborted", "NotProcessed"}))

    def _finish(self, unit: Unit, state: str, message: str | None, started: float | None = None) -> None:
        with self._changed:
            if self._closing or not self._alive(unit):
                return
            unit.message = message
            if started is not None:
                unit.milliseconds += int((time.perf_counter() - started) * 1000) + 1
            self.set_state(unit, state)

    def _alive(self, unit: Unit) -> bool:
        """Tell whether a unit is still to be worked on: not aborted, deleted or swept away by a reset."""
        return not self._closing and unit.state in RUNNING | WAITING

    def _rest(self, unit: Unit, seconds: float) -> bool:
        """Wait as the pace says; False where the unit is not to be worked on any more."""
        until = time.monotonic() + seconds
        with self._changed:
            while self._alive(unit) and (self.pace.paused or time.monotonic() < until):
                self._changed.wait(_POLL_SECONDS if self.pace.paused else max(until - time.monotonic(), 0.001))
        return self._alive(unit)

    def _load(self, unit: Unit, job: Job, user: User) -> None:
        org = self._org
        view = org.view(user, job.object)
        if view is None:
            raise InvalidBatchError(f"Unable to find object: {job.object}", "InvalidJob")
        loader = Loader(org, user, view, job)
        given = loader.records(self.jobs.data(unit))
        if unit is not job:
            given = _at_most(BATCH, given)
        unit.processed, unit.failed = self.jobs.counts(unit)
        done = unit.processed
        next(islice(given, done, done), None)
        while batch := list(islice(given, max(self.pace.batch_size, 1))):
            if done and not self._rest(unit, self.pace.seconds):
                return
            # A batch of v1 was counted when it came.
            if unit is job and not org.quota.take(BULK_BATCHES):
                raise InvalidBatchError("ApiBatchItems Limit exceeded.", "ExceededQuota")
            for start in range(0, len(batch), LOT):
                with org.storage.writing() as db:
                    if not self._alive(unit):
                        return
                    results = loader.write(batch[start : start + LOT], done, db, unit.locked)
                    self.jobs.add_results(db, unit, results)
                done += len(results)
                unit.processed, unit.failed = done, unit.failed + sum(bool(each.problems) for each in results)
            self.jobs.keep(unit)

    def _read(self, unit: Unit, job: Job, user: User) -> None:
        org = self._org
        text = job.query if unit is job else self.jobs.data(unit).read_text(encoding="utf-8", errors="replace")
        compiled, root = export.prepare(org, user, text or "", deleted=job.operation == "queryAll")
        if root != job.object:
            raise export.other_object(root, job.object)
        if unit is job and not org.quota.left(BULK_QUERY_MEGABYTES):
            raise InvalidBatchError("Bulk query file storage limit exceeded.", "ExceededQuota")
        found = self.jobs.rows(unit)

        def going() -> bool:
            return self._rest(unit, 0)

        if job.content_type == "CSV":
            unit.processed = export.write_csv(org, job, compiled, (found, self.jobs.index(unit)), going)
        else:
            write = export.write_json if job.content_type == "JSON" else export.write_xml
            unit.processed = write(org, job, compiled, found, going)
        if unit is job:
            org.quota.take(BULK_QUERY_MEGABYTES, found.stat().st_size / 2**20)


def _at_most(limit: int, given: Iterator[Record]) -> Iterator[Record]:
    """Read a batch of v1 as a whole, or refuse it: the text, with its header counted, is from a user's report."""
    found = list(given)
    if len(found) > limit:
        text = f"Exceeded number of records: {len(found) + 1}. Number of records should be less than or equal to"
        raise InvalidBatchError(f"{text} {limit + 1}")
    return iter(found)
