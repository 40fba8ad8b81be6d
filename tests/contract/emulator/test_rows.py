"""Single rows: what create, read, update, delete and upsert answer, what they stamp, and what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

    MakeLead = Callable[..., str]

STAMPS = ("CreatedDate", "LastModifiedDate", "SystemModstamp")
MORNING = "2026-05-01T00:00:00.000+0000"


def test_a_new_lead_has_the_defaults_of_a_real_one(salesforce: Emulator, api: Api):
    """A Lead made through the API starts as recorded: status, unread, never changed since."""
    salesforce.clock(frozen_at="2026-05-01T09:00:00+09:00")
    record_id = api.create("Lead", LastName="山田", FirstName="太郎", Company="ACME")
    record = api.read("Lead", record_id)
    assert {name: record[name] for name in STAMPS} == dict.fromkeys(STAMPS, MORNING)
    expected = {
        "Name": "太郎 山田",
        "Status": "Open - Not Contacted",
        "CleanStatus": "Pending",
        "IsUnreadByOwner": True,
        "IsConverted": False,
        "HasOptedOutOfEmail": False,
        "PhotoUrl": f"/services/images/photo/{record_id}",
        "LastViewedDate": MORNING,
        "Address": None,
    }
    assert {name: record[name] for name in expected} == expected


def test_a_create_says_where_the_row_is(api: Api):
    """A create answers 201 with the id, and its address in Location."""
    answer = api("POST", "sobjects/Lead/", {"LastName": "Abe", "Company": "ACME"})
    record_id = answer.json()["id"]
    assert answer.json() == {"id": record_id, "success": True, "errors": []}
    assert answer.headers["Location"] == f"/services/data/v59.0/sobjects/Lead/{record_id}"


def test_a_read_has_every_field_in_describe_order(api: Api, lead: MakeLead):
    """A row holds what its describe lists, in that order, after its attributes."""
    described = [field["name"] for field in api("GET", "sobjects/Lead/describe").json()["fields"]]
    assert list(api.read("Lead", lead())) == ["attributes", *described]


def test_a_read_can_name_its_fields(api: Api, lead: MakeLead):
    """`fields` chooses what is read."""
    answer = api("GET", f"sobjects/Lead/{lead()}?fields=Name,email")
    assert list(answer.json()) == ["attributes", "Name", "Email"]


def test_an_unchanged_row_is_not_sent_again(salesforce: Emulator, api: Api, lead: MakeLead):
    """If-Modified-Since with the row's own Last-Modified is answered with 304."""
    salesforce.clock(frozen_at="2026-05-01T00:00:00Z")
    record_id = lead()
    changed = api("GET", f"sobjects/Lead/{record_id}").headers["Last-Modified"]
    answers = [
        api("GET", f"sobjects/Lead/{record_id}", headers={"If-Modified-Since": since}).status_code
        for since in (changed, "Thu, 30 Apr 2026 23:59:59 GMT")
    ]
    assert (changed, answers) == ("Fri, 01 May 2026 00:00:00 GMT", [304, 200])


def test_an_update_stamps_who_and_when(salesforce: Emulator, api: Api, lead: MakeLead):
    """A change moves the three change stamps to the clock and the changer, and leaves creation alone."""
    salesforce.clock(frozen_at="2026-05-01T00:00:00Z")
    record_id = lead()
    salesforce.clock(frozen_at="2026-05-02T00:00:00Z")
    salesforce.admin_update("Lead", record_id, {"Title": "CEO"})
    record = api.read("Lead", record_id)
    by = salesforce.admin_query(
        f"SELECT LastModifiedBy.Username, CreatedBy.Username FROM Lead WHERE Id = '{record_id}'"
    )
    assert (record["CreatedDate"], record["Title"]) == (MORNING, "CEO")
    assert record["LastModifiedDate"] == record["SystemModstamp"] == "2026-05-02T00:00:00.000+0000"
    assert by[0]["LastModifiedBy"]["Username"] == salesforce.admin["username"]
    assert by[0]["CreatedBy"]["Username"] == salesforce.integration["username"]


