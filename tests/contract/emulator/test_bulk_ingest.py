"""Bulk API 2.0 ingest over TLS: states, CSV dialects, results, refusals, and the same rows as by REST."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING

import pytest
import requests

from tests.contract.emulator.bulk_client import Bulk, counts, names
from tests.contract.emulator.conftest import Api

if TYPE_CHECKING:
    from tests.emulator import Emulator


def test_a_new_job_says_what_the_guide_says(bulk: Bulk):
    """The answer to a create holds the documented keys, waits for data, and names where they go (documented)."""
    job = bulk.create()
    assert (job["state"], job["contentUrl"]) == ("Open", f"services/data/v59.0/jobs/ingest/{job['id']}/batches")
    assert (job["apiVersion"], job["concurrencyMode"], job["contentType"]) == (59.0, "Parallel", "CSV")
    assert (job["lineEnding"], job["columnDelimiter"], job["id"][:3]) == ("LF", "COMMA", "750")


def test_a_load_creates_what_is_sound_and_reports_the_rest(bulk: Bulk, salesforce: Emulator):
    """One record that is refused leaves the others alone; both result files quote every cell (recorded by jsforce)."""
    job = bulk.run("LastName,Company\n佐藤,ACME\n鈴木,\n")
    (created,) = salesforce.admin_query("SELECT Id FROM Lead")
    assert counts(job) == ("JobComplete", 2, 1)
    assert bulk.text(job, "successfulResults") == (
        f'"sf__Id","sf__Created","LastName","Company"\n"{created["Id"]}","true","佐藤","ACME"\n'
    )
    assert bulk.text(job, "failedResults") == (
        '"sf__Id","sf__Error","LastName","Company"\n'
        '"","REQUIRED_FIELD_MISSING:Required fields are missing: [Company]:Company --","鈴木",""\n'
    )
    assert bulk.text(job, "unprocessedRecords") == '"LastName","Company"\n'


@pytest.mark.parametrize(
    ("delimiter", "char"),
    [("BACKQUOTE", "`"), ("CARET", "^"), ("COMMA", ","), ("PIPE", "|"), ("SEMICOLON", ";"), ("TAB", "\t")],
)
@pytest.mark.parametrize("ending", ["LF", "CRLF"])
def test_every_dialect_is_read(bulk: Bulk, salesforce: Emulator, delimiter: str, char: str, ending: str):
    """Six delimiters and two line ends are read and used for the results too (documented)."""
    end = {"LF": "\n", "CRLF": "\r\n"}[ending]
    job = bulk.run(f"LastName{char}Company{end}Abe{char}ACME{end}", columnDelimiter=delimiter, lineEnding=ending)
    assert counts(job) == ("JobComplete", 1, 0)
    assert names(salesforce) == ["Abe"]
    expected = char.join(('"true"', '"Abe"', '"ACME"'))
    assert bulk.text(job, "successfulResults").endswith(f"{char}{expected}{end}")


def test_quotes_newlines_and_delimiters_stand_inside_quotes(bulk: Bulk, salesforce: Emulator):
    """A quoted cell may hold the delimiter, doubled quotes and line ends (documented)."""
    bulk.run('LastName,Company,Description\n"A ""B""","x, y","one\ntwo"\n')
    (row,) = salesforce.admin_query("SELECT LastName, Company, Description FROM Lead")
    assert (row["LastName"], row["Company"], row["Description"]) == ('A "B"', "x, y", "one\ntwo")


