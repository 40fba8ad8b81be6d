"""The result files of an ingest job: its data, read again beside the results, streamed.

Recorded in clients' tests: the columns `sf__Id`, `sf__Created`, `sf__Error` and the text of an error. Every cell is
quoted, since jsforce and the sf CLI try all delimiters on a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from salesforce_emulator.bulk import csvio
from salesforce_emulator.bulk.csvio import InvalidBatchError

if TYPE_CHECKING:
    from salesforce_emulator.bulk.jobs import Job, Jobs, Result

    Line = list[str]

Kind = Callable[["Jobs", "Job"], Iterator[bytes]]


def successful(jobs: Jobs, job: Job) -> Iterator[bytes]:
    """Print the records that were written, with their ids."""
    return _joined(jobs, job, ["sf__Id", "sf__Created"], _success)


def failed(jobs: Jobs, job: Job) -> Iterator[bytes]:
    """Print the records that were refused, with the reasons."""
    return _joined(jobs, job, ["sf__Id", "sf__Error"], _failure)


def unprocessed(jobs: Jobs, job: Job) -> Iterator[bytes]:
    """Print the records that nothing was done with, as they came."""

    def lines() -> Iterator[Line]:
        done, _ = jobs.counts(job)
        for position, line in enumerate(_data(jobs, job), start=-1):
            if position < 0 or position >= done:
                yield line

    return _printed(job, lines())


def _success(line: Line, result: Result) -> Line | None:
    if result.problems:
        return None
    return [result.record_id or "", "true" if result.created else "false", *line]


def _failure(line: Line, result: Result) -> Line | None:
    return ["", result.error, *line] if result.problems else None


def _joined(jobs: Jobs, job: Job, names: Line, shown: Callable[[Line, Result], Line | None]) -> Iterator[bytes]:
    def lines() -> Iterator[Line]:
        data = _data(jobs, job)
        yield [*names, *next(data, [])]
        for line, result in zip(data, jobs.results(job), strict=False):
            if (found := shown(line, result)) is not None:
                yield found

    return _printed(job, lines())


def _data(jobs: Jobs, job: Job) -> Iterator[Line]:
    """Read the data as far as they can be read."""
    path = jobs.data(job)
    if not path.exists():
        return
    try:
        yield from csvio.rows(path, csvio.DELIMITERS[job.delimiter])
    except InvalidBatchError:
        return


def _printed(job: Job, lines: Iterator[Line]) -> Iterator[bytes]:
    return csvio.printed(lines, csvio.DELIMITERS[job.delimiter], csvio.LINE_ENDINGS[job.line_ending])
