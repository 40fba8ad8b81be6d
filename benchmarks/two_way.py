"""Cycles of a linked store: changes on both sides, conflicts among them, each stage in a process of its own.

`links` leads are linked first; then a tenth of them is edited on each side, a hundredth on both with different values,
and the next cycle, the echo of its writes and an idle one are measured. API calls are read from the org's own log.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import typer

from benchmarks import world
from benchmarks.stages import measure
from leadsync import samples
from leadsync.pipeline import control
from leadsync.store.leads import LeadTable

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from leadsync.settings import Settings
    from leadsync_stack.org import Org

ALL = ("prepare", "extract", "validate", "transform", "load", "report")
IDLE = ("prepare", "extract", "report")
_A_QUARTER = 15 * 60 + 60


def main(links: int = 100_000) -> None:
    """Measure on SQLite with a tenth, and with all, of the links."""
    for count in (links // 10, links):
        with tempfile.TemporaryDirectory(prefix="leadsync-bench-") as name, world.org(Path(name)) as where:
            _cycles(where, Path(name), count)


def _cycles(where: Org, folder: Path, links: int) -> None:
    settings = world.settings(folder)
    store = world.empty(where, f"sqlite:///{folder / 'leads.db'}")
    control.start_now(store)
    good = samples.generate(int(links * 1.2), seed=1, extra=True, with_labels=True)
    good = good[good["defect"].fillna("").eq("")].head(links).drop(columns=["defect", "defect_field"])
    samples.write(store, good, now=dt.datetime.now(dt.UTC))
    _run(f"{links:,} new leads", where, store, settings, ALL)
    changed, conflicts = links // 10, links // 100
    _run(f"{links:,} links, the echo of their creation", where, store, settings, IDLE)
    where.call("PUT", "/_emulator/clock", {"offset_seconds": _A_QUARTER})
    _run(f"{links:,} links, the last echo in the overlap", where, store, settings, IDLE)
    _run(f"{links:,} links, idle", where, store, settings, IDLE)
    _edit_both_sides(where, store, changed, conflicts)
    title = f"{links:,} links, {changed:,} changed on each side, {conflicts:,} of them on both"
    _run(title, where, store, settings, ALL)
    _run(f"{links:,} links, the echo of that", where, store, settings, IDLE)
    store.dispose()


def _edit_both_sides(where: Org, store: Engine, changed: int, conflicts: int) -> None:
    with store.begin() as connection:
        rows = connection.execute(
            sa.text("SELECT lead_id, record_id FROM sync_link WHERE current ORDER BY lead_id LIMIT :n"),
            {"n": 2 * changed - conflicts},
        ).all()
        first = [row.lead_id for row in rows[:changed]]
        edit = sa.text("UPDATE leads SET title = '係長', updated_at = :now WHERE id BETWEEN :first AND :last")
        now = LeadTable(store).stamp(dt.datetime.now(dt.UTC))
        connection.execute(edit, {"now": now, "first": first[0], "last": first[-1]})
    where.update("Lead", ({"Id": row.record_id, "Title": "部長"} for row in rows[changed - conflicts :]))


def _run(title: str, where: Org, store: Engine, settings: Settings, stages: tuple[str, ...]) -> None:
    run_id = title.replace(",", "").replace(" ", "-")
    where.forget_requests()
    figures: dict[str, dict[str, Any]] = {stage: measure(stage, store, settings, run_id) for stage in stages}
    calls = sum(call["counted"] for call in where.requests())
    total = sum(row["seconds"] for row in figures.values())
    typer.echo(f"{title}: {total:.2f} s, {calls} API calls")
    for stage, row in figures.items():
        typer.echo(f"    {stage:<16}{row['seconds']:7.2f} s   +{row['mib']:5.0f} MiB over imports")


if __name__ == "__main__":
    typer.run(main)
