"""SOQL: what is accepted and what it finds; what is refused, with which code, text and place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

PEOPLE = [
    {"LastName": "Abe", "FirstName": "Ichiro", "Email": "Abe@Example.jp", "NumberOfEmployees": 5, "Rating": "Hot"},
    {"LastName": "Baba", "Email": "baba@example.jp", "NumberOfEmployees": 50, "HasOptedOutOfEmail": True},
    {"LastName": "Chiba", "City": "100%_sure", "NumberOfEmployees": 500, "Title": 'it\'s \\ "so"\n新'},
    {"LastName": "Date", "Email": "date@example.jp", "City": "千葉", "AnnualRevenue": 1200},
]


@pytest.fixture
def people(api: Api, salesforce: Emulator) -> Api:
    """Give an org with four Leads, created one day after another."""
    for day, person in enumerate(PEOPLE, start=1):
        salesforce.clock(frozen_at=f"2026-05-0{day}T00:00:00Z")
        api.create("Lead", Company="ACME", **person)
    return api


FOUND = [
    ("LastName = 'abe'", "Abe"),
    ("LastName != 'Abe'", "Baba Chiba Date"),
    ("lastname <> 'Abe' AND Rating = null", "Baba Chiba Date"),
    ("Email = 'ABE@example.JP'", "Abe"),
    ("Email IN ('abe@example.jp','x','DATE@EXAMPLE.JP')", "Abe Date"),
    ("Email NOT IN ('abe@example.jp')", "Baba Chiba Date"),
    ("Email IN (null, 'abe@example.jp')", "Abe Chiba"),
    ("Email = null", "Chiba"),
    ("Email != NULL", "Abe Baba Date"),
    ("Email = ''", ""),
    ("NOT Email = 'abe@example.jp'", "Baba Chiba Date"),
    ("NOT (Email = null OR LastName = 'Abe')", "Baba Date"),
    ("(LastName = 'Abe' OR LastName = 'Baba') AND NumberOfEmployees > 5", "Baba"),
    ("LastName LIKE '%B%'", "Abe Baba Chiba"),
    ("LastName LIKE '_a%'", "Baba Date"),
    ("City LIKE '100\\%\\_%'", "Chiba"),
    ("City LIKE '%\\%'", ""),
    ("City LIKE '千%'", "Date"),
    ("Title = 'it\\'s \\\\ \\\"so\\\"\\n\\u65b0'", "Chiba"),
    ("NumberOfEmployees >= 50", "Baba Chiba"),
    ("NumberOfEmployees < 50", "Abe"),
    ("NumberOfEmployees IN (5, 500)", "Abe Chiba"),
    ("AnnualRevenue = 1200.0", "Date"),
    ("AnnualRevenue > -100.5", "Date"),
    ("HasOptedOutOfEmail = TRUE", "Baba"),
    ("HasOptedOutOfEmail != true", "Abe Chiba Date"),
    ("CreatedDate > 2026-05-03T00:00:00Z", "Date"),
    ("CreatedDate >= 2026-05-03T09:00:00+09:00", "Chiba Date"),
    ("SystemModstamp <= 2026-05-01T19:00:00.000-05:00", "Abe Baba"),
    ("LastActivityDate = 2026-05-01", ""),
    ("Owner.Name = 'integration user'", "Abe Baba Chiba Date"),
    ("Lead.Owner.Username LIKE 'admin%'", ""),
    ("CreatedBy.Id != null AND LastName > 'c'", "Chiba Date"),
]


@pytest.mark.parametrize(("where", "expected"), FOUND, ids=[where for where, _ in FOUND])
def test_a_condition_finds(people: Api, where: str, expected: str):
    """A condition finds these Leads and no others."""
    answer = people.query(f"SELECT LastName FROM Lead WHERE {where} ORDER BY LastName")
    assert [each["LastName"] for each in answer.json()["records"]] == expected.split(), answer.text


ORDERED = [
    ("ORDER BY LastName DESC", "Date Chiba Baba Abe"),
    ("order by NumberOfEmployees", "Date Abe Baba Chiba"),
    ("ORDER BY NumberOfEmployees DESC", "Date Chiba Baba Abe"),
    ("ORDER BY NumberOfEmployees DESC NULLS LAST", "Chiba Baba Abe Date"),
    ("ORDER BY HasOptedOutOfEmail DESC, LastName ASC NULLS FIRST", "Baba Abe Chiba Date"),
    ("ORDER BY Owner.Name, CreatedDate DESC", "Date Chiba Baba Abe"),
    ("ORDER BY Id LIMIT 2", "Abe Baba"),
    ("ORDER BY Id LIMIT 2 OFFSET 1", "Baba Chiba"),
    ("ORDER BY Id OFFSET 3", "Date"),
    ("LIMIT 0", ""),
]


@pytest.mark.parametrize(("tail", "expected"), ORDERED, ids=[tail for tail, _ in ORDERED])
def test_an_order_orders(people: Api, tail: str, expected: str):
    """Null comes first unless LAST is said; limit and offset cut afterwards."""
    answer = people.query(f"SELECT LastName FROM Lead {tail}")
    assert [each["LastName"] for each in answer.json()["records"]] == expected.split(), answer.text


def test_records_have_canonical_names_in_the_order_selected(people: Api):
    """The output spells names as the schema does and keeps the order of the SELECT."""
    answer = people.query("select EMAIL, owner.NAME, id, owner.username, createdby.name from LEAD where lastname='abe'")
    (record,) = answer.json()["records"]
    assert list(record) == ["attributes", "Email", "Owner", "Id", "CreatedBy"]
    assert list(record["Owner"]) == ["attributes", "Name", "Username"]
    assert record["attributes"] == {"type": "Lead", "url": f"/services/data/v59.0/sobjects/Lead/{record['Id']}"}
    assert record["Owner"]["attributes"]["type"] == "User"


def test_a_missing_parent_is_null(api: Api):
    """A relationship that leads nowhere is null as a whole."""
    api.create("Contact", LastName="Abe")
    (record,) = api.query("SELECT Account.Name, Account.Owner.Name FROM Contact").json()["records"]
    assert record["Account"] is None


def test_relationships_go_over_several_hops(api: Api):
    """A parent's parent can be selected and filtered."""
    account = api.create("Account", Name="ACME")
    api.create("Contact", LastName="Abe", AccountId=account)
    answer = api.query("SELECT Account.Owner.Username FROM Contact c WHERE c.Account.Owner.IsActive = true")
    assert answer.json()["records"][0]["Account"]["Owner"]["Username"] == "integration@emulator.example"


