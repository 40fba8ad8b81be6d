"""What people do on either side, and what both sides hold afterwards (R1, R3-R8, R26-R32)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from leadsync.pipeline import load, report
from leadsync.store.leads import LeadTable
from leadsync.store.tables import Journal, Link
from leadsync.ui.explain import explain

if TYPE_CHECKING:
    from tests.world import World

A_MINUTE = 60


def _linked(world: World, **values: Any) -> str:
    """Start, and link lead 1 with a record of its own; return the record's id."""
    world.start()
    world.lead(1, **values)
    world.run()
    world.run()  # its own echo
    return world.links()[1]


def _assert_quiet(world: World) -> None:
    """R32: with no further edits, nothing is written, and after the echo the cycle is idle."""
    before = len(world.writes())
    stamp = world.values(1, "title", "phone", "delivery_status")
    world.run()
    assert world.run()["extract"]["idle"]
    assert len(world.writes()) == before
    assert world.values(1, "title", "phone", "delivery_status") == stamp


def test_a_change_on_either_side_arrives_on_the_other(world: World) -> None:
    """R1, R30: values and clears, both ways, in one cycle."""
    record_id = _linked(world, title="課長", phone="03-1111-2222", fax="03-3333-4444")
    world.salesforce.admin_update("Lead", record_id, {"Title": "部長", "Phone": None})
    world.edit(1, last_name="佐藤", fax=None)
    result = world.run()
    assert (result["load"]["updated"], result["load"]["leads_updated"]) == (1, 1)
    assert world.values(1, "title", "phone", "last_name", "fax") == ("部長", None, "佐藤", None)
    record = world.record("lead1@example.jp", "Title, Phone, LastName, Fax")
    assert (record["Title"], record["Phone"], record["LastName"], record["Fax"]) == ("部長", None, "佐藤", None)
    _assert_quiet(world)


def test_the_history_keeps_both_ways(world: World) -> None:
    """R49: what the lead took stands in the journal with what was there before."""
    record_id = _linked(world, title="課長")
    world.salesforce.admin_update("Lead", record_id, {"Title": "部長"})
    world.run()
    (entry,) = world.rows(Journal, Journal.side == "lead")
    (change,) = entry.changes
    assert (entry.lead_id, entry.state, change["field"], change["old"], change["new"]) == (
        1,
        "done",
        "title",
        "課長",
        "部長",
    )