def test_an_empty_cell_changes_nothing_and_na_clears(bulk: Bulk, salesforce: Emulator):
    """In an update, an empty cell leaves the value, `#N/A` makes it null (documented)."""
    ids = [salesforce.admin_create("Lead", {"LastName": "A", "Company": "C", "Title": "CEO"}) for _ in range(2)]
    bulk.run(f"Id,Title\n{ids[0]},\n{ids[1]},#N/A\n", "update")
    assert names(salesforce, "Title") == ["CEO", None]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("LastName,Nope\nA,B\n", "InvalidBatch : Field name not found : Nope"),
        ("LastName,Account.Nope\nA,B\n", "InvalidBatch : Field name not found : Account.Nope"),
        ("", "InvalidBatch : Records not found"),
        (
            "LastName,Company\r\nA,B\r\n",
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
        ),
        (
            'LastName,Company\nA "B",C\n',
            "InvalidBatch : Failed to parse CSV. Found unescaped quote. A value with quote should be within a quote",
        ),
        (
            '\ufeff"LastName","Company"\n"A","B"\n',
            "InvalidBatch : Failed to parse CSV. Found unescaped quote. A value with quote should be within a quote",
        ),
        ("\ufeffLastName,Company\nA,B\n", "InvalidBatch : Field name not found : \ufeffLastName"),
    ],
)
def test_data_that_cannot_be_read_fail_the_job(bulk: Bulk, salesforce: Emulator, data: str, message: str):
    """A job whose header or CSV is wrong fails as a whole with the text that users report, and writes nothing."""
    job = bulk.run(data)
    assert (job["state"], job["errorMessage"]) == ("Failed", message)
    assert salesforce.admin_count("Lead") == 0


def test_what_came_before_a_bad_line_stays(bulk: Bulk, salesforce: Emulator):
    """Batches before the one that cannot be read are written; the rest is unprocessed (guessed)."""
    salesforce.control("PUT", "bulk_pace", {"batch_size": 1})
    job = bulk.run("LastName,Company\nA,C\nB\nD,E\n")
    assert (job["state"], names(salesforce)) == ("Failed", ["A"])
    assert bulk.text(job, "unprocessedrecords") == '"LastName","Company"\n"B"\n"D","E"\n'


def test_upsert_by_email_updates_or_creates(bulk: Bulk, salesforce: Emulator):
    """An upsert says of each record whether it was created; a key twice in one lot is refused (documented)."""
    salesforce.admin_create("Contact", {"LastName": "Old", "Email": "a@example.jp"})
    data = "Email,LastName\na@example.jp,New\nb@example.jp,Abe\nB@example.jp,Twice\n"
    job = bulk.run(data, "upsert", "Contact", externalIdFieldName="Email")
    assert [line["sf__Created"] for line in bulk.lines(job, "successfulResults")] == ["false", "true"]
    assert bulk.lines(job, "failedResults")[0]["sf__Error"].startswith("DUPLICATE_VALUE:Duplicate external id")


def test_a_parent_is_found_by_its_external_id(bulk: Bulk, salesforce: Emulator):
    """A header `Relationship.ExternalId` sets the reference; an unknown key refuses the record (users' reports)."""
    salesforce.control("POST", "fields/Account", {"name": "Ext__c", "type": "string", "length": 20, "externalId": True})
    account = salesforce.admin_create("Account", {"Name": "ACME", "Ext__c": "K1"})
    job = bulk.run("LastName,Account.Ext__c\nAbe,K1\nBan,K2\n", "insert", "Contact")
    (row,) = salesforce.admin_query("SELECT LastName, AccountId FROM Contact")
    assert (row["LastName"], row["AccountId"]) == ("Abe", account)
    assert bulk.lines(job, "failedResults")[0]["sf__Error"] == (
        "INVALID_FIELD:Foreign key external ID: K2 not found for field Ext__c in entity Account:--"
    )


def test_delete_fills_the_bin_and_hard_delete_does_not(bulk: Bulk, salesforce: Emulator):
    """A deleted row can be read by queryAll; a hard deleted one is gone, and needs the permission (documented)."""
    ids = [bulk.api.create("Lead", LastName="A", Company="C") for _ in range(2)]
    assert counts(bulk.run(f"Id\n{ids[0]}\n", "delete")) == ("JobComplete", 1, 0)
    refused = bulk.api("POST", "jobs/ingest", {"operation": "hardDelete", "object": "Lead"})
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "FEATURENOTENABLED")
    admin = Bulk(Api(salesforce))
    admin.api.http = salesforce.http
    admin.run(f"Id\n{ids[1]}\n", "hardDelete")
    assert [row["Id"] for row in salesforce.admin_query("SELECT Id FROM Lead", deleted=True)] == [ids[0]]


