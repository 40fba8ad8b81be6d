"""Create, change and delete rows as the org's rules have it: permissions, checks, defaults, stamps.

Every function works on one record inside the caller's transaction and raises `RecordError` for what is wrong with that
record; `ApiError` and `FieldTypeError` are for bodies that the real API does not get past parsing.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from salesforce_emulator import errors, integrity
from salesforce_emulator.clock import stamp
from salesforce_emulator.errors import Problem, RecordError
from salesforce_emulator.sharing import PARENTS, Level
from salesforce_emulator.table import quoted
from salesforce_emulator.values import FieldValueError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.org import Org
    from salesforce_emulator.schema import FieldSchema
    from salesforce_emulator.table import Table
    from salesforce_emulator.users import User
    from salesforce_emulator.web import Call

_NAME_LENGTH = 121
_NUMBER_DIGITS = 5
"""How an auto number is shown: `00042`; rows older than the field have none."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and when: the moment every stamp of this write carries; `quiet` sets off no automation.

    `event` is what the history of a row that is created calls it.
    """

    org: Org
    user: User
    stamp: str
    version: int = 59
    allow_duplicates: bool = False
    auto_assign: bool = True
    quiet: bool = False
    event: str = "created"

    @classmethod
    def at(cls, org: Org, user: User, moment: datetime) -> Writer:
        """Build a writer whose stamps say `moment`."""
        return cls(org, user, stamp(moment))

    @classmethod
    def of(cls, call: Call) -> Writer:
        """Build a call's writer: its headers may allow duplicates and forbid assignment rules."""
        duplicates = call.headers.get("sforce-duplicate-rule-header", "").replace(" ", "").lower().split(";")
        return cls(
            org=call.org,
            user=call.user,
            stamp=stamp(call.now()),
            version=call.major,
            allow_duplicates="allowsave=true" in duplicates,
            auto_assign=call.headers.get("sforce-auto-assign", "").strip().lower() != "false",
        )


