"""Conditions of a query in SQL, with their values as parameters.

SOQL knows two truth values: a comparison with a null field is false, and its negation true. So `=` becomes `IS`, and
NOT becomes `IS NOT TRUE`. Long lists travel as one JSON parameter. Text is compared without case (recorded): SQLite
does so in ASCII, by index; whatever else a query asks for is folded first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import errors, ids
from salesforce_emulator.clock import parse_moment
from salesforce_emulator.soql.model import Among, Compare, Includes, Joined, Junction, Negation, Path, Selected
from salesforce_emulator.soql.scope import Scope
from salesforce_emulator.soql.sqlite import fold
from salesforce_emulator.soql.terms import NUMERIC, Term, term
from salesforce_emulator.values import COMPOUND_TYPES, ID_TYPES, TEXT_TYPES, valid_date

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from salesforce_emulator.schema import FieldSchema
    from salesforce_emulator.soql.model import Condition, Expression, Literal

_MAX_DEPTH = 50
_ORDERED = {"<", ">", "<=", ">="}
_BACKSLASH = re.compile(r"\\(.)", re.DOTALL)


class Conditions:
    """Translate the conditions of one scope; `parameters` grows in the order of the SQL."""

    def __init__(self, scope: Scope, parameters: list[Any]) -> None:
        self.scope = scope
        self.parameters = parameters

    def sql(self, given: Condition, depth: int = 0) -> str:
        """Return a condition's SQL. Raises `ApiError` for what may not be compared so."""
        if depth > _MAX_DEPTH:
            raise errors.too_complicated(f"conditions nested more than {_MAX_DEPTH} deep")
        if isinstance(given, Junction):
            return self._junction(given.operator, given.items, depth + 1)
        if isinstance(given, Negation):
            return f"({self.sql(given.item, depth + 1)}) IS NOT TRUE"
        left = term(self.scope, given.left)
        if not left.aggregate and (not left.field.filterable or left.field.type in COMPOUND_TYPES):
            raise self._refused(given.left, f"field '{left.field.name}' can not be filtered in a query call")
        if isinstance(given, Joined):
            return self._joined(left, given)
        if isinstance(given, Among):
            return self._among(left, given)
        if isinstance(given, Includes):
            return self._includes(left, given)
        return self._compare(left, given)

    def _refused(self, place: Expression, message: str) -> errors.ApiError:
        return self.scope.error("INVALID_FIELD", place, message)

    def _junction(self, operator: str, items: Sequence[Condition], depth: int) -> str:
        """Join conditions as a balanced tree: SQLite limits the depth of an expression."""
        if len(items) == 1:
            return self.sql(items[0], depth)
        half = len(items) // 2
        left, right = (self._junction(operator, part, depth) for part in (items[:half], items[half:]))
        return f"({left} {operator} {right})"

    # --- comparisons -------------------------------------------------------------------------------------------------

    def _compare(self, left: Term, given: Compare) -> str:
        operator = given.operator
        if operator == "LIKE":
            return self._like(left, given)
        if operator in _ORDERED and left.field.type in {"boolean", "multipicklist"}:
            raise self._refused(given.left, f"invalid operator on {left.field.type} field")
        if given.value.kind == "period":
            return self._in_period(left, given)
        value = self._value(left.field, given.left, given.value)
        if operator in _ORDERED:
            self.parameters.append(value)
            return f"{left.sql} {operator} ?"
        negation = " NOT" if operator == "!=" else ""
        if value is None:
            return f"{left.sql} IS{negation} NULL"
        folded = _needs_folding(left.field, value)
        self.parameters.append(fold(value) if folded else value)
        return f"{_folded(left.sql) if folded else left.sql} IS{negation} ?"

    def _in_period(self, left: Term, given: Compare) -> str:
        start, after = self._span(left.field, given.left, given.value)
        operator, sql = given.operator, left.sql
        if operator in _ORDERED:
            self.parameters.append(after if operator in {">", "<="} else start)
            return f"{sql} {'>=' if operator in {'>', '>='} else '<'} ?"
        self.parameters += [start, after]
        inside = f"({sql} >= ? AND {sql} < ?)"
        return inside if operator == "=" else f"{inside} IS NOT TRUE"

    def _span(self, field: FieldSchema, place: Expression, literal: Literal) -> tuple[str, str]:
        calendar, (name, number) = self.scope.context.calendar, literal.value
        if field.type not in {"date", "datetime"}:
            raise self._refused(place, _wrong_type(field, _LITERALS.get(field.type, ("string", None))[0]))
        try:
            first, after = calendar.span(name, number)
            if field.type == "date":
                return first.isoformat(), after.isoformat()
            return calendar.moment(first), calendar.moment(after)
        except (OverflowError, ValueError):
            message = f"Date literal is out of range: {name}:{number}"
            raise self.scope.error("MALFORMED_QUERY", place, message) from None

    def _like(self, left: Term, given: Compare) -> str:
        if left.field.type not in TEXT_TYPES - {"multipicklist"}:
            kind = "id" if left.field.type in ID_TYPES else left.field.type
            raise self._refused(given.left, f"invalid operator on {kind} field")
        pattern = _like_pattern(given.value)
        if not pattern.isascii():
            self.parameters.append(fold(pattern))
            return f"fold({left.sql}) LIKE ? ESCAPE '\\'"
        self.parameters.append(pattern)
        return f"{left.sql} LIKE ? ESCAPE '\\'"

    def _among(self, left: Term, given: Among) -> str:
        periods = [each for each in given.values if each.kind == "period"]
        values = [self._value(left.field, given.left, each) for each in given.values if each.kind != "period"]
        wanted = [value for value in values if value is not None]
        folded = {fold(value) for value in wanted if _needs_folding(left.field, value)}
        self.parameters.append(orjson.dumps(wanted).decode())
        found = [f"{left.sql} IN (SELECT value FROM json_each(?))"]
        if folded:
            self.parameters.append(orjson.dumps(sorted(map(str, folded))).decode())
            found.append(f"{_folded(left.sql)} IN (SELECT value FROM json_each(?))")
        if len(wanted) < len(values):
            found.append(f"{left.sql} IS NULL")
        found += [self._in_period(left, Compare(given.left, "=", each)) for each in periods]
        sql = f"({' OR '.join(found)})"
        return f"{sql} IS NOT TRUE" if given.negated else sql

    def _includes(self, left: Term, given: Includes) -> str:
        if left.field.type != "multipicklist":
            raise self._refused(given.left, f"invalid operator on {left.field.type} field")
        found = []
        for literal in given.values:
            value = self._value(left.field, given.left, literal)
            chosen = [part for part in str(value or "").split(";") if part]
            self.parameters += [f";{fold(part)};" for part in chosen]
            each = [f"instr(';' || fold({left.sql}) || ';', ?) > 0" for _ in chosen]
            found.append(f"({' AND '.join(each)})" if each else f"{left.sql} IS NULL")
        sql = f"({' OR '.join(found)})"
        return f"{sql} IS NOT TRUE" if given.negated else sql

    # --- semi-joins --------------------------------------------------------------------------------------------------

    def _joined(self, left: Term, given: Joined) -> str:
        inner, context = given.query, self.scope.context
        if left.field.type not in ID_TYPES:
            message = (
                "The left operand field in the where expression for outer query should be an id field, "
                f"cannot use: '{left.field.name}'"
            )
            raise self._refused(given.left, message)
        view = context.views(inner.source.text)
        if view is None or not view.schema.top["queryable"]:
            message = errors.unsupported_object(inner.source.text)
            raise self.scope.error("INVALID_TYPE", inner.source, message)
        scope = Scope(context, inner, view, f"s{next(context.names)}")
        selected = inner.items[0]
        if not isinstance(selected, Selected) or not isinstance(selected.expression, Path):
            raise self.scope.error("MALFORMED_QUERY", inner.source, "semi join sub-selects can only query one field")
        column = term(scope, selected.expression)
        if column.field.type not in ID_TYPES:
            message = (
                "The inner select field in the sub-query of a semi join should be an id field, "
                f"cannot use: '{column.field.name}'"
            )
            raise self._refused(selected.expression, message)
        conditions = scope.visible(self.parameters)
        if inner.where is not None:
            conditions.append(Conditions(scope, self.parameters).sql(inner.where))
        conditions.append(f"{column.sql} IS NOT NULL")
        sql = f"{left.sql} IN (SELECT {column.sql} {scope.source} WHERE {' AND '.join(conditions)})"
        return f"({sql}) IS NOT TRUE" if given.negated else sql

    # --- values ------------------------------------------------------------------------------------------------------

    def _value(self, field: FieldSchema, place: Expression, literal: Literal) -> Any:
        """Turn a literal into what is stored in a field of its type, or refuse it."""
        if literal.kind == "null":
            return None
        if field.type in ID_TYPES:
            return self._id_value(place, field, literal)
        kind, read = _LITERALS.get(field.type, ("string", None))
        if literal.kind != kind:
            raise self._refused(place, _wrong_type(field, kind))
        value = literal.value if read is None else read(literal.value)
        if value is None:
            raise self.scope.error("MALFORMED_QUERY", place, f"invalid {kind}: {literal.value}")
        return value

    def _id_value(self, place: Expression, field: FieldSchema, literal: Literal) -> str:
        if literal.kind != "string":
            raise self._refused(place, _wrong_type(field, "string"))
        value = ids.normalise(literal.value) if literal.value else ""
        if value is None:
            message = f"invalid ID field: {literal.value}"
            raise self.scope.error("INVALID_QUERY_FILTER_OPERATOR", place, message)
        return value


def _wrong_type(field: FieldSchema, kind: str) -> str:
    quotes = "should be enclosed in quotes" if kind == "string" else "should not be enclosed in quotes"
    type_name = {"datetime": "dateTime", "number": field.type}.get(kind, kind)
    return f"value of filter criterion for field '{field.name}' must be of type {type_name} and {quotes}"


def _needs_folding(field: FieldSchema, value: Any) -> bool:
    return field.type in TEXT_TYPES and not field.case_sensitive and not value.isascii() and fold(value) is not None


def _folded(sql: str) -> str:
    return f"fold({sql})"


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
    **dict.fromkeys(NUMERIC, ("number", _number)),
}
