"""Leads reach Salesforce: what a cycle creates, fills, changes, leaves and skips (R3, R4, R30-R33)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from leadsync.pipeline import control, extract, load, prepare, report, transform, validate
from leadsync.store import state
from leadsync.store.tables import Link, SeenLead
from tests.smtp import html_of

if TYPE_CHECKING:
    from tests.world import World


def test_nothing_is_written_before_a_start(world: World) -> None:
    """R33: before a start a cycle ends without a call and without a row."""
    world.lead(1)
    assert world.run() == {"prepare": {"go": False, "reason": "not_started"}}
    assert world.salesforce.requests() == []
    assert world.rows(SeenLead) == []


def test_periodic_sync_starts_with_later_edits(world: World) -> None:
    """R34 b: a lead from before the start and the overlap stays where it is until somebody edits it."""
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    world.lead(1, updated_at=long_ago.strftime("%Y-%m-%d %H:%M:%S.%f+00:00"))
    world.start()
    assert world.run()["extract"]["changed"] == 0
    world.edit(1, title="部長")
    assert world.run()["load"]["created"] == 1


def test_a_pause_writes_nothing_and_loses_nothing(world: World) -> None:
    """R33: while paused nothing is written; after a new start the edits of the pause arrive."""
    world.start()
    control.pause(world.engine)
    world.lead(1)
    assert world.run() == {"prepare": {"go": False, "reason": "paused"}}
    world.start()
    assert world.run()["load"]["created"] == 1


def test_a_lead_becomes_one_record_and_the_next_cycle_writes_nothing(world: World) -> None:
    """R1, R32: every mapped value arrives as typed, and a cycle without edits makes no write on either side."""
    world.start()
    world.lead(1, email="Taro@Example.jp ", phone="03-1234-5678", postal_code="150-0001", website="https://a.example")
    assert world.run()["load"]["created"] == 1
    record = world.record(
        "taro@example.jp", "Email, LastName, FirstName, Company, Phone, PostalCode, Website, LeadSource"
    )
    assert record.pop("Id") == world.links()[1]
    assert record == {
        "Email": "Taro@Example.jp",
        "LastName": "山田",
        "FirstName": "花子",
        "Company": "株式会社サンプル",
        "Phone": "03-1234-5678",
        "PostalCode": "150-0001",
        "Website": "https://a.example",
        "LeadSource": None,
    }
    world.salesforce.clear_requests()
    again = world.run()
    assert again["extract"]["idle"]
    assert "load" not in again
    assert world.writes() == []


def test_only_the_changed_fields_are_sent(world: World) -> None:
    """R30: an edit sends its own fields and no other; a cleared value arrives as null."""
    world.start()
    world.lead(1, title="課長", phone="03-1111-2222")
    world.run()
    world.edit(1, title="部長", phone="")
    assert world.run()["load"]["updated"] == 1
    (entry,) = [row for row in world.journal() if row.kind == "update"]
    assert [(c["api_name"], c["old"], c["new"]) for c in entry.changes] == [
        ("Title", "課長", "部長"),
        ("Phone", "03-1111-2222", None),
    ]
    record = world.record("lead1@example.jp", "Title, Phone, LastName")
    assert (record["Title"], record["Phone"], record["LastName"]) == ("部長", None, "山田")


def test_an_edit_in_salesforce_is_not_overwritten_by_an_unrelated_edit(world: World) -> None:
    """R30: only the lead's own changes travel; what somebody changed in Salesforce stays."""
    world.start()
    world.lead(1, title="課長")
    world.run()
    world.salesforce.admin_update("Lead", world.links()[1], {"FirstName": "次郎"})
    world.edit(1, title="部長")
    world.run()
    record = world.record("lead1@example.jp", "FirstName, Title")
    assert (record["FirstName"], record["Title"]) == ("次郎", "部長")


