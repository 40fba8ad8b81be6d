"""How Bulk API v1 speaks: job and batch infos, results and errors as XML or JSON.

Recorded: both forms of batch infos, the XML of job infos, CSV results, result lists in JSON. Documented: that the
request's `Content-Type` says how a job is described, and a job's content type how its batches are; the XML of results
and errors. From a client's tests: the keys of a job in JSON.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import errors
from salesforce_emulator.bulk import csvio, trees
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from salesforce_emulator.bulk.jobs import Job, Result, Unit
    from salesforce_emulator.web import Call

MEDIA = {"CSV": "text/csv", "XML": "application/xml", "JSON": "application/json"}
"""What data of each content type travel as."""

_CODES = {
    "API_DISABLED_FOR_ORG": "FeatureNotEnabled",
    "FEATURENOTENABLED": "FeatureNotEnabled",
    "INVALIDJOB": "InvalidJob",
    "INVALID_INPUT": "ClientInputError",
    "INVALID_SESSION_ID": "InvalidSessionId",
    "JSON_PARSER_ERROR": "ClientInputError",
    "REQUEST_LIMIT_EXCEEDED": "ExceededQuota",
}
"""Exception codes of what other APIs refuse too."""

_BATCH_STATES = {"Queued": "Queued", "InProgress": "InProgress", "Completed": "Completed", "Failed": "Failed"}


def asked(call: Call) -> dict[str, Any]:
    """Read the job info of a request, JSON or XML. Raises `ApiError`."""
    if _speaks_json(call.headers):
        return call.json_object()
    root = trees.parse(call.body)
    if root is None or trees.local(root) != "jobInfo":
        raise errors.simple(400, "InvalidXML", "XML of a jobInfo is expected")
    return {trees.local(child): (child.text or "").strip() for child in root}


def job_info(call: Call, job: Job, batches: Sequence[Unit], status: int = 200) -> Reply:
    """Describe a job with the sums of its batches."""
    states = Counter(batch.state for batch in batches)
    shown: dict[str, Any] = {"id": job.id, "operation": job.operation, "object": job.object}
    shown |= {"createdById": job.user_id, "createdDate": job.created, "systemModstamp": job.modified}
    shown |= {"state": job.state, "externalIdFieldName": job.external_id}
    shown |= {"concurrencyMode": job.concurrency, "contentType": job.content_type}
    shown |= {f"numberBatches{name}": states[state] for state, name in _BATCH_STATES.items()}
    shown |= {"numberBatchesTotal": len(batches), "numberRecordsProcessed": sum(each.processed for each in batches)}
    shown |= {"numberRetries": 0, "apiVersion": float(job.version)}
    shown |= {"numberRecordsFailed": sum(each.failed for each in batches)} | _times(batches)
    if _speaks_json(call.headers):
        return _json(call, shown | {"assignmentRuleId": None, "fastPathEnabled": False}, status)
    return _xml(_element("jobInfo", shown), status)


def batch_info(call: Call, job: Job, batch: Unit, status: int = 200) -> Reply:
    """Describe a batch in the form of its job."""
    if job.content_type == "JSON":
        return _json(call, _batch(batch), status)
    return _xml(_element("batchInfo", _batch(batch)), status)


def batch_list(call: Call, job: Job, batches: Sequence[Unit]) -> Reply:
    """List a job's batches in the form of the job."""
    if job.content_type == "JSON":
        return _json(call, {"batchInfo": [_batch(batch) for batch in batches]})
    return _xml(_element("batchInfoList", {"batchInfo": [_batch(batch) for batch in batches]}))


def result_list(call: Call, job: Job, names: Sequence[str]) -> Reply:
    """List the results of a query batch in the form of its job."""
    if job.content_type == "JSON":
        return _json(call, names)
    return _xml(_element("result-list", {"result": names}))


def results(job: Job, found: Iterable[Result]) -> Reply:
    """Print what became of a batch's records, in their order."""
    printed = {"CSV": _csv_results, "XML": _xml_results, "JSON": _json_results}[job.content_type](found)
    return Reply(printed, 200, {"Content-Type": MEDIA[job.content_type]})


