"""A large delta from `extract` to `plan`, each stage in a process of its own as the DAG runs it.

Imports are paid before the clock starts (Airflow's parents preload them) and told apart in the memory figure. The
alternatives are what one would write first with the same libraries: `pandas.read_sql`, Great Expectations over whole
raw columns, and a merge in a Python loop over rows.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import typer

from benchmarks import world
from leadsync import samples
from leadsync.pipeline import control
from leadsync.pipeline.cycle import Cycle
from leadsync.settings import Settings
from leadsync.store import engine as engines

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from leadsync_stack.org import Org

STAGES = ("prepare", "extract", "validate", "transform")
MEASURED = STAGES[1:]
POSTGRES = os.environ.get("LEADSYNC_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
_MIB = 1024


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB


def run_step(name: str, url: str, settings: str, run_id: str) -> None:
    """Run one stage or alternative in this process and print its seconds and memory as JSON."""
    import airflow.providers.salesforce.hooks.salesforce  # noqa: F401
    import pyarrow.parquet  # noqa: F401 - what Airflow's parents have preloaded

    from benchmarks import alternatives
    from leadsync.pipeline import counterparts, extract, load, prepare, report, transform, validate  # noqa: F401

    steps: dict[str, Any] = {
        "prepare": prepare.run,
        "extract": extract.run,
        "validate": validate.run,
        "transform": transform.run,
        "load": load.run,
        "report": report.run,
        "read_sql": alternatives.read_sql,
        "whole columns": alternatives.whole_columns,
        "row loop": alternatives.row_loop,
    }
    cycle = Cycle(run_id, Settings.model_validate_json(settings), engines.create(url))
    before, began = _peak_mib(), time.perf_counter()
    steps[name](cycle)
    seconds = time.perf_counter() - began
    typer.echo(json.dumps({"seconds": seconds, "mib": _peak_mib() - before, "imports": before}))


def measure(name: str, store: Engine, settings: Settings, run_id: str) -> dict[str, float]:
    """Run one stage in a process of its own; return its seconds and MiB, and those of its imports."""
    url = store.url.render_as_string(hide_password=False)
    argv = [sys.executable, "-m", "benchmarks.stages", name, url, settings.model_dump_json(), run_id]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _show(title: str, figures: dict[str, dict[str, float]]) -> None:
    total = sum(row["seconds"] for row in figures.values())
    typer.echo(f"{title}: {total:.2f} s")
    for name, row in figures.items():
        share = row["seconds"] / total
        typer.echo(f"    {name:<16}{row['seconds']:7.2f} s {share:6.0%}   +{row['mib']:5.0f} MiB over imports")


def _against(figures: dict[str, dict[str, float]], alternative: str, stage: str, row: dict[str, float]) -> None:
    mine = figures[stage]
    typer.echo(
        f"    {alternative + ' (for ' + stage + ')':<38}{row['seconds']:7.2f} s   +{row['mib']:5.0f} MiB"
        f"   = {row['seconds'] / mine['seconds']:.1f} x the time of {stage}"
    )


def _delta(title: str, store: Engine, settings: Settings, run_id: str) -> dict[str, dict[str, float]]:
    figures = {name: measure(name, store, settings, run_id) for name in STAGES}
    _show(title, {name: figures[name] for name in MEASURED})
    return figures


def _on(kind: str, where: Org, url: str, folder: Path, leads: int) -> None:
    settings = world.settings(folder / kind)
    store = world.empty(where, url)
    control.start_now(store)
    now = dt.datetime.now(dt.UTC)
    frame = samples.generate(leads, seed=1, extra=True)
    samples.write(store, frame, now=now)
    figures = _delta(f"{kind}, {leads:,} new leads x 22 fields", store, settings, "new")
    for alternative, stage in (("read_sql", "extract"), ("whole columns", "validate"), ("row loop", "transform")):
        _against(figures, alternative, stage, measure(alternative, store, settings, "new"))
    row = measure("load", store, settings, "new")
    typer.echo(f"    {'load':<16}{row['seconds']:7.2f} s          +{row['mib']:5.0f} MiB over imports")
    _change(store, "UPDATE leads SET updated_at = :now, title = '係長'")
    _delta(f"{kind}, {leads:,} linked leads, all edited", store, settings, "edited")
    _change(store, "UPDATE leads SET updated_at = :now, phone = '電話なし' || id")
    _delta(f"{kind}, {leads:,} linked leads, every phone bad", store, settings, "bad")
    store.dispose()


def _change(store: Engine, statement: str) -> None:
    from leadsync.store.leads import LeadTable

    with store.begin() as connection:
        connection.execute(sa.text(statement), {"now": LeadTable(store).stamp(dt.datetime.now(dt.UTC))})


def main(leads: int = 100_000) -> None:
    """Measure on SQLite, and on PostgreSQL where one answers."""
    with tempfile.TemporaryDirectory(prefix="leadsync-bench-") as name, world.org(Path(name)) as where:
        folder = Path(name)
        _on("SQLite", where, f"sqlite:///{folder / 'leads.db'}", folder, leads)
        server = sa.create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
        try:
            with server.connect() as connection:
                connection.exec_driver_sql("DROP DATABASE IF EXISTS leadsync_bench")
                connection.exec_driver_sql("CREATE DATABASE leadsync_bench")
        except sa.exc.OperationalError as refused:
            typer.echo(f"PostgreSQL is left out: {refused.orig}")
            return
        url = server.url.set(database="leadsync_bench").render_as_string(hide_password=False)
        _on("PostgreSQL", where, url, folder, leads)
        with server.connect() as connection:
            connection.exec_driver_sql("DROP DATABASE leadsync_bench WITH (FORCE)")


if __name__ == "__main__":
    run_step(*sys.argv[1:])
