"""What the benchmarks run against: a local org over TLS with the samples' custom fields, and an empty lead store."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from leadsync import samples
from leadsync.settings import Settings
from leadsync.store import engine as engines
from leadsync.store import migrate
from leadsync_stack.org import Org
from leadsync_stack.processes import Processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Engine

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def org(folder: Path) -> Iterator[Org]:
    """Run the emulator; this process and its children find it as Airflow's default Salesforce connection."""
    with Processes(folder / "logs") as processes:
        argv = [str(Path(sys.executable).parent / "salesforce-emulator"), "serve", "--port", "0", "--profile", "demo"]
        process = processes.start("emulator", argv, {**os.environ, "NO_COLOR": "1"})
        found = process.wait_until(lambda: Org.from_log(process.log), seconds=60)
        os.environ["REQUESTS_CA_BUNDLE"] = found.ca_file
        os.environ["AIRFLOW_CONN_SALESFORCE_DEFAULT"] = found.airflow_connection
        yield found


def settings(folder: Path) -> Settings:
    """Return settings with 22 mapped lead fields: the shipped mapping and the samples' own fields."""
    mappings = folder / "mappings"
    shutil.copytree(ROOT / "include" / "mappings", mappings, dirs_exist_ok=True)
    (mappings / "extra.csv").write_text(samples.extra_fields.mapping_csv(), "utf-8")
    return Settings(mappings_dir=mappings, staging=str(folder / "staging"), api_reserve=0)


def empty(where: Org, url: str | URL) -> Engine:
    """Return an empty lead store, and empty the org but for its custom fields."""
    where.call("POST", "/_emulator/reset")
    for field in samples.extra_fields.FIELDS:
        for sobject in ("Lead", "Contact"):
            where.call("POST", f"/_emulator/fields/{sobject}", field.describe)
    store = engines.create(url)
    migrate.create_leads_table(store, samples.extra_fields.COLUMNS)
    migrate.upgrade(store)
    return store