def test_an_update_that_changes_nothing_stamps(salesforce: Emulator, api: Api, lead: MakeLead):
    """A PATCH with the values that are there still counts as a change."""
    salesforce.clock(frozen_at="2026-05-01T00:00:00Z")
    record_id = lead(Title="CEO")
    salesforce.clock(frozen_at="2026-05-02T00:00:00Z")
    assert api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "CEO"}).status_code == 204
    assert api.read("Lead", record_id)["SystemModstamp"] == "2026-05-02T00:00:00.000+0000"


def test_the_owner_reads_by_changing(api: Api, lead: MakeLead):
    """A Lead is unread until its owner changes it."""
    record_id = lead()
    api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "CEO"})
    assert api.read("Lead", record_id)["IsUnreadByOwner"] is False


def test_the_name_follows_its_parts(api: Api, lead: MakeLead):
    """Name is made of first and last name at every change."""
    record_id = lead(FirstName="Taro")
    api("PATCH", f"sobjects/Lead/{record_id}", {"FirstName": None})
    assert api.read("Lead", record_id)["Name"] == "Yamada"


STORED: list[tuple[dict[str, Any], Any]] = [
    ({"Title": "  x  "}, "x"),
    ({"Title": "　x　"}, "　x　"),
    ({"Title": ""}, None),
    ({"title": "any case"}, "any case"),
    ({"Email": "Taro.O'Brien+x@Example.co.jp"}, "Taro.O'Brien+x@Example.co.jp"),
    ({"Description": "a\r\nb\t\u0000c"}, "a\r\nb\t\u0000c"),
    ({"NumberOfEmployees": "12"}, 12),
    ({"NumberOfEmployees": 12.0}, 12),
    ({"AnnualRevenue": 950_000_000}, 950_000_000.0),
    ({"AnnualRevenue": "1234.5"}, 1235.0),
    ({"Latitude": 35.681236}, 35.681236),
    ({"HasOptedOutOfEmail": "TRUE"}, True),
    ({"Industry": "a value of nobody's list"}, "a value of nobody's list"),
    ({"EmailBouncedDate": "2026-05-01T09:00:00.123+09:00"}, MORNING),
    ({"Jigsaw": None}, None),
]


@pytest.mark.parametrize(("given", "stored"), STORED, ids=[str(given) for given, _ in STORED])
def test_a_value_is_stored(salesforce: Emulator, api: Api, lead: MakeLead, given: dict[str, Any], stored: Any):
    """A value sent in this form reads back in that one."""
    record_id = lead()
    answer = api("PATCH", f"sobjects/Lead/{record_id}", given)
    assert answer.status_code == 204, answer.text
    (name,) = given
    assert {key.lower(): value for key, value in api.read("Lead", record_id).items()}[name.lower()] == stored


