"""Queries whose result is made of aggregates: one row for each group, or one in all."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from salesforce_emulator.soql.conditions import Conditions
from salesforce_emulator.soql.model import Call, Path, Selected
from salesforce_emulator.soql.output import Aggregated, Output
from salesforce_emulator.soql.terms import Term, in_order, term
from salesforce_emulator.values import COMPOUND_TYPES

if TYPE_CHECKING:
    from salesforce_emulator.soql.model import Expression
    from salesforce_emulator.soql.scope import Scope

_GROUPING = "grouping:"
"""What marks the column of GROUPING(…), before the SQL of its field."""


def aggregated(scope: Scope, where: str, parameters: list[Any]) -> Aggregated:
    """Translate a query of aggregates; `where` is its condition with `parameters`, to which those of HAVING are added.

    Subtotals of ROLLUP and CUBE are further selects, with null for what they sum up.
    """
    query = scope.query
    groups = [_group(scope, each) for each in query.groups]
    outputs, columns = _outputs(scope, {each.sql for each in groups})
    order = []
    for each in query.order:
        found = _grouping(scope, each.expression) or term(scope, each.expression)
        if not found.aggregate and found.sql not in {group.sql for group in groups}:
            message = f"Ordered field must be grouped or aggregated: {each.expression.text}"
            raise scope.error("MALFORMED_QUERY", each.expression, message)
        columns.append(found.sql)
        order.append(in_order(str(len(columns)), each, nullable=True))
    having = ""
    if query.having is not None:
        having = f" HAVING {Conditions(scope, parameters).sql(query.having)}"
    keys = [each.sql for each in groups]
    selects = []
    for kept in _sets(keys, query.grouping):
        dropped = set(keys) - set(kept)
        shown = [_without(column, dropped) for column in columns]
        by = f" GROUP BY {', '.join(kept)}" if kept else ""
        selects.append(f"SELECT {', '.join(shown)} {scope.source} WHERE {where}{by}{having}")
    sql = " UNION ALL ".join(selects) + (f" ORDER BY {', '.join(order)}" if order else "")
    if query.limit is not None or query.offset:
        sql += f" LIMIT {-1 if query.limit is None else min(query.limit, 2**62)} OFFSET {query.offset}"
    return Aggregated(sql, parameters * len(selects), outputs, scope.view, bool(groups))


def _sets(keys: list[str], grouping: str | None) -> list[tuple[str, ...]]:
    if grouping == "ROLLUP":
        return [tuple(keys[:size]) for size in range(len(keys), -1, -1)]
    if grouping == "CUBE":
        return [each for size in range(len(keys), -1, -1) for each in combinations(keys, size)]
    return [tuple(keys)]


def _without(column: str, dropped: set[str]) -> str:
    """Return what a column shows where some groups are summed up: null, and 1 for GROUPING(…)."""
    if column.startswith(_GROUPING):
        return str(int(column.removeprefix(_GROUPING) in dropped))
    return "NULL" if column in dropped else column


def _group(scope: Scope, expression: Expression) -> Term:
    found = term(scope, expression)
    if not found.calculated and (not found.field.groupable or found.field.type in COMPOUND_TYPES):
        message = f"field '{found.field.name}' can not be grouped in a query call"
        raise scope.error("MALFORMED_QUERY", expression, message)
    return found


def _grouping(scope: Scope, expression: Expression) -> Term | None:
    """Translate GROUPING(field): 1 where the row sums the field up, else 0."""
    if not isinstance(expression, Call) or expression.name != "GROUPING":
        return None
    argument = expression.arguments[0] if len(expression.arguments) == 1 else None
    if not scope.query.grouping or not isinstance(argument, Path):
        raise scope.error("MALFORMED_QUERY", expression, "GROUPING() needs a field of ROLLUP or CUBE")
    counted = term(scope, Call("COUNT", (), expression.text, expression.position))
    inner = term(scope, argument)
    return Term(_GROUPING + inner.sql, counted.field, "expr", expression.text, None, calculated=True, aggregate=True)


def _outputs(scope: Scope, grouped: set[str]) -> tuple[list[Output], list[str]]:
    outputs: list[Output] = []
    columns = []
    for item in scope.query.items:
        if not isinstance(item, Selected):
            continue
        found = _grouping(scope, item.expression) or term(scope, item.expression)
        if not found.aggregate and found.sql not in grouped:
            message = f"Field must be grouped or aggregated: {item.expression.text}"
            raise scope.error("MALFORMED_QUERY", item.expression, message)
        unnamed = sum(output.name.startswith("expr") for output in outputs)
        name = item.alias.text if item.alias else f"expr{unnamed}" if found.calculated else found.name
        if any(output.name.lower() == name.lower() for output in outputs):
            raise scope.error("MALFORMED_QUERY", item.expression, f"duplicate alias: {name}")
        outputs.append(Output(name, found.text, found.field, found.read, found.calculated))
        columns.append(found.sql)
    return outputs, columns
