"""One story whichever way it is asked: hidden and read-only objects, fields and rows, taken away and given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.emulator.test_bulk_ingest import Bulk
from tests.contract.emulator.test_bulk_query import finished, results, start
from tests.contract.emulator.test_permissions import access, definitions
from tests.contract.emulator.test_sharing import ABE, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

    Told = Callable[[], dict[str, Any]]

PERIOD = {"start": "2026-06-01T00:00:00Z", "end": "2026-07-01T00:00:00Z"}


@pytest.fixture
def record_id(salesforce: Emulator, api: Api) -> str:
    """Give a Lead of the administrator's with a key and a title, made on a known day."""
    field = {"name": "Key__c", "type": "string", "length": 20, "externalId": True, "unique": True}
    salesforce.control("POST", "fields/Lead", field)
    salesforce.clock(frozen_at="2026-06-15T00:00:00Z")
    share(salesforce, "Lead", "ReadEditTransfer")
    return salesforce.admin_create("Lead", {**ABE, "Key__c": "k", "Title": "CEO"})


def outcome(answer: Any) -> Any:
    """Return a code where a call or its one record is refused, else its status."""
    body = answer.json() if answer.content else None
    first = body[0] if isinstance(body, list) and body else None
    if isinstance(first, dict) and "errorCode" in first:
        return first["errorCode"]
    if isinstance(first, dict) and first.get("success") is False:
        return first["errors"][0]["statusCode"]
    return answer.status_code


def selected(api: Api, soql: str, resource: str = "query") -> Any:
    """Return the ids that a query finds, or the code of its refusal."""
    answer = api.query(soql, resource)
    return [each["Id"] for each in answer.json()["records"]] if answer.ok else answer.json()[0]["errorCode"]


def bulk_query(api: Api, soql: str) -> Any:
    """Return how many rows a query job finds, or the code of its refusal."""
    created = start(api, soql)
    if not created.ok:
        return created.json()[0]["errorCode"]
    job = finished(api, soql)
    if job["state"] == "Failed":
        return job["errorMessage"].partition(":")[0]
    return len(results(api, job).content.decode().splitlines()) - 1


def bulk_update(api: Api, record_id: str, field: str = "Title") -> Any:
    """Return what a job does to a row: how many are changed, or the code of the refusal."""
    created = api("POST", "jobs/ingest", {"operation": "update", "object": "Lead", "lineEnding": "LF"})
    if not created.ok:
        return created.json()[0]["errorCode"]
    bulk, job_id = Bulk(api), created.json()["id"]
    bulk.put(job_id, f"Id,{field}\n{record_id},x\n")
    bulk.state(job_id, "UploadComplete")
    job = bulk.wait(job_id)
    if job["state"] == "Failed":
        return job["errorMessage"].split(":")[0].strip()
    failed = bulk.lines(job, "failedResults")
    return failed[0]["sf__Error"].partition(":")[0] if failed else 1


