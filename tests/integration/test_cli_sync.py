"""`leadsync sync` as an operator runs it, on a real org, a real database, a real mail server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import airflow.sdk  # noqa: F401 - binds its logs to the streams of the moment, which must outlive a CliRunner
import pytest
from typer.testing import CliRunner

from leadsync.cli import app
from tests import databases, emulator, smtp, world
from tests.smtp import html_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.world import World

postgres_url, lead_store, store_engine = databases.postgres_url, databases.lead_store, databases.store_engine
emulator_process, salesforce = emulator.emulator_process, emulator.salesforce
mail_catcher, world = smtp.mail_catcher, world.world


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Name an empty SQLite database: the pipeline's own tests use both."""
    return f"sqlite:///{tmp_path / 'leads.db'}"


@pytest.fixture
def leadsync(world: World, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a way to run the installed command against the world."""
    extra = json.dumps({"url": database_url})
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_STORE", json.dumps({"conn_type": "generic", "extra": extra}))
    for name in ("mappings_dir", "staging", "owner_email", "admin_emails", "api_reserve"):
        monkeypatch.setenv(f"LEADSYNC_{name.upper()}", str(getattr(world.settings, name)))

    def run(*arguments: str, exits: int = 0) -> Any:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        assert result.exit_code == exits, result.stderr or result.exception
        return json.loads(result.stdout)

    return run


def test_before_a_start_nothing_is_written(world: World, leadsync: Any):
    """R33: the cycle ends well, says why it did nothing, and nothing reaches Salesforce."""
    world.lead(1)
    counts = leadsync("sync")
    assert (list(counts), counts["prepare"]["reason"]) == (["prepare"], "not_started")
    assert world.records() == []


def test_a_lead_travels_and_a_bad_one_is_held_and_mailed_once(world: World, leadsync: Any):
    """R36: start, sync, errors and status tell one story; the second cycle mails nothing."""
    leadsync("start", "--now")
    world.lead(1, last_name="高橋")
    world.lead(2, last_name="")
    leadsync("sync")
    leadsync("sync")
    assert [record["LastName"] for record in world.records()] == ["高橋"]
    errors = leadsync("errors", exits=1)["errors"]
    assert [(error["lead_id"], error["code"], error["rule"]) for error in errors] == [(2, "required_missing", "R19")]
    assert leadsync("status")["verdict"] == "held"
    message = world.mails.only()
    assert message["Subject"] == "[leadsync] 同期エラー 新規1件"
    assert "lead2@example.jp" in html_of(message)


def test_a_mended_lead_is_mailed_as_recovered(world: World, leadsync: Any):
    """R36: the person who mended it reads that it is mended."""
    leadsync("start", "--now")
    world.lead(2, last_name="")
    leadsync("sync")
    world.edit(2, last_name="伊藤")
    leadsync("sync")
    subjects = [message["Subject"] for message in world.mails.received]
    assert subjects == ["[leadsync] 同期エラー 新規1件", "[leadsync] 同期エラー解消 回復1件"]
    assert leadsync("errors") == {"errors": [], "more": 0}


def test_a_mapping_is_checked_against_the_org(world: World, leadsync: Any, monkeypatch: pytest.MonkeyPatch):
    """R18, R21: a field that the org lacks, and a type that does not fit, are told with file and line, unsynced."""
    assert leadsync("mapping", "check", "--org")["problems"] == []
    folder = world.copy_mappings()
    monkeypatch.setenv("LEADSYNC_MAPPINGS_DIR", str(folder))
    with (folder / "default.csv").open("a", encoding="utf-8") as file:
        file.write("gender,性別,select,Salutatoin,,,,,,\noccupation,職業,date,Industry,,,,,,\n")
    assert leadsync("mapping", "check")["problems"] == []
    problems = leadsync("mapping", "check", "--org", exits=1)["problems"]
    assert [(p["code"], p["line"], p["column"]) for p in problems] == [
        ("access_field", 17, "lead_field"),
        ("access_type", 18, "lead_field"),
    ]
    assert world.writes() == []
