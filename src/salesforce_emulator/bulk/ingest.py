"""Bulk API 2.0 ingest jobs under `/jobs/ingest`: create, upload, close, abort, delete, list, and their results.

Documented (Bulk API 2.0 developer guide): the states, the keys of a job, the job lists, what may be deleted when, the
multipart create. Known from users' reports: the refusal of a second upload and of changing a finished job. Guessed: the
error codes spelled as v1's exception codes in capitals, the text for a state that is no state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import errors, ids
from salesforce_emulator.access import ADMIN
from salesforce_emulator.bulk import csvio, results, uploads
from salesforce_emulator.bulk.load import OPERATIONS
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.bulk.jobs import Job
    from salesforce_emulator.web import Call

_MAX_MULTIPART = 100_000
_LIST_PAGE = 1_000
_FINISHED = {"JobComplete": "Completed", "Failed": "Failed", "Aborted": "Aborted"}


def create(call: Call) -> Reply:
    """Answer POST /jobs/ingest: a job that waits for its data, or has them already (multipart)."""
    content_type = call.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/"):
        return Reply(_created(call, _new_job(call, call.json_object(), "Open")))
    if len(call.body) > _MAX_MULTIPART:
        raise errors.simple(400, "INVALIDBATCH", f"A multipart job takes at most {_MAX_MULTIPART} characters")
    parts = uploads.multipart(call.body, content_type)
    try:
        given = orjson.loads(parts[b"job"])
        content = parts[b"content"]
    except (KeyError, orjson.JSONDecodeError):
        raise errors.simple(400, "INVALIDJOB", "A multipart job has the parts job (JSON) and content (CSV)") from None
    if not isinstance(given, dict):
        raise errors.json_shape("object")
    job = _new_job(call, given, "Open")
    call.org.bulk.jobs.data(job).write_bytes(content)
    call.org.bulk.set_state(job, "UploadComplete")
    call.org.bulk.submit(job)
    return Reply(_created(call, job))


def upload(call: Call, job_id: str) -> Reply:
    """Answer PUT /jobs/ingest/{job}/batches: the whole of the data, once."""
    job = _find(call, job_id)
    if job.state != "Open":
        text = f"Failed to create batch, since the Job is not Open. Current job state is '{job.state}'"
        raise errors.simple(400, "INVALIDJOBSTATE", text)
    if not call.headers.get("content-type", "text/csv").lower().startswith("text/csv"):
        raise errors.simple(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type text/csv is expected")
    target = call.org.bulk.jobs.data(job)
    if target.exists():
        text = (
            f"Found multiple contents for job: <{job.id}>, please 'Close' / 'Abort' / 'Delete' the current Job then "
            "create a new Job and make sure you only do 'PUT' once on a given Job."
        )
        raise errors.simple(400, "INVALIDJOBSTATE", text)
    uploads.take(call, target)
    return Reply(None, 201)


def change(call: Call, job_id: str) -> Reply:
    """Answer PATCH /jobs/ingest/{job}: close the upload, or abort."""
    job, state = _find(call, job_id), call.json_object().get("state")
    bulk = call.org.bulk
    if state == "UploadComplete":
        _refuse_finished(job, "Closing")
        job.locked = call.locked
        if not bulk.jobs.data(job).exists():
            bulk.jobs.data(job).touch()
        if bulk.set_state(job, "UploadComplete", unless=frozenset({"UploadComplete", "InProgress", *_FINISHED})):
            bulk.submit(job)
    elif state == "Aborted":
        abort(call, job)
    else:
        raise errors.simple(400, "INVALIDJOBSTATE", f"Invalid job state: {state}")
    return Reply(_created(call, job))


def abort(call: Call, job: Job) -> None:
    """Abort a job of any kind; its records that are written stay."""
    _refuse_finished(job, "Aborting")
    if not call.org.bulk.set_state(job, "Aborted", unless=frozenset(_FINISHED)):
        _refuse_finished(job, "Aborting")


def read(call: Call, job_id: str) -> Reply:
    """Answer GET /jobs/ingest/{job}."""
    job = _find(call, job_id)
    return Reply(described(job) | _progress(job))


def delete(call: Call, job_id: str) -> Reply:
    """Answer DELETE /jobs/ingest/{job}: only a job that is not at work."""
    job = _find(call, job_id)
    if job.state not in {"UploadComplete", *_FINISHED}:
        raise errors.simple(400, "INVALIDJOBSTATE", f"Deleting {job.state} Job not allowed")
    call.org.bulk.set_state(job, "Aborted")
    call.org.bulk.jobs.delete(job)
    return Reply(None, 204)


def list_all(call: Call) -> Reply:
    """Answer GET /jobs/ingest: jobs of 2.0 and of v1, a thousand a page."""
    return list_jobs(call, "ingest", (job for job in call.org.bulk.current().all_jobs() if not job.is_query))


def successful(call: Call, job_id: str) -> Reply:
    """Answer GET …/successfulResults."""
    return _results(call, job_id, results.successful)


def failed(call: Call, job_id: str) -> Reply:
    """Answer GET …/failedResults."""
    return _results(call, job_id, results.failed)


def unprocessed(call: Call, job_id: str) -> Reply:
    """Answer GET …/unprocessedrecords."""
    return _results(call, job_id, results.unprocessed)


def described(job: Job) -> dict[str, Any]:
    """Describe a job of either kind with what every answer about it holds."""
    shown: dict[str, Any] = {
        "id": job.id,
        "operation": job.operation,
        "object": job.object,
        "createdById": job.user_id,
        "createdDate": job.created,
        "systemModstamp": job.modified,
        "state": job.state,
    }
    if job.external_id:
        shown["externalIdFieldName"] = job.external_id
    shown |= {"concurrencyMode": job.concurrency, "contentType": job.content_type, "apiVersion": float(job.version)}
    return shown | {"lineEnding": job.line_ending, "columnDelimiter": job.delimiter}


def list_jobs(call: Call, name: str, jobs: Iterable[Job]) -> Reply:
    """Answer with a page of jobs, filtered as the parameters say; `queryLocator` continues a list."""
    kinds = {each.lower() for each in call.params.get("jobType", "").split(",") if each}
    mode = call.params.get("concurrencyMode", "").lower()
    after = ids.normalise(call.params.get("queryLocator", "")) or ""
    found = [
        job
        for job in jobs
        if (not kinds or job.kind.lower() in kinds) and (not mode or job.concurrency.lower() == mode) and job.id > after
    ]
    shown = found[:_LIST_PAGE]
    more = f"{call.root}/jobs/{name}?queryLocator={shown[-1].id}" if len(found) > _LIST_PAGE else None
    records = [described(job) | {"jobType": job.kind} for job in shown]
    return Reply({"done": more is None, "records": records, "nextRecordsUrl": more})


def options(given: dict[str, Any]) -> dict[str, str]:
    """Read how a job's CSV is written. Raises `ApiError` for what is unknown."""
    if str(given.get("contentType") or "CSV").upper() != "CSV":
        raise errors.simple(400, "INVALIDJOB", f"Unsupported content type: {given['contentType']}")
    read = {}
    for name, key, known, usual in (
        ("delimiter", "columnDelimiter", csvio.DELIMITERS, "COMMA"),
        ("line_ending", "lineEnding", csvio.LINE_ENDINGS, "LF"),
    ):
        value = str(given.get(key) or usual)
        if value not in known:
            raise errors.simple(400, "INVALIDJOB", f"{key} {value} is not one of {', '.join(known)}")
        read[name] = value
    return read


