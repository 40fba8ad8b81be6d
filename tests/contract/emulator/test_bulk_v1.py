"""Bulk API v1 over TLS: jobs in XML as CumulusCI sends them, data in CSV, XML and JSON."""

from __future__ import annotations

import csv
import gzip
import io
import time
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.emulator.bulk_v1_client import NS, V1, XSI_NIL, error, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator


@pytest.fixture
def v1(salesforce: Emulator) -> V1:
    """Give a client of an empty org."""
    return V1(salesforce)


def test_cumulusci_loads_chunks_of_csv(v1: V1, salesforce: Emulator):
    """XML infos, a chunked batch, and a CSV of results in the order of the data, as CumulusCI recorded them."""

    def pieces() -> Iterator[bytes]:
        yield b'"LastName","Company"\r\n'
        yield '"佐藤","ACME"\r\n'.encode()
        yield '"鈴木",""\r\n'.encode()

    created = v1(
        "POST", "job", v1.asked(operation="insert", object="Lead", concurrencyMode="Parallel", contentType="CSV")
    )
    job = values(created)
    assert (created.status_code, created.headers["Content-Type"]) == (201, "application/xml")
    assert list(job) == [
        "id", "operation", "object", "createdById", "createdDate", "systemModstamp", "state", "concurrencyMode",
        "contentType", "numberBatchesQueued", "numberBatchesInProgress", "numberBatchesCompleted",
        "numberBatchesFailed", "numberBatchesTotal", "numberRecordsProcessed", "numberRetries", "apiVersion",
        "numberRecordsFailed", "totalProcessingTime", "apiActiveProcessingTime", "apexProcessingTime",
    ]  # fmt: skip
    assert (job["state"], job["id"][:3], job["apiVersion"], job["createdDate"][-5:]) == ("Open", "750", "59.0", ".000Z")
    added = v1.add(job["id"], pieces())
    assert (added.status_code, values(added)["state"], values(added)["id"][:3]) == (201, "Queued", "751")
    batch = v1.wait(job["id"], values(added)["id"])
    assert (batch["state"], batch["numberRecordsProcessed"], batch["numberRecordsFailed"]) == ("Completed", "2", "1")
    closed = v1.state(job["id"], "Closed")
    assert (closed.status_code, values(closed)["state"]) == (200, "Closed")
    assert values(closed)["numberBatchesCompleted"] == values(closed)["numberBatchesTotal"] == "1"
    (listed,) = ET.fromstring(v1("GET", f"job/{job['id']}/batch").content)
    assert listed.findtext(f"{NS}state") == "Completed"
    (row,) = salesforce.admin_query("SELECT Id, LastName FROM Lead")
    result = v1.result(batch)
    assert result.headers["Content-Type"] == "text/csv"
    assert result.content.decode() == (
        f'"Id","Success","Created","Error"\n"{row["Id"]}","true","true",""\n'
        '"","false","false","REQUIRED_FIELD_MISSING:Required fields are missing: [Company]:Company --"\n'
    )
    # One client writes two slashes where its instance's address ends with one (recorded).
    url = f"{v1.root.replace('/services', '//services')}/job/{job['id']}/batch/{batch['id']}/request"
    asked = v1.http.get(url, timeout=30)
    assert asked.content == b"".join(pieces())


def test_a_batch_of_xml_says_null_and_nothing(v1: V1, salesforce: Emulator):
    """In XML `xsi:nil` clears, an empty element changes nothing (documented); results come as XML."""
    ids = [salesforce.admin_create("Lead", {"LastName": "A", "Company": "C", "Title": "CEO"}) for _ in range(2)]
    nil = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"'
    data = (
        f'<?xml version="1.0" encoding="UTF-8"?><sObjects xmlns="{NS[1:-1]}">'
        f"<sObject><Id>{ids[0]}</Id><Title {nil}/><Company>高橋 &amp; 山本</Company></sObject>"
        f"<sObject><Id>{ids[1]}</Id><Title/></sObject><sObject><Title>x</Title></sObject></sObjects>"
    )
    batch = v1.run(data, "XML", operation="update")
    found = salesforce.admin_query("SELECT Title, Company FROM Lead ORDER BY Id")
    assert [(row["Title"], row["Company"]) for row in found] == [(None, "高橋 & 山本"), ("CEO", "C")]
    results = ET.fromstring(v1.result(batch).content)
    assert results.tag == f"{NS}results"
    assert [each.findtext(f"{NS}success") for each in results] == ["true", "true", "false"]
    assert results[2].findtext(f"{NS}errors/{NS}statusCode") == "MISSING_ARGUMENT"


