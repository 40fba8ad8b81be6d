"""load: apply the plan, batch by batch (R3, R38, R39).

Which actions are still to be done, and in which order; `to_salesforce` sends them, `ledger` keeps what became of them.
It may be killed at any line and rerun: the journal knows which actions have their outcome, `recover` finds out about
the others, and the database refuses a second link for a lead or address.
"""

from __future__ import annotations

import logging
from itertools import groupby
from typing import TYPE_CHECKING, Any

from leadsync.core.plan import WRITES
from leadsync.pipeline import recover
from leadsync.pipeline.ledger import Ledger
from leadsync.pipeline.planned import Action, read_plan
from leadsync.pipeline.to_leads import ToLeads
from leadsync.pipeline.to_salesforce import ToSalesforce
from leadsync.salesforce import collections
from leadsync.store import engine as engines
from leadsync.store import journal, state

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leadsync.pipeline.cycle import Cycle
    from leadsync.pipeline.recover import Recovered

log = logging.getLogger(__name__)

QUIET_BATCH = 1000
"""Actions without a call that are committed together."""


def run(cycle: Cycle) -> dict[str, Any]:
    """Give every action of the plan an outcome.

    Raises:
        SalesforceUnavailableError, QuotaError: Salesforce does not take the rest now; a rerun goes on from here.
    """
    with engines.reading(cycle.engine) as view:
        if state.superseded(view, cycle.run_id):
            log.warning("A later run has committed; this one writes nothing any more.")
            return {"superseded": True}
    plan, ledger = read_plan(cycle), Ledger(cycle)
    recovered = recover.own(cycle)
    # What an earlier plan of this run has sent says nothing of the values that this one was made of.
    _conclude_recovered(cycle, ledger, [a for a in plan if a.action_id in recovered.actions])
    with engines.reading(cycle.engine) as view:
        finished = journal.finished(view, cycle.run_id)
        hashes = {a.lead_id: a.row_hash for a in plan}
        concluded = state.concluded(view, cycle.run_id, cycle.mapping.version, hashes)
    todo = [a for a in plan if a.action_id not in finished and a.lead_id not in concluded]
    if any(a.kind in (*WRITES, "defer") for a in todo):
        cycle.salesforce.now()  # logs in: later the login would keep the lead store locked
    todo = _leave_unsettled(cycle, ledger, todo, recovered)

    for batch in _batches([a for a in todo if a.kind not in WRITES], QUIET_BATCH):
        keep(cycle, ledger, batch)
    sink = ToSalesforce(cycle, ledger)
    writing = sorted((a for a in todo if a.kind in WRITES), key=lambda a: (a.kind == "create", a.sobject))
    for (creates, sobject), actions in groupby(writing, key=lambda a: (a.kind == "create", a.sobject)):
        for batch in _batches(list(actions), collections.MAX_RECORDS):
            if creates:
                sink.create(sobject, batch)
            else:
                sink.update(sobject, batch)
    return cycle.done("load", ledger.counts)


def keep(cycle: Cycle, ledger: Ledger, batch: Sequence[Action]) -> None:
    """Commit what needs no call: values for leads, links, unchanged pairs, holds, skips, deferrals."""
    leads = ToLeads(cycle, ledger)
    with cycle.engine.begin() as connection:
        batch = ledger.current(connection, batch)
        ledger.postpone(connection, [a for a in batch if a.kind == "defer"], "unsettled")
        paired = leads.write(connection, ledger.pair(connection, [a for a in batch if a.has_record]))
        ledger.agree(connection, paired)
        links = [(a, link_id) for a, link_id in paired if a.link_id is None or a.closes is not None]
        ledger.note(connection, links)
        alone = [(a, None) for a in batch if a.kind in ("hold", "skip") and not a.has_record]
        rest = leads.write(connection, alone)
        ledger.conclude(connection, [a for a, _ in [*paired, *rest]])
    ledger.counts["linked"] += sum(a.kind == "link" for a, _ in links)
    ledger.counts["held"] += sum(a.kind == "hold" for a in batch)
    ledger.counts["skipped"] += sum(a.kind == "skip" for a in batch)


def _leave_unsettled(cycle: Cycle, ledger: Ledger, todo: list[Action], recovered: Recovered) -> list[Action]:
    """Leave to a later cycle what an earlier request of this run stands in the way of; return the other actions."""
    left = recovered.overtaken | recovered.open
    if left:
        with cycle.engine.begin() as connection:
            ledger.postpone(connection, [a for a in todo if a.lead_id in recovered.overtaken], "edited_meanwhile")
            ledger.postpone(connection, [a for a in todo if a.lead_id in recovered.open], "unsettled", journal.LEASE)
    return [a for a in todo if a.lead_id not in left]


def _conclude_recovered(cycle: Cycle, ledger: Ledger, arrived: list[Action]) -> None:
    """Conclude the actions whose requests turned out to have arrived."""
    if arrived:
        with cycle.engine.begin() as connection:
            ledger.conclude(connection, arrived)
    ledger.counts["created"] += sum(a.kind == "create" for a in arrived)
    ledger.counts["updated"] += sum(a.kind != "create" for a in arrived)


def _batches(actions: Sequence[Action], size: int) -> Iterator[list[Action]]:
    for start in range(0, len(actions), size):
        yield list(actions[start : start + size])
