"""What one field sends, type by type, and the snapshots that are kept once it has arrived (R3, R7-R19, R30, R31)."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leadsync.core import merge
from leadsync.core.access import ActiveField, FieldState, PicklistValue
from leadsync.core.mapping import ConflictRule, Direction, FieldType

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
ACCOUNT = field(FieldType.TEXT, "string", "account").model_copy(
    update={
        "api_name": "Account.Name",
        "reference": "AccountId",
        "state": FieldState.READ_ONLY,
        "direction": Direction.TO_LEAD,
    }
)
LEAD_WINS = field(FieldType.TEXT, "string", conflict=ConflictRule.LEAD)
PUSHED = field(FieldType.TEXT, "string", direction=Direction.TO_SALESFORCE)
PULLED = field(FieldType.TEXT, "string", direction=Direction.TO_LEAD)


def column(name: str, *values: str | None) -> pd.DataFrame:
    """Return one text column."""
    return pd.DataFrame({name: pd.Series(values, dtype="str")})


def pairs(of: ActiveField, now: Any, there: Any, was: Any = None, there_was: Any = None) -> merge.Pairs:
    """Return one lead beside its record and their snapshots."""
    here = column(of.field, now).assign(id=pd.Series([2**60], dtype="int64"))
    before = merge.Snapshots(column(of.field, was), column(of.field, there_was))
    return merge.Pairs(here, column(of.api_name, there), before, pd.Series([False]))


def merged(both: merge.Pairs, *fields: ActiveField, held: bool = False, new: bool = False) -> merge.Merged:
    """Merge and carry out."""
    found = merge.create(both, fields) if new else merge.meet(both, fields)
    return merge.carry_out(both, found, held=pd.Series([held]), keeps={})


def sent(made: merge.Merged) -> list[tuple[str | None, str | None, str]]:
    """Return old, new and rule of each value for the record."""
    rows = made.sends[["old", "new", "rule"]].astype("object")
    return list(rows.where(rows.notna(), None).itertuples(index=False, name=None))


def taken(made: merge.Merged) -> list[tuple[str | None, str | None, str]]:
    """Return old, new and rule of each value for the lead."""
    rows = made.takes[["old", "new", "rule"]].astype("object")
    return list(rows.where(rows.notna(), None).itertuples(index=False, name=None))


def kept(made: merge.Merged, of: ActiveField) -> tuple[Any, Any]:
    """Return both snapshots, None where nothing was ever agreed."""
    both = (frame[of.field].astype("object").iloc[0] for frame in made.after)
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
        pytest.param(TICK, None, "true", "true", [], ("true", "true"), id="R17: a blank is filled, not sent"),
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
    made = merged(pairs(of, now, there, was, there), of)
    assert sent(made) == expected
    assert kept(made, of) == snapshot


@pytest.mark.parametrize(
    ("of", "there", "was", "expected"),
    [
        pytest.param(TEXT, "部長", "課長", [("課長", "部長", "R30")], id="a text"),
        pytest.param(TEXT, None, "課長", [("課長", None, "R30")], id="cleared"),
        pytest.param(DATE, "2026-05-02", "2026-05-01", [("2026/05/01", "2026-05-02", "R30")], id="a date"),
        pytest.param(DATE, "2026-05-01", "2026-05-01", [], id="R11: no change"),
        pytest.param(NUMBER, "1000.0", "1000", [], id="an equal number"),
        pytest.param(TICK, "false", "true", [("TRUE", "false", "R30")], id="R16: unticked"),
        pytest.param(MULTI, "MA;CMS", "CMS;MA", [], id="R13: order is no change"),
        pytest.param(EMAIL, None, "a@x.jp", [], id="R3: never cleared"),
        pytest.param(EMAIL, "b@x.jp", "a@x.jp", [("a@x.jp", "b@x.jp", "R30")], id="R3: another address"),
        pytest.param(STATUS, "true", "false", [("配信中", "stopped", "R6")], id="R6: stopped in Salesforce"),
        pytest.param(ACCOUNT, "B社", "A社", [("A社", "B社", "R26")], id="R26: the reference shows another text"),
    ],
)
def test_a_record_that_moved(of: ActiveField, there: str | None, was: str, expected: Any) -> None:
    """R30: the lead is as it was; what changed in Salesforce is taken, what means the same is not."""
    here = {DATE: "2026/05/01", TICK: "TRUE", STATUS: "配信中"}.get(of, was)
    made = merged(pairs(of, here, there, here, was), of)
    assert (taken(made), sent(made)) == (expected, [])
    again = merged(pairs(of, expected[0][1] if expected else here, there, *kept(made, of)), of)
    assert (taken(again), sent(again)) == ([], [])


@pytest.mark.parametrize(
    ("of", "now", "there", "sends", "takes"),
    [
        pytest.param(TEXT, "部長", None, [(None, "部長", "R31")], [], id="the record's blank is filled"),
        pytest.param(TEXT, None, "課長", [], [(None, "課長", "R31")], id="the lead's blank is filled"),
        pytest.param(TEXT, "部長", "課長", [], [("部長", "課長", "R31")], id="different: the conflict rule"),
        pytest.param(LEAD_WINS, "部長", "課長", [("課長", "部長", "R31")], [], id="different: the lead wins"),
        pytest.param(TEXT, None, None, [], [], id="nothing on either side"),
        pytest.param(DATE, "2026/05/01", "2026-05-01", [], [], id="equal"),
        pytest.param(TICK, None, "false", [], [(None, "false", "R31")], id="R17: a blank is filled"),
        pytest.param(STATUS, "stopped", "false", [("false", "true", "R8")], [], id="R8: the lead's stop wins"),
        pytest.param(
            STATUS, "delivering", "true", [], [("delivering", "stopped", "R6")], id="R8: the record's stop wins"
        ),
        pytest.param(STATUS, None, "false", [], [(None, "delivering", "R6")], id="no status takes the record's"),
        pytest.param(PUSHED, None, "課長", [], [], id="to_salesforce: nothing comes back"),
        pytest.param(PUSHED, "部長", "課長", [("課長", "部長", "R31")], [], id="to_salesforce: the lead's goes"),
        pytest.param(PULLED, "部長", None, [], [], id="to_lead: nothing goes"),
        pytest.param(PULLED, "部長", "課長", [], [("部長", "課長", "R31")], id="to_lead: the record's comes"),
    ],
)
def test_first_contact(of: ActiveField, now: Any, there: Any, sends: Any, takes: Any) -> None:
    """R31, R8: no snapshot."""
    made = merged(pairs(of, now, there), of)
    assert (sent(made), taken(made)) == (sends, takes)


def test_a_reference_that_is_set_but_cannot_be_read() -> None:
    """R26: the lead's value stays; it is cleared only with the reference itself, and a local edit is put back."""
    for reference, there, expected in (
        ("001", None, []),
        (None, None, [("A社", None, "R26")]),
        ("001", "B社", [("A社", "B社", "R26")]),
    ):
        both = pairs(ACCOUNT, "A社", there, "A社", "A社")
        both = both._replace(records=both.records.assign(AccountId=pd.Series([reference], dtype="str")))
        assert taken(merged(both, ACCOUNT)) == expected
    edited = pairs(ACCOUNT, "C社", "A社", "A社", "A社")
    assert taken(merged(edited, ACCOUNT)) == [("C社", "A社", "R26")]


