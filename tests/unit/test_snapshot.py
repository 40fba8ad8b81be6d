"""The packed snapshot says exactly what went in."""

from __future__ import annotations

import json

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from leadsync.core.snapshot import pack, unpack

TEXT = st.none() | st.text(st.characters(codec="utf-8"), max_size=12)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6))
def test_unpack_returns_what_was_packed(rows: list[tuple[str | None, str | None]]) -> None:
    """Quotes, control characters, Japanese, empty and absent values survive; no row moves."""
    frame = pd.DataFrame(rows, columns=["last_name", "phone"], dtype="str")
    packed = pack(frame)
    pd.testing.assert_frame_equal(unpack(packed, ["last_name", "phone"]), frame)
    for text, row in zip(packed, rows, strict=True):
        names = zip(["last_name", "phone"], row, strict=True)
        assert json.loads(text) == {name: value for name, value in names if value is not None}


def test_unknown_and_missing_fields() -> None:
    """A field that is no longer wanted is passed over; one that was never agreed on is NA."""
    texts = pd.Series(['{"old":"x","title":""}', "{}", None], index=[7, 8, 9], dtype="str")
    frame = unpack(texts, ["title", "fax"])
    assert frame["title"].tolist()[0] == ""
    assert frame["title"].isna().tolist() == [False, True, True]
    assert frame["fax"].isna().all()
    assert frame.index.tolist() == [7, 8, 9]


def test_no_fields_and_no_rows() -> None:
    """Nothing in, empty objects out."""
    assert pack(pd.DataFrame(index=[1, 2])).tolist() == ["{}", "{}"]
    assert unpack(pd.Series([], dtype="str"), ["title"]).empty
