"""The rows of UserRecordAccess: how far a record is open to a user, as permissions and sharing have it for writes.

It can be asked for by ids, and read as a relationship of Account, Contact and Lead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from salesforce_emulator.sharing import DEFAULTS, Level
from salesforce_emulator.table import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.org import Org
    from salesforce_emulator.users import User

NAME = "UserRecordAccess"
FLAGS = ("HasReadAccess", "HasEditAccess", "HasDeleteAccess", "HasTransferAccess", "HasAllAccess")

NO_ID = "000000000000000AAA"
"""The id of a row that has none of its own (seen in answers of real orgs)."""

_THERE = f"r.{quoted('Id')} IS NOT NULL"


def asked(org: Org, asking: User, user: User | None, wanted: Sequence[str]) -> str:
    """Return the SELECT of a user's access to records, by object; one that is no shared object's is never open.

    Of the own access there is a row for each id, of another user's for those records that the asking user reads.
    """
    prefixes = {org.schemas[name].key_prefix: name for name in DEFAULTS}
    groups: dict[str, list[str]] = {}
    for each in wanted:
        groups.setdefault(prefixes.get(each[:3], ""), []).append(each)
    own, user_id = user is not None and user.id == asking.id, literal(user.id if user else NO_ID)
    selects = []
    for name, listed in groups.items():
        source = f"json_each({literal(orjson.dumps(listed).decode())}) i"
        flags, where = ["0"] * len(FLAGS), "" if own else " WHERE 0"
        if name and user is not None:
            table = org.storage.tables[name]
            source += f" LEFT JOIN {quoted(name)} r ON r.{quoted('Id')} = i.value AND r.{quoted('IsDeleted')} = 0"
            flags = [f"coalesce({each}, 0)" for each in _flags(org.access.view(user, table))]
            if not own:
                view = org.access.view(asking, table)
                where = f" WHERE {_open(view, Level.READ, permitted=view.access.read)}"
        columns = f"i.key + 1 AS _n, NULL AS _visible_at, {literal(NO_ID)} AS {quoted('Id')}, {user_id} AS "
        columns += f"{quoted('UserId')}, i.value AS {quoted('RecordId')}, {_levels(flags)}"
        selects.append(f"SELECT {columns} FROM {source}{where}")
    return " UNION ALL ".join(selects)


def of_all(view: ObjectView) -> str:
    """Return the SELECT of a user's access to all records of an object, to be joined by `RecordId`."""
    columns = f"r._n, NULL AS _visible_at, {literal(NO_ID)} AS {quoted('Id')}, r.{quoted('Id')} AS {quoted('RecordId')}"
    return f"SELECT {columns}, {_levels(_flags(view))} FROM {quoted(view.name)} r"


def _flags(view: ObjectView) -> list[str]:
    """Return the SQL of each flag: permissions on the object and sharing both decide."""
    access = view.access
    permitted = (access.read, access.edit, access.delete, access.edit, access.edit and access.delete)
    levels = (Level.READ, Level.EDIT, Level.ALL, Level.TRANSFER, Level.ALL)
    return [_open(view, level, permitted=access.read and each) for level, each in zip(levels, permitted, strict=True)]


def _open(view: ObjectView, level: Level, *, permitted: bool) -> str:
    if not permitted:
        return "0"
    return f"({_THERE} AND {view.reach.at_least(level, 'r') or '1'})"


def _levels(flags: Sequence[str]) -> str:
    read, edit, delete, transfer, everything = flags
    highest = (
        f"CASE WHEN {everything} THEN 'All' WHEN {transfer} THEN 'Transfer' WHEN {delete} THEN 'Delete' "
        f"WHEN {edit} THEN 'Edit' WHEN {read} THEN 'Read' ELSE 'None' END"
    )
    columns = [f"{flag} AS {quoted(name)}" for name, flag in zip(FLAGS, flags, strict=True)]
    return ", ".join([*columns, f"{highest} AS {quoted('MaxAccessLevel')}"])