def test_a_field_that_may_be_read_only() -> None:
    """R43: Salesforce's changes come, the lead's stay unsent and unsettled until they may go."""
    fixed = field(FieldType.TEXT, "string", state=FieldState.READ_ONLY)
    assert taken(merged(pairs(fixed, "課長", "部長", "課長", "課長"), fixed)) == [("課長", "部長", "R30")]
    made = merged(pairs(fixed, "部長", "課長", "課長", "課長"), fixed)
    assert (sent(made), taken(made), kept(made, fixed)) == ([], [], ("課長", "課長"))


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
    assert sent(merged(pairs(of, now, None), of, new=True)) == expected


def test_a_held_lead_sends_nothing_but_its_stop() -> None:
    """R39: the snapshot of what was not sent stays as it was, and what comes from Salesforce comes."""
    phone = field(FieldType.PHONE, "phone", "phone")
    status = field(FieldType.DELIVERY_STATUS, "boolean", "stop")
    both = merge.Pairs(
        column("f", "部長").assign(phone="1", stop="stopped", id=pd.Series([1], dtype="int64")),
        column("F", "課長").assign(Phone="2", Stop="false"),
        merge.Snapshots(
            column("f", "課長").assign(phone="1", stop="delivering"),
            column("f", "課長").assign(phone="1", stop="false"),
        ),
        pd.Series([True]),
    )
    made = merged(both, TEXT, phone, status, held=True)
    assert made.sends["api_name"].tolist() == ["Stop"]
    assert made.takes["field"].tolist() == ["phone"]
    assert kept(made, TEXT) == ("課長", "課長")
    assert made.taken.record["stop"].tolist() == ["false"]
    assert made.after.record["stop"].tolist() == ["true"]


