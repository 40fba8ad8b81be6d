"""Send a mail through Airflow's SMTP connection; the only place of `report` that knows Airflow."""

from __future__ import annotations

import logging
import smtplib
from typing import TYPE_CHECKING

from leadsync.errors import ConfigurationError, RetryableError

if TYPE_CHECKING:
    from leadsync.report.digest import Mail
    from leadsync.settings import Settings

log = logging.getLogger(__name__)

_PERMANENT = 500
"""SMTP replies from here on mean that the same mail is refused for good (RFC 5321, 4.2.1)."""


class MailRefusedError(ConfigurationError):
    """The server refuses this one mail for good, its text or its people; others may pass."""


_ABOUT_THE_MAIL = (
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,  # an address beyond ASCII, which this server does not take
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
)


def send(settings: Settings, mail: Mail) -> bool:
    """Send a mail and return True; return False where nobody is named to receive it.

    The `Message-ID` is made of the mail's own id: a mail that had to be sent twice shows as the same one.

    Raises:
        MailRefusedError: The server refuses the mail for good.
        ConfigurationError: The connection is missing, or the server refuses the login for good.
        RetryableError: The mail server cannot be reached, or cannot take the mail now.
    """
    if not mail.recipients:
        log.warning(
            "nobody receives the mail %s: set LEADSYNC_OWNER_EMAIL or LEADSYNC_ADMIN_EMAILS (R36)", mail.subject
        )
        return False
    from airflow.providers.smtp.hooks.smtp import SmtpHook  # noqa: PLC0415  only a cycle that mails needs it
    from airflow.sdk.exceptions import AirflowException  # noqa: PLC0415

    conn_id = settings.smtp_conn_id
    try:
        with SmtpHook(conn_id) as hook:
            hook.send_email_smtp(
                to=mail.recipients,
                subject=mail.subject,
                html_content=mail.html,
                from_email=hook.from_email or mail.recipients[0],
                custom_headers={"Message-ID": f"<{mail.mail_id}@leadsync>", "Auto-Submitted": "auto-generated"},
            )
    except ValueError as error:  # an address that no mail can carry: a line break, letters beyond ASCII
        raise MailRefusedError(
            f"the mail cannot be addressed: {error}. Check LEADSYNC_OWNER_EMAIL and LEADSYNC_ADMIN_EMAILS."
        ) from error
    except (OSError, smtplib.SMTPException) as error:
        said = f'the mail server of connection "{conn_id}" did not take the mail: {_words(error)}.'
        if _permanent(error):
            kind = MailRefusedError if isinstance(error, _ABOUT_THE_MAIL) else ConfigurationError
            raise kind(f"{said} Check the connection's login and sender, and the recipients.") from error
        raise RetryableError(f"{said} It is sent again.") from error
    except AirflowException as error:
        raise ConfigurationError(
            f'connection "{conn_id}" cannot send mail: {error} '
            f"Set AIRFLOW_CONN_{conn_id.upper()} or add it in Airflow (Admin > Connections)."
        ) from error
    log.info("sent the mail %s to %d people", mail.mail_id, len(mail.recipients))
    return True


def _permanent(error: OSError) -> bool:
    """Say whether sending the same mail again is of no use: a 5xx reply, or a login that the server does not offer."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= _PERMANENT for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code >= _PERMANENT
    return isinstance(error, smtplib.SMTPNotSupportedError)


def _words(error: OSError) -> str:
    """Return the server's reply as text."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{to}: {code} {_text(reply)}" for to, (code, reply) in error.recipients.items())
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return str(error) or type(error).__name__


def _text(reply: bytes | str) -> str:
    return reply.decode(errors="replace") if isinstance(reply, bytes) else reply