def test_upsert_finds_rows_and_parents_by_external_id(v1: V1, salesforce: Emulator):
    """An upsert by e-mail updates or creates; a parent is named by its external id, in XML inside an sObject."""
    salesforce.control("POST", "fields/Account", {"name": "Ext__c", "type": "string", "length": 20, "externalId": True})
    account = salesforce.admin_create("Account", {"Name": "ACME", "Ext__c": "K1"})
    salesforce.admin_create("Contact", {"LastName": "Old", "Email": "a@example.jp"})
    options = {"operation": "upsert", "sobject": "Contact", "externalIdFieldName": "Email"}
    first = v1.run("Email,LastName\na@example.jp,New\nb@example.jp,Abe\n", **options)
    created = [line["Created"] for line in csv.DictReader(io.StringIO(v1.result(first).text))]
    xml = (
        "<sObjects><sObject><Email>a@example.jp</Email><Account><sObject><type>Account</type><Ext__c>K1</Ext__c>"
        "</sObject></Account></sObject></sObjects>"
    )
    v1.run(xml, "XML", **options)
    rows = salesforce.admin_query("SELECT LastName, AccountId FROM Contact ORDER BY Id")
    assert created == ["false", "true"]
    assert [(row["LastName"], row["AccountId"]) for row in rows] == [("New", account), ("Abe", None)]


def test_a_hash_n_a_is_null_in_csv_alone(v1: V1, salesforce: Emulator):
    """`#N/A` clears in CSV; in JSON it is text, and null clears (documented)."""
    v1.run(
        '[{"LastName": "A", "Company": "C", "Title": "#N/A"}, {"LastName": "B", "Company": "C", "Title": null}]', "JSON"
    )
    v1.run("LastName,Company,Title\nD,C,#N/A\n")
    found = salesforce.admin_query("SELECT LastName, Title FROM Lead ORDER BY LastName")
    assert [row["Title"] for row in found] == ["#N/A", None, None]


def test_a_batch_with_an_unknown_field_fails_as_users_know_it(v1: V1):
    """The batch says which field is unknown, its results that nothing was processed (users' reports)."""
    batch = v1.run('[{"LastName": "A", "Nope": 1}]', "JSON")
    assert (batch["state"], batch["stateMessage"]) == ("Failed", "InvalidBatch : Field name not found : Nope")
    assert error(v1.result(batch)) == (400, "InvalidBatch", "Records not processed")


def test_every_form_of_query_gives_the_same_rows(v1: V1, salesforce: Emulator):
    """REST, Bulk 2.0 and Bulk v1 in CSV, JSON and XML read the same rows; only the spelling of values differs."""
    salesforce.clock(frozen_at="2026-05-01T09:08:07Z")
    records = [
        {"LastName": '阿部 "x" <&>', "Company": "a\nb,c", "AnnualRevenue": 12.5, "HasOptedOutOfEmail": True},
        {"LastName": "𠮷野", "Company": "C", "Email": "y@example.jp", "NumberOfEmployees": 3},
    ]
    for record in records:
        salesforce.admin_create("Lead", record)
    fields = [
        "Id",
        "LastName",
        "Company",
        "Email",
        "AnnualRevenue",
        "NumberOfEmployees",
        "HasOptedOutOfEmail",
        "CreatedDate",
        "Owner.Name",
    ]
    soql = f"SELECT {', '.join(fields)} FROM Lead ORDER BY Id"
    rest = [[_inside(row, name) for name in fields] for row in salesforce.admin_query(soql)]

    head, *lines = csv.reader(io.StringIO(v1.query(soql, "CSV").content.decode(), newline=""))
    assert (head, lines) == (fields, [[_as_text(value) for value in row] for row in rest])
    assert lines == _by_bulk_2(salesforce, soql)[1:]

    in_json = [[_inside(row, name) for name in fields] for row in v1.query(soql, "JSON").json()]
    moment = fields.index("CreatedDate")
    assert {row[moment] for row in in_json} == {1_777_626_487_000}
    assert [row[:moment] + row[moment + 1 :] for row in in_json] == [row[:moment] + row[moment + 1 :] for row in rest]

    in_xml = []
    for record in ET.fromstring(v1.query(soql, "XML").content):
        assert record.findtext(f"{NS}type") == "Lead"
        cells = [record.find("/".join(NS + part for part in name.split("."))) for name in fields]
        in_xml.append(["" if cell.get(XSI_NIL) == "true" else cell.text for cell in cells])
    assert in_xml == lines


