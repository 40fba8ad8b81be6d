"""SOQL functions, sets of fields, multi-select picklists, letters of any script, dates, and the columns of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from simple_salesforce import Salesforce

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator


# --- dates -----------------------------------------------------------------------------------------------------------

NOW = "2026-05-13T20:00:00Z"
"""A Thursday, 05:00 in the morning of 14 May in Tokyo, where the users are; their fiscal year starts in April."""

DAYS = [
    "2025-03-31", "2025-05-14", "2026-01-05", "2026-03-31", "2026-04-01", "2026-04-30", "2026-05-03", "2026-05-09",
    "2026-05-10", "2026-05-13", "2026-05-14", "2026-05-15", "2026-05-17", "2026-06-01", "2026-07-01", "2027-01-01",
]  # fmt: skip


@pytest.fixture
def born(salesforce: Emulator, api: Api) -> Api:
    """Give an org with a Contact for each day, made at noon of that day in UTC."""
    for day in DAYS:
        salesforce.clock(frozen_at=f"{day}T12:00:00Z")
        api.create("Contact", LastName=day, Birthdate=day)
    salesforce.clock(frozen_at=NOW)
    return api


PERIODS = [
    ("= TODAY", "2026-05-14"),
    ("= YESTERDAY", "2026-05-13"),
    ("= TOMORROW", "2026-05-15"),
    ("= LAST_WEEK", "2026-05-03 2026-05-09"),
    ("= THIS_WEEK", "2026-05-10 2026-05-13 2026-05-14 2026-05-15"),
    ("= NEXT_WEEK", "2026-05-17"),
    ("= LAST_MONTH", "2026-04-01 2026-04-30"),
    ("= NEXT_MONTH", "2026-06-01"),
    ("= LAST_QUARTER", "2026-01-05 2026-03-31"),
    ("= NEXT_QUARTER", "2026-07-01"),
    ("= LAST_YEAR", "2025-03-31 2025-05-14"),
    ("= NEXT_YEAR", "2027-01-01"),
    ("= LAST_FISCAL_YEAR", "2025-05-14 2026-01-05 2026-03-31"),
    ("= LAST_FISCAL_QUARTER", "2026-01-05 2026-03-31"),
    ("= LAST_N_DAYS:1", "2026-05-13 2026-05-14"),
    ("= NEXT_N_DAYS:3", "2026-05-15 2026-05-17"),
    ("= N_DAYS_AGO:4", "2026-05-10"),
    ("= LAST_N_WEEKS:1", "2026-05-03 2026-05-09"),
    ("= N_WEEKS_AGO:1", "2026-05-03 2026-05-09"),
    ("= LAST_N_MONTHS:2", "2026-03-31 2026-04-01 2026-04-30"),
    ("= N_MONTHS_AGO:2", "2026-03-31"),
    ("= NEXT_N_QUARTERS:1", "2026-07-01"),
    ("= N_YEARS_AGO:1", "2025-03-31 2025-05-14"),
    ("= LAST_N_FISCAL_YEARS:2", "2025-03-31 2025-05-14 2026-01-05 2026-03-31"),
    ("< LAST_YEAR", ""),
    ("< THIS_YEAR", "2025-03-31 2025-05-14"),
    ("<= LAST_YEAR", "2025-03-31 2025-05-14"),
    ("> THIS_MONTH", "2026-06-01 2026-07-01 2027-01-01"),
    (">= NEXT_YEAR", "2027-01-01"),
    ("IN (TODAY, TOMORROW)", "2026-05-14 2026-05-15"),
]


@pytest.mark.parametrize(("condition", "expected"), PERIODS, ids=[each[0] for each in PERIODS])
def test_a_date_literal_is_a_span(born: Api, condition: str, expected: str):
    """A date literal spans days of the asking user's calendar, and compares with a date as documented."""
    answer = born.query(f"SELECT LastName FROM Contact WHERE Birthdate {condition} ORDER BY Birthdate")
    assert [each["LastName"] for each in answer.json()["records"]] == expected.split(), answer.text


