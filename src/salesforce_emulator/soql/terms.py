"""Terms of a query in SQL: fields, and functions of fields, each with the type of its value.

The texts of refusals are those of real orgs where they name a field; those on wrong arguments are guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

from salesforce_emulator.clock import read_stamp
from salesforce_emulator.schema import FieldSchema
from salesforce_emulator.soql.dates import FUNCTIONS, OF_DATETIMES
from salesforce_emulator.soql.model import AGGREGATES, Call, Literal, Path
from salesforce_emulator.table import quoted
from salesforce_emulator.values import COMPOUND_TYPES, NUMBER_TYPES

if TYPE_CHECKING:
    from salesforce_emulator.soql.model import Expression, Order
    from salesforce_emulator.soql.output import Read
    from salesforce_emulator.soql.scope import Found, Join, Scope

NUMERIC = NUMBER_TYPES | {"int", "long"}
_UNITS = ("km", "mi")


@dataclass(frozen=True, slots=True)
class Term:
    """SQL with the field that it reads, or one made up for a function's value.

    `name` is the output name, `text` how the term was written, `read` turns a stored value into a JSON value;
    `calculated` says that the value is no field's, `aggregate` that it is one of many rows.
    """

    sql: str
    field: FieldSchema
    name: str
    text: str
    read: Read | None
    way: tuple[Join, ...] = ()
    calculated: bool = False
    aggregate: bool = False
    nullable: bool = True


def term(scope: Scope, expression: Expression) -> Term:
    """Translate a field or a function. Raises `ApiError` for what the user cannot see or a function does not take."""
    if isinstance(expression, Path):
        return _of_field(scope, expression)
    if expression.name in AGGREGATES:
        return _aggregate(scope, expression)
    if expression.name in FUNCTIONS:
        return _date_function(scope, expression)
    if expression.name in _FUNCTIONS:
        return _FUNCTIONS[expression.name](scope, expression)
    raise scope.error("MALFORMED_QUERY", expression, f"unexpected token: '{expression.text.partition('(')[0]}'")


def _of_field(scope: Scope, path: Path) -> Term:
    found = scope.resolve(path)
    nullable = bool(found.way) or found.field.nillable
    return Term(found.sql, found.field, found.field.name, path.text, _reader(found), found.way, nullable=nullable)


def _reader(found: Found) -> Read | None:
    return found.view.table.reads.get(found.field.name)


def _only(scope: Scope, call: Call) -> Expression:
    argument = call.arguments[0] if len(call.arguments) == 1 else None
    if argument is None or isinstance(argument, Literal):
        raise scope.error("MALFORMED_QUERY", call, f"unexpected token: '{call.text}'")
    return argument


def _field_argument(scope: Scope, call: Call) -> Term:
    argument = _only(scope, call)
    if not isinstance(argument, Path):
        raise scope.error("MALFORMED_QUERY", argument, f"unexpected token: '{argument.text}'")
    return _of_field(scope, argument)


def _made(name: str, kind: str) -> FieldSchema:
    return FieldSchema(name=name, label=name, type=kind, nillable=True)


def in_order(sql: str, given: Order, *, nullable: bool) -> str:
    """Return a term of ORDER BY: null first, unless LAST is said, also where the order descends (documented)."""
    nulls = f" NULLS {'LAST' if given.nulls_last else 'FIRST'}" if nullable else ""
    return f"{sql}{' DESC' if given.descending else ''}{nulls}"


# --- aggregates ------------------------------------------------------------------------------------------------------


def _aggregate(scope: Scope, call: Call) -> Term:
    if call.name == "COUNT" and not call.arguments:
        return Term("count(*)", _made("expr", "int"), "expr", call.text, None, calculated=True, aggregate=True)
    inner = _field_argument(scope, call)
    if not _may_aggregate(call.name, inner.field):
        message = f"field {inner.text} does not support aggregate operator {call.name}"
        raise scope.error("MALFORMED_QUERY", call, message)
    sql, kind, read = f"{call.name.lower()}({inner.sql})", inner.field.type, inner.read
    if call.name in {"COUNT", "COUNT_DISTINCT"}:
        sql = f"count(DISTINCT {inner.sql})" if call.name == "COUNT_DISTINCT" else sql
        kind, read = "int", None
    elif call.name == "AVG":
        kind = "double"
    made = replace(inner.field, type=kind, nillable=True, filterable=True, sortable=True)
    return Term(sql, made, "expr", call.text, read, calculated=True, aggregate=True)


def _may_aggregate(name: str, field: FieldSchema) -> bool:
    if name in {"SUM", "AVG"}:
        return field.type in NUMERIC
    return field.aggregatable and field.type not in COMPOUND_TYPES and field.type != "boolean"


# --- dates -----------------------------------------------------------------------------------------------------------


def _date_function(scope: Scope, call: Call) -> Term:
    argument = _only(scope, call)
    if isinstance(argument, Call) and argument.name == "CONVERTTIMEZONE":
        inner = _field_argument(scope, argument)
        sql, takes = f"zoned({inner.sql}, '{scope.context.calendar.zone.key}')", {"datetime"}
    else:
        inner = _field_argument(scope, call)
        sql, takes = inner.sql, {"datetime"} if call.name in OF_DATETIMES else {"date", "datetime"}
    if inner.field.type not in takes:
        message = f"{call.name} is not supported on the field {inner.text} of type {inner.field.type}"
        raise scope.error("INVALID_FIELD", call, message)
    kind = "date" if call.name == "DAY_ONLY" else "int"
    sql = FUNCTIONS[call.name](sql, scope.context.calendar.fiscal_month)
    return Term(sql, _made(inner.field.name, kind), "expr", call.text, None, calculated=True)


def _convert_timezone(scope: Scope, call: Call) -> Term:
    raise scope.error("MALFORMED_QUERY", call, "convertTimezone() is allowed in a date function only")


# --- one value otherwise ---------------------------------------------------------------------------------------------


def _to_label(scope: Scope, call: Call) -> Term:
    inner = _field_argument(scope, call)
    if inner.field.type not in {"picklist", "multipicklist", "combobox"}:
        raise scope.error("INVALID_FIELD", call, f"The toLabel function is not supported on field {inner.text}")
    labels = {each.value: each.label for each in inner.field.picklist if each.label != each.value}
    if not labels:
        return replace(inner, text=call.text)
    if inner.field.type == "multipicklist":
        return replace(
            inner, text=call.text, read=lambda value: ";".join(labels.get(each, each) for each in value.split(";"))
        )
    cases = " ".join(f"WHEN {_text(value)} THEN {_text(label)}" for value, label in labels.items())
    return replace(inner, text=call.text, sql=f"(CASE {inner.sql} {cases} ELSE {inner.sql} END COLLATE NOCASE)")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _format(scope: Scope, call: Call) -> Term:
    """Print a value for the user's locale, here as a Japanese one does (guessed for all but dates)."""
    inner = term(scope, _only(scope, call))
    zone = scope.context.calendar.zone

    def read(value: Any) -> str:
        if inner.field.type == "datetime":
            local = read_stamp(value).replace(tzinfo=UTC).astimezone(zone)
            return f"{local:%Y/%m/%d} {local.hour}:{local:%M}"
        if inner.field.type == "date":
            return str(value).replace("-", "/")
        if inner.field.type in NUMERIC:
            mark = "¥" if inner.field.type == "currency" else ""
            return mark + (f"{value:,.{inner.field.scale}f}" if isinstance(value, float) else f"{value:,}")
        return str(inner.read(value) if inner.read else value)

    return replace(inner, text=call.text, read=read)


