"""What the org lets each mapped field do on each object (R18, R19, R21, R24, R26, R40, R43)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leadsync.core import access, mapping
from leadsync.core.access import EffectiveMapping, FieldState
from leadsync.core.mapping import Direction, FieldType
from leadsync.core.pairs import accepts

HEADER = "field,label,type,lead_field,contact_field,direction,conflict,default,allow_new_values,note"
ROWS = (
    "email,メール,email,Email,Email,,,,,",
    "last_name,姓,text,LastName,lastname,,,,,",
    "company,会社,text,Company,Account.Name,,,,,",
)
OTHER_SALESFORCE_TYPES = {"datetime", "time", "address", "base64", "encryptedstring", "location", "anyType"}


def field(name: str, sf_type: str = "string", **facts: Any) -> dict[str, Any]:
    """Make a field of a describe: writable and optional."""
    return {
        "name": name,
        "label": name,
        "type": sf_type,
        "length": 80,
        "precision": 0,
        "scale": 0,
        "digits": 0,
        "nillable": True,
        "defaultedOnCreate": False,
        "createable": True,
        "updateable": True,
        "restrictedPicklist": False,
        "picklistValues": [],
        "relationshipName": None,
        "referenceTo": [],
        "unique": False,
        "externalId": False,
        "aggregatable": True,
    } | facts


def describe(name: str, *fields: dict[str, Any], without: str = "", **facts: Any) -> dict[str, Any]:
    """Make an object's describe with the standard fields that the default mapping needs."""
    standard = [
        field("Email", "email"),
        field("LastName", nillable=False),
        field("Company", nillable=False) if name == "Lead" else field("Title"),
        field("AccountId", "reference", relationshipName="Account", referenceTo=["Account"]),
        field("IsConverted", "boolean", nillable=False, defaultedOnCreate=True, updateable=False),
        field("CreatedDate", "datetime", nillable=False, createable=False, updateable=False),
    ]
    kept = [each for each in (*standard, *fields) if each["name"] != without]
    return {"name": name, "label": name, "createable": True, "updateable": True, "fields": kept} | facts


def judge(*rows: str, lead: dict[str, Any] | None = None, **describes: dict[str, Any] | None) -> EffectiveMapping:
    """Decide on rows against an org whose Lead and Contact are as given."""
    read, problems = mapping.parse({"a.csv": "\n".join((HEADER, *rows)).encode()})
    assert read is not None, [str(problem) for problem in problems]
    org = {"Lead": lead or describe("Lead"), "Contact": describe("Contact"), "Account": None}
    return access.effective(read, org | describes)


def the(effective: EffectiveMapping, name: str, sobject: str = "Lead") -> access.ActiveField:
    """Return one field on one object."""
    (found,) = [each for each in effective.fields if (each.field, each.sobject) == (name, sobject)]
    return found


def extra(row: str, sf: dict[str, Any]) -> access.ActiveField:
    """Decide on one more row, whose Lead field is given."""
    return the(judge(*ROWS, row, lead=describe("Lead", sf)), row.split(",", 1)[0])


ACCEPTED = {
    "text": "string email phone url textarea boolean id reference",
    "textarea": "textarea string",
    "number": "int long double currency percent",
    "date": "date",
    "select": "picklist combobox",
    "radio": "picklist combobox",
    "checkbox": "multipicklist",
    "email": "email string",
    "phone": "phone string",
    "url": "url string",
    "delivery_status": "boolean",
}


@pytest.mark.parametrize("lead_type", FieldType)
def test_r18_pair_table(lead_type: FieldType) -> None:
    """R18: a lead field's type goes with the Salesforce types of the table and with no other."""
    known = OTHER_SALESFORCE_TYPES.union(*(types.split() for types in ACCEPTED.values()))
    assert {sf for sf in known if accepts(lead_type, sf)} == set(ACCEPTED[lead_type].split())


def test_every_row_on_every_object() -> None:
    """A row is judged on each object that it names, in the mapping's order."""
    assert [
        (each.field, each.sobject, each.api_name, each.state) for each in judge(*ROWS, Account=None).fields[:4]
    ] == [
        ("email", "Lead", "Email", "active"),
        ("email", "Contact", "Email", "active"),
        ("last_name", "Lead", "LastName", "active"),
        ("last_name", "Contact", "LastName", "active"),
    ]


def test_api_names_are_spelled_as_the_org_spells_them() -> None:
    """API names are not case-sensitive in the mapping; what Salesforce returns is spelled its own way."""
    assert the(judge(*ROWS), "last_name", "Contact").api_name == "LastName"