def test_today_begins_at_the_users_midnight(salesforce: Emulator, lead: Callable[..., str], api: Api):
    """A datetime is compared with a span in the user's time zone: Tokyo's day begins at 15:00 UTC."""
    for moment, name in [("14:59:59", "before"), ("15:00:00", "begin"), ("20:00:00", "now")]:
        salesforce.clock(frozen_at=f"2026-05-13T{moment}Z")
        lead(LastName=name)
    found = api.query("SELECT LastName FROM Lead WHERE CreatedDate = TODAY ORDER BY CreatedDate").json()["records"]
    others = api.query("SELECT LastName FROM Lead WHERE CreatedDate != TODAY").json()["records"]
    assert [each["LastName"] for each in found] == ["begin", "now"]
    assert [each["LastName"] for each in others] == ["before"]


FUNCTIONS = [
    ("CALENDAR_YEAR(CreatedDate)", 2026),
    ("CALENDAR_MONTH(CreatedDate)", 5),
    ("CALENDAR_QUARTER(CreatedDate)", 2),
    ("DAY_IN_MONTH(CreatedDate)", 13),
    ("DAY_IN_WEEK(CreatedDate)", 4),
    ("DAY_IN_YEAR(CreatedDate)", 133),
    ("DAY_ONLY(CreatedDate)", "2026-05-13"),
    ("DAY_ONLY(convertTimezone(CreatedDate))", "2026-05-14"),
    ("HOUR_IN_DAY(CreatedDate)", 20),
    ("HOUR_IN_DAY(convertTimezone(CreatedDate))", 5),
    ("FISCAL_MONTH(CreatedDate)", 2),
    ("FISCAL_QUARTER(CreatedDate)", 1),
    ("FISCAL_YEAR(CreatedDate)", 2027),
    ("WEEK_IN_MONTH(CreatedDate)", 2),
    ("WEEK_IN_YEAR(CreatedDate)", 19),
]


@pytest.mark.parametrize(("function", "expected"), FUNCTIONS, ids=[each[0] for each in FUNCTIONS])
def test_a_date_function_reckons(
    salesforce: Emulator, lead: Callable[..., str], api: Api, function: str, expected: str | int
):
    """A date function reckons in UTC, or in the user's time zone where it is asked to; it groups and filters."""
    salesforce.clock(frozen_at=NOW)
    lead()
    literal = expected if isinstance(expected, int) or "DAY_ONLY" in function else f"'{expected}'"
    soql = f"SELECT {function}, COUNT(Id) n FROM Lead WHERE {function} = {literal} GROUP BY {function}"
    (record,) = api.query(soql).json()["records"]
    assert (record["expr0"], record["n"]) == (expected, 1)


# --- text ------------------------------------------------------------------------------------------------------------

TEXTS = [
    ("LastName = 'ÉMILE'", "émile"),
    ("LastName != 'ÉMILE'", "yamada ЯКОВ"),
    ("LastName IN ('Émile', 'YAMADA')", "émile yamada"),
    ("LastName NOT IN ('Émile', 'YAMADA')", "ЯКОВ"),
    ("LastName LIKE 'яко%'", "ЯКОВ"),
    ("LastName LIKE '%É%'", "émile"),
    ("LastName = 'яков' AND Owner.Name = 'INTEGRATION USER'", "ЯКОВ"),
]


@pytest.mark.parametrize(("where", "expected"), TEXTS, ids=[each[0] for each in TEXTS])
def test_case_counts_in_no_script(lead: Callable[..., str], api: Api, where: str, expected: str):
    """Text is compared without case beyond ASCII too (recorded in ASCII, the rest guessed)."""
    for name in ("émile", "yamada", "ЯКОВ"):
        lead(LastName=name)
    answer = api.query(f"SELECT LastName FROM Lead WHERE {where} ORDER BY Id")
    assert [each["LastName"] for each in answer.json()["records"]] == expected.split(), answer.text


