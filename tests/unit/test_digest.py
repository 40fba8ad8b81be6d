"""The digest and the loud mail, without a mail server."""

from __future__ import annotations

import datetime as dt
import html
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from leadsync.core.codes import CODES
from leadsync.core.problems import problem
from leadsync.report import words
from leadsync.report.digest import ROWS_PER_CAUSE, ROWS_PER_MAIL, DigestItem, Mail, digest, fingerprint
from leadsync.report.stop import Stop, scrub, stop_mail
from leadsync.report.stop import fingerprint as stop_fingerprint
from leadsync.settings import Settings

SEEN = dt.datetime(2026, 11, 23, 15, 30, tzinfo=dt.UTC)
JAPANESE = Settings(owner_email="owner@example.jp", admin_emails="a@example.jp, owner@example.jp")
ENGLISH = JAPANESE.model_copy(update={"language": "en"})
BAD_DATE = DigestItem(
    4711, "seminar_date", "date_format", "R9", SEEN, "new", label="参加日", email="a@example.jp", value="5/1"
)


def mail_of(*items: DigestItem, settings: Settings = JAPANESE) -> Mail:
    """Return the digest of items that are worth one."""
    mail = digest(items, settings, "run-1")
    assert mail is not None
    return mail


def text_of(mail: Mail) -> str:
    """Return what a reader sees of the mail."""
    body = mail.html[mail.html.index("<body>") :]
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


def test_nothing_to_say_is_no_mail():
    """R36: a cycle without a new, changed or recovered error sends nothing."""
    assert digest([], JAPANESE, "run-1") is None


@pytest.mark.parametrize(
    ("changes", "japanese", "english"),
    [
        (["new"], "[leadsync] 同期エラー 新規1件", "[leadsync] Sync errors: 1 new"),
        (
            ["new", "new", "recovered"],
            "[leadsync] 同期エラー 新規2件・回復1件",
            "[leadsync] Sync errors: 2 new, 1 recovered",
        ),
        (["changed"], "[leadsync] 同期エラー 変化1件", "[leadsync] Sync errors: 1 changed"),
        (["recovered"], "[leadsync] 同期エラー解消 回復1件", "[leadsync] Sync errors resolved: 1 recovered"),
    ],
)
def test_the_subject_counts_what_has_changed(changes: list, japanese: str, english: str):
    """R36: the subject says how many errors are new, changed and recovered."""
    items = [replace(BAD_DATE, change=change) for change in changes]
    assert [mail_of(*items, settings=each).subject for each in (JAPANESE, ENGLISH)] == [japanese, english]


def test_owner_and_administrators_receive_it_once_each():
    """R36: the owner first, nobody twice."""
    assert mail_of(BAD_DATE).recipients == ["owner@example.jp", "a@example.jp"]


@pytest.mark.parametrize("said", ["4711", "a@example.jp", "参加日", "5/1", "R9", "date_format", "2026-05-01"])
def test_it_names_lead_field_value_rule_and_remedy(said: str):
    """R36: everything that a person needs to mend the lead is in the mail."""
    assert said in text_of(mail_of(BAD_DATE))


def test_times_are_japan_time():
    """15:30 UTC is half past midnight of the next day in Tokyo."""
    assert "2026-11-24 00:30" in text_of(mail_of(BAD_DATE))


def test_salesforces_message_is_verbatim():
    """R37: the API's own words arrive whole, however long and wherever they break."""
    said = "Company: data value too large: " + "株" * 500 + "\n  (max length=255) <b>&amp;"
    assert said in text_of(mail_of(replace(BAD_DATE, code="api_string_too_long", api_message=said)))


@pytest.mark.parametrize("value", ["{{ 7*7 }}", "100% {{ sale", "{% raw %}", "<script>alert(1)</script>", "{value}"])
def test_a_lead_value_is_data_only(value: str):
    """No lead value passes through a template, and none becomes markup."""
    mail = mail_of(replace(BAD_DATE, value=value, email=value, label=value))
    assert html.escape(value) in mail.html
    assert "<script>" not in mail.html


def test_errors_of_one_cause_stand_together():
    """One heading with the count for all leads that have the same thing wrong."""
    text = text_of(mail_of(*(replace(BAD_DATE, lead_id=n, value=f"{n}/1") for n in range(12))))
    assert text.count("「参加日」の日付の書き方が違います") == 1
    assert "12件" in text


