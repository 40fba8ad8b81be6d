"""A client of Bulk API 2.0 ingest jobs for the emulator's tests."""

from __future__ import annotations

import csv
import io
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

FINAL = {"JobComplete", "Failed", "Aborted"}


class Bulk:
    """A thin client of ingest jobs."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def create(self, operation: str = "insert", sobject: str = "Lead", **options: str) -> dict[str, Any]:
        """Create a job."""
        answer = self.api("POST", "jobs/ingest", {"operation": operation, "object": sobject, **options})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, job_id: str, data: str | bytes | Iterable[bytes], **headers: str) -> requests.Response:
        """Upload data, in chunks where they come in pieces."""
        body = data.encode() if isinstance(data, str) else data
        headers = {"Content-Type": "text/csv; charset=UTF-8", **headers}
        return self.api.http.put(
            f"{self.api.root}/jobs/ingest/{job_id}/batches", data=body, headers=headers, timeout=30
        )

    def state(self, job_id: str, state: str) -> requests.Response:
        """Ask for a state."""
        return self.api("PATCH", f"jobs/ingest/{job_id}", {"state": state})

    def wait(self, job_id: str) -> dict[str, Any]:
        """Wait until a job is final; return it."""
        until = time.monotonic() + 30
        while (job := self.api("GET", f"jobs/ingest/{job_id}").json())["state"] not in FINAL:
            assert time.monotonic() < until, job
            time.sleep(0.02)
        return job

    def run(
        self, data: str | bytes, operation: str = "insert", sobject: str = "Lead", **options: str
    ) -> dict[str, Any]:
        """Load data to the end."""
        job_id = self.create(operation, sobject, **options)["id"]
        assert self.put(job_id, data).status_code == 201
        assert self.state(job_id, "UploadComplete").status_code == 200
        return self.wait(job_id)

    def text(self, job: dict[str, Any], kind: str) -> str:
        """Return a result file."""
        answer = self.api("GET", f"jobs/ingest/{job['id']}/{kind}")
        assert answer.status_code == 200, answer.text
        return answer.content.decode()

    def lines(self, job: dict[str, Any], kind: str) -> list[dict[str, str]]:
        """Return a result file's records."""
        return list(csv.DictReader(io.StringIO(self.text(job, kind), newline="")))


def names(salesforce: Emulator, field: str = "LastName") -> list[Any]:
    """Return a field of all Leads in order."""
    return [row[field] for row in salesforce.admin_query(f"SELECT {field} FROM Lead ORDER BY Id")]


def counts(job: dict[str, Any]) -> tuple[str, int, int]:
    """Return state, records processed and failed."""
    return job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]
