"""Writes sample leads into `leads`, and edits them, as the marketing platform does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from pyarrow import csv

from leadsync.samples.defects import DEFECTS, LABELS, is_good
from leadsync.samples.draw import Draw
from leadsync.samples.extra import DEFECTS as EXTRA_DEFECTS
from leadsync.samples.leads import good_leads
from leadsync.store.engine import reading
from leadsync.store.leads import LeadTable

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Engine

    Edits = dict[int, dict[str, tuple[str | None, str | None]]]

EDITED = ("phone", "title", "mobile_phone", "fax", "website")
"""What `edit` changes: fields of a Salesforce Lead in the default mapping, all of which may be cleared but `phone`."""

_MOST_CHANGES = 3
_ELSEWHERE = 10_000_000
"""How far away, in ids, the leads are whose values an edit borrows."""


def write(engine: Engine, leads: pd.DataFrame, *, now: dt.datetime) -> None:
    """Insert leads in one transaction; `now` stamps the last of them, and each row before it is a microsecond older."""
    rows = leads.drop(columns=list(LABELS), errors="ignore")
    age = pd.to_timedelta(np.arange(len(rows) - 1, -1, -1), unit="us")
    stamps = (pd.Timestamp(now).tz_convert("UTC") - age).strftime("%Y-%m-%d %H:%M:%S.%f")
    stamps = stamps if engine.dialect.name == "sqlite" else stamps + "+00"
    rows = pa.Table.from_pandas(rows.assign(created_at=stamps, updated_at=stamps), preserve_index=False)
    names = ", ".join(engine.dialect.identifier_preparer.quote(name) for name in rows.column_names)
    with engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        if engine.dialect.name == "sqlite":
            marks = ", ".join("?" * rows.num_columns)
            values = zip(*(column.to_pylist() for column in rows.columns), strict=True)
            driver.executemany(f"INSERT INTO leads ({names}) VALUES ({marks})", values)
        else:
            # Only values are quoted, so that an empty text and NULL stay two things.
            body, plain = pa.BufferOutputStream(), csv.WriteOptions(include_header=False, quoting_style="all_valid")
            csv.write_csv(rows, body, plain)
            with driver.cursor().copy(f"COPY leads ({names}) FROM STDIN (FORMAT csv)") as copy:
                copy.write(body.getvalue())


def edit(engine: Engine, n: int, seed: int, now: dt.datetime) -> Edits:
    """Change one to three values of `n` good leads, each to another valid one or to nothing, and stamp them `now`.

    Returns:
        What was done, by lead and column: the old and the new text, None for nothing.

    Raises:
        ValueError: the table holds fewer than `n` good leads.
    """
    table = LeadTable(engine)
    chosen = _some_good_leads(engine, n, seed)
    new = good_leads(chosen.ids + _ELSEWHERE, seed)[list(EDITED)]
    new["phone"] = "03-" + chosen.digits("edited phone 1", 4) + "-" + chosen.digits("edited phone 2", 4)
    how_many = chosen.below("edits", _MOST_CHANGES) + 1
    order = np.argsort([chosen.bits(f"edit {column}") for column in EDITED], axis=0).T
    edits: Edits = {}
    before = table.by_ids(chosen.ids.tolist(), EDITED)
    after = new.astype(object).where(new.notna(), None).itertuples(index=False)
    for (lead_id, _, *old), values, columns, count in zip(before, after, order, how_many, strict=True):
        changes = {EDITED[at]: (old[at], values[at]) for at in columns if (old[at] or "") != (values[at] or "")}
        edits[lead_id] = dict(list(changes.items())[:count])
    _update(engine, edits, table.stamp(now))
    return edits


def _some_good_leads(engine: Engine, n: int, seed: int) -> Draw:
    with reading(engine) as connection:
        ids = np.array(connection.scalars(sa.text("SELECT id FROM leads ORDER BY id")).all(), dtype=np.int64)
    good = ids[is_good(ids, (*DEFECTS, *EXTRA_DEFECTS))]
    if len(good) < n:
        raise ValueError(f"{n} good leads are to be edited, but the table leads holds {len(good)}")
    lot = Draw(seed, good).bits("edited")
    return Draw(seed, np.sort(good[np.argsort(lot)[:n]]))


def _update(engine: Engine, edits: Edits, stamp: dt.datetime | str) -> None:
    columns = [sa.column(name, sa.Text) for name in EDITED]
    table = sa.table("leads", sa.column("id", sa.BigInteger), sa.column("updated_at"), *columns)
    with engine.begin() as connection:
        for lead_id, changes in edits.items():
            new = {column: value for column, (_, value) in changes.items()}
            connection.execute(
                sa.update(table).where(table.c.id == lead_id).values(**new, updated_at=sa.literal(stamp))
            )
