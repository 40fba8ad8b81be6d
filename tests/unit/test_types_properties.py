"""What holds for every value of every kind: comparing, converting and checking agree (R9-R18)."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadsync.core import types
from leadsync.core.access import ActiveField, FieldState, PicklistValue
from leadsync.core.mapping import FieldType

PICKLIST = tuple(PicklistValue(value=value, label=label) for value, label in [("a", "値A"), ("b", "値B"), ("値A", "c")])


def field(name: str, lead_type: str, sf_type: str, **facts: Any) -> ActiveField:
    """Make a field, named by what it is of."""
    basics = {"field": name, "label": name, "sobject": "Lead", "api_name": "X__c", "state": FieldState.ACTIVE}
    return ActiveField(**(basics | {"type": FieldType(lead_type), "sf_type": sf_type} | facts))


# Each kind with texts that are often valid for it.
KINDS = {
    field("date", "date", "date"): st.dates().map(lambda day: day.isoformat().replace("-", "/")),
    field("check box", "text", "boolean"): st.sampled_from(["true", "TRUE", "False", "ture"]),
    field("select", "select", "picklist", picklist=PICKLIST, length=9): st.sampled_from(["a", "b ", "値A", "c", "d"]),
    field("multi", "checkbox", "multipicklist", picklist=PICKLIST, length=40): st.lists(
        st.sampled_from(["a", " b", "値A", "値B", "c", "", "d"]), max_size=6
    ).map(";".join),
    field("text", "text", "string", length=6): st.text(max_size=8),
    field("area", "textarea", "textarea", length=6): st.text(alphabet="a \r\n\t　", max_size=8),
    field("number", "number", "double", precision=8, scale=3): st.decimals(-(10**6), 10**6, places=4).map(str),
    field("int", "number", "int", digits=8): st.integers().map(str),
    field("email", "email", "email", length=30): st.from_regex(r"[aAＡß. ]{1,3}@[bＢ]{1,3}\.jp ?", fullmatch=True),
    field("phone", "phone", "phone", length=20): st.from_regex(r"[0０+][-ー0-9 ]{1,9}( 内線 1)?", fullmatch=True),
    field("url", "url", "url", length=30): st.from_regex(r"(https?://)?[a-z]+\.[a-z.]+(/[a-z]*)?", fullmatch=True),
    field("delivery", "delivery_status", "boolean"): st.sampled_from(["stopped", "停止中", "配信中 ", "stop"]),
}


each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.field)


def columns(kind: ActiveField) -> st.SearchStrategy[pd.Series]:
    """Draw columns of that kind's texts, of any texts, and of no values."""
    texts = st.lists(KINDS[kind] | st.text() | st.none(), max_size=5)
    return texts.map(lambda values: pd.Series(values, dtype="str"))


@each_kind
@settings(max_examples=40)
@given(data=st.data())
def test_valid_values_compare_equal_to_what_was_sent(kind: ActiveField, data: st.DataObject) -> None:
    """What Salesforce returns for a value that we sent is no change."""
    values = data.draw(columns(kind))
    values = values[types.check(values, kind).isna()]
    lead = types.canonical(values, kind, "lead")
    record = types.canonical(types.to_wire(values, kind), kind, "record")
    assert lead.equals(record)


@each_kind
@settings(max_examples=40)
@given(data=st.data())
def test_what_was_sent_is_valid_on_the_lead(kind: ActiveField, data: st.DataObject) -> None:
    """A value that comes back from Salesforce to the lead passes the checks and means the same."""
    values = data.draw(columns(kind))
    values = values[types.check(values, kind).isna()]
    back = types.from_wire(types.to_wire(values, kind), kind)
    assert types.check(back, kind).isna().all()
    assert types.canonical(back, kind, "lead").equals(types.canonical(values, kind, "lead"))


@each_kind
@settings(max_examples=40)
@given(data=st.data())
def test_no_text_breaks_a_check(kind: ActiveField, data: st.DataObject) -> None:
    """Every text gets a code of its kind or none, and no blank gets one."""
    values = data.draw(columns(kind))
    codes = types.check(values, kind)
    assert set(codes.dropna()) <= set(types.codes(kind))
    assert codes[types.blank_to_na(values).isna()].isna().all()


@each_kind
@settings(max_examples=40)
@given(data=st.data())
def test_comparing_twice_changes_nothing(kind: ActiveField, data: st.DataObject) -> None:
    """The comparable form of a record's value is its own comparable form."""
    values = data.draw(columns(kind))
    once = types.canonical(values, kind, "record")
    assert types.canonical(once, kind, "record").equals(once)


@given(values=st.lists(st.text() | st.none(), max_size=5))
def test_r3_the_key_of_a_key_is_itself(values: list[str | None]) -> None:
    """R3: folding an address a second time changes nothing."""
    once = types.email_key(pd.Series(values, dtype="str"))
    assert types.email_key(once).equals(once)
