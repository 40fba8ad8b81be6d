"""The demo: four cycles on a real Airflow, watched from outside, every promise checked on the two sides themselves.

What was created, updated and left alone is read from the lead table and, as administrator, from Salesforce before and
after each cycle; leadsync's own counts are not asked. Only the reasons of held leads come from its `sync_error`.
"""

# ruff: noqa: PLC0415 (the stack starts while the samples are imported)

from __future__ import annotations

import csv
import time
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer

from leadsync_stack.mailcatcher import caught
from leadsync_stack.processes import StackError
from leadsync_stack.stack import ADMINS, OWNER, ROOT, Stack

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from email.message import EmailMessage
    from pathlib import Path

    from sqlalchemy.engine import Engine

LEADS = 5_000
EDITS = 100
SEED = 20_261_124

SKIPPED = "email_blank"
"""The sample leads' label of a lead that is skipped, not held (R3)."""

_OBJECTS = ("Lead", "Contact")
_COLUMN_OF_OBJECT = {"Lead": "lead_field", "Contact": "contact_field"}


@dataclass(frozen=True)
class Sides:
    """Both sides at one moment."""

    leads: Mapping[int, Mapping[str, Any]]
    """Lead id -> row."""
    records: Mapping[str, Mapping[str, Any]]
    """Record id -> mapped fields and `SystemModstamp`, which every write moves."""


@dataclass(frozen=True)
class Cycle:
    """One run of the DAG and what it changed."""

    name: str
    seconds: float
    before: Sides
    after: Sides
    held: Counter[str]
    """Rule -> leads held by it when the run had ended."""
    mails: list[EmailMessage]
    api_calls: int

    @cached_property
    def created(self) -> set[str]:
        """Return the ids of the records that the run made."""
        return self.after.records.keys() - self.before.records.keys()

    @cached_property
    def updated(self) -> dict[str, dict[str, Any]]:
        """Return, per record that stood before and differs now, the fields that differ and their new values."""
        return _differences(self.before.records, self.after.records)

    @cached_property
    def leads_updated(self) -> dict[int, dict[str, Any]]:
        """Return the same for the leads."""
        return _differences(self.before.leads, self.after.leads)


