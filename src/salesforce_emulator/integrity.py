"""What a save may point at, and which values no two rows may share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salesforce_emulator import errors
from salesforce_emulator.access import ADMIN
from salesforce_emulator.computed import QUEUE
from salesforce_emulator.errors import Problem, RecordError
from salesforce_emulator.sharing import Level
from salesforce_emulator.table import quoted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.records import Writer
    from salesforce_emulator.schema import FieldSchema
    from salesforce_emulator.table import Table
    from salesforce_emulator.users import User


def check_references(writer: Writer, db: sqlite3.Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Refuse ids of rows that are gone, of another object, or hidden from the user; a group must be a queue."""
    for name, field in table.references.items():
        if (value := values.get(name)) is None:
            continue
        parent = writer.org.table_of_id(value)
        if parent is None or parent.name not in field.reference_to:
            raise RecordError([errors.malformed_id(field.label, name, value)])
        deleted = '"IsDeleted"' if parent.is_deletable else "0"
        view = writer.org.access.view(writer.user, parent)
        readable = view.reach.at_least(Level.READ, "t") or "1"
        sql = f'SELECT {deleted}, {readable} FROM {view.source} t WHERE "Id" = ?'
        if parent.name == "Group":
            sql += f""" AND "Type" = '{QUEUE}'"""
        found = db.execute(sql, (value,)).fetchone()
        if found is None:
            raise RecordError([Problem("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (name,))])
        if found[0]:
            raise RecordError([Problem("ENTITY_IS_DELETED", "entity is deleted", (name,))])
        if not found[1]:
            raise errors.unreachable(value)


def check_unique(db: sqlite3.Connection, view: ObjectView, values: Mapping[str, Any], own_id: str | None) -> None:
    """Refuse a unique value that another live row has; one that is hidden is not named."""
    table = view.table
    for field in table.unique_fields:
        if (value := values.get(field.name)) is None:
            continue
        shown = f"iif({view.reach.at_least(Level.READ, 't') or '1'}, \"Id\", '<unknown>')"
        sql = f'SELECT {shown} FROM {quoted(table.name)} t WHERE {quoted(field.name)} = ?{table.live} AND "Id" IS NOT ?'
        if other := db.execute(sql, (value, own_id)).fetchone():
            raise RecordError([errors.duplicate_value(field.name, other[0])])


def check_key(user: User, field: FieldSchema) -> None:
    """Refuse to upsert by an external id that is not unique, but to users who see all data (documented).

    A twin that the user cannot see would otherwise be doubled. Look-up fields such as `Email` are not bound by it here.
    """
    if field.external_id and not field.unique and not (user.profile == ADMIN or user.view_all or user.modify_all):
        raise errors.blind_upsert()