@pytest.mark.parametrize("sobject", ["Lead", "Contact"])
def test_a_known_address_is_matched_and_both_sides_agree(world: World, sobject: str) -> None:
    """R3, R31: no second record; blanks take the other side's value, and of different ones the newest wins."""
    known: dict[str, Any] = {"LastName": "佐藤", "Phone": "03-1111-2222", "Email": "LEAD1@EXAMPLE.JP"}
    record_id = world.salesforce.admin_create(sobject, known | ({"Company": "A社"} if sobject == "Lead" else {}))
    world.start()
    world.lead(1, title="部長")
    result = world.run()
    assert result["load"] | {"updated": 1, "created": 0, "leads_updated": 1} == result["load"]
    assert result["transform"]["conflicts"] == (2 if sobject == "Lead" else 1)
    assert world.links() == {1: record_id}
    record = world.record("lead1@example.jp", "LastName, FirstName, Title, Email", sobject)
    assert (record["LastName"], record["FirstName"], record["Title"]) == ("佐藤", "花子", "部長")
    assert world.values(1, "last_name", "first_name", "phone") == ("佐藤", "花子", "03-1111-2222")
    assert world.run()["extract"]["idle"]
    world.edit(1, last_name="鈴木")
    world.run()
    assert world.record("lead1@example.jp", "LastName", sobject)["LastName"] == "鈴木"


def test_a_converted_lead_is_never_matched(world: World) -> None:
    """R28: with one address on a converted Lead and its Contact, the Contact is the record."""
    converted = world.salesforce.admin_create("Lead", {"LastName": "山田", "Company": "A", "Email": "lead1@example.jp"})
    contact = world.salesforce.admin_create("Contact", {"LastName": "山田", "Email": "lead1@example.jp"})
    world.salesforce.control("PUT", f"rows/Lead/{converted}", {"IsConverted": True})
    world.start()
    world.lead(1)
    world.run()
    assert world.links() == {1: contact}


def test_blank_addresses_are_skipped_and_malformed_ones_held(world: World) -> None:
    """R3, R50: blank is counted and not reported; malformed is held with its value."""
    world.start()
    world.lead(1, email="")
    world.lead(2, email=None)
    world.lead(3, email=" 　")
    world.lead(4, email="nobody@")
    result = world.run()["load"]
    assert (result["skipped"], result["held"], result["created"]) == (3, 1, 0)
    assert world.held() == {4: ["email_malformed"]}
    assert world.records() == []


def test_full_width_and_upper_case_addresses_are_one_key(world: World) -> None:
    """R3: compared as NFKC, trimmed, case-folded; sent as NFKC, trimmed, case as typed."""
    record_id = world.salesforce.admin_create(
        "Lead", {"LastName": "山田", "Company": "A", "Email": "hanako@example.jp"}
    )
    world.start()
    world.lead(1, email="ＨＡＮＡＫＯ＠ｅｘａｍｐｌｅ．ｊｐ")
    world.lead(2, email=" Jiro@Example.JP　")
    world.run()
    assert world.links()[1] == record_id
    assert {row["Email"] for row in world.records()} == {"hanako@example.jp", "Jiro@Example.JP"}


def test_of_twins_the_newest_syncs_and_takes_over_the_link(world: World) -> None:
    """R3: the other lead is held with the winner's id; when the address is free again, it syncs."""
    world.start()
    world.lead(1, email="same@example.jp", title="旧")
    world.run()
    first = world.links()[1]
    world.lead(2, email="SAME@example.jp", title="新")
    world.run()
    assert world.links() == {2: first}
    assert world.held() == {1: ["email_twin"]}
    assert len(world.records()) == 1
    world.edit(2, email="other@example.jp")
    world.run()
    world.run()
    assert world.held() == {}
    assert world.links()[2] == first
    assert len(world.records()) == 2


def test_a_changed_address_updates_the_same_record(world: World) -> None:
    """R3: once linked, the record id is the identity."""
    world.start()
    world.lead(1, email="old@example.jp")
    world.run()
    record_id = world.links()[1]
    world.edit(1, email="new@example.jp")
    world.run()
    assert world.links() == {1: record_id}
    assert [row["Email"] for row in world.records()] == ["new@example.jp"]
    assert [row.email_key for row in world.rows(Link, Link.current)] == ["new@example.jp"]


@pytest.mark.parametrize("holder", ["lead", "record"])
def test_an_address_that_another_one_holds_is_not_taken(world: World, holder: str) -> None:
    """R3: the change is held, and the message names who holds the address."""
    world.start()
    world.lead(1)
    if holder == "lead":
        world.lead(2, email="taken@example.jp")
        named = "lead 2"
    else:
        other = world.salesforce.admin_create("Contact", {"LastName": "他", "Email": "taken@example.jp"})
        named = f"Contact {other}"
    world.run()
    world.edit(1, email="taken@example.jp")
    world.run()
    assert world.held()[1] == ["address_taken"]
    assert [e.detail for e in world.errors(1)] == [named]
    assert world.record("lead1@example.jp", "Email")["Id"] == world.links()[1]


