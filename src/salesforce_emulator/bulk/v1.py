"""Bulk API v1 under `/services/async/NN.N`: jobs, their batches, and the results of each batch.

Documented (Bulk API developer guide): paths, states, exception codes, the header of the session, who may close and
abort, that a job takes batches for 24 hours, that a batch holds at most 10,000 records and 10 MB, is of the job's
content type and counts as one of the day's. Known from users' reports: the texts of a batch without results and of too
many records. Guessed: the other texts, and that a batch at work fails when its job is aborted. PK chunking, zip content
and assignment rules are refused: they are not there.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from salesforce_emulator import errors
from salesforce_emulator.access import ADMIN
from salesforce_emulator.bulk import ingest, v1_forms
from salesforce_emulator.clock import stamp
from salesforce_emulator.limits import BULK_BATCHES
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from salesforce_emulator.bulk.jobs import Job, Unit
    from salesforce_emulator.web import Call

    Handler = Callable[..., Reply]

MAX_BYTES = 10_000_000
_OPEN_FOR = timedelta(hours=24)
_RESULT = "752"
_CONCURRENCY = {"": "Parallel", "0": "Parallel", "parallel": "Parallel", "1": "Serial", "serial": "Serial"}
"""By name, or by number as simple_salesforce does."""


def answer(call: Call) -> Reply:
    """Answer a call of Bulk API v1, errors included."""
    try:
        return _route(call)
    except errors.ApiError as error:
        return v1_forms.refused(error, call.headers)


def create(call: Call) -> Reply:
    """Answer POST /job."""
    given = v1_forms.asked(call)
    operation, content_type = str(given.get("operation")), str(given.get("contentType") or "XML").upper()
    external_id = given.get("externalIdFieldName") or None
    mode = _CONCURRENCY.get(str(given.get("concurrencyMode", "")).lower())
    if content_type not in v1_forms.MEDIA:
        raise _refused("InvalidJob", f"Unsupported content type: {content_type}")
    if mode is None:
        raise _refused("InvalidJob", f"Unknown concurrency mode: {given['concurrencyMode']}")
    if given.get("assignmentRuleId"):
        raise _refused("InvalidJob", "assignmentRuleId is not supported")
    if call.headers.get("sforce-enable-pkchunking", "false").strip().lower() != "false":
        raise _refused("FeatureNotEnabled", "PK chunking is not supported")
    view = ingest.require_object(call, given.get("object"))
    if operation not in {"query", "queryAll"}:
        ingest.check_operation(call, operation, external_id if isinstance(external_id, str) else None, view)
    if external_id and operation != "upsert":
        raise _refused("InvalidJob", "External ID is only for upsert")
    job = call.org.bulk.jobs.add_job(
        call.org.clock.stamp(),
        kind="Classic",
        state="Open",
        operation=operation,
        object=view.name,
        user_id=call.user.id,
        version=call.version,
        external_id=external_id,
        content_type=content_type,
        concurrency=mode,
    )
    reply = v1_forms.job_info(call, job, [], 201)
    reply.headers["Location"] = f"{_root(call)}/job/{job.id}"
    return reply


def read(call: Call, job_id: str) -> Reply:
    """Answer GET /job/{job}."""
    return _described(call, _find(call, job_id))


def change(call: Call, job_id: str) -> Reply:
    """Answer POST /job/{job}: close it, or abort it."""
    job, state = _find(call, job_id), v1_forms.asked(call).get("state")
    if state == "Closed":
        _require_owner(call, job)
        if not call.org.bulk.set_state(job, "Closed", unless=frozenset({"Closed", "Aborted"})):
            raise _refused("InvalidJobState", f"Closing already {job.state} Job not allowed")
    elif state == "Aborted":
        if not call.org.bulk.abort_batches(job):
            name = "Completed" if job.state == "Closed" else job.state
            raise _refused("InvalidJobState", f"Aborting already {name} Job not allowed")
    else:
        raise _refused("InvalidJobState", f"Invalid job state: {state}")
    return _described(call, job)


def add(call: Call, job_id: str) -> Reply:
    """Answer POST /job/{job}/batch: data, or the text of a query."""
    job, org = _find(call, job_id), call.org
    _require_owner(call, job)
    # Also a batch for a closed job counts (documented).
    if not org.quota.take(BULK_BATCHES):
        raise _refused("ExceededQuota", "ApiBatchItems Limit exceeded.")
    if job.state != "Open":
        text = f"Failed to create batch, since the Job is not Open. Current job state is '{job.state}'"
        raise _refused("InvalidJobState", text)
    if job.created < stamp(org.clock.now() - _OPEN_FOR):
        raise _refused("InvalidJobState", "A job takes batches for 24 hours")
    if v1_forms.media(call.headers) != v1_forms.MEDIA[job.content_type]:
        raise _refused("ClientInputError", f"Content-Type {v1_forms.MEDIA[job.content_type]} is expected")
    if len(call.body) > MAX_BYTES:
        raise _refused("ClientInputError", f"Failed to read request. Exceeded max size limit of {MAX_BYTES}")
    if not call.body.strip():
        raise _refused("InvalidBatch", "A batch must contain some content")
    batch = org.bulk.jobs.add_batch(job, org.clock.stamp(), call.body)
    batch.locked = call.locked
    reply = v1_forms.batch_info(call, job, batch, 201)
    reply.headers["Location"] = f"{_root(call)}/job/{job.id}/batch/{batch.id}"
    org.bulk.submit(batch)
    return reply


def list_batches(call: Call, job_id: str) -> Reply:
    """Answer GET /job/{job}/batch."""
    job = _find(call, job_id)
    return v1_forms.batch_list(call, job, call.org.bulk.jobs.batches(job))


def read_batch(call: Call, job_id: str, batch_id: str) -> Reply:
    """Answer GET /job/{job}/batch/{batch}."""
    return v1_forms.batch_info(call, *_find_batch(call, job_id, batch_id))


def request(call: Call, job_id: str, batch_id: str) -> Reply:
    """Answer GET …/batch/{batch}/request: the data as they came."""
    job, batch = _find_batch(call, job_id, batch_id)
    media = v1_forms.MEDIA[job.content_type]
    return Reply(call.org.bulk.jobs.data(batch).read_bytes(), 200, {"Content-Type": media})


def result(call: Call, job_id: str, batch_id: str) -> Reply:
    """Answer GET …/batch/{batch}/result: what became of the records, or the names of a query's results."""
    job, batch = _find_completed(call, job_id, batch_id)
    if job.is_query:
        return v1_forms.result_list(call, job, [_result_id(batch)])
    return v1_forms.results(job, call.org.bulk.jobs.results(batch))