@pytest.mark.parametrize(
    ("cell", "stored"), [("TRUE", True), ("yes", True), ("1", True), ("off", False), ("n", False), ("", False)]
)
def test_a_check_box_knows_more_words_in_csv(bulk: Bulk, salesforce: Emulator, cell: str, stored: bool):
    """yes, on, 1 and their opposites are values of a check box in CSV (documented)."""
    bulk.run(f"LastName,Company,HasOptedOutOfEmail\nA,B,{cell}\n")
    assert names(salesforce, "HasOptedOutOfEmail") == [stored]


def test_a_value_of_the_wrong_type_refuses_its_record(bulk: Bulk):
    """A number that is none fails the record, not the job (the code is documented, the text users')."""
    job = bulk.run("LastName,Company,AnnualRevenue\nA,B,abc\n")
    label = "Annual Revenue"
    assert bulk.lines(job, "failedResults")[0]["sf__Error"] == (
        f"INVALID_TYPE_ON_FIELD_IN_RECORD:{label}: value not of required type: abc:AnnualRevenue --"
    )


def test_a_job_waits_while_paused_and_aborts_between_batches(bulk: Bulk, salesforce: Emulator):
    """A paused org leaves jobs in UploadComplete; an aborted job keeps what it wrote, the rest is unprocessed."""
    salesforce.control("PUT", "bulk_pace", {"paused": True})
    job_id = bulk.create()["id"]
    bulk.put(job_id, "LastName,Company\nA,C\nB,C\nC,C\n")
    bulk.state(job_id, "UploadComplete")
    waiting = bulk.api("GET", f"jobs/ingest/{job_id}").json()["state"]
    salesforce.control("PUT", "bulk_pace", {"paused": False, "batch_size": 1, "seconds": 0.2})
    until = time.monotonic() + 20
    while (job := bulk.api("GET", f"jobs/ingest/{job_id}").json())["numberRecordsProcessed"] == 0:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert (waiting, job["state"]) == ("UploadComplete", "InProgress")
    assert bulk.state(job_id, "Aborted").json()["state"] == "Aborted"
    written = names(salesforce)
    left = [line["LastName"] for line in bulk.lines(job, "unprocessedrecords")]
    time.sleep(0.4)
    assert written
    assert left
    assert [*written, *left] == ["A", "B", "C"]
    assert names(salesforce) == written


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("Aborted", "Aborting already Completed Job not allowed"),
        ("UploadComplete", "Closing already Completed Job not allowed"),
    ],
)
def test_a_finished_job_does_not_change(bulk: Bulk, state: str, message: str):
    """A change of a finished job is refused with INVALIDJOBSTATE (recorded for the abort)."""
    job = bulk.run("LastName,Company\nA,C\n")
    answer = bulk.state(job["id"], state)
    assert (answer.status_code, answer.json()) == (400, [{"message": message, "errorCode": "INVALIDJOBSTATE"}])


def test_data_come_once(bulk: Bulk):
    """A second upload is refused (users' reports)."""
    job_id = bulk.create()["id"]
    assert bulk.put(job_id, "LastName\nA\n").status_code == 201
    again = bulk.put(job_id, "LastName\nB\n")
    assert again.status_code == 400
    assert "Found multiple contents for job" in again.json()[0]["message"]


def test_a_job_is_deleted_with_its_results(bulk: Bulk):
    """An open job stays, a finished one goes with 204, and then there is nothing (documented)."""
    open_job = bulk.create()["id"]
    done = bulk.run("LastName,Company\nA,C\n")["id"]
    answers = [bulk.api("DELETE", f"jobs/ingest/{each}").status_code for each in (open_job, done)]
    assert answers == [400, 204]
    assert bulk.api("GET", f"jobs/ingest/{done}").status_code == 404


def test_jobs_are_listed_in_pages(bulk: Bulk):
    """A list holds a thousand jobs and the address of the next page (documented)."""
    made = [bulk.create()["id"] for _ in range(1_001)]
    first = bulk.api("GET", "jobs/ingest").json()
    second = bulk.api("GET", first["nextRecordsUrl"]).json()
    assert (first["done"], second["done"], second["nextRecordsUrl"]) == (False, True, None)
    assert [job["id"] for job in first["records"] + second["records"]] == made