def refused(error: errors.ApiError, headers: Mapping[str, str]) -> Reply:
    """Print an error as `exceptionCode` and `exceptionMessage`; what the edge refuses stays as it is."""
    if not isinstance(error.body, list):
        return Reply.of_error(error)
    code, message = error.body[0].get("errorCode", ""), error.body[0].get("message", "")
    # Clients know an invalid session by status 400, not 401 (from jsforce).
    status = 400 if code == "INVALID_SESSION_ID" else error.status
    message = "Invalid session id" if code == "INVALID_SESSION_ID" else message
    shown = {"exceptionCode": _CODES.get(code, code), "exceptionMessage": message}
    if _speaks_json(headers):
        return Reply(orjson.dumps(shown), status, {"Content-Type": MEDIA["JSON"]})
    return _xml(_element("error", shown), status)


def media(headers: Mapping[str, str], name: str = "content-type") -> str:
    """Return the media type that a header names, without its parameters."""
    return headers.get(name, "").partition(";")[0].strip().lower()


def _speaks_json(headers: Mapping[str, str]) -> bool:
    return MEDIA["JSON"] in {media(headers), media(headers, "accept")}


def _batch(batch: Unit) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": batch.id, "jobId": batch.job_id, "state": batch.state}
    shown |= {"stateMessage": batch.message, "createdDate": batch.created, "systemModstamp": batch.modified}
    shown |= {"numberRecordsProcessed": batch.processed, "numberRecordsFailed": batch.failed}
    return shown | _times([batch])


def _times(batches: Sequence[Unit]) -> dict[str, int]:
    spent = sum(batch.milliseconds for batch in batches)
    return {"totalProcessingTime": spent, "apiActiveProcessingTime": spent, "apexProcessingTime": 0}


def _json(call: Call, shown: Any, status: int = 200) -> Reply:
    option = orjson.OPT_SORT_KEYS | (orjson.OPT_INDENT_2 if call.headers.get("x-prettyprint") == "1" else 0)
    return Reply(orjson.dumps(shown, option=option), status, {"Content-Type": MEDIA["JSON"]})


def _xml(element: str, status: int = 200) -> Reply:
    printed = f'<?xml version="1.0" encoding="UTF-8"?>{element}'
    return Reply(printed.encode(), status, {"Content-Type": MEDIA["XML"]})


def _element(name: str, values: Mapping[str, Any]) -> str:
    return f'<{name} xmlns="{trees.NAMESPACE}">{_children(values)}</{name}>'


def _children(values: Mapping[str, Any]) -> str:
    """Print elements: None is left out, a list's items stand one by one, datetimes end in Z."""
    printed = []
    for name, value in values.items():
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, dict):
                printed.append(f"<{name}>{_children(each)}</{name}>")
            elif each is not None:
                shown = each.replace("+0000", "Z") if name in {"createdDate", "systemModstamp"} else each
                printed.append(f"<{name}>{trees.text(shown)}</{name}>")
    return "".join(printed)


def _csv_results(found: Iterable[Result]) -> Iterator[bytes]:
    def lines() -> Iterator[Sequence[str]]:
        yield "Id", "Success", "Created", "Error"
        for each in found:
            yield each.record_id or "", str(not each.problems).lower(), str(each.created).lower(), each.error

    return csvio.printed(lines(), ",", "\n")


def _json_results(found: Iterable[Result]) -> Iterator[bytes]:
    yield b"["
    for number, each in enumerate(found):
        yield (b"," if number else b"") + orjson.dumps(_result(each))
    yield b"]"


def _xml_results(found: Iterable[Result]) -> Iterator[bytes]:
    yield f'<?xml version="1.0" encoding="UTF-8"?><results xmlns="{trees.NAMESPACE}">'.encode()
    for each in found:
        yield f"<result>{_children(_result(each))}</result>".encode()
    yield b"</results>"


def _result(each: Result) -> dict[str, Any]:
    reasons = [
        {"extendedErrorDetails": None, "fields": list(why.fields), "message": why.message, "statusCode": why.code}
        for why in each.problems
    ]
    return {"success": not each.problems, "created": each.created, "id": each.record_id, "errors": reasons}
