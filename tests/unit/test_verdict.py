"""One word for how the sync stands."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from leadsync.ui.verdict import verdict

NOW = dt.datetime(2026, 11, 24, 9, 0, tzinfo=dt.UTC)


def run(minutes_ago: float | None, outcome: str) -> dict[str, Any]:
    """Return a run as control.status tells it."""
    finished = None if minutes_ago is None else (NOW - dt.timedelta(minutes=minutes_ago)).isoformat()
    return {"finished_at": finished, "state": outcome}


@pytest.mark.parametrize(
    ("started", "paused", "runs", "holds", "expected"),
    [
        (False, False, [run(1, "committed")], {}, "not_started"),
        (True, True, [run(1, "failed")], {}, "paused"),
        (True, False, [run(1, "failed"), run(6, "committed")], {}, "failed"),
        (True, False, [run(None, "running"), run(6, "failed")], {}, "failed"),
        (True, False, [], {}, "late"),
        (True, False, [run(16, "committed")], {}, "late"),
        (True, False, [run(None, "running")], {}, "late"),
        (True, False, [run(None, "running"), run(14, "committed")], {}, "in_sync"),
        (True, False, [run(1, "committed")], {"too_long": 2}, "held"),
        (True, False, [run(1, "committed")], {}, "in_sync"),
    ],
)
def test_one_word_for_how_it_stands(started: bool, paused: bool, runs: list, holds: dict, expected: str):
    """The page never says "in sync" of a sync that is stopped, failing or late."""
    status = {"started": started, "paused": paused, "runs": runs, "held": holds, "cursor": None}
    assert verdict(status, NOW) == expected


@pytest.mark.parametrize(("minutes", "expected"), [(1, "starting"), (16, "late")])
def test_a_start_is_given_time_for_its_first_cycle(minutes: int, expected: str):
    """R34: right after a start no cycle has ended yet, and that is no alarm; a quarter of an hour later it is."""
    cursor = (NOW - dt.timedelta(minutes=minutes)).isoformat()
    status = {"started": True, "paused": False, "runs": [], "held": {}, "cursor": cursor}
    assert verdict(status, NOW) == expected
