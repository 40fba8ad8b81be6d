"""One word for how the sync stands."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LATE = dt.timedelta(minutes=15)
"""A sync whose last cycle ended longer ago than this is not in step, whatever that cycle said."""

ALARMING = frozenset({"failed", "late"})
"""Verdicts that a person should look into at once."""


def verdict(status: Mapping[str, Any], now: dt.datetime) -> str:
    """Say in one word how the sync stands.

    Args:
        status: What `pipeline.control.status` says.
        now: This moment, aware.

    Returns:
        `not_started` (R33), `paused`, `starting` (no cycle has ended since a start just now), `failed` (the last one),
        `late`, `held` (in step, except for the leads that are held) or `in_sync`.
    """
    if not status["started"]:
        return "not_started"
    if status["paused"]:
        return "paused"
    last = next((run for run in status["runs"] if run["finished_at"]), None)
    if last and last["state"] == "failed":
        return "failed"
    since = last["finished_at"] if last else status["cursor"]
    if since is None or now - dt.datetime.fromisoformat(since) > LATE:
        return "late"
    if not last:
        return "starting"
    return "held" if status["held"] else "in_sync"