def test_r21_a_missing_field_is_released_and_the_rest_runs() -> None:
    """R21: the row is out of service, with one message that names both causes and a guess."""
    effective = judge(*ROWS, "memo,メモ,text,Lastnam,,,,,,")
    memo = the(effective, "memo")
    assert (memo.state, memo.code) == (FieldState.RELEASED, "access_field")
    assert "missing or hidden" in memo.reason
    assert "LastName" in memo.reason
    assert "存在しないか" in memo.reason_ja
    assert [each.field for each in effective.on("Lead")] == ["email", "last_name", "company"]


def test_r18_a_wrong_pair_is_released() -> None:
    """R18: a pair that the table lacks is refused, with the types that would do."""
    budget = extra("budget,予算,number,Budget__c,,,,,,", field("Budget__c", "string"))
    assert (budget.state, budget.code) == (FieldState.RELEASED, "access_type")
    assert "number" in budget.reason
    assert "string" in budget.reason


def test_r40_a_hidden_object_is_released_and_the_other_runs() -> None:
    """R40: without access to Contact its fields are released; Lead goes on."""
    effective = judge(*ROWS, Contact=None)
    assert {each.state for each in effective.fields if each.sobject == "Contact"} == {FieldState.RELEASED}
    assert len(effective.on("Lead")) == 3
    assert (effective.objects["Contact"].readable, effective.objects["Contact"].email) == (False, False)


def test_r24_an_object_without_its_email_is_released() -> None:
    """R24: where the key cannot be read the whole object is out of service, and the field says why."""
    effective = judge(*ROWS, lead=describe("Lead", without="Email"))
    assert {each.field: each.code for each in effective.fields if each.sobject == "Lead"} == {
        "email": "access_field",
        "last_name": "access_email",
        "company": "access_email",
    }
    assert (effective.objects["Lead"].readable, effective.objects["Lead"].email) == (True, False)
    assert effective.email("Lead") is None
    assert effective.email("Contact") is not None


def test_r43_a_field_that_we_may_not_edit_is_read_only() -> None:
    """R43: it is pulled, and what the lead wants to write there is an error: the direction stays as mapped."""
    memo = extra("memo,メモ,text,Memo__c,,,,,,", field("Memo__c", createable=False, updateable=False))
    assert (memo.state, memo.direction, memo.code) == (FieldState.READ_ONLY, Direction.BOTH, "access_read_only")
    assert not memo.pushed


def test_to_lead_needs_no_edit_access() -> None:
    """R30: a field that only travels to the lead is fine without edit access."""
    memo = extra("memo,メモ,text,Memo__c,,to_lead,,,,", field("Memo__c", createable=False, updateable=False))
    assert (memo.state, memo.code, memo.pushed) == (FieldState.READ_ONLY, "", False)


@pytest.mark.parametrize("sf_type", ["id", "reference"])
def test_r18_ids_are_shown_read_only(sf_type: str) -> None:
    """R18: an id on a text field is shown, and nothing about it is an error."""
    owner = extra("owner,所有者,text,Owner__c,,,,,,", field("Owner__c", sf_type, relationshipName="Owner__r"))
    assert (owner.state, owner.direction, owner.code) == (FieldState.READ_ONLY, Direction.TO_LEAD, "")


def test_r26_a_lookup_needs_its_reference() -> None:
    """R26: a field of a referenced object is found by the relationship's name, and never written (R27)."""
    company = the(judge(*ROWS), "company", "Contact")
    assert (company.api_name, company.state, company.direction) == (
        "Account.Name",
        FieldState.RELEASED,
        Direction.BOTH,
    )
    shown = the(judge(*ROWS, Account=describe("Account", field("Name", "string"))), "company", "Contact")
    assert (shown.api_name, shown.state, shown.direction, shown.code) == (
        "Account.Name",
        FieldState.READ_ONLY,
        Direction.TO_LEAD,
        "",
    )


def test_r26_direction_is_judged_per_object() -> None:
    """R26: the same row is written to Lead and only shown from the Contact's account."""
    effective = judge(*ROWS, Account=describe("Account", field("Name")))
    assert [each.pushed for each in effective.fields if each.field == "company"] == [True, False]


@pytest.mark.parametrize(
    ("name", "account"),
    [("Acount.Name", describe("Account", field("Name"))), ("Account.Nmae", describe("Account", field("Name")))],
)
def test_r26_a_lookup_that_leads_nowhere_is_released(name: str, account: dict[str, Any]) -> None:
    """R21, R26: an unknown relationship or an unknown field behind it releases the row."""
    shown = the(judge(*ROWS[:2], f"company,会社,text,,{name},,,,,", Account=account), "company", "Contact")
    assert (shown.state, shown.code) == (FieldState.RELEASED, "access_field")


