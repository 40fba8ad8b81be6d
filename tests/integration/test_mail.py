"""Mails on the wire: the provider's real SmtpHook, an Airflow connection and a real SMTP server."""

from __future__ import annotations

import datetime as dt
import html
from dataclasses import replace

import pytest

from leadsync.errors import ConfigurationError, RetryableError
from leadsync.report.digest import DigestItem, Mail, digest
from leadsync.report.mail import send
from leadsync.settings import Settings
from tests import smtp
from tests.smtp import MailCatcher, free_port, html_of

mail_catcher = smtp.mail_catcher

SETTINGS = Settings(owner_email="owner@example.jp", admin_emails="admin@example.jp")
SEEN = dt.datetime(2026, 11, 23, 15, 30, tzinfo=dt.UTC)
ITEM = DigestItem(
    4711, "company", "api_string_too_long", "R37", SEEN, "new", label="会社名", value="株式会社髙﨑①🎌 {{ 7*7 }}"
)


def written(*items: DigestItem) -> Mail:
    """Return the digest that is sent in these tests."""
    mail = digest(items, SETTINGS, "scheduled__2026-11-24T00:30:00+09:00")
    assert mail is not None
    return mail


def test_the_japanese_subject_arrives_intact(mail_catcher: MailCatcher):
    """R36: what the reader's mail program decodes is what we wrote."""
    assert send(SETTINGS, written(ITEM))
    assert mail_catcher.only()["Subject"] == "[leadsync] 同期エラー 新規1件"


def test_the_table_arrives_intact(mail_catcher: MailCatcher):
    """R37: lead, value and Salesforce's own words, with characters that CP932 and Shift_JIS lack."""
    said = "会社名: data value too large: 株式会社…\n(max length=255)"
    send(SETTINGS, written(replace(ITEM, api_message=said)))
    body = html.unescape(html_of(mail_catcher.only()))
    assert [each for each in ("<td>4711", "株式会社髙﨑①🎌 {{ 7*7 }}", said) if each not in body] == []


def test_owner_and_administrators_receive_it(mail_catcher: MailCatcher):
    """R36: one mail, to both."""
    send(SETTINGS, written(ITEM))
    assert mail_catcher.envelopes == [("leadsync@example.jp", ["owner@example.jp", "admin@example.jp"])]


def test_a_mail_sent_twice_has_one_message_id(mail_catcher: MailCatcher):
    """At least once, and known when twice: a mail program shows both as the same."""
    for _ in range(2):
        send(SETTINGS, written(ITEM))
    ids = [message["Message-ID"] for message in mail_catcher.received]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_without_a_sender_the_first_recipient_sends(mail_catcher: MailCatcher, monkeypatch: pytest.MonkeyPatch):
    """A connection without from_email still sends."""
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mail_catcher.connection(from_email=None))
    send(SETTINGS, written(ITEM))
    assert mail_catcher.envelopes[0][0] == "owner@example.jp"


def test_nobody_to_write_to_is_told_and_no_error(mail_catcher: MailCatcher, caplog: pytest.LogCaptureFixture):
    """R36: without addresses nothing is sent, and the log names the settings."""
    assert not send(SETTINGS, replace(written(ITEM), recipients=[]))
    assert mail_catcher.received == []
    assert "LEADSYNC_OWNER_EMAIL" in caplog.text


def test_a_missing_connection_names_the_variable(monkeypatch: pytest.MonkeyPatch):
    """A person must act: the message says which variable to set."""
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT", raising=False)
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_SMTP_DEFAULT"):
        send(SETTINGS, written(ITEM))


@pytest.mark.parametrize(
    ("answer", "error"), [("451 try later", RetryableError), ("554 no mail from you", ConfigurationError)]
)
def test_the_servers_answer_decides_whether_to_ask_again(mail_catcher: MailCatcher, answer: str, error: type):
    """RFC 5321: 4xx may work later, 5xx never; the server's own words are told."""
    mail_catcher.answer = answer
    with pytest.raises(error, match=answer):
        send(SETTINGS, written(ITEM))


@pytest.mark.parametrize(("answer", "error"), [("450 greylisted", RetryableError), ("550 unknown", ConfigurationError)])
def test_refused_recipients_are_named(mail_catcher: MailCatcher, answer: str, error: type):
    """R36: when nobody can receive the mail, the message says who was refused and why."""
    mail_catcher.recipient_answer = answer
    with pytest.raises(error, match=f"owner@example.jp: {answer}"):
        send(SETTINGS, written(ITEM))


def test_a_server_that_is_away_is_asked_again(mail_catcher: MailCatcher, monkeypatch: pytest.MonkeyPatch):
    """A refused connection is no reason to give up."""
    mail_catcher.port = free_port()
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mail_catcher.connection())
    with pytest.raises(RetryableError, match="smtp_default"):
        send(SETTINGS, written(ITEM))


def test_a_refused_login_is_a_persons_business(mail_catcher: MailCatcher, monkeypatch: pytest.MonkeyPatch):
    """A server that does not know our login is not asked every five minutes, and the password is not repeated."""
    connection = mail_catcher.connection().replace('"host"', '"login": "sync", "password": "hunter2", "host"')
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", connection)
    with pytest.raises(ConfigurationError, match="smtp_default") as refused:
        send(SETTINGS, written(ITEM))
    assert "hunter2" not in str(refused.value)
