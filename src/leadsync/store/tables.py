"""The system's own tables, beside the lead table and prefixed `sync_` (ARCHITECTURE: State).

Timestamps are UTC. `UtcDateTime` reads and writes aware datetimes on SQLite and PostgreSQL alike.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, DateTime, Index, Integer, MetaData, String, Text, TypeDecorator, false, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[dt.datetime]):
    """An aware datetime in UTC; on SQLite, where no zone is stored, UTC is meant."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Convert to UTC before binding; refuse a naive datetime."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "a naive datetime has no moment; give it a time zone"
            raise ValueError(msg)
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Return an aware datetime in UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


BigId = BigInteger().with_variant(Integer, "sqlite")
_INTENT = text("state = 'intent'")
Json = JSON().with_variant(postgresql.JSONB(), "postgresql")


class Base(DeclarativeBase):
    """The declarative base of the `sync_` tables."""

    metadata = metadata


class Control(Base):
    """A fact about the whole sync: `started` (R33), `paused`, confirmations."""

    __tablename__ = "sync_control"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[Any] = mapped_column(Json)
    updated_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class MappingVersion(Base):
    """A mapping that parsed without a problem; the newest is the last good one (R25)."""

    __tablename__ = "sync_mapping"
    version: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[dict[str, Any]] = mapped_column(Json)
    """The rows, as `core.mapping.Mapping.to_json` gives them."""
    first_used_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class DescribeCache(Base):
    """The last full describe of an object, so that an unchanged one costs 304 and no parsing (R53)."""

    __tablename__ = "sync_describe"
    sobject: Mapped[str] = mapped_column(String(80), primary_key=True)
    body: Mapped[str] = mapped_column(Text)
    """The parts of the describe that we use, as JSON text; `null` where the object is hidden from us."""
    last_modified: Mapped[str | None] = mapped_column(String(40))
    """The `Last-Modified` header as sent, for `If-Modified-Since`."""
    fetched_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class Cursor(Base):
    """Where the next delta of a stream starts."""

    __tablename__ = "sync_cursor"
    stream: Mapped[str] = mapped_column(String(255), primary_key=True)
    position: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    run_id: Mapped[str | None] = mapped_column(String(250))
    updated_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class SeenLead(Base):
    """The last version of each lead that a run has dealt with, linked, held or skipped: the overlap costs nothing."""

    __tablename__ = "sync_lead"
    lead_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    row_hash: Mapped[str] = mapped_column(String(32))
    """Hash over the mapped columns, hex."""
    mapping_version: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(20))
    """`linked`, `held` or `skipped`; `indexed` before any run has seen it."""
    email_key: Mapped[str | None] = mapped_column(String(320), index=True)
    """The e-mail as compared (R3): finds the twins of an address; None where blank."""
    run_id: Mapped[str] = mapped_column(String(250))
    written_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    """The `updated_at` that our last write gave the row: while it stands, nobody has edited the lead since."""
    edited_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    """The row's last edit before that, which was not ours (R30)."""


def _one_current(name: str, column: str) -> Index:
    """Allow a value in one current link only.

    SQLite uses a partial index only where the query says the same words, and SQLAlchemy says `current = 1` there.
    """
    return Index(name, column, unique=True, sqlite_where=text("current = 1"), postgresql_where=text("current"))


class Link(Base):
    """A lead and a record that were ever paired; at most one per lead, per key and per record is current."""

    __tablename__ = "sync_link"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    lead_id: Mapped[int] = mapped_column(BigId, index=True)
    email_key: Mapped[str] = mapped_column(String(320))
    """The e-mail as compared (R3)."""
    sent_email: Mapped[str | None] = mapped_column(String(320))
    """The e-mail as a create sent it; recovery searches by it."""
    sobject: Mapped[str] = mapped_column(String(80))
    record_id: Mapped[str | None] = mapped_column(String(18))
    state: Mapped[str] = mapped_column(String(20))
    """`creating`, `linked`, or closed: `abandoned`, `moved`, `converted`, `merged`, `deleted`, `lead_deleted`."""
    current: Mapped[bool]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    lead_snapshot: Mapped[str] = mapped_column(Text, server_default=text("'{}'"))
    """JSON text: lead field -> text at the last agreement; `""` agreed on nothing, absent never agreed."""
    record_snapshot: Mapped[str] = mapped_column(Text, server_default=text("'{}'"))
    """The same for the record's side, under the same lead field names."""
    owner_run: Mapped[str | None] = mapped_column(String(250))
    requested_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    """When the create was sent, on Salesforce's clock."""
    record_edited_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    """The record's last edit that was not ours, as far as we saw (R4, R30)."""
    synced_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        _one_current("uq_sync_link_lead", "lead_id"),
        _one_current("uq_sync_link_key", "email_key"),
        _one_current("uq_sync_link_record", "record_id"),
        Index("ix_sync_link_record", "record_id"),
    )


