"""Translate a `Query` into SQLite's SQL for one user's view of the org, and say how its rows become records.

SOQL knows two truth values: a comparison with a null field is false, and its negation true. So `=` becomes `IS`, and
NOT becomes `IS NOT TRUE`. Long lists travel as one JSON parameter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import errors, ids
from salesforce_emulator.clock import parse_moment
from salesforce_emulator.soql.parser import Among, Compare, Junction, Literal, Negation
from salesforce_emulator.table import VISIBLE_AT, quoted
from salesforce_emulator.values import COMPOUND_TYPES, ID_TYPES, NUMBER_TYPES, valid_date

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.schema import FieldSchema
    from salesforce_emulator.soql.parser import Condition, Path, Query

    Views = Callable[[str], ObjectView | None]

_MAX_HOPS, _MAX_JOINS, _MAX_DEPTH = 5, 55, 50
_NUMERIC = NUMBER_TYPES | {"int", "long"}
_ORDERED = {"<", ">", "<=", ">="}
_BACKSLASH = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Join:
    """A parent's table in the SQL: its alias, the object, and the relationship's canonical name."""

    alias: str
    view: ObjectView
    name: str


@dataclass(slots=True)
class Node:
    """One parent in the output: its object, where its id stands in a row, and what was selected of it."""

    view: ObjectView
    id_column: int = 0
    values: dict[str, tuple[int, Callable[[Any], Any] | None]] = field(default_factory=dict)
    parents: dict[str, Node] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Compiled:
    """SQL in parts: `columns` (the first is the row number), `source` (FROM), `tail` (WHERE to OFFSET), the output."""

    columns: list[str]
    source: str
    tail: str
    parameters: list[Any]
    root: Node

    @property
    def sql(self) -> str:
        """Return the SELECT of the whole result."""
        return f"SELECT {', '.join(self.columns)} {self.source} {self.tail}"

    @property
    def numbers_sql(self) -> str:
        """Return the SELECT of the row numbers alone."""
        return f"SELECT t._n {self.source} {self.tail}"

    @property
    def page_sql(self) -> str:
        """Return the SELECT of the rows whose numbers the one parameter lists, in no particular order."""
        columns = ", ".join(self.columns)
        return f"SELECT {columns} {self.source} WHERE t._n IN (SELECT value FROM json_each(?))"


def compile_query(query: Query, views: Views, *, now: str, deleted: bool) -> Compiled:
    """Translate a query; `now` (a stamp) decides which late rows are visible, `deleted` whether the bin is read.

    Raises `ApiError` for what the user cannot see (INVALID_TYPE, INVALID_FIELD) or may not do with a field.
    """
    return _Compiler(query, views).compile(now, deleted=deleted)


class _Compiler:
    def __init__(self, query: Query, views: Views) -> None:
        self.query = query
        self.views = views
        view = views(query.source.text) if "." not in query.source.text else None
        if view is None or not view.schema.top["queryable"]:
            raise self.error("INVALID_TYPE", query.source, errors.unsupported_object(query.source.text))
        self.root = Node(view)
        self.own_names = {view.name.lower(), (query.alias or view.name).lower()}
        self.joins: dict[tuple[str, ...], Join] = {}
        self.join_sql: list[str] = []
        self.parameters: list[Any] = []
        self.columns = ["t._n"]

    def error(self, code: str, path: Path, message: str) -> errors.ApiError:
        return errors.in_query(code, self.query.text, path.position, len(path.text), message)

    def compile(self, now: str, *, deleted: bool) -> Compiled:
        query, table = self.query, self.root.view.table
        self.root.id_column = self.column(f"t.{quoted('Id')}")
        for path in query.fields:
            self.select(path)
        conditions = [f"(t.{VISIBLE_AT} IS NULL OR t.{VISIBLE_AT} <= ?)"]
        self.parameters.append(now)
        if table.is_deletable and not deleted:
            conditions.append(f"t.{quoted('IsDeleted')} = 0")
        if query.where is not None:
            conditions.append(self.condition(query.where))
        order = [self.order(each.path, descending=each.descending, last=each.nulls_last) for each in query.order]
        source = f"FROM {quoted(table.name)} t {' '.join(self.join_sql)}"
        tail = f"WHERE {' AND '.join(conditions)}"
        if order:
            tail += f" ORDER BY {', '.join(order)}"
        if query.limit is not None or query.offset:
            tail += f" LIMIT {-1 if query.limit is None else min(query.limit, 2**62)} OFFSET {query.offset}"
        return Compiled(self.columns, source, tail, self.parameters, self.root)

    def column(self, sql: str) -> int:
        self.columns.append(sql)
        return len(self.columns) - 1

    # --- names -------------------------------------------------------------------------------------------------

    def resolve(self, path: Path) -> tuple[str, ObjectView, FieldSchema, list[Join]]:
        """Find the table alias, view and field of a path, and the joins on the way, made where they are new."""
        *hops, name = path.parts
        if hops and hops[0].lower() in self.own_names:
            del hops[0]
        if len(hops) > _MAX_HOPS:
            raise self.error("INVALID_FIELD", path, f"more than {_MAX_HOPS} relationships in field path")
        alias, view, way = "t", self.root.view, []
        for depth, hop in enumerate(hops, start=1):
            join = self.join(tuple(part.lower() for part in hops[:depth]), alias, view)
            if join is None:
                raise self.error("INVALID_FIELD", path, errors.unknown_relationship(hop))
            alias, view = join.alias, join.view
            way.append(join)
        found = view.by_name.get(name.lower())
        if found is None:
            raise self.error("INVALID_FIELD", path, errors.unknown_column(name, view.name))
        return alias, view, found, way

    def join(self, key: tuple[str, ...], alias: str, view: ObjectView) -> Join | None:
        """Return the join of a relationship path, or None where the user cannot see it or what it leads to."""
        if key in self.joins:
            return self.joins[key]
        reference = view.by_relationship.get(key[-1])
        target = self.target(reference) if reference else None
        if reference is None or target is None:
            return None
        if len(self.joins) >= _MAX_JOINS:
            raise errors.too_complicated(f"more than {_MAX_JOINS} relationships in one query")
        made = Join(f"j{len(self.joins)}", target, reference.relationship_name or "")
        self.join_sql.append(
            f"LEFT JOIN {quoted(target.name)} {made.alias} "
            f"ON {made.alias}.{quoted('Id')} = {alias}.{quoted(reference.name)}"
        )
        self.joins[key] = made
        return made

    def target(self, reference: FieldSchema) -> ObjectView | None:
        """Return the object a reference leads to; of several, the one with rows here (an owner is a User)."""
        found = (self.views(name) for name in reference.reference_to)
        return next((view for view in found if view is not None), None)

    def select(self, path: Path) -> None:
        alias, view, found, way = self.resolve(path)
        node = self.root
        for join in way:
            if join.name not in node.parents:
                node.parents[join.name] = Node(join.view, self.column(f"{join.alias}.{quoted('Id')}"))
                node.order.append(join.name)
            node = node.parents[join.name]
        if found.name in node.values:
            raise self.error("INVALID_FIELD", path, f"duplicate field selected: {path.text}")
        node.values[found.name] = (self.column(view.table.expression(found, alias)), view.table.reads[found.name])
        node.order.append(found.name)

    # --- conditions --------------------------------------------------------------------------------------------

    def condition(self, given: Condition, depth: int = 0) -> str:
        if depth > _MAX_DEPTH:
            raise errors.too_complicated(f"conditions nested more than {_MAX_DEPTH} deep")
        if isinstance(given, Junction):
            return self.junction(given.operator, given.items, depth + 1)
        if isinstance(given, Negation):
            return f"({self.condition(given.item, depth + 1)}) IS NOT TRUE"
        alias, view, found, _ = self.resolve(given.path)
        if not found.filterable or found.type in COMPOUND_TYPES:
            message = f"field '{found.name}' can not be filtered in a query call"
            raise self.error("INVALID_FIELD", given.path, message)
        column = view.table.expression(found, alias)
        if isinstance(given, Among):
            return self.among(column, found, given)
        return self.compare(column, found, given)

    def junction(self, operator: str, items: Sequence[Condition], depth: int) -> str:
        """Join conditions as a balanced tree: SQLite limits the depth of an expression."""
        if len(items) == 1:
            return self.condition(items[0], depth)
        half = len(items) // 2
        left, right = (self.junction(operator, part, depth) for part in (items[:half], items[half:]))
        return f"({left} {operator} {right})"

    def compare(self, column: str, found: FieldSchema, given: Compare) -> str:
        operator = given.operator
        if operator == "LIKE":
            return self.like(column, found, given)
        value = self.value(found, given.path, given.value)
        if operator in _ORDERED:
            if found.type in {"boolean", "multipicklist"}:
                raise self.error("INVALID_FIELD", given.path, f"invalid operator on {found.type} field")
            self.parameters.append(value)
            return f"{column} {operator} ?"
        negation = " NOT" if operator == "!=" else ""
        if value is None:
            return f"{column} IS{negation} NULL"
        self.parameters.append(value)
        return f"{column} IS{negation} ?"

    def like(self, column: str, found: FieldSchema, given: Compare) -> str:
        if found.type in ID_TYPES | _NUMERIC | {"date", "datetime", "time", "boolean"}:
            raise self.error("INVALID_FIELD", given.path, f"invalid operator on {found.type} field")
        self.parameters.append(_like_pattern(given.value))
        return f"{column} LIKE ? ESCAPE '\\'"

    def among(self, column: str, found: FieldSchema, given: Among) -> str:
        values = [self.value(found, given.path, each) for each in given.values]
        wanted = [value for value in values if value is not None]
        self.parameters.append(orjson.dumps(wanted).decode())
        sql = f"{column} IN (SELECT value FROM json_each(?))"
        if len(wanted) < len(values):
            sql = f"({sql} OR {column} IS NULL)"
        return f"({sql}) IS NOT TRUE" if given.negated else sql

    def value(self, found: FieldSchema, path: Path, literal: Literal) -> Any:
        """Turn a literal into what is stored in a field of its type, or refuse it."""
        if literal.kind == "null":
            return None
        if found.type in ID_TYPES:
            return self.id_value(path, found, literal)
        kind, read = _LITERALS.get(found.type, ("string", None))
        if literal.kind != kind:
            quotes = "should be enclosed in quotes" if kind == "string" else "should not be enclosed in quotes"
            type_name = {"datetime": "dateTime", "number": found.type}.get(kind, kind)
            message = f"value of filter criterion for field '{found.name}' must be of type {type_name} and {quotes}"
            raise self.error("INVALID_FIELD", path, message)
        value = literal.value if read is None else read(literal.value)
        if value is None:
            raise self.error("MALFORMED_QUERY", path, f"invalid {kind}: {literal.value}")
        return value

    def id_value(self, path: Path, found: FieldSchema, literal: Literal) -> str:
        if literal.kind != "string":
            message = f"value of filter criterion for field '{found.name}' must be of type string"
            raise self.error("INVALID_FIELD", path, f"{message} and should be enclosed in quotes")
        value = ids.normalise(literal.value) if literal.value else ""
        if value is None:
            raise self.error("INVALID_QUERY_FILTER_OPERATOR", path, f"invalid ID field: {literal.value}")
        return value

    def order(self, path: Path, *, descending: bool, last: bool) -> str:
        alias, view, found, _ = self.resolve(path)
        if not found.sortable or found.type in COMPOUND_TYPES:
            raise self.error("INVALID_FIELD", path, f"field '{found.name}' can not be sorted in a query call")
        column = view.table.expression(found, alias)
        nulls = "LAST" if last else "FIRST"
        needed = alias != "t" or found.nillable
        return f"{column}{' DESC' if descending else ''}{f' NULLS {nulls}' if needed else ''}"


def _like_pattern(value: Literal) -> str:
    r"""Turn a SOQL pattern into SQLite's with `\` as escape: only `\%`, `\_` and `\\` stay escaped."""
    if "\\" not in value.raw:
        return str(value.value)
    parts = re.split(r"(\\[%_\\])", value.raw)
    return "".join(part if index % 2 else _BACKSLASH.sub(r"\1", part) for index, part in enumerate(parts))


def _number(text: str) -> float | int:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _date(text: str) -> str | None:
    return text if valid_date(text) else None


_LITERALS: dict[str, tuple[str, Callable[[Any], Any] | None]] = {
    "boolean": ("boolean", int),
    "date": ("date", _date),
    "datetime": ("datetime", parse_moment),
    **dict.fromkeys(_NUMERIC, ("number", _number)),
}
