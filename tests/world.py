"""Both sides and a sync between them, in one process: a real org over TLS, a real database, a real mail server."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from leadsync.pipeline import control, extract, prepare, transform, validate
from leadsync.pipeline.cycle import Cycle, run_all
from leadsync.settings import Settings
from leadsync.store.leads import LeadTable
from leadsync.store.tables import HeldError, Journal, Link, Pending

if TYPE_CHECKING:
    from tests.emulator import Emulator
    from tests.smtp import MailCatcher

ROOT = Path(__file__).resolve().parents[1]

GOOD: dict[str, Any] = {
    "email": "hanako@example.jp",
    "last_name": "山田",
    "first_name": "花子",
    "company": "株式会社サンプル",
    "delivery_status": "delivering",
}
"""A lead that nothing is wrong with."""


@dataclass
class World:
    """A lead store, an org, a mail server, and the cycles between them."""

    salesforce: Emulator
    engine: sa.Engine
    mails: MailCatcher
    settings: Settings
    ran: list[str] = field(default_factory=list)
    elapsed: float = 0
    """Seconds that the org's clock has been put forward."""

    def start(self) -> None:
        """Start the periodic sync (R34 b)."""
        control.start_now(self.engine)

    def lead(self, lead_id: int, **values: Any) -> None:
        """Write a lead as the platform does, `GOOD` where nothing else is said."""
        row = {**GOOD, "email": f"lead{lead_id}@example.jp", **values}
        now = LeadTable(self.engine).stamp(dt.datetime.now(dt.UTC))
        row |= {"id": lead_id, "created_at": now, "updated_at": row.get("updated_at", now)}
        names = ", ".join(row)
        bound = ", ".join(f":{name}" for name in row)
        with self.engine.begin() as connection:
            connection.execute(sa.text(f"INSERT INTO leads ({names}) VALUES ({bound})"), row)

    def edit(self, lead_id: int, **values: Any) -> None:
        """Edit a lead as the platform does."""
        row = {"updated_at": LeadTable(self.engine).stamp(dt.datetime.now(dt.UTC)), **values, "id": lead_id}
        sets = ", ".join(f"{name} = :{name}" for name in row if name != "id")
        with self.engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE leads SET {sets} WHERE id = :id"), row)

    def values(self, lead_id: int, *columns: str) -> tuple[str | None, ...]:
        """Return what a lead holds."""
        ((_, _, *found),) = LeadTable(self.engine).by_ids([lead_id], columns)
        return tuple(found)

    def elapse(self, seconds: float) -> None:
        """Put the org's clock forward."""
        self.elapsed += seconds
        self.salesforce.clock(offset_seconds=self.elapsed)

    def cycle(self, run_id: str | None = None) -> Cycle:
        """Return a cycle, a new one unless an id is given."""
        run_id = run_id or f"run-{len(self.ran) + 1}"
        self.ran.append(run_id)
        return Cycle(run_id=run_id, settings=self.settings, engine=self.engine)

    def run(self, run_id: str | None = None) -> dict[str, dict[str, Any]]:
        """Run a whole cycle; return each stage's counts."""
        return run_all(self.cycle(run_id))

    def planned(self) -> Cycle:
        """Run a cycle up to its plan, which `load` has not seen."""
        cycle = self.cycle()
        for stage in (prepare, extract, validate, transform):
            stage.run(cycle)
        return cycle

    def assert_nothing_left(self) -> None:
        """Assert that nothing is left to do, a few seconds from now: the org's clock is told in whole seconds."""
        self.run()
        self.elapse(5)
        self.run()
        self.salesforce.clear_requests()
        self.run()
        assert self.writes() == []
        assert (self.pending(), self.journal(Journal.state == "intent")) == ({}, [])

    def records(
        self, sobject: str = "Lead", fields: str = "LastName, FirstName, Email, Company"
    ) -> list[dict[str, Any]]:
        """Return an object's rows, read as the administrator, without their attributes."""
        rows = self.salesforce.admin_query(f"SELECT Id, {fields} FROM {sobject} ORDER BY Email, Id")
        return [{name: value for name, value in row.items() if name != "attributes"} for row in rows]

    def record(self, email: str, fields: str, sobject: str = "Lead") -> dict[str, Any]:
        """Return the one row with an address."""
        rows = self.salesforce.admin_query(f"SELECT Id, {fields} FROM {sobject} WHERE Email = '{email}'")
        (row,) = rows
        return {name: value for name, value in row.items() if name != "attributes"}

    def rows(self, table: type, *where: Any) -> list[Any]:
        """Return rows of a `sync_` table."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.select(table.__table__).where(*where)))

    def held(self) -> dict[int, list[str]]:
        """Return the codes of each held lead."""
        found: dict[int, list[str]] = {}
        for row in self.rows(HeldError, HeldError.recovered_at.is_(None)):
            found.setdefault(row.lead_id, []).append(row.code)
        return {lead_id: sorted(codes) for lead_id, codes in sorted(found.items())}

    def errors(self, lead_id: int) -> list[Any]:
        """Return what is wrong with a lead now."""
        return self.rows(HeldError, HeldError.lead_id == lead_id, HeldError.recovered_at.is_(None))

    def copy_mappings(self) -> Path:
        """Give this world mapping files of its own, and return their folder."""
        folder = Path(self.settings.staging).parent / "mappings"
        shutil.copytree(self.settings.mappings_dir, folder)
        self.settings = self.settings.model_copy(update={"mappings_dir": folder})
        return folder

    def links(self) -> dict[int, str]:
        """Return the record that each lead is linked with now."""
        return {row.lead_id: row.record_id for row in self.rows(Link, Link.current)}

    def pending(self) -> dict[int, str]:
        """Return why leads are to be looked at again."""
        return {row.lead_id: row.reason for row in self.rows(Pending)}

    def journal(self, *where: Any) -> list[Any]:
        """Return the journal."""
        return self.rows(Journal, *where)

    def writes(self) -> list[dict[str, Any]]:
        """Return the requests since the last clearing that write to Salesforce."""
        return [r for r in self.salesforce.requests() if "composite/sobjects" in r["path"] and r["method"] != "GET"]


@pytest.fixture
def world(salesforce: Emulator, lead_store: sa.Engine, mail_catcher: MailCatcher, tmp_path: Path) -> World:
    """Give an empty world, not started, on each kind of database."""
    settings = Settings(
        mappings_dir=ROOT / "include" / "mappings",
        staging=str(tmp_path / "staging"),
        owner_email="owner@example.jp",
        admin_emails="admin@example.jp",
        api_reserve=0,
    )
    return World(salesforce, lead_store, mail_catcher, settings)
