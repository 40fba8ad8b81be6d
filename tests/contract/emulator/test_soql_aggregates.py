"""SOQL aggregates: functions, groups, subtotals, and what may not be grouped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from simple_salesforce import Salesforce

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

PEOPLE = [
    {"LeadSource": "Web", "Rating": "Hot", "NumberOfEmployees": 10, "AnnualRevenue": 100},
    {"LeadSource": "Web", "Rating": "Cold", "NumberOfEmployees": 20, "AnnualRevenue": 50},
    {"LeadSource": "Other", "Rating": "Hot", "NumberOfEmployees": 3},
    {"Rating": "Hot", "Email": "a@example.jp"},
]


@pytest.fixture
def people(api: Api) -> Api:
    """Give an org with four Leads of three sources."""
    for number, person in enumerate(PEOPLE):
        api.create("Lead", LastName=f"L{number}", Company="ACME", **person)
    return api


def rows(api: Api, soql: str) -> list[dict[str, Any]]:
    """Return the records of a query without their attributes, which must be those of aggregates."""
    answer = api.query(soql)
    assert answer.status_code == 200, answer.text
    records = answer.json()["records"]
    assert all(record.pop("attributes") == {"type": "AggregateResult"} for record in records)
    assert answer.json()["totalSize"] == len(records)
    return records


CASES = [
    ("SELECT count(Id) FROM Lead", [{"expr0": 4}]),
    ("SELECT COUNT(LeadSource), COUNT_DISTINCT(LeadSource) d FROM Lead", [{"expr0": 3, "d": 2}]),
    ("SELECT SUM(NumberOfEmployees), AVG(NumberOfEmployees) FROM Lead", [{"expr0": 33, "expr1": 11.0}]),
    ("SELECT MIN(AnnualRevenue) low, MAX(AnnualRevenue) FROM Lead", [{"low": 50.0, "expr0": 100.0}]),
    ("SELECT MAX(LastName) FROM Lead", [{"expr0": "L3"}]),
    ("SELECT SUM(NumberOfEmployees) FROM Lead WHERE Name = 'x'", [{"expr0": None}]),
    (
        "SELECT LeadSource, COUNT(Id) FROM Lead GROUP BY LeadSource ORDER BY LeadSource",
        [{"LeadSource": None, "expr0": 1}, {"LeadSource": "Other", "expr0": 1}, {"LeadSource": "Web", "expr0": 2}],
    ),
    (
        "SELECT LeadSource s FROM Lead GROUP BY LeadSource ORDER BY COUNT(Id) DESC, LeadSource DESC NULLS LAST",
        [{"s": "Web"}, {"s": "Other"}, {"s": None}],
    ),
    (
        "SELECT Rating, COUNT(Id) n FROM Lead GROUP BY Rating HAVING COUNT(Id) > 1 AND Rating != null",
        [{"Rating": "Hot", "n": 3}],
    ),
    (
        "SELECT Owner.Username, COUNT(Id) FROM Lead GROUP BY Owner.Username LIMIT 1",
        [{"Username": "integration@emulator.example", "expr0": 4}],
    ),
    ("SELECT Rating FROM Lead GROUP BY Rating ORDER BY Rating LIMIT 1 OFFSET 1", [{"Rating": "Hot"}]),
    (
        "SELECT Rating, GROUPING(Rating) g, COUNT(Id) FROM Lead GROUP BY ROLLUP(Rating) ORDER BY GROUPING(Rating)",
        [
            {"Rating": "Cold", "g": 0, "expr0": 1},
            {"Rating": "Hot", "g": 0, "expr0": 3},
            {"Rating": None, "g": 1, "expr0": 4},
        ],
    ),
    (
        (
            "SELECT Rating, LeadSource, COUNT(Id) FROM Lead WHERE LeadSource > 'P' "
            "GROUP BY CUBE(Rating, LeadSource) ORDER BY Rating, LeadSource"
        ),
        [
            {"Rating": None, "LeadSource": None, "expr0": 2},
            {"Rating": None, "LeadSource": "Web", "expr0": 2},
            {"Rating": "Cold", "LeadSource": None, "expr0": 1},
            {"Rating": "Cold", "LeadSource": "Web", "expr0": 1},
            {"Rating": "Hot", "LeadSource": None, "expr0": 1},
            {"Rating": "Hot", "LeadSource": "Web", "expr0": 1},
        ],
    ),
]


@pytest.mark.parametrize(("soql", "expected"), CASES, ids=[each[0] for each in CASES])
def test_aggregates_are(people: Api, soql: str, expected: list[dict[str, Any]]):
    """Aggregates are named `expr0…` or by alias (recorded), grouped fields by their names."""
    assert rows(people, soql) == expected


def test_simple_salesforce_reads_aggregates(salesforce: Emulator, people: Api):
    """An unpatched client gets groups."""
    client = Salesforce(session_id=salesforce.login(), instance_url=salesforce.url)
    records = client.query("SELECT Rating, COUNT(Id) n FROM Lead GROUP BY Rating ORDER BY Rating")["records"]
    assert [(each["Rating"], each["n"]) for each in records] == [("Cold", 1), ("Hot", 3)]


def test_aggregates_have_no_further_pages(api: Api):
    """More groups than a page holds are refused: there is no queryMore for them."""
    for start in range(0, 2_200, 200):
        records = [
            {"attributes": {"type": "Lead"}, "LastName": f"L{start + number}", "Company": "ACME"}
            for number in range(200)
        ]
        api("POST", "composite/sobjects", {"records": records})
    (error,) = api.query("SELECT LastName FROM Lead GROUP BY LastName").json()
    assert error["errorCode"] == "EXCEEDED_ID_LIMIT"
    assert error["message"].startswith("Aggregate query does not support queryMore(), use LIMIT")
    assert len(rows(api, "SELECT LastName FROM Lead GROUP BY LastName LIMIT 2000")) == 2_000


REFUSED = [
    ("SELECT Name, COUNT(Id) FROM Lead", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"),
    ("SELECT Name FROM Lead GROUP BY Rating", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"),
    (
        "SELECT Rating FROM Lead GROUP BY Rating ORDER BY Name",
        "MALFORMED_QUERY",
        "Ordered field must be grouped or aggregated: Name",
    ),
    (
        "SELECT COUNT(Id) FROM Lead GROUP BY Description",
        "MALFORMED_QUERY",
        "field 'Description' can not be grouped in a query call",
    ),
    ("SELECT COUNT(Id) FROM Lead GROUP BY COUNT(Id)", "MALFORMED_QUERY", "Grouped field should not be aggregated"),
    (
        "SELECT MAX(Name) FROM Lead LIMIT 1",
        "MALFORMED_QUERY",
        "Non-grouped query that uses overall aggregate functions cannot also use LIMIT",
    ),
    ("SELECT SUM(Name) FROM Lead", "MALFORMED_QUERY", "field Name does not support aggregate operator SUM"),
    ("SELECT MAX(IsConverted) FROM Lead", "MALFORMED_QUERY", "does not support aggregate operator MAX"),
    ("SELECT Rating, COUNT(Id) Rating FROM Lead GROUP BY Rating", "MALFORMED_QUERY", "duplicate alias: Rating"),
    ("SELECT Id x FROM Lead", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
    ("SELECT count(), Id FROM Lead", "MALFORMED_QUERY", "count() must be the only element"),
    ("SELECT count() FROM Lead ORDER BY Name", "MALFORMED_QUERY", "Ordered field must be grouped or aggregated: Name"),
    ("SELECT Id FROM Lead WHERE COUNT(Id) > 1", "MALFORMED_QUERY", "Aggregate functions are not allowed in the WHERE"),
    ("SELECT GROUPING(Rating) FROM Lead GROUP BY Rating", "MALFORMED_QUERY", "GROUPING() needs a field of ROLLUP"),
    ("SELECT MEDIAN(Id) FROM Lead", "MALFORMED_QUERY", "unexpected token: 'MEDIAN'"),
    ("SELECT Rating FROM Lead GROUP BY Rating HAVING Nope = 1", "INVALID_FIELD", "No such column 'Nope'"),
    ("SELECT Rating FROM Lead HAVING Rating = 'x'", "MALFORMED_QUERY", "unexpected token: 'HAVING'"),
]


@pytest.mark.parametrize(("soql", "code", "message"), REFUSED, ids=[each[0] for each in REFUSED])
def test_a_wrong_aggregate_is_refused(api: Api, soql: str, code: str, message: str):
    """What cannot be aggregated or grouped is refused with its reason."""
    (error,) = api.query(soql).json()
    assert (error["errorCode"], message in error["message"]) == (code, True), error["message"]