def test_an_address_is_one_value(people: Api):
    """A compound address is an object of its parts, or null where all are."""
    answer = people.query("SELECT Address FROM Lead WHERE LastName IN ('Abe', 'Date') ORDER BY LastName")
    parts = dict.fromkeys(["country", "geocodeAccuracy", "latitude", "longitude", "postalCode", "state", "street"])
    assert [each["Address"] for each in answer.json()["records"]] == [None, {"city": "千葉", **parts}]


def test_count_answers_with_the_size_alone(people: Api):
    """`count()` has a size and no records."""
    answer = people.query("SELECT COUNT() FROM Lead WHERE Email != null")
    assert answer.json() == {"totalSize": 3, "done": True, "records": []}


def test_ids_of_15_and_18_characters_are_one(people: Api):
    """An id is found in its short form, and case matters."""
    record_id = people.query("SELECT Id FROM Lead LIMIT 1").json()["records"][0]["Id"]
    short = people.query(f"SELECT Id FROM Lead WHERE Id = '{record_id[:15]}'").json()
    other = people.query(f"SELECT Id FROM Lead WHERE Id IN ('{record_id[:15].lower()}', '')").json()
    assert (short["totalSize"], other["totalSize"]) == (1, 0)


def test_a_long_query_goes_through_a_composite(people: Api):
    """Three thousand addresses in one IN need a body, and are answered in well under a second."""
    listed = ",".join(f"'nobody{number}@example.jp'" for number in range(3_000))
    soql = f"SELECT Id FROM Lead WHERE Email IN ({listed},'ABE@EXAMPLE.JP')"
    parts = [{"method": "GET", "url": f"/services/data/v59.0/query?q={soql}", "referenceId": "one"}]
    answer = people("POST", "composite", {"compositeRequest": parts})
    assert answer.json()["compositeResponse"][0]["body"]["totalSize"] == 1
    assert answer.elapsed.total_seconds() < 1


