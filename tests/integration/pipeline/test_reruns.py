"""Tasks cleared and rerun alone, in any order, today or tomorrow, beside other runs: what on-call may do to a cycle.

Every task of every run may be rerun at any time; whatever the order, no second record arises, no edit is lost, and
nothing is written that nobody has validated or that a pause forbids.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from leadsync.errors import LeadsyncError, SalesforceUnavailableError, SupersededError
from leadsync.pipeline import control, extract, load, prepare, report, transform, validate
from leadsync.pipeline.ledger import Ledger
from leadsync.salesforce import client, collections
from leadsync.store.tables import Journal, Run
from tests.custom_fields import Custom, customise, picklist

if TYPE_CHECKING:
    from leadsync.pipeline.cycle import Cycle
    from tests.world import World

CREATE = {"user": "integration", "method": "POST", "path": "composite/sobjects"}
UPDATE = {"method": "PATCH", "path": "composite/sobjects"}
ELEVEN_MINUTES = 11 * 60 + 1
TICK = Custom("newsletter", "text", {"name": "Newsletter__c", "type": "boolean"})
BUDGET = Custom("budget", "number", {"name": "Budget__c", "type": "double", "precision": 18, "scale": 2})
PRODUCTS = Custom("interests", "checkbox", picklist("Products__c", "CMS", "MA", "SEO", several=True))
ALL = (prepare, extract, validate, transform, load, report)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat at once what is repeated."""
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(collections, "FIRST_WAIT", 0.01)


def _run(cycle: Cycle, *stages: Any) -> dict[str, Any]:
    """Run stages as on-call clears them; return the counts of the last."""
    counts: dict[str, Any] = {}
    for stage in stages:
        counts = stage.run(cycle)
    return counts


def _without_overlap(world: World) -> None:
    """Let no overlap hide what a cursor has passed."""
    world.settings = world.settings.model_copy(update={"overlap_seconds": 0})


# -- one run, its tasks in any order -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "again",
    [
        (prepare,),
        (report,),
        (load,),
        (load, report),
        (transform, load, report),
        (validate, transform, load, report),
        (prepare, load),
        (report, load, report),
        (transform,),
    ],
    ids=lambda stages: "+".join(stage.__name__.rpartition(".")[2] for stage in stages),
)
def test_a_finished_run_is_cleared(world: World, again: tuple[Any, ...]) -> None:
    """R32: any task of a run that has done its work may be cleared: nothing is written, mailed or lost by it."""
    world.start()
    world.lead(1)
    world.lead(2, phone="abc")
    cycle = world.cycle()
    _run(cycle, *ALL)
    world.salesforce.clear_requests()
    before = (world.records(fields="Email, SystemModstamp"), world.links(), world.held(), len(world.mails.received))
    _run(world.cycle(cycle.run_id), *again)
    assert world.writes() == []
    after = (world.records(fields="Email, SystemModstamp"), world.links(), world.held(), len(world.mails.received))
    assert after == before
    world.assert_nothing_left()


def test_extract_is_cleared_after_load(world: World) -> None:
    """A rerun of `extract` finds what load has left: the edit that came meanwhile, once."""
    world.start()
    world.lead(1)
    cycle = world.planned()
    load.run(cycle)
    world.edit(1, phone="03-1111-2222")
    _run(world.cycle(cycle.run_id), extract, validate, transform, load, report)
    assert world.record("lead1@example.jp", "Phone")["Phone"] == "03-1111-2222"
    world.assert_nothing_left()
    assert len(world.records()) == 1


def test_extract_alone_and_then_load_alone(world: World) -> None:
    """A plan made before the last `extract` does not pass for the plan of the newer values."""
    _without_overlap(world)
    world.start()
    world.lead(1, phone="03-1111-1111")
    cycle = world.planned()
    world.edit(1, phone="03-2222-2222")
    extract.run(world.cycle(cycle.run_id))
    with contextlib.suppress(LeadsyncError):
        _run(world.cycle(cycle.run_id), load, report)
    world.run()
    assert world.record("lead1@example.jp", "Phone")["Phone"] == "03-2222-2222"


def test_extract_and_transform_without_validate(world: World) -> None:
    """R16, R39: what nobody has validated is not sent: a typo in a check box does not arrive as "not ticked"."""
    customise(world, TICK)
    world.start()
    world.lead(1, newsletter="true")
    world.run()
    world.edit(1, phone="03-1111-1111")
    cycle = world.planned()
    world.edit(1, newsletter="ture")
    with contextlib.suppress(LeadsyncError):
        _run(world.cycle(cycle.run_id), extract, transform, load, report)
    assert world.record("lead1@example.jp", "Newsletter__c")["Newsletter__c"] is True


