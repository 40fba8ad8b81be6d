"""Barriers: a request that matches is held, before its work or between work and reply, until it is released."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from salesforce_emulator.faults import Fault, InvalidFaultError, read_match

if TYPE_CHECKING:
    from collections.abc import Mapping

BEFORE, AFTER = "before", "after"
MAX_SECONDS = 600
"""A request that nobody releases goes on after so long."""


class Barrier:
    """Hold at most one barrier and count who waits at it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gate: Fault | None = None
        self._when = BEFORE
        self._held = 0

    def set(self, given: Mapping[str, Any] | None) -> None:
        """Put up a barrier in place of the last one, whose requests go on; None only takes it away.

        Raises InvalidFaultError.
        """
        gate, when = (None, BEFORE) if given is None else _read(given)
        with self._lock:
            self._gate, self._when = gate, when

    def find(self, method: str, path: str, body: bytes, user: str) -> Fault | None:
        """Return the barrier that holds a request, if any; `user` is the profile of who sent it."""
        if self._gate is None:
            return None
        with self._lock:
            gate = self._gate
            return gate if gate is not None and gate.wants(method, path, body, user) else None

    def holds(self, gate: Fault | None, when: str) -> bool:
        """Tell whether a request that met a barrier must wait at this point."""
        return gate is not None and self._gate is gate and self._when == when

    def arrive(self) -> None:
        """Count one more request that waits."""
        with self._lock:
            self._held += 1

    def leave(self) -> None:
        """Count one less."""
        with self._lock:
            self._held -= 1

    def as_json(self) -> dict[str, Any]:
        """Return whether a barrier is up, how many requests matched it, and how many wait now."""
        gate = self._gate
        return {"up": gate is not None, "seen": gate.seen if gate else 0, "held": self._held}


def _read(given: Mapping[str, Any]) -> tuple[Fault, str]:
    if not given.keys() <= {"match", "when", "nth", "times"}:
        raise InvalidFaultError("a barrier has match, when, nth and times, no more")
    when = given.get("when", BEFORE)
    if when not in {BEFORE, AFTER}:
        raise InvalidFaultError(f"when is {BEFORE} or {AFTER}")
    return read_match(given, "barrier"), when
