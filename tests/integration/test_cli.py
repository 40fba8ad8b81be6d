"""The command line on a real lead store: what it prints, and its exit codes."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airflow.sdk  # noqa: F401 - binds its logs to the streams of the moment, which must outlive a CliRunner
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner, Result

from leadsync.cli import app
from leadsync.core.mapping import parse
from leadsync.store import engine as engines
from leadsync.store import held, migrate, state
from leadsync.store.tables import Run

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

BIN = Path(sys.executable).parent / "leadsync"
MAPPING = "field,label,type,lead_field,contact_field\nemail,メール,email,Email,Email\ncompany,会社名,text,Company,\n"
ERRORS: list[dict[str, Any]] = [
    {"lead_id": 7, "field": "company", "code": "required_missing", "rule": "R19", "sobject": "Lead"},
    {"lead_id": 8, "field": "company", "code": "required_missing", "rule": "R19", "sobject": "Lead"},
    {"lead_id": 9, "field": "", "code": "email_twin", "rule": "R3", "detail": "12", "value": "a@example.jp"},
    {"lead_id": 9, "field": "company", "code": "api_other", "rule": "R37", "api_message": "No, <b>never</b>"},
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Return an upgraded lead store with its table leads, known to Airflow as lead_store."""
    url = f"sqlite:///{tmp_path / 'leads.db'}"
    extra = json.dumps({"url": url})
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_STORE", json.dumps({"conn_type": "generic", "extra": extra}))
    engine = engines.create(url)
    migrate.create_leads_table(engine)
    migrate.upgrade(engine)
    return engine


@pytest.fixture
def holding(store: Engine) -> Engine:
    """Return a store in which four errors are open and one has recovered."""
    with store.begin() as connection:
        state.keep_mapping(connection, "v1", parsed({"default.csv": MAPPING.encode()}))
        gone = {"lead_id": 7, "field": "title", "code": "too_long", "rule": "R18", "detail": "max 128"}
        held.replace(connection, "run-0", [7], [gone])
        held.replace(connection, "run-1", [7, 8, 9], ERRORS)
    return store


def parsed(files: dict[str, bytes]) -> dict[str, Any]:
    """Return a mapping as it is kept."""
    mapping, problems = parse(files)
    assert mapping is not None, problems
    return mapping.to_json()


def leadsync(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, list(arguments))


def answer(*arguments: str) -> Any:
    """Return what a command prints with --json."""
    return json.loads(leadsync(*arguments, "--json").stdout)


# -- errors (R50) ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["lead 7", "R19", "会社名", "No, <b>never</b>", "同期されているのはリード 12"])
def test_errors_lists_what_is_held(holding: Engine, said: str):
    """R50: lead, rule, the label people know, Salesforce's own words and the remedy."""
    assert said in leadsync("errors").stdout


def test_errors_leaves_out_what_has_recovered(holding: Engine):
    """A recovered error is no open one."""
    assert {each["code"] for each in answer("errors")["errors"]} == {"required_missing", "email_twin", "api_other"}


@pytest.mark.parametrize(
    ("filters", "leads"),
    [
        ([], [7, 8, 9, 9]),
        (["--code", "required_missing"], [7, 8]),
        (["--lead", "9"], [9, 9]),
        (["--lead", "9", "--code", "email_twin"], [9]),
        (["--lead", "1"], []),
    ],
)
def test_errors_can_be_filtered(holding: Engine, filters: list[str], leads: list[int]):
    """--code and --lead narrow the list, together too."""
    assert sorted(each["lead_id"] for each in answer("errors", *filters)["errors"]) == leads


def test_errors_says_how_many_it_leaves_out(holding: Engine):
    """--limit cuts the list and tells the rest."""
    assert [len(answer("errors", "--limit", "1")["errors"]), answer("errors", "--limit", "1")["more"]] == [1, 3]


def test_errors_exits_1_when_something_is_held(holding: Engine):
    """Exit 1: problems found."""
    assert leadsync("errors").exit_code == 1