def test_prepare_alone_takes_a_new_mapping_and_load_has_the_old_plan(world: World) -> None:
    """A plan is carried out under the mapping that it was made by, or not at all."""
    folder = world.copy_mappings()
    world.start()
    world.lead(1, title="部長")
    cycle = world.planned()
    own = folder / "own.csv"
    default = next(folder.glob("*.csv"))
    text = default.read_text(encoding="utf-8-sig")
    default.write_text("\n".join(line for line in text.splitlines() if not line.startswith("title,")) + "\n", "utf-8")
    own.write_text(
        "field,label,type,lead_field,contact_field,direction\ntitle,役職,text,Title,Title,to_lead\n", encoding="utf-8"
    )
    assert prepare.run(world.cycle(cycle.run_id))["go"]
    with contextlib.suppress(LeadsyncError):
        _run(world.cycle(cycle.run_id), load, report)
    world.run()
    assert world.record("lead1@example.jp", "Title")["Title"] is None


def test_a_whole_run_is_cleared_after_its_mapping_was_mended(world: World) -> None:
    """R20: a lead that this run has dealt with under the old mapping is dealt with again under the new one."""
    world.start()
    world.lead(1, budget="1000")
    cycle = world.cycle()
    _run(cycle, *ALL)
    customise(world, BUDGET)
    _run(world.cycle(cycle.run_id), *ALL)
    assert world.record("lead1@example.jp", "Budget__c")["Budget__c"] == 1000


def test_a_staging_folder_that_is_gone_is_said_with_what_to_do(world: World) -> None:
    """On-call reads which task to clear, not a stack trace about a path."""
    world.start()
    world.lead(1)
    cycle = world.planned()
    cycle.staging.folder.rmdir(recursive=True)
    for stage in (load, transform, report):
        with pytest.raises(LeadsyncError, match="clear"):
            stage.run(world.cycle(cycle.run_id))


# -- old plans ---------------------------------------------------------------------------------------------------------


def _age(cycle: Cycle, hours: float) -> None:
    """Let a staged plan have been made some hours ago."""
    staged = cycle.staging.read_json("extract")
    for name in ("cursor_from", "cursor_to"):
        staged[name] = (dt.datetime.fromisoformat(staged[name]) - dt.timedelta(hours=hours)).isoformat()
    cycle.staging.write_json("extract", staged)


def test_a_load_cleared_hours_later_creates_no_second_record(world: World) -> None:
    """R3: somebody created the person by hand while the run lay failed; its plan knows nothing of it."""
    world.start()
    world.lead(1)
    cycle = world.planned()
    _age(cycle, 3)
    world.salesforce.admin_create("Lead", {"LastName": "手入力", "Company": "X", "Email": "lead1@example.jp"})
    load.run(world.cycle(cycle.run_id))
    world.run()
    assert len(world.records()) == 1
    world.assert_nothing_left()


def test_a_load_cleared_hours_later_overwrites_nothing(world: World) -> None:
    """R31: what was blank when the plan was made and has been filled since in Salesforce stays."""
    record_id = world.salesforce.admin_create(
        "Lead", {"LastName": "山田", "FirstName": "花子", "Company": "X", "Email": "lead1@example.jp"}
    )
    world.start()
    world.lead(1, title="部長")
    cycle = world.planned()
    _age(cycle, 3)
    world.salesforce.admin_update("Lead", record_id, {"Title": "社長"})
    load.run(world.cycle(cycle.run_id))
    world.run()
    assert world.record("lead1@example.jp", "Title")["Title"] == "社長"


# -- pauses ------------------------------------------------------------------------------------------------------------


def test_a_load_that_is_cleared_while_paused_writes_nothing(world: World) -> None:
    """R33: a pause stops all writing, that of a cleared task too, and nothing is lost by it."""
    world.start()
    world.lead(1)
    cycle = world.planned()
    control.pause(world.engine)
    _run(world.cycle(cycle.run_id), load, report)
    assert world.records() == []
    control.start_now(world.engine)
    world.run()
    assert len(world.records()) == 1
    world.assert_nothing_left()


# -- requests of unknown outcome ---------------------------------------------------------------------------------------


def test_an_edit_survives_a_create_that_arrives_between_extract_and_load(world: World) -> None:
    """R3, R30: the create of the first pass is found by the second pass's load, with the values of the first pass."""
    _without_overlap(world)
    world.start()
    world.lead(1, phone="03-1111-1111")
    cycle = world.planned()
    late = {"fault": "drop_reply", "commit_later": {"seconds": 300}}
    world.salesforce.faults([{"match": CREATE, **late}])
    load.run(cycle)
    world.salesforce.faults([])
    assert world.records() == []
    world.edit(1, phone="03-2222-2222")
    _run(world.cycle(cycle.run_id), extract, validate, transform)
    world.elapse(301)
    deadline = time.monotonic() + 30
    while not world.records():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    _run(world.cycle(cycle.run_id), load, report)
    world.run()
    world.elapse(ELEVEN_MINUTES)
    world.run()
    assert world.record("lead1@example.jp", "Phone")["Phone"] == "03-2222-2222"
    world.assert_nothing_left()
    assert len(world.records()) == 1


