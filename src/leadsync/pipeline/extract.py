"""extract: what changed, and its counterpart (ARCHITECTURE: Deltas without loss).

Gathers the leads edited since the cursor and those whose time has come, the links they ever had, and the records with
their addresses. The cursor to come is the database's own clock before the first row is read, never a row's stamp.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import secrets
from typing import TYPE_CHECKING, Any

from leadsync.errors import NotStartedError, OrgChangedError
from leadsync.pipeline import recover
from leadsync.store import engine as engines
from leadsync.store import state
from leadsync.store.leads import LeadTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from leadsync.pipeline.cycle import Cycle

log = logging.getLogger(__name__)

_FIXED = ("id", "updated_at")


def run(cycle: Cycle) -> dict[str, Any]:
    """Stage the delta; `idle` where nothing is left of it."""
    table = LeadTable(cycle.engine)
    cursor_to = table.now()
    with engines.reading(cycle.engine) as view:
        cursor_from = state.get_cursor(view, state.LEADS)
    if cursor_from is None:
        raise NotStartedError("The sync has no cursor. Run `leadsync start --now`.")

    left_open = recover.from_other_runs(cycle)
    delta = _Delta(cycle, table)
    delta.read_since(cursor_from - dt.timedelta(seconds=cycle.settings.overlap_seconds))
    delta.add_due()
    counts = {
        "idle": not delta.rows,
        "changed": delta.changed,
        "unchanged": delta.unchanged,
        "due": delta.due,
        # The age of the oldest unsynced change (R2): how far the sync was behind when this cycle began.
        "oldest_change_seconds": max(0, round((cursor_to - delta.oldest).total_seconds())) if delta.oldest else 0,
    }
    staged = {
        "cursor_from": cursor_from.isoformat(),
        "cursor_to": cursor_to.isoformat(),
        "plan": secrets.token_hex(4),
        "mapping": cycle.mapping.version,
        "unresolved": sorted(left_open),
        "lead_ids": sorted(delta.rows),
        "user_id": None,
    }
    if delta.rows:
        from leadsync.pipeline import counterparts  # noqa: PLC0415 - pandas: an idle cycle does without

        leads = delta.frame()
        cycle.staging.write_frame("leads", leads)
        try:
            staged["user_id"], found = counterparts.stage(cycle, leads)
        except OrgChangedError:
            with cycle.engine.begin() as connection:
                state.forget_describes(connection)
            raise
        counts["records"] = found
    cycle.staging.write_json("extract", staged)
    return cycle.done("extract", counts)


class _Delta:
    """The leads to look at, collected without pandas: an idle cycle never imports it."""

    def __init__(self, cycle: Cycle, table: LeadTable) -> None:
        self._cycle, self._table = cycle, table
        self._columns = cycle.mapping.lead_columns
        self._version = cycle.mapping.version
        self.rows: dict[int, tuple[Any, ...]] = {}
        """Lead id -> (id, updated_at, values..., row hash, changed)."""
        self.changed = self.unchanged = self.due = 0
        self.oldest: dt.datetime | None = None
        """The earliest stamp among the changed rows."""

    def read_since(self, moment: dt.datetime) -> None:
        """Collect the edited leads; the overlap's rows that a run has dealt with already fall out by their hash."""
        for page in self._table.changed_since(moment, self._columns):
            self._add(page)
        self.changed = len(self.rows)

    def add_due(self) -> None:
        """Collect the leads whose time has come, and the twins of changed addresses (R3)."""
        ahead = dt.timedelta(seconds=self._cycle.staging.read_json("clock")["salesforce_ahead_seconds"])
        with engines.reading(self._cycle.engine) as view:
            due = state.due(view, state.now() + max(ahead, dt.timedelta(0)))
        self._add_by_id(due)
        if gone := due - self.rows.keys():  # deleted on the platform while they waited
            with self._cycle.engine.begin() as connection:
                state.settle_pending(connection, gone)
        if self.rows:
            with engines.reading(self._cycle.engine) as view:
                twins = self._twins(view)
            self._add_by_id(twins)
        self.due = len(self.rows) - self.changed

    def _add_by_id(self, lead_ids: set[int]) -> None:
        for row in self._table.by_ids(lead_ids - self.rows.keys(), self._columns):
            self.rows[row[0]] = (*row, row_hash(row[2:]), False)

    def _add(self, page: Sequence[tuple[Any, ...]]) -> None:
        with engines.reading(self._cycle.engine) as view:
            known = state.seen(view, [row[0] for row in page])
        for row in page:
            digest = row_hash(row[2:])
            if known.get(row[0], ())[:2] == (digest, self._version):
                self.unchanged += 1
            else:
                self.rows[row[0]] = (*row, digest, True)
                if row[1] is not None and (self.oldest is None or row[1] < self.oldest):
                    self.oldest = row[1]

    def _twins(self, view: Any) -> set[int]:
        from leadsync.pipeline import counterparts  # noqa: PLC0415 - pandas: an idle cycle does without

        now = set(counterparts.keys(self._text("email")).dropna())
        before = {key for _, _, key in state.seen(view, self.rows.keys()).values() if key}
        return state.twins(view, now) | state.twins(view, before - now, held_only=True)

    def frame(self) -> pd.DataFrame:
        """Return the collected leads, columns as `core.plan.Staged.leads` wants them."""
        import pandas as pd  # noqa: PLC0415 - an idle cycle does without

        rows = self.rows.values()
        return pd.DataFrame(
            {
                "id": pd.array([row[0] for row in rows], dtype="int64"),
                "updated_at": pd.to_datetime(pd.Series([row[1] for row in rows]), utc=True),
                **{name: self._text(name) for name in [*self._columns, "row_hash"]},
                "changed": [row[-1] for row in rows],
            }
        )

    def _text(self, name: str) -> pd.Series:
        import pandas as pd  # noqa: PLC0415 - an idle cycle does without
        import pyarrow as pa  # noqa: PLC0415

        place = (*_FIXED, *self._columns, "row_hash").index(name)
        values = pa.array([row[place] for row in self.rows.values()], pa.large_string())
        return pd.Series(values, dtype="str")


def row_hash(values: Sequence[str | None]) -> str:
    """Return a hash over a lead's mapped values, hex, in which blank and empty differ and borders count."""
    text = "\x1f".join("\x00" if value is None else value for value in values)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
