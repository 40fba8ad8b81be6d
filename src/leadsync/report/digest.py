"""The digest: at most one mail a cycle, and only when an error is new, changed or recovered (R36-R38).

Pure: rows in, a `Mail` out. Lead values and Salesforce's messages reach the templates as data only, autoescaped.
Times are shown in Japan time.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol
from zoneinfo import ZoneInfo

from leadsync.core import codes
from leadsync.report.words import WORDS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from jinja2 import Environment

    from leadsync.settings import Settings

ROWS_PER_CAUSE = 50
ROWS_PER_MAIL = 200
VALUE_LENGTH = 200
"""Characters of a lead's value that a mail shows; Salesforce's own message is never cut (R37)."""

JAPAN = ZoneInfo("Asia/Tokyo")
Change = Literal["new", "changed", "recovered"]
CHANGES: tuple[Change, ...] = ("new", "changed", "recovered")

_VOLATILE = re.compile(r"\d+-\d+ \(-?\d+\)|\[line:\d+, column:\d+\]")
"""Parts of a message that differ each time although nothing has changed: Salesforce's ErrorId, a JSON position."""


@dataclass(frozen=True)
class DigestItem:
    """One held or recovered error of one lead, as a mail tells it."""

    lead_id: int
    field: str
    """The lead field, or `""` where the whole record is meant."""
    code: str
    rule: str
    first_seen: dt.datetime
    """Aware."""
    change: Change
    label: str = ""
    email: str | None = None
    value: str | None = None
    detail: str | None = None
    api_message: str | None = None
    sobject: str | None = None
    api_name: str | None = None


@dataclass(frozen=True)
class Mail:
    """A mail that is ready to be stored in the outbox and sent."""

    mail_id: str
    """The same for the same news of the same run: sent at least once, and known when twice."""
    subject: str
    html: str
    recipients: list[str]


@dataclass(frozen=True)
class Cause:
    """The items of one mail that have one and the same thing wrong."""

    title: str
    rule: str
    code: str
    remedy: str
    """What to do about all rows; `""` where it differs by row, or nothing is left to do."""
    count: int
    rows: list[dict[str, str]]

    @property
    def hidden(self) -> int:
        """Return how many rows the mail leaves out."""
        return self.count - len(self.rows)


class Told(Protocol):
    """What of an error decides whether a person has been told of it already; a row of `sync_error` will do."""

    @property
    def code(self) -> str:
        """A key of `CODES`."""

    @property
    def value(self) -> str | None:
        """What the lead holds."""

    @property
    def detail(self) -> str | None:
        """What the remedy needs beside the value."""

    @property
    def api_message(self) -> str | None:
        """Salesforce's own words."""


def fingerprint(error: Told) -> str:
    """Return what a mail would say of an error, hashed: the same error is mailed once, an altered one again.

    A transient error counts by its code alone, since its message names other records each time.
    """
    said = [error.code]
    if not codes.is_transient(error.code):
        said += [error.value or "", error.detail or "", _VOLATILE.sub("", error.api_message or "")]
    return hash_of(*said)


def mail_id(kind: str, *said: str) -> str:
    """Return the stable id of a mail: the same for the same kind and words."""
    return f"{kind}-{hash_of(*said)}"


def hash_of(*said: str) -> str:
    """Return 32 hex digits over words; the borders between them count."""
    return hashlib.sha256("\x1f".join(said).encode()).hexdigest()[:32]


def digest(items: Sequence[DigestItem], settings: Settings, run_id: str) -> Mail | None:
    """Write the mail of one cycle, or None when there is nothing to say.

    Grouped by what has changed and by cause, the most frequent cause first; at most `ROWS_PER_CAUSE` rows of each and
    `ROWS_PER_MAIL` in all, with the number left out and the command that lists them.
    """
    if not items:
        return None
    words = WORDS[settings.language]
    counts = {change: sum(item.change == change for item in items) for change in CHANGES}
    parts = words["joint"].join(words[change].format(n=n) for change, n in counts.items() if n)
    bad = counts["new"] + counts["changed"]
    html = render(
        "digest.html",
        words=words,
        language=str(settings.language),
        held=bad > 0,
        sections=[(words[f"section_{change}"], causes) for change, causes in _sections(items, settings.language)],
        run_id=run_id,
    )
    subject = words["subject" if bad else "subject_recovered"].format(parts=parts)
    news = (f"{item.lead_id}:{item.field}:{item.change}:{fingerprint(item)}" for item in items)
    return Mail(mail_id("digest", run_id, *sorted(news)), subject, html, settings.recipients)


def _sections(items: Sequence[DigestItem], language: str) -> Iterable[tuple[Change, list[Cause]]]:
    """Yield each kind of change with its causes; the room of the mail is shared out in the order shown."""
    room = ROWS_PER_MAIL
    for change in CHANGES:
        groups: dict[tuple[str, str, str | None], list[DigestItem]] = {}
        for item in items:
            if item.change == change:
                groups.setdefault((item.code, item.field, item.sobject), []).append(item)
        causes = []
        for group in sorted(groups.values(), key=lambda group: (-len(group), group[0].code, group[0].field)):
            cause = _cause(group, language, min(ROWS_PER_CAUSE, room))
            room -= len(cause.rows)
            causes.append(cause)
        if causes:
            yield change, causes


def _cause(group: list[DigestItem], language: str, room: int) -> Cause:
    """Describe one cause with as many rows as there is room for."""
    shown = sorted(group, key=lambda item: item.lead_id)[:room]
    first = group[0]
    title, _ = _describe(first, language)
    remedies = ["" if item.change == "recovered" else _describe(item, language)[1] for item in shown]
    shared = remedies[0] if len(set(remedies)) == 1 else ""
    rows = [_row(item, "" if shared else remedy, WORDS[language]) for item, remedy in zip(shown, remedies, strict=True)]
    return Cause(title, first.rule, first.code, shared, len(group), rows)


def _row(item: DigestItem, remedy: str, words: dict[str, str]) -> dict[str, str]:
    return {
        "lead": str(item.lead_id),
        "email": item.email or "",
        "field": item.label or item.field or words["whole_record"],
        "value": shorten(item.value) if item.value else words["blank"],
        "api_message": item.api_message or "",
        "remedy": remedy,
        "first_seen": item.first_seen.astimezone(JAPAN).strftime("%Y-%m-%d %H:%M"),
    }


def _describe(item: DigestItem, language: str) -> tuple[str, str]:
    return codes.describe(item.code, language, **{name: getattr(item, name) for name in codes.FACTS})


def shorten(text: str, length: int = VALUE_LENGTH) -> str:
    """Cut a long value for display and say so with an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  only a cycle that mails needs it

    return Environment(
        loader=PackageLoader("leadsync.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def render(template: str, **values: Any) -> str:
    """Render one of the package's templates, every value autoescaped."""
    return _environment().get_template(template).render(**values)
