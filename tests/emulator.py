"""A real emulator process for tests: started once a session over TLS, reset before each test that asks for it.

A test module, or a conftest, imports the fixtures it needs: `from tests.emulator import emulator_process, salesforce`.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_SECONDS = 60
_TIMEOUT_SECONDS = 60


class Emulator:
    """One `salesforce-emulator serve` process and what an administrator can do to its org."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        self.process = process
        self.url: str = ready["url"]
        self.ca_file: str = ready["ca_file"]
        self.integration: dict[str, str] = ready["integration"]
        self.admin: dict[str, str] = ready["admin"]
        self.http = self.session(self.admin["access_token"])

    @classmethod
    def start(
        cls,
        *,
        profile: str = "demo",
        data: Path | None = None,
        port: int = 0,
        environment: dict[str, str] | None = None,
    ) -> Self:
        """Start the server, with more environment if any, and wait for its JSON line."""
        command = [sys.executable, "-m", "salesforce_emulator", "serve", "--port", str(port), "--profile", profile]
        if data is not None:
            command += ["--data", str(data)]
        env = os.environ | (environment or {})
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()
        try:
            line = lines.get(timeout=_START_SECONDS)
        except queue.Empty:
            process.kill()
            raise RuntimeError(f"the emulator said nothing in {_START_SECONDS} s") from None
        if not line:
            raise RuntimeError(f"the emulator ended with {process.wait()}")
        return cls(process, json.loads(line))

    def stop(self) -> int:
        """Stop the server as an operator would; return its exit code."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- as a client --------------------------------------------------------------------------------------------

    def session(self, token: str) -> requests.Session:
        """Return an HTTP session that trusts the emulator and carries an access token."""
        session = requests.Session()
        session.verify = self.ca_file
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {token}"
        return session

    def login(self, user: dict[str, str] | None = None) -> str:
        """Log in (the integration user, unless told otherwise) by client credentials; return the access token."""
        user = user or self.integration
        keys = {"client_id": user["consumer_key"], "client_secret": user["consumer_secret"]}
        answer = self.http.post(
            f"{self.url}/services/oauth2/token",
            data={"grant_type": "client_credentials", **keys},
            headers={"Authorization": None},
            timeout=_TIMEOUT_SECONDS,
        )
        answer.raise_for_status()
        return answer.json()["access_token"]

    def airflow_conn_json(self, kind: Literal["client_credentials", "soap"] = "client_credentials") -> str:
        """Return the value of `AIRFLOW_CONN_SALESFORCE_DEFAULT` for the integration user."""
        user = self.integration
        if kind == "soap":
            extra = {"security_token": user["security_token"], "domain": user["domain"]}
            connection = {"login": user["username"], "password": user["password"], "extra": extra}
        else:
            extra = {key: user[key] for key in ("consumer_key", "consumer_secret", "domain")}
            connection = {"extra": extra}
        return json.dumps({"conn_type": "salesforce", **connection})

    # --- as the administrator -----------------------------------------------------------------------------------

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call a control (`path` behind `/_emulator/`); return its JSON, or fail with its error."""
        answer = self.http.request(
            method, f"{self.url}/_emulator/{path.lstrip('/')}", json=body, timeout=_TIMEOUT_SECONDS
        )
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def rest(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Call the REST API (`path` behind `/services/data/v59.0/`) as the admin."""
        url = f"{self.url}/services/data/v59.0/{path.lstrip('/')}"
        return self.http.request(method, url, json=body, timeout=_TIMEOUT_SECONDS)

    def reset(self) -> None:
        """Empty the org."""
        self.control("POST", "reset")

    def requests(self) -> list[dict[str, Any]]:
        """Return the API requests since the last reset or clearing, those of the admin included."""
        return self.control("GET", "requests")

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self.control("DELETE", "requests")

    def faults(self, faults: list[dict[str, Any]]) -> None:
        """Replace the installed faults."""
        self.control("PUT", "faults", faults)

    def clock(self, *, offset_seconds: float = 0, frozen_at: str | None = None) -> str:
        """Shift or freeze the org's clock; return its time as a stamp."""
        return self.control("PUT", "clock", {"offset_seconds": offset_seconds, "frozen_at": frozen_at})["now"]

    def access(self, target: str, **flags: bool) -> None:
        """Set the integration profile's permissions on `Lead` or, as `Lead/Email`, on a field."""
        self.control("PUT", f"access/{target}", flags)

    def admin_query(self, soql: str, *, deleted: bool = False) -> list[dict[str, Any]]:
        """Return every record of a query, read as the admin."""
        answer = self.rest("GET", f"{'queryAll' if deleted else 'query'}?q={quote(soql)}")
        assert answer.ok, answer.text
        page = answer.json()
        records = page["records"]
        while not page["done"]:
            page = self.http.get(self.url + page["nextRecordsUrl"], timeout=_TIMEOUT_SECONDS).json()
            records += page["records"]
        return records

    def admin_count(self, sobject: str) -> int:
        """Return how many live rows an object has."""
        return self.rest("GET", f"query?q=SELECT count() FROM {sobject}").json()["totalSize"]

    def admin_create(self, sobject: str, values: dict[str, Any]) -> str:
        """Create a row as the admin; return its id."""
        answer = self.rest("POST", f"sobjects/{sobject}", values)
        assert answer.ok, answer.text
        return answer.json()["id"]

    def admin_update(self, sobject: str, record_id: str, values: dict[str, Any]) -> None:
        """Change a row as the admin: an edit by somebody else."""
        answer = self.rest("PATCH", f"sobjects/{sobject}/{record_id}", values)
        assert answer.ok, answer.text

    def admin_delete(self, sobject: str, record_id: str) -> None:
        """Delete a row as the admin."""
        answer = self.rest("DELETE", f"sobjects/{sobject}/{record_id}")
        assert answer.ok, answer.text


@pytest.fixture(scope="session")
def emulator_process() -> Iterator[Emulator]:
    """Run one emulator (profile `demo`) for the whole session."""
    with Emulator.start() as running:
        yield running


@pytest.fixture
def salesforce(emulator_process: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Give an empty org; clients in this process trust it and find it as Airflow's default Salesforce connection."""
    emulator_process.reset()
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", emulator_process.ca_file)
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", emulator_process.airflow_conn_json())
    return emulator_process