def test_errors_exits_0_when_nothing_is_held(store: Engine):
    """Exit 0: fine."""
    result = leadsync("errors")
    assert (result.exit_code, result.stdout) == (0, "nothing is held\n")


def test_errors_refuses_a_code_that_does_not_exist(store: Engine):
    """Exit 2, and the message lists the codes."""
    result = leadsync("errors", "--code", "date_fromat")
    assert result.exit_code == 2
    assert "date_format" in result.output


def test_errors_speaks_english_on_request(holding: Engine, monkeypatch: pytest.MonkeyPatch):
    """LEADSYNC_LANGUAGE=en turns title and remedy into English."""
    monkeypatch.setenv("LEADSYNC_LANGUAGE", "en")
    assert "Fill it in on the lead" in leadsync("errors").stdout


# -- start, pause, status (R33, R34) -----------------------------------------------------------------------------------


def test_before_a_start_nothing_is_started(store: Engine):
    """R33: a new store is not started, and that is no problem."""
    assert leadsync("status").exit_code == 0
    assert answer("status")["started"] is False


def test_start_now_sets_the_cursor_to_the_databases_now(store: Engine):
    """R34 b: what changes from this moment on is synced."""
    before = dt.datetime.now(dt.UTC)
    cursor = dt.datetime.fromisoformat(answer("start", "--now")["cursor"])
    assert before - dt.timedelta(seconds=2) <= cursor <= dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    assert (answer("status")["verdict"], leadsync("status").exit_code) == ("starting", 0)


def test_a_second_start_leaves_the_cursor_alone(store: Engine):
    """R34: starting what is started loses nothing."""
    first = answer("start", "--now")["cursor"]
    assert answer("start", "--now") == {"started": True, "already": True, "cursor": first}


def test_pause_and_start_again(store: Engine):
    """A paused sync says so, and goes on from where it was."""
    leadsync("start", "--now")
    leadsync("pause")
    paused = answer("status")["paused"]
    leadsync("start", "--now")
    assert [paused, answer("status")["paused"]] == [True, False]


@pytest.mark.parametrize(("flags", "said"), [([], "--now"), (["--bulk"], "lead_backfill")])
def test_start_wants_to_know_how(flags: list[str], said: str):
    """R34: exit 2 without a way to start, and for the one that this version lacks."""
    result = leadsync("start", *flags)
    assert result.exit_code == 2
    assert said in result.output


def test_status_exits_1_when_the_last_cycle_failed(store: Engine):
    """Exit 1: a monitor sees it."""
    leadsync("start", "--now")
    with store.begin() as connection:
        state.begin_run(connection, "run-1", "v1")
        state.finish_run(connection, "run-1", "failed")
    result = leadsync("status")
    assert result.exit_code == 1
    assert "run-1" in result.stdout


# -- db upgrade --------------------------------------------------------------------------------------------------------


