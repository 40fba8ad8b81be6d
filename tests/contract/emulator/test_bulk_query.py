"""Bulk API 2.0 query jobs over TLS: pages, headers, printing of values, refusals, and unpatched simple_salesforce."""

from __future__ import annotations

import csv
import io
import time
from typing import TYPE_CHECKING, Any

import pytest
from simple_salesforce import Salesforce

if TYPE_CHECKING:
    import requests

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator


def start(api: Api, query: str, operation: str = "query", **options: str) -> requests.Response:
    """Create a query job."""
    return api("POST", "jobs/query", {"operation": operation, "query": query, **options})


def finished(api: Api, query: str, **options: str) -> dict[str, Any]:
    """Run a query job to its end."""
    created = start(api, query, **options)
    assert created.status_code == 200, created.text
    until = time.monotonic() + 30
    while (job := api("GET", f"jobs/query/{created.json()['id']}").json())["state"] in {"UploadComplete", "InProgress"}:
        assert time.monotonic() < until
        time.sleep(0.02)
    return job


def results(api: Api, job: dict[str, Any], **params: object) -> requests.Response:
    """Read a page of results."""
    return api("GET", f"jobs/query/{job['id']}/results", params=params)


def leads(salesforce: Emulator, count: int) -> list[str]:
    """Create Leads; return their ids."""
    records = [{"attributes": {"type": "Lead"}, "LastName": f"N{n}", "Company": "C"} for n in range(count)]
    made = salesforce.rest("POST", "composite/sobjects", {"records": records}).json()
    return [each["id"] for each in made]


def test_results_come_in_pages(salesforce: Emulator, api: Api):
    """`maxRecords` cuts pages, each with a header, until the locator is the word null (documented)."""
    ids = leads(salesforce, 5)
    job = finished(api, "SELECT Id FROM Lead ORDER BY Id")
    read, locator, sizes = [], "", []
    while locator != "null":
        page = results(api, job, maxRecords=2, **({"locator": locator} if locator else {}))
        locator = page.headers["Sforce-Locator"]
        sizes.append(int(page.headers["Sforce-NumberOfRecords"]))
        head, *rows = csv.reader(io.StringIO(page.text))
        assert head == ["Id"]
        read += [row[0] for row in rows]
    assert (job["state"], job["numberRecordsProcessed"], sizes) == ("JobComplete", 5, [2, 2, 1])
    assert read == ids


def test_values_are_printed_as_bulk_does(salesforce: Emulator, api: Api):
    """Every cell is quoted, null is empty, datetimes end in Z, check boxes are words, order is the SELECT's."""
    salesforce.clock(frozen_at="2026-05-01T00:00:00Z")
    salesforce.admin_create("Lead", {"LastName": '阿部 "x"', "Company": "a\nb", "AnnualRevenue": 5})
    job = finished(
        api, "SELECT Owner.Name, LastName, Company, Title, IsConverted, CreatedDate, AnnualRevenue FROM Lead"
    )
    assert results(api, job).content.decode() == (
        '"Owner.Name","LastName","Company","Title","IsConverted","CreatedDate","AnnualRevenue"\n'
        '"Akiko Kanri","阿部 ""x""","a\nb","","false","2026-05-01T00:00:00.000Z","5.0"\n'
    )


def test_an_empty_result_is_a_header(api: Api):
    """A query without rows answers with the header and zero records."""
    page = results(api, finished(api, "SELECT Id FROM Lead"))
    assert (page.text, page.headers["Sforce-NumberOfRecords"], page.headers["Sforce-Locator"]) == (
        '"Id"\n',
        "0",
        "null",
    )


def test_query_all_reads_the_bin(salesforce: Emulator, api: Api):
    """A queryAll job reads deleted rows, a query job does not (documented)."""
    (record_id,) = leads(salesforce, 1)
    salesforce.admin_delete("Lead", record_id)
    found = [finished(api, "SELECT Id FROM Lead", operation=each) for each in ("query", "queryAll")]
    assert [job["numberRecordsProcessed"] for job in found] == [0, 1]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT count() FROM Lead", "Aggregate functions not supported in Bulk Query"),
        ("SELECT Company, count(Id) FROM Lead GROUP BY Company", "Aggregate functions not supported in Bulk Query"),
        ("SELECT Id FROM Lead LIMIT 5 OFFSET 1", "OFFSET clause not supported in Bulk Query"),
        ("SELECT Id, Address FROM Lead", "Selecting compound data not supported in Bulk Query"),
    ],
)
def test_what_only_the_query_api_takes_is_refused(api: Api, query: str, message: str):
    """Aggregates, OFFSET and compound fields make no job (documented; the last text recorded in users' issues)."""
    answer = start(api, query)
    assert (answer.status_code, answer.json()) == (400, [{"message": message, "errorCode": "API_ERROR"}])


