"""Held records (`sync_error`): what is wrong with each lead, since when, and whether a person was told (R36-R39)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from leadsync.core.codes import is_transient
from leadsync.store.state import among, chunks, now, upsert
from leadsync.store.tables import HeldError, Outbox

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.engine import Connection

_KEY = ("lead_id", "field", "code")
_BOUND = tuple(f"b_{name}" for name in _KEY)
_BY_KEY = [getattr(HeldError, name) == sa.bindparam(bound) for name, bound in zip(_KEY, _BOUND, strict=True)]


def replace(
    connection: Connection, run_id: str, lead_ids: Collection[int], errors: Sequence[Mapping[str, Any]]
) -> None:
    """Let `errors` be all that is wrong with these leads: what stands stays, what is new opens, the rest recovers.

    Salesforce's own words stay with an error that stands, also where it was not asked again.

    Args:
        connection: the transaction.
        run_id: the run that looked.
        lead_ids: the leads that were looked at.
        errors: `lead_id`, `field`, `code`, `rule`, and any further column of `sync_error`.
    """
    moment = now()
    wrong = {tuple(error[name] for name in _KEY): error for error in errors}
    query = sa.select(HeldError.__table__).where(among(connection, HeldError.lead_id, lead_ids))
    known = {(row.lead_id, row.field, row.code): row for row in connection.execute(query)}
    _recover(connection, run_id, [key for key, row in known.items() if key not in wrong and row.recovered_at is None])
    blank = dict.fromkeys(("sobject", "api_name", "record_id", "value", "detail", "api_message"))
    rows = []
    for key, error in wrong.items():
        before = known.get(key)
        if before is not None and before.recovered_at is not None:
            before = None  # it had recovered: it is new again
        rows.append(
            {
                **blank,
                **error,
                "api_message": error.get("api_message") or (before.api_message if before else None),
                "first_seen": before.first_seen if before else moment,
                "first_run": before.first_run if before else run_id,
                "mailed": before.mailed if before else None,
                "last_seen": moment,
                "last_run": run_id,
                "recovered_at": None,
                "recovered_run": None,
            }
        )
    for some in chunks(rows):
        upsert(connection, HeldError, some)


def _recover(connection: Connection, run_id: str, keys: Sequence[tuple[int, str, str]]) -> None:
    if keys:
        statement = sa.update(HeldError).where(*_BY_KEY).values(recovered_at=now(), recovered_run=run_id)
        connection.execute(statement, [dict(zip(_BOUND, key, strict=True)) for key in keys])


def to_tell(connection: Connection) -> list[Any]:
    """Return the errors that a mail may have to tell of: every open one, and those that recovered after being told."""
    query = sa.select(HeldError.__table__).where(
        HeldError.recovered_at.is_(None) | (HeldError.recovered_at.is_not(None) & HeldError.mailed.is_not(None))
    )
    return list(connection.execute(query.order_by(HeldError.code, HeldError.lead_id, HeldError.field)))


def told(connection: Connection, marks: Sequence[tuple[int, str, str, str | None]]) -> None:
    """Remember what was told: lead id, field, code, and the fingerprint (None for a recovery: nothing is open)."""
    if marks:
        statement = sa.update(HeldError).where(*_BY_KEY).values(mailed=sa.bindparam("b_mailed"))
        connection.execute(statement, [dict(zip((*_BOUND, "b_mailed"), mark, strict=True)) for mark in marks])


def newly_refused(connection: Connection, run_id: str) -> int:
    """Count the records that Salesforce refused for good for the first time in this run: they turn it red."""
    query = sa.select(HeldError.lead_id, HeldError.code).where(
        HeldError.first_run == run_id,
        HeldError.code.startswith("api_", autoescape=True),
        HeldError.api_message.is_not(None),
        HeldError.recovered_at.is_(None),
    )
    return len({row.lead_id for row in connection.execute(query) if not is_transient(row.code)})


# -- outbox ------------------------------------------------------------------------------------------------------------


def put_mail(connection: Connection, run_id: str, mail: Mapping[str, Any]) -> bool:
    """Put a mail (`mail_id`, `subject`, `html`, `recipients`) into the outbox; False where it is there already."""
    if connection.execute(sa.select(Outbox.mail_id).where(Outbox.mail_id == mail["mail_id"])).first():
        return False
    connection.execute(sa.insert(Outbox).values(**mail, run_id=run_id, created_at=now()))
    return True


def unsent(connection: Connection) -> list[Any]:
    """Return the mails that are not known to have been sent, oldest first."""
    query = sa.select(Outbox.__table__).where(Outbox.sent_at.is_(None)).order_by(Outbox.created_at)
    return list(connection.execute(query))


def mark_sent(connection: Connection, mail_id: str) -> None:
    """Remember that a mail was handed to the mail server."""
    connection.execute(sa.update(Outbox).where(Outbox.mail_id == mail_id).values(sent_at=now()))
