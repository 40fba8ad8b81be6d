"""The whole stack: started in parallel, ready when every part answers, stopped as one."""

# ruff: noqa: PLC0415 (only a stack with a store needs SQLAlchemy)

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from leadsync_stack.airflow_server import AirflowServer, environment
from leadsync_stack.org import Org
from leadsync_stack.processes import Processes, StackError, free_port

if TYPE_CHECKING:
    from types import TracebackType

    from leadsync_stack.airflow_server import Cluster

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder: the stack runs from a checkout, whose `dags/` and `config/` it uses."""

DAG_ID = "lead_sync"
POOL = "salesforce_api"
OWNER = "owner@example.jp"
ADMINS = "admin@example.jp"

_BIN = Path(sys.executable).parent
_NOT_INHERITED = ("AIRFLOW", "LEADSYNC_", "PYTHONDONTWRITEBYTECODE")


class Stack:
    """A context manager: the emulator, the mail catcher and Airflow run while its block does.

    Args:
        home: folder for everything that the stack writes; emptied first.
        store_url: SQLAlchemy URL of the lead store; by default SQLite in `home`.
        cluster: what runs Airflow's tasks; by default its scheduler.

    Attributes:
        org: the local Salesforce org.
        airflow: a client of Airflow's API.
        store_url: SQLAlchemy URL of the lead store.
        mails: folder of the caught mails.
        env: the environment of Airflow's processes, also right for `leadsync` on the command line.
    """

    org: Org
    airflow: AirflowServer
    env: dict[str, str]

    def __init__(self, home: Path, *, store_url: str = "", cluster: Cluster | None = None) -> None:
        self.home = home.resolve()
        self.mails = self.home / "mails"
        self.store_url = store_url or f"sqlite:///{self.home / 'leads.db'}"
        self._cluster = cluster
        self.processes = Processes(self.home / "logs")
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        with ExitStack() as undo:
            undo.enter_context(self.processes)
            self._start()
            self._exit = undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._exit.__exit__(kind, error, at)

    def _start(self) -> None:
        base = self._base_environment()
        mail_port, port, password = free_port(), free_port(), secrets.token_urlsafe(12)
        home = self.home / "airflow"
        airflow = environment(ROOT, home, port=port, log_port=free_port(), password=password, cluster=self._cluster)
        org = self.processes.start(
            "emulator",
            [_program("salesforce-emulator"), "serve", "--profile", "demo"],
            base,
        )
        mail = self.processes.start(
            "mailcatcher",
            [sys.executable, "-m", "leadsync_stack.mailcatcher", "--dir", str(self.mails), "--port", str(mail_port)],
            base,
        )
        migration = self.processes.start("migrate", [_program("airflow"), "db", "migrate"], base | airflow)
        self.org = org.wait_until(lambda: Org.from_log(org.log), seconds=60)
        self.env = base | airflow | self._connections(mail_port) | self._settings()
        with ThreadPoolExecutor(max_workers=1) as aside:
            database = aside.submit(self._prepare_store)
            self.processes.finish(migration, seconds=120)
            self.airflow = AirflowServer(airflow["AIRFLOW__API__BASE_URL"], password)
            server = self.processes.start("api-server", [_program("airflow"), "api-server"], self.env)
            scheduler = self.processes.start("scheduler", [_program("airflow"), "scheduler"], self.env)
            processor = self.processes.start("dag-processor", [_program("airflow"), "dag-processor"], self.env)
            if self._cluster:
                self.processes.start("worker", [_program("airflow"), "celery", "worker"], self.env)
            database.result()
        mail.wait_until(mail.log.read_text, seconds=60)
        server.wait_until(self.airflow.is_healthy, seconds=120)
        self.airflow.create_pool(POOL)
        processor.wait_until(lambda: self.airflow.knows(DAG_ID), seconds=120)
        scheduler.wait_until(lambda: self.airflow.components()["scheduler"]["status"] == "healthy", seconds=120)

    def _prepare_store(self) -> None:
        """Make the platform's table and ours."""
        from leadsync.store import engine, migrate

        store = engine.create(self.store_url)
        migrate.create_leads_table(store)
        store.dispose()
        self.leadsync("db", "upgrade")

    def leadsync(self, *arguments: str) -> str:
        """Run the command line `leadsync` on this stack and return what it prints.

        Raises:
            StackError: it exits with anything but 0.
        """
        argv = [_program("leadsync"), *arguments]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise StackError(f"leadsync {' '.join(arguments)} exits {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def cycle(self, *, seconds: float = 120) -> tuple[str, float]:
        """Trigger one run of the DAG and wait for its end; return its run id and the seconds from trigger to end.

        Raises:
            StackError: the run is red; the message says why each task failed.
        """
        began = time.monotonic()
        run_id = self.airflow.trigger(DAG_ID)
        run = self.airflow.wait(DAG_ID, run_id, seconds=seconds)
        elapsed = time.monotonic() - began
        if run["state"] != "success":
            failed = [task for task, state in self.airflow.tasks(DAG_ID, run_id).items() if state == "failed"]
            why = "\n".join(self.airflow.failure(DAG_ID, run_id, task) for task in failed)
            raise StackError(f"run {run_id} is {run['state']}\n{why}")
        return run_id, elapsed

    def addresses(self) -> str:
        """Return the addresses and logins of the running stack, for a person."""
        leadsync = {key: value for key, value in self.env.items() if key.startswith(("AIRFLOW_CONN_", "LEADSYNC_"))}
        lines = (
            ("Airflow", f"{self.airflow.url}  user admin, password {self.airflow.password}"),
            ("Salesforce", f"{self.org.url}  CA {self.org.ca_file}"),
            ("", f"integration {self.org.integration['username']}, administrator {self.org.admin['username']}"),
            ("Leads", self.store_url),
            ("Mails", str(self.mails)),
            ("Logs", str(self.home / "logs")),
            ("leadsync", f"set -a; . {self._write_env(leadsync)}; set +a; PATH={_BIN}:$PATH; leadsync status"),
            ("", "leadsync start --now, then: python -m leadsync_stack fill --leads 5000"),
        )
        return "\n".join(f"{name:<11}{value}" for name, value in lines)

    def _write_env(self, extra: dict[str, str]) -> Path:
        path = self.home / "env"
        path.touch(mode=0o600)
        values = extra | {"REQUESTS_CA_BUNDLE": self.org.ca_file}
        path.write_text("".join(f"{key}={_quoted(value)}\n" for key, value in values.items()))
        return path

    def _base_environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_INHERITED)}
        local = "localhost,127.0.0.1"
        no_proxy = ",".join(filter(None, [inherited.get("NO_PROXY") or inherited.get("no_proxy"), local]))
        return inherited | {"PATH": f"{_BIN}:{inherited.get('PATH', '')}", "NO_PROXY": no_proxy, "no_proxy": no_proxy}

    def _connections(self, mail_port: int) -> dict[str, str]:
        mail = {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": mail_port,
            "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "leadsync@example.jp"},
        }
        return {
            "AIRFLOW_CONN_SALESFORCE_DEFAULT": self.org.airflow_connection,
            "AIRFLOW_CONN_LEAD_STORE": json.dumps({"conn_type": "generic", "extra": {"url": self.store_url}}),
            "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(mail),
            # Trust the org's own CA, and nothing else: these processes talk to no other HTTPS server.
            "REQUESTS_CA_BUNDLE": self.org.ca_file,
        }

    def _settings(self) -> dict[str, str]:
        return {
            "LEADSYNC_MAPPINGS_DIR": str(ROOT / "include" / "mappings"),
            "LEADSYNC_STAGING": f"file://{self.home / 'staging'}",
            "LEADSYNC_OWNER_EMAIL": OWNER,
            "LEADSYNC_ADMIN_EMAILS": ADMINS,
        }


def _program(name: str) -> str:
    return str(_BIN / name)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
