"""Bulk API 2.0 query jobs under `/jobs/query`: create, read, abort, delete, list, and the results page by page.

Documented: states, keys, locator and headers (the literal `null` at the end), 10,000 jobs a day. Known from clients'
code: the text of the exhausted limit. Guessed: the codes of results that are not ready and of another API version.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from salesforce_emulator import errors
from salesforce_emulator.access import ADMIN
from salesforce_emulator.bulk import export, ingest
from salesforce_emulator.limits import BULK_QUERIES
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from salesforce_emulator.bulk.jobs import Job
    from salesforce_emulator.web import Call

_PAGE = 50_000
_DELETABLE = frozenset({"JobComplete", "Aborted", "Failed"})


def create(call: Call) -> Reply:
    """Answer POST /jobs/query; a query that is wrong is refused here already."""
    given = call.json_object()
    operation, text = given.get("operation"), given.get("query")
    if operation not in ("query", "queryAll"):
        raise errors.simple(400, "INVALIDJOB", f"Unknown operation: {operation}")
    if not isinstance(text, str) or not text.strip():
        raise errors.simple(400, "INVALIDJOB", "No query to process.")
    layout = ingest.options(given)
    _, name = export.prepare(call.org, call.user, text, deleted=operation == "queryAll")
    quota = call.org.quota
    if not quota.take(BULK_QUERIES):
        limit = quota.as_json()[BULK_QUERIES]["Max"]
        text = f"Max bulk v2 query jobs ({limit}) per 24 hrs has been reached ({limit})"
        raise errors.simple(400, "LIMIT_EXCEEDED", text)
    job = call.org.bulk.jobs.add_job(
        call.org.clock.stamp(),
        kind="V2Query",
        state="UploadComplete",
        operation=operation,
        object=name,
        user_id=call.user.id,
        version=call.version,
        query=text,
        **layout,
    )
    shown = ingest.described(job)
    call.org.bulk.submit(job)
    return Reply(shown)


def read(call: Call, job_id: str) -> Reply:
    """Answer GET /jobs/query/{job}."""
    return Reply(_shown(_find(call, job_id)))


def change(call: Call, job_id: str) -> Reply:
    """Answer PATCH /jobs/query/{job}: a query job can be aborted and nothing else."""
    job, state = _find(call, job_id), call.json_object().get("state")
    if state != "Aborted":
        raise errors.simple(400, "INVALIDJOBSTATE", f"Invalid job state: {state}")
    ingest.abort(call, job)
    return Reply(_shown(job))


def delete(call: Call, job_id: str) -> Reply:
    """Answer DELETE /jobs/query/{job}."""
    job = _find(call, job_id)
    if job.state not in _DELETABLE:
        raise errors.simple(400, "INVALIDJOBSTATE", f"Deleting {job.state} Job not allowed")
    call.org.bulk.jobs.delete(job)
    return Reply(None, 204)


def list_all(call: Call) -> Reply:
    """Answer GET /jobs/query."""
    return ingest.list_jobs(call, "query", (job for job in call.org.bulk.current().all_jobs() if job.is_query))


def results(call: Call, job_id: str) -> Reply:
    """Answer GET /jobs/query/{job}/results: `maxRecords` rows from `locator` on."""
    job = _find(call, job_id)
    if job.version != call.version:
        text = f"The job was created with API version {job.version}; its results are read with the same version"
        raise errors.simple(409, "API_VERSION_MISMATCH", text)
    if job.state != "JobComplete":
        raise errors.simple(400, "JOB_NOT_COMPLETE", f"Job is not complete. Current job state is '{job.state}'")
    limit = call.params.get("maxRecords", str(_PAGE))
    if not limit.isascii() or not limit.isdecimal() or not 0 < len(limit) < 10 or int(limit) == 0:  # noqa: PLR2004
        raise errors.simple(400, "INVALID_PARAMETER", f"maxRecords is a number above 0, not {limit}")
    first = _position(call.params.get("locator", ""))
    jobs = call.org.bulk.jobs
    body, count, following = export.page(jobs.rows(job), jobs.index(job), first, int(limit))
    headers = {
        "Content-Type": "text/csv",
        "Sforce-NumberOfRecords": str(count),
        "Sforce-Locator": "null" if following is None else _locator(following),
    }
    return Reply(body, 200, headers)


def _shown(job: Job) -> dict[str, Any]:
    shown = ingest.described(job) | {
        "jobType": job.kind,
        "numberRecordsProcessed": job.processed,
        "retries": 0,
        "totalProcessingTime": job.milliseconds,
    }
    return shown | ({"errorMessage": job.message} if job.message else {})


def _find(call: Call, job_id: str) -> Job:
    job = call.org.bulk.current().job(job_id)
    if job is None or job.kind != "V2Query" or (job.user_id != call.user.id and call.user.profile != ADMIN):
        raise errors.not_found()
    return job


def _locator(position: int) -> str:
    return base64.b64encode(str(position).encode()).decode().rstrip("=")


def _position(locator: str) -> int:
    if not locator:
        return 0
    try:
        text = base64.b64decode(locator + "=" * (-len(locator) % 4), validate=True).decode()
        if text.isascii() and text.isdecimal() and len(text) < 16:  # noqa: PLR2004
            return int(text)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise errors.simple(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
