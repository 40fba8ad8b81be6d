"""The Lead Sync page behind Airflow's own login, roles and plugin loader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leadsync.core.mapping import parse
from leadsync.pipeline import control
from leadsync.store import engine as engines
from leadsync.store import held, migrate, state
from leadsync.ui.words import WORDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = "/lead-sync/"
MAPPING = "field,label,type,lead_field,contact_field\nemail,メール,email,Email,Email\ncompany,会社名,text,Company,\n"
QUESTIONS: dict[str, dict[str, Any]] = {
    "stranger": {"path": PAGE},
    "forged": {"path": PAGE, "token": "a.b.c"},
    "no role": {"path": PAGE, "role": None},
    "viewer": {"path": PAGE, "role": "viewer"},
    "cookie": {"path": PAGE, "role": "viewer", "cookie": True},
    "english": {"path": f"{PAGE}?lang=en", "role": "viewer"},
    "another language": {"path": f"{PAGE}?lang=fr", "role": "viewer"},
    "post": {"path": PAGE, "role": "admin", "method": "POST"},
    "docs": {"path": f"{PAGE}docs"},
    "openapi": {"path": f"{PAGE}openapi.json"},
    "plugins": {"path": "/api/v2/plugins", "role": "admin"},
    "import errors": {"path": "/api/v2/plugins/importErrors", "role": "admin"},
}


def ask(questions: dict[str, dict[str, Any]], home: Path, *, connected: bool = True) -> dict[str, dict[str, Any]]:
    """Ask Airflow's api-server, in a process of its own."""
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "0123456789abcdef" * 4,
    }
    if connected:
        extra = json.dumps({"url": f"sqlite:///{home / 'leads.db'}"})
        settings["AIRFLOW_CONN_LEAD_STORE"] = json.dumps({"conn_type": "generic", "extra": extra})
    done = subprocess.run(
        [sys.executable, Path(__file__).parent / "airflow_page.py", json.dumps(list(questions.values()))],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | settings,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(questions, json.loads(done.stdout), strict=True))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Ask everything once, of a started sync with one committed run and two held leads."""
    home = tmp_path_factory.mktemp("page")
    engine = engines.create(f"sqlite:///{home / 'leads.db'}")
    migrate.create_leads_table(engine)
    migrate.upgrade(engine)
    control.start_now(engine)
    mapping, _ = parse({"default.csv": MAPPING.encode()})
    assert mapping is not None
    missing = {"field": "company", "code": "required_missing", "rule": "R19", "sobject": "Lead"}
    refused = {"lead_id": 9, "field": "", "code": "api_other", "rule": "R37", "value": "secret@example.jp"}
    with engine.begin() as connection:
        state.keep_mapping(connection, "v1", mapping.to_json())
        state.begin_run(connection, "manual__1", "v1")
        state.add_counts(connection, "manual__1", "load", {"created": 41, "updated": 0}, api_calls=3)
        held.replace(
            connection, "manual__1", [7, 8, 9], [{**missing, "lead_id": 7}, {**missing, "lead_id": 8}, refused]
        )
        state.finish_run(connection, "manual__1", "committed")
    return ask(QUESTIONS, home)


pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("stranger", 401),
        ("forged", 403),
        ("no role", 403),
        ("viewer", 200),
        ("cookie", 200),
        ("another language", 422),
        ("post", 405),
        ("docs", 404),
        ("openapi", 404),
    ],
)
def test_airflows_login_and_roles_guard_it(answers: dict[str, Any], who: str, status: int):
    """Nobody without a login and a role sees it; it has no writes and no open documentation."""
    assert answers[who]["status"] == status


def test_a_stranger_learns_nothing(answers: dict[str, Any]):
    """The refusal holds none of the page."""
    assert answers["stranger"]["body"] == '{"detail":"Not authenticated"}'


@pytest.mark.parametrize(
    "said",
    ["同期しています（保留中のリードがあります）", "会社名", "R19", "manual__1", "load.created: 41", "完了"],
)
def test_it_says_how_the_sync_stands(answers: dict[str, Any], said: str):
    """R35: in sync or not, what is held and why, the last runs with their counts."""
    assert said in answers["viewer"]["body"]


def test_it_shows_no_lead_value(answers: dict[str, Any]):
    """Causes and counts, but no personal data."""
    assert "secret@example.jp" not in answers["viewer"]["body"]


def test_it_speaks_english_on_request(answers: dict[str, Any]):
    """?lang=en turns the page into English."""
    assert "In sync, except for the leads that are held" in answers["english"]["body"]


def test_it_is_never_cached_nor_framed_by_others(answers: dict[str, Any]):
    """Airflow's own frame shows it, no other site's, and no cache keeps it."""
    headers = answers["viewer"]["headers"]
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]


def test_airflow_registers_it_once(answers: dict[str, Any]):
    """One plugin with one view, and no import error."""
    plugins = json.loads(answers["plugins"]["body"])["plugins"]
    assert [view["href"] for plugin in plugins for view in plugin["external_views"]] == [PAGE]
    assert json.loads(answers["import errors"]["body"])["total_entries"] == 0


def test_trouble_is_told_with_the_next_step(tmp_path: Path):
    """Without tables, or without a connection, it answers 503 and says what to do."""
    viewer = {"path": f"{PAGE}?lang=en", "role": "viewer"}
    database = json.dumps({"url": f"sqlite:///{tmp_path / 'empty.db'}"})
    connection = json.dumps({"conn_type": "generic", "extra": database})
    asked = {"no connection": viewer, "no tables": viewer | {"set": {"AIRFLOW_CONN_LEAD_STORE": connection}}}
    found = ask(asked, tmp_path, connected=False)
    assert [each["status"] for each in found.values()] == [503, 503]
    assert "AIRFLOW_CONN_LEAD_STORE" in found["no connection"]["body"]
    assert "leadsync db upgrade" in found["no tables"]["body"]


def test_registering_it_costs_no_import():
    """Every Airflow process loads the plugin; only the api-server pays for the page."""
    script = (
        "import sys, runpy; import airflow.plugins_manager; before = set(sys.modules);"
        f"runpy.run_path({str(ROOT / 'plugins' / 'leadsync_plugin.py')!r}); print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not [name for name in done.stdout.split() if name.partition(".")[0] in {"leadsync", "fastapi", "sqlalchemy"}]


def test_both_languages_have_the_same_words():
    """What the page says in one language, it says in the other."""
    assert WORDS["ja"].keys() == WORDS["en"].keys()
