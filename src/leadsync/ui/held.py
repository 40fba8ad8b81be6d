"""What is held and why, as the page and the command line tell it.

Reads only. Every function takes a connection of the lead store; its caller owns the transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from leadsync.core import codes
from leadsync.core.mapping import Mapping
from leadsync.store import state
from leadsync.store.tables import HeldError

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection


@dataclass(frozen=True)
class Cause:
    """What holds leads at this moment, once per code, field and object."""

    code: str
    rule: str
    field: str
    sobject: str | None
    leads: int
    first_seen: dt.datetime
    title: str
    remedy: str
    """`""` where it differs by lead: `leadsync errors` tells it for each."""


@dataclass(frozen=True)
class Held:
    """One open error of one lead, with its texts."""

    lead_id: int
    field: str
    code: str
    rule: str
    sobject: str | None
    api_name: str | None
    record_id: str | None
    value: str | None
    detail: str | None
    api_message: str | None
    first_seen: dt.datetime
    last_seen: dt.datetime
    title: str
    remedy: str


_OPEN = HeldError.recovered_at.is_(None)
_ERROR_COLUMNS = tuple(name for name in Held.__dataclass_fields__ if name not in ("title", "remedy"))


def causes(connection: Connection, language: str) -> list[Cause]:
    """Return what holds leads, the most frequent cause first."""
    key = (HeldError.code, HeldError.rule, HeldError.field, HeldError.sobject)
    query = (
        sa.select(
            *key,
            sa.func.count().label("leads"),
            sa.func.min(HeldError.first_seen).label("first_seen"),
            # A text that all leads share may be told for all of them.
            *(_shared(name) for name in ("detail", "api_name")),
        )
        .where(_OPEN)
        .group_by(*key)
        .order_by(sa.desc("leads"), HeldError.code, HeldError.field)
    )
    names = labels(connection)
    found = []
    for row in connection.execute(query).mappings():
        facts = {name: row[name] for name in ("field", "sobject", "detail", "api_name")}
        title, remedy = codes.describe(row["code"], language, label=names.get(row["field"]), **facts)
        if row["detail"] is None and codes.asks_for_detail(row["code"]):
            remedy = ""
        told = {name: row[name] for name in ("code", "rule", "field", "sobject", "leads", "first_seen")}
        found.append(Cause(**told, title=title, remedy=remedy))
    return found


def open_errors(
    connection: Connection, language: str, *, code: str | None = None, lead_id: int | None = None, limit: int = 100
) -> tuple[list[Held], int]:
    """Return open errors, the newest first, and how many there are beyond the limit.

    Args:
        connection: A connection of the lead store.
        language: `ja` or `en`.
        code: Only errors with this code.
        lead_id: Only errors of this lead.
        limit: At most so many.
    """
    filters = {HeldError.code: code, HeldError.lead_id: lead_id}
    wanted = [_OPEN, *(column == value for column, value in filters.items() if value is not None)]
    query = (
        sa.select(*(getattr(HeldError, name) for name in _ERROR_COLUMNS))
        .where(*wanted)
        .order_by(HeldError.first_seen.desc(), HeldError.lead_id, HeldError.field, HeldError.code)
        .limit(limit)
    )
    names = labels(connection)
    errors = []
    for row in connection.execute(query).mappings():
        facts = {name: row[name] for name in codes.FACTS if name != "label"}
        title, remedy = codes.describe(row["code"], language, label=names.get(row["field"]), **facts)
        errors.append(Held(**row, title=title, remedy=remedy))
    total = connection.scalar(sa.select(sa.func.count()).select_from(HeldError).where(*wanted)) or 0
    return errors, total - len(errors)


def labels(connection: Connection) -> dict[str, str]:
    """Return the name that people see for each field of the last good mapping."""
    body = state.last_good_mapping(connection)
    return {row.field: row.label for row in Mapping.from_json(body).rows} if body else {}


def _shared(name: str) -> sa.ColumnElement[Any]:
    """Give a text of the group where all its rows agree, else NULL."""
    column = getattr(HeldError, name)
    return sa.case((sa.func.count(column.distinct()) == 1, sa.func.min(column)), else_=None).label(name)
