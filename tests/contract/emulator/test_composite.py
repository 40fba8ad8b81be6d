"""Composite and batch: parts in order, references, all or none, what they count as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

ROOT = "/services/data/v59.0"
ABE = {"LastName": "Abe", "Company": "ACME"}


def part(name: str, method: str, path: str, body: object = None, **more: object) -> dict[str, Any]:
    """Build one subrequest."""
    given = {"method": method, "url": f"{ROOT}/{path}", "referenceId": name, **more}
    return given if body is None else {**given, "body": body}


def run(api: Api, *parts: dict[str, Any], **options: object) -> list[dict[str, Any]]:
    """Send a composite; return its answers."""
    answer = api("POST", "composite", {"compositeRequest": list(parts), **options})
    assert answer.status_code == 200, answer.text
    return answer.json()["compositeResponse"]


def test_parts_answer_in_order(api: Api):
    """Each part answers with status, headers, body and its reference."""
    created, listed, wrong = run(
        api,
        part("one", "POST", "sobjects/Lead/", ABE),
        part("two", "GET", "query?q=SELECT+LastName+FROM+Lead"),
        part("three", "GET", "sobjects/Foo"),
    )
    record_id = created["body"]["id"]
    assert created["httpHeaders"]["Location"] == f"{ROOT}/sobjects/Lead/{record_id}"
    assert (listed["httpStatusCode"], listed["httpHeaders"], listed["body"]["totalSize"]) == (200, {}, 1)
    assert wrong == {
        "body": [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}],
        "httpHeaders": {},
        "httpStatusCode": 404,
        "referenceId": "three",
    }


def test_a_part_may_use_an_earlier_one(api: Api):
    """References reach into bodies and lists, in addresses and values."""
    answers = run(
        api,
        part("account", "POST", "sobjects/Account", {"Name": "ACME"}),
        part("contact", "POST", "sobjects/Contact", {"LastName": "Abe", "AccountId": "@{account.id}"}),
        part("found", "GET", "query?q=SELECT Id, Account.Name FROM Contact WHERE AccountId = '@{account.id}'"),
        part("row", "GET", "sobjects/Contact/@{found.records[0].Id}"),
    )
    assert answers[3]["body"]["AccountId"] == answers[0]["body"]["id"]
    assert answers[2]["body"]["records"][0]["Account"]["Name"] == "ACME"


def test_a_broken_reference_halts_its_part(api: Api):
    """A part that refers to a failed one, or to what it does not have, is not run."""
    answers = run(
        api,
        part("bad", "POST", "sobjects/Lead", {}),
        part("uses", "GET", "sobjects/Lead/@{bad.id}"),
        part("good", "POST", "sobjects/Lead", ABE),
        part("misses", "GET", "sobjects/Lead/@{good.nothing}"),
    )
    assert [each["httpStatusCode"] for each in answers] == [400, 400, 201, 400]
    assert answers[1]["body"][0]["errorCode"] == answers[3]["body"][0]["errorCode"] == "PROCESSING_HALTED"


def test_all_or_none_undoes_every_part(api: Api):
    """With allOrNone a failing part undoes the others, which are PROCESSING_HALTED."""
    answers = run(
        api,
        part("one", "POST", "sobjects/Lead", ABE),
        part("two", "POST", "sobjects/Lead", {}),
        part("three", "POST", "sobjects/Lead", ABE),
        allOrNone=True,
    )
    codes = [each["body"][0]["errorCode"] for each in answers]
    assert codes == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED"]
    assert api.query("SELECT count() FROM Lead").json()["totalSize"] == 0


def test_a_collection_in_an_all_or_none_composite_is_undone(api: Api):
    """What a collection wrote before a later part failed is gone too."""
    leads = {"records": [{"attributes": {"type": "Lead"}, **ABE}] * 2}
    run(api, part("one", "POST", "composite/sobjects", leads), part("two", "GET", "sobjects/Lead/abc"), allOrNone=True)
    assert api.query("SELECT count() FROM Lead").json()["totalSize"] == 0


def test_headers_belong_to_a_part(api: Api):
    """An If-Modified-Since of a part is answered with 304 and the describe's headers, as recorded."""
    (first,) = run(api, part("one", "GET", "sobjects/Lead/describe"))
    since = {"If-Modified-Since": first["httpHeaders"]["Last-Modified"]}
    (second,) = run(api, part("one", "GET", "sobjects/Lead/describe", httpHeaders=since))
    assert (second["httpStatusCode"], second["body"]) == (304, None)
    assert second["httpHeaders"] == first["httpHeaders"]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([part(f"r{n}", "GET", "limits") for n in range(26)], "LIMIT_EXCEEDED"),
        ([part(f"r{n}", "GET", "query?q=SELECT+Id+FROM+Lead") for n in range(6)], "LIMIT_EXCEEDED"),
        ([part("same", "GET", "limits")] * 2, "INVALID_INPUT"),
        ([{"method": "GET", "url": f"{ROOT}/limits"}], "INVALID_INPUT"),
        ([], "JSON_PARSER_ERROR"),
        (["x"], "JSON_PARSER_ERROR"),
    ],
    ids=["26 parts", "6 queries", "same reference", "no reference", "none", "no object"],
)
def test_a_malformed_composite_is_refused(api: Api, parts: list[Any], code: str):
    """Too much, or parts that cannot be told apart, are one error."""
    answer = api("POST", "composite", {"compositeRequest": parts})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


def test_a_composite_counts_once_and_a_batch_per_part(salesforce: Emulator, api: Api):
    """A composite is one API call; each part of a batch is one."""
    before = salesforce.control("GET", "limits")["DailyApiRequests"]["Remaining"]
    run(api, *[part(f"r{n}", "GET", "limits") for n in range(3)])
    between = salesforce.control("GET", "limits")["DailyApiRequests"]["Remaining"]
    api("POST", "composite/batch", {"batchRequests": [{"method": "GET", "url": "v59.0/limits"}] * 3})
    after = salesforce.control("GET", "limits")["DailyApiRequests"]["Remaining"]
    assert (before - between, between - after) == (1, 3)
    assert [(entry["calls"], len(entry["subrequests"])) for entry in salesforce.requests()[-2:]] == [(1, 3), (3, 3)]


def test_a_batch_answers_each_part(api: Api):
    """A batch says whether anything failed; with haltOnError it stops there."""
    requests = [
        {"method": "POST", "url": "v59.0/sobjects/Lead", "richInput": ABE},
        {"method": "GET", "url": "v59.0/sobjects/Nothing"},
        {"method": "GET", "url": "v59.0/limits"},
    ]
    whole = api("POST", "composite/batch", {"batchRequests": requests}).json()
    halted = api("POST", "composite/batch", {"batchRequests": requests, "haltOnError": True}).json()
    assert (whole["hasErrors"], [each["statusCode"] for each in whole["results"]]) == (True, [201, 404, 200])
    assert [each["statusCode"] for each in halted["results"]] == [201, 404, 412]
