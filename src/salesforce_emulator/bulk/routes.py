"""The paths of Bulk API 2.0, behind `/services/data/vNN.0`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salesforce_emulator.bulk import ingest, query_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from salesforce_emulator.web import Reply

    Handler = Callable[..., Reply]

_INGEST = r"/jobs/ingest/(?P<job_id>[^/]+)"
_QUERY = r"/jobs/query/(?P<job_id>[^/]+)"

ROUTES: list[tuple[str, dict[str, Handler]]] = [
    (r"/jobs/ingest", {"GET": ingest.list_all, "POST": ingest.create}),
    (_INGEST, {"GET": ingest.read, "PATCH": ingest.change, "DELETE": ingest.delete}),
    (_INGEST + r"/batches", {"PUT": ingest.upload}),
    (_INGEST + r"/successfulResults", {"GET": ingest.successful}),
    (_INGEST + r"/failedResults", {"GET": ingest.failed}),
    (_INGEST + r"/unprocessedrecords", {"GET": ingest.unprocessed}),
    (r"/jobs/query", {"GET": query_jobs.list_all, "POST": query_jobs.create}),
    (_QUERY, {"GET": query_jobs.read, "PATCH": query_jobs.change, "DELETE": query_jobs.delete}),
    (_QUERY + r"/results", {"GET": query_jobs.results}),
]
