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

import orjson

from leadsync.errors import NotStartedError, OrgChangedError
from leadsync.pipeline import recover
from leadsync.store import engine as engines
from leadsync.store import state
from leadsync.store.leads import LeadTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa

    from leadsync.pipeline.cycle import Cycle

log = logging.getLogger(__name__)


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
        "idle": not delta.ids,
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
        "lead_ids": sorted(delta.ids),
        "user_id": None,
    }
    if delta.ids:
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
    """The leads to look at, a page an Arrow table; an idle cycle imports neither Arrow nor pandas."""

    def __init__(self, cycle: Cycle, table: LeadTable) -> None:
        self._cycle, self._table = cycle, table
        self._columns = cycle.mapping.lead_columns
        self._version = cycle.mapping.version
        self._pages: list[pa.Table] = []
        self._keys_before: set[str] = set()
        """The e-mail keys with which these leads were last seen."""
        self.ids: set[int] = set()
        self.changed = self.unchanged = self.due = 0
        self.oldest: dt.datetime | None = None
        """The earliest stamp among the changed rows."""

    def read_since(self, moment: dt.datetime) -> None:
        """Collect the edited leads; the overlap's rows that a run has dealt with already fall out by their hash."""
        for page in self._table.changed_since(moment, self._columns):
            self._add(page, changed=True)
        self.changed = len(self.ids)

    def add_due(self) -> None:
        """Collect the leads whose time has come, and the twins of changed addresses (R3)."""
        ahead = dt.timedelta(seconds=self._cycle.staging.read_json("clock")["salesforce_ahead_seconds"])
        with engines.reading(self._cycle.engine) as view:
            due = state.due(view, state.now() + max(ahead, dt.timedelta(0)))
        self._add_by_id(due)
        if gone := due - self.ids:  # deleted on the platform while they waited
            with self._cycle.engine.begin() as connection:
                state.settle_pending(connection, gone)
        if self.ids:
            self._add_by_id(self._twins())
        self.due = len(self.ids) - self.changed

    def _add_by_id(self, lead_ids: set[int]) -> None:
        self._add(self._table.by_ids(lead_ids - self.ids, self._columns), changed=False)

    def _add(self, page: Sequence[tuple[Any, ...]], *, changed: bool) -> None:
        if not page:
            return
        with engines.reading(self._cycle.engine) as view:
            known = state.seen(view, [row[0] for row in page])
        rows = [(*row, row_hash(row[2:])) for row in page]
        if changed:
            rows = [row for row in rows if known.get(row[0], ())[:2] != (row[-1], self._version)]
            self.unchanged += len(page) - len(rows)
            stamps = [row[1] for row in rows if row[1] is not None]
            self.oldest = min([*stamps, self.oldest] if self.oldest else stamps, default=None)
        if rows:
            self._pages.append(_page(rows, self._columns, changed=changed))
            self.ids.update(row[0] for row in rows)
            self._keys_before.update(key for row in rows if (key := known.get(row[0], ("", "", None))[2]))

    def _twins(self) -> set[int]:
        from leadsync.pipeline import counterparts  # noqa: PLC0415 - pandas: an idle cycle does without

        now = set(counterparts.keys(self.frame(["email"])["email"]).dropna())
        with engines.reading(self._cycle.engine) as view:
            return state.twins(view, now) | state.twins(view, self._keys_before - now, held_only=True)

    def frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the collected leads as `core.plan.Staged.leads` wants them, or some of their columns."""
        import pyarrow as pa  # noqa: PLC0415 - an idle cycle does without

        pages = [page.select(columns) for page in self._pages] if columns else self._pages
        frame: pd.DataFrame = pa.concat_tables(pages).combine_chunks().to_pandas()
        return frame


def _page(rows: Sequence[tuple[Any, ...]], columns: Sequence[str], *, changed: bool) -> pa.Table:
    """Return rows of (id, updated_at, values..., row hash) as a table."""
    import pyarrow as pa  # noqa: PLC0415 - an idle cycle does without

    ids, stamps, *texts = zip(*rows, strict=True)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "updated_at": pa.array(stamps, pa.timestamp("us", "UTC")),
            **{n: pa.array(text, pa.large_string()) for n, text in zip([*columns, "row_hash"], texts, strict=True)},
            "changed": pa.array([changed] * len(rows)),
        }
    )


def row_hash(values: Sequence[str | None]) -> str:
    """Return a hash over a lead's mapped values, hex, in which blank and empty differ and borders count."""
    return hashlib.blake2b(orjson.dumps(values), digest_size=12).hexdigest()
