"""What a night can do to the half of a cycle that writes leads: killed between both sides, and addresses set free."""

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING

import pytest

from leadsync.pipeline import extract, load, prepare, report, transform, validate
from leadsync.pipeline.cycle import Cycle
from leadsync.pipeline.ledger import Ledger
from leadsync.salesforce import collections
from leadsync.store import engine as engines

if TYPE_CHECKING:
    from collections.abc import Callable

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


def _planned(world: World) -> str:
    cycle = world.cycle()
    for stage in (prepare, extract, validate, transform):
        stage.run(cycle)
    return cycle.run_id


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
    run_id = _planned(world)
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


@pytest.mark.parametrize("moment", ["in the transaction", "before the send", "after the send"])
def test_killed_while_a_twins_stop_is_created(world: World, moment: str) -> None:
    """R3, R39: the stop reaches lead, twin and the one record, and the lead alone can take it back."""
    world.start()
    world.lead(1, email="same@example.jp")
    world.edit(1, delivery_status="delivering")
    world.lead(2, email="SAME@example.jp", delivery_status="stopped", updated_at=_long_ago(world))
    run_id = _planned(world)
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


def _long_ago(world: World) -> str:
    import datetime as dt  # noqa: PLC0415

    from leadsync.store.leads import LeadTable  # noqa: PLC0415

    return str(LeadTable(world.engine).stamp(dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)))


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


NASTY: list[Callable[[int], str]] = [
    lambda _: "\ud800 lone",
    lambda _: "{{ 7*7 }} {% x %}",
    lambda _: "' OR Name != '",
    lambda _: "=cmd|' /C calc'!A0",
    lambda _: '"},{"a":"',
    lambda _: "\x01\x1f\u2028\u202e",
    lambda n: "長" * n,
]


@pytest.mark.parametrize("number", range(1, len(NASTY) - 1))
def test_the_worst_texts_cross_both_ways(world: World, number: int) -> None:
    """R30, R37: what looks like code, JSON or SOQL arrives as it is, and stays what was agreed on."""
    text = NASTY[number](10)
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
