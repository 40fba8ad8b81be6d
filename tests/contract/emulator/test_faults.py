"""Faults on demand: which requests they strike, and what is done or not done when they do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

ABE = {"LastName": "Abe", "Company": "ACME"}


def leads(salesforce: Emulator) -> int:
    """Count the Leads as the admin, whom no fault of these tests concerns."""
    return salesforce.admin_count("Lead")


def test_a_dropped_reply_is_work_done(salesforce: Emulator, api: Api):
    """`drop_reply` processes the request and breaks the connection without a byte."""
    salesforce.faults([{"match": {"method": "POST", "path": "/sobjects/Lead"}, "fault": "drop_reply"}])
    with pytest.raises(requests.ConnectionError):
        api("POST", "sobjects/Lead", ABE)
    entry = next(each for each in salesforce.requests() if each.get("fault"))
    assert (entry["status"], entry["processed"], entry["counted"], leads(salesforce)) == (None, 201, True, 1)


def test_a_dropped_request_is_work_not_done(salesforce: Emulator, api: Api):
    """`drop_request` breaks the connection before anything is processed."""
    salesforce.faults([{"match": {"method": "POST"}, "fault": "drop_request"}])
    with pytest.raises(requests.ConnectionError):
        api("POST", "sobjects/Lead", ABE)
    assert leads(salesforce) == 0


def test_dropped_work_may_be_committed_late(salesforce: Emulator, api: Api):
    """With `commit_later` the row appears only when the org's clock has gone on, stamped with the request's time."""
    salesforce.clock(frozen_at="2026-05-01T00:00:00Z")
    salesforce.faults([{"match": {"method": "POST"}, "fault": "drop_reply", "commit_later": {"seconds": 540}}])
    with pytest.raises(requests.ConnectionError):
        api("POST", "sobjects/Lead", ABE)
    before = leads(salesforce)
    salesforce.clock(frozen_at="2026-05-01T00:09:00Z")
    deadline = time.monotonic() + 5
    while not leads(salesforce) and time.monotonic() < deadline:
        time.sleep(0.02)
    (record,) = salesforce.admin_query("SELECT SystemModstamp, CreatedDate FROM Lead")
    assert (before, record["SystemModstamp"]) == (0, "2026-05-01T00:00:00.000+0000")


def test_a_reset_cancels_slow_work(salesforce: Emulator, api: Api):
    """A request that a fault holds up does not write into the org that a reset made."""
    salesforce.faults([{"match": {"method": "POST"}, "fault": "slow", "seconds": 0.3}])
    with pytest.raises(requests.ReadTimeout):
        api.http.post(f"{api.root}/sobjects/Lead", json=ABE, timeout=(10, 0.1))
    salesforce.reset()
    time.sleep(0.4)
    assert leads(salesforce) == 0


def test_a_reset_cancels_late_work(salesforce: Emulator, api: Api):
    """Work that is still to come when the org is reset never comes."""
    salesforce.clock(frozen_at="2026-05-01T00:00:00Z")
    salesforce.faults([{"match": {"method": "POST"}, "fault": "drop_reply", "commit_later": {"seconds": 540}}])
    with pytest.raises(requests.ConnectionError):
        api("POST", "sobjects/Lead", ABE)
    salesforce.reset()
    time.sleep(0.1)
    assert leads(salesforce) == 0


def test_a_slow_request_is_finished_for_a_client_that_left(salesforce: Emulator, api: Api):
    """`slow` works to the end although the client timed out meanwhile."""
    salesforce.faults([{"match": {"method": "POST"}, "fault": "slow", "seconds": 0.5}])
    with pytest.raises(requests.ReadTimeout):
        api.http.post(f"{api.root}/sobjects/Lead", json=ABE, timeout=(10, 0.1))
    deadline = time.monotonic() + 5
    while not leads(salesforce) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert leads(salesforce) == 1


def test_a_slow_reply_comes_late(salesforce: Emulator, api: Api):
    """`slow` after the work delays the reply only."""
    salesforce.faults([{"match": {"method": "POST"}, "fault": "slow", "seconds": 0.3, "when": "after"}])
    assert api("POST", "sobjects/Lead", ABE).elapsed.total_seconds() >= 0.3


def test_a_timeout_says_nothing(salesforce: Emulator, api: Api):
    """`timeout` neither works nor answers."""
    salesforce.faults([{"match": {"method": "POST"}, "fault": "timeout", "seconds": 5}])
    with pytest.raises(requests.ReadTimeout):
        api.http.post(f"{api.root}/sobjects/Lead", json=ABE, timeout=(10, 0.1))
    assert leads(salesforce) == 0


def test_an_expired_session_needs_a_login(salesforce: Emulator, api: Api):
    """`expire_session` ends the session for good: repeating the request fails, a new login helps."""
    salesforce.faults([{"match": {"path": "/query"}, "fault": "expire_session"}])
    statuses = [api.query("SELECT Id FROM Lead").status_code for _ in range(2)]
    again = salesforce.session(salesforce.login()).get(f"{api.root}/limits", timeout=10)
    assert (statuses, again.status_code) == ([401, 401], 200)


STATUSES: list[tuple[dict[str, Any], int, Any]] = [
    ({"fault": "limit"}, 403, "REQUEST_LIMIT_EXCEEDED"),
    ({"fault": "status", "status": 500}, 500, "FAULT"),
    ({"fault": "status", "status": 503, "errorCode": "SERVER_UNAVAILABLE"}, 503, "SERVER_UNAVAILABLE"),
    ({"fault": "status", "status": 400, "body": [{"errorCode": "X"}]}, 400, "X"),
]


@pytest.mark.parametrize(("fault", "status", "code"), STATUSES)
def test_a_fault_answers_in_the_orgs_place(
    salesforce: Emulator, api: Api, fault: dict[str, Any], status: int, code: str
):
    """A status fault is the whole answer: nothing is processed."""
    salesforce.faults([{"match": {"method": "POST"}, **fault}])
    answer = api("POST", "sobjects/Lead", ABE)
    assert (answer.status_code, answer.json()[0]["errorCode"], leads(salesforce)) == (status, code, 0)


def test_an_overloaded_edge_answers_in_html(salesforce: Emulator, api: Api):
    """`html_503` is no JSON."""
    salesforce.faults([{"match": {"method": "GET"}, "fault": "html_503", "times": 1}])
    answer = api("GET", "limits")
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/html;charset=UTF-8")


def test_a_malformed_reply_is_no_json(salesforce: Emulator, api: Api):
    """`malformed` spoils the reply of work that was done."""
    salesforce.faults([{"match": {"method": "POST"}, "fault": "malformed"}])
    with pytest.raises(requests.JSONDecodeError):
        api("POST", "sobjects/Lead", ABE).json()
    assert leads(salesforce) == 1


def test_a_truncated_reply_ends_early(salesforce: Emulator, api: Api):
    """`truncate` breaks off in the middle of the body."""
    salesforce.faults([{"match": {"method": "POST"}, "fault": "truncate"}])
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        api("POST", "sobjects/Lead", ABE)
    assert leads(salesforce) == 1


def test_a_lock_refuses_single_records(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """`lock` strikes the records at its positions of a collection, and any single row."""
    record_id = lead()
    salesforce.faults(
        [
            {"match": {"method": "POST"}, "fault": "lock", "records": [1]},
            {"fault": "lock", "match": {"method": "PATCH"}},
        ]
    )
    body = {"records": [{"attributes": {"type": "Lead"}, **ABE}] * 3}
    results = api("POST", "composite/sobjects", body).json()
    single = api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "x"})
    assert [each["success"] for each in results] == [True, False, True]
    assert results[1]["errors"][0]["statusCode"] == single.json()[0]["errorCode"] == "UNABLE_TO_LOCK_ROW"
    assert record_id in single.json()[0]["message"]


MATCHES: list[tuple[dict[str, Any], list[bool]]] = [
    ({}, [True, False, False, False]),
    ({"times": 2}, [True, True, False, False]),
    ({"times": None}, [True, True, True, True]),
    ({"nth": 3}, [False, False, True, False]),
    ({"nth": 2, "times": 2}, [False, True, True, False]),
    ({"match": {"method": "DELETE"}}, [False] * 4),
    ({"match": {"path": r"/limits/?$"}, "times": None}, [True] * 4),
    ({"match": {"object": "Lead"}, "times": None}, [False] * 4),
    ({"match": {"user": "admin"}, "times": None}, [False] * 4),
    ({"match": {"user": "integration"}, "times": None}, [True] * 4),
]


@pytest.mark.parametrize(("given", "struck"), MATCHES, ids=[str(given) for given, _ in MATCHES])
def test_a_fault_strikes_these_requests(salesforce: Emulator, api: Api, given: dict[str, Any], struck: list[bool]):
    """Of four equal requests, `match`, `nth` and `times` choose."""
    salesforce.faults([{"match": {"method": "GET"}, **given, "fault": "status", "status": 500}])
    assert [api("GET", "limits").status_code == 500 for _ in range(4)] == struck


def test_an_object_is_found_in_path_and_body(salesforce: Emulator, api: Api):
    """`object` matches wherever a request names it."""
    fault = {"match": {"object": "Lead"}, "fault": "status", "status": 500, "times": None}
    salesforce.faults([fault])
    body = {"records": [{"attributes": {"type": "Lead"}, **ABE}]}
    struck = [
        api("GET", "sobjects/lead/describe").status_code,
        api("POST", "composite/sobjects", body).status_code,
        api.query("SELECT LeadSource FROM Contact").status_code,
    ]
    assert struck == [500, 500, 200]


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "nothing"},
        {"fault": "slow", "seconds": "x"},
        {"fault": "limit", "match": {"path": "("}},
        {"mistake": 1},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(salesforce: Emulator, fault: dict[str, Any]):
    """A mistyped fault is an error, not a fault that never strikes."""
    answer = salesforce.http.put(f"{salesforce.url}/_emulator/faults", json=[fault], timeout=10)
    assert answer.status_code == 400
