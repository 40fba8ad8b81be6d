"""Verdicts by Great Expectations: per lead, object and field (R9-R19)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from leadsync.core import types
from leadsync.core.access import ActiveField, EffectiveMapping, FieldState, PicklistValue, SObjectAccess
from leadsync.core.codes import CODES
from leadsync.core.mapping import Direction, FieldType
from leadsync.errors import ConfigurationError
from leadsync.validation import checkpoint, suites

if TYPE_CHECKING:
    from pathlib import Path

RANKS = tuple(PicklistValue(value=value, label=value) for value in ("hot", "cold"))


def field(name: str, lead_type: str, sf_type: str, sobject: str = "Lead", **facts: Any) -> ActiveField:
    """Make a field of the effective mapping."""
    basics = {"label": f"「{name}」", "api_name": f"{name}__c", "state": FieldState.ACTIVE}
    return ActiveField(
        **(basics | {"field": name, "type": FieldType(lead_type), "sobject": sobject, "sf_type": sf_type} | facts)
    )


FIELDS = (
    field("email", "email", "email", length=80),
    field("company", "text", "string", length=10, required=True),
    field("met", "date", "date"),
    field("rank", "select", "picklist", length=255, picklist=RANKS),
    field("rank", "select", "picklist", "Contact", length=255, picklist=RANKS[:1]),
)


def mapping(*fields: ActiveField) -> EffectiveMapping:
    """Make an effective mapping."""
    objects = {name: SObjectAccess(sobject=name, readable=True, email=True) for name in ("Lead", "Contact")}
    return EffectiveMapping(version="1", fields=fields, objects=objects)


def leads(**columns: list[str | None]) -> pd.DataFrame:
    """Make leads with ids from 101 on; what is not said is fine."""
    fine = {"email": "a@example.com", "company": "会社", "met": "2026-05-01", "rank": "hot"}
    count = len(next(iter(columns.values())))
    filled = {name: pd.Series(columns.get(name, [value] * count), dtype="str") for name, value in fine.items()}
    return pd.DataFrame({"id": pd.Series(range(101, 101 + count), dtype="int64")} | filled)


def verdicts(frame: pd.DataFrame, *fields: ActiveField) -> list[tuple[Any, ...]]:
    """Run the checkpoint and return its rows, sorted."""
    found = checkpoint.run(frame, mapping(*(fields or FIELDS))).frame
    return sorted(map(tuple, found[["lead_id", "sobject", "field", "code", "rule"]].itertuples(index=False)))


def test_valid_leads_get_no_verdict() -> None:
    """Leads that both objects take leave an empty frame of the promised columns."""
    result = checkpoint.run(leads(rank=["hot", None, " "]), mapping(*FIELDS))
    assert len(result.frame) == 0
    assert list(result.frame) == ["lead_id", "sobject", "field", "code", "rule", "value", "detail"]
    assert result.frame["lead_id"].dtype == "int64"


def test_a_verdict_per_lead_object_and_field() -> None:
    """Each bad value is one verdict on each object that refuses it, with its rule."""
    frame = leads(
        met=["5/1", "2026-02-30", "2026/05/01"], rank=["cold", "warm", "hot"], email=["x", "a@b.jp", "c@d.jp"]
    )
    assert verdicts(frame) == [
        (101, "Contact", "rank", "picklist_value", "R12"),
        (101, "Lead", "email", "email_malformed", CODES["email_malformed"].rule),
        (101, "Lead", "met", "date_format", CODES["date_format"].rule),
        (102, "Contact", "rank", "picklist_value", "R12"),
        (102, "Lead", "met", "date_invalid", "R9"),
        (102, "Lead", "rank", "picklist_value", "R12"),
    ]


def test_a_verdict_carries_value_and_detail() -> None:
    """R50: the offending value as it stands on the lead, and what its message needs."""
    frame = checkpoint.run(leads(company=["長い会社の名前株式会社"]), mapping(*FIELDS)).frame
    assert frame[["value", "detail"]].astype(object).to_numpy().tolist() == [["長い会社の名前株式会社", "max 10"]]


def test_repeated_values_hold_every_lead() -> None:
    """A distinct value is validated once and holds each lead that has it, in whatever order the ids stand."""
    frame = leads(met=["5/1", "2026-05-01", "5/1", None, "5/1"])
    frame["id"] = [9, 8, 3, 7, 5]
    assert [row[0] for row in verdicts(frame)] == [3, 5, 9]


@pytest.mark.parametrize("blank", [None, "", " ", "　"])
def test_r19_a_blank_required_field(blank: str | None) -> None:
    """R19: a lead without a value for a required field gets a verdict, with no value."""
    frame = checkpoint.run(leads(company=["会社", blank]), mapping(*FIELDS)).frame
    assert frame[["lead_id", "code"]].astype(object).to_numpy().tolist() == [[102, "required_missing"]]
    assert frame["value"].isna().all()


def test_r19_a_default_fills_a_required_field() -> None:
    """R19: where the mapping states a default, a blank is none."""
    assert verdicts(leads(company=[None]), FIELDS[1].model_copy(update={"default": "不明"})) == []


@pytest.mark.parametrize(
    "change",
    [{"state": FieldState.RELEASED}, {"state": FieldState.READ_ONLY}, {"direction": Direction.TO_LEAD}],
)
def test_only_what_may_be_written_is_checked(change: dict[str, Any]) -> None:
    """R30, R42: a field that does not travel to Salesforce cannot fail there."""
    assert verdicts(leads(met=["5/1"]), FIELDS[2].model_copy(update=change)) == []


@pytest.mark.parametrize("values", [["hot"], ["5/1", None, "2026-02-30", "x", "2026/05/01"] * 30])
def test_great_expectations_and_the_predicates_agree(values: list[str | None]) -> None:
    """The verdicts on a column are what `core.types.check` says of it."""
    frame = leads(met=values)
    codes = types.check(frame["met"], FIELDS[2]).dropna()
    expected = sorted((frame["id"][row], code) for row, code in codes.items())
    assert [(lead, code) for lead, _, name, code, _ in verdicts(frame) if name == "met"] == expected


def test_suites_say_what_they_expect_in_japanese() -> None:
    """Each expectation carries rule, code, field, object and API name, and a description that people read."""
    suite = suites.build(mapping(*FIELDS), "Lead")
    (expectation,) = [each for each in suite.expectations if each.meta["code"] == "date_format"]
    assert expectation.meta == {
        "rule": CODES["date_format"].rule,
        "code": "date_format",
        "field": "met",
        "sobject": "Lead",
        "api_name": "met__c",
    }
    assert "形の日付" in expectation.description


def test_every_code_has_a_description() -> None:
    """No field type builds an expectation without words."""
    kinds = [
        field("a", "text", "boolean"),
        field("b", "checkbox", "multipicklist", picklist=RANKS),
        field("c", "number", "double", precision=5, scale=2),
        field("d", "delivery_status", "boolean"),
        field("e", "email", "email"),
        field("f", "phone", "phone"),
        field("g", "url", "url"),
        *FIELDS,
    ]
    built = suites.build(mapping(*kinds), "Lead").expectations
    assert {each.meta["code"] for each in built} == {code for kind in kinds for code in types.codes(kind)}
    assert all(each.description for each in built)


def test_a_column_that_fails_as_a_whole_is_said_once() -> None:
    """More than 20 % of the distinct values and 50 leads: the mapping is wrong, and the leads are held all the same."""
    result = checkpoint.run(leads(met=["2026-05-01"] * 10 + ["5/1"] * 50), mapping(*FIELDS))
    (problem,) = result.column_problems
    assert (problem.field, problem.code, problem.failing, problem.distinct, problem.leads) == (
        "met",
        "date_format",
        1,
        2,
        50,
    )
    assert len(result.frame) == 50
    assert "1 of 2 values" in str(problem)


@pytest.mark.parametrize(
    "values",
    [
        ["5/1"] * 49,
        ["5/1"] * 60 + [f"2026-05-{day:02d}" for day in range(1, 5)],
    ],
)
def test_single_bad_leads_are_no_column_problem(values: list[str | None]) -> None:
    """Few leads, or one spelling among many (20 % at most), are the leads' own trouble."""
    assert checkpoint.run(leads(met=values), mapping(*FIELDS)).column_problems == []


