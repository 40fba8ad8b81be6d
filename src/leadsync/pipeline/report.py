"""report: tell people, commit the cursor, close the run (R36-R38).

Runs whatever happened before it. It commits first and fails afterwards: a red run has lost nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from leadsync.errors import RefusedRecordsError
from leadsync.pipeline import mails
from leadsync.report.digest import DigestItem, digest, fingerprint
from leadsync.report.stop import Stop
from leadsync.store import engine as engines
from leadsync.store import held, state
from leadsync.store.leads import LeadTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leadsync.pipeline.cycle import Cycle

log = logging.getLogger(__name__)


def run(cycle: Cycle, failed: Sequence[str] = ()) -> dict[str, Any]:
    """Send the digest, move the cursor, close the run; `failed` are the stages that failed before.

    Raises:
        RefusedRecordsError: Salesforce refused records in this run that it had not refused before.
    """
    with engines.reading(cycle.engine) as view:
        superseded = state.superseded(view, cycle.run_id)
    if superseded:
        log.warning("A later run has committed; this one moves no cursor and mails nothing.")
        return {"superseded": True}
    told = _tell(cycle)
    mailed = mails.flush(cycle)
    mails.stop_over(cycle, Stop.NO_EMAIL_MAPPING)
    if not failed:
        mails.stop_over(cycle, Stop.CREDENTIALS)
    with cycle.engine.begin() as connection:
        committed = not failed and _accounted(cycle, connection)
        moved = committed and _move_cursors(cycle, connection)
        refused = held.newly_refused(connection, cycle.run_id)
        state.finish_run(connection, cycle.run_id, "committed" if committed else "failed")
    cycle.staging.drop_older_than(cycle.settings.staging_days, now=state.now().timestamp())
    counts = cycle.done("report", {**told, "mails": mailed, "cursor_moved": moved, "newly_refused": refused})
    if refused:
        raise RefusedRecordsError(
            f"Salesforce newly refused {refused} records; everything else is committed. "
            "`leadsync errors` lists them with a remedy each; they are tried again when their leads are edited."
        )
    return counts


def _accounted(cycle: Cycle, connection: Any) -> bool:
    """Say whether every extracted lead has an outcome."""
    left = state.unaccounted(connection, cycle.run_id, cycle.extracted()["lead_ids"])
    if left:
        log.error("The cursor stays: %d leads have no outcome, the first %s. Rerun `load`.", len(left), min(left))
    return not left


def _move_cursors(cycle: Cycle, connection: Any) -> bool:
    """Move each cursor on from where `extract` found it, and say whether all stand there; never past another run's."""
    staged = cycle.extracted()
    found = {state.LEADS: (staged["cursor_from"], staged["cursor_to"]), **staged["cursors"]}
    moved = [
        state.advance_cursor(
            connection,
            stream,
            expected=dt.datetime.fromisoformat(expected) if expected else None,
            position=dt.datetime.fromisoformat(position),
            run_id=cycle.run_id,
        )
        for stream, (expected, position) in found.items()
    ]
    return all(moved)


def _tell(cycle: Cycle) -> dict[str, int]:
    """Write the digest into the outbox where something is new, changed or recovered."""
    counts = {"new": 0, "changed": 0, "recovered": 0}
    with engines.reading(cycle.engine) as view:
        rows = [(row, change) for row in held.to_tell(view) if (change := _change(row))]
    if not rows:
        return counts
    labels = _labels(cycle)
    emails = _emails(cycle, sorted({row.lead_id for row, _ in rows}))
    items = [_item(row, change, labels, emails) for row, change in rows]
    mail = digest(items, cycle.settings, cycle.run_id)
    with cycle.engine.begin() as connection:
        if mail:
            held.put_mail(connection, cycle.run_id, asdict(mail))
        held.told(
            connection,
            [(r.lead_id, r.field, r.code, None if change == "recovered" else fingerprint(r)) for r, change in rows],
        )
    for _, change in rows:
        counts[change] += 1
    return counts


def _change(row: Any) -> str:
    """Say what a person has not been told of yet: `new`, `changed`, `recovered`, or ""."""
    if row.recovered_at is not None:
        return "recovered"
    if row.mailed is None:
        return "new"
    return "" if row.mailed == fingerprint(row) else "changed"


def _labels(cycle: Cycle) -> dict[str, str]:
    """Return what people call each field; nothing where `prepare` failed before it staged the mapping."""
    try:
        return {f.field: f.label for f in cycle.mapping.fields}
    except FileNotFoundError:
        return {}


def _emails(cycle: Cycle, lead_ids: Sequence[int]) -> dict[int, str]:
    return {row[0]: row[2] for row in LeadTable(cycle.engine).by_ids(lead_ids, ["email"])}


def _item(row: Any, change: Any, labels: dict[str, str], emails: dict[int, str]) -> DigestItem:
    return DigestItem(
        lead_id=row.lead_id,
        field=row.field,
        code=row.code,
        rule=row.rule,
        first_seen=row.first_seen,
        change=change,
        label=labels.get(row.field, row.field),
        email=emails.get(row.lead_id),
        value=row.value,
        detail=row.detail,
        api_message=row.api_message,
        sobject=row.sobject,
        api_name=row.api_name,
    )
