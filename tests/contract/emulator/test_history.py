"""Field history: what tracked fields leave behind when they change, and who reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.emulator.test_bulk_query import finished, results
from tests.contract.emulator.test_permissions import user_id
from tests.contract.emulator.test_sharing import ABE, codes, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator


def track(salesforce: Emulator, *fields: str, sobject: str = "Lead") -> None:
    """Track fields of an object."""
    salesforce.control("PUT", f"history/{sobject}", list(fields))


def history(api: Api, record_id: str, sobject: str = "Lead") -> list[tuple[Any, ...]]:
    """Return a row's history, oldest first."""
    soql = f"SELECT Field, DataType, OldValue, NewValue FROM {sobject}History WHERE {sobject}Id = '{record_id}'"
    rows = api.query(f"{soql} ORDER BY Id").json()["records"]
    return [tuple(row[key] for key in ("Field", "DataType", "OldValue", "NewValue")) for row in rows]


def test_a_tracked_field_leaves_its_values(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Old and new value in the field's JSON type, who and when; what is not tracked or does not change leaves none."""
    salesforce.clock(frozen_at="2026-06-15T00:00:00Z")
    before = lead()
    track(salesforce, "Title", "HasOptedOutOfEmail", "AnnualRevenue")
    record_id = lead(Title="CEO")
    salesforce.clock(frozen_at="2026-06-15T00:01:00Z")
    changes = {"Title": "CTO", "HasOptedOutOfEmail": True, "AnnualRevenue": 3, "Phone": "1"}
    for given in (changes, {"Title": "CTO"}, {"Title": None}):
        assert api("PATCH", f"sobjects/Lead/{record_id}", given).status_code == 204
    assert history(api, before) == []
    assert history(api, record_id) == [
        ("created", "Text", None, None),
        ("Title", "Text", "CEO", "CTO"),
        ("HasOptedOutOfEmail", "Boolean", False, True),
        ("AnnualRevenue", "Currency", None, 3.0),
        ("Title", "Text", "CTO", None),
    ]
    soql = (
        "SELECT Id, CreatedById, CreatedBy.Name, CreatedDate, Lead.Title FROM LeadHistory WHERE Field = 'title' LIMIT 1"
    )
    (row,) = api.query(soql).json()["records"]
    assert (row["CreatedById"], row["CreatedDate"]) == (user_id(salesforce), "2026-06-15T00:01:00.000+0000")
    assert row["Id"].startswith("017")
    children = api.query(f"SELECT (SELECT Field FROM Histories) FROM Lead WHERE Id = '{record_id}'").json()["records"]
    assert children[0]["Histories"]["totalSize"] == 5


def test_references_leave_names_and_ids(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """A change of owner leaves two rows, one with names and one with ids (documented)."""
    track(salesforce, "OwnerId")
    record_id, admin = lead(), user_id(salesforce, "admin")
    api("PATCH", f"sobjects/Lead/{record_id}", {"OwnerId": admin})
    assert history(api, record_id)[1:] == [
        ("Owner", "Text", "Integration User", "Akiko Kanri"),
        ("Owner", "EntityId", user_id(salesforce), admin),
    ]


def test_long_texts_leave_only_that_they_changed(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Of long texts and multi-select picklists neither value is kept (documented)."""
    values = ["a", "b"]
    salesforce.control("POST", "fields/Lead", {"name": "M__c", "type": "multipicklist", "picklistValues": values})
    track(salesforce, "Description", "M__c")
    record_id = lead()
    api("PATCH", f"sobjects/Lead/{record_id}", {"Description": "long", "M__c": "a;b"})
    assert set(history(api, record_id)[1:]) == {
        ("Description", "MultiLineText", None, None),
        ("M__c", "MultiEnum", None, None),
    }


def test_a_conversion_and_a_merge_are_noted(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """The Lead says leadConverted, the new rows where they come from, a master that it was merged (documented)."""
    for sobject, field in (("Lead", "Status"), ("Contact", "Title"), ("Account", "Phone")):
        track(salesforce, field, sobject=sobject)
    converted, master, other = lead(), lead(), lead()
    made = salesforce.control("POST", "convert", {"lead_id": converted})
    salesforce.control("POST", "merge", {"object": "Lead", "master_id": master, "other_ids": [other]})
    assert [row[0] for row in history(api, converted)] == ["created", "Status", "leadConverted"]
    assert [row[0] for row in history(api, made["contact_id"], "Contact")] == ["contactCreatedFromLead"]
    assert [row[0] for row in history(api, made["account_id"], "Account")] == ["accountCreatedFromLead"]
    assert [row[0] for row in history(api, master)] == ["created", "leadMerged"]


def test_automation_is_in_the_history_and_refused_saves_are_not(
    salesforce: Emulator, api: Api, lead: Callable[..., str]
):
    """What a flow rewrites counts as one change with the save; a save that a rule refuses leaves nothing."""
    record_id = lead()
    track(salesforce, "Title", "Phone")
    salesforce.control("POST", "automation/Lead", {"on": "update", "set": {"Phone": "03"}})
    rule = {"type": "validation", "condition": 'Title = "CEO"', "message": "No CEOs"}
    salesforce.control("POST", "rules/Lead", rule)
    assert api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "CEO"}).status_code == 400
    assert api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "CTO"}).status_code == 204
    assert history(api, record_id) == [("Title", "Text", None, "CTO"), ("Phone", "Phone", None, "03")]


def test_history_is_read_as_its_record_is(salesforce: Emulator, api: Api):
    """Rows of a hidden field, record or object are not there (documented); those of a deleted record are in the bin."""
    track(salesforce, "Title", "Phone")
    record_id = salesforce.admin_create("Lead", ABE)
    salesforce.admin_update("Lead", record_id, {"Title": "CEO", "Phone": "1"})
    salesforce.access("Lead/Title", read=False)
    assert [row[0] for row in history(api, record_id)] == ["created", "Phone"]
    salesforce.access("Lead/Title", read=True)
    assert [row[0] for row in history(api, record_id)] == ["created", "Title", "Phone"]
    share(salesforce, "Lead", "Private")
    assert history(api, record_id) == []
    share(salesforce, "Lead", "Read")
    salesforce.access("Lead", read=False)
    assert codes(api.query("SELECT Id FROM LeadHistory")) == (400, "INVALID_TYPE")
    salesforce.access("Lead", read=True)
    salesforce.admin_delete("Lead", record_id)
    assert history(api, record_id) == []
    assert api.query("SELECT Id FROM LeadHistory", "queryAll").json()["totalSize"] == 3
    assert codes(api.query("SELECT Id FROM LeadHistory WHERE NewValue = 'CEO'")) == (400, "INVALID_FIELD")


def test_bulk_reads_history_as_rest_does(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """A query job prints the values of a history."""
    track(salesforce, "Title", "HasOptedOutOfEmail")
    api("PATCH", f"sobjects/Lead/{lead()}", {"Title": "CEO, 社長", "HasOptedOutOfEmail": True})
    job = finished(api, "SELECT Field, OldValue, NewValue FROM LeadHistory")
    assert results(api, job).content.decode().splitlines() == [
        '"Field","OldValue","NewValue"',
        '"created","",""',
        '"Title","","CEO, 社長"',
        '"HasOptedOutOfEmail","false","true"',
    ]


def test_tracking_ends(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """An empty list ends it, the rows so far stay; a reset forgets them; a dropped field is tracked no more."""
    salesforce.control("POST", "fields/Lead", {"name": "Gone__c", "type": "string"})
    track(salesforce, "Title", "Gone__c")
    record_id = lead()
    salesforce.control("DELETE", "fields/Lead/Gone__c")
    assert salesforce.control("GET", "history") == {"Lead": ["Title"]}
    track(salesforce)
    api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "CEO"})
    assert [row[0] for row in history(api, record_id)] == ["created"]
    salesforce.reset()
    assert salesforce.admin_query("SELECT Id FROM LeadHistory") == []


@pytest.mark.parametrize(
    ("sobject", "fields"),
    [("Lead", ["Id"]), ("Lead", ["Nothing"]), ("User", []), ("Lead", ["Title"] * 21), ("Lead", {})],
)
def test_what_cannot_be_tracked_is_refused(salesforce: Emulator, sobject: str, fields: Any):
    """Only fields that are edited can be tracked, at most 20 of an object (documented)."""
    answer = salesforce.http.put(f"{salesforce.url}/_emulator/history/{sobject}", json=fields, timeout=10)
    assert answer.status_code in {400, 404}