@pytest.fixture
def topics(salesforce: Emulator, api: Api) -> Api:
    """Give an org with Leads that chose some of three topics, one of them labelled in Japanese."""
    values = [{"value": "a", "label": "りんご"}, {"value": "b", "label": "b"}, {"value": "c", "label": "c"}]
    field = {"name": "Topics__c", "label": "Topics", "type": "multipicklist", "picklistValues": values}
    salesforce.control("POST", "fields/Lead", field)
    for name, chosen in [("one", "a"), ("two", "a;b"), ("three", "a;b;c"), ("none", None)]:
        api.create("Lead", LastName=name, Company="ACME", Topics__c=chosen)
    return api


CHOICES = [
    ("INCLUDES ('b')", "two three"),
    ("INCLUDES ('a;c')", "three"),
    ("INCLUDES ('a;c', 'B')", "two three"),
    ("EXCLUDES ('b')", "one none"),
    ("= 'a;b'", "two"),
    ("INCLUDES ('d')", ""),
]


@pytest.mark.parametrize(("condition", "expected"), CHOICES, ids=[each[0] for each in CHOICES])
def test_choices_are_compared_as_sets(topics: Api, condition: str, expected: str):
    """INCLUDES takes rows with all of a `;` list, EXCLUDES the others."""
    answer = topics.query(f"SELECT LastName FROM Lead WHERE Topics__c {condition} ORDER BY Id")
    assert [each["LastName"] for each in answer.json()["records"]] == expected.split(), answer.text


def test_labels_are_given_in_place_of_values(salesforce: Emulator, topics: Api):
    """`toLabel` gives labels, under the field's name or an alias, and is compared by label."""
    salesforce.control("PUT", "picklists/Lead/Rating", [{"value": "Hot", "label": "熱い"}])
    topics.create("Lead", LastName="hot", Company="ACME", Rating="Hot")
    soql = "SELECT Rating, toLabel(Rating) r FROM Lead WHERE toLabel(Rating) = '熱い'"
    (record,) = topics.query(soql).json()["records"]
    (chosen,) = topics.query("SELECT toLabel(Topics__c) FROM Lead WHERE LastName = 'two'").json()["records"]
    assert (record["Rating"], record["r"], chosen["Topics__c"]) == ("Hot", "熱い", "りんご;b")


def test_format_prints_for_the_user(salesforce: Emulator, lead: Callable[..., str], api: Api):
    """`FORMAT` gives text in the user's locale and time zone."""
    salesforce.clock(frozen_at=NOW)
    lead(AnnualRevenue=1200, NumberOfEmployees=34567)
    soql = "SELECT FORMAT(CreatedDate) at, FORMAT(AnnualRevenue), FORMAT(NumberOfEmployees) FROM Lead"
    (record,) = api.query(soql).json()["records"]
    assert [record[name] for name in ("at", "AnnualRevenue", "NumberOfEmployees")] == [
        "2026/05/14 5:00",
        "¥1,200",
        "34,567",
    ]


def test_a_distance_filters_and_orders(lead: Callable[..., str], api: Api):
    """`DISTANCE` reckons the way over the earth, in kilometres or miles."""
    lead(LastName="Tokyo", Latitude=35.68, Longitude=139.77)
    lead(LastName="Osaka", Latitude=34.69, Longitude=135.50)
    lead(LastName="nowhere")
    way = "DISTANCE(Address, GEOLOCATION(35.68, 139.77), '{}')"
    near = api.query(f"SELECT LastName FROM Lead WHERE {way.format('km')} < 1").json()["records"]
    soql = f"SELECT LastName FROM Lead WHERE {way.format('mi')} < 300 ORDER BY {way.format('mi')} DESC"
    far = api.query(soql).json()["records"]
    assert [each["LastName"] for each in near] == ["Tokyo"]
    assert [each["LastName"] for each in far] == ["Osaka", "Tokyo"]


