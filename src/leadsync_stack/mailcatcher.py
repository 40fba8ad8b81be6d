"""Catch every mail that is sent: an SMTP server that stores each as an `.eml` file and delivers none.

`index.jsonl` beside the files has one JSON line per mail (file, sender, recipients, subject, received), written after
the file, so that a reader of the index never meets half a mail.
"""

from __future__ import annotations

import email
import email.policy
import json
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from email.message import EmailMessage

    from aiosmtpd.smtp import SMTP, Envelope, Session

_INDEX = "index.jsonl"


class _Store:
    """Write each accepted message to the folder; aiosmtpd calls it from one event loop, so never twice at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = sum(1 for _ in folder.glob("*.eml"))

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd)
        """Store the message and answer the sender."""
        content = envelope.original_content or b""
        self._count += 1
        path = self._folder / f"{self._count:05d}.eml"
        path.write_bytes(content)
        entry = {
            "file": path.name,
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "subject": parse(content)["Subject"],
            "received": datetime.now(UTC).isoformat(),
        }
        with (self._folder / _INDEX).open("a", encoding="utf-8") as index:
            index.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return "250 OK"


def parse(content: bytes) -> EmailMessage:
    """Return the message with its headers and bodies decoded."""
    return email.message_from_bytes(content, policy=email.policy.default)


def caught(folder: Path) -> list[EmailMessage]:
    """Return every mail in the folder, oldest first."""
    index = folder / _INDEX
    lines = index.read_text(encoding="utf-8").splitlines() if index.exists() else []
    return [parse((folder / json.loads(line)["file"]).read_bytes()) for line in lines]


def serve(
    folder: Annotated[Path, typer.Option("--dir", help="Folder of the .eml files.")] = Path(".run/mails"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 1025,
) -> None:
    """Catch mails until SIGTERM; print one JSON line when ready."""
    folder.mkdir(parents=True, exist_ok=True)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    controller = Controller(_Store(folder), hostname=host, port=port)
    controller.start()
    try:
        typer.echo(json.dumps({"host": host, "port": port, "dir": str(folder)}))
        done.wait()
    finally:
        controller.stop()


if __name__ == "__main__":
    typer.run(serve)
