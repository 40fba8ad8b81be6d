"""Start processes, wait until they answer, and leave none behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_TAIL_LINES = 30

_T = TypeVar("_T")


class StackError(Exception):
    """A part of the stack did not start or did not do what it promises; the message says which and why."""


@dataclass(frozen=True)
class Process:
    """A started process, the head of its own group, with everything it prints in `log`."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        """Return the last lines that the process printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])

    def check(self) -> None:
        """Raise StackError with the end of its log if the process is gone."""
        if (code := self.popen.poll()) is not None:
            raise StackError(f"{self.name} ended with exit code {code}:\n{self.tail()}")

    def wait_until(self, answers: Callable[[], _T | None], *, seconds: float) -> _T:
        """Return the first true thing that `answers` returns, asked again and again while the process lives.

        Raises:
            StackError: the process ended, or `seconds` have passed.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if answer := answers():
                return answer
            self.check()
            time.sleep(0.05)
        raise StackError(f"{self.name} was not ready after {seconds:.0f} s:\n{self.tail()}")


class Processes:
    """Processes that end together: on leaving the `with` block, on an error and on Ctrl-C."""

    def __init__(self, logs: Path) -> None:
        self.grace_seconds = 10.0
        self._logs = logs
        self._running: list[Process] = []

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> Process:
        """Start `argv` as the head of a new process group; its output goes to `<logs>/<name>.log`."""
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(  # noqa: S603 (our own commands)
                argv,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = Process(name, popen, log)
        self._running.append(process)
        return process

    def finish(self, process: Process, *, seconds: float) -> None:
        """Wait for a process that ends by itself.

        Raises:
            StackError: it exits with anything but 0, or has not ended after `seconds`.
        """
        try:
            code = process.popen.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{process.name} has not ended after {seconds:.0f} s:\n{process.tail()}") from error
        if code != 0:
            raise StackError(f"{process.name} ended with exit code {code}:\n{process.tail()}")
        self._running.remove(process)

    def check(self) -> None:
        """Raise StackError if any of the processes is gone."""
        for process in self._running:
            process.check()

    def stop(self) -> None:
        """End every process group: ask all at once, wait `grace_seconds`, then kill what is left."""
        try:
            for process in self._running:
                _signal_group(process, signal.SIGTERM)
            deadline = time.monotonic() + self.grace_seconds
            for process in self._running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.popen.wait(max(0.0, deadline - time.monotonic()))
        finally:  # also where a second Ctrl-C cuts the waiting short
            for process in self._running:
                _signal_group(process, signal.SIGKILL)
                process.popen.wait()
            self._running.clear()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 on which nobody listens at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signal_group(process: Process, number: signal.Signals) -> None:
    # The group outlives its head when the head was killed: address the group, whose id is the head's.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.popen.pid, number)
