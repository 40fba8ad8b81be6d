"""Field history: which fields of which objects are tracked, and what a save leaves in the objects `…History`.

A tracked field that a save changes leaves its old and new value; of long texts and multi-select picklists only that
they changed; of a reference two rows, one with names and one with ids (documented). Rows are read as their record is,
and those of a field that the user may not read are not there (documented).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator.table import literal, quoted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.org import Org
    from salesforce_emulator.records import Writer
    from salesforce_emulator.schema import FieldSchema, SObjectSchema
    from salesforce_emulator.table import Table

HISTORIES = {f"{name}History": name for name in ("Account", "Contact", "Lead")}
MAX_FIELDS = 20
"""How many fields of an object can be tracked (documented)."""

FROM_LEAD = {"Account": "accountCreatedFromLead", "Contact": "contactCreatedFromLead"}
MERGED = {"Account": "accountMerged", "Contact": "contactMerged", "Lead": "leadMerged"}

_LONGEST = 255
_PREFIX = "017"
_DATA_TYPES = {
    "boolean": "Boolean",
    "currency": "Currency",
    "date": "DateOnly",
    "datetime": "DateTime",
    "double": "Double",
    "email": "Email",
    "int": "Double",
    "multipicklist": "MultiEnum",
    "percent": "Percent",
    "phone": "Phone",
    "picklist": "DynamicEnum",
    "textarea": "MultiLineText",
    "time": "TimeOnly",
    "url": "Url",
}
_TABLE = (
    "CREATE TABLE IF NOT EXISTS _history (n INTEGER PRIMARY KEY AUTOINCREMENT, object TEXT, record TEXT, field TEXT, "
    "shown TEXT, type TEXT, old TEXT, new TEXT, by TEXT, at TEXT)"
)
_INSERT = (
    "INSERT INTO _history (object, record, field, shown, type, old, new, by, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class History:
    """Keep which fields are tracked, and write what saves do to them."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self.fields: dict[str, tuple[str, ...]] = {}
        with org.storage.writing() as db:
            db.execute(_TABLE)
            db.execute("CREATE INDEX IF NOT EXISTS _history_record ON _history (record)")

    def reset(self) -> None:
        """Track nothing, and forget all that was tracked."""
        self.fields = {}
        with self._org.storage.writing() as db:
            db.execute("DELETE FROM _history")

    def track(self, name: str, fields: Sequence[str]) -> None:
        """Track these fields of an object from now on, or none."""
        self.fields[name] = tuple(fields)

    def drop_field(self, name: str, field: str) -> None:
        """Track a field no more that is gone."""
        self.fields[name] = tuple(each for each in self.fields.get(name, ()) if each != field)

    def concerns(self, name: str) -> bool:
        """Tell whether any field of an object is tracked."""
        return bool(self.fields.get(name))

    def values(self, db: sqlite3.Connection, table: Table, record_id: str) -> dict[str, Any]:
        """Return the tracked values of a row as they are."""
        names = self.fields[table.name]
        sql = f'SELECT {", ".join(map(quoted, names))} FROM {quoted(table.name)} WHERE "Id" = ?'
        row = db.execute(sql, (record_id,)).fetchone()
        return dict(zip(names, row, strict=True)) if row else {}

    def note(self, writer: Writer, db: sqlite3.Connection, table: Table, record_id: str, event: str) -> None:
        """Write what happened to a row, where its object is tracked."""
        if self.concerns(table.name):
            self._write(writer, db, table, record_id, [(None, event, "Text", None, None)])

    def compare(
        self, writer: Writer, db: sqlite3.Connection, table: Table, record_id: str, before: Mapping[str, Any]
    ) -> None:
        """Write the tracked values of a row that are no longer as `before`."""
        rows: list[tuple[Any, ...]] = []
        for name, new in self.values(db, table, record_id).items():
            if new != before[name]:
                rows += self._changed(db, table.schema.by_name[name.lower()], table, before[name], new)
        self._write(writer, db, table, record_id, rows)

    def _changed(
        self, db: sqlite3.Connection, field: FieldSchema, table: Table, old: Any, new: Any
    ) -> Iterator[tuple[Any, ...]]:
        kind, shown = _DATA_TYPES.get(field.type, "Text"), field.name
        if field.type == "reference":
            shown = field.name.removesuffix("Id")
            yield field.name, shown, "Text", *(_json(self._name(db, each)) for each in (old, new))
            yield field.name, shown, "EntityId", _json(old), _json(new)
        elif field.type == "multipicklist" or field.length > _LONGEST:
            yield field.name, shown, kind, None, None
        else:
            read = table.reads[field.name]
            old, new = (each if each is None or read is None else read(each) for each in (old, new))
            yield field.name, shown, kind, _json(old), _json(new)

    def _name(self, db: sqlite3.Connection, record_id: str | None) -> Any:
        table = self._org.table_of_id(record_id or "")
        if table is None or "Name" not in table.position:
            return record_id
        source = self._org.access.view(self._org.users.admin, table).source
        row = db.execute(f'SELECT "Name" FROM {source} WHERE "Id" = ?', (record_id,)).fetchone()
        return row[0] if row else record_id

    @staticmethod
    def _write(
        writer: Writer, db: sqlite3.Connection, table: Table, record_id: str, rows: Sequence[tuple[Any, ...]]
    ) -> None:
        user, when = writer.user.id, writer.stamp
        db.executemany(_INSERT, [(table.name, record_id, *row, user, when) for row in rows])


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def select(view: ObjectView, schema: SObjectSchema) -> str:
    """Return the SELECT of an object's history as the user who has this view of the object reads it."""
    hidden = ", ".join(map(literal, sorted(view.hidden)))
    values = {
        "Id": f"make_id('{_PREFIX}', h.n)",
        "IsDeleted": f"p.{quoted('IsDeleted')}",
        f"{view.name}Id": "h.record",
        "CreatedById": "h.by",
        "CreatedDate": "h.at",
        "Field": "h.shown COLLATE NOCASE",
        "DataType": "h.type COLLATE NOCASE",
        "OldValue": "h.old",
        "NewValue": "h.new",
    }
    columns = ", ".join(f"{values[field.name]} AS {quoted(field.name)}" for field in schema.fields)
    where = f"h.object = {literal(view.name)} AND (h.field IS NULL OR h.field NOT IN ({hidden}))"
    return (
        f"SELECT h.n AS _n, p._visible_at, {columns} FROM _history h JOIN {quoted(view.name)} p "
        f"ON p.{quoted('Id')} = h.record WHERE {where}{view.reach.and_readable('p')}"
    )