def test_blank_required_fields_are_no_column_problem() -> None:
    """R19: blanks are each lead's own trouble, however many."""
    assert checkpoint.run(leads(company=[None] * 60), mapping(*FIELDS)).column_problems == []


def test_a_missing_column_is_a_configuration_error() -> None:
    """A mapped column that the leads lack is no bad lead: nothing is validated without it."""
    with pytest.raises(ConfigurationError, match="met"):
        checkpoint.run(leads(rank=["hot"]).drop(columns="met"), mapping(*FIELDS))


def test_an_expectation_that_breaks_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An expectation that cannot be evaluated says nothing about leads, and so must not pass or hold them."""

    def broken(*_: object) -> pd.Series:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(types, "check", broken)
    with pytest.raises(ConfigurationError, match=r"Lead\.email__c.*boom"):
        checkpoint.run(leads(rank=["hot"]), mapping(*FIELDS))


def test_data_docs_only_where_something_fails(tmp_path: Path) -> None:
    """A run without failures leaves no page; one with failures a page per failing suite."""
    checkpoint.run(leads(rank=["hot"]), mapping(*FIELDS), tmp_path / "fine")
    checkpoint.run(leads(rank=["cold"], company=[None]), mapping(*FIELDS), tmp_path / "failing")
    assert not (tmp_path / "fine").exists()
    assert sorted(path.name for path in (tmp_path / "failing").iterdir()) == [
        "Contact-values.html",
        "Lead-required.html",
    ]


def test_data_docs_hold_no_value_of_a_lead(tmp_path: Path) -> None:
    """Data Docs count, and say what was expected; personal data stays out."""
    checkpoint.run(leads(email=["himitsu"], met=["naisho"]), mapping(*FIELDS), tmp_path)
    page = (tmp_path / "Lead-values.html").read_text(encoding="utf-8")
    assert "形の日付" in page
    assert "himitsu" not in page
    assert "naisho" not in page


def test_labels_are_data_in_data_docs(tmp_path: Path) -> None:
    """A label with template signs is shown, neither filled in nor run as markup."""
    label = "<b>$x</b> {{ 7*7 }}"
    checkpoint.run(leads(met=["5/1"]), mapping(FIELDS[2].model_copy(update={"label": label})), tmp_path)
    page = (tmp_path / "Lead-values.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;$x&lt;/b&gt; {{ 7*7 }}" in page


def test_long_values_are_cut() -> None:
    """A verdict shows as much of a value as a person reads."""
    frame = checkpoint.run(leads(company=["あ" * 5000]), mapping(*FIELDS)).frame
    assert frame["value"].str.len().tolist() == [checkpoint.SHOWN]


def test_no_leads_no_verdicts() -> None:
    """An empty frame of leads is valid."""
    assert verdicts(leads(rank=["hot"]).iloc[:0]) == []


def test_great_expectations_neither_phones_nor_draws() -> None:
    """Telemetry and progress bars are off."""
    context = checkpoint._batch_definition().data_asset.datasource.data_context
    assert context.config.analytics_enabled is False
    assert context.progress_bars["globally"] is False
