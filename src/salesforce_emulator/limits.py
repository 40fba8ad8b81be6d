"""The org's daily limits: the quota of API calls is counted, the rest is reported as an unused org reports it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from salesforce_emulator import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

API_REQUESTS = "DailyApiRequests"

_DEFAULTS = {
    API_REQUESTS: 100_000,
    "DailyAsyncApexExecutions": 250_000,
    "DailyBulkApiBatches": 15_000,
    "DailyBulkV2QueryFileStorageMB": 976_562,
    "DailyBulkV2QueryJobs": 10_000,
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
        self._limits = {name: {"Max": limit, "Remaining": limit} for name, limit in _DEFAULTS.items()}

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

    def as_json(self) -> dict[str, dict[str, int]]:
        """Return all limits as `/limits` shows them."""
        return {name: {key: max(value, 0) for key, value in each.items()} for name, each in self._limits.items()}

    def header(self) -> str:
        """Return the value of `Sforce-Limit-Info`."""
        requests = self._limits[API_REQUESTS]
        return f"api-usage={requests['Max'] - requests['Remaining']}/{requests['Max']}"