def test_the_most_frequent_cause_comes_first():
    """Twelve leads with a wrong value are read before the one without a company."""
    rare = replace(BAD_DATE, field="company", label="会社名", code="required_missing", rule="R19", value=None)
    text = text_of(mail_of(rare, *(replace(BAD_DATE, lead_id=n) for n in range(12))))
    assert text.index("参加日") < text.index("会社名")


def test_a_remedy_that_all_share_is_told_once():
    """The allowed values of a picklist are not repeated in each row."""
    wrong = replace(BAD_DATE, code="picklist_value", detail="製造業; 小売業")
    assert text_of(mail_of(*(replace(wrong, lead_id=n) for n in range(5)))).count("製造業; 小売業") == 1


def test_a_remedy_that_differs_is_told_for_each():
    """Each twin names the lead that syncs instead of it."""
    twins = [replace(BAD_DATE, lead_id=n, field="", code="email_twin", rule="R3", detail=str(900 + n)) for n in (1, 2)]
    text = text_of(mail_of(*twins))
    assert "リード 901" in text
    assert "リード 902" in text


def test_a_recovered_error_asks_for_nothing():
    """What is mended needs no remedy."""
    assert "対処" not in text_of(mail_of(replace(BAD_DATE, change="recovered")))


def test_a_flood_is_cut_per_cause():
    """At most 50 rows of one cause, the rest as a number and a command."""
    mail = mail_of(*(replace(BAD_DATE, lead_id=n) for n in range(70)))
    assert mail.html.count("<td") == ROWS_PER_CAUSE * 4
    assert "ほか20件" in text_of(mail)
    assert "leadsync errors --code date_format" in text_of(mail)


def test_a_flood_of_causes_is_cut_per_mail():
    """At most 200 rows in all; every cause keeps its heading and its count."""
    items = [replace(BAD_DATE, field=f"f{c}", label=f"項目{c}", lead_id=n) for c in range(6) for n in range(60)]
    mail = mail_of(*items)
    assert mail.html.count("<tr>") == ROWS_PER_MAIL + 4
    assert mail.html.count(">60件 ") == 6


def test_the_same_news_of_a_run_has_one_mail_id():
    """A mail that is written or sent again is known to be the same one, in whatever order the rows come."""
    other = replace(BAD_DATE, lead_id=1)
    assert mail_of(BAD_DATE, other).mail_id == mail_of(other, BAD_DATE).mail_id


@pytest.mark.parametrize("later", [{"value": "6/1"}, {"change": "recovered"}, {"lead_id": 1}, {"field": "x"}])
def test_other_news_of_a_run_is_another_mail(later: dict):
    """A report that is rerun after more has happened does not lose what is new."""
    assert mail_of(replace(BAD_DATE, **later)).mail_id != mail_of(BAD_DATE).mail_id


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("settings", [JAPANESE, ENGLISH], ids=["ja", "en"])
def test_every_code_can_be_told(code: str, settings: Settings):
    """R50: no code lacks a text in either language, whatever facts are missing."""
    item = DigestItem(1, "", code, CODES[code].rule, SEEN, "new")
    assert code in text_of(mail_of(item, settings=settings))


@pytest.mark.parametrize(
    "later", [{"value": "6/1"}, {"code": "date_invalid"}, {"api_message": "other"}, {"detail": "max 80"}]
)
def test_another_mistake_is_news(later: dict):
    """R36: an error that changed is told again."""
    assert fingerprint(replace(BAD_DATE, **later)) != fingerprint(BAD_DATE)


@pytest.mark.parametrize("later", [{"first_seen": SEEN + dt.timedelta(days=1)}, {"change": "changed"}, {"label": "日"}])
def test_the_same_mistake_is_no_news(later: dict):
    """R36: a record that stays bad is not mailed 288 times a day."""
    assert fingerprint(replace(BAD_DATE, **later)) == fingerprint(BAD_DATE)