REFUSED = [
    ("SELECT Id FORM Lead", "MALFORMED_QUERY", 16, "unexpected token: 'Lead'"),
    ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY", 26, "unexpected token: '<EOF>'"),
    ("SELECT Id FROM Lead WHERE Id = 1 AND Id = 2 OR Id = 3", "MALFORMED_QUERY", 45, "unexpected token: 'OR'"),
    ("SELECT Id, FROM Lead", "MALFORMED_QUERY", 12, "unexpected token: 'FROM'"),
    ("SELECT Id FROM Lead WHERE Email = 'x", "MALFORMED_QUERY", 35, "unexpected token: '''"),
    ("SELECT Id FROM Lead WHERE Email IN ()", "MALFORMED_QUERY", 37, "unexpected token: ')'"),
    ("SELECT Id FROM Lead LIMIT -1", "MALFORMED_QUERY", 27, "unexpected token: '-1'"),
    ("SELECT * FROM Lead", "MALFORMED_QUERY", 8, "unexpected token: '*'"),
    ("SELECT Id FROM Nowhere", "INVALID_TYPE", 16, "sObject type 'Nowhere' is not supported."),
    ("SELECT Nothing FROM Lead", "INVALID_FIELD", 8, "No such column 'Nothing' on entity 'Lead'."),
    ("SELECT Id FROM Lead WHERE Nothing = 1", "INVALID_FIELD", 27, "No such column 'Nothing' on entity 'Lead'."),
    ("SELECT Id FROM Lead ORDER BY Nothing", "INVALID_FIELD", 30, "No such column 'Nothing' on entity 'Lead'."),
    ("SELECT Nobody.Name FROM Lead", "INVALID_FIELD", 8, "Didn't understand relationship 'Nobody' in field path."),
    ("SELECT Owner.Nothing FROM Lead", "INVALID_FIELD", 8, "No such column 'Nothing' on entity 'Name'."),
    ("SELECT Owner.Country FROM Lead", "INVALID_FIELD", 8, "No such column 'Country' on entity 'Name'."),
    ("SELECT Owner.Nothing FROM Contact", "INVALID_FIELD", 8, "No such column 'Nothing' on entity 'User'."),
    ("SELECT Id, id FROM Lead", "INVALID_FIELD", 12, "duplicate field selected: id"),
    (
        "SELECT Id FROM Lead WHERE Description = 'x'",
        "INVALID_FIELD",
        27,
        "field 'Description' can not be filtered in a query call",
    ),
    (
        "SELECT Id FROM Lead ORDER BY Description",
        "INVALID_FIELD",
        30,
        "field 'Description' can not be sorted in a query call",
    ),
    (
        "SELECT Id FROM Lead WHERE CreatedDate > '2026-01-01T00:00:00Z'",
        "INVALID_FIELD",
        27,
        "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be",
    ),
    (
        "SELECT Id FROM Lead WHERE Email = 5",
        "INVALID_FIELD",
        27,
        "value of filter criterion for field 'Email' must be of type string and should be enclosed in quotes",
    ),
    (
        "SELECT Id FROM Lead WHERE HasOptedOutOfEmail = 'true'",
        "INVALID_FIELD",
        27,
        "value of filter criterion for field 'HasOptedOutOfEmail' must be of type boolean",
    ),
    ("SELECT Id FROM Lead WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR", 27, "invalid ID field: abc"),
    ("SELECT Id FROM Lead WHERE Id LIKE '00Q%'", "INVALID_FIELD", 27, "invalid operator on id field"),
]


