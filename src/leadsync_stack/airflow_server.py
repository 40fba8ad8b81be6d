"""Airflow's processes on one machine: the environment that configures them and a client of their REST API."""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import requests

from leadsync_stack.processes import StackError

if TYPE_CHECKING:
    from pathlib import Path

USER = "admin"
POOL_SLOTS = 4

_DONE = frozenset({"success", "failed"})
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Cluster:
    """PostgreSQL, Redis and a Celery worker, as in production, instead of SQLite and LocalExecutor."""

    database_url: str
    """SQLAlchemy URL of an empty PostgreSQL database for Airflow, driver psycopg2."""
    broker_url: str
    queue: str
    """The worker's queue; a name of one's own lets several clusters share a Redis."""

    @property
    def settings(self) -> dict[str, dict[str, object]]:
        """Return what differs from the settings of one machine."""
        return {
            "core": {"executor": "CeleryExecutor"},
            "database": {"sql_alchemy_conn": self.database_url},
            "celery": {
                "broker_url": self.broker_url,
                "result_backend": f"db+{self.database_url}",
                "worker_concurrency": 2,
            },
            "operators": {"default_queue": self.queue},
        }


def environment(
    root: Path, home: Path, *, port: int, log_port: int, password: str, cluster: Cluster | None = None
) -> dict[str, str]:
    """Write an Airflow home with one administrator, and return the environment that points to it.

    Args:
        root: the project, with `dags/`, `plugins/` and `config/`.
        home: becomes `AIRFLOW_HOME`.
        port: the api-server's port on 127.0.0.1.
        log_port: the port on which the scheduler or the worker serves the logs of its tasks.
        password: the password of the user `admin`.
        cluster: runs the tasks; by default the scheduler does, with SQLite and LocalExecutor.
    """
    home.mkdir(parents=True, exist_ok=True)
    # Airflow puts $AIRFLOW_HOME/config on the path, where it looks for airflow_local_settings.
    (home / "config").symlink_to(root / "config", target_is_directory=True)
    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps({USER: password}))
    url = f"http://127.0.0.1:{port}"
    settings: dict[str, dict[str, object]] = {
        "api": {
            "host": "127.0.0.1",
            "port": port,
            "base_url": url,
            "workers": 1,
            "secret_key": secrets.token_hex(32),
        },
        "api_auth": {"jwt_secret": secrets.token_hex(64)},
        "core": {
            "dags_folder": root / "dags",
            "plugins_folder": root / "plugins",
            "executor": "LocalExecutor",
            # One DAG with one active run: a few workers do; the default forks 32.
            "parallelism": 4,
            "load_examples": False,
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "execution_api_server_url": f"{url}/execution/",
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": passwords,
        },
        "dag_processor": {"refresh_interval": 30, "min_file_process_interval": 30, "parsing_processes": 1},
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}"},
        "logging": {"worker_log_server_port": log_port},
        # The pause between two looks of the scheduler is paid once per task: six times a cycle.
        "scheduler": {"scheduler_idle_sleep_time": 0.25},
        # A slow machine may take longer than 5 s for the first answer.
        "workers": {"execution_api_timeout": 30},
    }
    for section, options in (cluster.settings if cluster else {}).items():
        settings[section] = settings.get(section, {}) | options
    return {"AIRFLOW_HOME": str(home)} | {
        f"AIRFLOW__{section}__{option}".upper(): str(value)
        for section, options in settings.items()
        for option, value in options.items()
    }


@dataclass(frozen=True)
class AirflowServer:
    """A client of a running api-server."""

    url: str
    password: str

    def is_healthy(self) -> bool:
        """Tell whether the api-server answers; the first answer of its execution API takes seconds, so ask for that."""
        with requests.Session() as session:
            session.trust_env = False
            try:
                return session.get(f"{self.url}/execution/health", timeout=30).ok
            except requests.RequestException:
                return False

    def components(self) -> dict[str, Any]:
        """Return the health of scheduler, DAG processor and metadata database, as Airflow itself judges it."""
        return dict(self.call("GET", "/api/v2/monitor/health"))

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        login = {"username": USER, "password": self.password}
        answer = session.post(f"{self.url}/auth/token", json=login, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return session

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request as `admin` and return the decoded answer.

        Raises:
            StackError: Airflow refuses it; the message holds what it says.
        """
        answer = self._ask(method, path, body)
        return answer.json() if answer.content else None

    def page(self, path: str) -> str:
        """Return a page as its text, raising as `call` does."""
        return self._ask("GET", path, None).text

    def _ask(self, method: str, path: str, body: Any) -> requests.Response:
        answer = self._session.request(method, f"{self.url}{path}", json=body, timeout=_TIMEOUT_SECONDS)
        if not answer.ok:
            raise StackError(f"Airflow answers {answer.status_code} to {method} {path}: {answer.text[:500]}")
        return answer

    def create_pool(self, name: str) -> None:
        """Create the pool that the tasks name."""
        self.call("POST", "/api/v2/pools", {"name": name, "slots": POOL_SLOTS})

    def import_errors(self) -> list[dict[str, Any]]:
        """Return the DAG files that do not import, with their tracebacks."""
        return list(self.call("GET", "/api/v2/importErrors")["import_errors"])

    def knows(self, dag_id: str) -> bool:
        """Tell whether the DAG processor has read the DAG; raise StackError if a file does not import."""
        if errors := self.import_errors():
            raise StackError("\n".join(f"{error['filename']}: {error['stack_trace']}" for error in errors))
        return any(dag["dag_id"] == dag_id for dag in self.call("GET", "/api/v2/dags")["dags"])

    def trigger(self, dag_id: str) -> str:
        """Start a run by hand and return its run id."""
        return str(self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return the run as the API shows it."""
        return dict(self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"))

    def wait(self, dag_id: str, run_id: str, *, seconds: float = 120) -> dict[str, Any]:
        """Return the run once it has ended, green or red."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            run = self.run(dag_id, run_id)
            if run["state"] in _DONE:
                return run
            time.sleep(0.3)
        raise StackError(f"run {run_id} of {dag_id} has not ended after {seconds:.0f} s: {self.tasks(dag_id, run_id)}")

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Return the state of each task of the run."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return {task["task_id"]: task["state"] for task in self.call("GET", path)["task_instances"]}

    def task(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return one task of the run as the API shows it."""
        return dict(self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"))

    def clear(self, dag_id: str, run_id: str, *task_ids: str, downstream: bool = True) -> None:
        """Clear tasks of a run, so that the scheduler runs them again."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "include_downstream": downstream,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        self.call("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", body)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str) -> Any:
        """Return what a task left under `key`, decoded."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.call("GET", f"{path}?stringify=false")["value"]

    def failure(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Return why the last try of a task failed, in one line: the exception and where it was raised."""
        last = self.task(dag_id, run_id, task_id)["try_number"]
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{last}"
        errors = [error for event in self.call("GET", path)["content"] for error in event.get("error_detail") or ()]
        if not errors:
            return f"{task_id}: ended without an exception, as a killed process does"
        raised, *_ = errors  # the exception itself comes before what caused it
        *_, place = raised["frames"]
        said = f"{raised['exc_type']}: {raised['exc_value']}"
        return f"{task_id}: {said} ({place['filename']}:{place['lineno']})"
