"""What passes: every fault that a network or an org has, in every call of a cycle (R3, R39, R53).

Whatever happens, in the end there is one record a lead with all its values, and no lead is lost.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Literal

import pytest

from leadsync.errors import QuotaError, SalesforceRefusedError, SalesforceUnavailableError
from leadsync.pipeline import ledger, load, report
from leadsync.salesforce import client, collections
from leadsync.store import state
from leadsync.store.tables import Journal

if TYPE_CHECKING:
    import datetime as dt

    from tests.world import World

OURS = {"user": "integration"}
LOGIN = {"path": "oauth2/token"}
DESCRIBE = OURS | {"path": "/composite$", "body": "/describe"}
QUERY = OURS | {"path": "/composite$", "body": "/query"}
UPDATE = {"method": "PATCH", "path": "composite/sobjects"}
CREATE = OURS | {"method": "POST", "path": "composite/sobjects"}

A_MINUTE, ELEVEN_MINUTES = 61, 11 * 60 + 1

BUSY = {"fault": "status", "status": 503, "errorCode": "SERVER_UNAVAILABLE", "message": "Server unavailable"}
EXPIRED = {"fault": "expire_session"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat at once what is repeated."""
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(collections, "FIRST_WAIT", 0.01)


def _staged(world: World) -> None:
    """Link lead 1; then edit it and write lead 2: the next cycle updates one record and creates one."""
    world.start()
    world.lead(1, title="課長")
    world.run()
    world.edit(1, title="部長")
    world.lead(2, title="主任")
    world.salesforce.clear_requests()


def _faults(world: World, matches: list[dict[str, Any]], fault: dict[str, Any]) -> None:
    world.salesforce.faults([{"match": match, **fault} for match in matches])


def _cursor(world: World) -> dt.datetime:
    with world.engine.connect() as connection:
        position = state.get_cursor(connection, state.LEADS)
    assert position is not None
    return position


def _assert_everything_arrived(world: World) -> None:
    """One record a lead, with the title of each; nothing held, pending or open, and nothing left to do."""
    rows = world.records(fields="Email, Title")
    assert [(row["Email"], row["Title"]) for row in rows] == [
        ("lead1@example.jp", "部長"),
        ("lead2@example.jp", "主任"),
    ]
    assert world.links() == {number: row["Id"] for number, row in enumerate(rows, start=1)}
    assert (world.held(), world.pending(), world.journal(Journal.state == "intent")) == ({}, {}, [])
    world.salesforce.clear_requests()
    world.run()  # what was not sent counts as agreed on once it has been seen (R32)
    assert world.writes() == []
    assert world.run()["extract"]["idle"]


@pytest.mark.parametrize(
    ("fault", "created_at_once"),
    [
        pytest.param(BUSY, False, id="status 503"),
        pytest.param({"fault": "html_503"}, False, id="html 503"),
        pytest.param({"fault": "drop_request"}, False, id="request lost"),
        pytest.param({"fault": "drop_reply"}, True, id="reply lost"),
        pytest.param({"fault": "truncate"}, True, id="reply cut"),
        pytest.param({"fault": "malformed"}, True, id="reply garbled"),
        pytest.param(EXPIRED, True, id="session expired"),
    ],
)
def test_a_fault_once_in_every_call_of_a_cycle(world: World, fault: dict[str, Any], created_at_once: bool) -> None:
    """R3, R39: reads and updates are repeated in the cycle; a create only once its outcome is known."""
    _staged(world)
    _faults(world, [DESCRIBE, QUERY, UPDATE, CREATE], fault)
    result = world.run()
    assert [f["seen"] > 0 for f in world.salesforce.control("GET", "faults")] == [True] * 4
    assert result["report"]["cursor_moved"]
    assert world.record("lead1@example.jp", "Title")["Title"] == "部長"
    assert world.pending() == ({} if created_at_once else {2: "unsettled"})
    assert world.held() == {}
    world.elapse(ELEVEN_MINUTES)
    world.run()
    _assert_everything_arrived(world)