def story(salesforce: Emulator, api: Api, record_id: str, field: str = "Title") -> dict[str, Any]:
    """Ask every API for a Lead and one of its fields."""
    described = api("GET", "sobjects/Lead/describe")
    fields = {each["name"]: each for each in described.json()["fields"]} if described.ok else {}
    updated = api("GET", "sobjects/Lead/updated", params=PERIOD)
    retrieved = api("POST", "composite/sobjects/Lead", {"ids": [record_id], "fields": ["Id"]})
    read = api("GET", f"sobjects/Lead/{record_id}")
    record = {"attributes": {"type": "Lead"}, "Id": record_id, field: "x"}
    keyed = {"attributes": {"type": "Lead"}, "Key__c": "k", field: "x"}
    return {
        "global": "Lead" in [each["name"] for each in api("GET", "sobjects").json()["sobjects"]],
        "definition": "Lead" in definitions(api),
        "describe": outcome(described),
        "field": (fields[field]["createable"], fields[field]["updateable"]) if field in fields else None,
        "access": access(salesforce, api, record_id)[0],
        "query": selected(api, f"SELECT Id FROM Lead WHERE {field} != null"),
        "queryAll": selected(api, f"SELECT Id, {field} FROM Lead", "queryAll"),
        "bulk query": bulk_query(api, f"SELECT Id, {field} FROM Lead"),
        "read": (outcome(read), field in read.json()),
        "read by key": outcome(api("GET", "sobjects/Lead/Key__c/k")),
        "read field": outcome(api("GET", f"sobjects/Lead/{record_id}?fields={field}")),
        "updated": updated.json()["ids"] if updated.ok else outcome(updated),
        "retrieve": [each and each["Id"] for each in retrieved.json()] if retrieved.ok else outcome(retrieved),
        "update": outcome(api("PATCH", f"sobjects/Lead/{record_id}", {field: "x"})),
        "collection": outcome(api("PATCH", "composite/sobjects", {"records": [record]})),
        "upsert": outcome(api("PATCH", "sobjects/Lead/Key__c/k", {field: "x"})),
        "upserts": outcome(api("PATCH", "composite/sobjects/Lead/Key__c", {"records": [keyed]})),
        "bulk update": bulk_update(api, record_id, field),
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what is told otherwise than before."""
    return {key: after[key] for key in before if before[key] != after[key]}


NONE = [False, False, False, False, False, "None"]
NOT_THERE = "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
READ_ONLY = "INSUFFICIENT_ACCESS_OR_READONLY"
NO_FIELD, NO_EDIT = "INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_a_hidden_object_is_nowhere(salesforce: Emulator, api: Api, record_id: str):
    """Without the permission to read an object no API knows it; given back, all is as it was."""
    before = story(salesforce, api, record_id)
    salesforce.access("Lead", read=False)
    assert differences(before, story(salesforce, api, record_id)) == {
        "global": False,
        "definition": False,
        "describe": "NOT_FOUND",
        "field": None,
        "access": NONE,
        "query": "INVALID_TYPE",
        "queryAll": "INVALID_TYPE",
        "bulk query": "INVALID_TYPE",
        "read": ("NOT_FOUND", False),
        "read by key": "NOT_FOUND",
        "read field": "NOT_FOUND",
        "updated": "NOT_FOUND",
        "retrieve": "NOT_FOUND",
        "update": "NOT_FOUND",
        "collection": "INVALID_TYPE",
        "upsert": "NOT_FOUND",
        "upserts": "NOT_FOUND",
        "bulk update": "INVALIDJOB",
    }
    salesforce.access("Lead", read=True)
    assert differences(before, story(salesforce, api, record_id)) == {}


def test_a_hidden_field_is_nowhere(salesforce: Emulator, api: Api, record_id: str):
    """Without the right to read a field it is in no answer and no write; the row is as reachable as before."""
    before = story(salesforce, api, record_id)
    salesforce.access("Lead/Title", read=False)
    assert differences(before, story(salesforce, api, record_id)) == {
        "field": None,
        "query": NO_FIELD,
        "queryAll": NO_FIELD,
        "bulk query": "INVALID_FIELD",
        "read": (200, False),
        "read field": NO_FIELD,
        "update": NO_FIELD,
        "collection": NO_FIELD,
        "upsert": NO_FIELD,
        "upserts": NO_FIELD,
        "bulk update": "InvalidBatch",
    }
    salesforce.access("Lead/Title", read=True, edit=True)
    assert differences(before, story(salesforce, api, record_id)) == {}


def test_a_read_only_field_refuses_every_write(salesforce: Emulator, api: Api, record_id: str):
    """Without the right to edit a field it is read as before, and refused alike by each way of writing."""
    before = story(salesforce, api, record_id)
    salesforce.access("Lead/Title", edit=False)
    writes = ("update", "collection", "upsert", "upserts", "bulk update")
    assert differences(before, story(salesforce, api, record_id)) == {
        "field": (False, False),
        **dict.fromkeys(writes, NO_EDIT),
    }
    salesforce.access("Lead/Title", edit=True)
    assert differences(before, story(salesforce, api, record_id)) == {}


def test_a_hidden_key_finds_nothing(salesforce: Emulator, api: Api, record_id: str):
    """An external id that may not be read addresses no row."""
    before = story(salesforce, api, record_id)
    salesforce.access("Lead/Key__c", read=False)
    told = differences(before, story(salesforce, api, record_id))
    assert told == dict.fromkeys(("read by key", "upsert", "upserts"), "NOT_FOUND")
    salesforce.access("Lead/Key__c", read=True, edit=True)
    assert differences(before, story(salesforce, api, record_id)) == {}


def test_a_hidden_row_is_nowhere(salesforce: Emulator, api: Api, record_id: str):
    """A row that sharing hides is in no answer; a write by id is refused, one by its key meets a hidden twin."""
    before = story(salesforce, api, record_id)
    share(salesforce, "Lead", "Private")
    assert differences(before, story(salesforce, api, record_id)) == {
        "access": NONE,
        "query": [],
        "queryAll": [],
        "bulk query": 0,
        "read": ("NOT_FOUND", False),
        "read by key": "NOT_FOUND",
        "read field": "NOT_FOUND",
        "updated": [],
        "retrieve": [None],
        "update": NOT_THERE,
        "collection": NOT_THERE,
        "upsert": "REQUIRED_FIELD_MISSING",
        "upserts": "REQUIRED_FIELD_MISSING",
        "bulk update": NOT_THERE,
    }
    share(salesforce, "Lead", "ReadEditTransfer")
    assert differences(before, story(salesforce, api, record_id)) == {}


@pytest.mark.parametrize("way", ["sharing", "object"])
def test_a_read_only_row_refuses_every_write(salesforce: Emulator, api: Api, record_id: str, way: str):
    """A row open for reading, by sharing or for want of the permission to edit, refuses each write with one code."""
    before = story(salesforce, api, record_id)
    if way == "sharing":
        share(salesforce, "Lead", "Read")
    else:
        salesforce.access("Lead", edit=False)
    writes = ("update", "collection", "upsert", "upserts", "bulk update")
    expected: dict[str, Any] = dict.fromkeys(writes, READ_ONLY)
    expected["access"] = [True, False, False, False, False, "Read"]
    if way == "object":
        expected["field"] = (True, False)
    assert differences(before, story(salesforce, api, record_id)) == expected
    share(salesforce, "Lead", "ReadEditTransfer")
    salesforce.access("Lead", edit=True)
    assert differences(before, story(salesforce, api, record_id)) == {}


def test_deleted_rows_are_hidden_alike(salesforce: Emulator, api: Api, record_id: str):
    """What lies in the bin is told by queryAll and `deleted` to those who could read it, and to no others."""
    salesforce.admin_delete("Lead", record_id)

    def told() -> list[Any]:
        deleted = api("GET", "sobjects/Lead/deleted", params=PERIOD)
        found = selected(api, "SELECT Id FROM Lead WHERE IsDeleted = true", "queryAll")
        ids = [each["id"] for each in deleted.json()["deletedRecords"]] if deleted.ok else outcome(deleted)
        return [ids, found, access(salesforce, api, record_id)[0][0]]

    seen = [[record_id], [record_id], False]
    assert told() == seen
    share(salesforce, "Lead", "Private")
    assert told() == [[], [], False]
    share(salesforce, "Lead", "Read")
    assert told() == seen
    salesforce.access("Lead", read=False)
    assert told() == ["NOT_FOUND", "INVALID_TYPE", False]
    salesforce.access("Lead", read=True)
    assert told() == seen


def test_a_hidden_object_leaves_its_relatives(salesforce: Emulator, api: Api):
    """References to a hidden object stay fields of their own; relationships to it, and children of it, are gone."""
    account = salesforce.admin_create("Account", {"Name": "ACME"})
    salesforce.admin_create("Contact", {"LastName": "Abe", "AccountId": account})

    def told() -> list[Any]:
        children = [
            each["childSObject"] for each in api("GET", "sobjects/Account/describe").json()["childRelationships"]
        ]
        return [
            "Contact" in children,
            outcome(api.query("SELECT (SELECT Id FROM Contacts) FROM Account")),
            outcome(api.query("SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact)")),
        ]

    before = told()
    salesforce.access("Contact", read=False)
    hidden = told()
    salesforce.access("Contact", read=True)
    assert (before, hidden, told()) == ([True, 200, 200], [False, "INVALID_TYPE", "INVALID_TYPE"], before)
    salesforce.access("Account", read=False)
    row = api.query("SELECT AccountId FROM Contact").json()["records"][0]
    assert (row["AccountId"], outcome(api.query("SELECT Account.Name FROM Contact"))) == (account, "INVALID_FIELD")