REFUSED: list[tuple[dict[str, Any], str, str, list[str] | None]] = [
    ({"LastName": None}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", ["LastName"]),
    ({"Company": " "}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Company]", ["Company"]),
    ({"City": "x" * 41}, "STRING_TOO_LONG", f"City: data value too large: {'x' * 41} (max length=40)", ["City"]),
    ({"Email": "badone"}, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: badone", ["Email"]),
    ({"Email": "a..b@example.jp"}, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: a..b@example.jp", ["Email"]),
    ({"Email": "ａ@example.jp"}, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: ａ@example.jp", ["Email"]),
    (
        {"CleanStatus": "Spotless"},
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "Clean Status: bad value for restricted picklist field: Spotless",
        ["CleanStatus"],
    ),
    (
        {"NumberOfEmployees": 123_456_789},
        "NUMBER_OUTSIDE_VALID_RANGE",
        "Employees: value outside of valid range on numeric field: 123456789",
        ["NumberOfEmployees"],
    ),
    ({"OwnerId": "abc"}, "MALFORMED_ID", "Owner ID: id value of incorrect type: abc", ["OwnerId"]),
    (
        {"OwnerId": "00Q000000000001"},
        "MALFORMED_ID",
        "Owner ID: id value of incorrect type: 00Q000000000001EAA",
        ["OwnerId"],
    ),
    ({"OwnerId": "005000000000001"}, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ["OwnerId"]),
    (
        {"Name": "x", "SystemModstamp": "2026-05-01T00:00:00Z"},
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        (
            "Unable to create/update fields: Name, SystemModstamp. Please check the security settings of this field "
            "and verify that it is read/write for your profile or permission set."
        ),
        ["Name", "SystemModstamp"],
    ),
    ({"Foo__c": 1}, "INVALID_FIELD", "No such column 'Foo__c' on sobject of type Lead", None),
    (
        {"Title": 5},
        "JSON_PARSER_ERROR",
        (
            "Cannot deserialize instance of string from VALUE_NUMBER_INT value 5 or request may be missing a required "
            "field at [line:1, column:12]"
        ),
        None,
    ),
    (
        {"EmailBouncedDate": "2017-10-17 00:00:00"},
        "JSON_PARSER_ERROR",
        (
            "Cannot deserialize instance of datetime from VALUE_STRING value 2017-10-17 00:00:00 or request may be "
            "missing a required field at [line:1, column:43]"
        ),
        None,
    ),
    (
        {"HasOptedOutOfEmail": None},
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        "Email Opt Out: value not of required type: null",
        ["HasOptedOutOfEmail"],
    ),
    ({"Id": "00Q000000000001"}, "INVALID_FIELD", "The Id field should not be specified in the sobject data.", None),
]


@pytest.mark.parametrize(("given", "code", "message", "fields"), REFUSED, ids=[str(each[0])[:40] for each in REFUSED])
def test_a_value_is_refused(
    api: Api, lead: MakeLead, *, given: dict[str, Any], code: str, message: str, fields: list[str] | None
):
    """A wrong value is refused with the real code, text and fields, and nothing is written."""
    record_id = lead(Title="before")
    answer = api("PATCH", f"sobjects/Lead/{record_id}", {**given, **({} if "Title" in given else {"Title": "after"})})
    expected = {"message": message, "errorCode": code} | ({} if fields is None else {"fields": fields})
    assert (answer.status_code, answer.json()) == (400, [expected])
    assert api.read("Lead", record_id)["Title"] == "before"


def test_every_wrong_field_is_named(api: Api):
    """A create reports all that is wrong with a record at once."""
    answer = api("POST", "sobjects/Lead", {"Email": "x", "City": "x" * 41, "Company": "ACME"})
    codes = [error["errorCode"] for error in answer.json()]
    assert codes == ["REQUIRED_FIELD_MISSING", "INVALID_EMAIL_ADDRESS", "STRING_TOO_LONG"]


ABSENT = "00Q5i00000000zzEAA"
ADDRESSES = [
    ("GET", f"sobjects/Lead/{ABSENT}", 404, "NOT_FOUND", "The requested resource does not exist"),
    ("PATCH", f"sobjects/Lead/{ABSENT}", 404, "NOT_FOUND", "The requested resource does not exist"),
    ("DELETE", f"sobjects/Lead/{ABSENT}", 404, "NOT_FOUND", "The requested resource does not exist"),
    ("GET", "sobjects/Lead/0035i00000000zzEAA", 404, "NOT_FOUND", "The requested resource does not exist"),
    (
        "GET",
        "sobjects/Lead/23foo",
        404,
        "NOT_FOUND",
        "Provided external ID field does not exist or is not accessible: 23foo",
    ),
    (
        "PATCH",
        "sobjects/Lead/Namez/1",
        404,
        "NOT_FOUND",
        "Provided external ID field does not exist or is not accessible: Namez",
    ),
    (
        "PATCH",
        "sobjects/Lead/Company/ACME",
        404,
        "NOT_FOUND",
        "Provided external ID field does not exist or is not accessible: Company",
    ),
    ("GET", "sobjects/Nothing/describe", 404, "NOT_FOUND", "The requested resource does not exist"),
    ("POST", "sobjects/Nothing", 404, "NOT_FOUND", "The requested resource does not exist"),
    ("GET", "nothing/here", 404, "NOT_FOUND", "The requested resource does not exist"),
    (
        "PUT",
        f"sobjects/Lead/{ABSENT}",
        405,
        "METHOD_NOT_ALLOWED",
        "HTTP Method 'PUT' not allowed. Allowed are HEAD,GET,PATCH,DELETE",
    ),
    ("DELETE", "query", 405, "METHOD_NOT_ALLOWED", "HTTP Method 'DELETE' not allowed. Allowed are HEAD,GET"),
]


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "message"), ADDRESSES, ids=[f"{a} {b}" for a, b, *_ in ADDRESSES]
)
def test_a_wrong_address_is_refused(api: Api, *, method: str, path: str, status: int, code: str, message: str):
    """What is not there, or not with this method, is said as the real API says it."""
    answer = api(method, path, {})
    assert (answer.status_code, answer.json()) == (status, [{"errorCode": code, "message": message}])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The HTTP entity body is required, but this request has no entity body."),
        (b"{", "Unexpected end-of-input"),
        (b'{"a":}', "Unexpected character ('}' (code 125))"),
        (b"\xff", "Unexpected character"),
        (b"[]", "Unexpected JSON: object expected"),
        (b'"x"', "Unexpected JSON: object expected"),
    ],
)
def test_a_body_that_is_no_object_is_refused(api: Api, body: bytes, message: str):
    """A body that cannot be parsed is JSON_PARSER_ERROR."""
    answer = api.http.post(f"{api.root}/sobjects/Lead", data=body, timeout=10)
    (error,) = answer.json()
    assert (answer.status_code, error["errorCode"]) == (400, "JSON_PARSER_ERROR")
    assert error["message"].startswith(message)


