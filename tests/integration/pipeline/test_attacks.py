"""What a night can do to the half of a cycle that writes leads: killed between both sides, and addresses set free."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
from typing import TYPE_CHECKING

import pytest

from leadsync.pipeline import load, report
from leadsync.pipeline.cycle import Cycle
from leadsync.pipeline.ledger import Ledger
from leadsync.salesforce import collections
from leadsync.store import engine as engines
from leadsync.store.leads import LeadTable

if TYPE_CHECKING:
    from leadsync.settings import Settings
    from tests.world import World


def _killed(url: str, settings: Settings, run_id: str, moment: str) -> None:
    """Load, and die at a moment: before the intents are committed, after that, or once the records are written."""

    def die(*_: object, **__: object) -> None:
        os._exit(9)

    if moment == "in the transaction":
        Ledger.intend = die  # type: ignore[method-assign]
    elif moment == "before the send":
        collections.send = die  # type: ignore[assignment]
    else:
        Ledger.settle = die  # type: ignore[method-assign]
    load.run(Cycle(run_id=run_id, settings=settings, engine=engines.create(url)))


def _kill_load(world: World, run_id: str, moment: str) -> None:
    url = world.engine.url.render_as_string(hide_password=False)
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(url, world.settings, run_id, moment))
    process.start()
    process.join(60)
    assert process.exitcode == 9, "the load did not come to that moment"


@pytest.mark.parametrize("moment", ["in the transaction", "before the send", "after the send"])
def test_killed_between_the_two_sides(world: World, moment: str) -> None:
    """R30, R32: a lead that takes and sends at once has both, whatever line the load died at; nothing is echoed."""
    world.start()
    world.lead(1, title="課長", phone="03-1111-2222")
    world.run()
    world.run()
    world.salesforce.admin_update("Lead", world.links()[1], {"Title": "部長"})
    world.edit(1, phone="06-3333-4444")
    run_id = world.planned().run_id
    _kill_load(world, run_id, moment)
    load.run(world.cycle(run_id))
    report.run(world.cycle(run_id))
    world.run()
    assert world.values(1, "title", "phone") == ("部長", "06-3333-4444")
    record = world.record("lead1@example.jp", "Title, Phone")
    assert (record["Title"], record["Phone"]) == ("部長", "06-3333-4444")
    world.elapse(11 * 60 + 1)
    world.run()
    before = len(world.writes())
    world.salesforce.admin_update("Lead", world.links()[1], {"Phone": None})
    world.edit(1, title="社長")
    world.run()
    assert world.values(1, "title", "phone") == ("社長", None)
    assert world.record("lead1@example.jp", "Title")["Title"] == "社長"
    assert len(world.writes()) == before + 1
    assert (world.pending(), world.held()) == ({}, {})


def test_what_a_killed_load_wrote_into_the_lead_is_no_edit_of_it(world: World) -> None:
    """R30: the value that the lead took is agreed on, so the next edit in Salesforce meets no edit of the lead."""
    world.start()
    world.lead(1, title="課長", phone="03-1111-2222")
    world.run()
    record_id = world.links()[1]
    world.salesforce.admin_update("Lead", record_id, {"Title": "部長"})
    world.edit(1, phone="06-3333-4444")
    _kill_load(world, world.planned().run_id, "before the send")
    assert world.values(1, "title") == ("部長",)
    world.salesforce.admin_update("Lead", record_id, {"Title": "社長"})
    earlier = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    world.salesforce.control("PUT", f"rows/Lead/{record_id}", {"LastModifiedDate": earlier})
    world.edit(1, fax="06-5555-6666")  # the lead is the newer one, but nobody has edited its title
    world.elapse(11 * 60 + 1)
    world.run()
    world.run()
    assert world.values(1, "title") == ("社長",)
    assert world.record("lead1@example.jp", "Title, Phone") | {
        "Title": "社長",
        "Phone": "06-3333-4444",
    } == world.record("lead1@example.jp", "Title, Phone")


@pytest.mark.parametrize("moment", ["in the transaction", "before the send", "after the send"])
def test_killed_while_a_twins_stop_is_created(world: World, moment: str) -> None:
    """R3, R39: the stop reaches lead, twin and the one record, and the lead alone can take it back."""
    world.start()
    world.lead(1, email="same@example.jp")
    world.edit(1, delivery_status="delivering")
    earlier = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    world.lead(2, email="SAME@example.jp", delivery_status="stopped", updated_at=LeadTable(world.engine).stamp(earlier))
    run_id = world.planned().run_id
    _kill_load(world, run_id, moment)
    load.run(world.cycle(run_id))
    report.run(world.cycle(run_id))
    world.elapse(11 * 60 + 1)
    world.run()
    world.run()
    (row,) = world.records(fields="HasOptedOutOfEmail")
    assert row["HasOptedOutOfEmail"] is True
    assert world.values(1, "delivery_status") == ("stopped",)
    for lead_id in (1, 2):
        world.edit(lead_id, delivery_status="delivering")
    world.edit(1, title="課長")
    world.run()
    (row,) = world.records(fields="HasOptedOutOfEmail")
    assert row["HasOptedOutOfEmail"] is False


def test_an_address_that_was_set_free_while_its_lead_was_held(world: World) -> None:
    """R3: a lead held for another field takes its record's new address, and whoever gets the old one syncs."""
    world.start()
    world.lead(1)
    world.run()
    first = world.links()[1]
    world.edit(1, phone="電話なし")
    world.run()
    assert world.held() == {1: ["phone_format"]}
    world.salesforce.admin_update("Lead", first, {"Email": "new@example.jp"})
    world.run()
    assert world.values(1, "email") == ("new@example.jp",)
    world.lead(2, email="lead1@example.jp")
    world.run()
    assert world.held() == {1: ["phone_format"]}
    assert world.links().keys() == {1, 2}
    assert world.links()[1] == first


@pytest.mark.parametrize(
    "text",
    ["{{ 7*7 }} {% x %}", "' OR Name != '", "=cmd|' /C calc'!A0", '"},{"a":"', "\x01\x1f\u2028\u202e."],
    ids=ascii,
)
def test_the_worst_texts_cross_both_ways(world: World, text: str) -> None:
    """R30, R37: what looks like code, JSON or SOQL arrives as it is, and stays what was agreed on."""
    world.start()
    world.lead(1, first_name=text)
    world.run()
    world.run()
    stored = world.record("lead1@example.jp", "FirstName")["FirstName"]
    assert world.values(1, "first_name") in {(text,), (stored,)}
    world.salesforce.admin_update("Lead", world.links()[1], {"Title": text})
    world.run()
    there = world.record("lead1@example.jp", "Title")["Title"]
    assert world.values(1, "title") == (there,)
    world.run()
    assert world.run()["extract"]["idle"]