def _inside(row: dict[str, Any], name: str) -> Any:
    for part in name.split("."):
        row = row[part]
    return row


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return value.replace(".000+0000", ".000Z") if isinstance(value, str) else str(value)


def _by_bulk_2(salesforce: Emulator, soql: str) -> list[list[str]]:
    job = salesforce.rest("POST", "jobs/query", {"operation": "query", "query": soql}).json()["id"]
    until = time.monotonic() + 30
    while salesforce.rest("GET", f"jobs/query/{job}").json()["state"] != "JobComplete":
        assert time.monotonic() < until
        time.sleep(0.02)
    text = salesforce.rest("GET", f"jobs/query/{job}/results").content.decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_an_aborted_job_processes_no_more(v1: V1, salesforce: Emulator):
    """A batch that waits when its job is aborted is not processed, and the job takes no other (documented)."""
    salesforce.control("PUT", "bulk_pace", {"paused": True})
    job_id = v1.create()
    batch_id = values(v1.add(job_id, "LastName,Company\nA,C\n"))["id"]
    assert error(v1("GET", f"job/{job_id}/batch/{batch_id}/result")) == (400, "InvalidBatch", "Batch not completed")
    assert values(v1.state(job_id, "Aborted"))["state"] == "Aborted"
    salesforce.control("PUT", "bulk_pace", {"paused": False})
    assert v1.wait(job_id, batch_id)["state"] == "NotProcessed"
    assert v1.add(job_id, "LastName,Company\nB,C\n").status_code == 400
    assert error(v1.state(job_id, "Aborted"))[1] == error(v1.state(job_id, "Closed"))[1] == "InvalidJobState"
    time.sleep(0.3)
    assert salesforce.admin_count("Lead") == 0


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"operation": "insert", "object": "Nope", "contentType": "CSV"}, "InvalidJob"),
        ({"operation": "merge", "object": "Lead", "contentType": "CSV"}, "InvalidJob"),
        ({"operation": "upsert", "object": "Lead", "contentType": "CSV"}, "InvalidJob"),
        ({"operation": "insert", "object": "Lead", "contentType": "CSV", "externalIdFieldName": "Email"}, "InvalidJob"),
        ({"operation": "insert", "object": "Lead", "contentType": "ZIP_CSV"}, "InvalidJob"),
        ({"operation": "insert", "object": "Lead", "contentType": "CSV", "concurrencyMode": "Fast"}, "InvalidJob"),
        ({"operation": "hardDelete", "object": "Lead", "contentType": "CSV"}, "FeatureNotEnabled"),
    ],
)
def test_a_job_that_cannot_be_is_refused(v1: V1, asked: dict[str, str], code: str):
    """What makes no job is refused with an exception code of the guide, in the form of the request."""
    in_xml = v1("POST", "job", v1.asked(**asked))
    in_json = v1.http.post(f"{v1.root}/job", json=asked, timeout=30)
    assert ET.fromstring(in_xml.content).tag == f"{NS}error"
    assert error(in_xml) == error(in_json)
    assert error(in_json)[:2] == (400, code)


def test_what_is_not_there_is_refused(v1: V1, salesforce: Emulator):
    """Sessions, paths, jobs, batches, bodies and headers that are none get the guide's exception codes."""
    job_id = v1.create()
    stranger = V1(salesforce, "00D!x")
    answers = {
        "InvalidSessionId": stranger("GET", f"job/{job_id}"),
        "InvalidUrl": v1("GET", "jobs"),
        "InvalidOperation": v1("PUT", "job"),
        "InvalidJob": v1("GET", "job/7505i0000000zzz"),
        "InvalidBatch": v1("GET", f"job/{job_id}/batch/7515i0000000zzz"),
        "InvalidXML": v1("POST", "job", "<jobInfo"),
        "InvalidJobState": v1.state(job_id, "Done"),
        "FeatureNotEnabled": v1(
            "POST",
            "job",
            v1.asked(operation="query", object="Lead", contentType="CSV"),
            Sforce_Enable_PKChunking="chunkSize=1000",
        ),
        "ClientInputError": v1.add(job_id, "[]", "JSON"),
    }
    assert {code: error(answer)[:2] for code, answer in answers.items()} == {code: (400, code) for code in answers}
    bearer = salesforce.http.get(f"{v1.root}/job/{job_id}", timeout=30)
    assert error(bearer) == (400, "InvalidSessionId", "Invalid session id")