def checked(view: ObjectView, values: Mapping[str, Any], *, ignore: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Map a JSON record's keys to canonical field names and its values to stored ones (None for null).

    Keys in `ignore` (lower-case) and `attributes` are passed over. Values that a field refuses are returned as
    `FieldValueError`, for the create or update to report beside what else is wrong with the record.
    """
    result: dict[str, Any] = {}
    by_name, converters = view.by_name, view.table.converters
    for key, value in values.items():
        lower = key.lower()
        if lower == "attributes" or lower in ignore:
            continue
        field = by_name.get(lower)
        if field is None:
            raise errors.unknown_column_on_write(key, view.name)
        if value is None or field.name not in converters:
            result[field.name] = _null(field) if value is None else value
            continue
        try:
            result[field.name] = converters[field.name](value)
        except FieldValueError as problem:
            result[field.name] = problem
    return result


def create(writer: Writer, db: sqlite3.Connection, view: ObjectView, values: dict[str, Any]) -> str:
    """Insert a row from `checked` values; return its id."""
    if not view.can_create:
        raise errors.not_insertable(view.name)
    if refused := [name for name in values if name not in view.createable]:
        raise RecordError([errors.not_writeable(refused)])
    writer.org.record_types.assign(view.schema, values, None, new=True)
    missing = [name for name in view.required if values.get(name) is None]
    problems = [*_required(missing), *_value_problems(values)]
    if problems:
        raise RecordError(problems)
    integrity.check_references(writer, db, view.table, values)
    integrity.check_unique(db, view, values, own_id=None)
    number, record_id = writer.org.new_id(view.table)
    row = _new_row(writer, view.table, record_id, values)
    for field in view.table.numbered:
        row[view.table.position[field.name]] = f"{number:0{_NUMBER_DIGITS}}"
    with _saving(writer, db, view, record_id, moment="create", changed=view.table.position):
        db.execute(view.table.insert_sql, (number, *row))
    return record_id


def update(writer: Writer, db: sqlite3.Connection, view: ObjectView, record_id: str, values: dict[str, Any]) -> None:
    """Change a row to `checked` values; it is stamped even where nothing differs."""
    current = _live_row(db, view, record_id, _needed(writer, view, values))
    if not view.can_edit:
        raise errors.insufficient_access()
    if current.get("IsConverted"):
        raise errors.converted_lead()
    if refused := [name for name in values if name not in view.updateable]:
        raise RecordError([errors.not_writeable(refused)])
    writer.org.record_types.assign(view.schema, values, current.get("RecordTypeId"), new=False)
    emptied = [name for name, value in values.items() if value is None and name in view.table.never_null]
    problems = [*_required(emptied), *_value_problems(values)]
    if problems:
        raise RecordError(problems)
    integrity.check_references(writer, db, view.table, values)
    integrity.check_unique(db, view, values, own_id=record_id)
    changes = dict(values)
    if {"FirstName", "LastName"} & changes.keys() and "Name" in view.table.position:
        changes["Name"] = _full_name(current | changes)
    if current.get("IsUnreadByOwner") and current.get("OwnerId") == writer.user.id:
        changes["IsUnreadByOwner"] = 0
    with _saving(writer, db, view, record_id, moment="update", changed=changes):
        _store(writer, db, view.table, record_id, changes)


def delete(writer: Writer, db: sqlite3.Connection, view: ObjectView, record_id: str) -> None:
    """Move a row to the recycle bin, and with an Account its Contacts."""
    _live_row(db, view, record_id, Level.ALL)
    if not view.can_delete:
        raise errors.insufficient_access()
    _discard(writer, db, view.table, record_id)


def put(db: sqlite3.Connection, table: Table, record_id: str, values: Mapping[str, Any]) -> bool:
    """Set stored values of any row as they are, stamps included, without side effects; False if there is no row."""
    names = [name for name in ("FirstName", "LastName") if name in table.position]
    select = f'SELECT {", ".join(map(quoted, ["Id", *names]))} FROM {quoted(table.name)} WHERE "Id" = ?'
    if (row := db.execute(select, (record_id,)).fetchone()) is None:
        return False
    changes = dict(values)
    if changes.keys() & set(names):
        changes["Name"] = _full_name({**dict(zip(names, row[1:], strict=True)), **changes})
    if changes:
        assignments = ", ".join(f"{quoted(name)} = ?" for name in changes)
        db.execute(f'UPDATE {quoted(table.name)} SET {assignments} WHERE "Id" = ?', (*changes.values(), record_id))
    return True


def upsert(
    writer: Writer, db: sqlite3.Connection, view: ObjectView, *, field: FieldSchema, key: Any, values: dict[str, Any]
) -> tuple[str, bool]:
    """Update the one live row whose `field` holds `key`, or create it; return its id and whether it is new."""
    integrity.check_key(writer.user, field)
    found = find(db, view, field, key)
    if len(found) > 1:
        raise errors.several_matches(field.name, found)
    if found:
        update(writer, db, view, found[0], values)
        return found[0], False
    return create(writer, db, view, {**values, field.name: key}), True


def find(db: sqlite3.Connection, view: ObjectView, field: FieldSchema, value: Any) -> list[str]:
    """Return the ids of the user's live rows with a value in an external id (or look-up) field, oldest first."""
    readable = view.reach.and_readable("t")
    sql = f'SELECT "Id" FROM {view.source} t WHERE {quoted(field.name)} = ?{view.table.live}{readable} ORDER BY _n'
    return [record_id for (record_id,) in db.execute(sql, (value,))]


@contextmanager
def _saving(
    writer: Writer, db: sqlite3.Connection, view: ObjectView, record_id: str, *, moment: str, changed: Collection[str]
) -> Iterator[None]:
    """Write a row, then do what the org does by itself and check its rules: all of it or nothing."""
    org, name = writer.org, view.name
    automated = org.automation.concern(name) and not writer.quiet
    tracked = org.history.concerns(name)
    if not automated and not tracked and not org.rules.concern(name):
        yield
        return
    with org.storage.writing():
        before = org.history.values(db, view.table, record_id) if tracked else {}
        yield
        converts = automated and org.automation.run(writer, db, name, record_id, moment)
        org.rules.check(writer, db, view, record_id, changed)
        if tracked and moment == "create":
            org.history.note(writer, db, view.table, record_id, writer.event)
        elif tracked:
            org.history.compare(writer, db, view.table, record_id, before)
        if converts:
            org.automation.convert(writer, db, record_id)


def _null(field: FieldSchema) -> Any:
    if field.type != "boolean":
        return None
    message = f"{field.label}: value not of required type: null"
    return FieldValueError(Problem("INVALID_TYPE_ON_FIELD_IN_RECORD", message, (field.name,)))


def _required(names: list[str]) -> Iterator[Problem]:
    if names:
        yield errors.required_missing(names)


def _value_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    return (value.problem for value in values.values() if isinstance(value, FieldValueError))


def _full_name(values: Mapping[str, Any]) -> str | None:
    parts = (values.get("FirstName"), values.get("LastName"))
    return " ".join(part for part in parts if part)[:_NAME_LENGTH] or None


def _new_row(writer: Writer, table: Table, record_id: str, values: Mapping[str, Any]) -> list[Any]:
    user_id, when = writer.user.id, writer.stamp
    computed: dict[str, Any] = {
        "Id": record_id,
        "CreatedDate": when,
        "CreatedById": user_id,
        "LastModifiedDate": when,
        "LastModifiedById": user_id,
        "SystemModstamp": when,
        "LastViewedDate": when,
        "LastReferencedDate": when,
        "CleanStatus": "Pending",
        "IsUnreadByOwner": 1,
        "PhotoUrl": f"/services/images/photo/{record_id}",
        "OwnerId": user_id,
    }
    if "Name" in table.position and "LastName" in table.position:
        computed["Name"] = _full_name(values)
    row = list(table.defaults)
    position = table.position
    for name, value in computed.items():
        if name in position:
            row[position[name]] = value
    for name, value in values.items():
        if value is not None:
            row[position[name]] = value
    return row


def _needed(writer: Writer, view: ObjectView, values: Mapping[str, Any]) -> Level:
    """Return how open a row must be for an update: more to give it to another owner (guessed)."""
    gives_away = view.name not in PARENTS and values.get("OwnerId") not in {None, writer.user.id}
    return Level.TRANSFER if gives_away else Level.EDIT


def _live_row(db: sqlite3.Connection, view: ObjectView, record_id: str, level: Level) -> dict[str, Any]:
    """Read a row's state, or refuse where it is gone, hidden, or not as open to the user as `level`."""
    names = [name for name in _STATE if name in view.table.position]
    open_to = [view.reach.at_least(each, "t") or "1" for each in (Level.READ, level)]
    sql = f'SELECT {", ".join([*map(quoted, names), *open_to])} FROM {view.source} t WHERE "Id" = ?'
    row = db.execute(sql, (record_id,)).fetchone()
    if row is None:
        raise errors.NoSuchRowError
    *state, readable, enough = row
    current = dict(zip(names, state, strict=True))
    if current.get("IsDeleted"):
        raise errors.deleted()
    if not readable:
        raise errors.unreachable(record_id)
    if not enough:
        raise errors.insufficient_access()
    return current


_STATE = ("Id", "IsDeleted", "IsConverted", "IsUnreadByOwner", "OwnerId", "FirstName", "LastName", "RecordTypeId")
"""What decides whether and how a row may be changed."""


def _store(writer: Writer, db: sqlite3.Connection, table: Table, record_id: str, changes: Mapping[str, Any]) -> None:
    stamped = {
        **changes,
        "LastModifiedDate": writer.stamp,
        "LastModifiedById": writer.user.id,
        "SystemModstamp": writer.stamp,
    }
    assignments = ", ".join(f"{quoted(name)} = ?" for name in stamped)
    db.execute(f'UPDATE {quoted(table.name)} SET {assignments} WHERE "Id" = ?', (*stamped.values(), record_id))


def _discard(writer: Writer, db: sqlite3.Connection, table: Table, record_id: str) -> None:
    _store(writer, db, table, record_id, {"IsDeleted": 1})
    for child in writer.org.storage.tables.values():
        for field in child.fields:
            if not field.child_cascade_delete or table.name not in field.reference_to or not child.is_deletable:
                continue
            sql = f'SELECT "Id" FROM {quoted(child.name)} WHERE {quoted(field.name)} = ? AND "IsDeleted" = 0'
            for (child_id,) in db.execute(sql, (record_id,)).fetchall():
                _discard(writer, db, child, child_id)