@pytest.mark.parametrize("fault", [BUSY, {"fault": "html_503"}, {"fault": "drop_request"}], ids=lambda f: f["fault"])
def test_a_login_that_fails_once_is_repeated_and_alarms_nobody(world: World, fault: dict[str, Any]) -> None:
    """R39: an overloaded org is no wrong password."""
    _staged(world)
    _faults(world, [LOGIN], fault)
    world.run()
    _assert_everything_arrived(world)
    assert world.mails.received == []


@pytest.mark.parametrize("fault", [BUSY, EXPIRED], ids=lambda f: f["fault"])
def test_a_fault_in_the_question_who_we_are(world: World, fault: dict[str, Any]) -> None:
    """R4, R39: asked where an address has several records, and repeated like any other read."""
    for last_name in ("甲", "乙"):
        world.salesforce.admin_create("Contact", {"LastName": last_name, "Email": "lead2@example.jp"})
    _staged(world)
    _faults(world, [{"path": "userinfo"}], fault)
    world.run()
    assert world.salesforce.control("GET", "faults")[0]["seen"] == 2
    assert world.links().keys() == {1, 2}


@pytest.mark.parametrize("kind", ["client_credentials", "soap"])
def test_a_wrong_login_stops_and_is_not_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: Literal["client_credentials", "soap"]
) -> None:
    """R36: SOAP answers 500 to a wrong password; that is no overloaded org, and asking again locks the user out."""
    _staged(world)
    wrong = world.salesforce.airflow_conn_json(kind)
    for secret in (world.salesforce.integration["consumer_secret"], world.salesforce.integration["password"]):
        wrong = wrong.replace(secret, "wrong")
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", wrong)
    with pytest.raises(SalesforceRefusedError, match="refuses the login"):
        world.run()
    assert len(world.mails.received) == 1
    assert len([r for r in world.salesforce.requests() if r["path"].endswith("token") or "Soap" in r["path"]]) == 1


def test_an_org_that_stays_away_loses_nothing_and_mails_no_false_alarm(world: World) -> None:
    """R39: the cycle fails as unreachable, which Airflow retries; the cursor stays."""
    _staged(world)
    before = _cursor(world)
    for match in (LOGIN, DESCRIBE, QUERY):
        _faults(world, [match], {"fault": "html_503", "times": None})
        with pytest.raises(SalesforceUnavailableError):
            world.run()
    assert _cursor(world) == before
    assert world.mails.received == []
    world.salesforce.faults([])
    world.run()
    _assert_everything_arrived(world)


@pytest.mark.parametrize("rerun", [True, False], ids=["the task is retried", "the next cycle finds it"])
def test_an_update_that_no_attempt_brought_through(world: World, rerun: bool) -> None:
    """R39: the run fails after its attempts and the cursor stays; nothing is lost, whoever goes on."""
    _staged(world)
    before = _cursor(world)
    cycle = world.planned()
    _faults(world, [UPDATE], BUSY | {"times": None})
    with pytest.raises(SalesforceUnavailableError):
        load.run(cycle)
    assert len(world.writes()) == client.ATTEMPTS
    if not rerun:
        report.run(cycle, ["load"])
    assert _cursor(world) == before
    world.salesforce.faults([])
    if rerun:
        load.run(world.cycle(cycle.run_id))
        report.run(world.cycle(cycle.run_id))
    else:
        world.run()
        world.elapse(ELEVEN_MINUTES)
        world.run()
    assert _cursor(world) > before
    _assert_everything_arrived(world)


def test_a_session_that_is_never_accepted_stops_loudly_once(world: World) -> None:
    """R36: logging in again does not help: people are told once, and the sync goes on by itself when it is mended."""
    _staged(world)
    _faults(world, [DESCRIBE], EXPIRED | {"times": None})
    for _ in range(2):
        with pytest.raises(SalesforceRefusedError, match="INVALID_SESSION_ID"):
            world.run()
    assert len(world.mails.received) == 1
    world.salesforce.faults([])
    world.run()
    _assert_everything_arrived(world)


