"""Sharing: which rows a user reaches, how far, and who the users are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceResourceNotFound

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

ABE = {"LastName": "Abe", "Company": "ACME"}


def share(salesforce: Emulator, name: str, default: str, *rules: dict[str, Any]) -> None:
    """Set an object's organisation-wide default and its rules."""
    salesforce.control("PUT", f"sharing/{name}", {"default": default, "rules": list(rules)})


def codes(answer: Any) -> tuple[int, str]:
    """Return HTTP status and error code."""
    return answer.status_code, answer.json()[0]["errorCode"]


@pytest.fixture
def hidden(salesforce: Emulator, api: Api) -> str:
    """Give the id of a Lead that the administrator owns while Leads are private."""
    share(salesforce, "Lead", "Private")
    return salesforce.admin_create("Lead", {**ABE, "Email": "abe@example.jp"})


def test_a_private_row_is_its_owners(salesforce: Emulator, api: Api, hidden: str):
    """What others own is in no query, no retrieve and no list of changes (documented)."""
    own = api.create("Lead", **ABE)
    now = salesforce.clock()
    period = {"start": now.replace("+0000", "Z")[:10] + "T00:00:00Z", "end": "2099-01-01T00:00:00Z"}
    found = api.query("SELECT Id FROM Lead").json()["records"]
    retrieved = api("POST", "composite/sobjects/Lead", {"ids": [hidden, own], "fields": ["Id"]}).json()
    assert [each["Id"] for each in found] == [own]
    assert [each and each["Id"] for each in retrieved] == [None, own]
    assert api("GET", "sobjects/Lead/updated", params=period).json()["ids"] == [own]
    assert len(salesforce.admin_query("SELECT Id FROM Lead")) == 2


def test_a_hidden_row_is_not_found(api: Api, hidden: str):
    """GET of a hidden row is answered as if it never was."""
    assert codes(api("GET", f"sobjects/Lead/{hidden}")) == (404, "NOT_FOUND")
    assert codes(api("GET", "sobjects/Lead/Email/abe@example.jp")) == (404, "NOT_FOUND")


def test_simple_salesforce_does_not_find_a_hidden_row(salesforce: Emulator, hidden: str):
    """The client library sees neither the row nor its existence."""
    user = salesforce.integration
    keys = {key: user[key] for key in ("consumer_key", "consumer_secret", "domain")}
    org = Salesforce(**keys)
    with pytest.raises(SalesforceResourceNotFound):
        org.Lead.get(hidden)
    assert org.query("SELECT count() FROM Lead")["totalSize"] == 0