def test_a_cleared_address_is_not_cleared_across(world: World) -> None:
    """R3: the record keeps its address, the other fields go on, and it is reported."""
    world.start()
    world.lead(1)
    world.run()
    world.edit(1, email="", title="部長")
    world.run()
    assert world.record("lead1@example.jp", "Title")["Title"] == "部長"
    assert world.held() == {1: ["email_cleared"]}


def test_of_several_records_the_newest_edit_not_made_by_us_is_chosen(world: World) -> None:
    """R4: over Leads and Contacts together; when another becomes the newest, the link moves at the lead's next edit."""
    old = world.salesforce.admin_create("Contact", {"LastName": "古", "Email": "lead1@example.jp"})
    new = world.salesforce.admin_create("Lead", {"LastName": "新", "Company": "A", "Email": "lead1@example.jp"})
    world.salesforce.control("PUT", f"rows/Contact/{old}", {"LastModifiedDate": "2026-01-01T00:00:00.000+0000"})
    world.start()
    world.lead(1)
    world.run()
    assert world.links() == {1: new}
    world.salesforce.clock(offset_seconds=3600)
    world.salesforce.admin_update("Contact", old, {"Department": "営業"})
    world.edit(1, title="部長")
    world.run()
    assert world.links() == {1: old}
    assert [(row.kind, row.record_id) for row in world.journal()][-1] == ("update", old)


def test_our_own_write_does_not_pin_a_link(world: World) -> None:
    """R4: the record that we wrote last is not the newest edit."""
    mine = world.salesforce.admin_create("Lead", {"LastName": "甲", "Company": "A", "Email": "lead1@example.jp"})
    world.start()
    world.lead(1)
    world.run()
    assert world.links() == {1: mine}
    world.salesforce.clock(offset_seconds=60)
    other = world.salesforce.admin_create("Contact", {"LastName": "乙", "Email": "lead1@example.jp"})
    world.salesforce.control("PUT", f"rows/Lead/{mine}", {"LastModifiedDate": "2099-01-01T00:00:00.000+0000"})
    world.edit(1, title="部長")
    world.run()
    assert world.links() == {1: other}


def test_stopped_and_delivering_both_travel_from_the_lead(world: World) -> None:
    """R8: on the lead both can be set."""
    world.start()
    world.lead(1, delivery_status="停止中")
    world.lead(2, delivery_status="配信中")
    world.run()
    assert world.record("lead1@example.jp", "HasOptedOutOfEmail")["HasOptedOutOfEmail"] is True
    assert world.record("lead2@example.jp", "HasOptedOutOfEmail")["HasOptedOutOfEmail"] is False
    world.edit(1, delivery_status="delivering")
    world.edit(2, delivery_status="stopped")
    world.run()
    assert world.record("lead1@example.jp", "HasOptedOutOfEmail")["HasOptedOutOfEmail"] is False
    assert world.record("lead2@example.jp", "HasOptedOutOfEmail")["HasOptedOutOfEmail"] is True


def test_a_stop_is_never_held(world: World) -> None:
    """R39: it travels in its own write while a bad field holds the rest of the lead."""
    world.start()
    world.lead(1, title="課長")
    world.run()
    world.edit(1, delivery_status="stopped", title="部長", last_name="")
    world.run()
    record = world.record("lead1@example.jp", "HasOptedOutOfEmail, Title, LastName")
    assert (record["HasOptedOutOfEmail"], record["Title"], record["LastName"]) == (True, "課長", "山田")
    assert world.held() == {1: ["required_missing"]}


def test_a_stop_on_a_held_twin_is_a_stop_of_the_address(world: World) -> None:
    """R3: the lead that syncs carries its twin's stop."""
    world.start()
    world.lead(1, email="same@example.jp", delivery_status="stopped")
    world.lead(2, email="same@example.jp")
    world.run()
    assert world.record("same@example.jp", "HasOptedOutOfEmail")["HasOptedOutOfEmail"] is True


def test_a_mapping_edit_looks_at_held_leads_again(world: World) -> None:
    """R39: what was held waits for a change of the mapping too."""
    world.start()
    world.lead(1, company="")
    world.run()
    assert world.held() == {1: ["required_missing"]}
    folder = world.copy_mappings()
    text = (folder / "default.csv").read_text("utf-8-sig")
    row = next(line for line in text.splitlines() if line.startswith("company,"))
    cells = row.split(",")
    cells[7] = "不明"
    (folder / "default.csv").write_text(text.replace(row, ",".join(cells)), "utf-8")
    assert world.run()["load"]["created"] == 1
    assert world.record("lead1@example.jp", "Company")["Company"] == "不明"
    assert world.held() == {}


