"""What one field sends, type by type, and the snapshots that are kept once it has arrived (R3, R7-R19, R30, R31)."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leadsync.core import merge
from leadsync.core.access import ActiveField, FieldState, PicklistValue
from leadsync.core.mapping import Direction, FieldType

VALUES = tuple(PicklistValue(value=v, label=v.lower() + "-label") for v in ("CMS", "MA", "SEO"))


def field(kind: FieldType, sf_type: str, name: str = "f", **facts: Any) -> ActiveField:
    """Return an active field that may be created and updated."""
    plain = {
        "state": FieldState.ACTIVE,
        "length": 80,
        "precision": 18,
        "scale": 2,
        "createable": True,
        "updateable": True,
        "picklist": VALUES,
    }
    return ActiveField(
        field=name,
        label=name,
        type=kind,
        sobject="Lead",
        api_name=name.title(),
        sf_type=sf_type,
        **plain | facts,
    )


TEXT = field(FieldType.TEXT, "string")
DATE = field(FieldType.DATE, "date")
NUMBER = field(FieldType.NUMBER, "double")
TICK = field(FieldType.TEXT, "boolean")
MULTI = field(FieldType.CHECKBOX, "multipicklist")
EMAIL = field(FieldType.EMAIL, "email", "email")
STATUS = field(FieldType.DELIVERY_STATUS, "boolean")


def column(name: str, *values: str | None) -> pd.DataFrame:
    """Return one text column."""
    return pd.DataFrame({name: pd.Series(values, dtype="str")})


def pairs(of: ActiveField, now: Any, there: Any, was: Any = None, there_was: Any = None) -> merge.Pairs:
    """Return one lead beside its record and their snapshots."""
    here = column(of.field, now).assign(id=pd.Series([2**60], dtype="int64"))
    return merge.Pairs(here, column(of.api_name, there), column(of.field, was), column(of.field, there_was))


def sent(merged: merge.Merged) -> list[tuple[str | None, str | None, str]]:
    """Return old, new and rule of each value."""
    rows = merged.changes[["old", "new", "rule"]].astype("object")
    return list(rows.where(rows.notna(), None).itertuples(index=False, name=None))


def kept(merged: merge.Merged, of: ActiveField) -> tuple[Any, Any]:
    """Return both snapshots, None where nothing was ever agreed."""
    both = (frame[of.field].astype("object").iloc[0] for frame in (merged.lead_snapshot, merged.record_snapshot))
    lead, record = (None if pd.isna(value) else value for value in both)
    return lead, record


@pytest.mark.parametrize(
    ("of", "now", "was", "there", "expected", "snapshot"),
    [
        pytest.param(TEXT, None, "課長", "課長", [("課長", None, "R30")], ("", ""), id="cleared: sent as null"),
        pytest.param(TEXT, "  ", "課長", "課長", [("課長", None, "R30")], ("  ", ""), id="spaces are a blank"),
        pytest.param(TEXT, "課長 ", "課長", "課長", [], ("課長 ", "課長"), id="white space at the end is no change"),
        pytest.param(
            DATE, "2026/05/01", "2026-05-01", "2026-05-01", [], ("2026/05/01", "2026-05-01"), id="R11: no change"
        ),
        pytest.param(
            DATE,
            "2026/05/02",
            "2026/05/01",
            "2026-05-01",
            [("2026-05-01", "2026-05-02", "R30")],
            ("2026/05/02", "2026-05-02"),
            id="R11: converted on the wire only",
        ),
        pytest.param(NUMBER, "1000", "1,000", "1000.0", [], ("1000", "1000.0"), id="equal numbers"),
        pytest.param(TICK, "TRUE", "true", "true", [], ("TRUE", "true"), id="R16: TRUE is ticked"),
        pytest.param(TICK, "False", "True", "true", [("true", "false", "R30")], ("False", "false"), id="R16: unticked"),
        pytest.param(TICK, None, "true", "true", [], ("true", "true"), id="R17: a blank is no state of a check box"),
        pytest.param(MULTI, "MA;CMS", "CMS;MA", "CMS;MA", [], ("MA;CMS", "CMS;MA"), id="R13: order is no change"),
        pytest.param(
            MULTI,
            "seo-label",
            "CMS",
            "CMS",
            [("CMS", "SEO", "R30")],
            ("seo-label", "SEO"),
            id="R12: label to API value",
        ),
        pytest.param(EMAIL, None, "a@x.jp", "a@x.jp", [], ("a@x.jp", "a@x.jp"), id="R3: never cleared"),
        pytest.param(EMAIL, "Ａ@X.jp", "a@x.jp", "a@x.jp", [], ("Ａ@X.jp", "a@x.jp"), id="R3: the same address"),
        pytest.param(
            EMAIL, "Ｂ@x.jp", "a@x.jp", "a@x.jp", [("a@x.jp", "B@x.jp", "R30")], ("Ｂ@x.jp", "B@x.jp"), id="R3: NFKC"
        ),
    ],
)
def test_an_agreed_field(of: ActiveField, now: Any, was: str, there: str, *, expected: Any, snapshot: Any) -> None:
    """R30: the record is as it was; what the lead changed travels, what means the same does not."""
    merged = merge.update(pairs(of, now, there, was, there), [of])
    assert sent(merged) == expected
    assert kept(merged, of) == snapshot


@pytest.mark.parametrize(
    ("of", "now", "there", "expected", "differs"),
    [
        pytest.param(TEXT, "部長", None, [(None, "部長", "R31")], 0, id="a blank is filled"),
        pytest.param(TEXT, "部長", "課長", [], 1, id="a different value is left and counted"),
        pytest.param(TEXT, None, "課長", [], 0, id="a blank takes nothing away"),
        pytest.param(TEXT, None, None, [], 0, id="nothing on either side"),
        pytest.param(DATE, "2026/05/01", "2026-05-01", [], 0, id="equal"),
        pytest.param(TICK, "true", "false", [], 1, id="unticked is a value"),
        pytest.param(STATUS, "stopped", "false", [("false", "true", "R8")], 0, id="R8: a stop wins"),
        pytest.param(STATUS, "delivering", "true", [], 0, id="R8: delivering never travels"),
        pytest.param(STATUS, None, "false", [], 0, id="no status"),
    ],
)
def test_first_contact(of: ActiveField, now: Any, there: Any, expected: Any, differs: int) -> None:
    """R31, R8: no snapshot."""
    merged = merge.update(pairs(of, now, there), [of])
    assert (sent(merged), merged.differs) == (expected, differs)


@pytest.mark.parametrize(
    ("of", "now", "expected"),
    [
        pytest.param(TEXT, "部長", [(None, "部長", "R3")], id="a value"),
        pytest.param(TEXT, " ", [], id="a blank is not sent"),
        pytest.param(field(FieldType.TEXT, "string", default="不明"), None, [(None, "不明", "R19")], id="a default"),
        pytest.param(field(FieldType.TEXT, "string", default="不明"), "X", [(None, "X", "R3")], id="no default needed"),
        pytest.param(field(FieldType.TEXT, "string", createable=False), "X", [], id="not createable"),
        pytest.param(field(FieldType.TEXT, "string", direction=Direction.TO_LEAD), "X", [], id="to_lead"),
        pytest.param(field(FieldType.TEXT, "string", state=FieldState.READ_ONLY), "X", [], id="read only"),
        pytest.param(STATUS, "stopped", [(None, "true", "R3")], id="a stop"),
        pytest.param(STATUS, "delivering", [], id="delivering is the record's own default"),
    ],
)
def test_a_new_record(of: ActiveField, now: Any, expected: Any) -> None:
    """R3, R19: what a create carries."""
    assert sent(merge.create(pairs(of, now, None), [of])) == expected


def test_a_held_lead_sends_nothing_but_its_stop() -> None:
    """R39: and the snapshot of its other fields stays as it was."""
    both = merge.Pairs(
        column("f", "部長").assign(email="a@x.jp", id=pd.Series([1], dtype="int64")),
        column("F", "課長").assign(Email="a@x.jp", Stop="false"),
        column("f", "課長").assign(stop=pd.Series([None], dtype="str")),
        column("f", "課長").assign(stop=pd.Series([None], dtype="str")),
    )
    status = field(FieldType.DELIVERY_STATUS, "boolean", "stop")
    merged = merge.stop(both._replace(leads=both.leads.assign(stop="stopped")), [TEXT, status])
    assert merged.changes["api_name"].tolist() == ["Stop"]
    assert kept(merged, TEXT) == ("課長", "課長")


def test_ids_stay_exact() -> None:
    """A lead's id beyond 2^53 comes out as it went in."""
    assert merge.update(pairs(TEXT, "部長", None), [TEXT]).changes["lead_id"].tolist() == [2**60]