def check_operation(call: Call, operation: str, external_id: str | None, view: ObjectView) -> None:
    """Raise `ApiError` for an operation that is none, that lacks its external id, or that this user may not run."""
    if operation not in OPERATIONS:
        raise errors.simple(400, "INVALIDJOB", f"Unknown operation: {operation}")
    if operation == "hardDelete" and call.user.profile != ADMIN:
        text = "hardDelete operation requires special user profile permission, please contact your system administrator"
        raise errors.simple(400, "FEATURENOTENABLED", text)
    if operation != "upsert":
        return
    if not external_id:
        raise errors.simple(400, "INVALIDJOB", "External ID was blank for upsert")
    field = view.by_name.get(external_id.lower())
    if field is None or not (field.external_id or field.id_lookup):
        raise errors.simple(400, "INVALIDJOB", f"Field name provided, {external_id} does not match an External ID")


def require_object(call: Call, name: Any) -> ObjectView:
    """Return the object of a job, or refuse what is unknown or hidden."""
    view = call.org.view(call.user, name) if isinstance(name, str) else None
    if view is None:
        raise errors.simple(400, "INVALIDJOB", f"Unable to find object: {name}")
    return view


def _new_job(call: Call, given: dict[str, Any], state: str) -> Job:
    view, operation = require_object(call, given.get("object")), str(given.get("operation"))
    external_id = given.get("externalIdFieldName")
    check_operation(call, operation, external_id if isinstance(external_id, str) else None, view)
    return call.org.bulk.jobs.add_job(
        call.org.clock.stamp(),
        kind="V2Ingest",
        state=state,
        operation=operation,
        object=view.name,
        user_id=call.user.id,
        version=call.version,
        external_id=external_id if operation == "upsert" else None,
        **options(given),
    )


def _created(call: Call, job: Job) -> dict[str, Any]:
    shown = described(job)
    if job.state == "Open":
        shown["contentUrl"] = f"{call.root.removeprefix('/')}/jobs/ingest/{job.id}/batches"
    return shown


def _progress(job: Job) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "jobType": job.kind,
        "retries": 0,
        "totalProcessingTime": job.milliseconds,
        "apiActiveProcessingTime": job.milliseconds,
        "apexProcessingTime": 0,
        "numberRecordsProcessed": job.processed,
        "numberRecordsFailed": job.failed,
    }
    return shown | ({"errorMessage": job.message} if job.message else {})


def _find(call: Call, job_id: str) -> Job:
    job = call.org.bulk.current().job(job_id)
    if job is None or job.kind != "V2Ingest" or (job.user_id != call.user.id and call.user.profile != ADMIN):
        raise errors.not_found()
    return job


def _refuse_finished(job: Job, what: str) -> None:
    if job.state in _FINISHED:
        text = f"{what} already {_FINISHED[job.state]} Job not allowed"
        raise errors.simple(400, "INVALIDJOBSTATE", text)


def _results(call: Call, job_id: str, kind: results.Kind) -> Reply:
    job = _find(call, job_id)
    if job.state not in _FINISHED:
        raise errors.simple(400, "INVALIDJOBSTATE", f"Job is not complete. Current job state is '{job.state}'")
    return Reply(kind(call.org.bulk.jobs, job), 200, {"Content-Type": "text/csv"})
