"""The parts of the stack that the demo and the end-to-end tests stand on."""

from __future__ import annotations

import os
import smtplib
import sys
import time
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest

from leadsync_stack.mailcatcher import caught
from leadsync_stack.processes import Processes, StackError, free_port

if TYPE_CHECKING:
    from pathlib import Path

SLEEPER = "import subprocess, sys; subprocess.Popen(['sleep', '60']); print('up', flush=True); sys.stdin.read(); "
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def _group_lives(pgid: int) -> bool:
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("script", [SLEEPER + "import time; time.sleep(60)", STUBBORN], ids=["with child", "stubborn"])
def test_nothing_is_left(tmp_path: Path, script: str):
    """Leaving the block ends each process with its children, even one that ignores SIGTERM."""
    processes = Processes(tmp_path / "logs")
    with pytest.raises(KeyboardInterrupt), processes:  # noqa: PT012 (the block is what is interrupted)
        process = processes.start("sleeper", [sys.executable, "-c", script], os.environ)
        process.wait_until(process.log.read_text, seconds=20)
        processes.grace_seconds = 1
        raise KeyboardInterrupt
    deadline = time.monotonic() + 5
    while _group_lives(process.popen.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _group_lives(process.popen.pid)


def test_early_end_is_explained(tmp_path: Path):
    """A part that ends instead of answering is told with its exit code and its last words."""
    with Processes(tmp_path / "logs") as processes:
        process = processes.start("part", [sys.executable, "-c", "raise SystemExit('no licence')"], os.environ)
        with pytest.raises(StackError, match=r"(?s)part ended with exit code 1.*no licence"):
            process.wait_until(lambda: False, seconds=20)


def test_silence_is_explained(tmp_path: Path):
    """A part that lives but does not answer in time is told."""
    with Processes(tmp_path / "logs") as processes:
        process = processes.start("part", ["sleep", "60"], os.environ)
        with pytest.raises(StackError, match="part was not ready after 0 s"):
            process.wait_until(lambda: False, seconds=0.1)


def test_mailcatcher(tmp_path: Path):
    """A caught mail comes back with its Japanese subject and text intact."""
    port, mails = free_port(), tmp_path / "mails"
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "同期エラー 2件", "a@example.jp", "b@example.jp"
    message.set_content("株式会社の見積日\n")
    with Processes(tmp_path / "logs") as processes:
        argv = [sys.executable, "-m", "leadsync_stack.mailcatcher", "--dir", str(mails), "--port", str(port)]
        process = processes.start("mailcatcher", argv, os.environ)
        process.wait_until(process.log.read_text, seconds=30)
        for _ in range(2):
            with smtplib.SMTP("127.0.0.1", port) as client:
                client.send_message(message)
    assert [mail["Subject"] for mail in caught(mails)] == ["同期エラー 2件"] * 2
    assert caught(mails)[0].get_content().rstrip() == "株式会社の見積日"
