"""Faults on demand: which requests fail, how, and how often.

A fault is looked up once per request on the wire, before anything is processed. Those in `BEFORE` answer in the org's
place, the others let the request through and spoil its reply.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = frozenset(
    {
        "status",  # answer with `status` and `body`, or with a list of one `errorCode` and `message`
        "html_503",  # answer as an overloaded edge does
        "limit",  # REQUEST_LIMIT_EXCEEDED
        "expire_session",  # end the session, answer 401
        "drop_request",  # break the connection, process nothing
        "drop_reply",  # process, then break the connection; `commit_later {"seconds"}`: break first, process later
        "timeout",  # say nothing for `seconds`, process nothing
        "slow",  # wait `seconds` `when` "before" or "after" the work; it is done even if the client has gone
        "lock",  # refuse records (those at positions `records`, or all) with UNABLE_TO_LOCK_ROW
        "truncate",  # send half of the reply, then break the connection
        "malformed",  # send a reply that is no JSON
    }
)
_MATCHERS = frozenset({"method", "path", "object", "body", "user"})
_OPTIONS: dict[str, type | tuple[type, ...]] = {
    "status": int,
    "errorCode": str,
    "message": str,
    "seconds": (int, float),
    "when": str,
    "records": list,
    "commit_later": dict,
}
_KNOWN = {"match", "fault", "times", "nth", "body", *_OPTIONS}


class InvalidFaultError(ValueError):
    """A fault that cannot be installed; the text says why."""


@dataclass
class Fault:
    """One fault: what it does and to which requests; it fires on matches `nth` to `nth + times - 1`, from 1."""

    kind: str
    method: str = ""
    path: re.Pattern[str] | None = None
    object: re.Pattern[str] | None = None
    body: str = ""
    user: str = ""
    nth: int = 1
    times: int | None = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    seen: int = 0

    def wants(self, method: str, path: str, body: bytes, user: str) -> bool:
        """Count a matching request and tell whether the fault fires on it; `path` includes the query."""
        if (self.method and self.method != method) or (self.user and self.user != user):
            return False
        if self.path and not self.path.search(path):
            return False
        text = body.decode("utf-8", "replace") if self.object or self.body else ""
        if self.body and self.body not in text:
            return False
        if self.object and not (self.object.search(path) or self.object.search(text)):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times is None or self.seen < self.nth + self.times)

    @property
    def seconds(self) -> float:
        """Return how long the fault waits."""
        return float(self.options.get("seconds", 600 if self.kind == "timeout" else 1))

    @property
    def after(self) -> bool:
        """Tell whether a slow request waits after its work rather than before it."""
        return bool(self.options.get("when", "before") == "after")

    @property
    def delay(self) -> float | None:
        """Return how many seconds of the org's clock the work of a dropped request comes late; None if at once."""
        later = self.options.get("commit_later")
        return float(later["seconds"]) if later else None


class Faults:
    """Hold the installed faults; the first that fires on a request wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def set(self, given: list[Mapping[str, Any]]) -> None:
        """Replace all faults. Raises InvalidFaultError."""
        faults = [_read(each) for each in given]
        with self._lock:
            self._faults = faults

    def find(self, method: str, path: str, body: bytes, user: str) -> Fault | None:
        """Return the fault that fires on a request, if any; `user` is the profile of who sent it."""
        if not self._faults:
            return None
        with self._lock:
            return next((fault for fault in self._faults if fault.wants(method, path, body, user)), None)

    def as_json(self) -> list[dict[str, Any]]:
        """Return kind, matches seen and limits of each fault."""
        return [{"fault": each.kind, "seen": each.seen, "nth": each.nth, "times": each.times} for each in self._faults]


def _read(given: Mapping[str, Any]) -> Fault:
    if not isinstance(given, dict):
        raise InvalidFaultError("a fault is an object with `match` and `fault`")
    if (kind := given.get("fault")) not in KINDS:
        raise InvalidFaultError(f"not a fault: {kind!r}; there are {', '.join(sorted(KINDS))}")
    if unknown := set(given) - _KNOWN:
        raise InvalidFaultError(f"not understood: {', '.join(sorted(unknown))}")
    for name, types in _OPTIONS.items():
        if name in given and not isinstance(given[name], types):
            raise InvalidFaultError(f"wrong type: {name}={given[name]!r}")
    later = given.get("commit_later")
    if later is not None and not isinstance(later.get("seconds"), int | float):
        raise InvalidFaultError('commit_later needs {"seconds": number}')
    return read_match(given, kind, {name: given[name] for name in (*_OPTIONS, "body") if name in given})


def read_match(given: Mapping[str, Any], kind: str, options: Mapping[str, Any] | None = None) -> Fault:
    """Read which requests something strikes: `match`, `nth`, `times`. Raises InvalidFaultError."""
    if not isinstance(match := given.get("match", {}), dict):
        raise InvalidFaultError("match is an object")
    if unknown := set(match) - _MATCHERS:
        raise InvalidFaultError(f"not understood: {', '.join(sorted(unknown))}")
    times, nth = given.get("times", 1), given.get("nth", 1)
    if not isinstance(nth, int) or not (times is None or isinstance(times, int)):
        raise InvalidFaultError("nth and times are whole numbers (times may be null: for ever)")
    try:
        path = re.compile(match["path"], re.IGNORECASE) if match.get("path") else None
        named = re.compile(rf"\b{re.escape(match['object'])}\b", re.IGNORECASE) if match.get("object") else None
    except (re.error, TypeError) as error:
        raise InvalidFaultError(f"match: {error}") from error
    return Fault(
        kind,
        method=str(match.get("method", "")).upper(),
        path=path,
        object=named,
        body=str(match.get("body", "")),
        user=str(match.get("user", "")),
        nth=nth,
        times=times,
        options=options or {},
    )
