"""The controls: access, clock, fields, picklists, rows, purge, limits, the request log, reset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

ABE = {"LastName": "Abe", "Company": "ACME"}


def described(api: Api, name: str = "Lead") -> dict[str, dict[str, Any]]:
    """Return the described fields by name."""
    return {field["name"]: field for field in api("GET", f"sobjects/{name}/describe").json()["fields"]}


def test_controls_are_the_admins(salesforce: Emulator, api: Api):
    """The integration user's token opens no control."""
    assert api.http.post(f"{api.url}/_emulator/reset", timeout=10).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "nothing", 404), ("GET", "reset", 405), ("PUT", "clock", 400)]
)
def test_an_unknown_control_is_an_error(salesforce: Emulator, method: str, path: str, status: int):
    """A wrong path, method or body is said."""
    answer = salesforce.http.request(method, f"{salesforce.url}/_emulator/{path}", data=b"[", timeout=10)
    assert answer.status_code == (400 if status == 400 else status)
    assert answer.json()["error"]


def test_a_hidden_field_does_not_exist(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Without read access a field is in no describe, row or query, and no write knows it; the admin still sees it."""
    record_id = lead(HasOptedOutOfEmail=True)
    salesforce.access("Lead/HasOptedOutOfEmail", read=False)
    assert "HasOptedOutOfEmail" not in described(api)
    assert "HasOptedOutOfEmail" not in api.read("Lead", record_id)
    assert api.query("SELECT HasOptedOutOfEmail FROM Lead").json()[0]["errorCode"] == "INVALID_FIELD"
    assert api.query("SELECT Id FROM Lead WHERE HasOptedOutOfEmail = true").json()[0]["errorCode"] == "INVALID_FIELD"
    written = api("PATCH", f"sobjects/Lead/{record_id}", {"HasOptedOutOfEmail": False}).json()
    assert written == [
        {"message": "No such column 'HasOptedOutOfEmail' on sobject of type Lead", "errorCode": "INVALID_FIELD"}
    ]
    assert salesforce.admin_query("SELECT HasOptedOutOfEmail FROM Lead")[0]["HasOptedOutOfEmail"] is True


def test_a_read_only_field_is_not_written(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Without edit access a field is described as such and every write of it is refused."""
    record_id = lead(Title="CEO")
    salesforce.access("Lead/Title", edit=False)
    field = described(api)["Title"]
    answers = [
        api("POST", "sobjects/Lead", {**ABE, "Title": "x"}),
        api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "x"}),
    ]
    assert (field["createable"], field["updateable"]) == (False, False)
    assert {answer.json()[0]["errorCode"] for answer in answers} == {"INVALID_FIELD_FOR_INSERT_UPDATE"}
    assert api.read("Lead", record_id)["Title"] == "CEO"


def test_a_hidden_object_does_not_exist(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Without read access an object is nowhere: not in the global list, no describe, no query, no row."""
    record_id = lead()
    salesforce.access("Lead", read=False)
    names = [each["name"] for each in api("GET", "sobjects").json()["sobjects"]]
    paths = ["sobjects/Lead/describe", f"sobjects/Lead/{record_id}", "sobjects/Lead"]
    assert "Lead" not in names
    assert [api("GET", path).json()[0]["errorCode"] for path in paths] == ["NOT_FOUND"] * 3
    assert api.query("SELECT Id FROM Lead").json()[0]["errorCode"] == "INVALID_TYPE"


def test_a_hidden_parent_is_not_reached(salesforce: Emulator, api: Api):
    """A relationship to an object that the user may not read is not understood."""
    salesforce.access("Account", read=False)
    assert (
        "Didn't understand relationship 'Account'" in api.query("SELECT Account.Name FROM Contact").json()[0]["message"]
    )


def test_object_permissions_bind_writes(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Without create, edit or delete the describe says so and the call is refused."""
    record_id = lead()
    salesforce.access("Lead", create=False, edit=False, delete=False)
    whole = api("GET", "sobjects/Lead/describe").json()
    assert [whole[key] for key in ("createable", "updateable", "deletable", "queryable")] == [False, False, False, True]
    assert not any(field["createable"] or field["updateable"] for field in whole["fields"])
    answers = [
        api("POST", "sobjects/Lead", ABE),
        api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "x"}),
        api("DELETE", f"sobjects/Lead/{record_id}"),
    ]
    assert [(answer.status_code, answer.json()[0]["errorCode"]) for answer in answers] == [
        (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY"),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY"),
    ]


