"""load: apply the plan to Salesforce, batch by batch (R3, R38, R39).

Each batch is three steps: commit the intents, call Salesforce, commit what became of them together with links,
snapshots, held errors and the leads dealt with. It may be killed at any line and rerun: the journal knows which actions
have their outcome, `recover` finds out about the others, and the database refuses a second link for a lead or address.
"""

from __future__ import annotations

import datetime as dt
import logging
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_exponential_jitter

from leadsync.core import codes
from leadsync.core.matching import KEY_LENGTH
from leadsync.core.plan import WRITES
from leadsync.errors import LostReplyError, OrgChangedError, SupersededError
from leadsync.pipeline import control, recover
from leadsync.pipeline.planned import Action, read_plan
from leadsync.salesforce import collections
from leadsync.salesforce.collections import Outcome, is_transient
from leadsync.salesforce.faults import ApiError
from leadsync.store import engine as engines
from leadsync.store import held, journal, state
from leadsync.store.leads import LeadTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from leadsync.pipeline.cycle import Cycle

    _Call = Callable[[list[dict[str, Any]]], list[Outcome]]

log = logging.getLogger(__name__)

QUIET_BATCH = 1000
"""Actions without a call that are committed together."""

ATTEMPTS = 3
"""How often a record is sent in one cycle while Salesforce says that it may pass in a moment (locks)."""

FIRST_WAIT = 1.0
"""Seconds before such a record is sent again; the pause doubles each time."""

PERSISTENT = 3
"""Runs after which a transient refusal is reported as held."""

RETRY_AFTER = dt.timedelta(minutes=1)
"""How long a lead waits that could not be written for a passing reason."""

PLAN_LIFE = dt.timedelta(minutes=15)
"""How old a plan may be when it is carried out: by then others may have written what it was decided on."""

_OUTCOMES = {"skip": "skipped", "hold": "held", "stop": "held"}


def run(cycle: Cycle) -> dict[str, Any]:
    """Give every action of the plan an outcome.

    Raises:
        SalesforceUnavailableError, QuotaError: Salesforce does not take the rest now; a rerun goes on from here.
    """
    with engines.reading(cycle.engine) as view:
        if state.superseded(view, cycle.run_id):
            log.warning("A later run has committed; this one writes nothing any more.")
            return {"superseded": True}
    plan, loader = read_plan(cycle), _Loader(cycle)
    recovered = recover.own(cycle)
    # What an earlier plan of this run has sent says nothing of the values that this one was made of.
    loader.conclude_recovered([a for a in plan if a.action_id in recovered.actions])
    with engines.reading(cycle.engine) as view:
        finished = journal.finished(view, cycle.run_id)
        hashes = {a.lead_id: a.row_hash for a in plan}
        concluded = state.concluded(view, cycle.run_id, cycle.mapping.version, hashes)
    todo = [a for a in plan if a.action_id not in finished and a.lead_id not in concluded]
    if any(a.kind in (*WRITES, "defer") for a in todo):
        cycle.salesforce.now()  # logs in: later the login would keep the lead store locked
    todo = loader.postpone(todo, recovered.overtaken, "edited_meanwhile")
    todo = loader.postpone(todo, recovered.open, "unsettled", journal.LEASE)

    for batch in _batches([a for a in todo if a.kind not in WRITES], QUIET_BATCH):
        loader.keep(batch)
    writing = sorted((a for a in todo if a.kind in WRITES), key=lambda a: (a.kind == "create", a.sobject))
    for (creates, sobject), actions in groupby(writing, key=lambda a: (a.kind == "create", a.sobject)):
        for batch in _batches(list(actions), collections.MAX_RECORDS):
            if creates:
                loader.create(sobject, batch)
            else:
                loader.update(sobject, batch)
    return cycle.done("load", loader.counts)


def _batches(actions: Sequence[Action], size: int) -> Iterator[list[Action]]:
    for start in range(0, len(actions), size):
        yield list(actions[start : start + size])


