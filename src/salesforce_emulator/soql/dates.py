"""Dates as SOQL knows them: literals such as `LAST_N_DAYS:7`, and functions such as `CALENDAR_YEAR`.

A literal is a span of days on the asking user's calendar; a function of a datetime reckons in UTC unless
`convertTimezone` stands around the field (both documented). Weeks start on Sunday (documented for en_US).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from salesforce_emulator.clock import stamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    Span = tuple[date, date]

_PERIOD = re.compile(r"([A-Z_0-9]+?)(?::(\d+))?", re.IGNORECASE)
_NUMBERED = re.compile(r"(LAST_N|NEXT_N|N)_([A-Z_]+?)(_AGO)?")
_MONTHS = 12
_UNITS = {"DAY": 0, "WEEK": 0, "MONTH": 1, "QUARTER": 3, "FISCAL_QUARTER": 3, "YEAR": 12, "FISCAL_YEAR": 12}
_NAMED = {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}
_RELATIVE = {"LAST": -1, "THIS": 0, "NEXT": 1}
_MAX_YEARS = 4_000


def read_period(text: str) -> tuple[str, int | None] | None:
    """Read a date literal: its name in capitals and its number, if any; None where there is no such literal."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        return None
    name, number = match[1].upper(), int(match[2]) if match[2] else None
    if (number is None) != (_numbered(name) is None):
        return None
    return (name, number) if number is not None or name in _PLAIN else None


def _numbered(name: str) -> tuple[str, str] | None:
    match = _NUMBERED.fullmatch(name)
    if match is None or (match[1] == "N") != (match[3] is not None):
        return None
    unit = match[2].removesuffix("S")
    return (match[1], unit) if match[2].endswith("S") and unit in _UNITS else None


_PLAIN = frozenset(_NAMED) | {"LAST_90_DAYS", "NEXT_90_DAYS"}
_PLAIN |= {f"{when}_{unit}" for when in _RELATIVE for unit in _UNITS if unit != "DAY"}


@dataclass(frozen=True, slots=True)
class Calendar:
    """The day it is for a user, in the user's time zone, and the month in which the org's fiscal year starts."""

    today: date
    zone: ZoneInfo
    fiscal_month: int = 1

    def span(self, name: str, number: int | None) -> Span:
        """Return a literal's first day and the day after its last. Raises `OverflowError` beyond the calendar."""
        if name in _NAMED:
            return self._days(_NAMED[name], _NAMED[name] + 1)
        if name in {"LAST_90_DAYS", "NEXT_90_DAYS"}:
            name, number = name.replace("90", "N"), 90
        if number is None:
            when, _, unit = name.partition("_")
            return self._units(unit, _RELATIVE[when], _RELATIVE[when] + 1)
        kind, unit = _numbered(name) or ("", "")
        if kind == "N":
            return self._units(unit, -number, 1 - number)
        if kind == "NEXT_N":
            return self._units(unit, 1, number + 1)
        return self._units(unit, -number, 1 if unit == "DAY" else 0)

    def moment(self, day: date) -> str:
        """Return the stamp of a day's beginning in the user's time zone."""
        return stamp(datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC))

    def _units(self, unit: str, first: int, after: int) -> Span:
        if unit == "DAY":
            return self._days(first, after)
        if unit == "WEEK":
            sunday = -(self.today.isoweekday() % 7)
            return self._days(sunday + 7 * first, sunday + 7 * after)
        length = _UNITS[unit]
        start = self.fiscal_month - 1 if unit.startswith("FISCAL") else 0
        month = self.today.year * _MONTHS + self.today.month - 1 - start
        month -= month % length
        return (_month(month + start + first * length), _month(month + start + after * length))

    def _days(self, first: int, after: int) -> Span:
        return self.today + timedelta(days=first), self.today + timedelta(days=after)


def _month(months: int) -> date:
    year, month = divmod(months, _MONTHS)
    if not 1 < year < _MAX_YEARS:
        raise OverflowError(year)
    return date(year, month + 1, 1)


def _part(start: int, length: int) -> Callable[[str, int], str]:
    return lambda text, _: f"CAST(substr({text}, {start}, {length}) AS INTEGER)"


_YEAR, _MONTH, _DAY = _part(1, 4), _part(6, 2), _part(9, 2)


def _fiscal_month(text: str, start: int) -> str:
    return f"(({_MONTH(text, 0)} + {_MONTHS - start}) % {_MONTHS} + 1)"


def _fiscal_year(text: str, start: int) -> str:
    return _YEAR(text, 0) if start == 1 else f"({_YEAR(text, 0)} + ({_MONTH(text, 0)} >= {start}))"


FUNCTIONS: dict[str, Callable[[str, int], str]] = {
    "CALENDAR_YEAR": _YEAR,
    "CALENDAR_MONTH": _MONTH,
    "CALENDAR_QUARTER": lambda text, _: f"(({_MONTH(text, 0)} + 2) / 3)",
    "DAY_IN_MONTH": _DAY,
    "DAY_IN_WEEK": lambda text, _: f"(CAST(strftime('%w', substr({text}, 1, 10)) AS INTEGER) + 1)",
    "DAY_IN_YEAR": lambda text, _: f"CAST(strftime('%j', substr({text}, 1, 10)) AS INTEGER)",
    "DAY_ONLY": lambda text, _: f"substr({text}, 1, 10)",
    "FISCAL_MONTH": _fiscal_month,
    "FISCAL_QUARTER": lambda text, start: f"(({_fiscal_month(text, start)} + 2) / 3)",
    "FISCAL_YEAR": _fiscal_year,
    "HOUR_IN_DAY": _part(12, 2),
    "WEEK_IN_MONTH": lambda text, _: f"(({_DAY(text, 0)} + 6) / 7)",
    "WEEK_IN_YEAR": lambda text, _: f"((CAST(strftime('%j', substr({text}, 1, 10)) AS INTEGER) + 6) / 7)",
}
"""Each function's SQL, given that of a date or datetime as text and the month in which the fiscal year starts.

A fiscal year has the name of the calendar year in which it ends, as where `UsesStartDateAsFiscalYearName` is false.
"""

OF_DATETIMES = frozenset({"DAY_ONLY", "HOUR_IN_DAY"})
"""Functions that take no date."""
