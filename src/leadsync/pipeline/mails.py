"""Mails of a cycle: written into the outbox first, so that each is sent at least once, and sent from there (R36)."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

from leadsync.errors import LeadsyncError
from leadsync.report import mail as sender
from leadsync.report.digest import Mail
from leadsync.report.stop import Stop, fingerprint, stop_mail
from leadsync.store import engine as engines
from leadsync.store import held, state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leadsync.core.problems import Problem
    from leadsync.pipeline.cycle import Cycle

log = logging.getLogger(__name__)


def stop(cycle: Cycle, why: Stop, *, message: str = "", problems: Sequence[Problem] = (), kept: bool = False) -> None:
    """Mail once that the sync has stopped or goes on with an older mapping; the same stop is not mailed again."""
    said = fingerprint(why, message, problems)
    with cycle.engine.begin() as connection:
        if state.get_control(connection, _name(why)) == said:
            return
        mail = stop_mail(why, cycle.settings, cycle.run_id, message=message, problems=problems, kept=kept)
        held.put_mail(connection, cycle.run_id, asdict(mail))
        state.put_control(connection, _name(why), said)
    flush(cycle)


def stop_over(cycle: Cycle, why: Stop) -> None:
    """Forget a stop that is over: when it comes back, it is mailed again."""
    with engines.reading(cycle.engine) as view:
        standing = state.get_control(view, _name(why))
    if standing:
        with cycle.engine.begin() as connection:
            state.put_control(connection, _name(why), value="")


def flush(cycle: Cycle) -> int:
    """Send what the outbox holds; return how many were sent.

    A mail server that fails is tried again next time; one mail that it refuses for good keeps back no other.
    """
    with engines.reading(cycle.engine) as view:
        waiting = held.unsent(view)
    sent = 0
    for row in waiting:
        # Today's people: a mail that could not be addressed goes out once the setting is mended.
        mail = Mail(row.mail_id, row.subject, row.html, cycle.settings.recipients or list(row.recipients))
        try:
            sent += sender.send(cycle.settings, mail)
        except LeadsyncError as error:
            log.warning("The mail %s is not sent: %s It is tried again with the next cycle.", mail.mail_id, error)
            if isinstance(error, sender.MailRefusedError):
                continue
            break
        with cycle.engine.begin() as connection:
            held.mark_sent(connection, row.mail_id)
    return sent


def _name(why: Stop) -> str:
    return f"stop:{why}"
