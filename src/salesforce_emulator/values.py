"""From a JSON value to what is stored, per field type, with the checks that Salesforce makes on save.

Text is trimmed, an empty text is null, a number may come as text (all seen on real orgs). Stored forms: text; booleans
as 0 and 1; numbers; dates as `yyyy-mm-dd`; datetimes as the API prints them, in UTC, so that text order is time order.
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Any

from salesforce_emulator import ids
from salesforce_emulator.clock import parse_moment
from salesforce_emulator.errors import FieldTypeError, Problem, malformed_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from salesforce_emulator.schema import FieldSchema

    Converter = Callable[[Any], Any]

_TRIMMED = "".join(map(chr, range(33)))
"""What Java's `trim` takes off: everything up to the space, and not the ideographic space."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_EMAIL = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z]{{2,}}")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.\d{1,3})?Z?")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_YEARS = range(1700, 4001)
_MAX_INT = 2**31 - 1

TEXT_TYPES = frozenset(
    {"string", "textarea", "email", "phone", "url", "picklist", "multipicklist", "combobox", "encryptedstring"}
)
NUMBER_TYPES = frozenset({"double", "currency", "percent"})
ID_TYPES = frozenset({"id", "reference"})
COMPOUND_TYPES = frozenset({"address", "location"})


class FieldValueError(Exception):
    """A value that the field refuses; carries the problem to report."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def converter(field: FieldSchema) -> Converter:
    """Build the function that turns a JSON value (never None) into the stored one, or None where it means null.

    It raises `FieldValueError` for a value that the field refuses and `FieldTypeError` for JSON of the wrong type.
    """
    if field.type in TEXT_TYPES:
        return partial(_CHECKS.get(field.type, _text), field)
    return partial(_PLAIN[field.type], field) if field.type in _PLAIN else partial(_refuse, field)


def valid_date(text: str) -> bool:
    """Tell whether text is a calendar date `yyyy-mm-dd`."""
    if not (match := _DATE.fullmatch(text)):
        return False
    year, month, day = map(int, match.groups())
    leap = month == 2 and day == 29 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)  # noqa: PLR2004
    return year in _YEARS and 1 <= month <= len(_DAYS) and (1 <= day <= _DAYS[month - 1] or leap)


def _refuse(field: FieldSchema, value: Any) -> Any:
    raise FieldTypeError(field.type, value)


def _text(field: FieldSchema, value: Any) -> str | None:
    if type(value) is not str:
        raise FieldTypeError(field.type, value)
    value = value.strip(_TRIMMED)
    if len(value) > field.length:
        message = f"{field.label}: data value too large: {value} (max length={field.length})"
        raise FieldValueError(Problem("STRING_TOO_LONG", message, (field.name,)))
    return value or None


def _email(field: FieldSchema, value: Any) -> str | None:
    text = _text(field, value)
    if text is not None and not _EMAIL.fullmatch(text):
        raise FieldValueError(
            Problem("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}", (field.name,))
        )
    return text


def _allowed(field: FieldSchema, value: str) -> str:
    if field.restricted_picklist and not any(each.value == value and each.active for each in field.picklist):
        raise FieldValueError(bad_choice(field, value))
    return value


def bad_choice(field: FieldSchema, value: str) -> Problem:
    """Refuse a value that a restricted picklist, or the row's record type, does not offer."""
    message = f"{field.label}: bad value for restricted picklist field: {value}"
    return Problem("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, (field.name,))


def _picklist(field: FieldSchema, value: Any) -> str | None:
    text = _text(field, value)
    return None if text is None else _allowed(field, text)


def _multipicklist(field: FieldSchema, value: Any) -> str | None:
    text = _text(field, value)
    if text is None:
        return None
    chosen = dict.fromkeys(_allowed(field, part.strip(_TRIMMED)) for part in text.split(";") if part.strip(_TRIMMED))
    order = {each.value: position for position, each in enumerate(field.picklist)}
    return ";".join(sorted(chosen, key=lambda each: order.get(each, len(order)))) or None


def _boolean(field: FieldSchema, value: Any) -> int:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return int(value.lower() == "true")
    if not isinstance(value, bool):
        raise FieldTypeError(field.type, value)
    return int(value)


def _decimal(field: FieldSchema, value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise FieldTypeError(field.type, value)
    if value == "":
        return None
    try:
        number = Decimal(str(value).strip(_TRIMMED))
    except InvalidOperation:
        raise FieldTypeError(field.type, value) from None
    if not number.is_finite():
        raise FieldTypeError(field.type, value)
    return number


def _out_of_range(field: FieldSchema, value: Any) -> FieldValueError:
    message = f"{field.label}: value outside of valid range on numeric field: {value}"
    return FieldValueError(Problem("NUMBER_OUTSIDE_VALID_RANGE", message, (field.name,)))


def _int(field: FieldSchema, value: Any) -> int | None:
    number = _decimal(field, value)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise FieldTypeError(field.type, value)
    limit = 10**field.digits - 1 if field.digits else _MAX_INT
    if abs(number) > limit:
        raise _out_of_range(field, value)
    return int(number)


def _double(field: FieldSchema, value: Any) -> float | None:
    number = _decimal(field, value)
    if number is None:
        return None
    if field.precision and abs(number) >= Decimal(10) ** (field.precision - field.scale):
        raise _out_of_range(field, value)
    try:
        rounded = float(number.quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP))
    except InvalidOperation:
        rounded = float(number)
    if math.isinf(rounded):
        raise _out_of_range(field, value)
    return rounded


def _date(field: FieldSchema, value: Any) -> str | None:
    if value == "":
        return None
    if not isinstance(value, str) or not valid_date(value):
        raise FieldTypeError(field.type, value)
    return value


def _datetime(field: FieldSchema, value: Any) -> str | None:
    if value == "":
        return None
    moment = parse_moment(value) if isinstance(value, str) else None
    if moment is None:
        raise FieldTypeError(field.type, value)
    return moment


def _time(field: FieldSchema, value: Any) -> str | None:
    if value == "":
        return None
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise FieldTypeError(field.type, value)
    return f"{match[1]}:{match[2]}:{match[3]}.000Z"


def _id(field: FieldSchema, value: Any) -> str | None:
    if not isinstance(value, str):
        raise FieldTypeError(field.type, value)
    if value == "":
        return None
    if (found := ids.normalise(value)) is None:
        raise FieldValueError(malformed_id(field.label, field.name, value))
    return found


_CHECKS: dict[str, Callable[[FieldSchema, Any], Any]] = {
    "email": _email,
    "picklist": _picklist,
    "multipicklist": _multipicklist,
}
_PLAIN: dict[str, Callable[[FieldSchema, Any], Any]] = {
    "boolean": _boolean,
    "int": _int,
    "long": _int,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "id": _id,
    "reference": _id,
    **dict.fromkeys(NUMBER_TYPES, _double),
}
