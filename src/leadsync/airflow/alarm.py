"""Mail the failures that no stage mails by itself: a side that stays away, a killed process, a bug (R36).

What `report` and `prepare` know, they have mailed as digest or stop mail; those exceptions are StopErrors.
"""

# ruff: noqa: PLC0415 (a DAG file imports this module; only a failure needs more)

from __future__ import annotations

import logging
from html import escape
from typing import TYPE_CHECKING, Any

from leadsync.errors import ConfigurationError, LeadsyncError, StopError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leadsync.report.digest import Mail
    from leadsync.settings import Settings

log = logging.getLogger(__name__)

_REPEAT_MINUTES = 5
"""A trouble that goes on is mailed by the first cycle of each hour, not by all twelve."""

_WORDS = {
    "ja": {
        "subject": "[leadsync] 実行が失敗しました: {task}",
        "text": "連携の実行が失敗しました。データは失われていません。次の実行で同じ範囲から再開します。",
        "task": "タスク",
        "run": "実行",
        "why": "原因",
        "log": "ログ",
    },
    "en": {
        "subject": "[leadsync] run failed: {task}",
        "text": "A run of the sync has failed. No data is lost: the next run starts again from the same point.",
        "task": "Task",
        "run": "Run",
        "why": "Why",
        "log": "Log",
    },
}


def on_failure(context: Mapping[str, Any]) -> None:
    """Mail owner and administrators that a task has failed for good; at the first failure, then once an hour."""
    from leadsync.report import mail
    from leadsync.settings import Settings

    ti, error = context["ti"], context.get("exception")
    if told_elsewhere(error) or _told_lately(ti, context["dag_run"]):
        return
    settings = Settings()
    try:
        mail.send(settings, failure_mail(settings, ti.task_id, ti.run_id, error, ti.log_url))
    except LeadsyncError:
        log.exception("nobody could be told by mail that %s has failed", ti.task_id)


def told_elsewhere(error: BaseException | None) -> bool:
    """Say whether this failure has a mail of its own, or follows from one."""
    return isinstance(error, StopError) and not isinstance(error, ConfigurationError)


def failure_mail(settings: Settings, task_id: str, run_id: str, error: BaseException | None, url: str) -> Mail:
    """Write the mail; the text of an error that is not ours stays in the log, since it may hold a lead's values."""
    from leadsync.report.digest import Mail, mail_id
    from leadsync.report.stop import scrub

    words = _WORDS[settings.language]
    why = scrub(str(error)) if isinstance(error, LeadsyncError) else type(error).__name__
    rows = ((words["task"], task_id), (words["run"], run_id), (words["why"], why), (words["log"], url))
    table = "".join(f"<tr><th align=left>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    html = f"<p>{escape(words['text'])}</p><table>{table}</table>"
    subject = words["subject"].format(task=task_id)
    return Mail(mail_id("failure", task_id, run_id), subject, html, settings.recipients)


def _told_lately(ti: Any, dag_run: Any) -> bool:
    previous = ti.get_previous_ti()
    goes_on = previous is not None and previous.state == "failed"
    return bool(goes_on and dag_run.run_after.minute >= _REPEAT_MINUTES)
