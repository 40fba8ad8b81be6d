"""The loud mail: the sync has stopped, or goes on with an older mapping, until a person acts (R24, R25)."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from leadsync.report.digest import Mail, hash_of, mail_id, render
from leadsync.report.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leadsync.core.problems import Problem
    from leadsync.settings import Settings

_SECRETS = (
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"), "***:***"),
    (re.compile(r"\b00D\w{9,15}![\w.~+/=-]+"), "***"),
    (re.compile(r"(?i)\b(bearer)\s+\S+"), r"\1 ***"),
    (
        re.compile(
            r"""(?ix)
            ((?:\w*(?:password|passwd|secret|token|private_key|api_key))["']?\s*[=:]\s*["']?)
            [^\s"',;&}]+
            """
        ),
        r"\1***",
    ),
)


class Stop(StrEnum):
    """Why a person must act."""

    NO_EMAIL_MAPPING = "no_email_mapping"
    MAPPING_BROKEN = "mapping_broken"
    CREDENTIALS = "credentials"
    BRAKE = "brake"


def scrub(text: str) -> str:
    """Blank out passwords in URLs, session ids, bearer tokens and `secret=value` pairs: no secret goes by mail."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def fingerprint(stop: Stop, message: str, problems: Sequence[Problem] = ()) -> str:
    """Return what a stop mail would say, hashed, so that the same stop is not mailed every five minutes."""
    return hash_of(stop, scrub(message), *(str(problem) for problem in problems))


def stop_mail(
    stop: Stop,
    settings: Settings,
    run_id: str,
    *,
    message: str = "",
    problems: Sequence[Problem] = (),
    kept: bool = False,
) -> Mail:
    """Write the mail that says why nothing is synced, or that the last good mapping still is (`kept`, R25).

    Args:
        stop: Why.
        settings: Its language and recipients.
        run_id: The cycle that met it.
        message: The error in its own words; secrets in it are blanked out.
        problems: Every mistake found in the mapping files, each with its remedy.
        kept: True where the sync goes on with the last good mapping.
    """
    words = WORDS[settings.language]
    html = render(
        "stop.html",
        words=words,
        language=str(settings.language),
        heading=words["kept_heading" if kept else "stop_heading"],
        title=words[stop],
        remedy=words[f"{stop}_remedy"],
        message=scrub(message),
        problems=problems,
        run_id=run_id,
    )
    subject = words["subject_kept" if kept else "subject_stop"].format(title=words[stop])
    return Mail(mail_id(f"stop-{stop}", run_id), subject, html, settings.recipients)
