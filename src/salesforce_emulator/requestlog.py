"""What was asked of the org: one entry per request, dropped and refused ones included."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

_KEPT = 50_000


class RequestLog:
    """Keep the requests since the last `clear`, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def add(self, entry: dict[str, Any]) -> None:
        """Append an entry; the caller may still complete it."""
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """Return the entries."""
        with self._lock:
            return [dict(entry) for entry in self._entries]
