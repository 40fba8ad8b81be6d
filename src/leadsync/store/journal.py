"""The write-ahead log and the links it creates (ARCHITECTURE: Exactly one record per lead).

An intent is committed before its request is sent, and settled in the transaction that keeps the request's result. A
create's link is committed with its intent: the database itself refuses a second one for the same lead or address.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from leadsync.store.state import among, chunks, now
from leadsync.store.tables import Journal, Link

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.engine import Connection

LEASE = dt.timedelta(minutes=11)
"""How long a request may still arrive: Salesforce works on a call for at most ten minutes."""

LINK_COLUMNS = (
    Link.id.label("link_id"),
    Link.lead_id,
    Link.email_key,
    Link.sobject,
    Link.record_id,
    Link.state,
    Link.current,
    Link.version,
    Link.lead_snapshot,
    Link.record_snapshot,
    Link.record_edited_at,
)


# -- links -------------------------------------------------------------------------------------------------------------


def links(
    connection: Connection,
    *,
    lead_ids: Collection[int] = (),
    email_keys: Collection[str] = (),
    record_ids: Collection[str] = (),
    closed_too: bool = False,
) -> list[Sequence[Any]]:
    """Return the links that these leads ever had, and the current ones of these addresses and records, each once.

    `closed_too` adds the closed ones of the records.

    Their values stand in the order of `LINK_COLUMNS`.
    """
    wanted: list[tuple[Any, Collection[Any], bool]] = [
        (Link.lead_id, lead_ids, False),
        (Link.email_key, email_keys, True),
        (Link.record_id, record_ids, not closed_too),
    ]
    found: dict[int, Sequence[Any]] = {}
    for column, values, current_only in wanted:
        query = sa.select(*LINK_COLUMNS).where(among(connection, column, values))
        rows = connection.execute(query.where(Link.current) if current_only else query).all() if values else ()
        found.update((row[0], row) for row in rows)
    return [found[link_id] for link_id in sorted(found)]


def versions(connection: Connection, link_ids: Collection[int]) -> dict[int, int]:
    """Return the version of each link as it stands, and lock the rows where the database can."""
    query = sa.select(Link.id, Link.version).where(among(connection, Link.id, link_ids)).with_for_update()
    return {row.id: row.version for row in connection.execute(query)}


def open_links(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Insert links as current; return lead id -> link id of those that the database accepted.

    A lead, an address or a record that is current in another link is refused by a unique index: no error, no row.
    """
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(Link).on_conflict_do_nothing().returning(Link.lead_id, Link.id)
    accepted: dict[int, int] = {}
    for some in chunks(rows, 200):
        stamped = [{"current": True, "created_at": now(), "version": 1, **row} for row in some]
        accepted.update({row[0]: row[1] for row in connection.execute(insert, stamped)})
    return accepted


def reopen_links(connection: Connection, keys: Mapping[int, str]) -> set[int]:
    """Let links (id -> the address as compared) be current again where they are not; return those that are current.

    A link stays closed where another one is current for its lead, its record or the address.
    """
    standing = sa.select(Link.id).where(among(connection, Link.id, keys.keys()), Link.current)
    found = set(connection.execute(standing).scalars())
    if closed := keys.keys() - found:
        other = aliased(Link)
        mine = (other.lead_id == Link.lead_id) | (other.record_id == Link.record_id)
        rival = sa.exists().where(other.current, mine | (other.email_key == sa.bindparam("b_key")))
        statement = (
            sa.update(Link)
            .where(Link.id == sa.bindparam("b_id"), ~rival)
            .values(current=True, state="linked", email_key=sa.bindparam("b_key"), version=Link.version + 1)
        )
        connection.execute(statement, [{"b_id": link_id, "b_key": keys[link_id]} for link_id in sorted(closed)])
        found = set(connection.execute(standing).scalars())
    return found


