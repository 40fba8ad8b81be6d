"""The books of a load: what is journalled before an effect, and what is kept of it afterwards (ARCHITECTURE: State).

Each effect on either side goes the same way: `intend` commits that it is about to happen, a sink lets it happen, and
`agree` and `settle` commit what became of it: links, snapshots, journal, held records, leads dealt with. Every method
takes the transaction's `Connection`; the caller owns it, so that all that belongs together is committed together.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from leadsync.core import codes
from leadsync.core.matching import KEY_LENGTH
from leadsync.errors import SupersededError
from leadsync.pipeline import control
from leadsync.salesforce.collections import Outcome, is_transient
from leadsync.store import held, journal, state
from leadsync.store.leads import LeadTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from leadsync.pipeline.cycle import Cycle
    from leadsync.pipeline.planned import Action

PERSISTENT = 3
"""Runs after which a transient refusal is reported as held."""

RETRY_AFTER = dt.timedelta(minutes=1)
"""How long a lead waits that could not be written for a passing reason."""

PLAN_LIFE = dt.timedelta(minutes=15)
"""How old a plan may be when it is carried out: by then others may have written what it was decided on."""

_OUTCOMES = {"skip": "skipped", "hold": "held", "stop": "held"}


class Ledger:
    """What a load keeps, with its counts."""

    def __init__(self, cycle: Cycle) -> None:
        self._cycle = cycle
        self._version = cycle.mapping.version
        planned_on = dt.datetime.fromisoformat(cycle.staging.read_json("extract")["cursor_to"])
        self._expires = state.now() + PLAN_LIFE - (LeadTable(cycle.engine).now() - planned_on)
        counted = ("created", "updated", "leads_updated", "linked", "held", "skipped", "refused", "postponed")
        self.counts = dict.fromkeys(counted, 0)

    def current(self, connection: Connection, batch: Sequence[Action]) -> list[Action]:
        """Return the actions that still rest on what they were decided on; leave the others to a later cycle.

        A pause takes hold between two batches (R33); a plan that is too old is made anew from fresh reads.
        """
        if state.superseded(connection, self._cycle.run_id):
            raise SupersededError("A later run has committed while this one was writing; it writes nothing any more.")
        if why_not := control.why_not(connection) or (state.now() > self._expires and "plan_too_old"):
            self.postpone(connection, batch, why_not)
            return []
        versions = journal.versions(connection, [a.link_id for a in batch if a.link_id is not None])
        stale = [a for a in batch if a.link_id is not None and versions.get(a.link_id) != a.link_version]
        self.postpone(connection, stale, "link_changed")
        gone = {a.lead_id for a in stale}
        return [a for a in batch if a.lead_id not in gone]

    def pair(self, connection: Connection, batch: Sequence[Action]) -> list[tuple[Action, int]]:
        """Give every action its link: the one it has or had, or a new one; what another lead holds is left alone."""
        self.leave(connection, batch)
        known = {a.link_id: a.email_key or "" for a in batch if a.link_id is not None}
        current = journal.reopen_links(connection, known)
        new = [a for a in batch if a.link_id is None]
        opened = journal.open_links(
            connection,
            [
                {
                    "lead_id": a.lead_id,
                    "email_key": a.email_key,
                    "sobject": a.sobject,
                    "record_id": a.record_id,
                    "state": "linked",
                    "lead_snapshot": "{}",
                    "record_snapshot": "{}",
                }
                for a in new
            ],
        )
        links = [(a, a.link_id if a.link_id in current else opened.get(a.lead_id)) for a in batch]
        self.postpone(connection, [a for a, link_id in links if link_id is None], "record_in_use")
        return [(a, link_id) for a, link_id in links if link_id is not None]

    def leave(self, connection: Connection, batch: Sequence[Action]) -> None:
        """End the links that these actions go on from: their own to another record, and another lead's to theirs."""
        left: dict[str, list[int]] = {}
        for a in batch:
            if a.closes is not None:
                left.setdefault(a.closes_as or "moved", []).append(a.closes)
            if a.ousts is not None:
                left.setdefault("moved", []).append(a.ousts)
        for became, link_ids in left.items():
            journal.close_links(connection, link_ids, became)

    def agree(self, connection: Connection, pairs: Sequence[tuple[Action, int]]) -> None:
        """Keep the snapshots, and the lead's new address where it is the link's now."""
        journal.update_links(connection, [link_row(a, link_id) for a, link_id in pairs])
        journal.update_links(
            connection,
            [{"link_id": link_id, "email_key": a.email_key} for a, link_id in pairs if a.settles_address],
        )

    def note(self, connection: Connection, pairs: Sequence[tuple[Action, int]]) -> None:
        """Write into the history what was agreed on without a write: a link."""
        journal.write_history(connection, [self.entry(a, link_id) | {"side": "none"} for a, link_id in pairs])

    def entry(self, action: Action, link_id: int | None) -> dict[str, Any]:
        """Return an action as the journal writes it."""
        return {
            "run_id": self._cycle.run_id,
            "action_id": action.action_id,
            "lead_id": action.lead_id,
            "link_id": link_id,
            "kind": action.kind,
            "sobject": action.sobject,
            "record_id": action.record_id,
            "changes": action.changes,
        }

    def intend(self, connection: Connection, batch: Sequence[tuple[Action, int]]) -> list[tuple[Action, int]]:
        """Write the intents; return what may be sent: one unresolved intent a lead, never overwritten."""
        stamp = {"requested_at": self._cycle.salesforce.now()}
        accepted = journal.write_intents(connection, [self.entry(a, link_id) | stamp for a, link_id in batch])
        self.postpone(connection, [a for a, _ in batch if a.lead_id not in accepted], "unsettled", journal.LEASE)
        return [(a, link_id) for a, link_id in batch if a.lead_id in accepted]

    def settle(self, connection: Connection, sent: Sequence[Action], outcomes: dict[int, Outcome]) -> None:
        """Settle the intents, conclude the leads, hold what Salesforce refused, and postpone what may yet pass."""
        later = [a for a in sent if is_transient(outcomes[a.lead_id])]
        refused = [a for a in sent if not outcomes[a.lead_id].success and a not in later]
        marks = {a.lead_id: "deferred" for a in later} | {a.lead_id: "refused" for a in refused}
        settled = [
            {
                "lead_id": a.lead_id,
                "state": marks.get(a.lead_id, "done"),
                "record_id": outcomes[a.lead_id].record_id,
                "api_message": outcomes[a.lead_id].message or None,
            }
            for a in sent
        ]
        journal.settle(connection, settled)
        errors = {a.lead_id: self._refusal(a, outcomes[a.lead_id]) for a in refused}
        self.conclude(connection, [a for a in sent if a not in later], errors)
        self.postpone(connection, later, "transient", RETRY_AFTER)
        attempts = state.attempts(connection, [a.lead_id for a in later])
        for action in later:
            if attempts[action.lead_id] >= PERSISTENT:
                error = self._refusal(action, outcomes[action.lead_id])
                held.replace(connection, self._cycle.run_id, [action.lead_id], [*action.errors, error])
        self.counts["refused"] += len(refused)

    def _refusal(self, action: Action, outcome: Outcome) -> dict[str, Any]:
        """Return Salesforce's refusal as a held error, with the field and value that it names (R37, R38)."""
        code = codes.from_api(outcome.status_code)
        named = next((c for c in action.changes if c["api_name"] in outcome.fields), {})
        mapped = (f for f in self._cycle.mapping.fields if f.sobject == action.sobject)
        blank = next((f for f in mapped if f.api_name in outcome.fields), None)  # a missing one was not sent
        return {
            "lead_id": action.lead_id,
            "field": named.get("field") or (blank.field if blank else ""),
            "code": code,
            "rule": codes.CODES[code].rule,
            "sobject": action.sobject,
            "api_name": named.get("api_name") or ", ".join(outcome.fields) or None,
            "record_id": action.record_id,
            "value": named.get("new"),
            "api_message": f"{outcome.status_code}: {outcome.message}",
        }

    def conclude(
        self, connection: Connection, done: Sequence[Action], refusals: dict[int, dict[str, Any]] | None = None
    ) -> None:
        """Remember that these leads are dealt with in this version, and all that is wrong with them."""
        refusals = refusals or {}
        rows = [
            {
                "lead_id": a.lead_id,
                "row_hash": a.row_hash,
                "mapping_version": self._version,
                "outcome": "held" if a.lead_id in refusals else _OUTCOMES.get(a.kind, "linked"),
                "email_key": a.email_key if len(a.email_key or "") <= KEY_LENGTH else None,
                "run_id": self._cycle.run_id,
            }
            for a in done
        ]
        state.keep_seen(connection, rows)
        lead_ids = [a.lead_id for a in done]
        state.settle_pending(connection, lead_ids)
        errors = [error for a in done for error in a.errors] + list(refusals.values())
        held.replace(connection, self._cycle.run_id, lead_ids, errors)

    def postpone(
        self, connection: Connection, batch: Sequence[Action], reason: str, wait: dt.timedelta = dt.timedelta(0)
    ) -> None:
        """Look at leads again, not before `wait` has passed on Salesforce's clock."""
        moment = self._cycle.salesforce.now() + wait if batch else None
        state.postpone(connection, self._cycle.run_id, {a.lead_id: (reason, moment) for a in batch if moment})
        self.counts["postponed"] += len(batch)


def link_row(action: Action, link_id: int) -> dict[str, Any]:
    """Return what a link holds once both sides agree on what the action was to bring about."""
    return {
        "link_id": link_id,
        "lead_snapshot": action.lead_snapshot,
        "record_snapshot": action.record_snapshot,
        "record_edited_at": action.edited_at,
        "synced_at": state.now(),
    }
