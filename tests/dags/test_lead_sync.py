"""The DAG `lead_sync`: what Airflow and the people on call rely on."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.dag_processing.dagbag import DagBag

if TYPE_CHECKING:
    from airflow.sdk import DAG

ROOT = Path(__file__).resolve().parents[2]
STAGES = ["prepare", "extract", "validate", "transform", "load", "report"]
CALLS_SALESFORCE = {"prepare", "extract", "load"}


@pytest.fixture(scope="module")
def dag_bag():
    """Every DAG file of the project, as Airflow's DAG processor reads it."""
    return DagBag(dag_folder=ROOT / "dags")


@pytest.fixture(scope="module")
def dag(dag_bag: DagBag):
    """The DAG itself."""
    return dag_bag.dags["lead_sync"]


def test_every_file_imports(dag_bag: DagBag):
    """No DAG file has an import error."""
    assert dag_bag.import_errors == {}


def test_stages_follow_each_other(dag: DAG):
    """The six tasks form one chain, in the order of the architecture."""
    assert [task.task_id for task in dag.topological_sort()] == STAGES
    assert [sorted(dag.get_task(stage).downstream_task_ids) for stage in STAGES] == [[s] for s in STAGES[1:]] + [[]]


def test_schedule(dag: DAG):
    """R2: every five minutes in Tokyo's time, one cycle at a time, no catching up of missed ones."""
    assert dag.schedule == "*/5 * * * *"
    assert str(dag.timezone) == "Asia/Tokyo"
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_report_closes_every_run(dag: DAG):
    """Only `report` runs whatever happened before it; the others need their predecessor."""
    assert {task.task_id: task.trigger_rule.value for task in dag.tasks} == {
        **dict.fromkeys(STAGES, "all_success"),
        "report": "all_done",
    }


@pytest.mark.parametrize("stage", STAGES)
def test_task_policy(dag: DAG, stage: str):
    """Every task has an owner, a time limit, retries by exception, and a text for the person on call."""
    task = dag.get_task(stage)
    assert task.owner == "marketing-data"
    assert timedelta(0) < task.execution_timeout < dag.dagrun_timeout
    assert task.retries == 2
    assert task.retry_policy is not None
    assert "**Clear and rerun:**" in task.doc_md
    assert "**When red" in task.doc_md


@pytest.mark.parametrize("stage", STAGES)
def test_pool(dag: DAG, stage: str):
    """R53: the tasks that call Salesforce, and only these, share the pool that bounds our use of it."""
    assert (dag.get_task(stage).pool == "salesforce_api") == (stage in CALLS_SALESFORCE)


def test_dag_policy(dag: DAG):
    """The DAG has tags, explains itself, ends a hanging run, and need not be unpaused: R33 guards the start."""
    assert "leadsync" in dag.tags
    assert len(dag.doc_md) > 200
    assert dag.dagrun_timeout is not None
    assert dag.is_paused_upon_creation is False


@pytest.mark.parametrize("path", sorted((ROOT / "dags").glob("*.py")), ids=lambda path: path.name)
def test_parses_fast_and_light(path: Path):
    """A DAG file costs the DAG processor under 0.3 s beside Airflow's own import, and no heavy import."""
    script = (
        "import sys, time, runpy, airflow.sdk\n"
        "began = time.perf_counter()\n"
        f"runpy.run_path({str(path)!r})\n"
        "print(time.perf_counter() - began)\n"
        "heavy = {'pandas', 'great_expectations', 'simple_salesforce', 'leadsync.pipeline', 'leadsync.store'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    seconds, heavy = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()[-2:]
    assert heavy == "[]"
    assert float(seconds) < 0.3
