"""Which reasons hold a lead: verdicts that count, and those that do not (R19, R39, R50)."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from leadsync.core import holds
from leadsync.core.access import FieldState
from leadsync.core.mapping import Direction
from leadsync.core.merge import FieldMerge
from leadsync.core.three_way import Turn
from tests.unit.test_decide import leads, mapping


def verdict(lead_id: int, field: str, code: str, sobject: str = "Lead", value: str | None = "x") -> dict[str, Any]:
    """Return one verdict."""
    return {
        "lead_id": lead_id,
        "sobject": sobject,
        "field": field,
        "code": code,
        "rule": "R0",
        "value": value,
        "detail": "",
    }


def found(
    verdicts: Any, fate: str, sobject: str | None, code: str | None = None, sends: bool = True, **change: Any
) -> Any:
    """Return (field, code) of what holds lead 1; `change` alters the mapped field `title`, which `sends` or not."""
    people = leads({"id": 2**60, "title": "x"})
    org = mapping()
    fields = tuple(f.model_copy(update=change) if f.field == "title" else f for f in org.fields)
    frame = pd.DataFrame(verdicts, columns=list(verdict(1, "", ""))).astype({"lead_id": "int64"})
    matches = pd.DataFrame({"fate": [fate], "sobject": [sobject], "record_id": ["R"], "code": [code], "detail": [""]})
    title = next(f for f in fields if f.field == "title")
    no = pd.Series([False])
    turn = Turn(send=pd.Series([sends]), take=no, settled=no, conflict=no)
    text = pd.Series(["x"], dtype="str")
    merges = [FieldMerge(title, turn, text, text, text, text)] if title.pushed else []
    org = org.model_copy(update={"fields": fields})
    free = pd.Series([pd.NA], dtype="str")
    errors = holds.errors(people, matches.astype("str"), frame, merges, taken=free, mapping=org)
    assert list(errors.columns) == [*holds.ERROR_COLUMNS, "holds"]
    assert errors["lead_id"].eq(2**60).all()
    return list(errors[["field", "code"]].itertuples(index=False, name=None))


ME = 2**60
BAD, MISSING = ("title", "too_long"), ("title", "required_missing")


@pytest.mark.parametrize(
    ("verdicts", "fate", "sobject", "change", "expected"),
    [
        pytest.param([verdict(ME, *BAD)], "pair", "Lead", {}, [BAD], id="a bad value"),
        pytest.param([verdict(ME, *BAD)], "create", "Lead", {}, [BAD], id="a bad value of a new lead"),
        pytest.param(
            [verdict(ME, *BAD, sobject="Contact")], "pair", "Lead", {}, [], id="bad for the other object only"
        ),
        pytest.param([verdict(ME, *BAD), verdict(ME, *BAD)], "pair", "Lead", {}, [BAD], id="said twice"),
        pytest.param([verdict(ME + 1, *BAD)], "pair", "Lead", {}, [], id="another lead's, one id further"),
        pytest.param([verdict(ME, *BAD)], "skip", None, {}, [], id="a lead without an address"),
        pytest.param([verdict(ME, *BAD)], "defer", None, {}, [], id="a lead that waits"),
        pytest.param([verdict(ME, *BAD)], "pair", "Lead", {"direction": Direction.TO_LEAD}, [], id="a field only read"),
        pytest.param([verdict(ME, *BAD)], "pair", "Lead", {"state": FieldState.RELEASED}, [], id="a released field"),
        pytest.param([verdict(ME, *MISSING)], "create", "Lead", {}, [MISSING], id="R19: missing in a create"),
        pytest.param(
            [verdict(ME, *MISSING)], "create", "Lead", {"default": "-"}, [], id="R19: the mapping has a default"
        ),
        pytest.param([verdict(ME, *MISSING)], "pair", "Lead", {"sends": False}, [], id="R19: the lead never had it"),
        pytest.param([verdict(ME, *MISSING)], "pair", "Lead", {}, [MISSING], id="R19: cleared on the lead"),
        pytest.param([verdict(ME, *BAD)], "pair", "Lead", {"sends": False}, [], id="R30: Salesforce's value wins"),
        pytest.param([], "pair", "Lead", {}, [], id="nothing wrong"),
    ],
)
def test_verdicts(verdicts: Any, fate: str, sobject: str | None, change: dict[str, Any], expected: Any) -> None:
    """R19, R39: what counts of what validation found."""
    assert found(verdicts, fate, sobject, **change) == expected


def test_a_reason_of_matching_stands_beside_a_bad_value() -> None:
    """R50: both are said."""
    assert found([verdict(ME, *BAD)], "pair", "Lead", code="address_taken") == [("email", "address_taken"), BAD]


def test_a_reason_about_the_record_names_no_field() -> None:
    """R48: nothing is wrong with the address of a lead whose record is gone."""
    assert found([], "none", None, code="api_record_deleted") == [("", "api_record_deleted")]


def test_a_required_field_that_nobody_maps() -> None:
    """R19: a create is held with the field's own label; a pair is not."""
    org = mapping()
    lead = org.objects["Lead"].model_copy(update={"required": ("Tax__c", "LastName"), "labels": {"Tax__c": "税区分"}})
    org = org.model_copy(update={"objects": org.objects | {"Lead": lead}})
    people = leads({"id": 1}, {"id": 2})
    matches = pd.DataFrame(
        {"fate": ["create", "pair"], "sobject": "Lead", "record_id": [None, "R"], "code": None, "detail": ""}
    ).astype("str")
    none = pd.DataFrame(columns=list(verdict(1, "", ""))).astype({"lead_id": "int64"})
    errors = holds.errors(people, matches, none, [], taken=pd.Series([pd.NA] * 2, dtype="str"), mapping=org)
    assert errors[["lead_id", "api_name", "detail"]].to_numpy().tolist() == [[1, "Tax__c", "税区分"]]
