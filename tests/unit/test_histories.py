"""Hundreds of leads side by side, edited at random on both sides for many cycles: nothing lost, doubled or echoed.

The plan is the real one; carrying it out is done here on two dictionaries, as `load` does it on the two real sides.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from tests.unit.test_decide import NOON, leads, links, plan, records

if TYPE_CHECKING:
    from leadsync.core.plan import Plan

TEXTS = ("title", "last_name")
API = {"email": "Email", "last_name": "LastName", "title": "Title", "delivery_status": "HasOptedOutOfEmail"}
WORDS = ("課長", "部長", "社長", "主任", "佐藤", "鈴木", "A", "B")
LEADS, CYCLES = 300, 12


@dataclass
class World:
    """Two sides and the links between them; time passes a minute with each edit."""

    draw: random.Random
    leads: dict[int, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    links: dict[int, dict[str, Any]] = field(default_factory=dict)
    clock: dt.datetime = NOON
    made: int = 0

    def tick(self) -> dt.datetime:
        """Let a minute pass."""
        self.clock += dt.timedelta(minutes=1)
        return self.clock

    def add(self, lead_id: int) -> None:
        """Let a lead arise, half of them with a record already."""
        email = f"lead{lead_id}@example.jp"
        status = self.draw.choice(["delivering", "stopped"])
        lead = {"id": lead_id, "email": email, "last_name": self.draw.choice(WORDS), "delivery_status": status}
        self.leads[lead_id] = lead | {"title": self.draw.choice([None, *WORDS]), "updated_at": self.tick()}
        if self.draw.random() < 0.5:
            sobject = self.draw.choice(["Lead", "Contact"])
            self.records[f"R{lead_id}"] = {
                "Id": f"R{lead_id}",
                "sobject": sobject,
                "Email": email,
                "LastName": self.draw.choice(WORDS),
                "Title": self.draw.choice([None, *WORDS]),
                "HasOptedOutOfEmail": self.draw.choice(["true", "false"]),
                "LastModifiedDate": self.tick(),
            }

    def edit_lead(self, lead_id: int, name: str) -> None:
        """Edit one value as the platform does."""
        values = (
            ["delivering", "stopped"] if name == "delivery_status" else [*WORDS, *([None] if name == "title" else [])]
        )
        self.leads[lead_id] |= {name: self.draw.choice(values), "updated_at": self.tick()}

    def edit_record(self, record_id: str, name: str) -> None:
        """Edit one value as somebody in Salesforce does."""
        values = ["true", "false"] if name == "delivery_status" else [*WORDS, *([None] if name == "title" else [])]
        self.records[record_id] |= {
            API[name]: self.draw.choice(values),
            "LastModifiedDate": self.tick(),
            "LastModifiedById": "other",
        }

    def decide(self) -> Plan:
        """Decide a cycle on everything."""
        return plan(
            leads(*self.leads.values()),
            found=records(*self.records.values()),
            known=links(*self.links.values()),
            now=self.tick(),
        )

    def carry_out(self, made: Plan) -> None:
        """Do what the plan says; our own writes change a record's stamp, and no lead's last edit."""
        sends: dict[int, dict[str, Any]] = {}
        for row in made.sends.astype("object").where(made.sends.notna(), None).to_dict("records"):
            sends.setdefault(row["lead_id"], {})[row["api_name"]] = row["new"]
        for row in made.takes.astype("object").where(made.takes.notna(), None).to_dict("records"):
            assert self.leads[row["lead_id"]][row["field"]] == row["old"]
            self.leads[row["lead_id"]][row["field"]] = row["new"]
        for action in made.actions.to_dict("records"):
            lead_id = action["lead_id"]
            if action["kind"] == "create":
                action["record_id"] = f"N{lead_id}"
                assert action["record_id"] not in self.records, "a second record"
                blank = {"Title": None, "HasOptedOutOfEmail": "false", "sobject": "Lead"}
                self.records[action["record_id"]] = {"Id": action["record_id"], **blank}
            if lead_id in sends:
                ours = {"LastModifiedById": "us", "LastModifiedDate": self.tick()}
                self.records[action["record_id"]] |= sends[lead_id] | ours
            link_id = int(action["link_id"]) if pd.notna(action["link_id"]) else 1000 + lead_id
            kept = {
                name: action[name] for name in ("email_key", "sobject", "record_id", "lead_snapshot", "record_snapshot")
            }
            self.links[link_id] = {"link_id": link_id, "lead_id": lead_id, **kept}

    def record_of(self, lead_id: int) -> dict[str, Any]:
        """Return the record that a lead is linked with."""
        return self.records[self.links[1000 + lead_id]["record_id"]]


def _same(lead: dict[str, Any], record: dict[str, Any], name: str) -> bool:
    return (lead[name] or None) == (record[API[name]] or None)


def _edit(world: World, lead_id: int) -> Any:
    """Edit one value of a pair, on one side or both; return (field, the value that must win), or None for a status."""
    record, name = world.record_of(lead_id), world.draw.choice([*TEXTS, "delivery_status"])
    sides = world.draw.choice(["lead", "record", "lead record", "record lead"]).split()
    was = {"lead": world.leads[lead_id].get(name), "record": record[API[name]]}
    for side in sides:
        world.edit_lead(lead_id, name) if side == "lead" else world.edit_record(record["Id"], name)
    now = {"lead": world.leads[lead_id][name], "record": record[API[name]]}
    # The side that moved wins; of two that moved, the one that was edited last.
    moved = [side for side in sides if now[side] != was[side]]
    if name == "delivery_status":
        return (name, "stopped") if "record" in moved and now["record"] == "true" else None
    return (name, now[moved[-1]]) if moved else None


def _assert_ratchet(world: World, before: dict[int, str], edited: dict[int, str]) -> None:
    """R6-R8: a stop is on both sides, Salesforce resumes nobody, a lead's stop travels."""
    for lead_id, lead in world.leads.items():
        there, stopped = world.record_of(lead_id)["HasOptedOutOfEmail"], lead["delivery_status"] == "stopped"
        assert stopped or there == "false"
        assert stopped or edited[lead_id] == "delivering"
        assert there == "true" or before[lead_id] == "stopped" or edited[lead_id] != "stopped"


@pytest.mark.parametrize("seed", range(4))
def test_random_edits_on_both_sides(seed: int) -> None:
    """R7, R8, R30-R32: 300 leads for twelve busy cycles, each followed by a quiet one that writes nothing."""
    world = World(random.Random(seed))
    for lead_id in range(1, LEADS + 1):
        world.add(lead_id)
    world.carry_out(world.decide())
    for _ in range(CYCLES):
        before = {lead_id: lead["delivery_status"] for lead_id, lead in world.leads.items()}
        expected = {lead_id: _edit(world, lead_id) for lead_id in world.draw.sample(sorted(world.leads), LEADS // 2)}
        edited = {lead_id: lead["delivery_status"] for lead_id, lead in world.leads.items()}
        made = world.decide()
        assert len(made.actions) == LEADS
        world.carry_out(made)

        for lead_id, (name, value) in ((i, e) for i, e in expected.items() if e):
            there = "true" if name == "delivery_status" else value
            assert (world.leads[lead_id][name], world.record_of(lead_id)[API[name]]) == (value, there)
        assert all(_same(lead, world.record_of(i), name) for i, lead in world.leads.items() for name in TEXTS)
        _assert_ratchet(world, before, edited)
        assert len({link["record_id"] for link in world.links.values()}) == len(world.links) == LEADS

        quiet = world.decide()
        assert (len(quiet.sends), len(quiet.takes)) == (0, 0)
        world.carry_out(quiet)
