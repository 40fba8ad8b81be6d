"""extract: what changed, and its counterpart (ARCHITECTURE: Deltas without loss).

Gathers the leads edited since the cursor, those of edited records and those whose time has come, the links they ever
had, and the records with their addresses. The cursor to come is the database's own clock before the first row is read,
never a row's stamp; Salesforce's streams go by its own clock.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from typing import TYPE_CHECKING, Any

from leadsync.core.fingerprint import row_hash
from leadsync.errors import NotStartedError, OrgChangedError
from leadsync.pipeline import control, record_delta, recover
from leadsync.store import engine as engines
from leadsync.store import journal, state
from leadsync.store.leads import LeadTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa

    from leadsync.pipeline.cycle import Cycle
    from leadsync.pipeline.record_delta import RecordDelta

log = logging.getLogger(__name__)


def run(cycle: Cycle) -> dict[str, Any]:
    """Stage the delta; `idle` where nothing is left of it."""
    table = LeadTable(cycle.engine)
    cursor_to = table.now()
    leads_ahead = cursor_to - state.now()
    with engines.reading(cycle.engine) as view:
        cursor_from = state.get_cursor(view, state.LEADS)
        started = control.started_at(view)
    if cursor_from is None or started is None:
        raise NotStartedError("The sync has no cursor. Run `leadsync start --now`.")

    left_open = recover.from_other_runs(cycle)
    delta = _Delta(cycle, table)
    delta.read_since(cursor_from - dt.timedelta(seconds=cycle.settings.overlap_seconds))
    try:
        records = record_delta.read(cycle, started - leads_ahead + cycle.salesforce_ahead)
        delta.add_of_records(records)
        delta.add_due()
        counts = {
            "idle": not delta.ids,
            "changed": delta.changed,
            "unchanged": delta.unchanged,
            "records_changed": len(records) - delta.echoes,
            "echoes": delta.echoes,
            "due": delta.due,
            # The age of the oldest unsynced change (R2): how far the sync was behind when this cycle began.
            "oldest_change_seconds": max(0, round((cursor_to - delta.oldest).total_seconds())) if delta.oldest else 0,
        }
        staged = {
            "cursor_from": cursor_from.isoformat(),
            "cursor_to": cursor_to.isoformat(),
            "cursors": records.cursors,
            "salesforce_ahead_seconds": (cycle.salesforce_ahead - leads_ahead).total_seconds(),
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
            counts["records"] = counterparts.stage(cycle, leads, records)
            staged["user_id"] = cycle.salesforce.user_id
    except OrgChangedError:
        with cycle.engine.begin() as connection:
            state.forget_describes(connection)
        raise
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
        self.changed = self.unchanged = self.due = self.echoes = 0
        self.oldest: dt.datetime | None = None
        """The earliest stamp among the changed rows."""

    def read_since(self, moment: dt.datetime) -> None:
        """Collect the edited leads; the overlap's rows that a run has dealt with already fall out by their hash."""
        for page in self._table.changed_since(moment, self._columns):
            self._add(page, changed=True)
        self.changed = len(self.ids)

    def add_of_records(self, records: RecordDelta) -> None:
        """Collect the leads of changed records: by their links, and by the addresses of live records."""
        if not records:
            return
        # pandas: an idle cycle does without
        from leadsync.core.echo import echoes  # noqa: PLC0415
        from leadsync.core.matching import is_live  # noqa: PLC0415
        from leadsync.pipeline import counterparts  # noqa: PLC0415

        user_id, mapping = self._cycle.salesforce.user_id, self._cycle.mapping
        for sobject, frame in records.frames.items():
            with engines.reading(self._cycle.engine) as view:
                rows = journal.links(view, record_ids=frame["Id"].tolist(), closed_too=True)
            links = counterparts.link_frame(rows)
            echo = echoes(frame, sobject, links, mapping, user_id)
            self.echoes += int(echo.sum())
            news = frame[~echo]
            live = news[is_live(news)]
            # What became of a record that was left is no news; one that lives may be gone back to.
            told = links["record_id"].isin(live["Id"]) | links["current"] & links["record_id"].isin(news["Id"])
            self._add_by_id(set(links.loc[told, "lead_id"].tolist()))
            with engines.reading(self._cycle.engine) as view:
                self._add_by_id(state.twins(view, set(counterparts.keys(live["Email"]).dropna())))

    def add_due(self) -> None:
        """Collect the leads whose time has come, and the twins of changed addresses (R3)."""
        ahead = max(self._cycle.salesforce_ahead, dt.timedelta(0))
        with engines.reading(self._cycle.engine) as view:
            due = state.due(view, state.now() + ahead)
        self._add_by_id(due)
        if self.ids:
            self._add_by_id(self._twins())
        self.due = len(self.ids) - self.changed

    def _add_by_id(self, lead_ids: set[int]) -> None:
        wanted = lead_ids - self.ids
        self._add(self._table.by_ids(wanted, self._columns), changed=False)
        if gone := wanted - self.ids:  # deleted on the platform (R29)
            with self._cycle.engine.begin() as connection:
                state.settle_pending(connection, gone)
                journal.close_links_of(connection, gone, "lead_deleted")

    def _add(self, page: Sequence[tuple[Any, ...]], *, changed: bool) -> None:
        if not page:
            return
        with engines.reading(self._cycle.engine) as view:
            known = state.seen(view, [row[0] for row in page])
        rows = [(*row, row_hash(row[2:])) for row in page]
        if changed:
            rows = [row for row in rows if (k := known.get(row[0])) is None or k[:2] != (row[-1], self._version)]
            self.unchanged += len(page) - len(rows)
            stamps = [row[1] for row in rows if row[1] is not None]
            self.oldest = min([*stamps, self.oldest] if self.oldest else stamps, default=None)
        if rows:
            edited = [_edited_at(row, known.get(row[0])) for row in rows]
            self._pages.append(_page(rows, edited, self._columns, changed=changed))
            self.ids.update(row[0] for row in rows)
            self._keys_before.update(k.email_key for row in rows if (k := known.get(row[0])) and k.email_key)

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


def _edited_at(row: tuple[Any, ...], known: state.Seen | None) -> dt.datetime | None:
    """Return a lead's last edit that is not ours (R30)."""
    ours = known is not None and known.written_at is not None and known.written_at == row[1]
    stamp: dt.datetime | None = known.edited_at if ours and known else row[1]
    return stamp


def _page(
    rows: Sequence[tuple[Any, ...]], edited: Sequence[dt.datetime | None], columns: Sequence[str], *, changed: bool
) -> pa.Table:
    """Return rows of (id, updated_at, values..., row hash) as a table."""
    import pyarrow as pa  # noqa: PLC0415 - an idle cycle does without

    ids, stamps, *texts = zip(*rows, strict=True)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "updated_at": pa.array(stamps, pa.timestamp("us", "UTC")),
            "edited_at": pa.array(edited, pa.timestamp("us", "UTC")),
            **{n: pa.array(text, pa.large_string()) for n, text in zip([*columns, "row_hash"], texts, strict=True)},
            "changed": pa.array([changed] * len(rows)),
        }
    )
