"""The org's clock: real time, shifted or standing still, in seconds and in UTC as Salesforce stores it."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

STAMP_FORMAT = "%Y-%m-%dT%H:%M:%S.000+0000"
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:(Z)|([+-])(\d\d):?(\d\d))", re.IGNORECASE
)


def stamp(moment: datetime) -> str:
    """Print a moment as the API does; the text sorts as the moment does, so it is also what is stored."""
    return moment.astimezone(UTC).strftime(STAMP_FORMAT)


def read_stamp(text: str) -> datetime:
    """Read a stored stamp back, as an aware UTC datetime."""
    return datetime.strptime(text, STAMP_FORMAT).replace(tzinfo=UTC)


def parse_moment(text: str) -> str | None:
    """Turn an ISO 8601 datetime with an offset into a stamp (UTC, fraction cut off); None if it is not one."""
    if not (match := _MOMENT.fullmatch(text)):
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        if match[8]:
            shift = timedelta(hours=int(match[9]), minutes=int(match[10]))
            moment += -shift if match[8] == "+" else shift
    except (ValueError, OverflowError):
        return None
    return f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}.000+0000"


def http_date(moment: datetime) -> str:
    """Print a moment for an HTTP header (`Tue, 24 Nov 2026 10:00:00 GMT`)."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


class Clock:
    """Tell the org's time; `set` shifts it by seconds or freezes it, and both hold until the next `set`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offset = timedelta()
        self._frozen: datetime | None = None

    def set(self, *, offset_seconds: float = 0, frozen_at: datetime | None = None) -> None:
        """Shift the clock against real time, or stop it at an aware datetime."""
        with self._lock:
            self._offset = timedelta(seconds=offset_seconds)
            self._frozen = frozen_at

    def now(self) -> datetime:
        """Return the org's time, aware, in UTC."""
        with self._lock:
            return self._frozen or datetime.now(UTC) + self._offset

    def stamp(self) -> str:
        """Return the org's time as a stamp."""
        return stamp(self.now())