def test_a_job_may_come_with_its_data(bulk: Bulk, salesforce: Emulator):
    """A multipart create holds the job and the data, and needs no close (documented)."""
    job = '{"operation":"insert","object":"Lead","contentType":"CSV"}'
    parts = [
        f'--B\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name="job"\r\n\r\n{job}\r\n',
        '--B\r\nContent-Type: text/csv\r\nContent-Disposition: form-data; name="content"; filename="c"\r\n\r\n',
        "LastName,Company\nA,C\n\r\n--B--\r\n",
    ]
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    answer = bulk.api.http.post(f"{bulk.api.root}/jobs/ingest", data="".join(parts), headers=headers, timeout=30)
    assert answer.json()["state"] == "UploadComplete"
    assert counts(bulk.wait(answer.json()["id"])) == ("JobComplete", 1, 0)
    assert names(salesforce) == ["A"]


def test_data_may_come_packed(bulk: Bulk, salesforce: Emulator):
    """An upload with Content-Encoding gzip is unpacked."""
    job_id = bulk.create()["id"]
    packed = gzip.compress(b"LastName,Company\nA,C\n")
    assert bulk.put(job_id, packed, **{"Content-Encoding": "gzip"}).status_code == 201
    bulk.state(job_id, "UploadComplete")
    bulk.wait(job_id)
    assert names(salesforce) == ["A"]


@pytest.mark.parametrize(
    "body",
    [
        {"object": "Lead", "operation": "merge"},
        {"object": "Nope", "operation": "insert"},
        {"object": "Lead", "operation": "upsert"},
        {"object": "Lead", "operation": "upsert", "externalIdFieldName": "Company"},
        {"object": "Lead", "operation": "insert", "columnDelimiter": "DOT"},
        {"object": "Lead", "operation": "insert", "lineEnding": "CR"},
        {"object": "Lead", "operation": "insert", "contentType": "JSON"},
    ],
)
def test_a_job_that_cannot_be_is_refused(bulk: Bulk, body: dict[str, str]):
    """An unknown operation, object, key, delimiter, line end or content type makes no job (the code is guessed)."""
    answer = bulk.api("POST", "jobs/ingest", body)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALIDJOB")


def test_a_packed_upload_is_whole(bulk: Bulk):
    """Half of a gzip, or none at all, is refused; the job waits for its data still."""
    job_id = bulk.create()["id"]
    packed = gzip.compress(b"LastName,Company\n" + b"A,C\n" * 1_000)
    answers = [bulk.put(job_id, body, **{"Content-Encoding": "gzip"}) for body in (packed[:-20], b"LastName", packed)]
    assert [answer.status_code for answer in answers] == [400, 400, 201]


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_an_upload_has_a_size(bulk: Bulk, encoding: str):
    """More than 150 MB after base64 is refused with 413, also where it came packed; the job takes data still."""
    job_id = bulk.create()["id"]
    piece = b"LastName,Company\n" * 61_000
    pieces = (piece for _ in range(110))
    assert len(piece) * 110 > 112_500_000
    body = pieces if encoding == "identity" else gzip.compress(b"".join(pieces), 1)
    assert bulk.put(job_id, body, **{"Content-Encoding": encoding}).status_code == 413
    assert bulk.put(job_id, "LastName,Company\nA,C\n").status_code == 201


def test_a_lock_on_close_refuses_records(bulk: Bulk, salesforce: Emulator):
    """A `lock` fault on the close refuses the records at its positions with UNABLE_TO_LOCK_ROW."""
    salesforce.faults([{"match": {"method": "PATCH", "path": "jobs/ingest"}, "fault": "lock", "records": [0, 2]}])
    job = bulk.run("LastName,Company\nA,C\nB,C\nD,C\n")
    failed = [(line["LastName"], line["sf__Error"].partition(":")[0]) for line in bulk.lines(job, "failedResults")]
    assert counts(job) == ("JobComplete", 3, 2)
    assert (names(salesforce), failed) == (["B"], [("A", "UNABLE_TO_LOCK_ROW"), ("D", "UNABLE_TO_LOCK_ROW")])