class _Loader:
    """The effects of one load, with their counts."""

    def __init__(self, cycle: Cycle) -> None:
        self._cycle = cycle
        self._version = cycle.mapping.version
        planned_on = dt.datetime.fromisoformat(cycle.staging.read_json("extract")["cursor_to"])
        self._expires = state.now() + PLAN_LIFE - (LeadTable(cycle.engine).now() - planned_on)
        self.counts = dict.fromkeys(("created", "updated", "linked", "held", "skipped", "refused", "postponed"), 0)

    # -- without a call ------------------------------------------------------------------------------------------------

    def keep(self, batch: list[Action]) -> None:
        """Commit what needs no call: links, unchanged pairs, holds, skips, deferrals."""
        with self._cycle.engine.begin() as connection:
            batch = self._current(connection, batch)
            deferred = [a for a in batch if a.kind == "defer"]
            self._postpone(connection, deferred, "unsettled")
            paired = self._pair(connection, [a for a in batch if a.kind in ("link", "keep")])
            self._agree(connection, paired)
            links = [(a, link_id) for a, link_id in paired if a.kind == "link"]
            journal.write_history(connection, [self._entry(a, link_id) | {"side": "none"} for a, link_id in links])
            rest = [a for a in batch if a.kind in ("hold", "skip")]
            self._conclude(connection, [*(a for a, _ in paired), *rest])
        self.counts["linked"] += len(links)
        self.counts["held"] += sum(a.kind == "hold" for a in batch)
        self.counts["skipped"] += sum(a.kind == "skip" for a in batch)

    def postpone(
        self, actions: list[Action], lead_ids: set[int], reason: str, wait: dt.timedelta = dt.timedelta(0)
    ) -> list[Action]:
        """Leave leads to a later cycle; return the other actions."""
        if left := [a for a in actions if a.lead_id in lead_ids]:
            with self._cycle.engine.begin() as connection:
                self._postpone(connection, left, reason, wait)
        return [a for a in actions if a.lead_id not in lead_ids]

    def conclude_recovered(self, arrived: list[Action]) -> None:
        """Conclude the actions whose requests turned out to have arrived."""
        if arrived:
            with self._cycle.engine.begin() as connection:
                self._conclude(connection, arrived)
        self.counts["created"] += sum(a.kind == "create" for a in arrived)
        self.counts["updated"] += sum(a.kind != "create" for a in arrived)

    # -- updates -------------------------------------------------------------------------------------------------------

    def update(self, sobject: str, batch: list[Action]) -> None:
        """Send the changes of up to 200 linked records."""
        client = self._cycle.salesforce
        with self._cycle.engine.begin() as connection:
            paired = self._pair(connection, self._current(connection, batch))
            sent = self._intend(connection, paired)
        if not sent:
            return
        records = {a.lead_id: {"Id": a.record_id, **a.record} for a, _ in sent}
        try:
            outcomes = self._send(records, lambda some: collections.update(client, sobject, some))
        except OrgChangedError as error:
            self._put_off(sent, error)
            return
        with self._cycle.engine.begin() as connection:
            done = [(a, link_id) for a, link_id in sent if outcomes[a.lead_id].success]
            self._agree(connection, done)
            self._settle(connection, [a for a, _ in sent], outcomes)
        self.counts["updated"] += len(done)

    # -- creates -------------------------------------------------------------------------------------------------------

    def create(self, sobject: str, batch: list[Action]) -> None:
        """Create up to 200 records, each exactly once."""
        client = self._cycle.salesforce
        with self._cycle.engine.begin() as connection:
            batch = self._current(connection, batch)
            opened = journal.open_links(connection, [self._creating(a) for a in batch])
            self._postpone(connection, [a for a in batch if a.lead_id not in opened], "address_in_use")
            sent = self._intend(connection, [(a, opened[a.lead_id]) for a in batch if a.lead_id in opened])
        if not sent:
            return
        records = {a.lead_id: a.record for a, _ in sent}
        try:
            outcomes = self._send(records, lambda some: collections.insert(client, sobject, some))
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
                _link_row(a, link_id) | {"record_id": outcomes[a.lead_id].record_id, "state": "linked"}
                for a, link_id in done
            ]
            journal.update_links(connection, created)
            none = [link_id for a, link_id in sent if not outcomes[a.lead_id].success]
            journal.close_links(connection, none, "abandoned")
            self._settle(connection, [a for a, _ in sent], outcomes)
        self.counts["created"] += len(done)

    def _after_lost_reply(self, sent: list[Action]) -> None:
        found = recover.after_lost_reply(self._cycle, {a.lead_id for a in sent})
        arrived = [a for a in sent if a.lead_id in found.arrived]
        with self._cycle.engine.begin() as connection:
            self._conclude(connection, arrived)
            self._postpone(connection, [a for a in sent if a.lead_id in found.open], "unsettled", journal.LEASE)
            self._postpone(connection, [a for a in sent if a.lead_id in found.lost], "lost")
        self.counts["created"] += len(arrived)

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

    # -- shared --------------------------------------------------------------------------------------------------------

    def _current(self, connection: Connection, batch: list[Action]) -> list[Action]:
        """Return the actions that still rest on what they were decided on; leave the others to a later cycle.

        A pause takes hold between two batches (R33); a plan that is too old is made anew from fresh reads.
        """
        if state.superseded(connection, self._cycle.run_id):
            raise SupersededError("A later run has committed while this one was writing; it writes nothing any more.")
        if why_not := control.why_not(connection) or (state.now() > self._expires and "plan_too_old"):
            self._postpone(connection, batch, why_not)
            return []
        versions = journal.versions(connection, [a.link_id for a in batch if a.link_id is not None])
        stale = [a for a in batch if a.link_id is not None and versions.get(a.link_id) != a.link_version]
        self._postpone(connection, stale, "link_changed")
        gone = {a.lead_id for a in stale}
        return [a for a in batch if a.lead_id not in gone]

    def _pair(self, connection: Connection, batch: list[Action]) -> list[tuple[Action, int]]:
        """Give every action its link: the one it has or had, or a new one; what another lead holds is left alone."""
        ending = [link_id for a in batch for link_id in (a.closes, a.takes) if link_id is not None]
        journal.close_links(connection, ending, "moved")
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
        self._postpone(connection, [a for a, link_id in links if link_id is None], "record_in_use")
        return [(a, link_id) for a, link_id in links if link_id is not None]

    def _agree(self, connection: Connection, pairs: list[tuple[Action, int]]) -> None:
        """Keep the snapshots, and the lead's new address where it is the link's now (a held one is not)."""
        journal.update_links(connection, [_link_row(a, link_id) for a, link_id in pairs])
        journal.update_links(
            connection,
            [
                {"link_id": link_id, "email_key": a.email_key}
                for a, link_id in pairs
                if a.kind != "stop" and a.email_key
            ],
        )

    def _entry(self, action: Action, link_id: int) -> dict[str, Any]:
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

    def _intend(self, connection: Connection, batch: list[tuple[Action, int]]) -> list[tuple[Action, int]]:
        """Write the intents; return what may be sent: one unresolved intent a lead, never overwritten."""
        stamp = {"requested_at": self._cycle.salesforce.now()}
        accepted = journal.write_intents(connection, [self._entry(a, link_id) | stamp for a, link_id in batch])
        self._postpone(connection, [a for a, _ in batch if a.lead_id not in accepted], "unsettled", journal.LEASE)
        return [(a, link_id) for a, link_id in batch if a.lead_id in accepted]

    def _send(self, records: dict[int, dict[str, Any]], call: _Call) -> dict[int, Outcome]:
        """Send records by lead id; those that may pass in a moment are sent again, alone, with a growing pause."""
        outcomes: dict[int, Outcome] = {}

        def send_waiting() -> list[int]:
            waiting = [i for i in records if i not in outcomes or is_transient(outcomes[i])]
            outcomes.update(zip(waiting, _apart(call, [records[i] for i in waiting]), strict=True))
            return [i for i in waiting if is_transient(outcomes[i])]

        Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential_jitter(initial=FIRST_WAIT, jitter=FIRST_WAIT / 2),
            retry=retry_if_result(bool),
            retry_error_callback=lambda _: None,
        )(send_waiting)
        return outcomes

    def _put_off(self, sent: list[tuple[Action, int]], error: OrgChangedError) -> None:
        """Let the next cycle decide anew: a field or object that the mapping counts on is out of our sight by now."""
        log.warning("%s The describes are read in full and these %d leads decided anew.", error, len(sent))
        with self._cycle.engine.begin() as connection:
            state.forget_describes(connection)
            settled = [{"lead_id": a.lead_id, "state": "deferred", "api_message": str(error)} for a, _ in sent]
            journal.settle(connection, settled)
            journal.close_links(connection, [link_id for a, link_id in sent if a.kind == "create"], "abandoned")
            self._postpone(connection, [a for a, _ in sent], "org_changed")

    def _settle(self, connection: Connection, sent: list[Action], outcomes: dict[int, Outcome]) -> None:
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
        self._conclude(connection, [a for a in sent if a not in later], errors)
        self._postpone(connection, later, "transient", RETRY_AFTER)
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

    def _conclude(
        self, connection: Connection, done: list[Action], refusals: dict[int, dict[str, Any]] | None = None
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

    def _postpone(
        self, connection: Connection, batch: list[Action], reason: str, wait: dt.timedelta = dt.timedelta(0)
    ) -> None:
        moment = self._cycle.salesforce.now() + wait if batch else None
        state.postpone(connection, self._cycle.run_id, {a.lead_id: (reason, moment) for a in batch if moment})
        self.counts["postponed"] += len(batch)


def _apart(call: _Call, records: list[dict[str, Any]]) -> list[Outcome]:
    """Call; where Salesforce refuses the whole request for one record's sake, find that record by halving."""
    try:
        return call(records)
    except ApiError as error:
        if len(records) == 1:
            return [
                Outcome(success=False, record_id=None, status_code=error.code, message=error.api_message, fields=())
            ]
        middle = len(records) // 2
        return _apart(call, records[:middle]) + _apart(call, records[middle:])


def _link_row(action: Action, link_id: int) -> dict[str, Any]:
    return {
        "link_id": link_id,
        "lead_snapshot": action.lead_snapshot,
        "record_snapshot": action.record_snapshot,
        "record_edited_at": action.edited_at,
        "synced_at": state.now(),
    }
