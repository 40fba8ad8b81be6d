"""The local Salesforce org as its administrator and its integration user see it, over REST."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_API = "/services/data/v60.0"
_IDS_PER_RETRIEVE = 2000
_RECORDS_PER_UPDATE = 200
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Org:
    """A running `salesforce-emulator`; the fields are those of the JSON line that it prints when ready."""

    url: str
    ca_file: str
    integration: dict[str, str]
    admin: dict[str, str]

    @classmethod
    def from_log(cls, log: Path) -> Org | None:
        """Return the org if its process has printed its JSON line, else None."""
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("{") and line.endswith("}"):
                ready = json.loads(line)
                return cls(ready["url"].rstrip("/"), ready["ca_file"], ready["integration"], ready["admin"])
        return None

    @property
    def airflow_connection(self) -> str:
        """Return the integration user's login as the JSON of an Airflow connection (`client_credentials`)."""
        keys = ("consumer_key", "consumer_secret", "domain")
        return json.dumps({"conn_type": "salesforce", "extra": {key: self.integration[key] for key in keys}})

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        # REQUESTS_CA_BUNDLE and proxies of the environment would win over the org's own CA.
        session.trust_env = False
        session.verify = self.ca_file
        session.headers["Authorization"] = f"Bearer {self.admin['access_token']}"
        return session

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request as the administrator and return the decoded answer; raise on any refusal."""
        answer = self._session.request(method, f"{self.url}{path}", json=body, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def query(self, soql: str) -> list[dict[str, Any]]:
        """Return all records that the administrator sees."""
        answer = self._session.get(f"{self.url}{_API}/query/", params={"q": soql}, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
        page = answer.json()
        records: list[dict[str, Any]] = page["records"]
        while not page["done"]:
            page = self.call("GET", page["nextRecordsUrl"])
            records += page["records"]
        return records

    def records(self, sobject: str, ids: Iterable[str], fields: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the records by id, with the fields asked for."""
        wanted, names = list(ids), sorted({"Id", *fields})
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(wanted), _IDS_PER_RETRIEVE):
            body = {"ids": wanted[start : start + _IDS_PER_RETRIEVE], "fields": names}
            rows = self.call("POST", f"{_API}/composite/sobjects/{sobject}", body)
            found |= {row["Id"]: row for row in rows if row}
        return found

    def update(self, sobject: str, records: Iterable[dict[str, Any]]) -> None:
        """Edit records, each with its `Id`, as the administrator does; raise where one is refused."""
        wanted = list(records)
        for start in range(0, len(wanted), _RECORDS_PER_UPDATE):
            some = [{"attributes": {"type": sobject}, **row} for row in wanted[start : start + _RECORDS_PER_UPDATE]]
            answers = self.call("PATCH", f"{_API}/composite/sobjects", {"allOrNone": True, "records": some})
            if refused := [answer for answer in answers if not answer["success"]]:
                raise ValueError(f"the org refuses {len(refused)} edits: {refused[0]['errors']}")

    def requests(self) -> list[dict[str, Any]]:
        """Return the log of API calls since it was last forgotten; the administrator's own are left out."""
        log: list[dict[str, Any]] = self.call("GET", "/_emulator/requests")
        return [call for call in log if call["user"] != self.admin["username"]]

    def forget_requests(self) -> None:
        """Empty the log of API calls."""
        self.call("DELETE", "/_emulator/requests")