def rows(call: Call, job_id: str, batch_id: str, result_id: str) -> Reply:
    """Answer GET …/batch/{batch}/result/{result}: the rows of a query."""
    job, batch = _find_completed(call, job_id, batch_id)
    if not job.is_query or result_id[:15] != _result_id(batch):
        raise _refused("InvalidBatch", f"Unable to find result {result_id}")
    return Reply(_pieces(call, batch), 200, {"Content-Type": v1_forms.MEDIA[job.content_type]})


def _pieces(call: Call, batch: Unit) -> Any:
    with call.org.bulk.jobs.rows(batch).open("rb") as file:
        while piece := file.read(2**20):
            yield piece


def _described(call: Call, job: Job) -> Reply:
    return v1_forms.job_info(call, job, call.org.bulk.jobs.batches(job))


def _find(call: Call, job_id: str) -> Job:
    job = call.org.bulk.current().job(job_id)
    if job is None or job.kind != "Classic":
        raise _refused("InvalidJob", f"Unable to find job {job_id}")
    if job.user_id != call.user.id and call.user.profile != ADMIN:
        raise _refused("InvalidUser", "The job was created by another user")
    return job


def _require_owner(call: Call, job: Job) -> None:
    """Let only the user who created a job add to it and close it; an administrator may look at it and abort it."""
    if job.user_id != call.user.id:
        raise _refused("InvalidUser", "The job was created by another user")


def _find_batch(call: Call, job_id: str, batch_id: str) -> tuple[Job, Unit]:
    job = _find(call, job_id)
    batch = call.org.bulk.jobs.batch(job, batch_id)
    if batch is None:
        raise _refused("InvalidBatch", f"Unable to find batch {batch_id}")
    return job, batch


def _find_completed(call: Call, job_id: str, batch_id: str) -> tuple[Job, Unit]:
    job, batch = _find_batch(call, job_id, batch_id)
    if batch.state in {"Failed", "NotProcessed"}:
        raise _refused("InvalidBatch", "Records not processed")
    if batch.state != "Completed":
        raise _refused("InvalidBatch", "Batch not completed")
    return job, batch


def _result_id(batch: Unit) -> str:
    """Name the one result of a query batch, in 15 characters as recorded."""
    return _RESULT + batch.id[3:15]


def _root(call: Call) -> str:
    return f"/services/async/{call.version}"


def _refused(code: str, message: str) -> errors.ApiError:
    return errors.simple(400, code, message)


_JOB = r"/job/(?P<job_id>[^/]+)"
_BATCH = _JOB + r"/batch/(?P<batch_id>[^/]+)"
_ROUTES: list[tuple[str, dict[str, Handler]]] = [
    (r"/job", {"POST": create}),
    (_JOB, {"GET": read, "POST": change}),
    (_JOB + r"/batch", {"GET": list_batches, "POST": add}),
    (_BATCH, {"GET": read_batch}),
    (_BATCH + r"/request", {"GET": request}),
    (_BATCH + r"/result", {"GET": result}),
    (_BATCH + r"/result/(?P<result_id>[^/]+)", {"GET": rows}),
]
_COMPILED = [(re.compile(f"{pattern}/?"), handlers) for pattern, handlers in _ROUTES]


def _route(call: Call) -> Reply:
    for pattern, handlers in _COMPILED:
        if match := pattern.fullmatch(call.path):
            if (handler := handlers.get(call.method)) is None:
                raise _refused("InvalidOperation", f"HTTP method {call.method} is not allowed here")
            return handler(call, **{name: unquote(value) for name, value in match.groupdict().items()})
    raise _refused("InvalidUrl", f"Unknown path: {call.path}")
