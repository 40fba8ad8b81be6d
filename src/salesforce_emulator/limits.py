"""The org's daily limits: the quota of API calls is counted, the rest is reported as an unused org reports it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from salesforce_emulator import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

API_REQUESTS = "DailyApiRequests"
PER_APP = "PerAppApiRequests"
"""Metering of the connected app, once its limit is set: shown in the header, refusing nothing."""

BULK_BATCHES, BULK_QUERIES = "DailyBulkApiBatches", "DailyBulkV2QueryJobs"
BULK_QUERY_MEGABYTES = "DailyBulkV2QueryFileStorageMB"

_DEFAULTS = {
    API_REQUESTS: 100_000,
    "DailyAsyncApexExecutions": 250_000,
    BULK_BATCHES: 15_000,
    BULK_QUERY_MEGABYTES: 976_562,
    BULK_QUERIES: 10_000,
    "DailyDurableStreamingApiEvents": 10_000,
    "DailyGenericStreamingApiEvents": 10_000,
    "DailyStreamingApiEvents": 10_000,
    "DailyWorkflowEmails": 1_000,
    "DataStorageMB": 1_073,
    "FileStorageMB": 1_073,
    "HourlyAsyncReportRuns": 1_200,
    "HourlyODataCallout": 1_000,
    "HourlySyncReportRuns": 500,
    "HourlyTimeBasedWorkflow": 1_000,
    "MassEmail": 5_000,
    "SingleEmail": 5_000,
}


class Quota:
    """Count API calls against the daily maximum."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Start a new day with the default limits."""
        self._limits: dict[str, dict[str, float]] = {
            name: {"Max": limit, "Remaining": limit} for name, limit in _DEFAULTS.items()
        }

    def set(self, limits: Mapping[str, Mapping[str, int]]) -> None:
        """Set maxima and remainders by name, as `/limits` shows them."""
        with self._lock:
            for name, values in limits.items():
                current = self._limits.setdefault(name, {"Max": 0, "Remaining": 0})
                current.update({key: int(values[key]) for key in ("Max", "Remaining") if key in values})

    def spend(self, calls: int = 1) -> None:
        """Count calls; raise REQUEST_LIMIT_EXCEEDED where none is left."""
        with self._lock:
            requests = self._limits[API_REQUESTS]
            if requests["Remaining"] <= 0:
                raise errors.request_limit()
            requests["Remaining"] -= calls
            if PER_APP in self._limits:
                self._limits[PER_APP]["Remaining"] -= calls

    def take(self, name: str, amount: float = 1) -> bool:
        """Count against another daily limit (bulk batches, queries, megabytes); False where nothing is left."""
        with self._lock:
            limit = self._limits[name]
            if limit["Remaining"] <= 0:
                return False
            limit["Remaining"] -= amount
            return True

    def left(self, name: str) -> bool:
        """Tell whether anything of a daily limit is left."""
        return self._limits[name]["Remaining"] > 0

    def as_json(self) -> dict[str, dict[str, int]]:
        """Return all limits as `/limits` shows them."""
        return {name: {key: max(int(value), 0) for key, value in each.items()} for name, each in self._limits.items()}

    def used(self) -> tuple[int, int]:
        """Return how many of the daily API calls are used, and how many there are."""
        requests = self._limits[API_REQUESTS]
        return int(requests["Max"] - requests["Remaining"]), int(requests["Max"])

    def header(self) -> str:
        """Return the value of `Sforce-Limit-Info`."""
        requests = self._limits[API_REQUESTS]
        text = f"api-usage={requests['Max'] - requests['Remaining']}/{requests['Max']}"
        if app := self._limits.get(PER_APP):
            text += f"; per-app-api-usage={app['Max'] - app['Remaining']}/{app['Max']}(appName=Integration)"
        return text
