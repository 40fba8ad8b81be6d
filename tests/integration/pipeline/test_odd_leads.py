"""What a lead, its address and the people around it can be: held or synced, and never in the way of the others."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from leadsync.pipeline import load
from leadsync.pipeline.cycle import run_all
from leadsync.salesforce import client, collections
from leadsync.store.tables import Link

if TYPE_CHECKING:
    from tests.world import World

CREATE = {"user": "integration", "method": "POST", "path": "composite/sobjects"}
UPDATE = {"method": "PATCH", "path": "composite/sobjects"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat at once what is repeated."""
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(collections, "FIRST_WAIT", 0.01)


# -- leads and addresses -----------------------------------------------------------------------------------------------


def test_a_lead_that_is_deleted_while_it_waits_is_forgotten(world: World) -> None:
    """R29: a lead that is gone from the platform is not waited for until the end of days."""
    world.start()
    world.lead(1)
    world.salesforce.faults([{"match": CREATE, "fault": "lock", "times": None}])
    world.run()
    world.salesforce.faults([])
    with world.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM leads"))
    world.elapse(120)
    world.run()
    assert world.pending() == {}


def test_a_held_address_change_goes_on_when_the_address_is_free(world: World) -> None:
    """R3: lead 1 wants the address of lead 2; it gets it once lead 2 has moved on."""
    world.start()
    world.lead(1)
    world.lead(2)
    world.run()
    world.edit(1, email="lead2@example.jp")
    world.run()
    assert world.held() == {1: ["address_taken"]}
    world.edit(2, email="free@example.jp")
    world.run()
    world.run()
    assert world.held() == {}
    assert [row["Email"] for row in world.records()] == ["free@example.jp", "lead2@example.jp"]


def test_a_chain_of_address_changes_in_one_cycle(world: World) -> None:
    """R3: lead 1 takes the address that lead 2 gives up in the same five minutes."""
    world.start()
    world.lead(1)
    world.lead(2)
    world.run()
    world.edit(2, email="free@example.jp")
    world.edit(1, email="lead2@example.jp")
    world.run()
    world.run()
    world.run()
    assert world.held() == {}
    assert [row["Email"] for row in world.records()] == ["free@example.jp", "lead2@example.jp"]


def test_a_lead_that_comes_back_to_a_record_is_linked_with_it(world: World) -> None:
    """R4: its former link is the current one again, so that no other lead may have the record."""
    world.start()
    world.lead(1, email="same@example.jp")
    world.run()
    first = world.links()[1]
    world.lead(2, email="same@example.jp")
    world.run()
    assert world.links() == {2: first}
    world.elapse(60)
    contact = world.salesforce.admin_create("Contact", {"LastName": "山田", "Email": "same@example.jp"})
    world.edit(2, title="部長")
    world.run()
    assert world.links() == {2: contact}
    world.edit(2, email="other@example.jp")
    world.run()
    world.elapse(5)
    world.run()
    assert world.links() == {1: first, 2: contact}


def test_a_record_is_not_created_without_its_address(world: World) -> None:
    """R3: where the address may be read but not written, nothing is created that nobody could find again."""
    world.salesforce.access("Lead/Email", read=True, edit=False)
    world.start()
    world.lead(1)
    world.run()
    assert world.records() == []
    assert 1 in world.held()


def test_a_stop_on_a_twin_survives_a_lock(world: World) -> None:
    """R3, R39: a stop is never held: it reaches the record although its first try met a locked record."""
    world.start()
    world.lead(1, email="same@example.jp", updated_at="2099-01-01 00:00:00+00:00")
    world.run()
    world.lead(2, email="same@example.jp", delivery_status="stopped")
    world.salesforce.faults([{"match": UPDATE, "fault": "lock", "times": None}])
    world.run()
    assert world.pending() == {1: "transient"}
    world.salesforce.faults([])
    world.elapse(120)
    world.run()
    assert world.record("same@example.jp", "HasOptedOutOfEmail")["HasOptedOutOfEmail"] is True


def test_a_second_stop_travels_after_a_withdrawal_on_both_sides(world: World) -> None:
    """R6, R8: stopped, then delivering on both sides, then stopped again on the lead: the stop arrives."""
    world.start()
    world.lead(1, delivery_status="stopped")
    world.run()
    record_id = world.links()[1]
    world.edit(1, delivery_status="delivering")
    world.run()
    world.salesforce.admin_update("Lead", record_id, {"HasOptedOutOfEmail": False})
    world.edit(1, delivery_status="stopped")
    world.run()
    assert world.record("lead1@example.jp", "HasOptedOutOfEmail")["HasOptedOutOfEmail"] is True