def test_a_released_object_creates_nothing(world: World) -> None:
    """R3, R40: with Contacts hidden a twin may be there unseen; with Leads hidden a new record has no place."""
    world.start()
    world.salesforce.access("Contact", read=False)
    world.lead(1)
    world.run()
    assert world.held() == {1: ["may_exist_unseen"]}
    world.salesforce.access("Contact", read=True)
    world.salesforce.access("Lead", read=False)
    world.run()
    assert world.held() == {1: ["object_released"]}
    world.salesforce.access("Lead", read=True)
    world.run()
    assert world.held() == {}
    assert len(world.records()) == 1


def test_a_mapping_without_the_address_stops_everything_loudly(world: World) -> None:
    """R24: nothing is written anywhere, and one mail says so."""
    world.start()
    folder = world.copy_mappings()
    lines = (folder / "default.csv").read_text("utf-8-sig").splitlines()
    (folder / "default.csv").write_text("\n".join(x for x in lines if not x.startswith("email,")), "utf-8")
    world.lead(1)
    for _ in range(2):
        assert world.run() == {"prepare": {"go": False, "reason": "no_email_mapping"}}
    assert world.records() == []
    assert len(world.mails.received) == 1


def test_a_broken_mapping_keeps_the_last_good_one_running(world: World) -> None:
    """R25: the sync goes on, and one mail names file, line and remedy."""
    world.start()
    folder = world.copy_mappings()
    world.run()
    with (folder / "default.csv").open("a", encoding="utf-8") as file:
        file.write("nosuch,なし,text,NoSuch,,,,,,\n")
    world.lead(1)
    for _ in range(2):
        world.run()
    assert world.links().keys() == {1}
    assert len(world.mails.received) == 1
    assert "default.csv" in html_of(world.mails.only())


def test_a_describe_is_read_in_full_only_when_it_changed(world: World) -> None:
    """R53: an idle cycle is two calls: both describes, which answer 304, and both objects' deltas."""
    world.start()
    world.run()
    world.salesforce.clear_requests()
    world.run()
    counted = [r for r in world.salesforce.requests() if r["counted"]]
    assert [(r["method"], r["path"].rsplit("/", 1)[-1]) for r in counted] == [("POST", "composite")] * 2


def test_prepare_says_when_the_tables_are_missing(world: World) -> None:
    """The state tables are made by `leadsync db upgrade`; the message says so."""
    with world.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE sync_alembic_version")
    with pytest.raises(Exception, match="leadsync db upgrade"):
        prepare.run(world.cycle())


def test_the_cursor_is_the_databases_own_clock(world: World) -> None:
    """Deltas without loss: a row stamped in the future or the past neither moves the cursor nor is repeated."""
    world.start()
    with world.engine.connect() as connection:
        before = state.get_cursor(connection, state.LEADS)
    future = (dt.datetime.now(dt.UTC) + dt.timedelta(days=400)).strftime("%Y-%m-%d %H:%M:%S.%f+00:00")
    world.lead(1, updated_at=future)
    world.run()
    with world.engine.connect() as connection:
        after = state.get_cursor(connection, state.LEADS)
    assert before < after < dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    assert world.run()["extract"]["idle"]


def test_report_tells_what_an_earlier_run_left_untold_although_prepare_failed(world: World) -> None:
    """R36: a wrong login stops the cycle, not the mail about leads that an interrupted run has held."""
    world.start()
    world.lead(1, company="")
    cycle = world.cycle()
    for stage in (prepare, extract, validate, transform, load):
        stage.run(cycle)
    assert report.run(world.cycle(), ["prepare"])["new"] == 1
    assert "required_missing" in html_of(world.mails.only())


def test_the_age_of_the_oldest_unsynced_change_is_measured(world: World) -> None:
    """R2: a cycle tells how far the sync was behind; an idle one is not behind."""
    world.start()
    stamp = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=90)
    world.lead(1, updated_at=stamp.strftime("%Y-%m-%d %H:%M:%S.%f+00:00"))
    world.lead(2)
    assert 90 <= world.run()["extract"]["oldest_change_seconds"] < 150
    assert world.run()["extract"]["oldest_change_seconds"] == 0
