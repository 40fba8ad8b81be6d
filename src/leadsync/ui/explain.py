"""Why a lead has its values: both sides as last agreed on, and every value that was written, from the journal (R49)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from leadsync.store import engine as engines
from leadsync.store.leads import LeadTable
from leadsync.store.tables import HeldError, Journal, Link, SeenLead

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

ENTRIES = 200
"""Journal entries of a lead that are shown, the newest."""


def explain(engine: Engine, email_key: str, field: str | None = None) -> list[dict[str, Any]]:
    """Return what is known of each lead with an address, JSON-ready; those that a run has seen.

    Args:
        engine: the lead store.
        email_key: the address as compared (R3).
        field: only this lead field.

    Returns:
        `lead_id`, `outcome`; `link` (`sobject`, `record_id`, `state`, `synced_at`) or None; `held` (`code`, `rule`,
        `field`, `value`); `fields` (`field`, `lead` as it stands, `agreed_lead`, `agreed_record` as at the last sync,
        None where never agreed); `history`, newest first (`at`, `run_id`, `side`, `kind`, `state`, `field`, `old`,
        `new`, `rule`, `conflict`).
    """
    table = LeadTable(engine)
    columns = [name for name in table.columns if field in {None, name}]
    with engines.reading(engine) as view:
        query = sa.select(SeenLead.lead_id, SeenLead.outcome).where(SeenLead.email_key == email_key)
        seen = view.execute(query.order_by(SeenLead.lead_id)).all()
        rows = {row[0]: dict(zip(columns, row[2:], strict=True)) for row in table.by_ids([s[0] for s in seen], columns)}
        return [
            {"lead_id": lead_id, "outcome": outcome, **_lead(view, lead_id, rows.get(lead_id, {}), field)}
            for lead_id, outcome in seen
        ]


def _lead(view: Connection, lead_id: int, row: dict[str, str | None], field: str | None) -> dict[str, Any]:
    link = view.execute(sa.select(Link.__table__).where(Link.lead_id == lead_id, Link.current)).first()
    agreed_lead, agreed_record = (
        orjson.loads(text) for text in ((link.lead_snapshot, link.record_snapshot) if link else ("{}", "{}"))
    )
    held = sa.select(HeldError.__table__).where(HeldError.lead_id == lead_id, HeldError.recovered_at.is_(None))
    return {
        "link": link
        and {
            "sobject": link.sobject,
            "record_id": link.record_id,
            "state": link.state,
            "synced_at": link.synced_at.isoformat() if link.synced_at else None,
        },
        "held": [
            {"code": error.code, "rule": error.rule, "field": error.field, "value": error.value}
            for error in view.execute(held.order_by(HeldError.code))
            if field in {None, error.field}
        ],
        "fields": [
            {
                "field": name,
                "lead": value,
                "agreed_lead": agreed_lead.get(name),
                "agreed_record": agreed_record.get(name),
            }
            for name, value in row.items()
            if value or agreed_lead.get(name) or agreed_record.get(name)
        ],
        "history": list(_history(view, lead_id, field)),
    }


def _history(view: Connection, lead_id: int, field: str | None) -> Iterator[dict[str, Any]]:
    """Yield every value that was written, or tried, for a lead, the newest first."""
    query = sa.select(Journal.__table__).where(Journal.lead_id == lead_id).order_by(Journal.id.desc()).limit(ENTRIES)
    for entry in view.execute(query):
        about = {
            "at": entry.written_at.isoformat(),
            "run_id": entry.run_id,
            "side": entry.side,
            "kind": entry.kind,
            "state": entry.state,
        }
        for change in entry.changes:
            if field in {None, change["field"]}:
                facts = {name: change.get(name) for name in ("field", "old", "new", "rule")}
                yield about | facts | {"conflict": bool(change.get("conflict"))}
