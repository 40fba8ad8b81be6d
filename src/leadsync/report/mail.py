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


def send(settings: Settings, mail: Mail) -> bool:
    """Send a mail and return True; return False where nobody is named to receive it.

    The `Message-ID` is made of the mail's own id: a mail that had to be sent twice shows as the same one.

    Raises:
        ConfigurationError: The connection is missing or refused, or the server refuses every recipient.
        RetryableError: The mail server cannot be reached or answers that it cannot take the mail now.
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
    except (smtplib.SMTPAuthenticationError, smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused) as error:
        raise ConfigurationError(
            f'the mail server of connection "{conn_id}" refuses us: {error}. Check its login, sender and recipients.'
        ) from error
    except (OSError, smtplib.SMTPException) as error:
        raise RetryableError(
            f'the mail server of connection "{conn_id}" did not take the mail: {error}. It is sent again.'
        ) from error
    except AirflowException as error:
        raise ConfigurationError(
            f'connection "{conn_id}" cannot send mail: {error} '
            f"Set AIRFLOW_CONN_{conn_id.upper()} or add it in Airflow (Admin > Connections)."
        ) from error
    log.info("sent the mail %s to %d people", mail.mail_id, len(mail.recipients))
    return True
