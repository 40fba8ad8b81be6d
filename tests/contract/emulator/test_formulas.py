"""Formula fields: computed when read, found by queries, refused where an org would not save them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator


def formula(salesforce: Emulator, text: str, type_: str = "string", name: str = "Lead", **more: object) -> None:
    """Add the formula field `F__c`."""
    field = {"name": "F__c", "type": type_, "calculatedFormula": text, **more}
    salesforce.control("POST", f"fields/{name}", field)


@pytest.mark.parametrize(
    ("text", "type_", "expected"),
    [
        ('LastName & " " & FirstName', "string", "Yamada Taro"),
        ("LastName + '様'", "string", "Yamada様"),
        ("Title", "string", None),
        ('IF(ISBLANK(Title), "none", Title)', "string", "none"),
        ('IF(AND(LastName = "yamada", TRUE), "same", "differs")', "string", "differs"),
        ('CASE(LastName, "Sato", "S", "Yamada", "Y", "?")', "string", "Y"),
        ("UPPER(LEFT(LastName, 3)) & RIGHT(LastName, 2) & MID(LastName, 2, 2)", "string", "YAMdaam"),
        ('SUBSTITUTE(LastName, "Ya", "Na")', "string", "Namada"),
        ("TEXT(NumberOfEmployees)", "string", "7"),
        ("LEN(LastName)", "double", 6.0),
        ("NumberOfEmployees * (2 + 1) - 1", "double", 20.0),
        ("NumberOfEmployees / 2", "double", 3.5),
        ("-NumberOfEmployees + AnnualRevenue", "double", None),
        ("MAX(MOD(NumberOfEmployees, 4), ABS(-1))", "double", 3.0),
        ('CONTAINS(LastName, "mad") && !BEGINS(LastName, "x")', "boolean", True),
        ("NumberOfEmployees > 7 || NOT(IsUnreadByOwner)", "boolean", False),
        ('ISPICKVAL(Status, "Open - Not Contacted")', "boolean", True),
        ("Owner.Username", "string", "integration@emulator.example"),
        ("CreatedDate", "datetime", "created"),
    ],
)
def test_a_formula_has_its_value(salesforce: Emulator, api: Api, text: str, type_: str, expected: Any):
    """Text, number, condition and one-hop formulas give what Salesforce's reference says (documented)."""
    record_id = api.create("Lead", LastName="Yamada", FirstName="Taro", Company="ACME", NumberOfEmployees=7)
    formula(salesforce, text, type_, **({"scale": 1} if type_ == "double" else {}))
    row = api.read("Lead", record_id)
    assert row["F__c"] == (row["CreatedDate"] if expected == "created" else expected)


def test_blank_numbers_may_count_as_zero(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """`formulaTreatNullNumberAsZero` decides what a blank number is."""
    formula(salesforce, "NumberOfEmployees + 1", "double", formulaTreatNullNumberAsZero=True)
    assert api.read("Lead", lead())["F__c"] == 1.0


def test_a_formula_is_found_sorted_and_not_written(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """A formula field can be filtered and sorted by, is described as calculated, and refuses every write."""
    first, second = lead(LastName="Sato"), lead(LastName="Abe")
    formula(salesforce, "UPPER(LastName)")
    found = api.query("SELECT Id FROM Lead WHERE F__c = 'abe'").json()["records"]
    ordered = api.query("SELECT Id, F__c FROM Lead ORDER BY F__c").json()["records"]
    fields = {field["name"]: field for field in api("GET", "sobjects/Lead/describe").json()["fields"]}
    assert [each["Id"] for each in found] == [second]
    assert [each["Id"] for each in ordered] == [second, first]
    assert [fields["F__c"][key] for key in ("calculated", "createable", "updateable")] == [True, False, False]
    answer = api("PATCH", f"sobjects/Lead/{first}", {"F__c": "x"})
    assert answer.json()[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_a_parents_change_shows_without_a_stamp(salesforce: Emulator, api: Api):
    """A formula over a parent changes with it, and the child's SystemModstamp does not (documented)."""
    account = api.create("Account", Name="ACME")
    contact = api.create("Contact", LastName="Abe", AccountId=account)
    formula(salesforce, "Account.Name", name="Contact")
    before = api.read("Contact", contact)
    api("PATCH", f"sobjects/Account/{account}", {"Name": "Globex"})
    after = api.read("Contact", contact)
    assert (before["F__c"], after["F__c"]) == ("ACME", "Globex")
    assert before["SystemModstamp"] == after["SystemModstamp"]


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("LEN(LastName)", "string"),
        ("LastName", "double"),
        ("Nothing__c", "string"),
        ("Nobody.Name", "string"),
        ("LastName &", "string"),
        ("FROBNICATE(LastName)", "string"),
        ("LEFT(LastName)", "string"),
        ("LastName = 1", "boolean"),
        ("(" * 5000 + "1" + ")" * 5000, "double"),
    ],
)
def test_a_wrong_formula_is_refused(salesforce: Emulator, text: str, type_: str):
    """A formula of the wrong kind, with unknown names or broken syntax makes no field."""
    field = {"name": "F__c", "type": type_, "calculatedFormula": text}
    answer = salesforce.http.post(f"{salesforce.url}/_emulator/fields/Lead", json=field, timeout=10)
    assert (answer.status_code, bool(answer.json()["error"])) == (400, True)


def test_a_field_in_a_formula_stays(salesforce: Emulator):
    """A field that a formula names cannot be deleted (documented)."""
    salesforce.control("POST", "fields/Lead", {"name": "Base__c", "type": "string"})
    formula(salesforce, "Base__c")
    answer = salesforce.http.delete(f"{salesforce.url}/_emulator/fields/Lead/Base__c", timeout=10)
    assert answer.status_code == 400
    salesforce.control("DELETE", "fields/Lead/F__c")
    salesforce.control("DELETE", "fields/Lead/Base__c")