def test_a_hidden_row_is_not_written(api: Api, hidden: str):
    """A write of a hidden row is refused and changes nothing (its code is guessed)."""
    expected = (400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY")
    assert codes(api("PATCH", f"sobjects/Lead/{hidden}", {"Title": "x"})) == expected
    assert codes(api("DELETE", f"sobjects/Lead/{hidden}")) == expected


def test_a_readable_row_is_not_written(salesforce: Emulator, api: Api, hidden: str):
    """A row open for reading refuses writes with INSUFFICIENT_ACCESS_OR_READONLY, alone and in collections."""
    share(salesforce, "Lead", "Read")
    record = {"attributes": {"type": "Lead"}, "Id": hidden, "Title": "x"}
    (result,) = api("PATCH", "composite/sobjects", {"records": [record]}).json()
    assert api.read("Lead", hidden)["LastName"] == "Abe"
    assert codes(api("PATCH", f"sobjects/Lead/{hidden}", {"Title": "x"})) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert result["errors"][0]["statusCode"] == "INSUFFICIENT_ACCESS_OR_READONLY"
    assert api.read("Lead", hidden)["Title"] is None


def test_an_editable_row_is_not_deleted_by_others(salesforce: Emulator, api: Api):
    """Public Read/Write leaves deleting to the owner and to "modify all" (documented)."""
    record_id = salesforce.admin_create("Lead", ABE)
    refused = api("DELETE", f"sobjects/Lead/{record_id}")
    salesforce.access("Lead", modify_all=True)
    assert codes(refused) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert api("DELETE", f"sobjects/Lead/{record_id}").status_code == 204


def test_a_rule_opens_what_meets_it(salesforce: Emulator, api: Api, hidden: str):
    """A criteria-based rule opens rows for reading or editing, as soon as they meet it."""
    other = salesforce.admin_create("Lead", {**ABE, "LeadSource": "Web"})
    share(salesforce, "Lead", "Private", {"field": "LeadSource", "value": "web", "access": "Read"})
    read = [each["Id"] for each in api.query("SELECT Id FROM Lead").json()["records"]]
    refused = api("PATCH", f"sobjects/Lead/{other}", {"Title": "x"})
    share(salesforce, "Lead", "Private", {"field": "LeadSource", "value": "Web", "access": "Edit"})
    assert read == [other]
    assert codes(refused) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert api("PATCH", f"sobjects/Lead/{other}", {"Title": "x"}).status_code == 204
    salesforce.admin_update("Lead", other, {"LeadSource": "Other"})
    assert codes(api("GET", f"sobjects/Lead/{other}")) == (404, "NOT_FOUND")


def test_a_contact_is_as_open_as_its_account(salesforce: Emulator, api: Api):
    """Controlled by parent: hidden with its Account, read-only with it; without one it is its owner's (documented)."""
    share(salesforce, "Contact", "ControlledByParent")
    account = salesforce.admin_create("Account", {"Name": "ACME"})
    contact = salesforce.admin_create("Contact", {"LastName": "Abe", "AccountId": account})
    alone = salesforce.admin_create("Contact", {"LastName": "Sato"})
    seen = []
    for default in ("Private", "Read", "Edit"):
        share(salesforce, "Account", default)
        status = api("PATCH", f"sobjects/Contact/{contact}", {"Title": "x"}).status_code
        seen.append((api("GET", f"sobjects/Contact/{contact}").status_code, status))
    assert seen == [(404, 400), (200, 403), (200, 204)]
    assert api("GET", f"sobjects/Contact/{alone}").status_code == 404


@pytest.mark.parametrize("grant", ["profile", "user"])
def test_view_all_reads_and_does_not_edit(salesforce: Emulator, api: Api, hidden: str, grant: str):
    """View-all, of the profile on an object or of the user on all data, opens private rows for reading only."""
    if grant == "profile":
        salesforce.access("Lead", view_all=True)
    else:
        user = next(each for each in salesforce.control("GET", "users") if each["profile"] == "integration")
        salesforce.control("PUT", f"users/{user['id']}", {"view_all": True})
    assert api.read("Lead", hidden)["Id"] == hidden
    assert codes(api("PATCH", f"sobjects/Lead/{hidden}", {"Title": "x"})) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")


def test_a_hidden_parent_reads_as_none(salesforce: Emulator, api: Api):
    """A parent that sharing hides is null in a query, and cannot be referred to (guessed)."""
    share(salesforce, "Account", "Private")
    share(salesforce, "Lead", "All")
    account = salesforce.admin_create("Account", {"Name": "ACME"})
    refused = api("POST", "sobjects/Contact", {"LastName": "Abe", "AccountId": account})
    assert codes(refused) == (400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY")


def test_a_hidden_twin_has_no_id(salesforce: Emulator, api: Api, hidden: str):
    """A unique value that a hidden row holds is refused without telling which row (logged: `<unknown>`)."""
    salesforce.control("POST", "fields/Lead", {"name": "Key__c", "type": "string", "unique": True, "externalId": True})
    salesforce.admin_update("Lead", hidden, {"Key__c": "k"})
    answer = api("PATCH", "sobjects/Lead/Key__c/k", ABE)
    assert answer.json()[0]["message"] == "duplicate value found: Key__c duplicates value on record with id: <unknown>"


def test_the_organization_tells_its_defaults(salesforce: Emulator, api: Api):
    """Organization.Default…Access follows the control, in its own words (documented)."""
    soql = "SELECT DefaultLeadAccess, DefaultContactAccess, DefaultAccountAccess FROM Organization"
    before = api.query(soql).json()["records"][0]
    share(salesforce, "Lead", "Private")
    after = api.query(soql).json()["records"][0]
    assert [before[f"Default{name}Access"] for name in ("Lead", "Contact", "Account")] == [
        "ReadEditTransfer",
        "Edit",
        "Edit",
    ]
    assert after["DefaultLeadAccess"] == "None"


@pytest.mark.parametrize(
    "body", [{"default": "Sometimes"}, {"default": "ControlledByParent"}, {"rules": [{}]}, {"x": 1}]
)
def test_sharing_that_no_org_offers_is_refused(salesforce: Emulator, body: dict[str, Any]):
    """An unknown default or an incomplete rule is an error of the control."""
    answer = salesforce.http.put(f"{salesforce.url}/_emulator/sharing/Lead", json=body, timeout=10)
    assert answer.status_code == 400


def test_a_further_user_acts_under_its_profile(salesforce: Emulator, api: Api):
    """A new user logs in with its own keys, owns what it creates, and has its profile's permissions, not another's."""
    name = f"sales-{salesforce.clock()}@emulator.example"
    user = salesforce.control("POST", "users", {"username": name, "profile": "sales", "last_name": "Suzuki"})
    salesforce.control("PUT", "access/Lead/Title", {"profile": "sales", "edit": False})
    session = salesforce.session(salesforce.login(user))
    made = session.post(f"{api.root}/sobjects/Lead", json=ABE, timeout=10).json()
    refused = session.patch(f"{api.root}/sobjects/Lead/{made['id']}", json={"Title": "x"}, timeout=10)
    share(salesforce, "Lead", "Private")
    assert codes(refused) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    assert "Title" in api.read("User", user["id"])
    assert api.query("SELECT Id FROM Lead").json()["totalSize"] == 0
    assert session.get(f"{api.root}/sobjects/Lead/{made['id']}", timeout=10).json()["OwnerId"] == user["id"]
    twice = salesforce.http.post(
        f"{salesforce.url}/_emulator/users", json={"username": name, "profile": "sales"}, timeout=10
    )
    assert twice.status_code == 400


def test_a_queue_owns_leads(salesforce: Emulator, api: Api):
    """A queue may own a Lead; where Leads are private its members reach them in full, and others do not."""
    me = next(each["id"] for each in salesforce.control("GET", "users") if each["profile"] == "integration")
    queue = salesforce.control("POST", "queues", {"name": "Web リード", "developer_name": "Web"})["id"]
    record_id = api.create("Lead", **ABE, OwnerId=queue)
    share(salesforce, "Lead", "Private")
    hidden = api("GET", f"sobjects/Lead/{record_id}").status_code
    assert salesforce.control("POST", "queues", {"name": "Web リード", "developer_name": "web", "members": [me]}) == {
        "id": queue
    }
    assert (hidden, api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "x"}).status_code) == (404, 204)
    soql = "SELECT OwnerId, Owner.Name, Owner.Type FROM Lead WHERE Owner.Type = 'Queue'"
    (row,) = api.query(soql).json()["records"]
    assert (row["OwnerId"], row["Owner"]["Name"], row["Owner"]["Type"]) == (queue, "Web リード", "Queue")
    (share_row,) = api.query("SELECT UserOrGroupId, RowCause FROM LeadShare").json()["records"]
    assert (share_row["UserOrGroupId"], share_row["RowCause"]) == (queue, "Owner")
    members = api.query("SELECT UserOrGroupId FROM GroupMember WHERE Group.Type = 'Queue'").json()["records"]
    assert [each["UserOrGroupId"] for each in members] == [me]
    assert api("DELETE", f"sobjects/Lead/{record_id}").status_code == 204


def test_only_a_queue_may_own(salesforce: Emulator, api: Api):
    """Another group, or one that is not there, is no owner; a Contact belongs to a user."""
    queue = salesforce.control("POST", "queues", {"name": "Q"})["id"]
    everybody = api.query("SELECT Id FROM Group WHERE Type = 'Organization'").json()["records"][0]["Id"]
    assert codes(api("POST", "sobjects/Lead", {**ABE, "OwnerId": everybody})) == (400, "INVALID_CROSS_REFERENCE_KEY")
    assert codes(api("POST", "sobjects/Lead", {**ABE, "OwnerId": "00G5i0zzzzzzzzz"})) == (
        400,
        "INVALID_CROSS_REFERENCE_KEY",
    )
    assert codes(api("POST", "sobjects/Contact", {"LastName": "Abe", "OwnerId": queue})) == (400, "MALFORMED_ID")
    refused = salesforce.http.post(
        f"{salesforce.url}/_emulator/queues", json={"name": "Q", "members": ["x"]}, timeout=9
    )
    assert refused.status_code == 400
