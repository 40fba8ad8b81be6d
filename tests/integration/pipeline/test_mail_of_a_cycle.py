"""The mail of a cycle, read back from a mail server: when there is one, and what it says (R36-R38)."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest

from leadsync.core import codes
from leadsync.errors import RefusedRecordsError
from leadsync.report.digest import JAPAN, ROWS_PER_CAUSE
from leadsync.store.tables import Outbox
from tests.custom_fields import Custom, customise
from tests.smtp import free_port, html_of

if TYPE_CHECKING:
    from email.message import EmailMessage

    from aiosmtpd.smtp import SMTP, Envelope, Session

    from tests.world import World

DATE = Custom("seminar_date", "date", {"name": "Seminar__c", "type": "date"})
MEMBER = Custom("newsletter", "text", {"name": "Member_No__c", "type": "string", "length": 20, "unique": True})


def _rows(mail: EmailMessage) -> list[list[str]]:
    """Return the cells of every table row of a mail, as a reader sees them."""
    rows = re.findall(r"<tr>(.*?)</tr>", html_of(mail), flags=re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL) for row in rows]
    return [[html.unescape(re.sub(r"<br ?/?>", "\n", cell)) for cell in row] for row in cells]


def _text(mail: EmailMessage) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", html_of(mail)))


def _subjects(world: World) -> list[str]:
    return [mail["Subject"] for mail in world.mails.received]


def _ready(world: World) -> None:
    customise(world, DATE, MEMBER)
    world.start()


def test_the_mail_names_lead_field_value_rule_words_remedy_and_first_seen(world: World) -> None:
    """R36-R38: one mail, to owner and administrators, a table for each cause; what a lead holds is only text."""
    _ready(world)
    world.salesforce.admin_create("Lead", {"LastName": "他", "Company": "他", "Member_No__c": "A-1"})
    world.lead(1, seminar_date="5/1 <b>{{ 7*7 }}</b>")
    world.lead(2, newsletter="A-1")
    world.lead(3, company="")
    world.lead(4)
    with pytest.raises(RefusedRecordsError):
        world.run()
    mail = world.mails.only()
    assert mail["Subject"] == "[leadsync] 同期エラー 新規3件"
    assert world.mails.envelopes == [("leadsync@example.jp", ["owner@example.jp", "admin@example.jp"])]
    text = _text(mail)
    rows = _rows(mail)
    shown = {
        1: ("項目 seminar_date", "5/1 <b>{{ 7*7 }}</b>"),
        2: ("（レコード全体）", "（空）"),
        3: ("会社名", "（空）"),
    }
    for lead_id, (label, value) in shown.items():
        (error,) = world.errors(lead_id)
        seen = error.first_seen.astimezone(JAPAN).strftime("%Y-%m-%d %H:%M")
        words = [error.api_message] if error.api_message else []
        assert [f"{lead_id}\nlead{lead_id}@example.jp", label, value, *words, seen] in rows
        facts = {"field": error.field, "label": label if error.field else None, "sobject": error.sobject}
        title, remedy = codes.describe(error.code, "ja", **facts)
        assert [said for said in (title, remedy, error.rule, error.code) if said not in text] == []
    assert "DUPLICATE_VALUE: duplicate value found: Member_No__c" in text


def test_a_record_that_stays_bad_is_mailed_once(world: World) -> None:
    """R36: not again in the next cycle, nor when something else about the lead is edited."""
    _ready(world)
    world.lead(1, seminar_date="5/1")
    world.run()
    assert world.run()["extract"]["idle"]
    world.edit(1, title="部長")
    assert world.run()["load"]["held"] == 1
    assert _subjects(world) == ["[leadsync] 同期エラー 新規1件"]


def test_another_bad_value_is_mailed_as_a_change(world: World) -> None:
    """R36: once, with the value of now and the time when the error was first seen."""
    _ready(world)
    world.lead(1, seminar_date="5/1")
    world.run()
    (first,) = world.errors(1)
    world.edit(1, seminar_date="5月2日")
    world.run()
    world.run()
    assert _subjects(world)[1:] == ["[leadsync] 同期エラー 変化1件"]
    seen = first.first_seen.astimezone(JAPAN).strftime("%Y-%m-%d %H:%M")
    assert ["1\nlead1@example.jp", "項目 seminar_date", "5月2日", seen] in _rows(world.mails.received[1])


def test_a_recovery_is_mailed_once_and_a_relapse_is_new(world: World) -> None:
    """R36: what was told of is also told to be over."""
    _ready(world)
    world.lead(1, seminar_date="5/1")
    world.run()
    world.edit(1, seminar_date="2026-05-01")
    world.run()
    world.edit(1, title="部長")
    world.run()
    assert _subjects(world)[1:] == ["[leadsync] 同期エラー解消 回復1件"]
    world.edit(1, seminar_date="5/1")
    world.run()
    assert _subjects(world)[2:] == ["[leadsync] 同期エラー 新規1件"]


def test_one_cycle_tells_new_changed_and_recovered_in_one_mail(world: World) -> None:
    """R36: one digest a cycle."""
    _ready(world)
    world.lead(1, seminar_date="5/1")
    world.lead(2, seminar_date="5/2")
    world.run()
    world.edit(1, seminar_date="2026-05-01")
    world.edit(2, seminar_date="5/3")
    world.lead(3, seminar_date="5/4")
    world.run()
    assert _subjects(world)[1:] == ["[leadsync] 同期エラー 新規1件・変化1件・回復1件"]


def test_a_mass_of_errors_is_one_mail_of_bounded_length(world: World) -> None:
    """R36: so many rows of each cause, the number left out, and the command that lists them all."""
    _ready(world)
    for lead_id in range(1, ROWS_PER_CAUSE + 4):
        world.lead(lead_id, seminar_date=f"5/{lead_id}")
    world.run()
    mail = world.mails.only()
    assert mail["Subject"] == f"[leadsync] 同期エラー 新規{ROWS_PER_CAUSE + 3}件"
    assert len([row for row in _rows(mail) if "@example.jp" in row[0]]) == ROWS_PER_CAUSE
    assert "ほか3件" in _text(mail)
    assert "leadsync errors --code date_format" in _text(mail)
    world.run()
    assert len(world.mails.received) == 1


@pytest.mark.parametrize("trouble", ["unreachable", "451 later", "550 not from you", "450 mailbox busy"])
def test_a_mail_server_that_fails_delays_the_mail_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """R36: the cycle is green and has committed; the mail goes with the next cycle that can send it, exactly once."""
    _ready(world)
    with monkeypatch.context() as broken:
        if trouble == "unreachable":
            elsewhere = world.mails.connection().replace(str(world.mails.port), str(free_port()))
            broken.setenv("AIRFLOW_CONN_SMTP_DEFAULT", elsewhere)
        else:
            name = "recipient_answer" if trouble.startswith("450") else "answer"
            broken.setattr(world.mails, name, trouble)
        world.lead(1, seminar_date="5/1")
        world.lead(2)
        result = world.run()
        assert (result["load"]["created"], result["report"]["cursor_moved"], result["report"]["mails"]) == (1, True, 0)
        assert world.run()["report"]["mails"] == 0
    assert world.mails.received == []
    assert world.run()["report"]["mails"] == 1
    assert world.run()["report"]["mails"] == 0
    assert world.mails.only()["Subject"] == "[leadsync] 同期エラー 新規1件"
    assert world.mails.only()["Message-ID"] == f"<{world.rows(Outbox)[0].mail_id}@leadsync>"


def test_a_mail_that_the_server_refuses_for_good_does_not_keep_back_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R36: one mail too large for the server is no reason to be silent for ever."""
    keep, limit = world.mails.handle_DATA, 8_000

    async def small_only(server: SMTP, session: Session, envelope: Envelope) -> str:
        content: Any = envelope.content
        return "552 too large" if len(content) > limit else await keep(server, session, envelope)

    monkeypatch.setattr(world.mails, "handle_DATA", small_only)
    _ready(world)
    for lead_id in range(1, 31):
        world.lead(lead_id, seminar_date=f"5/{lead_id}")
    world.run()
    assert world.mails.received == []
    world.lead(31, seminar_date="6/1")
    world.run()
    assert world.mails.only()["Subject"] == "[leadsync] 同期エラー 新規1件"
