"""`lead_sync` as in production: Celery worker, Redis, and PostgreSQL for Airflow and for the leads."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from leadsync import samples
from leadsync.store import engine as store_engine
from leadsync_stack.airflow_server import Cluster
from leadsync_stack.stack import DAG_ID, Stack
from tests.databases import postgres_url

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["postgres_url"]

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.timeout(300)]

REDIS = "LEADSYNC_TEST_REDIS"
LOCAL = ("127.0.0.1", 6379)


@pytest.fixture(scope="module")
def broker_url() -> str:
    """Name the Redis that hands the tasks over."""
    if REDIS not in os.environ:
        try:
            socket.create_connection(LOCAL, timeout=2).close()
        except OSError as refused:
            pytest.skip(f"no Redis at {LOCAL[0]}:{LOCAL[1]} ({refused}); {REDIS} may name another")
    return os.environ.get(REDIS, f"redis://{LOCAL[0]}:{LOCAL[1]}/0")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, broker_url: str) -> Iterator[Stack]:
    """The stack with a Celery worker; Airflow's tables and ours live side by side."""
    database = postgres_url.replace("postgresql+psycopg://", "postgresql+psycopg2://")
    cluster = Cluster(database, broker_url, queue=f"leadsync-{secrets.token_hex(4)}")
    with Stack(tmp_path_factory.mktemp("celery") / "home", store_url=postgres_url, cluster=cluster) as running:
        yield running


def test_cycles_on_celery(stack: Stack) -> None:
    """The first cycle brings the good leads to Salesforce, the second finds nothing to do; the worker ran both."""
    stack.leadsync("start", "--now")
    store = store_engine.create(stack.store_url)
    samples.write(store, samples.generate(300), now=datetime.now(UTC))
    store.dispose()
    run_id, _ = stack.cycle()
    assert set(stack.airflow.tasks(DAG_ID, run_id).values()) == {"success"}
    records = stack.org.query("SELECT Id FROM Lead")
    assert len(records) > 200
    assert stack.airflow.xcom(DAG_ID, run_id, "load", "counts")["created"] == len(records)
    run_id, _ = stack.cycle()
    assert stack.airflow.tasks(DAG_ID, run_id)["load"] == "skipped"
    assert stack.airflow.task(DAG_ID, run_id, "report")["queue"].startswith("leadsync-")