# --- sets of fields and columns --------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["ALL", "STANDARD", "CUSTOM"])
def test_fields_selects_a_set(topics: Api, which: str):
    """`FIELDS` selects every readable field, or the standard or custom ones."""
    (record,) = topics.query(f"SELECT FIELDS({which}) FROM Lead LIMIT 1").json()["records"]
    assert ("Topics__c" in record, "Address" in record) == (which != "STANDARD", which != "CUSTOM")


def test_fields_leaves_out_what_is_hidden(salesforce: Emulator, lead: Callable[..., str], api: Api):
    """A field that the user may not read is not in the set."""
    lead()
    salesforce.access("Lead/Phone", read=False)
    (record,) = api.query("SELECT FIELDS(ALL) FROM Lead LIMIT 200").json()["records"]
    assert ("Phone" in record, "Fax" in record) == (False, True)


def test_fields_need_a_version(api: Api):
    """Before version 51 there is no `FIELDS` (recorded in a user's report)."""
    (error,) = api("GET", "/services/data/v50.0/query", params={"q": "SELECT FIELDS(STANDARD) FROM Lead"}).json()
    assert error["errorCode"] == "UNSUPPORTED_API_VERSION"
    assert error["message"].endswith("The SOQL FIELDS function is not supported in this version of the API")


KEYS = [
    "aggregate", "apexType", "booleanType", "columnName", "custom", "displayName", "foreignKeyName", "insertable",
    "joinColumns", "numberType", "textType", "updatable",
]  # fmt: skip


def columns(api: Api, soql: str) -> list[dict[str, Any]]:
    """Return the column metadata of a query, whose keys are those recorded."""
    found = api("GET", "query", params={"q": soql, "columns": "true"}).json()["columnMetadata"]
    assert all(sorted(each) == KEYS for each in found)
    return found


def test_columns_tell_fields(api: Api):
    """A field has its Apex type, and says whether it may be written (recorded for Contact)."""
    identity, name = columns(api, "SELECT Id, Name FROM Contact")
    assert (identity["apexType"], identity["textType"]) == ("Id", False)
    assert (name["apexType"], name["textType"], name["insertable"], name["updatable"]) == ("String", True, False, False)


def test_columns_tell_parents_and_children(api: Api):
    """A parent names its foreign key, children are an aggregate, and both hold columns (recorded)."""
    parent, children = columns(api, "SELECT Owner.Name, (SELECT LastName FROM Contacts) FROM Account")
    assert (parent["columnName"], parent["foreignKeyName"], parent["aggregate"]) == ("Owner", "OwnerId", False)
    assert [each["columnName"] for each in parent["joinColumns"]] == ["Name"]
    assert (children["columnName"], children["aggregate"], children["apexType"]) == ("Contacts", True, None)
    assert [(each["columnName"], each["insertable"]) for each in children["joinColumns"]] == [("LastName", True)]


def test_columns_tell_aggregates(api: Api):
    """An aggregate has no type and shows how it was written (recorded)."""
    group, total = columns(api, "SELECT LeadSource, avg(AnnualRevenue) FROM Lead GROUP BY LeadSource")
    assert (group["columnName"], group["aggregate"], group["insertable"]) == ("LeadSource", False, True)
    assert (total["columnName"], total["displayName"], total["apexType"]) == ("expr0", "avg(AnnualRevenue)", None)
    assert (total["aggregate"], total["numberType"]) == (True, True)


def test_simple_salesforce_asks_for_a_span(salesforce: Emulator, lead: Callable[..., str]):
    """An unpatched client sends a date literal and reads the rows."""
    lead()
    client = Salesforce(session_id=salesforce.login(), instance_url=salesforce.url)
    assert client.query("SELECT FIELDS(STANDARD) FROM Lead WHERE CreatedDate = LAST_N_DAYS:1")["totalSize"] == 1


