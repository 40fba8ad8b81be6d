"""A real SMTP server in the test's process, and the Airflow connection that leads to it."""

from __future__ import annotations

import email
import email.policy
import json
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

    from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class MailCatcher:
    """Keep every mail that arrives, or refuse it with the answers set here."""

    received: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    answer: str = "250 kept"
    recipient_answer: str = "250 known"
    port: int = 0

    # The names and the arguments are aiosmtpd's.
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        """Keep the mail unless told to refuse it."""
        if self.answer.startswith("250"):
            content: Any = envelope.content
            self.received.append(email.message_from_bytes(content, policy=email.policy.default))
            self.envelopes.append((str(envelope.mail_from), list(envelope.rcpt_tos)))
        return self.answer

    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],  # noqa: ARG002
    ) -> str:
        """Know every recipient unless told otherwise."""
        if self.recipient_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient_answer

    def only(self) -> EmailMessage:
        """Return the one mail that has arrived."""
        (message,) = self.received
        return message

    def connection(self, **extra: Any) -> str:
        """Return the JSON of an Airflow connection to this server."""
        plain = {"disable_ssl": True, "disable_tls": True, "from_email": "leadsync@example.jp", "timeout": 5}
        return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": plain | extra})


def html_of(message: EmailMessage) -> str:
    """Return the decoded HTML part."""
    part = message.get_body(("html",))
    assert part is not None, "the mail has no HTML part"
    return str(part.get_content())


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def mail_catcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailCatcher]:
    """Run a mail server for one test and point `smtp_default` at it."""
    catcher = MailCatcher(port=free_port())
    controller = Controller(catcher, hostname="127.0.0.1", port=catcher.port)
    controller.start()
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", catcher.connection())
    try:
        yield catcher
    finally:
        controller.stop()