# -- locks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("match", [UPDATE, CREATE], ids=["update", "create"])
def test_a_locked_record_is_sent_again_alone(world: World, match: dict[str, Any]) -> None:
    """R39: the other records of its batch are not touched a second time."""
    world.start()
    for lead_id in (1, 2):
        world.lead(lead_id, title="部長" if match is CREATE and lead_id == 1 else "主任")
    if match is UPDATE:
        world.run()
        world.edit(1, title="部長")
        world.edit(2, phone="03-1111-2222")
    world.salesforce.clear_requests()
    _faults(world, [match], {"fault": "lock", "records": [0], "times": 2})
    counts = world.run()["load"]
    assert (counts["created"] + counts["updated"], counts["postponed"], counts["refused"]) == (2, 0, 0)
    assert len(world.writes()) == collections.ATTEMPTS
    _assert_everything_arrived(world)


def test_a_lock_that_lasts_waits_for_the_next_cycle_in_silence(world: World) -> None:
    """R39: the run is green, nobody is mailed, the cursor moves on, and a minute later the lead arrives."""
    _staged(world)
    before = _cursor(world)
    _faults(world, [UPDATE, CREATE], {"fault": "lock", "times": None})
    result = world.run()
    assert (result["load"]["postponed"], result["report"]["newly_refused"]) == (2, 0)
    assert world.pending() == {1: "transient", 2: "transient"}
    assert (world.held(), world.mails.received) == ({}, [])
    assert _cursor(world) > before
    world.salesforce.faults([])
    world.elapse(A_MINUTE)
    world.run()
    _assert_everything_arrived(world)


def test_a_lock_in_the_third_run_is_reported_and_still_tried(world: World) -> None:
    """R39, R50: held as `api_lock` with Salesforce's words; no red run; recovered by itself."""
    _staged(world)
    _faults(world, [UPDATE], {"fault": "lock", "times": None})
    for number in range(1, ledger.PERSISTENT + 2):
        assert world.run()["report"]["newly_refused"] == 0
        assert world.held() == ({1: ["api_lock"]} if number >= ledger.PERSISTENT else {})
        world.elapse(A_MINUTE * number)
    assert world.errors(1)[0].api_message.startswith("UNABLE_TO_LOCK_ROW: unable to obtain exclusive access to")
    assert len(world.mails.received) == 1
    world.salesforce.faults([])
    assert world.run()["report"]["recovered"] == 1
    _assert_everything_arrived(world)


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_call_without_an_answer_is_given_up_and_repeated(world: World) -> None:
    """R39: after `request_timeout_seconds`, in reads and updates."""
    _staged(world)
    world.settings = world.settings.model_copy(update={"request_timeout_seconds": 0.3})
    _faults(world, [DESCRIBE, QUERY, UPDATE], {"fault": "timeout", "seconds": 1})
    assert world.run()["load"]["postponed"] == 0
    _assert_everything_arrived(world)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_create_that_the_org_finishes_after_we_gave_up_is_found(world: World, when: str) -> None:
    """R3: whether the search right after the timeout already sees it or only a later one, no second record arises."""
    _staged(world)
    world.settings = world.settings.model_copy(update={"request_timeout_seconds": 0.5})
    _faults(world, [CREATE], {"fault": "slow", "seconds": 1.5, "when": when})
    world.run()
    assert world.pending() == ({2: "unsettled"} if when == "before" else {})
    world.elapse(ELEVEN_MINUTES)
    world.run()
    _assert_everything_arrived(world)


def test_a_create_that_arrives_minutes_later_is_waited_for(world: World) -> None:
    """R3: as long as Salesforce may still be working on it, it is not sent again, not even when the lead is edited."""
    _staged(world)
    _faults(world, [CREATE], {"fault": "drop_reply", "commit_later": {"seconds": 300}})
    world.run()
    world.edit(2, phone="03-1111-2222")
    world.elapse(240)
    assert world.run()["load"]["created"] == 0
    assert len(world.records()) == 1
    world.elapse(61)
    world.run()
    assert len(world.records()) == 2
    world.elapse(ELEVEN_MINUTES)
    world.run()
    assert world.record("lead2@example.jp", "Phone")["Phone"] == "03-1111-2222"
    _assert_everything_arrived(world)


