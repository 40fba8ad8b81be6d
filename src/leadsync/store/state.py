"""What a cycle knows between its runs: control, cursors, runs, leads already dealt with, leads to look at again.

Every function takes a `Connection`; the caller owns the transaction, so that rows, snapshots, history and pending of
one batch are committed together.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from leadsync.store.tables import Control, Cursor, DescribeCache, FieldStateRow, MappingVersion, Pending, Run, SeenLead

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

CHUNK = 1000
"""Rows written by one statement."""

LEADS = "leads"
"""The stream of the lead table in `sync_cursor`; the others are named after what is read (`Contact`,
`Contact.Account`) and stand on Salesforce's clock."""


def now() -> dt.datetime:
    """Return this machine's time, for stamps that nobody compares across machines."""
    return dt.datetime.now(dt.UTC)


def among(connection: Connection, column: Any, values: Collection[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that a column holds one of the values, all of them bound as one.

    Thousands of parameters would cost more to compile than the look-up itself.
    """
    if connection.dialect.name == "postgresql":
        condition: sa.ColumnElement[bool] = column == sa.any_(sa.literal(list(values), postgresql.ARRAY(column.type)))
        return condition
    each = sa.func.json_each(orjson.dumps(list(values)).decode()).table_valued("value")
    found: sa.ColumnElement[bool] = column.in_(sa.select(each.c.value))
    return found


def chunks(values: Iterable[Any], size: int = CHUNK) -> Iterator[list[Any]]:
    """Yield the values in lists that fit one statement."""
    everything = list(values)
    for start in range(0, len(everything), size):
        yield everything[start : start + size]


def upsert(connection: Connection, table: type, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or update the given columns of those whose primary key stands already."""
    if not rows:
        return
    target: Any = table.__table__  # type: ignore[attr-defined]
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(target)
    key = [column.name for column in target.primary_key]
    changed = {name: insert.excluded[name] for name in rows[0] if name not in key}
    connection.execute(insert.on_conflict_do_update(index_elements=key, set_=changed), [dict(row) for row in rows])


# -- control (R33) and cursors -----------------------------------------------------------------------------------------


def get_control(connection: Connection, name: str) -> Any:
    """Return a control value, or None."""
    return connection.execute(sa.select(Control.value).where(Control.name == name)).scalar_one_or_none()


def put_control(connection: Connection, name: str, value: Any) -> None:
    """Set a control value."""
    upsert(connection, Control, [{"name": name, "value": value, "updated_at": now()}])


def get_cursor(connection: Connection, stream: str) -> dt.datetime | None:
    """Return where the next delta of a stream starts (UTC), or None before a start."""
    return connection.execute(sa.select(Cursor.position).where(Cursor.stream == stream)).scalar_one_or_none()


def set_cursor(connection: Connection, stream: str, position: dt.datetime) -> None:
    """Set a cursor, as a start does (R34)."""
    upsert(connection, Cursor, [{"stream": stream, "position": position, "run_id": None, "updated_at": now()}])


def advance_cursor(
    connection: Connection, stream: str, *, expected: dt.datetime | None, position: dt.datetime, run_id: str
) -> bool:
    """Move a cursor forward if it still stands where this run found it; say whether it now stands at `position`."""
    if expected is None and get_cursor(connection, stream) is None:
        set_cursor(connection, stream, position)
    moved = connection.execute(
        sa.update(Cursor)
        .where(Cursor.stream == stream, Cursor.position == expected, Cursor.position < position)
        .values(position=position, run_id=run_id, updated_at=now())
    )
    return moved.rowcount == 1 or get_cursor(connection, stream) == position


# -- runs --------------------------------------------------------------------------------------------------------------


def begin_run(connection: Connection, run_id: str, mapping_version: str) -> None:
    """Enter a run, or enter it again when it is rerun: its place in the sequence stays."""
    place = sa.select(sa.func.coalesce(sa.func.max(Run.sequence), 0) + 1).scalar_subquery()
    if connection.execute(sa.select(Run.run_id).where(Run.run_id == run_id)).first():
        connection.execute(sa.update(Run).where(Run.run_id == run_id).values(mapping_version=mapping_version))
        return
    connection.execute(
        sa.insert(Run).values(
            run_id=run_id,
            sequence=place,
            started_at=now(),
            state="running",
            mapping_version=mapping_version,
            counts={},
            api_calls=0,
        )
    )


def superseded(connection: Connection, run_id: str) -> bool:
    """Say whether a later run has committed: then this one writes nothing any more."""
    mine = sa.select(Run.sequence).where(Run.run_id == run_id).scalar_subquery()
    later = sa.select(Run.run_id).where(Run.state == "committed", Run.sequence > mine)
    return connection.execute(later.limit(1)).first() is not None


def add_counts(connection: Connection, run_id: str, stage: str, counts: Mapping[str, Any], api_calls: int = 0) -> None:
    """Keep a stage's counts with its run; a rerun of the stage replaces them, its API calls are added."""
    row = connection.execute(sa.select(Run.counts).where(Run.run_id == run_id)).scalar_one_or_none() or {}
    connection.execute(
        sa.update(Run)
        .where(Run.run_id == run_id)
        .values(counts={**row, stage: dict(counts)}, api_calls=Run.api_calls + api_calls)
    )


def finish_run(connection: Connection, run_id: str, state: str) -> None:
    """Close a run as `committed` or `failed`."""
    connection.execute(sa.update(Run).where(Run.run_id == run_id).values(state=state, finished_at=now()))


# -- mapping, describes, field states ----------------------------------------------------------------------------------


def last_good_mapping(connection: Connection) -> dict[str, Any] | None:
    """Return the mapping that ran last without a problem, as JSON data (R25)."""
    newest = sa.select(MappingVersion.body).order_by(MappingVersion.last_used_at.desc()).limit(1)
    return connection.execute(newest).scalar_one_or_none()


def keep_mapping(connection: Connection, version: str, body: Mapping[str, Any]) -> None:
    """Remember a good mapping."""
    if connection.execute(sa.select(MappingVersion.version).where(MappingVersion.version == version)).first():
        connection.execute(
            sa.update(MappingVersion).where(MappingVersion.version == version).values(last_used_at=now())
        )
        return
    row = {"version": version, "body": dict(body), "first_used_at": now(), "last_used_at": now()}
    connection.execute(sa.insert(MappingVersion).values(row))


class Describe(NamedTuple):
    """A describe as cached: slimmed JSON text, its `Last-Modified` header, when it was read in full (UTC)."""

    body: str
    last_modified: str | None
    fetched_at: dt.datetime


def describes(connection: Connection) -> dict[str, Describe]:
    """Return the cached describes by object."""
    table = DescribeCache
    rows = connection.execute(sa.select(table.sobject, table.body, table.last_modified, table.fetched_at))
    return {row[0]: Describe(*row[1:]) for row in rows}


def keep_describes(connection: Connection, found: Mapping[str, Describe]) -> None:
    """Cache describes."""
    upsert(connection, DescribeCache, [{"sobject": name, **entry._asdict()} for name, entry in found.items()])


def forget_describes(connection: Connection) -> None:
    """Let the next cycle read every describe in full: the org was not as described (R53)."""
    connection.execute(sa.delete(DescribeCache))


def keep_field_states(connection: Connection, states: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Keep each field's state per object, since when and why; return those that changed, with `was`.

    Args:
        connection: the transaction.
        states: `field`, `sobject`, `api_name`, `state`, `reason`.
    """
    table = FieldStateRow
    rows = connection.execute(sa.select(table.field, table.sobject, table.state, table.reason))
    known = {(row.field, row.sobject): (row.state, row.reason) for row in rows}
    changed = [
        {**state, "was": known.get((state["field"], state["sobject"]), (None, ""))[0]}
        for state in states
        if known.get((state["field"], state["sobject"])) != (state["state"], state["reason"])
    ]
    upsert(connection, table, [{**{k: v for k, v in row.items() if k != "was"}, "since": now()} for row in changed])
    return changed


# -- leads dealt with, and leads to look at again ----------------------------------------------------------------------


class Seen(NamedTuple):
    """A lead as a run has last dealt with it; the fields are those of `sync_lead`."""

    row_hash: str
    mapping_version: str
    email_key: str | None
    written_at: dt.datetime | None
    edited_at: dt.datetime | None


def seen(connection: Connection, lead_ids: Collection[int]) -> dict[int, Seen]:
    """Return what is known of the leads that a run has dealt with, by id."""
    table = SeenLead
    columns = sa.select(table.lead_id, *(getattr(table, name) for name in Seen._fields))
    rows = connection.execute(columns.where(among(connection, table.lead_id, lead_ids)))
    return {row[0]: Seen(*row[1:]) for row in rows}


def twins(connection: Connection, keys: Collection[str], *, held_only: bool = False) -> set[int]:
    """Return the ids of the leads that were last seen with one of these e-mail keys (R3)."""
    query = sa.select(SeenLead.lead_id).where(among(connection, SeenLead.email_key, keys))
    return set(connection.execute(query.where(SeenLead.outcome == "held") if held_only else query).scalars())


def keep_seen(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Remember what was dealt with: `lead_id`, `row_hash`, `mapping_version`, `outcome`, `email_key`, `run_id`."""
    upsert(connection, SeenLead, rows)


def keep_written(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Remember that we wrote leads: `lead_id`, `email_key`, `written_at`, `edited_at`.

    Until `keep_seen` follows, such a lead counts as not dealt with.
    """
    not_yet = {"row_hash": "", "mapping_version": "", "outcome": "", "run_id": ""}
    upsert(connection, SeenLead, [{**not_yet, **row} for row in rows])


def keep_addresses(connection: Connection, keys: Mapping[int, str | None]) -> None:
    """Enter leads that no run has seen yet, by their e-mail key; those that are known stay as they are."""
    not_yet = {"row_hash": "", "mapping_version": "", "outcome": "indexed", "run_id": ""}
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(SeenLead).on_conflict_do_nothing()
    rows = [{**not_yet, "lead_id": lead_id, "email_key": key} for lead_id, key in keys.items()]
    if rows:
        connection.execute(insert, rows)


def due(connection: Connection, moment: dt.datetime) -> set[int]:
    """Return the leads whose time to be looked at again has come."""
    return set(connection.execute(sa.select(Pending.lead_id).where(Pending.not_before <= moment)).scalars())


def postpone(connection: Connection, run_id: str, entries: Mapping[int, tuple[str, dt.datetime]]) -> None:
    """Look at leads again: lead id -> (reason, not before, UTC). Each run that postpones one counts as an attempt."""
    known = _attempts(connection, entries)

    def count_of(lead_id: int) -> int:
        count, by = known.get(lead_id, (0, ""))
        return count if by == run_id else count + 1

    upsert(
        connection,
        Pending,
        [
            {"lead_id": i, "reason": reason, "not_before": moment, "attempts": count_of(i), "run_id": run_id}
            for i, (reason, moment) in entries.items()
        ],
    )


def attempts(connection: Connection, lead_ids: Collection[int]) -> dict[int, int]:
    """Return how many runs have postponed each lead in a row."""
    return {lead_id: count for lead_id, (count, _) in _attempts(connection, lead_ids).items()}


def _attempts(connection: Connection, lead_ids: Collection[int]) -> dict[int, tuple[int, str]]:
    query = sa.select(Pending.lead_id, Pending.attempts, Pending.run_id)
    rows = connection.execute(query.where(among(connection, Pending.lead_id, lead_ids)))
    return {row.lead_id: (row.attempts, row.run_id) for row in rows}


def settle_pending(connection: Connection, lead_ids: Collection[int]) -> None:
    """Strike leads off the list of those to be looked at again."""
    connection.execute(sa.delete(Pending).where(among(connection, Pending.lead_id, lead_ids)))


def look_again_at_held(connection: Connection, run_id: str) -> int:
    """Look at every held lead again, because the mapping or the org has changed (R39); return how many."""
    held = set(connection.execute(sa.select(SeenLead.lead_id).where(SeenLead.outcome == "held")).scalars())
    postpone(connection, run_id, dict.fromkeys(held, ("mapping_or_org_changed", now())))
    return len(held)


def concluded(connection: Connection, run_id: str, mapping_version: str, hashes: Mapping[int, str]) -> set[int]:
    """Return the leads that this run has dealt with already under this mapping, in this version (id -> row hash)."""
    query = sa.select(SeenLead.lead_id, SeenLead.row_hash).where(
        SeenLead.run_id == run_id,
        SeenLead.mapping_version == mapping_version,
        among(connection, SeenLead.lead_id, hashes.keys()),
    )
    found = {row.lead_id for row in connection.execute(query) if row.row_hash == hashes[row.lead_id]}
    return found - _pending_among(connection, found)


def unaccounted(connection: Connection, run_id: str, lead_ids: Collection[int]) -> set[int]:
    """Return the leads that are neither dealt with by this run nor to be looked at again: the cursor must wait."""
    query = sa.select(SeenLead.lead_id).where(SeenLead.run_id == run_id, among(connection, SeenLead.lead_id, lead_ids))
    rest = set(lead_ids).difference(connection.execute(query).scalars())
    return rest - _pending_among(connection, rest)


def _pending_among(connection: Connection, lead_ids: Collection[int]) -> set[int]:
    query = sa.select(Pending.lead_id).where(among(connection, Pending.lead_id, lead_ids))
    return set(connection.execute(query).scalars())