def test_a_change_of_access_renews_the_describe(salesforce: Emulator, api: Api):
    """Who asks with If-Modified-Since hears of a permission that changed within the same second."""
    since = api("GET", "sobjects/Lead/describe").headers["Last-Modified"]
    unchanged = api("GET", "sobjects/Lead/describe", headers={"If-Modified-Since": since})
    salesforce.access("Lead/Title", read=False)
    first = api("GET", "sobjects/Lead/describe", headers={"If-Modified-Since": since})
    salesforce.access("Lead/Title", read=True)
    second = api("GET", "sobjects/Lead/describe", headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert [answer.status_code for answer in (unchanged, first, second)] == [304, 200, 200]
    assert unchanged.content == b""


def test_only_permissionable_fields_have_security(salesforce: Emulator):
    """A required field cannot be hidden, as in a real org."""
    answer = salesforce.http.put(f"{salesforce.url}/_emulator/access/Lead/LastName", json={"read": False}, timeout=10)
    assert (answer.status_code, "permissionable" in answer.json()["error"]) == (400, True)


def test_the_clock_rules_stamps_and_dates(salesforce: Emulator, api: Api):
    """Stamps and the Date header tell the org's time, frozen or shifted."""
    salesforce.clock(frozen_at="2030-01-01T00:00:00Z")
    answer = api("POST", "sobjects/Lead", ABE)
    frozen = api.read("Lead", answer.json()["id"])["CreatedDate"]
    shifted = salesforce.clock(offset_seconds=-86_400 * 365)
    assert (frozen, answer.headers["Date"]) == ("2030-01-01T00:00:00.000+0000", "Tue, 01 Jan 2030 00:00:00 GMT")
    assert shifted < salesforce.clock()


def test_a_custom_field_is_like_any_other(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """A new field is described, written, found and upserted by; dropped, it never was."""
    before = lead()
    field = {"name": "Lead_Key__c", "type": "string", "length": 20, "externalId": True, "unique": True}
    salesforce.control("POST", "fields/Lead", field)
    assert described(api)["Lead_Key__c"]["idLookup"] is True
    created = api("PATCH", "sobjects/Lead/Lead_Key__c/k-1", ABE)
    duplicate = api("POST", "sobjects/Lead", {**ABE, "lead_key__C": "K-1"}).json()
    assert created.status_code == 201
    short = created.json()["id"][:15]
    assert duplicate[0]["message"] == f"duplicate value found: Lead_Key__c duplicates value on record with id: {short}"
    assert api.read("Lead", before)["Lead_Key__c"] is None
    salesforce.control("DELETE", "fields/Lead/Lead_Key__c")
    assert api.query("SELECT Lead_Key__c FROM Lead").json()[0]["errorCode"] == "INVALID_FIELD"
    assert api.query("SELECT count() FROM Lead").json()["totalSize"] == 2


def test_a_new_check_box_is_unticked_everywhere(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Rows older than a check box read as false, not as null."""
    record_id = lead()
    salesforce.control("POST", "fields/Lead", {"name": "Vip__c", "type": "boolean"})
    assert api.read("Lead", record_id)["Vip__c"] is False


def test_a_picklist_takes_its_new_values(salesforce: Emulator, api: Api):
    """A restricted multi-select takes active values only, each once, in the order of the list."""
    values = [{"value": "red", "label": "Red"}, {"value": "blue"}, {"value": "old", "active": False}]
    field = {"name": "Colours__c", "type": "multipicklist", "restrictedPicklist": True, "picklistValues": ["green"]}
    salesforce.control("POST", "fields/Lead", field)
    salesforce.control("PUT", "picklists/Lead/Colours__c", values)
    labels = {each["value"]: (each["label"], each["active"]) for each in described(api)["Colours__c"]["picklistValues"]}
    assert labels == {"red": ("Red", True), "blue": ("blue", True), "old": ("old", False)}
    stored = api.read("Lead", api.create("Lead", **ABE, Colours__c="blue;red; blue"))["Colours__c"]
    refused = [api("POST", "sobjects/Lead", {**ABE, "Colours__c": given}).json() for given in ("green", "red;old")]
    assert stored == "red;blue"
    assert [each[0]["message"] for each in refused] == [
        "Colours: bad value for restricted picklist field: green",
        "Colours: bad value for restricted picklist field: old",
    ]


def test_a_row_can_be_set_without_side_effects(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """`rows` sets stamps and values as they are, and the name with its parts."""
    record_id = lead(FirstName="Taro")
    before = api.read("Lead", record_id)
    given = {"LastName": "Sato", "SystemModstamp": "2020-01-01T00:00:00Z", "OwnerId": None}
    salesforce.control("PUT", f"rows/Lead/{record_id}", given)
    after = api.read("Lead", record_id)
    changed = {name: value for name, value in after.items() if before[name] != value}
    assert changed == {
        "LastName": "Sato",
        "Name": "Taro Sato",
        "SystemModstamp": "2020-01-01T00:00:00.000+0000",
        "OwnerId": None,
    }


def test_a_row_may_become_visible_late(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """`visible_at` hides a row from queries until then, as a transaction that commits late."""
    salesforce.clock(frozen_at="2026-05-01T00:00:00Z")
    salesforce.control("PUT", f"rows/Lead/{lead()}", {"visible_at": "2026-05-01T00:05:00Z"})
    before = api.query("SELECT count() FROM Lead").json()["totalSize"]
    salesforce.clock(frozen_at="2026-05-01T00:05:00Z")
    assert (before, api.query("SELECT count() FROM Lead").json()["totalSize"]) == (0, 1)


def test_a_purged_row_is_gone_for_good(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """A purged row is not even in queryAll."""
    record_id = lead()
    api("DELETE", f"sobjects/Lead/{record_id}")
    salesforce.control("POST", "purge", {"ids": [record_id]})
    assert api.query("SELECT Id FROM Lead", "queryAll").json()["totalSize"] == 0


def test_the_quota_runs_out(salesforce: Emulator, api: Api):
    """Each call spends one and says how many are spent; without any left it is refused, without being counted."""
    salesforce.control("PUT", "limits", {"DailyApiRequests": {"Max": 10, "Remaining": 2}})
    answers = [api("GET", "limits") for _ in range(3)]
    assert [answer.headers.get("Sforce-Limit-Info") for answer in answers[:2]] == ["api-usage=9/10", "api-usage=10/10"]
    assert (answers[2].status_code, answers[2].json()) == (
        403,
        [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}],
    )
    assert [entry["counted"] for entry in salesforce.requests()[-3:]] == [True, True, False]


def test_the_log_tells_every_request(salesforce: Emulator, api: Api):
    """The log has method, path, query, user and status of each request, refused ones included, and can be cleared."""
    salesforce.clear_requests()
    api.query("SELECT Id FROM Lead")
    api("GET", "sobjects/Nothing")
    keys = ("method", "path", "query", "user", "status", "counted")
    assert [[entry[key] for key in keys] for entry in salesforce.requests()] == [
        ["GET", "/services/data/v59.0/query", "q=SELECT+Id+FROM+Lead", "integration@emulator.example", 200, True],
        ["GET", "/services/data/v59.0/sobjects/Nothing", "", "integration@emulator.example", 404, True],
    ]


def test_a_reset_forgets_all_but_users_and_keys(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """After a reset the org is as it started; logins and sessions hold, and no id is used again."""
    first = lead()
    salesforce.access("Lead/Title", read=False)
    salesforce.control("POST", "fields/Lead", {"name": "Vip__c", "type": "boolean"})
    salesforce.clock(frozen_at="2030-01-01T00:00:00Z")
    salesforce.reset()
    assert api.query("SELECT count() FROM Lead").json()["totalSize"] == 0
    assert {"Title", "Vip__c"} & described(api).keys() == {"Title"}
    assert api.read("Lead", second := lead())["CreatedDate"] < "2030"
    assert second > first