def _convert_currency(scope: Scope, call: Call) -> Term:
    raise scope.error("INVALID_FIELD", call, "convertCurrency() needs an organization with multiple currencies")


def _distance(scope: Scope, call: Call) -> Term:
    """Reckon the way from a location or address to GEOLOCATION(latitude, longitude), in `km` or `mi`."""
    place, point, unit = call.arguments if len(call.arguments) == 3 else (None, None, None)  # noqa: PLR2004
    where = [each.value for each in point.arguments if isinstance(each, Literal)] if isinstance(point, Call) else []
    right = isinstance(point, Call) and point.name == "GEOLOCATION" and len(where) == 2  # noqa: PLR2004
    if not (isinstance(place, Path) and right and isinstance(unit, Literal) and unit.value in _UNITS):
        raise scope.error("MALFORMED_QUERY", call, f"unexpected token: '{call.text}'")
    found = scope.resolve(place)
    if found.field.type not in COMPOUND_TYPES:
        raise scope.error("INVALID_FIELD", call, f"DISTANCE() is not supported on the field {place.text}")
    alias = found.way[-1].targets[0][0] if found.way else scope.alias
    parts = found.view.table.parts(found.field)
    columns = [f"{alias}.{quoted(parts[key])}" for key in ("latitude", "longitude")]
    try:
        numbers = [repr(float(each)) for each in where]
    except ValueError:
        raise scope.error("MALFORMED_QUERY", call, f"unexpected token: '{call.text}'") from None
    sql = f"distance({', '.join([*columns, *numbers])}, '{unit.value}')"
    return Term(sql, _made("expr", "double"), "expr", call.text, None, found.way, calculated=True)


_FUNCTIONS = {
    "TOLABEL": _to_label,
    "FORMAT": _format,
    "CONVERTCURRENCY": _convert_currency,
    "CONVERTTIMEZONE": _convert_timezone,
    "DISTANCE": _distance,
}