def test_a_deleted_row_is_in_the_recycle_bin(salesforce: Emulator, api: Api, lead: MakeLead):
    """A deleted row is gone for reads and queries, refused for writes, and there for queryAll."""
    record_id = lead(Email="a@example.jp")
    assert api("DELETE", f"sobjects/Lead/{record_id}").status_code == 204
    path = f"sobjects/Lead/{record_id}"
    deleted = [{"message": "entity is deleted", "errorCode": "ENTITY_IS_DELETED", "fields": []}]
    answers = [api(method, path, {}) for method in ("GET", "PATCH", "DELETE")]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert answers[0].json()[0]["errorCode"] == "NOT_FOUND"
    assert answers[1].json() == answers[2].json() == deleted
    soql = "SELECT Id, IsDeleted FROM Lead WHERE Email = 'a@example.jp'"
    found = api.query(soql, "queryAll").json()["records"]
    assert (api.query(soql).json()["totalSize"], [each["IsDeleted"] for each in found]) == (0, [True])


def test_an_account_takes_its_contacts_along(api: Api):
    """Deleting an Account deletes its Contacts."""
    account = api.create("Account", Name="ACME")
    contact = api.create("Contact", LastName="Abe", AccountId=account)
    api("DELETE", f"sobjects/Account/{account}")
    assert api("GET", f"sobjects/Contact/{contact}").status_code == 404


def test_a_converted_lead_cannot_be_changed(salesforce: Emulator, api: Api, lead: MakeLead):
    """A converted Lead refuses changes and can still be deleted."""
    record_id = lead()
    salesforce.control("PUT", f"rows/Lead/{record_id}", {"IsConverted": True})
    answer = api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "x"})
    message = "cannot reference converted lead"
    assert answer.json() == [{"message": message, "errorCode": "CANNOT_UPDATE_CONVERTED_LEAD", "fields": []}]
    assert api("DELETE", f"sobjects/Lead/{record_id}").status_code == 204