def close_links(connection: Connection, link_ids: Collection[int], state: str) -> None:
    """End links, because the record was left (`moved`, `converted`, ...) or never created (`abandoned`)."""
    connection.execute(
        sa.update(Link)
        .where(among(connection, Link.id, link_ids), Link.current)
        .values(current=False, state=state, version=Link.version + 1)
    )


def close_links_of(connection: Connection, lead_ids: Collection[int], state: str) -> None:
    """End the current links of leads."""
    statement = sa.select(Link.id).where(among(connection, Link.lead_id, lead_ids), Link.current)
    close_links(connection, list(connection.execute(statement).scalars()), state)


def update_links(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set the given columns of links, each row keyed by `link_id`; every row has the same columns."""
    if not rows:
        return
    columns = [name for name in rows[0] if name != "link_id"]
    statement = (
        sa.update(Link)
        .where(Link.id == sa.bindparam("b_link_id"))
        .values(version=Link.version + 1, **{name: sa.bindparam(f"b_{name}") for name in columns})
    )
    connection.execute(statement, [{f"b_{name}": value for name, value in row.items()} for row in rows])


# -- intents and history -----------------------------------------------------------------------------------------------


def write_intents(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> set[int]:
    """Write intents; return the leads whose intent was accepted (one unresolved intent a lead, never overwritten)."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(Journal).on_conflict_do_nothing().returning(Journal.lead_id)
    accepted: set[int] = set()
    for some in chunks(rows, 200):
        stamped = [{"state": "intent", "side": "salesforce", "written_at": now(), **row} for row in some]
        accepted.update(connection.execute(insert, stamped).scalars())
    return accepted


def write_history(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what needed no request, such as a link that moved: done at once."""
    if rows:
        stamped = [{"state": "done", "written_at": now(), "settled_at": now(), **row} for row in rows]
        connection.execute(sa.insert(Journal), stamped)


def settle(connection: Connection, outcomes: Sequence[Mapping[str, Any]]) -> None:
    """Settle intents: `lead_id`, `state` (`done`, `refused`, `deferred`, `lost`), `record_id`, `api_message`."""
    if not outcomes:
        return
    statement = (
        sa.update(Journal)
        .where(Journal.lead_id == sa.bindparam("b_lead_id"), Journal.state == "intent")
        .values(
            state=sa.bindparam("b_state"),
            record_id=sa.func.coalesce(sa.bindparam("b_record_id"), Journal.record_id),
            api_message=sa.bindparam("b_api_message"),
            settled_at=now(),
        )
    )
    rows = [{"record_id": None, "api_message": None, **outcome} for outcome in outcomes]
    connection.execute(statement, [{f"b_{name}": value for name, value in row.items()} for row in rows])


def unresolved(connection: Connection) -> list[dict[str, Any]]:
    """Return every intent whose outcome is unknown, with the key that a create sent."""
    query = (
        sa.select(
            Journal.run_id,
            Journal.action_id,
            Journal.lead_id,
            Journal.link_id,
            Journal.kind,
            Journal.sobject,
            Journal.record_id,
            Journal.changes,
            Journal.requested_at,
            Link.sent_email,
            Link.email_key,
            Link.lead_snapshot,
            Link.record_snapshot,
        )
        .join(Link, Link.id == Journal.link_id, isouter=True)
        # Spelt out, so that the partial index on open intents serves; sorted here, for the same reason.
        .where(Journal.state == sa.literal_column("'intent'"))
    )
    found = [dict(row) for row in connection.execute(query).mappings()]
    return sorted(found, key=lambda intent: intent["lead_id"])


def finished(connection: Connection, run_id: str) -> set[str]:
    """Return the action ids of a run that have their outcome: a rerun does not send them again."""
    query = sa.select(Journal.action_id).where(
        Journal.run_id == run_id, Journal.state.in_(["done", "refused", "deferred"])
    )
    return set(connection.execute(query).scalars())
