"""`python -m leadsync_stack demo | up | down`: what the Makefile's verbs run."""

# ruff: noqa: PLC0415 (`up` and `down` need neither pandas nor Airflow)

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from leadsync_stack.processes import StackError
from leadsync_stack.stack import ROOT, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

_RUN = ROOT / ".run"
_UP = _RUN / "up"
_PID = _RUN / "up.pid"
_ADDRESSES = _UP / "addresses.txt"


@app.command()
def demo() -> None:
    """Show a first sync from an empty org to mails sent, check every promise, exit 0 if all are kept."""
    from leadsync_stack import demo as script

    with _interruptible(), _explained():
        script.run(_RUN / "demo")


@app.command()
def up() -> None:
    """Start the stack and keep it running in the background; print its addresses and logins."""
    _RUN.mkdir(exist_ok=True)
    if _running_pid() is None:
        _ADDRESSES.unlink(missing_ok=True)
        with (_RUN / "up.log").open("wb") as log:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "leadsync_stack", "keep"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        while not _ADDRESSES.exists():
            if keeper.poll() is not None:
                typer.echo((_RUN / "up.log").read_text(), err=True)
                raise typer.Exit(1)
            time.sleep(0.2)
    typer.echo(_ADDRESSES.read_text())


@app.command()
def down() -> None:
    """Stop what `up` started."""
    pid = _running_pid()
    if pid is None:
        typer.echo("nothing is running")
        return
    os.kill(pid, signal.SIGTERM)
    while _running_pid() is not None:
        time.sleep(0.2)
    typer.echo("stopped")


@app.command()
def fill(
    leads: Annotated[int, typer.Option(help="How many sample leads to add; 0 only makes the table.")] = 5000,
) -> None:
    """Play the marketing platform: make the table `leads` in the connection `lead_store` and add sample leads."""
    from datetime import UTC, datetime

    from leadsync import samples
    from leadsync.airflow.context import lead_store_url
    from leadsync.settings import Settings
    from leadsync.store import engine, migrate

    store = engine.create(lead_store_url(Settings()))
    migrate.create_leads_table(store)
    with store.connect() as connection:
        last = connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM leads").scalar_one()
    if leads:
        people = samples.generate(last + leads)
        samples.write(store, people[people["id"] > last], now=datetime.now(UTC))
    typer.echo(f"{leads} leads added, {last + leads} in all")


@app.command(hidden=True)
def keep() -> None:
    """Hold the stack until SIGTERM; the lock on the pid file lives exactly as long as this process."""
    with _PID.open("a+") as pid_file, _interruptible(), _explained():
        fcntl.flock(pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        pid_file.truncate(0)
        pid_file.write(str(os.getpid()))
        pid_file.flush()
        with Stack(_UP) as stack:
            _write_private(_ADDRESSES, stack.addresses())
            while True:
                time.sleep(1)
                stack.processes.check()


def _running_pid() -> int | None:
    """Return the pid of the process that keeps the stack, None if there is none: a stale file is not locked."""
    if not _PID.exists():
        return None
    with _PID.open("r+") as pid_file:
        try:
            fcntl.flock(pid_file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(pid_file.read())
    return None


def _write_private(path: Path, text: str) -> None:
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.rename(path)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl-C does, and Ctrl-C even where a shell has started us with it ignored."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn a StackError into its message and exit code 1."""
    try:
        yield
    except StackError as error:
        typer.echo(f"failed: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
