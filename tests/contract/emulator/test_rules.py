"""What a save must pass and what it sets off: validation rules, duplicate rules, unique values, automation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

ABE = {"LastName": "Abe", "Company": "ACME"}
PHONE = {"type": "validation", "name": "Phone", "condition": "ISBLANK(Phone)", "message": "電話番号を入れてください"}
TITLE = {"type": "validation", "condition": 'Title = "CEO"', "message": "No CEOs", "field": "Title"}
TWINS = {"type": "duplicate", "name": "Leads_DR", "fields": ["Email"], "message": "You're creating a duplicate record."}


def rule(salesforce: Emulator, body: dict[str, Any], name: str = "Lead") -> None:
    """Add a rule."""
    salesforce.control("POST", f"rules/{name}", body)


def test_validation_rules_refuse_together(salesforce: Emulator, api: Api):
    """Every broken rule is told, with its field or none (the code from fixtures; several at once documented)."""
    rule(salesforce, PHONE)
    rule(salesforce, TITLE)
    answer = api("POST", "sobjects/Lead", {**ABE, "Title": "CEO"})
    code = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert answer.status_code == 400
    assert answer.json() == [
        {"message": "電話番号を入れてください", "errorCode": code, "fields": []},
        {"message": "No CEOs", "errorCode": code, "fields": ["Title"]},
    ]
    assert api.query("SELECT count() FROM Lead").json()["totalSize"] == 0
    assert api("POST", "sobjects/Lead", {**ABE, "Phone": "1", "Title": "ceo"}).status_code == 201


def test_a_refused_update_leaves_the_row(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """A rule looks at the row as it would be; refused, nothing of it is changed, not even a stamp."""
    record_id = lead(Phone="1")
    before = api.read("Lead", record_id)
    rule(salesforce, PHONE)
    answer = api("PATCH", f"sobjects/Lead/{record_id}", {"Phone": None, "Title": "x"})
    assert answer.json()[0]["errorCode"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert api.read("Lead", record_id) == before
    salesforce.control("DELETE", "rules/Lead")
    assert api("PATCH", f"sobjects/Lead/{record_id}", {"Phone": None}).status_code == 204


def test_a_rule_refuses_one_record_of_a_collection(salesforce: Emulator, api: Api):
    """In a collection the other records are saved, and the refused one leaves nothing behind."""
    rule(salesforce, PHONE)
    records = [{"attributes": {"type": "Lead"}, **ABE, **more} for more in ({"Phone": "1"}, {}, {"Phone": "3"})]
    results = api("POST", "composite/sobjects", {"records": records}).json()
    assert [each["success"] for each in results] == [True, False, True]
    assert results[1]["errors"][0] == {
        "statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "message": "電話番号を入れてください",
        "fields": [],
    }
    assert api.query("SELECT count() FROM Lead").json()["totalSize"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {"type": "validation", "condition": "LEN(Title)", "message": "a number is no condition"},
        {"type": "validation", "condition": "ISBLANK(Nothing)", "message": "no such field"},
        {"type": "validation", "condition": "ISBLANK(Title", "message": "syntax"},
        {"type": "validation", "condition": "Title = 1", "message": "kinds"},
        {"type": "duplicate", "fields": ["Nothing"]},
        {"type": "duplicate", "fields": ["Email"], "action": "shout"},
        {"type": "other"},
    ],
)
def test_a_rule_that_cannot_be_saved_is_refused(salesforce: Emulator, body: dict[str, Any]):
    """A rule whose formula or fields are wrong is an error of the control."""
    answer = salesforce.http.post(f"{salesforce.url}/_emulator/rules/Lead", json=body, timeout=10)
    assert answer.status_code == 400


@pytest.mark.parametrize(("version", "key"), [("50.0", "duplicateResut"), ("52.0", "duplicateResult")])
def test_a_duplicate_is_told(salesforce: Emulator, api: Api, lead: Callable[..., str], version: str, key: str):
    """A duplicate names what it duplicates, under either spelling, without `fields` (recorded at v50)."""
    twin = lead(Email="abe@example.jp")
    rule(salesforce, TWINS)
    answer = api("POST", f"/services/data/v{version}/sobjects/Lead", {**ABE, "Email": "ABE@example.jp"})
    (error,) = answer.json()
    assert (answer.status_code, list(error)) == (400, [key, "errorCode", "message"])
    assert error["errorCode"] == "DUPLICATES_DETECTED"
    assert error["message"] == error[key]["errorMessage"] == TWINS["message"]
    assert {name: error[key][name] for name in ("allowSave", "duplicateRule", "duplicateRuleEntityType")} == {
        "allowSave": False,
        "duplicateRule": "Leads_DR",
        "duplicateRuleEntityType": "Lead",
    }
    (result,) = error[key]["matchResults"]
    assert result["matchRecords"][0]["record"] == {
        "attributes": {"type": "Lead", "url": f"/services/data/v{version}/sobjects/Lead/{twin}"},
        "Id": twin,
    }


@pytest.mark.parametrize(("action", "status"), [("alert", 201), ("block", 400)])
def test_the_header_overrides_an_alert_only(
    salesforce: Emulator, api: Api, lead: Callable[..., str], action: str, status: int
):
    """`Sforce-Duplicate-Rule-Header: allowSave=true` saves past an alert, not past a block (documented)."""
    lead(Email="abe@example.jp")
    rule(salesforce, TWINS | {"action": action})
    plain = api("POST", "sobjects/Lead", {**ABE, "Email": "abe@example.jp"})
    headers = {"Sforce-Duplicate-Rule-Header": "allowSave=true; includeRecordDetails=true"}
    allowed = api("POST", "sobjects/Lead", {**ABE, "Email": "abe@example.jp"}, headers=headers)
    assert (plain.status_code, allowed.status_code) == (400, status)
    assert plain.json()[0]["duplicateResult"]["allowSave"] is (action == "alert")


def test_a_collection_tells_duplicates_without_ids(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """In collections a duplicate is statusCode, message and fields (fixtures of clients)."""
    lead(Email="abe@example.jp")
    rule(salesforce, TWINS)
    record = {"attributes": {"type": "Lead"}, **ABE, "Email": "abe@example.jp"}
    (result,) = api("POST", "composite/sobjects", {"records": [record]}).json()
    assert result == {
        "success": False,
        "errors": [{"statusCode": "DUPLICATES_DETECTED", "message": TWINS["message"], "fields": []}],
    }


def test_an_edit_elsewhere_is_no_duplicate(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """A duplicate rule looks at an edit only where a field of its own is among the edited (guessed)."""
    lead(Email="abe@example.jp")
    second = lead(Email="abe@example.jp")
    rule(salesforce, TWINS)
    assert api("PATCH", f"sobjects/Lead/{second}", {"Title": "x"}).status_code == 204
    assert api("PATCH", f"sobjects/Lead/{second}", {"Email": "abe@example.jp"}).status_code == 400


def test_a_lead_duplicates_a_contact(salesforce: Emulator, api: Api):
    """A rule may look across objects, and shows no row that sharing hides."""
    salesforce.control("PUT", "sharing/Contact", {"default": "ControlledByParent"})
    salesforce.admin_create("Contact", {"LastName": "Abe", "Email": "abe@example.jp"})
    rule(salesforce, TWINS | {"matches": "Contact"})
    (error,) = api("POST", "sobjects/Lead", {**ABE, "Email": "abe@example.jp"}).json()
    (result,) = error["duplicateResult"]["matchResults"]
    assert (result["entityType"], result["size"], result["matchRecords"]) == ("Contact", 0, [])


def test_simple_salesforce_raises_what_a_rule_refuses(salesforce: Emulator):
    """The client library raises the org's body as it is."""
    rule(salesforce, PHONE)
    user = salesforce.integration
    keys = {key: user[key] for key in ("consumer_key", "consumer_secret", "domain")}
    org = Salesforce(**keys)
    with pytest.raises(SalesforceMalformedRequest) as caught:
        org.Lead.create(ABE)
    assert caught.value.content[0]["message"] == PHONE["message"]


