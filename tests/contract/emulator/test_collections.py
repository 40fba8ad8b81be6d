"""sObject collections: results in order, failures as values, all or none, keys and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api

GOOD = {"attributes": {"type": "Lead"}, "LastName": "Abe", "Company": "ACME"}
ABSENT = "00Q5i00000000zzEAA"


def records(*given: dict[str, Any], **options: object) -> dict[str, Any]:
    """Build the body of a collection call, of Leads unless a record says otherwise."""
    return {"records": [{"attributes": {"type": "Lead"}, **each} for each in given], **options}


def test_each_record_has_its_own_result(api: Api):
    """A bad record fails alone; its result has no id, and names the field by label and API name."""
    bad = {**GOOD, "Email": "badone"}
    first, second, third = api("POST", "composite/sobjects", records(GOOD, bad, GOOD)).json()
    assert (first["success"], first["errors"], third["success"]) == (True, [], True)
    error = {
        "statusCode": "INVALID_EMAIL_ADDRESS",
        "message": "Email: invalid email address: badone",
        "fields": ["Email"],
    }
    assert second == {"success": False, "errors": [error]}
    assert api.query("SELECT count() FROM Lead").json()["totalSize"] == 2


def test_all_or_none_writes_none(api: Api):
    """With allOrNone one bad record undoes the others, which say so."""
    body = records(GOOD, {**GOOD, "Company": None}, allOrNone=True)
    first, second = api("POST", "composite/sobjects", body).json()
    assert first["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert second["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert api.query("SELECT count() FROM Lead").json()["totalSize"] == 0


def test_an_update_names_its_rows(api: Api, lead: Callable[..., str]):
    """A PATCH takes `id` in any case, and fails row by row."""
    gone = lead()
    api("DELETE", f"sobjects/Lead/{gone}")
    ids = [lead(), gone, ABSENT, "0035i00000000zzEAA", "abc"]
    given = [{("Id" if index % 2 else "id"): each, "Title": "CEO"} for index, each in enumerate(ids)]
    results = api("PATCH", "composite/sobjects", records(*given, {"Title": "CEO"})).json()
    assert results[0] == {"id": ids[0], "success": True, "errors": []}
    assert [each["errors"][0]["statusCode"] for each in results[1:]] == [
        "ENTITY_IS_DELETED",
        "INVALID_CROSS_REFERENCE_KEY",
        "MALFORMED_ID",
        "MALFORMED_ID",
        "MISSING_ARGUMENT",
    ]
    assert api.read("Lead", ids[0])["Title"] == "CEO"


def test_one_row_may_stand_once_in_an_update(api: Api, lead: Callable[..., str]):
    """The second change of a row in one call is refused."""
    record_id = lead()
    body = records({"id": record_id, "Title": "one"}, {"id": record_id[:15], "Title": "two"})
    assert [each["success"] for each in api("PATCH", "composite/sobjects", body).json()] == [True, False]


def test_an_upsert_by_email(api: Api):
    """A collection upserts by Email whatever the case, as recorded, and says what it created."""
    people = [
        {"attributes": {"type": "Contact"}, "LastName": "Abe", "Email": "Abe@example.jp"},
        {"attributes": {"type": "Contact"}, "LastName": "Baba", "Email": "baba@example.jp"},
    ]
    path = "composite/sobjects/Contact/Email"
    first = api("PATCH", path, records(people[0])).json()
    second = api("PATCH", path, records({**people[0], "Email": "ABE@EXAMPLE.JP", "Title": "CEO"}, people[1])).json()
    assert [each["created"] for each in first + second] == [True, False, True]
    assert second[0]["id"] == first[0]["id"]
    stored = api.query("SELECT Email, Title FROM Contact ORDER BY Id").json()["records"]
    assert [(each["Email"], each["Title"]) for each in stored] == [("Abe@example.jp", "CEO"), ("baba@example.jp", None)]


def test_an_upsert_by_id(api: Api, lead: Callable[..., str]):
    """By Id a collection creates what names no row and updates what does."""
    record_id = lead()
    body = records(GOOD, {"id": record_id, "Title": "CEO"}, {"id": "abc"})
    results = api("PATCH", "composite/sobjects/Lead/Id", body).json()
    assert [each.get("created") for each in results] == [True, False, None]
    assert (results[1]["id"], api.read("Lead", record_id)["Title"]) == (record_id, "CEO")


def test_an_ambiguous_key_is_refused(api: Api, lead: Callable[..., str]):
    """A key held by two rows, held twice in the call, or missing is an error of that record."""
    both = [lead(Email="a@example.jp") for _ in range(2)]
    given = [
        {**GOOD, "Email": "a@example.jp"},
        {**GOOD, "Email": "b@example.jp"},
        {**GOOD, "Email": "B@example.jp"},
        {**GOOD, "Email": None},
    ]
    results = api("PATCH", "composite/sobjects/Lead/Email", records(*given)).json()
    assert results[0]["errors"] == [
        {
            "statusCode": "DUPLICATE_EXTERNAL_ID",
            "message": f"Email: more than one record found for external id field: [{', '.join(both)}]",
            "fields": ["Email"],
        }
    ]
    assert [each["success"] for each in results] == [False, True, False, False]


def test_a_delete_takes_ids(api: Api, lead: Callable[..., str]):
    """DELETE answers per id; with allOrNone it deletes all or nothing."""
    ids = [lead(), lead()]
    halves = api("DELETE", f"composite/sobjects?ids={ids[0]},{ABSENT}&allOrNone=true").json()
    whole = api("DELETE", f"composite/sobjects?ids={ids[0]},{ids[1]}").json()
    assert [each["success"] for each in halves + whole] == [False, False, True, True]
    assert api.query("SELECT count() FROM Lead").json()["totalSize"] == 0


def test_a_retrieve_keeps_the_order(api: Api, lead: Callable[..., str]):
    """Rows come back in the order of their ids, null where there is none."""
    ids = [lead(LastName=name) for name in ("Abe", "Baba")]
    asked = {"ids": [ids[1], ABSENT, ids[0]], "fields": ["LastName", "id"]}
    found = api("POST", "composite/sobjects/Lead", asked).json()
    assert [each and each["LastName"] for each in found] == ["Baba", None, "Abe"]
    assert list(found[0]) == ["attributes", "LastName", "Id"]
    assert api("GET", f"composite/sobjects/Lead?ids={ids[0]}&fields=LastName").json() == [
        {"attributes": found[2]["attributes"], "LastName": "Abe"}
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "composite/sobjects", {"records": [GOOD] * 201}, "EXCEEDED_ID_LIMIT"),
        ("POST", "composite/sobjects", {"records": [{"LastName": "Abe"}]}, "INVALID_INPUT"),
        ("POST", "composite/sobjects", {"records": [{"attributes": {"type": "Nothing"}}]}, "INVALID_TYPE"),
        ("POST", "composite/sobjects", {"records": [{**GOOD, "Foo": 1}]}, "INVALID_FIELD"),
        ("POST", "composite/sobjects", {"records": [{**GOOD, "Title": 1}]}, "JSON_PARSER_ERROR"),
        ("POST", "composite/sobjects", {"records": "x"}, "JSON_PARSER_ERROR"),
        ("POST", "composite/sobjects", [], "JSON_PARSER_ERROR"),
        ("PATCH", "composite/sobjects/Lead/Company", {"records": [GOOD]}, "NOT_FOUND"),
        ("PATCH", "composite/sobjects/Contact/Email", {"records": [GOOD]}, "INVALID_TYPE"),
        ("POST", "composite/sobjects/Lead", {"ids": [ABSENT], "fields": ["Foo"]}, "INVALID_FIELD"),
        ("POST", "composite/sobjects/Lead", {"ids": [ABSENT] * 2_001, "fields": ["Id"]}, "EXCEEDED_ID_LIMIT"),
        ("POST", "composite/sobjects/Lead", {"ids": ["x"], "fields": ["Id"]}, "MALFORMED_ID"),
        ("DELETE", "composite/sobjects", None, "MISSING_ARGUMENT"),
    ],
)
def test_a_malformed_collection_is_refused_as_a_whole(api: Api, *, method: str, path: str, body: object, code: str):
    """What is wrong with the call itself is one error, and nothing is written."""
    answer = api(method, path, body)
    assert (answer.ok, answer.json()[0]["errorCode"]) == (False, code)
    assert api.query("SELECT count() FROM Lead").json()["totalSize"] == 0


def test_two_hundred_creates_are_quick(salesforce: object, api: Api):
    """The server's own time for 200 Leads is small beside any client's."""
    given = [{**GOOD, "Email": f"a{number}@example.jp", "Title": "x", "City": "千葉"} for number in range(200)]
    api("POST", "composite/sobjects", records(*given))
    seconds = []
    for _ in range(3):
        api("POST", "composite/sobjects", records(*given))
        seconds.append(salesforce.requests()[-1]["seconds"])  # type: ignore[attr-defined]
    assert min(seconds) < 0.1
