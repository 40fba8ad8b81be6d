"""Cycles on the real scheduler, from trigger to end: 500 changed leads, and idle ones.

Everything is in the figure: Airflow's hops, six task processes, the emulator's own time, SQLite on both sides. A cycle
whose edits a run of the DAG's own schedule has taken is not counted; one that had to wait for such a run is.
"""

from __future__ import annotations

import datetime as dt
import statistics
import tempfile
from pathlib import Path

import typer

from leadsync import samples
from leadsync.store import engine
from leadsync_stack.stack import DAG_ID, Stack

LEADS = 2_000
"""Linked leads, of which 500 are edited before each measured cycle."""


def _table(name: str, seconds: list[float], tasks: list[dict[str, float]]) -> None:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    typer.echo(
        f"{name:<22}{len(seconds):>4} cycles   median {statistics.median(seconds):5.2f} s   p95 {p95:5.2f} s"
        f"   min {ordered[0]:5.2f} s   max {ordered[-1]:5.2f} s"
    )
    for task in tasks[0]:
        median = statistics.median(run[task] for run in tasks)
        typer.echo(f"{'':<4}{task:<18}{median:6.2f} s in its process")


def _durations(stack: Stack, run_id: str) -> dict[str, float]:
    """Return the seconds that each task ran, without its wait."""
    names = ("prepare", "extract", "validate", "transform", "load", "report")
    tasks = {name: stack.airflow.task(DAG_ID, run_id, name) for name in names}
    return {name: float(task["duration"] or 0) for name, task in tasks.items() if task["state"] == "success"}


def main(cycles: int = 20, edits: int = 500) -> None:
    """Measure `cycles` cycles of each kind on a stack of its own and print the table."""
    with tempfile.TemporaryDirectory(prefix="leadsync-bench-") as folder, Stack(Path(folder) / "stack") as stack:
        store = engine.create(stack.store_url)
        stack.leadsync("start", "--now")
        samples.write(store, samples.generate(LEADS, seed=1), now=dt.datetime.now(dt.UTC))
        stack.cycle()
        for name, count in ((f"{edits} changed leads", edits), ("idle", 0)):
            seconds, tasks = [], []
            for number in range(2 * cycles):
                if len(seconds) == cycles:
                    break
                if count:
                    samples.edit(store, count, number, dt.datetime.now(dt.UTC))
                run_id, elapsed = stack.cycle()
                ran = _durations(stack, run_id)
                if ("load" in ran) == bool(count):
                    seconds.append(elapsed)
                    tasks.append(ran)
            _table(name, seconds, tasks)


if __name__ == "__main__":
    typer.run(main)