@pytest.mark.parametrize(
    ("custom", "sent", "edited", "expected"),
    [
        pytest.param(BUDGET, "1000", "2000", 2000, id="number"),
        pytest.param(PRODUCTS, "SEO;CMS", "MA", "MA", id="multi-select in another order"),
    ],
)
def test_what_salesforce_spells_otherwise_is_agreed_on_after_a_lost_reply(
    world: World, custom: Custom, sent: str, edited: str, expected: Any
) -> None:
    """R30: 1000 comes back as 1000.0, and a set in its own order; a later edit of the lead travels all the same."""
    customise(world, custom)
    world.start()
    world.lead(1, **{custom.column: sent})
    world.salesforce.faults([{"match": CREATE, "fault": "drop_reply"}])
    world.run()
    world.salesforce.faults([])
    assert world.links()[1] is not None
    world.edit(1, **{custom.column: edited})
    world.run()
    assert world.record("lead1@example.jp", custom.name)[custom.name] == expected


@pytest.mark.parametrize("hidden", ["Lead/Title", "Lead/Email", "Lead"])
def test_recovery_of_what_is_hidden_by_now(world: World, hidden: str) -> None:
    """R42, R40: a field that went out of sight after it was sent keeps no later cycle from running."""
    world.start()
    world.lead(1, title="課長")
    world.run()
    world.edit(1, title="部長")
    world.lead(2, title="主任")
    cycle = world.planned()
    world.salesforce.faults([{"match": m, "fault": "drop_reply", "times": None} for m in (UPDATE, CREATE)])
    with pytest.raises(SalesforceUnavailableError):
        load.run(cycle)
    world.salesforce.faults([])
    world.salesforce.access(hidden, read=False, edit=False)
    world.elapse(ELEVEN_MINUTES)
    world.run()
    world.run()
    world.salesforce.access(hidden, read=True, edit=True)
    world.elapse(ELEVEN_MINUTES)
    world.run()
    world.run()
    assert [row["Email"] for row in world.records()] == ["lead1@example.jp", "lead2@example.jp"]
    assert world.record("lead1@example.jp", "Title")["Title"] == "部長"
    assert world.journal(Journal.state == "intent") == []


def test_two_loads_of_one_run_at_once(world: World) -> None:
    """R3: a task that the scheduler took for dead goes on beside its second try."""
    world.start()
    for lead_id in range(1, 30):
        world.lead(lead_id)
    cycle = world.planned()
    world.salesforce.faults([{"match": CREATE, "fault": "slow", "seconds": 1.0, "when": "after"}])
    first = threading.Thread(target=lambda: load.run(world.cycle(cycle.run_id)))
    first.start()
    time.sleep(0.5)
    load.run(world.cycle(cycle.run_id))
    first.join()
    world.salesforce.faults([])
    report.run(world.cycle(cycle.run_id))
    world.elapse(ELEVEN_MINUTES)
    world.run()
    assert len(world.records()) == 29
    world.assert_nothing_left()


# -- two runs at once --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [True, False], ids=["the older run commits first", "the newer run commits first"])
def test_a_command_line_cycle_beside_the_dag(world: World, first: bool) -> None:
    """R3: both have planned the same creates and updates; each lead is written once and the later cycle is quiet."""
    world.start()
    world.lead(1)
    world.run()
    world.edit(1, title="部長")
    world.lead(2)
    older, newer = world.planned(), world.planned()
    one, other = (older, newer) if first else (newer, older)
    _run(world.cycle(one.run_id), load, report)
    _run(world.cycle(other.run_id), load, report)
    world.assert_nothing_left()
    assert [row["Email"] for row in world.records()] == ["lead1@example.jp", "lead2@example.jp"]
    assert len([row for row in world.journal() if row.kind == "update"]) == 1


def test_a_run_overtaken_in_mid_load_stops_writing(world: World) -> None:
    """R3: between two batches a later run commits."""
    world.start()
    world.lead(1)
    world.run()
    world.edit(1, title="部長")
    world.lead(2)
    older = world.planned()
    overtaken = world.cycle(older.run_id)
    books = Ledger(overtaken)
    world.run()
    with pytest.raises(SupersededError):
        load.keep(overtaken, books, [])


def test_a_run_whose_leads_another_one_has_taken_care_of_counts_as_committed(world: World) -> None:
    """R35: `leadsync status` does not cry "failed" because two cycles overlapped and all went well."""
    world.start()
    world.lead(1)
    older, newer = world.planned(), world.planned()
    _run(world.cycle(older.run_id), load, report)
    _run(world.cycle(newer.run_id), load, report)
    (row,) = world.rows(Run, Run.run_id == newer.run_id)
    assert row.state == "committed"
