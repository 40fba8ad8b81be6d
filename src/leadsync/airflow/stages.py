"""Run one stage of a cycle inside an Airflow task, and tell Airflow its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from airflow.sdk.observability import stats

from leadsync.airflow.context import open_cycle
from leadsync.errors import StopError

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from leadsync.pipeline.cycle import Cycle

COUNTS = "counts"
"""The XCom key under which every task leaves what its stage counted. Rows never travel through XCom."""


class Stage(Protocol):
    """A module of `leadsync.pipeline`."""

    @staticmethod
    def run(cycle: Cycle, **arguments: Any) -> dict[str, Any]:
        """Do the stage's work and return its counts."""


def run(stage: Stage, ti: RuntimeTaskInstanceProtocol, **arguments: Any) -> dict[str, Any]:
    """Run `stage` for the task instance's run; return its counts, left as XCom and as gauges `leadsync.<task>.<count>`.

    A short-circuiting task pushes no return value when it skips, hence the explicit XCom.
    """
    cycle = open_cycle(ti.run_id)
    try:
        counts = stage.run(cycle, **arguments)
    finally:
        cycle.engine.dispose()
    ti.xcom_push(COUNTS, counts)
    for name, value in counts.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            stats.gauge(f"leadsync.{ti.task_id}.{name}", value)
    return counts


def skip(ti: RuntimeTaskInstanceProtocol, *task_ids: str) -> NoReturn:
    """End a short-circuiting task by skipping these tasks, all at once, and let the others follow their trigger rules.

    Skipping the first alone would do as well, but each further one would then cost a look of the scheduler.

    Raises:
        DownstreamTasksSkipped: always; it is how Airflow is told.
    """
    ti.task.skip(ti, [ti.task.dag.get_task(task_id) for task_id in task_ids])
    raise AssertionError("unreachable: a task that is not mapped has raised")


def failed_tasks(ti: RuntimeTaskInstanceProtocol) -> list[str]:
    """Return the ids of this run's failed tasks, asked of Airflow's API (a task has no access to its database)."""
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
    return sorted(task_id for task_id, state in states.items() if state == "failed" and task_id != ti.task_id)


def turn_red_after(failed: list[str]) -> None:
    """Fail the closing task where a stage has failed: Airflow takes a run's colour from its last task alone.

    Raises:
        StopError: a stage failed; what it has left undone is the next run's.
    """
    if failed:
        raise StopError(f"failed before: {', '.join(failed)}. The log of that task says why and what to do.")
