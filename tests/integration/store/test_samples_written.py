"""Sample leads in a database: written as they were made, and edited as it is told."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from leadsync import samples
from leadsync.samples.table import EDITED
from leadsync.store.leads import LeadTable
from tests.databases import *  # noqa: F403

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from leadsync.samples.table import Edits

    Edited = tuple[pd.DataFrame, pd.DataFrame, Edits]

NOW = dt.datetime(2026, 11, 24, 9, tzinfo=dt.timezone(dt.timedelta(hours=9)))
LATER = NOW + dt.timedelta(minutes=5)


def table_of(engine: Engine) -> pd.DataFrame:
    """Read the whole table, stamps included, indexed by id."""
    table = LeadTable(engine)
    rows = [row for rows in table.changed_since(NOW - dt.timedelta(days=1), table.columns) for row in rows]
    frame = pd.DataFrame([row[1:] for row in rows], columns=["updated_at", *table.columns], dtype=object)
    return frame.set_index(pd.Index([row[0] for row in rows], name="id", dtype="int64")).sort_index()


def test_leads_come_back_as_they_were_written(lead_store: Engine) -> None:
    """Every text, an empty one and NULL apart, survives the way into the database and out of it."""
    leads = samples.generate(1000, extra=True)
    samples.write(lead_store, leads, now=NOW)
    read = table_of(lead_store).drop(columns="updated_at")
    pd.testing.assert_frame_equal(read.astype("str"), leads.set_index("id"), check_like=True)
    assert (leads["email"] == "").any()
    assert leads["email"].isna().any()


def test_labels_are_not_written(lead_store: Engine) -> None:
    """A frame with its labels can be written as it is."""
    samples.write(lead_store, samples.generate(20, with_labels=True), now=NOW)
    assert len(table_of(lead_store)) == 20


def test_each_row_is_newer_than_the_one_before_and_none_than_now(lead_store: Engine) -> None:
    """So that of two leads with one address the one behind is the newest (R3)."""
    samples.write(lead_store, samples.generate(50), now=NOW)
    stamps = pd.to_datetime(table_of(lead_store)["updated_at"])
    assert stamps.is_monotonic_increasing
    assert stamps.is_unique
    assert stamps.max() == NOW


def test_a_frame_without_leads_writes_nothing(lead_store: Engine) -> None:
    """No lead is no trouble."""
    samples.write(lead_store, samples.generate(0), now=NOW)
    assert table_of(lead_store).empty


@pytest.fixture
def edited(lead_store: Engine) -> Edited:
    """Write 1,000 leads and edit 100: the table before, the table after, and what was told of it."""
    samples.write(lead_store, samples.generate(1000, 4), now=NOW)
    before = table_of(lead_store)
    edits = samples.edit(lead_store, 100, 9, LATER)
    return before, table_of(lead_store), edits


def test_edits_are_exactly_what_is_told(edited: Edited) -> None:
    """Old and new text of every changed field are returned, and no other field of any lead has changed."""
    before, after, edits = edited
    old, new = (table.drop(columns="updated_at").to_dict("index") for table in (before, after))
    seen = {
        lead: {name: (value, new[lead][name]) for name, value in values.items() if value != new[lead][name]}
        for lead, values in old.items()
        if values != new[lead]
    }
    assert seen == edits


def test_edited_leads_and_no_others_carry_the_new_stamp(edited: Edited) -> None:
    """The platform stamps what it writes."""
    _, after, edits = edited
    assert set(after.index[after["updated_at"] == LATER]) == set(edits)
    assert len(edits) == 100


def test_edits_are_of_every_kind(edited: Edited) -> None:
    """One to three fields of a lead change; some are filled for the first time, some are cleared."""
    _, _, edits = edited
    pairs = [pair for changes in edits.values() for pair in changes.values()]
    assert {len(changes) for changes in edits.values()} == {1, 2, 3}
    assert {name for changes in edits.values() for name in changes} == set(EDITED)
    assert any(old is None for old, _ in pairs)
    assert any(new is None for _, new in pairs)


def test_only_good_leads_are_edited(edited: Edited) -> None:
    """A lead with a planted value keeps it, so that the numbers held stay what they were."""
    _, _, edits = edited
    labels = samples.generate(1000, 4, with_labels=True).set_index("id")["defect"]
    assert set(labels.loc[list(edits)]) == {""}


def test_more_edits_than_good_leads_are_refused(lead_store: Engine) -> None:
    """The number asked for is the number edited, or none."""
    samples.write(lead_store, samples.generate(10), now=NOW)
    with pytest.raises(ValueError, match="11 good leads"):
        samples.edit(lead_store, 11, 1, LATER)