def test_db_upgrade_creates_the_tables_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The second time there is nothing to do."""
    extra = json.dumps({"url": f"sqlite:///{tmp_path / 'new.db'}"})
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_STORE", json.dumps({"conn_type": "generic", "extra": extra}))
    assert [answer("db", "upgrade"), answer("db", "upgrade")] == [{"upgraded": True}, {"upgraded": False}]
    assert Run.__tablename__ in sa.inspect(engines.create(f"sqlite:///{tmp_path / 'new.db'}")).get_table_names()


@pytest.mark.parametrize("command", [["status"], ["errors"], ["start", "--now"], ["pause"]], ids=" ".join)
def test_a_store_without_tables_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]):
    """Exit 2 and the next step, instead of a database error."""
    extra = json.dumps({"url": f"sqlite:///{tmp_path / 'new.db'}"})
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_STORE", json.dumps({"conn_type": "generic", "extra": extra}))
    result = leadsync(*command)
    assert result.exit_code == 2
    assert "leadsync db upgrade" in result.stderr


# -- sides out of reach ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [["status"], ["errors"], ["db", "upgrade"], ["start", "--now"], ["sync"]], ids=" ".join
)
def test_a_missing_connection_names_its_variable(monkeypatch: pytest.MonkeyPatch, command: list[str]):
    """Exit 3, and the message names AIRFLOW_CONN_LEAD_STORE."""
    monkeypatch.delenv("AIRFLOW_CONN_LEAD_STORE", raising=False)
    result = leadsync(*command)
    assert result.exit_code == 3
    assert "AIRFLOW_CONN_LEAD_STORE" in result.stderr


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://sync:hunter2@127.0.0.1:1/leads", "sqlite:////nowhere/at/all/leads.db"],
    ids=["postgresql", "sqlite"],
)
def test_a_store_out_of_reach_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, url: str):
    """Exit 3, the place, and no secret."""
    connection = json.dumps({"conn_type": "generic", "extra": json.dumps({"url": url})})
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_STORE", connection)
    result = leadsync("status")
    assert result.exit_code == 3
    assert "hunter2" not in result.output


def test_a_wrong_setting_names_its_variable(monkeypatch: pytest.MonkeyPatch, store: Engine):
    """Exit 2: the variable, and what is wrong with it."""
    monkeypatch.setenv("LEADSYNC_LANGUAGE", "fr")
    result = leadsync("status")
    assert result.exit_code == 2
    assert "LEADSYNC_LANGUAGE" in result.stderr


# -- mapping check (R25) -----------------------------------------------------------------------------------------------


@pytest.fixture
def mappings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that LEADSYNC_MAPPINGS_DIR names."""
    folder = tmp_path / "mappings"
    folder.mkdir()
    monkeypatch.setenv("LEADSYNC_MAPPINGS_DIR", str(folder))
    return folder


def test_a_good_mapping_exits_0(mappings: Path):
    """Exit 0, and how many fields are mapped."""
    (mappings / "a.csv").write_text(MAPPING)
    assert answer("mapping", "check") == {"fields": 2, "email_mapped": True, "problems": []}
    assert leadsync("mapping", "check").exit_code == 0


def test_every_mistake_is_told_with_its_place(mappings: Path):
    """R25: exit 1; file, line, column and remedy of each."""
    (mappings / "a.csv").write_text(MAPPING + "budget,予算,nunber,Budget__c,\nx,X,text,,\n")
    problems = answer("mapping", "check")["problems"]
    places = [(each["file"], each["line"], each["column"]) for each in problems]
    assert places == [("a.csv", 4, "type"), ("a.csv", 5, "lead_field")]
    assert all(each["remedy"] for each in problems)
    assert leadsync("mapping", "check").exit_code == 1


def test_a_mapping_without_email_is_a_problem(mappings: Path):
    """R24: exit 1, since every sync would be skipped."""
    (mappings / "a.csv").write_text(MAPPING.replace("email,メール,email,Email,Email\n", ""))
    result = leadsync("mapping", "check")
    assert result.exit_code == 1
    assert "R24" in result.stdout


# -- the process -------------------------------------------------------------------------------------------------------


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    return subprocess.run([BIN, *arguments], capture_output=True, text=True, check=False, env=os.environ)


def test_json_is_all_that_standard_output_holds(store: Engine):
    """What Airflow logs while it is imported goes to standard error."""
    assert json.loads(process("status", "--json").stdout)["started"] is False


def test_help_needs_no_heavy_import():
    """--help answers at once: neither Airflow nor pandas nor a database is imported."""
    script = "import sys, leadsync.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"airflow", "pandas", "sqlalchemy", "great_expectations", "pydantic"} & set(loaded)


@pytest.mark.parametrize("arguments", [["bogus"], ["errors", "--limit", "0"], ["errors", "--lead", "x"]], ids=" ".join)
def test_a_wrong_command_line_exits_2(arguments: list[str]):
    """Exit 2: usage."""
    assert process(*arguments).returncode == 2
