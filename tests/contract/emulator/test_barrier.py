"""Barriers, quota, conditional requests: what decides when and whether a request goes on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

ABE = {"LastName": "Abe", "Company": "ACME"}


def wait_for(salesforce: Emulator, held: int) -> None:
    """Wait until so many requests are held."""
    until = time.monotonic() + 10
    while salesforce.control("GET", "barrier")["held"] != held:
        assert time.monotonic() < until, "no request arrived at the barrier"
        time.sleep(0.01)


@pytest.mark.parametrize(("when", "done"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("how", ["DELETE", "release", "reset"])
def test_a_request_waits_until_it_is_released(salesforce: Emulator, api: Api, when: str, done: int, how: str):
    """A held request has done its work or not, as the barrier says, and is answered once it is released."""
    match = {"method": "POST", "path": "sobjects/Lead"}
    salesforce.control("PUT", "barrier", {"match": match, "when": when})
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(api, "POST", "sobjects/Lead", ABE)
        wait_for(salesforce, 1)
        assert (salesforce.admin_count("Lead"), answer.done()) == (done, False)
        if how == "reset":
            salesforce.reset()
        else:
            salesforce.control(*(("DELETE", "barrier") if how == "DELETE" else ("PUT", "barrier", {"release": True})))
        status = answer.result(timeout=10).status_code
    assert salesforce.control("GET", "barrier") == {"up": False, "seen": 0, "held": 0}
    assert status == 201 or how == "reset"


def test_only_as_many_as_said_are_held(salesforce: Emulator, api: Api):
    """From the `nth` match on `times` requests wait; all others pass."""
    salesforce.control("PUT", "barrier", {"match": {"path": "limits"}, "nth": 2, "times": 2})
    with ThreadPoolExecutor(4) as pool:
        assert api("GET", "limits").status_code == 200
        answers = [pool.submit(api, "GET", "limits") for _ in range(3)]
        wait_for(salesforce, 2)
        until = time.monotonic() + 10
        while sum(each.done() for each in answers) < 1:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert sum(each.done() for each in answers) == 1
        salesforce.control("DELETE", "barrier")
        assert {each.result(timeout=10).status_code for each in answers} == {200}


def test_a_new_barrier_lets_the_last_ones_requests_go(salesforce: Emulator, api: Api):
    """There is one barrier at a time."""
    salesforce.control("PUT", "barrier", {"match": {"path": "limits"}})
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(api, "GET", "limits")
        wait_for(salesforce, 1)
        salesforce.control("PUT", "barrier", {"match": {"path": "nothing"}})
        assert answer.result(timeout=10).status_code == 200


@pytest.mark.parametrize("body", [{"match": {"colour": "red"}}, {"when": "later"}, {"nth": "x"}, {"until": 1}, []])
def test_a_wrong_barrier_is_refused(salesforce: Emulator, body: Any):
    """What is not understood is said."""
    answer = salesforce.http.put(f"{salesforce.url}/_emulator/barrier", json=body, timeout=10)
    assert (answer.status_code, bool(answer.json()["error"])) == (400, True)


# --- quota -----------------------------------------------------------------------------------------------------------


def test_the_quota_is_enforced(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Calls beyond the daily limit are refused with 403 and change nothing, until there is quota again."""
    record_id = lead()
    salesforce.control("PUT", "limits", {"DailyApiRequests": {"Max": 10, "Remaining": 1}})
    first = api("GET", "limits")
    refused = api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "x"})
    salesforce.control("PUT", "limits", {"DailyApiRequests": {"Remaining": 5}})
    assert first.headers["Sforce-Limit-Info"] == "api-usage=10/10"
    error = {"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}
    assert (refused.status_code, refused.json(), "Retry-After" in refused.headers) == (403, [error], False)
    assert api.read("Lead", record_id)["Title"] is None


def test_a_metered_app_sees_its_own_share(salesforce: Emulator, api: Api):
    """With a limit per app the header tells both (recorded form)."""
    salesforce.control(
        "PUT",
        "limits",
        {"DailyApiRequests": {"Max": 5_000, "Remaining": 4_976}, "PerAppApiRequests": {"Max": 250, "Remaining": 234}},
    )
    header = api("GET", "limits").headers["Sforce-Limit-Info"]
    assert header == "api-usage=25/5000; per-app-api-usage=17/250(appName=Integration)"


# --- conditions ------------------------------------------------------------------------------------------------------


def test_an_account_is_changed_only_as_it_was_read(api: Api):
    """`If-Match` with an old tag is refused with 412 and changes nothing; with the current one it is done."""
    path = f"sobjects/Account/{api.create('Account', Name='ACME')}"
    tag = api("GET", path).headers["ETag"]
    assert api("GET", f"{path}?fields=Name").headers["ETag"] == tag
    assert api("PATCH", path, {"Site": "Osaka"}, headers={"If-Match": tag}).status_code == 204
    refused = [
        api("PATCH", path, {"Site": "Kobe"}, headers={"If-Match": tag}),
        api("DELETE", path, headers={"If-Match": tag}),
    ]
    assert [answer.status_code for answer in refused] == [412, 412]
    found = api("GET", path)
    assert found.json()["Site"] == "Osaka"
    assert api("DELETE", path, headers={"If-Match": found.headers["ETag"]}).status_code == 204


def test_an_unchanged_account_is_not_sent_again(api: Api):
    """`If-None-Match` with the current tag gets 304 without a body."""
    path = f"sobjects/Account/{api.create('Account', Name='ACME')}"
    tag = api("GET", path).headers["ETag"]
    answers = [api("GET", path, headers={"If-None-Match": given}) for given in (tag, '"other"')]
    assert [(answer.status_code, bool(answer.content)) for answer in answers] == [(304, False), (200, True)]


def test_other_rows_know_no_tags(api: Api, lead: Callable[..., str]):
    """A Lead has no ETag (recorded), and `If-Match` does not hinder its edit."""
    path = f"sobjects/Lead/{lead()}"
    assert "ETag" not in api("GET", path).headers
    assert api("PATCH", path, {"Title": "x"}, headers={"If-Match": '"x"'}).status_code == 204


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/csv; charset=UTF-8"])
def test_a_body_that_is_no_json_is_refused(api: Api, kind: str):
    """A record in another content type is refused with 415, whatever it holds."""
    answer = api("POST", "sobjects/Lead", ABE, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
