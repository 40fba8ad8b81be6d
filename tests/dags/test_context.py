"""Airflow's connections as leadsync reads them."""

from __future__ import annotations

import json

import pytest

from leadsync.airflow.context import lead_store_url
from leadsync.errors import ConfigurationError
from leadsync.settings import Settings

GENERIC = json.dumps({"conn_type": "generic", "extra": {"url": "postgresql+psycopg://u:p@db/leads"}})
FIELDS = json.dumps(
    {"conn_type": "postgres", "host": "db", "port": 5433, "login": "u", "password": "p@:/", "schema": "leads"}
)
TLS = json.dumps(
    {"conn_type": "postgres", "host": "db", "schema": "leads", "extra": {"sslmode": "require", "cursor": "x"}}
)


@pytest.mark.parametrize(
    ("connection", "url"),
    [
        (GENERIC, "postgresql+psycopg://u:p@db/leads"),
        (FIELDS, "postgresql+psycopg://u:p%40%3A%2F@db:5433/leads"),
        (TLS, "postgresql+psycopg://db/leads?sslmode=require"),
        ("postgresql://u:p@db/leads", "postgresql+psycopg://u:p@db/leads"),
        ("postgres://u:p%40@db:5432/leads", "postgresql+psycopg://u:p%40@db:5432/leads"),
        (json.dumps({"conn_type": "sqlite", "host": "/data/leads.db"}), "sqlite:////data/leads.db"),
        ("sqlite:///data/leads.db", "sqlite:///data/leads.db"),
        ("sqlite:////data/leads.db", "sqlite:////data/leads.db"),
        ("sqlite://%2Fdata%2Fleads.db", "sqlite:////data/leads.db"),
    ],
)
def test_lead_store_url(monkeypatch: pytest.MonkeyPatch, connection: str, url: str):
    """A generic connection states its URL; those of PostgreSQL and SQLite are translated, the driver spelled out."""
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_STORE", connection)
    assert lead_store_url(Settings()) == url


def test_another_connection_id(monkeypatch: pytest.MonkeyPatch):
    """The setting `LEADSYNC_LEAD_STORE_CONN_ID` names another connection."""
    monkeypatch.setenv("AIRFLOW_CONN_LEADS_TOKYO", GENERIC)
    monkeypatch.setenv("LEADSYNC_LEAD_STORE_CONN_ID", "leads_tokyo")
    assert lead_store_url(Settings()).endswith("/leads")


@pytest.mark.parametrize(
    "connection",
    [None, json.dumps({"conn_type": "mysql", "host": "db"}), json.dumps({"conn_type": "generic", "host": "db"})],
    ids=["missing", "other type", "generic without url"],
)
def test_unusable_connection(monkeypatch: pytest.MonkeyPatch, connection: str | None):
    """A connection that is missing or of no use is refused with the name of the variable to set."""
    monkeypatch.delenv("AIRFLOW_CONN_LEAD_STORE", raising=False)
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_LEAD_STORE", connection)
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_LEAD_STORE"):
        lead_store_url(Settings())


def test_password_stays_secret(monkeypatch: pytest.MonkeyPatch):
    """The message about an unusable connection shows nothing of its secrets."""
    secret = json.dumps({"conn_type": "mysql", "login": "u", "password": "hunter2", "host": "db"})
    monkeypatch.setenv("AIRFLOW_CONN_LEAD_STORE", secret)
    with pytest.raises(ConfigurationError) as refused:
        lead_store_url(Settings())
    assert "hunter2" not in str(refused.value)