def test_a_result_breaks_off_in_the_middle(bulk: Bulk, salesforce: Emulator):
    """A `truncate` fault cuts a streamed result in half; the client sees a broken connection, and can read again."""
    job = bulk.run("LastName,Company\n" + "".join(f"N{n},C\n" for n in range(5_000)))
    salesforce.faults([{"match": {"path": "successfulResults"}, "fault": "truncate"}])
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        bulk.text(job, "successfulResults")
    assert len(bulk.lines(job, "successfulResults")) == 5_000


@pytest.mark.parametrize("shift", range(7))
def test_quotes_and_characters_lie_across_chunks(bulk: Bulk, salesforce: Emulator, shift: int):
    """Wherever a megabyte of a CSV ends, in a character, a doubled quote or a quoted line end, the values arrive."""
    text = ('吉"' + "\n" + "𠮷,") * 2_500
    cell = '"' + text.replace('"', '""') + '"'
    lines = [f"N{n:03},{'C' * (1 + shift)},{cell}\n" for n in range(45)]
    data = "".join(["LastName,Company,Description\n", *lines]).encode()
    assert len(data) > 2**20
    assert counts(bulk.run(data)) == ("JobComplete", 45, 0)
    assert set(names(salesforce, "Description")) == {text}


def test_finished_jobs_are_kept_for_a_week(bulk: Bulk, salesforce: Emulator):
    """What has finished is forgotten after seven days of the org's clock, what waits is not (documented)."""
    done, waiting = bulk.run("LastName,Company\nA,C\n")["id"], bulk.create()["id"]
    salesforce.clock(offset_seconds=6.9 * 86_400)
    late = Bulk(Api(salesforce))
    assert late.lines({"id": done}, "successfulResults")
    salesforce.clock(offset_seconds=7.1 * 86_400)
    late = Bulk(Api(salesforce))
    listed = [job["id"] for job in late.api("GET", "jobs/ingest").json()["records"]]
    assert (late.api("GET", f"jobs/ingest/{done}").status_code, listed) == (404, [waiting])
    assert names(salesforce) == ["A"]


def test_batches_count_against_the_daily_limit(bulk: Bulk, salesforce: Emulator):
    """Each batch takes one of DailyBulkApiBatches; without any left the job fails (the text from users' logs)."""
    salesforce.control("PUT", "limits", {"DailyBulkApiBatches": {"Remaining": 1}})
    salesforce.control("PUT", "bulk_pace", {"batch_size": 2})
    job = bulk.run("LastName,Company\nA,C\nB,C\nC,C\n")
    assert (job["state"], job["errorMessage"]) == ("Failed", "ExceededQuota : ApiBatchItems Limit exceeded.")
    assert names(salesforce) == ["A", "B"]


def test_a_bulk_row_equals_one_made_by_rest(bulk: Bulk, salesforce: Emulator, api: Api):
    """The same values by Bulk and by REST make the same row but for its id and number."""
    salesforce.clock(frozen_at="2026-05-01T00:00:00Z")
    values = {"LastName": "Abe", "Company": "ACME", "Email": "a@example.jp", "AnnualRevenue": "12.5"}
    rest = api.read("Lead", api.create("Lead", **values))
    bulk.run(f"{','.join(values)}\n{','.join(values.values())}\n")
    second = salesforce.admin_query("SELECT Id FROM Lead ORDER BY Id DESC LIMIT 1")[0]["Id"]
    loaded = api.read("Lead", second)
    differ = {name for name in rest if rest[name] != loaded[name]}
    assert differ <= {"attributes", "Id", "PhotoUrl"}


def test_a_reset_ends_jobs(bulk: Bulk, salesforce: Emulator):
    """A reset forgets jobs and what they would still have written."""
    salesforce.control("PUT", "bulk_pace", {"seconds": 0.3})
    job_id = bulk.create()["id"]
    bulk.put(job_id, "LastName,Company\nA,C\n")
    bulk.state(job_id, "UploadComplete")
    salesforce.reset()
    time.sleep(0.5)
    assert salesforce.admin_count("Lead") == 0
    assert bulk.api("GET", f"jobs/ingest/{job_id}").status_code in {401, 404}