class Journal(Base):
    """Write-ahead log and history: what is sent, before it is sent, and what became of it (R49)."""

    __tablename__ = "sync_journal"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    run_id: Mapped[str] = mapped_column(String(250))
    action_id: Mapped[str] = mapped_column(String(64))
    """Stable within one plan of the run: `<plan>:<lead_id>:<kind>`."""
    lead_id: Mapped[int] = mapped_column(BigId, index=True)
    link_id: Mapped[int | None] = mapped_column(BigId)
    side: Mapped[str] = mapped_column(String(12))
    """`salesforce`, `lead` or `none` (a link without a write)."""
    kind: Mapped[str] = mapped_column(String(12))
    sobject: Mapped[str | None] = mapped_column(String(80))
    record_id: Mapped[str | None] = mapped_column(String(18))
    changes: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    """One object per field: field, api_name, old, new, lead_value, rule."""
    state: Mapped[str] = mapped_column(String(12))
    """`intent`, then `done`, `refused`, `deferred` or `lost`."""
    requested_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    """When it was sent, on Salesforce's clock: nobody else settles it for 11 minutes."""
    written_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    settled_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    api_message: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("ix_sync_journal_action", "run_id", "action_id"),
        Index("uq_sync_journal_intent", "lead_id", unique=True, sqlite_where=_INTENT, postgresql_where=_INTENT),
    )


class Pending(Base):
    """A lead to look at again although nobody edits it: why, and not before when."""

    __tablename__ = "sync_pending"
    lead_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(String(64))
    not_before: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(server_default=text("1"))
    run_id: Mapped[str] = mapped_column(String(250))


class HeldError(Base):
    """A held record: what is wrong, by which rule, since when, and whether it was mailed (R36-R39, R50)."""

    __tablename__ = "sync_error"
    lead_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    field: Mapped[str] = mapped_column(String(255), primary_key=True)
    """The lead field, or `""` where the whole record is meant."""
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    rule: Mapped[str] = mapped_column(String(8))
    sobject: Mapped[str | None] = mapped_column(String(80))
    api_name: Mapped[str | None] = mapped_column(String(255))
    record_id: Mapped[str | None] = mapped_column(String(18))
    value: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    """What the message needs beside the value: allowed values, a limit, the other lead's id."""
    api_message: Mapped[str | None] = mapped_column(Text)
    first_seen: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    last_seen: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    first_run: Mapped[str] = mapped_column(String(250))
    last_run: Mapped[str] = mapped_column(String(250))
    recovered_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    recovered_run: Mapped[str | None] = mapped_column(String(250))
    mailed: Mapped[str | None] = mapped_column(String(64))
    """Fingerprint of what the last mail said of it; None: not mailed yet."""


class FieldStateRow(Base):
    """Each mapped field's state per object: active, read-only or released, since when and why (R40-R44)."""

    __tablename__ = "sync_field"
    field: Mapped[str] = mapped_column(String(255), primary_key=True)
    sobject: Mapped[str] = mapped_column(String(80), primary_key=True)
    api_name: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(Text, server_default=text("''"))
    since: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class Run(Base):
    """One cycle: counts, API calls, freshness, durations."""

    __tablename__ = "sync_run"
    run_id: Mapped[str] = mapped_column(String(250), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, unique=True)
    """Rises by one with each prepared run: a run that a later committed one has superseded writes nothing."""
    started_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(12))
    """`running`, `committed` or `failed`."""
    mapping_version: Mapped[str] = mapped_column(String(64))
    counts: Mapped[dict[str, Any]] = mapped_column(Json)
    api_calls: Mapped[int] = mapped_column(server_default=text("0"))


class Outbox(Base):
    """A mail with a stable id, so that it is sent at least once and known when twice."""

    __tablename__ = "sync_outbox"
    mail_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(250))
    subject: Mapped[str] = mapped_column(Text)
    html: Mapped[str] = mapped_column(Text)
    recipients: Mapped[list[str]] = mapped_column(Json)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    discarded: Mapped[bool] = mapped_column(server_default=false())
