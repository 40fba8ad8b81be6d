"""A `load` killed with -9 at every API call, in every way, loses no lead and doubles no record (R3).

The stage runs in a process of its own against the real org. Each call is held by the org at one of three moments, and
the process is killed there: `lost` (the org never sees it), `late` (the org works on it after the client is gone),
`done` (the org has done it, the reply is lost). Then the same run is loaded again, and once more 11 minutes later.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from leadsync.pipeline import extract, load, prepare, report, transform, validate
from leadsync.pipeline.cycle import Cycle
from leadsync.salesforce import collections
from leadsync.store import engine as engines
from leadsync.store import journal
from leadsync.store.tables import Journal

if TYPE_CHECKING:
    from leadsync.settings import Settings
    from tests.world import World

MODES = {
    "lost": {"fault": "timeout", "seconds": 8},
    "late": {"fault": "slow", "seconds": 1.0, "when": "before"},
    "done": {"fault": "slow", "seconds": 8, "when": "after"},
}
CALLS = 6
"""API calls of the load below: a login, updates of a Contact and a Lead batch, three batches of creates."""

ELEVEN_MINUTES = 11 * 60 + 1
NEW, LINKED = range(1, 8), range(11, 15)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three records fill a batch."""
    monkeypatch.setattr(collections, "MAX_RECORDS", 3)


def _staged(world: World) -> str:
    """Stage a run with seven creates and four updates; return its id."""
    world.salesforce.admin_create("Contact", {"LastName": "山田", "FirstName": "花子", "Email": "lead14@example.jp"})
    world.start()
    for lead_id in LINKED:
        world.lead(lead_id)
    world.run("first")
    for lead_id in NEW:
        world.lead(lead_id, phone=f"03-0000-{lead_id:04}", delivery_status="stopped" if lead_id == 2 else "delivering")
    for lead_id in LINKED:
        world.edit(lead_id, title="部長")
    cycle = world.cycle("second")
    for stage in (prepare, extract, validate, transform):
        stage.run(cycle)
    world.salesforce.clear_requests()
    return "second"


def _load(url: str, settings: Settings, run_id: str) -> None:
    load.run(Cycle(run_id=run_id, settings=settings, engine=engines.create(url)))


def _killed_load(world: World, run_id: str, call: int, mode: str) -> bool:
    """Load in another process and kill it with -9 while the org holds its n-th call; False if it ended before."""
    before = len(world.salesforce.requests())
    world.salesforce.faults([{"match": {"path": "/services/"}, "nth": call, **MODES[mode]}])
    url = world.engine.url.render_as_string(hide_password=False)
    process = multiprocessing.get_context("fork").Process(target=_load, args=(url, world.settings, run_id))
    process.start()
    deadline = time.monotonic() + 60
    try:
        while process.is_alive():
            assert time.monotonic() < deadline, "the load neither ended nor came to the call"
            held = next((r for r in world.salesforce.requests()[before:] if r.get("fault")), None)
            if held and (mode != "done" or "seconds" in held):
                process.kill()
                process.join()
                return True
            time.sleep(0.01)
    finally:
        process.kill()
        process.join()
        world.salesforce.faults([])
    return False


