"""What the columns of uploaded data mean: a field's value, the row's id, its key, or a parent found by external id.

The cells pass the same converters as REST's values. What CSV adds: an empty cell changes nothing, `#N/A` clears, a
check box knows more words, and a value of the wrong type fails its record instead of the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from salesforce_emulator import errors, ids, records, rows
from salesforce_emulator.bulk.csvio import InvalidBatchError
from salesforce_emulator.errors import FieldTypeError, Problem, RecordError
from salesforce_emulator.values import FieldValueError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.schema import FieldSchema

    Views = Callable[[str], ObjectView | None]
    Cell = Callable[[Any], Any]

_TRUE, _FALSE = frozenset({"true", "yes", "y", "on", "1"}), frozenset({"false", "no", "n", "off", "0"})
"""Salesforce's documentation of valid data in CSV."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a form of data says "unchanged" and "null"; None is null in all of them."""

    unchanged: object
    null: object = None


SPELLINGS = {"CSV": Spelling("", "#N/A"), "XML": Spelling(""), "JSON": Spelling(object())}
"""By content type. In JSON a name that is absent changes nothing, and no value says so."""


@dataclass(slots=True)
class Entry:
    """One record of the data: the id it names, its upsert key as given, the values to write."""

    record_id: str | None
    key: Any
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Parent:
    name: str
    view: ObjectView
    field: FieldSchema


class Columns:
    """Read records whose columns are named once. Raises `InvalidBatchError` for a name that is no field."""

    def __init__(self, view: ObjectView, views: Views, names: Sequence[str], key: FieldSchema | None) -> None:
        self._view = view
        self._id: int | None = None
        self._key: int | None = None
        self._plain: list[tuple[int, str, Cell, Any]] = []
        self._parents: list[tuple[int, _Parent]] = []
        self.width = len(names)
        seen: set[str] = set()
        for position, name in enumerate(names):
            field = view.by_name.get(name.lower())
            if name.lower() in seen:
                raise InvalidBatchError(f"Duplicate column in header : {name}")
            seen.add(name.lower())
            if field is None:
                self._parents.append((position, _parent(view, views, name)))
            elif field.type == "id":
                self._id = position
            elif key is not None and field.name == key.name:
                self._key = position
            else:
                null = records.checked(view, {field.name: None})[field.name]
                self._plain.append((position, field.name, _reader(view, field), null))

    @property
    def has_id(self) -> bool:
        """Tell whether there is a column of ids."""
        return self._id is not None

    @property
    def has_key(self) -> bool:
        """Tell whether there is a column of the upsert's external id."""
        return self._key is not None

    @property
    def only_id(self) -> bool:
        """Tell whether the column of ids is the only one."""
        return self.has_id and self.width == 1

    def read(self, db: sqlite3.Connection, cells: Sequence[Any], spelling: Spelling) -> Entry:
        """Read one record. Raises `RecordError` for an unknown parent."""
        values: dict[str, Any] = {}
        unchanged = spelling.unchanged
        for position, name, convert, null in self._plain:
            cell = cells[position]
            if cell == unchanged:
                continue
            if cell is None or cell == spelling.null:
                values[name] = null
                continue
            try:
                values[name] = convert(cell)
            except FieldValueError as problem:
                values[name] = problem
        for position, parent in self._parents:
            if (cell := cells[position]) != unchanged:
                values[parent.name] = None if cell is None or cell == spelling.null else _find(db, parent, cell)
        record_id = cells[self._id] if self._id is not None else None
        return Entry(record_id or None, cells[self._key] if self._key is not None else None, values)


def own_id(view: ObjectView, given: Any, call: str) -> str:
    """Return the id a record names, in 18 characters. Raises `RecordError`."""
    if not given:
        raise RecordError([Problem("MISSING_ARGUMENT", f"Id not specified in an {call} call")])
    record_id = ids.normalise(given) if isinstance(given, str) else None
    if record_id is None:
        raise RecordError([Problem("MALFORMED_ID", f"malformed id {given}")])
    if record_id[:3] != view.schema.key_prefix:
        raise RecordError([errors.malformed_id(view.schema.by_name["id"].label, "Id", given)])
    return record_id


def _reader(view: ObjectView, field: FieldSchema) -> Cell:
    convert = view.table.converters.get(field.name)
    # A compound field has no column; it is refused on save like any other that is not writeable.
    return partial(_typed, field, convert) if convert else lambda cell: cell


def _typed(field: FieldSchema, convert: Cell, cell: Any) -> Any:
    if field.type == "boolean" and isinstance(cell, str):
        word = cell.strip().lower()
        cell = True if word in _TRUE else False if word in _FALSE else cell
    try:
        return convert(cell)
    except FieldTypeError:
        message = f"{field.label}: value not of required type: {cell}"
        raise FieldValueError(Problem("INVALID_TYPE_ON_FIELD_IN_RECORD", message, (field.name,))) from None


def _parent(view: ObjectView, views: Views, name: str) -> _Parent:
    """Read a header `Relationship.ExternalId`, or `Object:Relationship.ExternalId` where several are possible."""
    kind, _, path = name.rpartition(":")
    relationship, _, field_name = path.partition(".")
    reference = view.by_relationship.get(relationship.lower())
    if reference is not None:
        wanted = kind.lower()
        for target in filter(None, map(views, reference.reference_to)):
            field = target.by_name.get(field_name.lower())
            named = not wanted or target.name.lower() == wanted
            if named and field is not None and (field.external_id or field.id_lookup):
                return _Parent(reference.name, target, field)
    raise InvalidBatchError(f"Field name not found : {name}")


def _find(db: sqlite3.Connection, parent: _Parent, cell: Any) -> str:
    found = records.find(db, parent.view, parent.field, rows.key_value(parent.view, parent.field, cell))
    if len(found) > 1:
        raise errors.several_matches(parent.field.name, found)
    if not found:
        where = f"field {parent.field.name} in entity {parent.view.name}"
        raise RecordError([Problem("INVALID_FIELD", f"Foreign key external ID: {cell} not found for {where}")])
    return found[0]
