"""Translate a `Query` into SQLite's SQL for one user's view of the org, and say how its rows become records."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from salesforce_emulator import errors
from salesforce_emulator.clock import read_stamp
from salesforce_emulator.soql.aggregates import aggregated
from salesforce_emulator.soql.conditions import Conditions
from salesforce_emulator.soql.dates import Calendar
from salesforce_emulator.soql.model import Call, Path, Query, Selected, Typeof
from salesforce_emulator.soql.output import Child, Compiled, Node
from salesforce_emulator.soql.scope import Context, Scope
from salesforce_emulator.soql.terms import in_order, term
from salesforce_emulator.table import quoted
from salesforce_emulator.values import COMPOUND_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.soql.model import Expression, Order
    from salesforce_emulator.soql.output import Aggregated
    from salesforce_emulator.soql.scope import Join, Views
    from salesforce_emulator.soql.terms import Term

__all__ = ["Compiled", "Node", "compile_aggregates", "compile_query"]

_MAX_LEVELS = 5
_SETS = {"ALL": (True, True), "CUSTOM": (False, True), "STANDARD": (True, False)}


def compile_query(
    query: Query,
    views: Views,
    *,
    now: str,
    deleted: bool,
    objects: Callable[[], Iterable[ObjectView]] = tuple,
    calendar: Calendar | None = None,
) -> Compiled:
    """Translate a query for records.

    `now` (a stamp) decides which late rows are visible, `deleted` whether the bin is read; `objects` lists all that
    the user sees (child queries look there), `calendar` is the user's, in UTC where none is given. Raises `ApiError`
    for what the user cannot see (INVALID_TYPE, INVALID_FIELD) or may not do with a field.
    """
    return _rows(_scope(query, views, now=now, deleted=deleted, objects=objects, calendar=calendar))


def compile_aggregates(
    query: Query,
    views: Views,
    *,
    now: str,
    deleted: bool,
    objects: Callable[[], Iterable[ObjectView]] = tuple,
    calendar: Calendar | None = None,
) -> Aggregated:
    """Translate a query whose result is made of aggregates; the arguments are those of `compile_query`."""
    scope, parameters = _scope(query, views, now=now, deleted=deleted, objects=objects, calendar=calendar), list[Any]()
    return aggregated(scope, _where(scope, parameters), parameters)


def _scope(
    query: Query,
    views: Views,
    *,
    now: str,
    deleted: bool,
    objects: Callable[[], Iterable[ObjectView]],
    calendar: Calendar | None,
) -> Scope:
    calendar = calendar or Calendar(read_stamp(now).astimezone(UTC).date(), ZoneInfo("UTC"))
    view = views(query.source.text) if "." not in query.source.text else None
    if view is None or not view.schema.top["queryable"]:
        source, message = query.source, errors.unsupported_object(query.source.text)
        raise errors.in_query("INVALID_TYPE", query.text, source.position, len(source.text), message)
    if query.categories is not None:
        message = f"WITH DATA CATEGORY is not supported on {view.name}"  # guessed
        raise errors.in_query("MALFORMED_QUERY", query.text, query.categories, len("DATA"), message)
    return Scope(Context(views, objects, now, deleted, calendar), query, view, "t")


def _where(scope: Scope, parameters: list[Any]) -> str:
    query, conditions = scope.query, scope.visible(parameters)
    if query.scope is not None:
        conditions.extend(_in_scope(scope, query.scope))
    if query.where is not None:
        conditions.append(Conditions(scope, parameters).sql(query.where))
    return " AND ".join(conditions)


def _in_scope(scope: Scope, name: Path) -> list[str]:
    """Restrict to `USING SCOPE mine`; of the other scopes only `everything` is known here."""
    known = {each["name"].lower() for each in scope.view.schema.top["supportedScopes"]} | {"everything"}
    if name.text.lower() not in known & {"everything", "mine"}:
        raise scope.error("INVALID_QUERY_SCOPE", name, f"Invalid scope: {name.text}")
    if name.text.lower() == "everything":
        return []
    return [f"{scope.alias}.{quoted('OwnerId')} = '{scope.view.reach.user_id}'"]


# --- records ---------------------------------------------------------------------------------------------------------


def _rows(scope: Scope, level: int = 1) -> Compiled:
    query, parameters = scope.query, list[Any]()
    selection = _Selection(scope, level)
    if not query.counts:
        for item in query.items:
            selection.add(item)
    where = _where(scope, parameters)
    order = [_order(scope, each) for each in query.order]
    tail = f" ORDER BY {', '.join(order)}" if order else ""
    return Compiled(selection.columns, scope.source, where, tail, query.limit, query.offset, parameters, selection.root)


class _Selection:
    """Turn a SELECT list into columns of SQL and the node that says what they are."""

    def __init__(self, scope: Scope, level: int) -> None:
        self.scope = scope
        self.level = level
        self.columns = [f"{scope.alias}._n", f"{scope.alias}.{quoted(scope.view.schema.key_field)}"]
        self.root = Node(scope.view, 1)
        self.typed: set[str] = set()

    def add(self, item: Selected | Typeof | Query) -> None:
        if isinstance(item, Typeof):
            self._add_typeof(item)
        elif isinstance(item, Query):
            self._add_child(item)
        elif isinstance(item.expression, Call) and item.expression.name == "FIELDS":
            self._add_fields(item.expression)
        else:
            self._add_term(item)

    def _column(self, sql: str) -> int:
        self.columns.append(sql)
        return len(self.columns) - 1

    def _add_term(self, item: Selected) -> None:
        found = term(self.scope, item.expression)
        name = item.alias.text if item.alias else found.name
        self._put(self._node(found.way, item.expression), name if name != "expr" else "expr0", found, item.expression)

    def _add_fields(self, call: Call) -> None:
        argument = call.arguments[0]
        standard, custom = _SETS[argument.text.upper() if isinstance(argument, Path) else ""]
        for field in self.scope.view.fields:
            if custom if field.custom else standard:
                path = Path(field.name, call.position)
                self._put(self.root, field.name, term(self.scope, path), call)

    def _put(self, node: Node, name: str, found: Term, place: Expression) -> None:
        if name in node.order:
            raise self.scope.error("INVALID_FIELD", place, f"duplicate field selected: {place.text}")
        node.values[name] = (self._column(found.sql), found.read)
        node.fields[name] = found.field
        node.order.append(name)
        for other in node.others:
            other.values[name], other.fields[name] = node.values[name], found.field
            other.order.append(name)

    def _node(self, way: Sequence[Join], place: Expression) -> Node:
        node = self.root
        for join in way:
            if join.name in self.typed:
                message = f"duplicate field selected: {join.name}"
                raise self.scope.error("INVALID_FIELD", place, message)
            if join.name not in node.parents:
                node.parents[join.name] = self._parent(join)
                node.order.append(join.name)
            node = node.parents[join.name]
        return node

    def _parent(self, join: Join) -> Node:
        first, *others = [Node(view, self._column(f"{alias}.{quoted('Id')}")) for alias, view in join.targets]
        first.others, first.reference = others, join.reference
        return first

    def _add_typeof(self, item: Typeof) -> None:
        """Select other fields from each object that a polymorphic reference may lead to."""
        scope = self.scope
        join = scope.join((item.path.text.lower(),))
        if join is None or not join.polymorphic:
            message = errors.unknown_relationship(item.path.text)
            raise scope.error("INVALID_FIELD", item.path, message)
        if join.name in self.root.order:
            message = f"duplicate field selected: {item.path.text}"
            raise scope.error("INVALID_FIELD", item.path, message)
        known = {name.lower() for name in join.reference.reference_to}
        for path, _ in item.branches:
            if path.text.lower() not in known:
                message = f"{path.text} is not a type that {item.path.text} may lead to"
                raise scope.error("INVALID_TYPE", path, message)
        self.typed.add(join.name)
        self.root.parents[join.name] = node = self._parent(join)
        self.root.order.append(join.name)
        branches = {path.text.lower(): fields for path, fields in item.branches}
        for (alias, _), each in zip(join.targets, (node, *node.others), strict=True):
            fields = branches.get(each.view.name.lower(), item.otherwise)
            each.leads_nowhere = fields is None
            for path in fields or ():
                self._add_branch_field(each, alias, path)

    def _add_branch_field(self, node: Node, alias: str, path: Path) -> None:
        field = node.view.by_name.get(path.text.lower())
        if field is None:
            message = errors.unknown_column(path.text, node.view.name)
            raise self.scope.error("INVALID_FIELD", path, message)
        table = node.view.table
        node.values[field.name] = (self._column(table.expression(field, alias)), table.reads[field.name])
        node.fields[field.name] = field
        node.order.append(field.name)

    def _add_child(self, query: Query) -> None:
        scope, name = self.scope, query.source.text
        found = next(
            (
                (view, field)
                for view in scope.context.objects()
                for field in view.fields
                if (field.child_relationship_name or "").lower() == name.lower()
                and scope.view.name in field.reference_to
            ),
            None,
        )
        if found is None:
            raise scope.error("INVALID_TYPE", query.source, errors.unknown_in_from(name))
        if self.level >= _MAX_LEVELS:
            raise errors.too_complicated(f"child queries nested more than {_MAX_LEVELS} deep")
        view, field = found
        inner = Scope(scope.context, query, view, "t")
        canonical = field.child_relationship_name or ""
        if canonical in self.root.order:
            message = f"duplicate field selected: {name}"
            raise scope.error("INVALID_FIELD", query.source, message)
        self.root.children[canonical] = Child(_rows(inner, self.level + 1), f"t.{quoted(field.name)}")
        self.root.order.append(canonical)


def _order(scope: Scope, given: Order) -> str:
    found = term(scope, given.expression)
    if found.aggregate:
        message = f"Aggregate functions are not allowed in ORDER BY without a group: {given.expression.text}"  # guessed
        raise scope.error("MALFORMED_QUERY", given.expression, message)
    if not found.field.sortable or found.field.type in COMPOUND_TYPES:
        message = f"field '{found.field.name}' can not be sorted in a query call"
        raise scope.error("INVALID_FIELD", given.expression, message)
    return in_order(found.sql, given, nullable=found.nullable)
