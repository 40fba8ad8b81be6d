"""Pages of a long result: their size, their order, and what happens to them when the org changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

COUNT = 450


@pytest.fixture
def many(api: Api) -> Api:
    """Give an org with 450 Leads."""
    for start in range(0, COUNT, 150):
        rows = [
            {"attributes": {"type": "Lead"}, "LastName": f"L{start + number:04}", "Company": "ACME"}
            for number in range(150)
        ]
        api("POST", "composite/sobjects", {"records": rows})
    return api


def pages(api: Api, soql: str, size: int = 200) -> list[dict[str, Any]]:
    """Fetch a result to its end."""
    found = [api.query(soql, headers={"Sforce-Query-Options": f"batchSize={size}"}).json()]
    while not found[-1]["done"]:
        found.append(api("GET", found[-1]["nextRecordsUrl"]).json())
    return found


def test_a_result_comes_in_pages(many: Api):
    """Every page says the whole size, the last one that it is the last; together they are the result in order."""
    found = pages(many, "SELECT LastName FROM Lead ORDER BY LastName DESC")
    assert [(page["totalSize"], page["done"], len(page["records"])) for page in found] == [
        (450, False, 200),
        (450, False, 200),
        (450, True, 50),
    ]
    names = [record["LastName"] for page in found for record in page["records"]]
    assert names == sorted(names, reverse=True)
    assert found[0]["nextRecordsUrl"].endswith("-200")


@pytest.mark.parametrize(("asked", "given"), [(1, 200), (300, 300), (9_999, 450)])
def test_the_page_size_is_kept_in_bounds(many: Api, asked: int, given: int):
    """Fewer than 200 and more than 2,000 rows a page are not to be had."""
    assert len(pages(many, "SELECT Id FROM Lead", asked)[0]["records"]) == given


def test_pages_stay_consistent_while_others_write(salesforce: Emulator, many: Api):
    """Rows that arrive after the first page are not in the result; changed ones keep their place."""
    options = {"headers": {"Sforce-Query-Options": "batchSize=200"}}
    first = many.query("SELECT LastName FROM Lead ORDER BY LastName", **options).json()
    salesforce.admin_create("Lead", {"LastName": "A", "Company": "ACME"})
    salesforce.admin_update("Lead", first["records"][0]["attributes"]["url"][-18:], {"LastName": "Z"})
    second = many("GET", first["nextRecordsUrl"]).json()
    assert (second["totalSize"], second["records"][0]["LastName"]) == (450, "L0200")


def test_a_parent_is_read_on_later_pages_too(many: Api):
    """A relationship field is there on every page."""
    found = pages(many, "SELECT LastName, Owner.Username FROM Lead ORDER BY Id")
    assert {record["Owner"]["Username"] for page in found for record in page["records"]} == {
        "integration@emulator.example"
    }


@pytest.mark.parametrize("locator", ["01g5i0000000zzzEAA-200", "nothing", "{first}-9999", "{first}-x"])
def test_a_wrong_locator_is_refused(many: Api, locator: str):
    """A locator that the org did not give is refused."""
    options = {"headers": {"Sforce-Query-Options": "batchSize=200"}}
    first = many.query("SELECT Id FROM Lead", **options).json()["nextRecordsUrl"].rpartition("/")[2].split("-")[0]
    answer = many("GET", f"query/{locator.format(first=first)}")
    assert answer.json() == [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}]


def test_a_locator_is_its_users(salesforce: Emulator, many: Api):
    """Nobody else can read on."""
    url = many.query("SELECT Id FROM Lead", headers={"Sforce-Query-Options": "batchSize=200"}).json()["nextRecordsUrl"]
    assert salesforce.http.get(salesforce.url + url, timeout=10).json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"
