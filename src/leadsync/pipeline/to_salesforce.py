"""The sink of Salesforce: batches of actions become requests, and their outcomes go into the ledger (R3, R38, R39).

Each batch is three steps: commit the intents, call Salesforce, commit what became of them. It may be killed at any line
and rerun.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from leadsync.errors import LostReplyError, OrgChangedError
from leadsync.pipeline import recover
from leadsync.pipeline.ledger import link_row
from leadsync.pipeline.to_leads import ToLeads
from leadsync.salesforce import collections
from leadsync.store import journal, state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leadsync.pipeline.cycle import Cycle
    from leadsync.pipeline.ledger import Ledger
    from leadsync.pipeline.planned import Action

log = logging.getLogger(__name__)


class ToSalesforce:
    """Writes records, and has the ledger keep what becomes of each."""

    def __init__(self, cycle: Cycle, ledger: Ledger) -> None:
        self._cycle, self._ledger, self._leads = cycle, ledger, ToLeads(cycle, ledger)

    def update(self, sobject: str, batch: Sequence[Action]) -> None:
        """Send the changes of up to 200 linked records."""
        client, ledger = self._cycle.salesforce, self._ledger
        with self._cycle.engine.begin() as connection:
            paired = self._leads.write(connection, ledger.pair(connection, ledger.current(connection, batch)))
            sent = ledger.intend(connection, paired)
        if not sent:
            return
        records = {a.lead_id: {"Id": a.record_id, **a.record} for a, _ in sent}
        try:
            outcomes = collections.send(records, lambda some: collections.update(client, sobject, some))
        except OrgChangedError as error:
            self._put_off(sent, error)
            return
        with self._cycle.engine.begin() as connection:
            done = [(a, link_id) for a, link_id in sent if outcomes[a.lead_id].success]
            ledger.agree(connection, done)
            ledger.settle(connection, [a for a, _ in sent], outcomes)
        ledger.counts["updated"] += len(done)

    def create(self, sobject: str, batch: Sequence[Action]) -> None:
        """Create up to 200 records, each exactly once."""
        client, ledger = self._cycle.salesforce, self._ledger
        with self._cycle.engine.begin() as connection:
            batch = [
                a for a, _ in self._leads.write(connection, [(a, None) for a in ledger.current(connection, batch)])
            ]
            ledger.leave(connection, batch)
            opened = journal.open_links(connection, [self._creating(a) for a in batch])
            ledger.postpone(connection, [a for a in batch if a.lead_id not in opened], "address_in_use")
            sent = ledger.intend(connection, [(a, opened[a.lead_id]) for a in batch if a.lead_id in opened])
        if not sent:
            return
        records = {a.lead_id: a.record for a, _ in sent}
        try:
            outcomes = collections.send(records, lambda some: collections.insert(client, sobject, some))
        except LostReplyError as error:
            log.warning("%s Looking for what has arrived.", error)
            self._after_lost_reply([a for a, _ in sent])
            return
        except OrgChangedError as error:
            self._put_off(sent, error)
            return
        with self._cycle.engine.begin() as connection:
            done = [(a, link_id) for a, link_id in sent if outcomes[a.lead_id].success]
            created = [
                link_row(a, link_id) | {"record_id": outcomes[a.lead_id].record_id, "state": "linked"}
                for a, link_id in done
            ]
            journal.update_links(connection, created)
            none = [link_id for a, link_id in sent if not outcomes[a.lead_id].success]
            journal.close_links(connection, none, "abandoned")
            ledger.settle(connection, [a for a, _ in sent], outcomes)
        ledger.counts["created"] += len(done)

    def _creating(self, action: Action) -> dict[str, Any]:
        return {
            "lead_id": action.lead_id,
            "email_key": action.email_key,
            "sent_email": action.sent_email,
            "sobject": action.sobject,
            "record_id": None,
            "state": "creating",
            "owner_run": self._cycle.run_id,
            "requested_at": self._cycle.salesforce.now(),
        }

    def _after_lost_reply(self, sent: Sequence[Action]) -> None:
        ledger = self._ledger
        found = recover.after_lost_reply(self._cycle, {a.lead_id for a in sent})
        arrived = [a for a in sent if a.lead_id in found.arrived]
        with self._cycle.engine.begin() as connection:
            ledger.conclude(connection, arrived)
            ledger.postpone(connection, [a for a in sent if a.lead_id in found.open], "unsettled", journal.LEASE)
            ledger.postpone(connection, [a for a in sent if a.lead_id in found.lost], "lost")
        ledger.counts["created"] += len(arrived)

    def _put_off(self, sent: Sequence[tuple[Action, int]], error: OrgChangedError) -> None:
        """Let the next cycle decide anew: a field or object that the mapping counts on is out of our sight by now."""
        log.warning("%s The describes are read in full and these %d leads decided anew.", error, len(sent))
        with self._cycle.engine.begin() as connection:
            state.forget_describes(connection)
            settled = [{"lead_id": a.lead_id, "state": "deferred", "api_message": str(error)} for a, _ in sent]
            journal.settle(connection, settled)
            journal.close_links(connection, [link_id for a, link_id in sent if a.kind == "create"], "abandoned")
            self._ledger.postpone(connection, [a for a, _ in sent], "org_changed")