@pytest.mark.parametrize(("soql", "code", "column", "message"), REFUSED, ids=[each[0] for each in REFUSED])
def test_a_wrong_query_is_refused_at_its_place(api: Api, soql: str, code: str, column: int, message: str):
    """The answer quotes the line, points at the column and says why."""
    answer = api.query(soql)
    (error,) = answer.json()
    _, quoted, pointer, where, *why = error["message"].split("\n")
    assert (answer.status_code, error["errorCode"], quoted) == (400, code, soql)
    assert (where, pointer.index("^") + 1) == (f"ERROR at Row:1:Column:{column}", column)
    assert why[0].startswith(message)


def test_the_recorded_refusal_is_reproduced(api: Api):
    """INVALID_TYPE reads as a real org was recorded to answer."""
    assert api.query("select count() from XYZZY").json() == [
        {
            "message": "\nselect count() from XYZZY\n                    ^\nERROR at Row:1:Column:21\n"
            "sObject type 'XYZZY' is not supported. If you are attempting to use a custom object, be sure to append "
            "the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate "
            "names.",
            "errorCode": "INVALID_TYPE",
        }
    ]


def test_the_row_counts_lines(api: Api):
    """The place of an error counts rows from 1."""
    answer = api.query("SELECT Id\nFROM Lead\nWHERE Nothing = 1")
    assert "\nWHERE Nothing = 1\n      ^\nERROR at Row:3:Column:7\n" in answer.json()[0]["message"]


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        (f"SELECT Id FROM Lead WHERE Email = '{'x' * 4_001}'", "MALFORMED_QUERY"),
        (f"SELECT Id FROM Lead {' ' * 100_000}", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead LIMIT 1 OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        (f"SELECT Id FROM Lead WHERE {'(NOT ' * 3_000}Id = null{')' * 3_000}", "QUERY_TOO_COMPLICATED"),
    ],
    ids=["string", "query", "offset", "nesting"],
)
def test_limits_are_enforced(api: Api, soql: str, code: str):
    """Beyond the documented limits a query is refused."""
    url = f"/services/data/v59.0/query?q={soql}"
    answer = api("POST", "composite", {"compositeRequest": [{"method": "GET", "url": url, "referenceId": "a"}]})
    assert answer.json()["compositeResponse"][0]["body"][0]["errorCode"] == code


def test_a_long_chain_of_conditions_is_no_deep_one(api: Api):
    """Two thousand conditions joined by OR are answered."""
    soql = " OR ".join(f"NumberOfEmployees = {number}" for number in range(2_000))
    url = f"/services/data/v59.0/query?q=SELECT Id FROM Lead WHERE {soql}"
    answer = api("POST", "composite", {"compositeRequest": [{"method": "GET", "url": url, "referenceId": "a"}]})
    assert answer.json()["compositeResponse"][0]["httpStatusCode"] == 200


def test_a_query_must_be_given(api: Api):
    """Without `q` nothing can be asked."""
    answer = api("GET", "query")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "MALFORMED_QUERY")


def test_a_query_may_say_what_it_is_for(salesforce: Emulator, api: Api):
    """FOR VIEW and FOR REFERENCE note when a row was last looked at or referred to, and no other stamp (documented)."""
    salesforce.clock(frozen_at="2026-06-15T00:00:00Z")
    record_id = api.create("Lead", LastName="Abe", Company="ACME")
    stamps = ("LastViewedDate", "LastReferencedDate", "LastModifiedDate", "SystemModstamp")
    minutes = []
    for minute, purpose in enumerate(("", "FOR REFERENCE", "FOR VIEW"), 1):
        salesforce.clock(frozen_at=f"2026-06-15T00:0{minute}:00Z")
        assert api.query(f"SELECT Id FROM Lead LIMIT 1 {purpose}").json()["totalSize"] == 1
        row = api.read("Lead", record_id)
        minutes.append([str(row[name])[15] for name in stamps])
    assert minutes == [["0", "0", "0", "0"], ["0", "2", "0", "0"], ["3", "3", "0", "0"]]


def test_no_aggregate_orders_rows(api: Api):
    """Without a group an aggregate in ORDER BY is refused (the text is guessed)."""
    answer = api.query("SELECT Id FROM Lead ORDER BY COUNT(Id)")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "MALFORMED_QUERY")