@pytest.mark.parametrize(
    ("lead_ahead", "winner"), [(30, "lead"), (-30, "salesforce"), (0, "salesforce"), (86_400, "salesforce")]
)
def test_the_newest_of_two_edits_wins(world: World, lead_ahead: int, winner: str) -> None:
    """R30: within two seconds, or with a lead's stamp in the future, Salesforce wins; the loser is in the history."""
    record_id = _linked(world, title="課長")
    now = dt.datetime.now(dt.UTC)
    # The record's edit a minute ago, on Salesforce's clock, which runs an hour ahead.
    world.elapse(3600)
    world.salesforce.admin_update("Lead", record_id, {"Title": "社長"})
    stamp = (now + dt.timedelta(seconds=3600 - 60)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    world.salesforce.control("PUT", f"rows/Lead/{record_id}", {"LastModifiedDate": stamp})
    edited = now + dt.timedelta(seconds=lead_ahead - 60)
    world.edit(1, title="部長", updated_at=LeadTable(world.engine).stamp(edited))
    result = world.run()
    assert result["transform"]["conflicts"] == 1
    expected = "部長" if winner == "lead" else "社長"
    assert world.values(1, "title") == (expected,)
    assert world.record("lead1@example.jp", "Title")["Title"] == expected
    (change,) = [c for row in world.rows(Journal) for c in row.changes if c.get("conflict")]
    assert change["old"] == ("社長" if winner == "lead" else "部長")
    _assert_quiet(world)


def test_an_opt_out_and_its_ratchet(world: World) -> None:
    """R6, R7, R8: stopped in Salesforce stops the lead; withdrawn there changes nothing; the lead alone resumes."""
    record_id = _linked(world)

    def status() -> tuple[Any, Any]:
        world.run()
        (there,) = (row["HasOptedOutOfEmail"] for row in world.records(fields="HasOptedOutOfEmail"))
        return world.values(1, "delivery_status")[0], there

    world.salesforce.admin_update("Lead", record_id, {"HasOptedOutOfEmail": True})
    assert status() == ("stopped", True)
    world.salesforce.admin_update("Lead", record_id, {"HasOptedOutOfEmail": False})
    assert status() == ("stopped", False)
    _assert_quiet(world)
    world.salesforce.admin_update("Lead", record_id, {"HasOptedOutOfEmail": True})
    assert status() == ("stopped", True)
    world.edit(1, delivery_status="delivering")
    assert status() == ("delivering", False)
    world.edit(1, delivery_status="stopped")
    assert status() == ("stopped", True)
    world.edit(1, delivery_status="配信中")
    world.salesforce.admin_update("Lead", record_id, {"HasOptedOutOfEmail": False})
    assert status() == ("配信中", False)
    _assert_quiet(world)


def test_a_stop_reaches_every_lead_of_the_address(world: World) -> None:
    """R3, R6, R39: the twins that are held too."""
    record_id = _linked(world, email="same@example.jp")
    world.lead(2, email="SAME@example.jp")
    world.run()
    assert world.links() == {2: record_id}
    world.salesforce.admin_update("Lead", record_id, {"HasOptedOutOfEmail": True})
    world.run()
    assert [world.values(i, "delivery_status") for i in (1, 2)] == [("stopped",), ("stopped",)]
    assert world.held() == {1: ["email_twin"]}
    world.run()
    assert world.links() == {2: record_id}, "our own write makes no twin the newest"


def test_a_stop_that_we_wrote_makes_no_twin_the_newest(world: World) -> None:
    """R3, R4: twins are ranked by their last edit that is not ours, also when their record alone changes."""
    record_id = _linked(world, email="same@example.jp")
    world.lead(2, email="same@example.jp")
    world.run()
    world.edit(2, delivery_status="stopped")
    world.run()
    assert world.values(1, "delivery_status") == ("stopped",)
    world.salesforce.admin_update("Lead", record_id, {"Title": "部長"})
    world.run()
    assert world.links() == {2: record_id}
    assert [world.values(i, "title") for i in (1, 2)] == [(None,), ("部長",)]


def test_a_converted_leads_link_follows(world: World) -> None:
    """R28: an edit made just before the conversion is not lost, and the converted Lead is never written."""
    record_id = _linked(world, title="課長", phone="03-1111-2222")
    world.edit(1, title="部長")
    answer = world.salesforce.control("POST", "convert", {"lead_id": record_id})
    world.run()
    assert world.links() == {1: answer["contact_id"]}
    contact = world.record("lead1@example.jp", "Title, Phone", "Contact")
    assert (contact["Title"], contact["Phone"]) == ("部長", "03-1111-2222")
    assert world.held() == {}
    world.salesforce.admin_update("Contact", answer["contact_id"], {"Phone": "06-9999-0000"})
    world.run()
    assert world.values(1, "title", "phone") == ("部長", "06-9999-0000")
    assert {row.state for row in world.rows(Link, Link.record_id == record_id)} == {"converted"}
    _assert_quiet(world)


def test_a_merged_records_link_follows(world: World) -> None:
    """R29: with its snapshot; what the master holds otherwise is a change made in Salesforce."""
    record_id = _linked(world, title="課長", phone="03-1111-2222")
    master = world.salesforce.admin_create(
        "Lead", {"LastName": "山田", "FirstName": "花子", "Company": "株式会社サンプル", "Title": "社長"}
    )
    world.salesforce.control("POST", "merge", {"object": "Lead", "master_id": master, "other_ids": [record_id]})
    world.salesforce.admin_update("Lead", master, {"Email": "lead1@example.jp", "Phone": "03-1111-2222"})
    world.run()
    assert world.links() == {1: master}
    assert world.values(1, "title") == ("社長",)
    assert {row.state for row in world.rows(Link, Link.record_id == record_id)} == {"merged"}
    _assert_quiet(world)


def test_the_lead_whose_address_the_master_carries_keeps_it(world: World) -> None:
    """R29: the other one is held (`record_taken`), and no third record arises."""
    _linked(world)
    world.lead(2)
    world.run()
    first, second = world.links()[1], world.links()[2]
    world.salesforce.control("POST", "merge", {"object": "Lead", "master_id": first, "other_ids": [second]})
    world.run()
    assert world.links()[1] == first
    assert world.held() == {2: ["record_taken"]}
    assert len(world.records()) == 1


def test_the_lead_whose_address_a_foreign_master_carries_gets_it(world: World) -> None:
    """R29: the master was another lead's, but carries this lead's address now: that other lead is held."""
    _linked(world)
    world.lead(2)
    world.run()
    first, second = world.links()[1], world.links()[2]
    merge = {"object": "Lead", "master_id": first, "other_ids": [second], "values": {"Email": "lead2@example.jp"}}
    world.salesforce.control("POST", "merge", merge)
    world.run()
    assert world.links() == {2: first}
    assert world.held() == {1: ["record_taken"]}
    assert world.values(1, "email") == ("lead1@example.jp",)
    world.run()
    assert world.links() == {2: first}
    assert len(world.records()) == 1


def test_a_deleted_record_is_not_created_anew_and_may_come_back(world: World) -> None:
    """R29, R48: deleted is held until it is undeleted; what changed meanwhile is merged from the snapshot."""
    record_id = _linked(world, title="課長")
    world.salesforce.admin_delete("Lead", record_id)
    world.run()
    assert world.held() == {1: ["api_record_deleted"]}
    world.edit(1, title="部長")
    world.run()
    assert world.records() == []
    world.salesforce.control("POST", "undelete", {"ids": [record_id]})
    world.run()
    assert world.held() == {}
    assert world.links() == {1: record_id}
    assert world.record("lead1@example.jp", "Title")["Title"] == "部長"


def test_a_deleted_record_is_created_anew_where_that_is_allowed(world: World) -> None:
    """R29: only once the lead is edited again, and only once."""
    record_id = _linked(world)
    world.settings = world.settings.model_copy(update={"recreate_deleted": True})
    world.salesforce.admin_delete("Lead", record_id)
    world.run()
    assert world.records() == []
    world.edit(1, title="部長")
    world.run()
    (row,) = world.records(fields="Title")
    assert row["Title"] == "部長"
    assert world.links() == {1: row["Id"]} != {1: record_id}
    _assert_quiet(world)


def test_a_lead_that_is_gone_leaves_its_record(world: World) -> None:
    """R29: the link is closed as `lead_deleted`; nothing is written to the record."""
    record_id = _linked(world)
    with world.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM leads WHERE id = 1")
    world.salesforce.admin_update("Lead", record_id, {"Title": "部長"})
    world.salesforce.clear_requests()
    world.run()
    assert {(row.state, row.current) for row in world.rows(Link)} == {("lead_deleted", False)}
    assert world.writes() == []


def test_an_address_changed_in_salesforce_is_taken_over(world: World) -> None:
    """R3: the stored record id is the identity; cleared there, the lead keeps its own and the rest goes on."""
    record_id = _linked(world)
    world.salesforce.admin_update("Lead", record_id, {"Email": "New@example.jp"})
    world.run()
    assert world.values(1, "email") == ("New@example.jp",)
    assert world.links() == {1: record_id}
    _assert_quiet(world)
    world.salesforce.admin_update("Lead", record_id, {"Email": None, "Title": "部長"})
    world.run()
    assert world.values(1, "email", "title") == ("New@example.jp", "部長")
    assert world.held() == {1: ["email_cleared"]}


def test_an_address_that_another_lead_has_is_not_taken_over(world: World) -> None:
    """R3: held, naming the other; the rest of the record's changes arrives."""
    record_id = _linked(world)
    world.lead(2)
    world.run()
    world.salesforce.admin_update("Lead", record_id, {"Email": "lead2@example.jp", "Title": "部長"})
    world.run()
    assert world.values(1, "email", "title") == ("lead1@example.jp", "部長")
    assert world.held() == {1: ["address_taken"]}
    assert world.links().keys() == {1, 2}


def test_the_link_moves_to_the_record_edited_last_by_others(world: World) -> None:
    """R4: our own write neither moves nor pins it, and a pair goes on from its own snapshot."""
    first = _linked(world, title="課長")
    world.elapse(A_MINUTE)
    other = {"LastName": "山田", "FirstName": "花子", "Company": "株式会社サンプル", "Email": "lead1@example.jp"}
    second = world.salesforce.admin_create("Lead", other | {"Title": "課長"})
    world.run()
    assert world.links() == {1: second}
    world.edit(1, phone="03-1111-2222")
    world.run()
    assert world.links() == {1: second}
    world.elapse(3 * A_MINUTE)
    world.salesforce.admin_update("Lead", first, {"Fax": "03-9999-9999"})
    world.run()
    assert world.links() == {1: first}
    assert world.values(1, "fax") == ("03-9999-9999",)


def test_a_field_of_the_parent_alone(world: World) -> None:
    """R26, R27: it arrives when the parent alone changes; a local edit is put back and changes nothing there."""
    account = world.salesforce.admin_create("Account", {"Name": "A社"})
    contact = {"LastName": "山田", "FirstName": "花子", "Email": "lead1@example.jp", "AccountId": account}
    record_id = world.salesforce.admin_create("Contact", contact)
    _linked(world)
    assert world.links() == {1: record_id}
    assert world.values(1, "company") == ("A社",)
    world.salesforce.admin_update("Account", account, {"Name": "B社"})
    world.run()
    assert world.values(1, "company") == ("B社",)
    world.edit(1, company="C社")
    world.run()
    assert world.values(1, "company") == ("B社",)
    world.salesforce.admin_update("Contact", record_id, {"AccountId": None})
    world.run()
    assert world.values(1, "company") == (None,)


def test_a_bad_value_that_salesforce_replaces_is_held_no_more(world: World) -> None:
    """R30, R39: while it is held, what comes from Salesforce still arrives."""
    record_id = _linked(world, title="課長")
    world.edit(1, phone="電話なし", fax="03-1111-2222")
    world.run()
    assert world.held() == {1: ["phone_format"]}
    assert world.record("lead1@example.jp", "Fax")["Fax"] is None
    world.elapse(A_MINUTE)
    world.salesforce.admin_update("Lead", record_id, {"Title": "部長"})
    world.run()
    assert world.values(1, "title") == ("部長",)
    assert world.held() == {1: ["phone_format"]}
    world.salesforce.admin_update("Lead", record_id, {"Phone": "06-1111-2222"})
    world.run()
    assert world.held() == {}
    assert world.values(1, "phone", "fax") == ("06-1111-2222", "03-1111-2222")
    assert world.record("lead1@example.jp", "Fax")["Fax"] == "03-1111-2222"
    _assert_quiet(world)


def test_a_lead_edited_while_the_cycle_runs_is_left_to_the_next(world: World) -> None:
    """R30: nothing is overwritten that was not read; both edits stand in the end."""
    record_id = _linked(world, title="課長")
    world.salesforce.admin_update("Lead", record_id, {"Title": "部長"})
    cycle = world.planned()
    world.edit(1, phone="03-1111-2222")
    assert load.run(cycle)["postponed"] == 1
    report.run(cycle)
    assert world.values(1, "title", "phone") == ("課長", "03-1111-2222")
    world.run()
    assert world.values(1, "title", "phone") == ("部長", "03-1111-2222")
    assert world.record("lead1@example.jp", "Phone")["Phone"] == "03-1111-2222"
    _assert_quiet(world)


def test_a_record_that_changed_finds_a_lead_that_was_never_linked(world: World) -> None:
    """R34 b: a record links when either side is edited; the lead was seen before, but had nobody."""
    world.start()
    world.lead(1, last_name="")
    world.run()
    assert world.held() == {1: ["required_missing"]}
    record_id = world.salesforce.admin_create(
        "Contact", {"LastName": "山田", "FirstName": "花子", "Email": "LEAD1@example.jp"}
    )
    world.run()
    assert world.links() == {1: record_id}
    assert world.held() == {}
    assert world.values(1, "last_name") == ("山田",)


def test_a_record_finds_a_lead_from_before_the_start(world: World) -> None:
    """R34 b: also one that nobody has edited since, and not before one of the two is edited."""
    old = LeadTable(world.engine).stamp(dt.datetime.now(dt.UTC) - dt.timedelta(days=30))
    world.lead(1, email="Ｌead1@example.jp", title="課長", updated_at=old)
    world.start()
    world.run()
    assert world.links() == {}
    record_id = world.salesforce.admin_create(
        "Contact", {"LastName": "佐藤", "FirstName": "花子", "Email": "lead1@example.jp"}
    )
    world.run()
    assert world.links() == {1: record_id}
    assert world.values(1, "last_name") == ("佐藤",)
    assert world.record("lead1@example.jp", "Title", "Contact")["Title"] == "課長"


def test_explain_tells_where_a_value_came_from(world: World) -> None:
    """R49: the loser of a conflict is named too."""
    record_id = _linked(world, title="課長")
    world.salesforce.admin_update("Lead", record_id, {"Title": "社長"})
    world.edit(1, title="部長")
    world.run()
    (lead,) = explain(world.engine, "lead1@example.jp", "title")
    assert (lead["lead_id"], lead["link"]["record_id"], lead["held"]) == (1, record_id, [])
    assert lead["fields"] == [{"field": "title", "lead": "社長", "agreed_lead": "社長", "agreed_record": "社長"}]
    told = [(e["side"], e["old"], e["new"], e["rule"], e["conflict"], e["state"]) for e in lead["history"]]
    assert told == [
        ("lead", "部長", "社長", "R30", True, "done"),
        ("salesforce", None, "課長", "R3", False, "done"),
    ]
    assert explain(world.engine, "nobody@example.jp") == []