@pytest.mark.parametrize(
    ("query", "code"), [("SELECT Nope FROM Lead", "INVALID_FIELD"), ("SELECT Id FROM Nope", "INVALID_TYPE")]
)
def test_a_wrong_query_makes_no_job(api: Api, query: str, code: str):
    """A query is checked when its job is created, with the query API's own error (guessed)."""
    answer = start(api, query)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


def test_a_job_that_is_not_ready_has_no_results(salesforce: Emulator, api: Api):
    """Results of a waiting job are refused; the job can be aborted, then deleted (codes guessed)."""
    salesforce.control("PUT", "bulk_pace", {"paused": True})
    job = start(api, "SELECT Id FROM Lead").json()
    early = results(api, job)
    refused = api("DELETE", f"jobs/query/{job['id']}").status_code
    aborted = api("PATCH", f"jobs/query/{job['id']}", {"state": "Aborted"}).json()["state"]
    deleted = api("DELETE", f"jobs/query/{job['id']}").status_code
    assert (early.status_code, early.json()[0]["errorCode"]) == (400, "JOB_NOT_COMPLETE")
    assert (refused, aborted, deleted) == (400, "Aborted", 204)


def test_results_are_read_with_the_job_s_version(api: Api):
    """Another API version is refused with 409 (documented; the code is guessed)."""
    job = finished(api, "SELECT Id FROM Lead")
    assert api("GET", f"/services/data/v60.0/jobs/query/{job['id']}/results").status_code == 409


@pytest.mark.parametrize("locator", ["x", "MTA=", "5", "é", "null"])
def test_a_bad_locator_is_never_an_error_of_ours(api: Api, locator: str):
    """What is no locator is refused; a position behind the end is an empty page."""
    assert results(api, finished(api, "SELECT Id FROM Lead"), locator=locator).status_code in {200, 400}


def test_query_jobs_count_against_the_daily_limit(salesforce: Emulator, api: Api):
    """Without any DailyBulkV2QueryJobs left a job is refused as clients know it (from a client's code)."""
    salesforce.control("PUT", "limits", {"DailyBulkV2QueryJobs": {"Remaining": 0}})
    answer = start(api, "SELECT Id FROM Lead").json()[0]
    assert answer["errorCode"] == "LIMIT_EXCEEDED"
    assert answer["message"].startswith("Max bulk v2 query jobs (10000) per 24 hrs has been reached")


def test_results_count_against_the_day_s_storage(salesforce: Emulator, api: Api):
    """Each result takes its size of DailyBulkV2QueryFileStorageMB; without any left a query fails (text guessed)."""
    text = "𠮷" * 8_000
    records = [
        {"attributes": {"type": "Lead"}, "LastName": f"N{n}", "Company": "C", "Description": text} for n in range(100)
    ]
    salesforce.rest("POST", "composite/sobjects", {"records": records})
    salesforce.control("PUT", "limits", {"DailyBulkV2QueryFileStorageMB": {"Remaining": 3}})
    soql = "SELECT Description FROM Lead"
    jobs = [finished(api, soql), finished(api, soql)]
    left = api("GET", "limits").json()["DailyBulkV2QueryFileStorageMB"]
    assert [job["state"] for job in jobs] == ["JobComplete", "Failed"]
    assert (left["Remaining"], left["Max"]) == (0, 976_562)
    assert jobs[1]["errorMessage"].startswith("ExceededQuota : ")


def test_simple_salesforce_loads_and_reads(salesforce: Emulator):
    """Unpatched simple_salesforce inserts, updates, deletes and queries by Bulk 2.0."""
    user = salesforce.integration
    client = Salesforce(
        consumer_key=user["consumer_key"], consumer_secret=user["consumer_secret"], domain=user["domain"]
    )
    inserted = client.bulk2.Lead.insert(
        records=[{"LastName": "佐藤", "Company": "A"}, {"LastName": "鈴木", "Company": "B"}]
    )
    assert inserted[0]["numberRecordsProcessed"] == 2
    ids = [row["Id"] for row in salesforce.admin_query("SELECT Id FROM Lead ORDER BY Id")]
    client.bulk2.Lead.update(records=[{"Id": ids[0], "Title": "部長"}])
    client.bulk2.Lead.delete(records=[{"Id": ids[1]}])
    found = "".join(client.bulk2.Lead.query("SELECT LastName, Title FROM Lead", max_records=1))
    assert found == '"LastName","Title"\n"佐藤","部長"\n'
    assert client.bulk2.Lead.get_unprocessed_records(inserted[0]["job_id"]).splitlines()[1:] == []