def test_only_its_maker_closes_a_job(v1: V1, salesforce: Emulator):
    """Another user's job is neither seen nor closed; an administrator may abort it (documented)."""
    job_id = v1.create()
    admin = V1(salesforce, salesforce.admin["access_token"])
    other = V1(salesforce, salesforce.login(salesforce.control("POST", "users", _SOMEBODY)))
    assert [error(answer)[1] for answer in (admin.state(job_id, "Closed"), other("GET", f"job/{job_id}"))] == [
        "InvalidUser",
        "InvalidUser",
    ]
    assert values(admin.state(job_id, "Aborted"))["state"] == "Aborted"


_SOMEBODY = {"username": "other@example.jp", "profile": "integration", "first_name": "O", "last_name": "Ther"}


def test_a_batch_has_its_limits(v1: V1, salesforce: Emulator):
    """10,000 records, 10 MB, some content, a day since the job was made (documented; the first text is a user's)."""
    batch = v1.run("LastName,Company\n" + "A,C\n" * 10_001)
    assert (batch["state"], batch["stateMessage"]) == (
        "Failed",
        "InvalidBatch : Exceeded number of records: 10002. Number of records should be less than or equal to 10001",
    )
    job_id = v1.create()
    assert error(v1.add(job_id, "x" * 10_000_001)) == (
        400,
        "ClientInputError",
        "Failed to read request. Exceeded max size limit of 10000000",
    )
    assert error(v1.add(job_id, "")) == (400, "InvalidBatch", "A batch must contain some content")
    salesforce.clock(offset_seconds=25 * 3600)
    late = V1(salesforce)
    assert error(late.add(job_id, "LastName,Company\nA,C\n"))[:2] == (400, "InvalidJobState")
    assert salesforce.admin_count("Lead") == 0


def test_a_batch_may_come_packed(v1: V1, salesforce: Emulator):
    """A batch with Content-Encoding gzip is unpacked (documented); half of one is refused."""
    job_id = v1.create()
    packed = gzip.compress(b"LastName,Company\nA,C\n")
    half, whole = (
        v1("POST", f"job/{job_id}/batch", data, "text/csv", Content_Encoding="gzip") for data in (packed[:-9], packed)
    )
    assert (half.status_code, error(half)[1]) == (400, "ClientInputError")
    assert v1.wait(job_id, values(whole)["id"])["numberRecordsProcessed"] == "1"
    assert salesforce.admin_count("Lead") == 1


def test_bulk_2_lists_the_jobs_of_v1(v1: V1, api: Api):
    """The list of 2.0 holds the loads of v1 too, as Classic jobs (documented); 2.0 does not read them by id."""
    job_id = v1.create()
    (listed,) = api("GET", "jobs/ingest?jobType=Classic").json()["records"]
    assert (listed["id"], listed["jobType"], listed["state"]) == (job_id, "Classic", "Open")
    assert api("GET", f"jobs/ingest/{job_id}").status_code == 404


def test_batches_and_calls_count(v1: V1, salesforce: Emulator):
    """A batch takes one of DailyBulkApiBatches, each request one call; without any left: ExceededQuota."""
    before = salesforce.control("GET", "limits")
    v1.run("LastName,Company\nA,C\n")
    after = salesforce.control("GET", "limits")
    spent = {name: before[name]["Remaining"] - after[name]["Remaining"] for name in before}
    assert spent["DailyBulkApiBatches"] == 1
    assert spent["DailyApiRequests"] >= 4
    salesforce.control("PUT", "limits", {"DailyBulkApiBatches": {"Remaining": 0}})
    refused = v1.add(v1.create(), "LastName,Company\nA,C\n")
    assert error(refused) == (400, "ExceededQuota", "ApiBatchItems Limit exceeded.")
    salesforce.control("PUT", "limits", {"DailyApiRequests": {"Remaining": 0}})
    assert error(v1("GET", "job/x"))[1:] == ("ExceededQuota", "TotalRequests Limit exceeded.")