def test_automation_rewrites_and_assigns(salesforce: Emulator, api: Api):
    """A flow rewrites fields before rules look; an assignment gives a new row to its owner, in one transaction."""
    admin = next(each["id"] for each in salesforce.control("GET", "users") if each["profile"] == "admin")
    step = {
        "on": "create",
        "when": "ISBLANK(Phone)",
        "set": {"Phone": "03-0000-0000", "Title": {"formula": "Company & LastName"}},
    }
    salesforce.control("POST", "automation/Lead", step)
    salesforce.control("POST", "automation/Lead", {"on": "create", "assign": admin})
    rule(salesforce, PHONE)
    row = api.read("Lead", api.create("Lead", **ABE))
    assert (row["Phone"], row["Title"], row["OwnerId"]) == ("03-0000-0000", "ACMEAbe", admin)
    assert row["SystemModstamp"] == row["CreatedDate"]
    salesforce.control("DELETE", "automation/Lead")
    assert api("POST", "sobjects/Lead", ABE).status_code == 400


def test_a_client_may_forgo_assignment(salesforce: Emulator, api: Api):
    """`Sforce-Auto-Assign: false` keeps the row with its creator; without the header rules run (documented)."""
    admin = next(each["id"] for each in salesforce.control("GET", "users") if each["profile"] == "admin")
    salesforce.control("POST", "automation/Lead", {"on": "create", "assign": admin})
    made = api("POST", "sobjects/Lead", ABE, headers={"Sforce-Auto-Assign": "false"}).json()["id"]
    assert api.read("Lead", made)["OwnerId"] != admin
    assert api.read("Lead", api.create("Lead", **ABE))["OwnerId"] == admin


def test_automation_converts(salesforce: Emulator, api: Api):
    """A flow may convert a Lead at the save that meets its condition."""
    salesforce.control("POST", "automation/Lead", {"when": 'Title = "Buyer"', "convert": True})
    record_id = api.create("Lead", **ABE)
    assert api.read("Lead", record_id)["IsConverted"] is False
    assert api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "Buyer"}).status_code == 204
    row = api.read("Lead", record_id)
    assert row["IsConverted"] is True
    assert row["ConvertedContactId"].startswith("003")
    answer = api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "x"})
    assert answer.json()[0]["errorCode"] == "CANNOT_UPDATE_CONVERTED_LEAD"


@pytest.mark.parametrize(
    "step",
    [{}, {"set": {"Nothing": 1}}, {"when": "LEN(Title)", "set": {"Title": "x"}}, {"set": {"IsDeleted": "maybe"}}],
)
def test_automation_that_cannot_be_saved_is_refused(salesforce: Emulator, step: dict[str, Any]):
    """An automation without effect, or with a wrong field, value or condition, is an error of the control."""
    answer = salesforce.http.post(f"{salesforce.url}/_emulator/automation/Lead", json=step, timeout=10)
    assert answer.status_code == 400