class Watch:
    """Runs cycles on a stack and observes both sides around each."""

    def __init__(self, stack: Stack, engine: Engine) -> None:
        self._stack = stack
        self._engine = engine
        self._mapped = mapped_fields(ROOT / "include" / "mappings" / "default.csv")

    def sides(self) -> Sides:
        """Read both sides."""
        records: dict[str, Mapping[str, Any]] = {}
        for sobject in _OBJECTS:
            fields = ", ".join(["Id", "SystemModstamp", *sorted(set(self._mapped[sobject].values()))])
            for record in self._stack.org.query(f"SELECT {fields} FROM {sobject}"):
                records[record["Id"]] = {name: value for name, value in record.items() if name != "attributes"}
        return Sides({row["id"]: row for row in self.rows("SELECT * FROM leads")}, records)

    def cycle(self, name: str) -> Cycle:
        """Run one cycle through Airflow's scheduler and return what it changed."""
        before, mails = self.sides(), len(caught(self._stack.mails))
        self._stack.org.forget_requests()
        _, seconds = self._stack.cycle()
        calls = sum(1 for call in self._stack.org.requests() if call["counted"])
        return Cycle(name, seconds, before, self.sides(), self._held(), caught(self._stack.mails)[mails:], calls)

    def rows(self, sql: str) -> list[Mapping[str, Any]]:
        """Return the rows of a query on the lead store."""
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.exec_driver_sql(sql).mappings()]

    def _held(self) -> Counter[str]:
        found = self.rows("SELECT DISTINCT lead_id, rule FROM sync_error WHERE recovered_at IS NULL")
        return Counter(str(row["rule"]) for row in found)

    def edit_records(self, n: int, but: Collection[int]) -> dict[int, dict[str, Any]]:
        """Edit records as somebody in Salesforce does: titles, a cleared phone, every fifth an opt-out.

        Returns:
            Lead id -> column -> text that the edits must have brought to the lead.
        """
        linked = self.rows(
            "SELECT lead_id, record_id FROM sync_link WHERE current AND sobject = 'Lead' ORDER BY lead_id"
        )
        chosen = [row for row in linked if row["lead_id"] not in but][:: max(1, len(linked) // (2 * n))][:n]
        phones = {row["id"]: row["phone"] for row in self.rows("SELECT id, phone FROM leads")}
        expected: dict[int, dict[str, Any]] = {}
        records = []
        for number, row in enumerate(chosen):
            lead_id, record = row["lead_id"], {"Id": row["record_id"], "Title": f"部長 {number}"}
            expected[lead_id] = {"title": record["Title"]}
            if number % 3 == 0 and phones[lead_id]:
                record["Phone"] = expected[lead_id]["phone"] = None
            if number % 5 == 0:
                record["HasOptedOutOfEmail"], expected[lead_id]["delivery_status"] = True, "stopped"
            records.append(record)
        stopped = self.rows("SELECT id FROM leads WHERE delivery_status IN ('stopped', '停止中')")
        for row in stopped:
            expected.get(row["id"], {}).pop("delivery_status", None)
        self._stack.org.update("Lead", records)
        return expected

    def expected_values(self, edits: Mapping[int, Mapping[str, tuple[Any, Any]]]) -> dict[str, dict[str, Any]]:
        """Return record id -> field -> value that the edits of the leads must have brought to Salesforce."""
        links = {
            row["lead_id"]: (row["sobject"], row["record_id"])
            for row in self.rows("SELECT lead_id, sobject, record_id FROM sync_link WHERE current")
        }
        expected: dict[str, dict[str, Any]] = {}
        for lead_id, columns in edits.items():
            sobject, record_id = links[lead_id]
            mapped = self._mapped[sobject]
            expected[record_id] = {mapped[column]: new for column, (_, new) in columns.items() if column in mapped}
        return {record_id: fields for record_id, fields in expected.items() if fields}


def run(home: Path) -> None:
    """Run the demo in `home` and print its table.

    Raises:
        StackError: something that the demo promises did not happen; the message says what.
    """
    from leadsync import samples
    from leadsync.store import engine as store_engine

    began = time.monotonic()
    _say("starting a Salesforce org, a mail catcher and Airflow")
    with Stack(home) as stack:
        _say(f"all parts answer after {time.monotonic() - began:.0f} s; Airflow: {stack.airflow.url}")
        engine = store_engine.create(stack.store_url)
        watch = Watch(stack, engine)
        stack.leadsync("start", "--now")
        leads = samples.generate(LEADS, seed=SEED, with_labels=True)
        samples.write(engine, leads.drop(columns=["defect", "defect_field"]), now=datetime.now(UTC))
        planted = {int(lead_id): code for lead_id, code in zip(leads["id"], leads["defect"], strict=True) if code}
        _say(f"started the sync (R33) and wrote {LEADS:,} leads; running lead_sync four times")

        first = watch.cycle("1: new leads")
        check_first(first, watch, planted)
        second = watch.cycle("2: no edits")
        check_nothing_written(second)
        edits = samples.edit(engine, EDITS, seed=SEED, now=datetime.now(UTC))
        there = watch.edit_records(EDITS, but=edits.keys())
        third = watch.cycle(f"3: {EDITS} edits on each side")
        check_edits(third, watch.expected_values(edits), there)
        fourth = watch.cycle("4: no edits")
        check_nothing_written(fourth)

        _say("\n" + table([first, second, third, fourth]))
        _say(f"the mail, as caught: {first.mails[0]['Subject']}")
        engine.dispose()
    _say(f"every promise was kept; {time.monotonic() - began:.0f} s in all")


def mapped_fields(path: Path) -> dict[str, dict[str, str]]:
    """Return object -> lead column -> field, for the fields that are written (not those of a parent)."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        sobject: {row["field"]: row[column] for row in rows if row[column] and "." not in row[column]}
        for sobject, column in _COLUMN_OF_OBJECT.items()
    }


def table(cycles: list[Cycle]) -> str:
    """Return the demo's table, one line per cycle."""
    head = (
        "cycle",
        "created",
        "updated in Salesforce",
        "updated leads",
        "held by rule",
        "mails",
        "API calls",
        "seconds",
    )
    lines = [head] + [
        (
            cycle.name,
            str(len(cycle.created)),
            str(len(cycle.updated)),
            str(len(cycle.leads_updated)),
            ", ".join(f"{rule} {count}" for rule, count in sorted(cycle.held.items())) or "0",
            str(len(cycle.mails)),
            str(cycle.api_calls),
            f"{cycle.seconds:.1f}",
        )
        for cycle in cycles
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def check_first(cycle: Cycle, watch: Watch, planted: Mapping[int, str]) -> None:
    """Require every good lead in Salesforce, once per address, and every bad one held for what was planted in it."""
    linked = {row["lead_id"] for row in watch.rows("SELECT lead_id FROM sync_link WHERE current")}
    held = {row["lead_id"]: row["code"] for row in watch.rows("SELECT lead_id, code FROM sync_error")}
    bad = {lead_id: code for lead_id, code in planted.items() if code != SKIPPED}
    wrong = {lead_id: (bad.get(lead_id), held.get(lead_id)) for lead_id, _ in bad.items() ^ held.items()}
    _require(
        not wrong, f"{len(wrong)} leads are not held for what is wrong with them (lead, planted, held): {_first(wrong)}"
    )
    lost = cycle.after.leads.keys() - linked - planted.keys()
    _require(not lost, f"{len(lost)} good leads did not reach Salesforce: {sorted(lost)[:5]}")
    _require(not linked & planted.keys(), f"bad leads reached Salesforce: {sorted(linked & planted.keys())[:5]}")
    _require(len(cycle.created) == len(linked), f"{len(cycle.created)} records for {len(linked)} linked leads")
    addresses = Counter(str(record["Email"]).casefold() for record in cycle.after.records.values())
    twice = [address for address, count in addresses.items() if count > 1]
    _require(not twice, f"addresses with more than one record (R3): {twice[:5]}")
    check_stops(cycle)
    check_mail(cycle.mails)


def check_stops(cycle: Cycle) -> None:
    """Require that leads were changed for one reason only: a stop reaches every lead of its address (R3)."""
    leads = cycle.before.leads.values()
    stopped = {_address(lead) for lead in leads if lead["delivery_status"] in {"stopped", "停止中"}}
    shared = {address for address, count in Counter(map(_address, leads)).items() if count > 1}
    expected = {
        lead["id"]: {"delivery_status": "stopped"}
        for lead in leads
        if _address(lead) in stopped & shared - {""} and lead["delivery_status"] not in {"stopped", "停止中"}
    }
    _require_exactly("leads", _without(cycle.leads_updated, "updated_at"), expected)


def _address(lead: Mapping[str, Any]) -> str:
    return unicodedata.normalize("NFKC", lead["email"] or "").strip().casefold()


def check_mail(mails: list[EmailMessage]) -> None:
    """Require one digest in Japanese to owner and administrators (R36)."""
    _require(len(mails) == 1, f"{len(mails)} mails instead of one digest")
    (mail,) = mails
    to = f"{mail['To']} {mail['Cc'] or ''}"
    _require(OWNER in to and ADMINS in to, f"the mail went to {to} only (R36)")
    _require("同期エラー" in mail["Subject"], f"the mail's subject is {mail['Subject']!r}")


def check_nothing_written(cycle: Cycle) -> None:
    """Require that nothing was written on either side (R32), and nothing said."""
    _require(cycle.after == cycle.before, f"a cycle without edits wrote to {len(cycle.created | cycle.updated.keys())} "
             f"records and {len(cycle.leads_updated)} leads")  # fmt: skip
    _require(not cycle.mails, "a cycle without news sent a mail")


def check_edits(
    cycle: Cycle, expected: Mapping[str, Mapping[str, Any]], expected_leads: Mapping[int, Mapping[str, Any]]
) -> None:
    """Require exactly the expected values on both sides, by record and lead, and no other write."""
    _require(bool(expected) and bool(expected_leads), "no edited lead has a record")
    _require_exactly("records", _without(cycle.updated, "SystemModstamp"), expected)
    _require_exactly("leads", _without(cycle.leads_updated, "updated_at"), expected_leads)
    _require(not cycle.created, f"{len(cycle.created)} records were created by edits")


def _require_exactly(what: str, written: Mapping[Any, Any], expected: Mapping[Any, Any]) -> None:
    missing = {key: values for key, values in expected.items() if written.get(key) != values}
    _require(not missing, f"{len(missing)} edits did not arrive in {what}, such as {_first(missing)}, "
             f"but {_first({key: written.get(key) for key in missing})}")  # fmt: skip
    extra = written.keys() - expected.keys()
    _require(not extra, f"{len(extra)} {what} were written that nobody edited: {sorted(extra)[:5]}")


def _without(rows: Mapping[Any, Mapping[str, Any]], stamp: str) -> dict[Any, dict[str, Any]]:
    return {key: {name: value for name, value in row.items() if name != stamp} for key, row in rows.items()}


def _differences(before: Mapping[Any, Mapping[str, Any]], after: Mapping[Any, Mapping[str, Any]]) -> dict[Any, Any]:
    return {
        key: {name: value for name, value in row.items() if value != before[key].get(name)}
        for key, row in after.items()
        if key in before and row != before[key]
    }


def _first(found: Mapping[Any, Any]) -> Any:
    return next(iter(found.items()), None)


def _require(kept: bool, otherwise: str) -> None:
    if not kept:
        raise StackError(otherwise)


def _say(text: str) -> None:
    typer.echo(text)
