"""Functions that SQLite lacks and the translation of SOQL uses, to be registered on each connection."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from math import asin, cos, radians, sin, sqrt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from salesforce_emulator import ids

if TYPE_CHECKING:
    import sqlite3

_EARTH_KM, _KM_PER_MILE = 6371.0, 1.609344


def register(connection: sqlite3.Connection) -> None:
    """Add `fold(text)`, `zoned(stamp, zone)`, `distance(lat, lon, lat, lon, unit)` and `make_id(prefix, number)`.

    Null gives null, but in `make_id`.
    """
    connection.create_function("fold", 1, fold, deterministic=True)
    connection.create_function("zoned", 2, _zoned, deterministic=True)
    connection.create_function("make_id", 2, ids.make, deterministic=True)
    connection.create_function("distance", 5, _distance, deterministic=True)


def fold(text: str | None) -> str | None:
    """Make texts equal that differ in case alone, in any script."""
    return None if text is None else text.lower()


def _zoned(text: str | None, zone: str) -> str | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
    return moment.astimezone(_zone(zone)).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _distance(
    latitude: float | None, longitude: float | None, other_latitude: float, other_longitude: float, unit: str
) -> float | None:
    if latitude is None or longitude is None:
        return None
    first, second = radians(latitude), radians(other_latitude)
    half = sin((second - first) / 2) ** 2
    half += cos(first) * cos(second) * sin(radians(other_longitude - longitude) / 2) ** 2
    kilometres = 2 * _EARTH_KM * asin(min(1.0, sqrt(half)))
    return kilometres if unit == "km" else kilometres / _KM_PER_MILE
