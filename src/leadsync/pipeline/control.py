"""Start, pause and status: "started" is a state of ours, not the DAG's pause switch (R33, R34)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from leadsync.core import access
from leadsync.core.mapping import check
from leadsync.pipeline import addresses
from leadsync.salesforce.describe import describe
from leadsync.store import engine as engines
from leadsync.store import state
from leadsync.store.leads import LeadTable
from leadsync.store.tables import Cursor, FieldStateRow, HeldError, Link, Pending, Run

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from leadsync.core.mapping import Mapping
    from leadsync.core.problems import Problem
    from leadsync.pipeline.cycle import Cycle
    from leadsync.settings import Settings

STARTED, PAUSED = "started", "paused"
RECENT_RUNS = 10


def start_now(engine: Engine) -> dict[str, Any]:
    """Start the periodic sync at once: the cursor stands at the database's own now (R34 b).

    A paused sync goes on from where it was. Starting twice changes nothing. The first start indexes all leads'
    addresses, so that an edited record finds its lead.
    """
    moment = LeadTable(engine).now()
    with engines.reading(engine) as view:
        indexed = bool(state.get_control(view, STARTED))
    if not indexed:
        addresses.index(engine)
    with engine.begin() as connection:
        already = state.get_control(connection, STARTED)
        state.put_control(connection, PAUSED, value=False)
        if not already:
            state.put_control(connection, STARTED, {"mode": "now", "at": moment.isoformat()})
            state.set_cursor(connection, state.LEADS, moment)
        position = state.get_cursor(connection, state.LEADS)
    return {"started": True, "already": bool(already), "cursor": position.isoformat() if position else None}


def pause(engine: Engine) -> dict[str, Any]:
    """Pause: cycles end green and write nothing until the next start; nothing that happens meanwhile is lost."""
    with engine.begin() as connection:
        state.put_control(connection, PAUSED, value=True)
    return {"paused": True}


def started_at(connection: Connection) -> dt.datetime | None:
    """Return when the sync was started, on the lead store's clock; None before (R33)."""
    started = state.get_control(connection, STARTED)
    return dt.datetime.fromisoformat(started["at"]) if started else None


def why_not(connection: Connection) -> str:
    """Return why a cycle must not write: `not_started` (R33), `paused`, or "" where it may."""
    if not state.get_control(connection, STARTED):
        return "not_started"
    return "paused" if state.get_control(connection, PAUSED) else ""


def mapping_problems(cycle: Cycle, mapping: Mapping) -> list[Problem]:
    """Return what keeps a mapping that parsed from fully working on this lead table and this org (R18-R21)."""
    from leadsync.core import types  # noqa: PLC0415 - pandas: an idle cycle imports this module

    found = describe(cycle.salesforce, access.OBJECTS, {})
    effective = access.effective(mapping, {name: entry.body for name, entry in found.items()})
    missing = check(mapping, LeadTable(cycle.engine).columns)
    return [*missing, *access.problems(effective), *types.check_defaults(effective)]


def status(engine: Engine, settings: Settings) -> dict[str, Any]:
    """Say how the sync stands, as JSON-ready values.

    Returns:
        `started`, `paused`, `cursor`, `links`, `pending`, `held` (by code), `released` fields, `runs` (the last ten).
    """
    del settings
    with engines.reading(engine) as view:
        held = sa.select(HeldError.code, sa.func.count(sa.distinct(HeldError.lead_id)))
        # A lookup is shown only, by design: it has no reason, and nothing is missing.
        fields = sa.select(FieldStateRow.__table__).where(FieldStateRow.state != "active", FieldStateRow.reason != "")
        runs = sa.select(Run.__table__).order_by(Run.sequence.desc()).limit(RECENT_RUNS)
        position = view.execute(sa.select(Cursor.position).where(Cursor.stream == state.LEADS)).scalar_one_or_none()
        linked = sa.select(sa.func.count()).select_from(Link).where(Link.current, Link.state == "linked")
        return {
            "started": bool(state.get_control(view, STARTED)),
            "paused": bool(state.get_control(view, PAUSED)),
            "cursor": position.isoformat() if position else None,
            "links": view.execute(linked).scalar_one(),
            "pending": view.execute(sa.select(sa.func.count()).select_from(Pending)).scalar_one(),
            "held": {
                row[0]: row[1]
                for row in view.execute(held.where(HeldError.recovered_at.is_(None)).group_by(HeldError.code))
            },
            "released": [
                {"field": row.field, "sobject": row.sobject, "state": row.state, "reason": row.reason}
                for row in view.execute(fields.order_by(FieldStateRow.field, FieldStateRow.sobject))
            ],
            "runs": [
                {
                    "run_id": row.run_id,
                    "state": row.state,
                    "started_at": row.started_at.isoformat(),
                    "finished_at": row.finished_at.isoformat() if row.finished_at else None,
                    "api_calls": row.api_calls,
                    "counts": row.counts,
                }
                for row in view.execute(runs)
            ],
        }