SOME = st.sampled_from([None, "", " ", "課長", "部長", "課長 "])
STATES = st.sampled_from([None, "stopped", "delivering"])


def _texts(values: pd.Series) -> pd.Series:
    return values.astype("str").fillna("")


@settings(max_examples=150, deadline=None)
@given(now=SOME, there=SOME.filter(lambda v: v != ""), was=SOME, there_was=SOME)
def test_a_text_that_was_sent_is_not_sent_again(now: Any, there: Any, was: Any, there_was: Any) -> None:
    """R32: once the plan is carried out, the same sides give no further write, and the same snapshots."""
    first = merge.update(pairs(TEXT, now, there, was, there_was), [TEXT])
    after = first.changes["new"].iloc[0] if len(first.changes) else there
    after = None if pd.isna(after) else after
    lead_was, record_was = kept(first, TEXT)
    second = merge.update(pairs(TEXT, now, after, lead_was, record_was), [TEXT])
    assert sent(second) == []
    assert _texts(second.lead_snapshot["f"]).equals(_texts(first.lead_snapshot["f"]))


@settings(max_examples=60, deadline=None)
@example([("stopped", "false"), ("delivering", "true"), ("stopped", "false")])
@given(st.lists(st.tuples(STATES, st.sampled_from(["true", "false"])), min_size=1, max_size=6))
def test_no_history_loses_a_stop_or_pushes_delivering(history: list[tuple[Any, str]]) -> None:
    """R7, R8: whatever was before, a lead that turns to stopped stops its record, and nothing restarts it."""
    lead_was = record_was = None
    before = None
    for status, there in history:
        merged = merge.update(pairs(STATUS, status, there, lead_was, record_was), [STATUS])
        news = merged.changes["new"].tolist()
        assert set(news) <= {"true"}
        if status == "stopped" and before != "stopped" and there == "false":
            assert news == ["true"]
        lead_was, record_was = kept(merged, STATUS)
        before = status