def test_a_lost_request_is_sent_again_after_eleven_minutes(world: World) -> None:
    """R3: once Salesforce cannot be working on it any more, and with the lead's values as they are then."""
    _staged(world)
    _faults(world, [CREATE], {"fault": "drop_request"})
    world.run()
    world.edit(2, phone="03-1111-2222")
    world.elapse(600)
    world.run()
    assert len(world.records()) == 1
    world.elapse(61)
    world.run()
    assert world.record("lead2@example.jp", "Phone")["Phone"] == "03-1111-2222"
    _assert_everything_arrived(world)


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("match", [DESCRIBE, QUERY, UPDATE, CREATE], ids=["describe", "query", "update", "create"])
def test_the_orgs_limit_stops_the_run_where_it_is(world: World, match: dict[str, Any]) -> None:
    """R53: a limit is no refusal: nothing is held or mailed, the cursor stays, and it goes on when there are calls."""
    _staged(world)
    before = _cursor(world)
    _faults(world, [match], {"fault": "limit", "times": None})
    with pytest.raises(QuotaError, match="REQUEST_LIMIT_EXCEEDED"):
        world.run()
    assert _cursor(world) == before
    assert (world.held(), world.mails.received) == ({}, [])
    world.salesforce.faults([])
    world.run()
    world.elapse(ELEVEN_MINUTES)
    world.run()
    _assert_everything_arrived(world)


@pytest.mark.parametrize("left", [1, 2, 3])
def test_the_reserve_is_left_to_others(world: World, left: int) -> None:
    """R53: the run stops with exactly the reserve unused, wherever it is, and goes on the next day."""
    _staged(world)
    world.settings = world.settings.model_copy(update={"api_reserve": 10})
    world.salesforce.control("PUT", "limits", {"DailyApiRequests": {"Max": 100, "Remaining": 10 + left}})
    with pytest.raises(QuotaError, match="LEADSYNC_API_RESERVE"):
        world.run()
    assert world.salesforce.control("GET", "limits")["DailyApiRequests"]["Remaining"] == 10
    world.salesforce.control("PUT", "limits", {"DailyApiRequests": {"Max": 100, "Remaining": 100}})
    world.elapse(ELEVEN_MINUTES)
    world.run()
    _assert_everything_arrived(world)


# -- many --------------------------------------------------------------------------------------------------------------


def test_a_storm_of_faults_over_many_batches_ends_with_one_record_a_lead(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3: each batch of creates meets another fault; cycle after cycle no lead is lost and none is doubled."""
    monkeypatch.setattr(collections, "MAX_RECORDS", 2)
    world.start()
    for lead_id in range(1, 17):
        world.lead(lead_id)
    kinds: list[dict[str, Any]] = [
        {"fault": "drop_reply"},
        {"fault": "drop_request"},
        BUSY,
        {"fault": "lock", "records": [1]},
        EXPIRED,
        {"fault": "truncate"},
        {"fault": "drop_reply", "commit_later": {"seconds": 400}},
        {"fault": "limit"},
    ]
    for turn in range(2):
        shuffled = kinds[turn:] + kinds[:turn]
        world.salesforce.faults([{"match": CREATE, "nth": 2 * n + 1, **kind} for n, kind in enumerate(shuffled)])
        with contextlib.suppress(QuotaError):
            world.run()
        world.elapse(ELEVEN_MINUTES * (turn + 1))
    world.salesforce.faults([])
    world.run()
    world.elapse(ELEVEN_MINUTES * 3)
    world.run()
    emails = [row["Email"] for row in world.records()]
    assert sorted(emails) == sorted(f"lead{lead_id}@example.jp" for lead_id in range(1, 17))
    assert len(world.links()) == 16
    assert (world.held(), world.pending()) == ({}, {})