@pytest.mark.parametrize(
    "address",
    [
        "a" * 5000 + "@example.jp",
        "x" * 10_000,
        "o'brien@example.jp",
        "back\\slash@example.jp",
        "two\nlines@example.jp",
        "') OR Email LIKE '%",
        '"quoted"@example.jp',
        "tab\t@example.jp",
        "%_@example.jp",
        "\u2028@example.jp",
        "😀@example.jp",
    ],
    ids=lambda address: ascii(address[:20]),
)
def test_no_address_stops_the_others(world: World, address: str) -> None:
    """R39: an address may hold anything; it is held or synced, it reads no other record, and no other lead suffers."""
    other = world.salesforce.admin_create("Lead", {"LastName": "他人", "Company": "Y", "Email": "other@example.jp"})
    world.start()
    world.lead(1, email=address)
    world.lead(2)
    world.run()
    assert world.links().get(1) != other
    assert 2 in world.links()
    code = "too_long" if address.endswith("a@example.jp") else "email_malformed"
    assert 1 in world.links() or world.held()[1] == [code]


def test_ten_thousand_characters_in_every_field(world: World) -> None:
    """R18, R39: held, reported, mailed; the other leads go on."""
    world.start()
    names = ("company", "title", "phone", "address1", "website", "last_name_kana", "prefecture")
    world.lead(1, **dict.fromkeys(names, "長" * 10_000))
    world.lead(2)
    world.run()
    assert 1 in world.held()
    assert 2 in world.links()
    assert len(world.mails.only().as_string()) < 100_000


def test_stamps_of_sentinels_are_read(world: World) -> None:
    """Deltas without loss: year 9999, year 1 and no stamp at all are hints like any other."""
    world.start()
    world.lead(1, updated_at="9999-12-31 23:59:59+00:00")
    world.lead(2, updated_at=None)
    world.run()
    assert set(world.links()) == {1, 2}
    world.assert_nothing_left()


# -- around the cycle --------------------------------------------------------------------------------------------------


def test_a_login_holds_no_lock_on_the_lead_store(world: World) -> None:
    """The platform goes on writing its leads while Salesforce is slow to let us in."""
    world.start()
    world.lead(1)
    cycle = world.planned()
    world.salesforce.faults([{"match": {"path": "oauth2/token"}, "fault": "slow", "seconds": 3.0, "when": "before"}])
    loading = threading.Thread(target=lambda: load.run(world.cycle(cycle.run_id)))
    loading.start()
    time.sleep(1.5)
    began = time.monotonic()
    world.edit(1, title="部長")
    waited = time.monotonic() - began
    loading.join()
    assert waited < 1.0


@pytest.mark.parametrize(
    "owner",
    [
        pytest.param("担当者@example.jp"),
        pytest.param("ｏｗｎｅｒ@example.jp"),
        pytest.param("owner@例え.jp"),
        "no address",
        "a\nb@x.jp",
    ],
    ids=ascii,
)
def test_a_mistyped_recipient_does_not_stop_the_sync(world: World, owner: str) -> None:
    """R36: the mail waits and the log says why; the cursor moves, and a corrected setting is enough."""
    world.settings = world.settings.model_copy(update={"owner_email": owner, "admin_emails": ""})
    world.start()
    world.lead(1, phone="abc")
    assert world.run()["report"]["cursor_moved"]
    world.settings = world.settings.model_copy(update={"owner_email": "owner@example.jp"})
    world.lead(2, phone="abc")
    assert world.run()["report"]["cursor_moved"]
    assert world.mails.received


def test_errors_of_the_database_show_no_lead(world: World) -> None:
    """No personal data in logs: SQLAlchemy's message of a refused statement holds no value."""
    row: dict[str, Any] = {
        "lead_id": 1,
        "email_key": "hanako@example.jp",
        "sobject": "Lead",
        "state": "x",
        "current": True,
    }
    row |= {"created_at": dt.datetime.now(dt.UTC), "sent_email": "hanako@example.jp"}
    with world.engine.connect() as connection:
        connection.execute(sa.insert(Link), row)
        with pytest.raises(sa.exc.IntegrityError) as refused:
            connection.execute(sa.insert(Link), row)
    assert "hanako" not in str(refused.value)


def test_names_in_staging_and_counts_hold_no_lead(world: World) -> None:
    """No personal data in XCom or in the names of staged files."""
    world.start()
    world.lead(1, phone="abc")
    cycle = world.cycle("manual__2026-05-01T00:00:00+00:00")
    results = run_all(cycle)
    values = [value for counts in results.values() for value in counts.values()]
    assert all(isinstance(value, int | float) or value in {"", None} for value in values), results
    assert not [p for p in cycle.staging.folder.rglob("*") if "lead1" in str(p) or "example" in str(p)]
