"""How an sObject lies in SQLite: one table per object, one column per field, compound fields computed on read.

The row number is the number in the record id, so an id leads to its row without a search. Text columns compare without
case (ASCII), as Salesforce does; ids and fields marked case-sensitive compare exactly.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator.values import COMPOUND_TYPES, ID_TYPES, NUMBER_TYPES, TEXT_TYPES, converter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from salesforce_emulator.formulas import Formula
    from salesforce_emulator.schema import FieldSchema, SObjectSchema
    from salesforce_emulator.values import Converter

_ADDRESS_KEYS = ("city", "country", "geocodeAccuracy", "latitude", "longitude", "postalCode", "state", "street")
_LOCATION_KEYS = ("latitude", "longitude")

_INDEXED = frozenset({"Id", "SystemModstamp", "LastModifiedDate", "CreatedDate", "Name"})

VISIBLE_AT = "_visible_at"
"""A hidden column: a stamp before which no query returns the row (a transaction that commits late)."""


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return f'"{name}"'


def literal(value: str | float | bool | None) -> str:
    """Write a value into SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(int(value)) if isinstance(value, bool) else repr(value)


def column_sql(field: FieldSchema, expression: str) -> str:
    """Return an expression that compares as a field's column does."""
    return f"({expression}) COLLATE NOCASE" if "NOCASE" in _column_type(field) else expression


def _column_type(field: FieldSchema) -> str:
    if field.type in {"boolean", "int", "long"}:
        return "INTEGER"
    if field.type in NUMBER_TYPES:
        return "REAL"
    exact = field.type in ID_TYPES or field.case_sensitive or field.type not in TEXT_TYPES
    return "TEXT" if exact else "TEXT COLLATE NOCASE"


class Table:
    """One sObject's table: its columns in order, the SQL to make and fill it, and each column's converter."""

    def __init__(self, schema: SObjectSchema) -> None:
        self.schema = schema
        self.name = schema.name
        self.fields = tuple(field for field in schema.fields if field.type not in COMPOUND_TYPES)
        self.columns = tuple(field.name for field in self.fields)
        self.position = {name: index for index, name in enumerate(self.columns)}
        self.is_deletable = "IsDeleted" in self.position
        self.formulas: Mapping[str, Formula] = {}

    @cached_property
    def converters(self) -> dict[str, Converter]:
        """Map each column to the function from JSON value to stored value."""
        return {field.name: converter(field) for field in self.fields}

    @cached_property
    def reads(self) -> dict[str, Callable[[Any], Any] | None]:
        """Map each field to the function from stored value to JSON value, None where they are the same."""
        kinds: dict[str, Callable[[Any], Any]] = {"boolean": bool, "anyType": orjson.loads}
        kinds |= dict.fromkeys(COMPOUND_TYPES, _fragment)
        return {field.name: kinds.get(field.type) for field in self.schema.fields}

    @cached_property
    def insert_sql(self) -> str:
        """Return the INSERT of one whole row: its number first, then every column."""
        names = ", ".join(map(quoted, self.columns))
        return f"INSERT INTO {quoted(self.name)} (_n, {names}) VALUES (?{', ?' * len(self.columns)})"

    @cached_property
    def defaults(self) -> tuple[Any, ...]:
        """Return a row of default values: a check box's, a picklist's default value."""
        return tuple(_default(field) for field in self.fields)

    @cached_property
    def unique_fields(self) -> tuple[FieldSchema, ...]:
        """Return the fields whose values may stand in one row only."""
        return tuple(field for field in self.fields if field.unique and field.custom)

    @cached_property
    def numbered(self) -> tuple[FieldSchema, ...]:
        """Return the auto number fields."""
        return tuple(field for field in self.fields if field.auto_number)

    @cached_property
    def references(self) -> dict[str, FieldSchema]:
        """Map names to the fields that hold other rows' ids."""
        return {field.name: field for field in self.fields if field.type == "reference"}

    @cached_property
    def never_null(self) -> frozenset[str]:
        """Return the fields that an update may not clear."""
        return frozenset(field.name for field in self.fields if not field.nillable and field.type != "boolean")

    @property
    def live(self) -> str:
        """Return the SQL that leaves the recycle bin out, to follow another condition."""
        return ' AND "IsDeleted" = 0' if self.is_deletable else ""

    def create_sql(self) -> list[str]:
        """Return the statements that make the table and its indices."""
        table = quoted(self.name)
        columns = ", ".join(map(self.column_sql, self.fields))
        made = [f"CREATE TABLE {table} (_n INTEGER PRIMARY KEY AUTOINCREMENT, {VISIBLE_AT} TEXT, {columns})"]
        return made + [self.index_sql(field) for field in self.fields if self.is_indexed(field)]

    def column_sql(self, field: FieldSchema) -> str:
        """Return a column's declaration; rows older than the column hold an unticked check box, not null."""
        return f"{quoted(field.name)} {_column_type(field)}{' DEFAULT 0' if field.type == 'boolean' else ''}"

    def index_sql(self, field: FieldSchema) -> str:
        """Return the statement that makes a field's index."""
        return f"CREATE INDEX {quoted(f'{self.name}.{field.name}')} ON {quoted(self.name)} ({quoted(field.name)})"

    @staticmethod
    def is_indexed(field: FieldSchema) -> bool:
        """Tell whether a field is one that Salesforce searches by index."""
        return field.name in _INDEXED or field.type in {"email", "reference"} or field.external_id or field.unique

    def expression(self, field: FieldSchema, alias: str) -> str:
        """Return the SQL that reads a field: its column, its formula, or JSON text of a compound field's parts."""
        if (formula := self.formulas.get(field.name)) is not None:
            return formula.sql(alias)
        if field.type not in COMPOUND_TYPES:
            return f"{alias}.{quoted(field.name)}"
        keys = _ADDRESS_KEYS if field.type == "address" else _LOCATION_KEYS
        parts = self.parts(field)
        columns = [f"{alias}.{quoted(parts[key])}" if key in parts else "NULL" for key in keys]
        pairs = ", ".join(f"'{key}', {column}" for key, column in zip(keys, columns, strict=True))
        return f"CASE WHEN coalesce({', '.join(columns)}) IS NOT NULL THEN json_object({pairs}) END"

    def select_list(self, fields: Sequence[FieldSchema], alias: str) -> str:
        """Return the SQL select list that reads fields in order."""
        return ", ".join(self.expression(field, alias) for field in fields)

    def parts(self, compound: FieldSchema) -> dict[str, str]:
        """Map the keys of a compound field (`city`, `latitude`) to the fields that hold its parts."""
        parts = {}
        for field in self.fields:
            if field.compound_name == compound.name:
                key = next((key for key in _ADDRESS_KEYS if field.name.lower().endswith(key.lower())), None)
                if key:
                    parts[key] = field.name
        return parts


def _fragment(text: str) -> orjson.Fragment:
    return orjson.Fragment(text)


def _default(field: FieldSchema) -> Any:
    if field.type == "boolean":
        return int(field.default_value in {True, "true"})
    if field.picklist and field.createable:
        return next((each.value for each in field.picklist if each.default), None)
    return None
