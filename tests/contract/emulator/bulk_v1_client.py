"""A client of Bulk API v1 for the emulator's tests: it describes jobs in XML, as CumulusCI does."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from tests.emulator import Emulator

NS = "{http://www.force.com/2009/06/asyncapi/dataload}"
XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
MEDIA = {"CSV": "text/csv", "XML": "application/xml", "JSON": "application/json"}
FINAL = {"Completed", "Failed", "NotProcessed"}


class V1:
    """A client that describes jobs in XML, whatever its data are, as CumulusCI does."""

    def __init__(self, salesforce: Emulator, token: str | None = None) -> None:
        self.root = f"{salesforce.url}/services/async/59.0"
        self.http = requests.Session()
        self.http.verify, self.http.trust_env = salesforce.ca_file, False
        self.http.headers["X-SFDC-Session"] = token or salesforce.login()

    def __call__(
        self, method: str, path: str, data: Any = None, media: str = "application/xml", **headers: str
    ) -> requests.Response:
        """Send a request; `data` may come in pieces, which are sent as chunks."""
        headers = {
            "Content-Type": f"{media}; charset=UTF-8",
            **{key.replace("_", "-"): headers[key] for key in headers},
        }
        body = data.encode() if isinstance(data, str) else data
        return self.http.request(method, f"{self.root}/{path}", data=body, headers=headers, timeout=30)

    def asked(self, **values: str) -> str:
        """Print a job info."""
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
        return f'<jobInfo xmlns="{NS[1:-1]}">{inner}</jobInfo>'

    def create(self, operation: str = "insert", sobject: str = "Lead", kind: str = "CSV", **options: str) -> str:
        """Create a job; return its id."""
        options = {"concurrencyMode": "Parallel", **options}
        answer = self("POST", "job", self.asked(operation=operation, object=sobject, **options, contentType=kind))
        assert answer.status_code == 201, answer.text
        return values(answer)["id"]

    def state(self, job_id: str, state: str) -> requests.Response:
        """Ask for a state."""
        return self("POST", f"job/{job_id}", self.asked(state=state))

    def add(self, job_id: str, data: Any, kind: str = "CSV") -> requests.Response:
        """Add a batch."""
        return self("POST", f"job/{job_id}/batch", data, MEDIA[kind])

    def wait(self, job_id: str, batch_id: str) -> dict[str, Any]:
        """Wait until a batch is final; return it."""
        until = time.monotonic() + 30
        while (batch := values(self("GET", f"job/{job_id}/batch/{batch_id}")))["state"] not in FINAL:
            assert time.monotonic() < until, batch
            time.sleep(0.02)
        return batch

    def run(self, data: Any, kind: str = "CSV", **options: str) -> dict[str, Any]:
        """Run one batch in a job of its own, and close the job; return the batch."""
        job_id = self.create(kind=kind, **options)
        answer = self.add(job_id, data, kind)
        assert answer.status_code == 201, answer.text
        batch = self.wait(job_id, values(answer)["id"])
        assert self.state(job_id, "Closed").status_code == 200
        return batch

    def result(self, batch: dict[str, Any], more: str = "") -> requests.Response:
        """Read what became of a batch."""
        return self("GET", f"job/{batch['jobId']}/batch/{batch['id']}/result{more}")

    def query(self, soql: str, kind: str, operation: str = "query") -> requests.Response:
        """Run a query on Leads; return its one result."""
        batch = self.run(soql, kind, operation=operation)
        assert batch["state"] == "Completed", batch
        listed = self.result(batch)
        names = listed.json() if kind == "JSON" else [each.text for each in ET.fromstring(listed.content)]
        assert len(names) == 1
        return self.result(batch, f"/{names[0]}")


def values(answer: requests.Response) -> dict[str, Any]:
    """Read an info in either form."""
    if answer.headers["Content-Type"] == "application/json":
        return answer.json()
    return {child.tag.removeprefix(NS): child.text for child in ET.fromstring(answer.content)}


def error(answer: requests.Response) -> tuple[int, str, str]:
    """Return status, code and message of a refusal."""
    found = values(answer)
    return answer.status_code, found["exceptionCode"], found["exceptionMessage"]