def test_r26_an_undescribed_parent_is_trusted() -> None:
    """R26: without the parent's describe the relationship alone decides; any lead type shows it as text."""
    read, _ = mapping.parse({"a.csv": "\n".join((HEADER, *ROWS[:2], "n,人数,number,,Account.Size__c,,,,,")).encode()})
    assert read is not None
    effective = access.effective(read, {"Lead": describe("Lead"), "Contact": describe("Contact")})
    assert the(effective, "n", "Contact").state is FieldState.READ_ONLY


def test_parents_are_those_behind_mapped_lookups() -> None:
    """R26: the objects that must be described besides Lead and Contact."""
    read, _ = mapping.parse({"a.csv": "\n".join((HEADER, *ROWS)).encode()})
    assert read is not None
    assert access.parents(read, {"Lead": describe("Lead"), "Contact": describe("Contact")}) == ["Account"]
    assert access.parents(read, {"Lead": describe("Lead"), "Contact": None}) == []


def test_r12_only_active_values_are_kept() -> None:
    """R12: an inactive value of a picklist is none."""
    values = [
        {"value": "a", "label": "A", "active": True, "defaultValue": False, "validFor": None},
        {"value": "b", "label": "B", "active": False, "defaultValue": False, "validFor": None},
    ]
    rating = extra("rank,ランク,select,Rank__c,,,,,,", field("Rank__c", "picklist", picklistValues=values))
    assert [value.value for value in rating.picklist] == ["a"]


@pytest.mark.parametrize(("restricted", "allowed", "code"), [(True, False, "access_restricted"), (False, True, "")])
def test_r12_new_values_only_in_unrestricted_picklists(restricted: bool, allowed: bool, code: str) -> None:
    """R12: a restricted picklist is not opened by `allow_new_values`, and that is said."""
    rank = field("Rank__c", "picklist", restrictedPicklist=restricted)
    judged = extra("rank,ランク,select,Rank__c,,,,,true,", rank)
    assert (judged.allow_new_values, judged.code, judged.pushed) == (allowed, code, True)


def test_r19_required_fields_of_the_object() -> None:
    """R19: required is what is writable on create, not nillable and not defaulted, mapped or not."""
    effective = judge(*ROWS[:2], lead=describe("Lead", field("Rank__c", nillable=False)))
    assert effective.objects["Lead"].required == ("LastName", "Company", "Rank__c")
    assert effective.objects["Contact"].required == ("LastName",)
    assert effective.unfilled("Lead") == ["Company", "Rank__c"]
    assert the(effective, "last_name").required


def test_r19_an_unmapped_required_field_is_a_problem() -> None:
    """R19: a required field of Lead that no row fills means that no Lead can be created."""
    problems = access.problems(judge(*ROWS[:2]))
    assert [(problem.code, problem.rule) for problem in problems] == [("access_required", "R19")]
    assert "Company" in problems[0].message("en")


def test_problems_name_the_line() -> None:
    """What keeps a row from taking part is a problem with its file, line and column."""
    problems = access.problems(judge(*ROWS, "memo,メモ,text,,Memo__c,,,,,", Account=describe("Account", field("Name"))))
    assert [(problem.code, problem.file, problem.line, problem.column) for problem in problems] == [
        ("access_field", "a.csv", 5, "contact_field")
    ]


def test_r40_a_hidden_object_is_one_problem() -> None:
    """R40: an object that is out of service is said once, not once per row."""
    problems = access.problems(judge(*ROWS, Contact=None))
    assert [problem.code for problem in problems] == ["access_object"]


def test_a_slim_describe_decides_alike() -> None:
    """What is kept of a describe gives the same decisions as the whole of it."""
    org = {name: describe(name, field("Name")) for name in ("Lead", "Contact", "Account")}
    read, _ = mapping.parse({"a.csv": "\n".join((HEADER, *ROWS)).encode()})
    assert read is not None
    slim = {name: access.slim(whole) for name, whole in org.items()}
    assert access.effective(read, json.loads(json.dumps(slim))) == access.effective(read, org)
    assert "aggregatable" not in json.dumps(slim)


def test_the_effective_mapping_survives_json() -> None:
    """Later stages read what `prepare` staged."""
    effective = judge(*ROWS, Account=describe("Account", field("Name")))
    assert EffectiveMapping.model_validate_json(effective.model_dump_json()) == effective