def test_a_create_takes_no_id(api: Api):
    """An id is given by the org, never by the client."""
    answer = api("POST", "sobjects/Lead", {"Id": ABSENT, "LastName": "Abe", "Company": "ACME"})
    assert answer.json()[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"


@pytest.mark.parametrize(("version", "status", "body"), [("45.0", 204, None), ("46.0", 200, False)])
def test_an_upsert_creates_and_then_updates(api: Api, version: str, status: int, body: bool | None):
    """An upsert by Email creates once; what an update answers depends on the version."""
    path = f"/services/data/v{version}/sobjects/Contact/Email/a%2Bb@example.jp"
    first, second = (api("PATCH", path, {"LastName": "Abe", "Title": title}) for title in ("one", "two"))
    assert (first.status_code, second.status_code) == (201, status)
    assert first.json().get("created", None) is (True if body is False else None)
    assert (second.json()["created"] if second.text else None) is body
    (record,) = api.query("SELECT Email, Title FROM Contact").json()["records"]
    assert (record["Email"], record["Title"]) == ("a+b@example.jp", "two")


def test_an_upsert_finds_whatever_the_case(api: Api, lead: MakeLead):
    """The key is compared without case, and what is stored keeps its own."""
    lead(Email="Abe@Example.jp")
    answer = api("PATCH", "sobjects/Lead/Email/ABE@example.JP", {"Title": "CEO"})
    assert answer.json()["created"] is False
    assert api.query("SELECT Email FROM Lead").json()["records"][0]["Email"] == "Abe@Example.jp"


def test_several_matches_are_listed(api: Api, lead: MakeLead):
    """A key that two rows hold is answered with 300 and their addresses."""
    both = [lead(Email="a@example.jp") for _ in range(2)]
    answer = api("PATCH", "sobjects/Lead/Email/a@example.jp", {"Title": "CEO"})
    assert (answer.status_code, answer.json()) == (300, [f"/services/data/v59.0/sobjects/Lead/{each}" for each in both])


def test_an_upsert_can_be_told_to_update_only(api: Api):
    """`updateOnly` creates nothing."""
    answer = api("PATCH", "sobjects/Lead/Email/a@example.jp?updateOnly=true", {"LastName": "Abe", "Company": "ACME"})
    assert (answer.status_code, api.query("SELECT count() FROM Lead").json()["totalSize"]) == (404, 0)


def test_what_changed_in_a_period(salesforce: Emulator, api: Api, lead: MakeLead):
    """`updated` and `deleted` list by SystemModstamp, the end of the period excluded."""
    ids = []
    for day in (1, 2, 3):
        salesforce.clock(frozen_at=f"2026-05-0{day}T00:00:00Z")
        ids.append(lead())
    api("DELETE", f"sobjects/Lead/{ids[0]}")
    period = {"start": "2026-05-02T00:00:00+00:00", "end": "2026-05-03T00:00:00+00:00"}
    later = {"start": "2026-05-03T00:00:00+00:00", "end": "2026-05-04T00:00:00+00:00"}
    assert api("GET", "sobjects/Lead/updated/", params=period).json()["ids"] == [ids[1]]
    deleted = api("GET", "sobjects/Lead/deleted/", params=later).json()["deletedRecords"]
    assert deleted == [{"id": ids[0], "deletedDate": "2026-05-03T00:00:00.000+0000"}]


def test_a_post_may_stand_for_a_patch(api: Api, lead: MakeLead):
    """`_HttpMethod` overrides the method of a POST."""
    record_id = lead()
    assert api("POST", f"sobjects/Lead/{record_id}?_HttpMethod=PATCH", {"Title": "CEO"}).status_code == 204
    assert api.read("Lead", record_id)["Title"] == "CEO"


def test_an_upsert_by_a_key_that_is_not_unique_needs_all_data(salesforce: Emulator, api: Api):
    """Only who sees all data may upsert by such a key, however it is sent (documented; the text is reported)."""
    salesforce.control("POST", "fields/Lead", {"name": "Loose__c", "type": "string", "externalId": True})
    body = {"LastName": "Abe", "Company": "ACME"}
    record = {"attributes": {"type": "Lead"}, "Loose__c": "k", **body}

    def answers() -> list[Any]:
        return [
            api("PATCH", "sobjects/Lead/Loose__c/k", body).json(),
            api("PATCH", "composite/sobjects/Lead/Loose__c", {"records": [record]}).json()[0]["errors"],
        ]

    message = "Upsert requires view all data on a non-unique custom index"
    assert answers() == [
        [{"message": message, "errorCode": "INSUFFICIENT_ACCESS", "fields": []}],
        [{"statusCode": "INSUFFICIENT_ACCESS", "message": message, "fields": []}],
    ]
    user = next(each["id"] for each in salesforce.control("GET", "users") if each["profile"] == "integration")
    salesforce.control("PUT", f"users/{user}", {"view_all": True})
    alone, together = answers()
    assert (alone["created"], together) == (True, [])