@pytest.mark.parametrize(
    ("code", "first", "second"),
    [
        ("api_lock", "1 records: 00Q0000000000AA", "200 records"),
        ("api_unavailable", "ErrorId: 1452464078-314667 (-1173371248)", "ErrorId: 1452464079-11 (22)"),
        ("api_other", "include this ErrorId: 14524-3146 (-117)", "include this ErrorId: 99-1 (5)"),
        ("api_type", "Cannot deserialize at [line:1, column:129]", "Cannot deserialize at [line:1, column:77]"),
    ],
)
def test_what_differs_each_time_is_no_news(code: str, first: str, second: str):
    """R36: Salesforce's error numbers and positions change although the error does not."""
    errors = [replace(BAD_DATE, code=code, api_message=message) for message in (first, second)]
    assert fingerprint(errors[0]) == fingerprint(errors[1])


MISTAKE = problem(
    "mapping_type_unknown", file="既定.csv", line=7, column="type", value="日附", allowed="日付", guess="日付"
)


@pytest.mark.parametrize("said", ["既定.csv", " 7 ", "type", "日附", "種類は次のどれかです：日付"])
def test_a_broken_mapping_is_told_with_its_place(said: str):
    """R25: file, line, column, what is wrong and what to do."""
    assert said in text_of(stop_mail(Stop.MAPPING_BROKEN, JAPANESE, "run-1", problems=[MISTAKE], kept=True))


def test_a_kept_mapping_does_not_read_as_a_stop():
    """R25: with the last good mapping the sync goes on, and the subject does not say otherwise."""
    kept = stop_mail(Stop.MAPPING_BROKEN, JAPANESE, "run-1", problems=[MISTAKE], kept=True)
    assert kept.subject == "[leadsync] 要確認：マッピングCSVに誤りがあります"


def test_a_missing_email_mapping_is_loud():
    """R24: the subject itself says that the sync has stopped, and why."""
    subjects = [stop_mail(Stop.NO_EMAIL_MAPPING, each, "run-1").subject for each in (JAPANESE, ENGLISH)]
    assert subjects == [
        "[leadsync] 同期停止：メールアドレスのマッピングがありません",
        "[leadsync] Sync stopped: the e-mail address is not mapped",
    ]


@pytest.mark.parametrize(
    "secret",
    [
        "postgresql+psycopg://sync:hunter2@db/leads",
        "https://:hunter2@proxy:3128",
        "password=hunter2, host=db",
        '{"security_token": "hunter2", "consumer_key": "k"}',
        "consumer_secret='hunter2'",
        "Authorization: Bearer hunter2",
        "session 00D5g00000ABCDE!hunter2.x_y",
    ],
)
def test_no_secret_goes_by_mail(secret: str):
    """A connection's error may repeat what it was given; the mail does not."""
    assert "hunter2" not in stop_mail(Stop.CREDENTIALS, JAPANESE, "run-1", message=secret).html


@pytest.mark.parametrize(
    "message", ["Salesforce answered 401: https://example.jp:8443/x", "token expired", "a@b.example"]
)
def test_scrubbing_leaves_other_text_alone(message: str):
    """A message without a secret stays as it is."""
    assert scrub(message) == message


def test_the_same_stop_is_no_news():
    """R24: the same stop has the same fingerprint in the next cycle, another one has not."""
    assert stop_fingerprint(Stop.MAPPING_BROKEN, "", [MISTAKE]) == stop_fingerprint(Stop.MAPPING_BROKEN, "", [MISTAKE])
    assert stop_fingerprint(Stop.MAPPING_BROKEN, "", [MISTAKE]) != stop_fingerprint(Stop.MAPPING_BROKEN, "", [])


def test_every_stop_has_its_words():
    """No reason to stop lacks a title or a remedy in either language."""
    wanted = {name for stop in Stop for name in (str(stop), f"{stop}_remedy")}
    assert all(wanted <= set(texts) for texts in words.WORDS.values())


def test_both_languages_have_the_same_words():
    """What one language can say, the other can."""
    assert words.WORDS["ja"].keys() == words.WORDS["en"].keys()


def test_an_idle_cycle_imports_neither_pandas_nor_jinja():
    """A report with nothing to say stays light."""
    script = "import sys, leadsync.report.digest, leadsync.report.stop, leadsync.report.mail; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "great_expectations", "jinja2", "airflow", "sqlalchemy"} & set(loaded)
