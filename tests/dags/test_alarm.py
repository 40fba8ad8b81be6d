"""Which failures are mailed by the DAG itself, and what the mail says."""

from __future__ import annotations

import pytest

from leadsync import errors
from leadsync.airflow.alarm import failure_mail, told_elsewhere
from leadsync.settings import Settings


@pytest.mark.parametrize(
    ("error", "elsewhere"),
    [
        (errors.RefusedRecordsError("3 records"), True),
        (errors.SalesforceRefusedError("wrong login"), True),
        (errors.SupersededError("late"), True),
        (errors.ConfigurationError("no connection"), False),
        (errors.SalesforceUnavailableError("503"), False),
        (KeyError("x"), False),
        (None, False),
    ],
)
def test_told_elsewhere(error: BaseException | None, elsewhere: bool):
    """What a stage has mailed is not mailed twice; what no stage could mail is."""
    assert told_elsewhere(error) == elsewhere


@pytest.mark.parametrize(("language", "subject"), [("ja", "実行が失敗しました: load"), ("en", "run failed: load")])
def test_language(language: str, subject: str):
    """The mail is written in the language of the settings, to owner and administrators."""
    settings = Settings(language=language, owner_email="o@example.jp", admin_emails="a@example.jp")
    mail = failure_mail(
        settings, "load", "run 1", errors.QuotaError("API limit <reached>"), "http://airflow/log?a=1&b=2"
    )
    assert mail.subject == f"[leadsync] {subject}"
    assert mail.recipients == ["o@example.jp", "a@example.jp"]
    assert "API limit &lt;reached&gt;" in mail.html
    assert "http://airflow/log?a=1&amp;b=2" in mail.html


def test_foreign_errors_stay_in_the_log():
    """The text of an error that is not ours may hold a lead's values: the mail names its class only."""
    mail = failure_mail(Settings(), "load", "run 1", ValueError("山田 a@example.jp"), "url")
    assert "ValueError" in mail.html
    assert "example.jp" not in mail.html


def test_secrets_stay_at_home():
    """A password in an error's text does not leave by mail."""
    error = errors.LeadStoreUnavailableError("postgresql://u:hunter2@db/leads cannot be reached")
    assert "hunter2" not in failure_mail(Settings(), "load", "run 1", error, "url").html