def _wait_for_late_work(world: World) -> None:
    """Wait until the org has done what it was still doing when its client died."""
    deadline = time.monotonic() + 30
    while any(r.get("fault") == "slow" and "seconds" not in r for r in world.salesforce.requests()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _finish(world: World, run_id: str) -> None:
    """Let on-call clear the task: load again under the same run, report, and let later cycles do the rest."""
    load.run(world.cycle(run_id))
    _assert_no_double(world)
    report.run(world.cycle(run_id))
    _wait_for_late_work(world)
    world.elapse(ELEVEN_MINUTES)
    load.run(world.cycle(run_id))
    _assert_no_double(world)
    world.run()
    world.run()


def _assert_no_double(world: World) -> None:
    emails = [row["Email"] for row in world.records()]
    assert len(emails) == len(set(emails)), f"a second record: {sorted(emails)}"


def _assert_everything_arrived(world: World) -> None:
    """Every lead has its one record with its values, and nothing is left open."""
    fields = "Email, LastName, Phone, Title, HasOptedOutOfEmail"
    found: dict[str, Any] = {row.pop("Email"): row for row in world.records(fields=fields)}
    assert set(found) == {f"lead{i}@example.jp" for i in [*NEW, *LINKED] if i != LINKED[-1]}
    for lead_id in NEW:
        row = found[f"lead{lead_id}@example.jp"]
        assert (row["Phone"], row["HasOptedOutOfEmail"]) == (f"03-0000-{lead_id:04}", lead_id == 2)
    assert all(found[f"lead{i}@example.jp"]["Title"] == "部長" for i in LINKED[:-1])
    assert [row["Title"] for row in world.records("Contact", "Title")] == ["部長"]
    links = world.links()
    assert len(links) == len(NEW) + len(LINKED)
    assert {links[i] for i in NEW} == {found[f"lead{i}@example.jp"]["Id"] for i in NEW}
    assert world.pending() == {}
    assert world.held() == {}
    assert world.journal(Journal.state == "intent") == []
    world.salesforce.clear_requests()
    world.run()  # what was not sent counts as agreed on once it has been seen (R32)
    assert world.writes() == []
    assert world.run()["extract"]["idle"]
    assert world.writes() == []


def test_the_load_makes_the_calls_that_are_killed_below(world: World) -> None:
    """The cases below cover every API call of the stage."""
    run_id = _staged(world)
    load.run(world.cycle(run_id))
    assert len([r for r in world.salesforce.requests() if r["method"] != "GET"]) == CALLS
    report.run(world.cycle(run_id))
    _assert_everything_arrived(world)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_a_load_killed_at_a_call(world: World, call: int, mode: str) -> None:
    """R3: one record a lead, and no lead lost, whichever call was under way and however far the org was."""
    run_id = _staged(world)
    assert _killed_load(world, run_id, call, mode)
    _finish(world, run_id)
    _assert_everything_arrived(world)


@pytest.mark.parametrize("seed", range(4))
def test_a_load_killed_again_and_again(world: World, seed: int) -> None:
    """R3: a rerun may be killed too, at any of its calls, recovery's own included."""
    draw = random.Random(seed)
    run_id = _staged(world)
    for _ in range(4):
        _killed_load(world, run_id, draw.randint(1, CALLS), draw.choice(list(MODES)))
        _assert_no_double(world)
        if draw.random() < 0.3:
            _wait_for_late_work(world)
            world.elapse(ELEVEN_MINUTES)
    _finish(world, run_id)
    _assert_everything_arrived(world)


@pytest.mark.parametrize("call", range(2, CALLS + 1))
def test_a_lost_reply(world: World, call: int) -> None:
    """R3: the org has done it and says nothing; the same run finds out and goes on."""
    run_id = _staged(world)
    world.salesforce.faults([{"match": {"path": "/services/data"}, "nth": call - 1, "fault": "drop_reply"}])
    load.run(world.cycle(run_id))
    assert report.run(world.cycle(run_id))["cursor_moved"]
    _assert_everything_arrived(world)


@pytest.mark.parametrize("call", range(4, CALLS + 1))
def test_a_create_that_arrives_after_its_connection_broke(world: World, call: int) -> None:
    """R3: not found at first, it is not sent again for 11 minutes, in which the org may still work on it."""
    run_id = _staged(world)
    late = {"fault": "drop_reply", "commit_later": {"seconds": 300}}
    world.salesforce.faults([{"match": {"path": "/services/data"}, "nth": call - 1, **late}])
    load.run(world.cycle(run_id))
    waiting = world.pending()
    assert set(waiting.values()) == {"unsettled"}
    assert report.run(world.cycle(run_id))["cursor_moved"]
    world.run()
    assert set(world.links()) == {*NEW, *LINKED}, "the links stay reserved"
    _assert_no_double(world)
    world.elapse(ELEVEN_MINUTES)
    deadline = time.monotonic() + 30
    while len(world.records()) < len(NEW) + len(LINKED) - 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    world.run()
    world.run()
    _assert_everything_arrived(world)


def test_somebody_elses_edit_survives_a_rerun(world: World) -> None:
    """R30: an update that did not arrive is decided anew where the record was edited before the rerun."""
    run_id = _staged(world)
    assert _killed_load(world, run_id, 3, "lost")
    lead_id = LINKED[0]
    world.salesforce.admin_update("Lead", world.links()[lead_id], {"Title": "社長"})
    counts = load.run(world.cycle(run_id))
    assert counts["postponed"] == 1
    assert world.record(f"lead{lead_id}@example.jp", "Title")["Title"] == "社長"
    assert world.pending() == {lead_id: "edited_meanwhile"}


def test_another_run_leaves_an_open_create_alone(world: World) -> None:
    """R3: until 11 minutes after the request only the run that owns it settles it; then anyone."""
    run_id = _staged(world)
    assert _killed_load(world, run_id, CALLS, "lost")
    other = world.run("third")
    assert other["transform"]["defer"] == 1
    _assert_no_double(world)
    world.elapse(ELEVEN_MINUTES)
    world.run("fourth")
    world.run("fifth")
    _assert_everything_arrived(world)


def test_a_run_that_a_later_one_has_superseded_writes_nothing(world: World) -> None:
    """A task of yesterday's run that is cleared today changes nothing on either side."""
    run_id = _staged(world)
    world.run("third")
    world.edit(LINKED[0], title="社長")
    world.run("fourth")
    before = world.records(fields="Email, Title, SystemModstamp"), world.journal()
    assert load.run(world.cycle(run_id)) == {"superseded": True}
    assert report.run(world.cycle(run_id)) == {"superseded": True}
    assert (world.records(fields="Email, Title, SystemModstamp"), world.journal()) == before


def test_the_lease_is_longer_than_salesforce_works_on_a_call() -> None:
    """A REST call times out after ten minutes; the lease must outlast it."""
    assert journal.LEASE.total_seconds() > 10 * 60