def test_ids_stay_exact() -> None:
    """A lead's id beyond 2^53 comes out as it went in."""
    assert merged(pairs(TEXT, "部長", None), TEXT).sends["lead_id"].tolist() == [2**60]


SOME = st.sampled_from([None, "", " ", "課長", "部長", "課長 "])
STATES = st.sampled_from([None, "", "stopped", "delivering", "x"])
TICKS = st.sampled_from(["true", "false"])


def _after(made: merge.Merged, now: Any, there: Any) -> tuple[Any, Any]:
    """Return both values once everything has arrived."""
    now = made.takes["new"].iloc[0] if len(made.takes) else now
    there = made.sends["new"].iloc[0] if len(made.sends) else there
    return (None if pd.isna(now) else now), (None if pd.isna(there) else there)


@settings(max_examples=200, deadline=None)
@given(
    of=st.sampled_from([TEXT, LEAD_WINS, PUSHED, PULLED]),
    now=SOME,
    there=SOME.filter(lambda v: v != ""),
    was=SOME,
    there_was=SOME,
)
def test_what_has_arrived_stays(of: ActiveField, now: Any, there: Any, was: Any, there_was: Any) -> None:
    """R32: once the plan is carried out, the same sides give no further write, and two-way sides agree."""
    first = merged(pairs(of, now, there, was, there_was), of)
    now, there = _after(first, now, there)
    second = merged(pairs(of, now, there, *kept(first, of)), of)
    assert (sent(second), taken(second)) == ([], [])
    if of in (TEXT, LEAD_WINS) and (
        was is None or there_was is None or (was or "").strip() == (there_was or "").strip()
    ):
        assert (now or "").strip() == (there or "").strip()


@settings(max_examples=200, deadline=None)
@example([("stopped", "false"), ("delivering", "true"), ("stopped", "false")])
@given(st.lists(st.tuples(STATES, TICKS), min_size=1, max_size=8))
def test_no_history_loses_a_stop(history: list[tuple[Any, str]]) -> None:
    """R6-R8: nobody's stop is lost, and only a lead that was resumed from a stop resumes its record."""
    lead_was = record_was = stored = None
    for status, there in history:
        made = merged(pairs(STATUS, status, there, lead_was, record_was), STATUS, held=status == "x")  # a typo holds
        now, then = _after(made, status, there)
        if made.sends["new"].eq("false").any():
            assert (stored, record_was, status) == ("stopped", "true", "delivering")
        if there == "true" and record_was != "true":
            assert (now, then) == ("stopped", "true")
        if status == "stopped":
            assert now == "stopped"
            assert then == "true" or stored == "stopped"
        lead_was, record_was = kept(made, STATUS)
        stored = lead_was
