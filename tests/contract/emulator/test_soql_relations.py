"""SOQL over relationships: child queries, semi-joins, polymorphic owners, aliases of parents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from simple_salesforce import Salesforce

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator


@pytest.fixture
def family(api: Api) -> Api:
    """Give an org with one Account with two Contacts and one with none."""
    acme = api.create("Account", Name="ACME")
    api.create("Account", Name="Zeta")
    api.create("Contact", LastName="Abe", AccountId=acme)
    api.create("Contact", LastName="Baba", AccountId=acme)
    api.create("Contact", LastName="Chiba")
    return api


def test_children_are_a_result_within_the_record(family: Api):
    """A child query gives a nested result, or null where there are no children (recorded)."""
    records = family.query(
        "SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName DESC) FROM Account ORDER BY Name"
    )
    acme, zeta = records.json()["records"]
    assert list(acme) == ["attributes", "Name", "Contacts"]
    assert (acme["Contacts"]["totalSize"], acme["Contacts"]["done"]) == (2, True)
    assert [each["LastName"] for each in acme["Contacts"]["records"]] == ["Baba", "Abe"]
    assert acme["Contacts"]["records"][0]["attributes"]["type"] == "Contact"
    assert zeta["Contacts"] is None


@pytest.mark.parametrize(
    ("child", "expected"),
    [
        ("SELECT LastName FROM Contacts WHERE LastName LIKE 'a%'", ["Abe"]),
        ("SELECT LastName FROM Contacts ORDER BY LastName LIMIT 1", ["Abe"]),
        ("SELECT LastName FROM Contacts ORDER BY LastName LIMIT 1 OFFSET 1", ["Baba"]),
        ("SELECT c.LastName FROM Account.Contacts c", None),
        ("SELECT LastName FROM Contacts WHERE LastName = 'nobody'", None),
    ],
)
def test_each_parent_has_its_own_children(family: Api, child: str, expected: list[str] | None):
    """Conditions, order and limit of a child query hold for each parent."""
    answer = family.query(f"SELECT ({child}) FROM Account WHERE Name = 'ACME'")
    if answer.status_code == 400:
        assert answer.json()[0]["errorCode"] == "INVALID_TYPE"
        assert "Account." in child
        return
    found = answer.json()["records"][0]["Contacts"]
    assert (found and [each["LastName"] for each in found["records"]]) == expected


def test_many_children_come_in_pages(api: Api):
    """Children beyond a page are fetched by their own locator."""
    account = api.create("Account", Name="ACME")
    for start in (0, 150):
        rows = [
            {"attributes": {"type": "Contact"}, "LastName": f"C{start + number:03}", "AccountId": account}
            for number in range(150)
        ]
        api("POST", "composite/sobjects", {"records": rows})
    soql = "SELECT Id, (SELECT LastName FROM Contacts ORDER BY LastName) FROM Account"
    children = api.query(soql, headers={"Sforce-Query-Options": "batchSize=200"}).json()["records"][0]["Contacts"]
    rest = api("GET", children["nextRecordsUrl"]).json()
    assert (children["totalSize"], children["done"], len(children["records"])) == (300, False, 200)
    assert [each["LastName"] for each in rest["records"]] == [f"C{number:03}" for number in range(200, 300)]


def test_simple_salesforce_reads_children(salesforce: Emulator, family: Api):
    """An unpatched client gets parents with children over several pages."""
    client = Salesforce(session_id=salesforce.login(), instance_url=salesforce.url)
    records = client.query_all("SELECT Name, (SELECT LastName FROM Contacts) FROM Account ORDER BY Name")["records"]
    assert [(each["Contacts"] or {}).get("totalSize") for each in records] == [2, None]


SEMI = [
    ("Id IN (SELECT AccountId FROM Contact)", ["ACME"]),
    ("Id NOT IN (SELECT AccountId FROM Contact)", ["Zeta"]),
    ("Id IN (SELECT AccountId FROM Contact WHERE LastName = 'chiba')", []),
    ("Id IN (SELECT AccountId FROM Contact WHERE Account.Name = 'ACME') AND Name != 'x'", ["ACME"]),
    ("OwnerId IN (SELECT Id FROM User WHERE IsActive = true)", ["ACME", "Zeta"]),
]


@pytest.mark.parametrize(("where", "expected"), SEMI, ids=[each[0] for each in SEMI])
def test_a_semi_join_finds(family: Api, where: str, expected: list[str]):
    """IN over a query takes rows with a match, NOT IN those without."""
    answer = family.query(f"SELECT Name FROM Account WHERE {where} ORDER BY Name")
    assert [each["Name"] for each in answer.json()["records"]] == expected, answer.text


def test_an_owner_is_of_some_type(lead: Callable[..., str], api: Api):
    """A polymorphic owner has the fields of `Name`, and says its type."""
    lead()
    answer = api.query("SELECT Owner.Type, Owner.Name, Owner.Username FROM Lead WHERE Owner.Type = 'user'")
    owner = answer.json()["records"][0]["Owner"]
    assert list(owner) == ["attributes", "Type", "Name", "Username"]
    assert (owner["Type"], owner["attributes"]["type"]) == ("User", "User")


@pytest.mark.parametrize(
    ("branches", "expected"),
    [
        ("WHEN User THEN Username, Alias WHEN Group THEN Name", ["attributes", "Username", "Alias"]),
        ("WHEN Group THEN Name ELSE Id", ["attributes", "Id"]),
        ("WHEN Group THEN Name", None),
    ],
)
def test_typeof_selects_by_the_type(lead: Callable[..., str], api: Api, branches: str, expected: list[str] | None):
    """Each type gives its own fields, any other those of ELSE, or null (recorded for Event)."""
    lead()
    (record,) = api.query(f"SELECT Id, TYPEOF Owner {branches} END FROM Lead").json()["records"]
    assert (record["Owner"] and list(record["Owner"])) == expected


def test_a_parent_can_have_a_name(family: Api):
    """FROM names a parent by an alias, and conditions use it."""
    answer = family.query(
        "SELECT c.LastName, a.Name FROM Contact c, c.Account a WHERE a.Name = 'acme' ORDER BY c.LastName"
    )
    records = answer.json()["records"]
    assert [(each["LastName"], each["Account"]["Name"]) for each in records] == [("Abe", "ACME"), ("Baba", "ACME")]


def test_mine_are_those_i_own(salesforce: Emulator, family: Api):
    """USING SCOPE mine leaves out what others own."""
    salesforce.admin_create("Account", {"Name": "Others"})
    answer = family.query("SELECT Name FROM Account USING SCOPE mine ORDER BY Name")
    assert [each["Name"] for each in answer.json()["records"]] == ["ACME", "Zeta"]


REFUSED = [
    ("SELECT (SELECT Id FROM Nope) FROM Account", "INVALID_TYPE", "Didn't understand relationship 'Nope' in FROM part"),
    ("SELECT (SELECT count() FROM Contacts) FROM Account", "MALFORMED_QUERY", "Aggregate expressions are not allowed"),
    ("SELECT Id FROM Account WHERE Name IN (SELECT AccountId FROM Contact)", "INVALID_FIELD", "The left operand field"),
    ("SELECT Id FROM Account WHERE Id IN (SELECT Name FROM Contact)", "INVALID_FIELD", "The inner select field"),
    (
        "SELECT Id FROM Account WHERE Name = 'x' OR Id IN (SELECT AccountId FROM Contact)",
        "MALFORMED_QUERY",
        "Semi join sub-selects are not supported with the 'OR' operator",
    ),
    (
        "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Id IN (SELECT Id FROM Contact))",
        "MALFORMED_QUERY",
        "Nesting of semi join sub-selects is not supported",
    ),
    ("SELECT Id FROM Account WHERE Id IN (SELECT Id FROM Nowhere)", "INVALID_TYPE", "sObject type 'Nowhere'"),
    ("SELECT TYPEOF CreatedBy WHEN User THEN Id END FROM Lead", "INVALID_FIELD", "Didn't understand relationship"),
    ("SELECT TYPEOF Owner WHEN Contact THEN Id END FROM Lead", "INVALID_TYPE", "Contact is not a type"),
    (
        "SELECT TYPEOF Owner WHEN User THEN Nope END FROM Lead",
        "INVALID_FIELD",
        "No such column 'Nope' on entity 'User'",
    ),
    ("SELECT TYPEOF Owner WHEN User THEN Id END, Owner.Name FROM Lead", "INVALID_FIELD", "duplicate field selected"),
    ("SELECT Id FROM Account USING SCOPE yours", "INVALID_QUERY_SCOPE", "Invalid scope"),
    ("SELECT Id, (SELECT Id FROM Contacts FOR VIEW) FROM Account", "MALFORMED_QUERY", "unexpected token: 'VIEW'"),
]


@pytest.mark.parametrize(("soql", "code", "message"), REFUSED, ids=[each[0] for each in REFUSED])
def test_a_wrong_relationship_is_refused(api: Api, soql: str, code: str, message: str):
    """What relationships do not allow is refused with its code and reason."""
    (error,) = api.query(soql).json()
    assert (error["errorCode"], message in error["message"]) == (code, True), error["message"]


def test_what_sharing_hides_is_no_parent_child_or_match(salesforce: Emulator, family: Api):
    """Rows that the user may not see vanish from parents, child queries and semi-joins alike."""
    salesforce.control("PUT", "sharing/Account", {"default": "Private"})
    other = salesforce.admin_create("Account", {"Name": "Hidden"})
    salesforce.control("PUT", "sharing/Contact", {"default": "Read"})
    salesforce.admin_create("Contact", {"LastName": "Date", "AccountId": other})
    (record,) = family.query("SELECT Account.Name FROM Contact WHERE LastName = 'Date'").json()["records"]
    accounts = family.query("SELECT Id FROM Contact WHERE AccountId IN (SELECT Id FROM Account)").json()["totalSize"]
    assert (record["Account"], accounts) == (None, 2)