REFUSED = [
    ("SELECT FIELDS(ALL) FROM Lead", "MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200"),
    ("SELECT FIELDS(CUSTOM) FROM Lead LIMIT 201", "MALFORMED_QUERY", "must have a LIMIT of at most 200"),
    ("SELECT FIELDS(MINE) FROM Lead LIMIT 1", "MALFORMED_QUERY", "unexpected token: 'FIELDS(MINE)'"),
    ("SELECT FIELDS(ALL), Id FROM Lead LIMIT 1", "INVALID_FIELD", "duplicate field selected: Id"),
    ("SELECT convertCurrency(AnnualRevenue) FROM Lead", "INVALID_FIELD", "multiple currencies"),
    ("SELECT toLabel(LastName) FROM Lead", "INVALID_FIELD", "toLabel function is not supported"),
    ("SELECT CALENDAR_YEAR(LastName) FROM Lead GROUP BY CALENDAR_YEAR(LastName)", "INVALID_FIELD", "not supported"),
    ("SELECT DAY_ONLY(EmailBouncedDate), Id FROM Lead", "MALFORMED_QUERY", "Field must be grouped or aggregated"),
    ("SELECT Id FROM Contact WHERE HOUR_IN_DAY(Birthdate) = 1", "INVALID_FIELD", "HOUR_IN_DAY is not supported"),
    ("SELECT convertTimezone(CreatedDate) FROM Lead", "MALFORMED_QUERY", "convertTimezone() is allowed in a date"),
    ("SELECT Id FROM Lead WHERE LastName INCLUDES ('a')", "INVALID_FIELD", "invalid operator on string field"),
    ("SELECT Id FROM Lead WHERE LastName = TODAY", "INVALID_FIELD", "must be of type string and should be enclosed"),
    ("SELECT Id FROM Lead WHERE CreatedDate = SOMEDAY", "MALFORMED_QUERY", "unexpected token: 'SOMEDAY'"),
    ("SELECT Id FROM Lead WHERE CreatedDate = LAST_N_DAYS", "MALFORMED_QUERY", "unexpected token: 'LAST_N_DAYS'"),
    ("SELECT Id FROM Lead WHERE CreatedDate = LAST_N_YEARS:9999999999", "MALFORMED_QUERY", "out of range"),
    ("SELECT Id FROM Lead ALL ROWS", "MALFORMED_QUERY", "ALL ROWS not allowed in this context"),
    ("SELECT Id FROM Lead WITH NOTHING", "MALFORMED_QUERY", "unexpected token: 'NOTHING'"),
    (
        "SELECT Id FROM Lead WITH DATA CATEGORY a__c AT b__c",
        "MALFORMED_QUERY",
        "DATA CATEGORY is not supported on Lead",
    ),
    ("SELECT Id FROM Lead FOR UPDATE", "MALFORMED_QUERY", "unexpected token: 'UPDATE'"),
    ("SELECT Id FROM Lead WHERE Id = null AND NOT Name = 'x'", "MALFORMED_QUERY", "unexpected token: 'NOT'"),
    ("SELECT Id FROM Lead FOR FUN", "MALFORMED_QUERY", "unexpected token: 'FUN'"),
    ("SELECT NOW() FROM Lead", "MALFORMED_QUERY", "unexpected token: 'NOW'"),
    ("SELECT Id FROM Lead limit", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
]


@pytest.mark.parametrize(("soql", "code", "message"), REFUSED, ids=[each[0] for each in REFUSED])
def test_a_wrong_function_is_refused(api: Api, soql: str, code: str, message: str):
    """A function, literal or clause where it may not stand is refused with its reason."""
    (error,) = api.query(soql).json()
    assert (error["errorCode"], message in error["message"]) == (code, True), error["message"]


@pytest.mark.parametrize("tail", ["WITH SECURITY_ENFORCED", "WITH USER_MODE", "FOR VIEW", "FOR REFERENCE"])
def test_a_purpose_is_accepted(lead: Callable[..., str], api: Api, tail: str):
    """A query may say what it is for; permissions hold anyway."""
    lead()
    assert api.query(f"SELECT Id FROM Lead WHERE Company = 'ACME' {tail}").json()["totalSize"] == 1
