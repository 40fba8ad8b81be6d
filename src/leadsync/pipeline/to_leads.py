"""The sink of the lead store: what leads take from their records (R1, R30).

The lead table and the sync's own tables share a database, so a value, its snapshot and its history are one transaction:
no intent is needed. A lead that somebody has edited since it was read is left to the next cycle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leadsync.store import journal, state
from leadsync.store.leads import LeadTable, LeadUpdate

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from leadsync.pipeline.cycle import Cycle
    from leadsync.pipeline.ledger import Ledger
    from leadsync.pipeline.planned import Action

    _Linked = Sequence[tuple[Action, int | None]]


class ToLeads:
    """Writes leads, and has the journal keep what was there before."""

    def __init__(self, cycle: Cycle, ledger: Ledger) -> None:
        self._cycle, self._ledger = cycle, ledger
        self._table = LeadTable(cycle.engine)

    def write(self, connection: Connection, batch: _Linked) -> list[tuple[Action, Any]]:
        """Give leads what they take; return the actions whose leads are as they were decided on."""
        taking = [(a, link_id) for a, link_id in batch if a.takes]
        if not taking:
            return list(batch)
        moment = self._table.now()
        updates = [
            LeadUpdate(a.lead_id, a.lead_updated_at, {t["field"]: (t["old"], t["new"]) for t in a.takes})
            for a, _ in taking
        ]
        written = self._table.update(connection, updates, moment)
        self._keep(connection, [(a, link_id) for a, link_id in taking if a.lead_id in written], moment)
        edited = {a.lead_id for a, _ in taking} - written
        self._ledger.postpone(connection, [a for a, _ in taking if a.lead_id in edited], "lead_edited")
        return [(a, link_id) for a, link_id in batch if a.lead_id not in edited]

    def _keep(self, connection: Connection, done: _Linked, moment: dt.datetime) -> None:
        """Keep the snapshots as far as they hold now, the history, and whose edit the new `updated_at` is."""
        rows = [
            {
                "link_id": link_id,
                "lead_snapshot": a.taken_lead_snapshot,
                "record_snapshot": a.taken_record_snapshot,
                "record_edited_at": a.edited_at,
            }
            for a, link_id in done
            if link_id is not None and a.taken_lead_snapshot is not None
        ]
        journal.update_links(connection, rows)
        history = [
            self._ledger.entry(a, link_id)
            | {"action_id": f"{a.action_id}:lead", "kind": "take", "side": "lead", "changes": a.takes}
            for a, link_id in done
        ]
        journal.write_history(connection, history)
        seen = [
            {
                "lead_id": a.lead_id,
                "email_key": a.email_key,
                "written_at": moment,
                "edited_at": a.lead_edited_at,
            }
            for a, _ in done
        ]
        state.keep_written(connection, seen)
        self._ledger.counts["leads_updated"] += len(done)
