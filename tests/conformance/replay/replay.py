"""Replay the recorded exchanges against a live emulator; `reviewed.csv` says of each what to expect, and why.

`python -m tests.conformance.replay.replay` starts an emulator, prints the score and what differs, and ends with 1 where
that is not what the table says; `--write` puts the verdicts into the table, where a reviewer then gives the reasons.

Verdicts: `agree` (see compare.py), `shape` (status, headers, keys, their order and types agree; the values are that
org's own), `differs`, and `uncovered` (not replayed: what it is about is not in the emulator, or in no recording).
"""

from __future__ import annotations

import csv
import json
import re
import sys
import time
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from tests.conformance.replay import compare
from tests.conformance.replay.compare import ID
from tests.conformance.replay.org import Stage, played, soql_of
from tests.conformance.replay.recordings import CASSETTES, Exchange, exchanges
from tests.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = Path(__file__).with_name("reviewed.csv")
_FROM = re.compile(r"\bfrom (\w+)", re.IGNORECASE)
_BULK_SECONDS = 10
COLUMNS = ("exchange", "what", "verdict", "reason")


def table() -> list[dict[str, str]]:
    """Return the rows of the table."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def replay(emulator: Emulator) -> list[dict[str, str]]:
    """Replay everything; return rows as the table's, with the difference in place of the reason."""
    stage, rows = Stage(emulator), []
    for source in CASSETTES:
        for _, cassette in groupby(exchanges(source), lambda each: each.cassette):
            stage.clear()
            token = emulator.admin["access_token"]
            rows += [_row(emulator, stage, token, exchange) for exchange in cassette]
    return rows


def _row(emulator: Emulator, stage: Stage, token: str, recorded: Exchange) -> dict[str, str]:
    what = f"{recorded.method} {_what(recorded)}"
    if why := _not_replayed(recorded):
        return {"exchange": recorded.key, "what": what, "verdict": "uncovered", "difference": why}
    exchange = played(recorded)
    stage.prepare(exchange)
    found = list(_differences(emulator, stage, token, exchange))
    verdict = "agree" if not found else "differs"
    if found and all(each.startswith("value ") for each in found):
        verdict = "shape"
    return {"exchange": recorded.key, "what": what, "verdict": verdict, "difference": "; ".join(found)[:300]}


def _what(exchange: Exchange) -> str:
    if soql := soql_of(exchange):
        return f"query of {', '.join(_FROM.findall(soql))}"
    return ID.sub("{id}", exchange.target.partition("?")[0])[-70:]


def _not_replayed(exchange: Exchange) -> str:
    if exchange.body is None:
        return "the body is cut off in the recording"
    if exchange.target.startswith("https:"):
        return "not a call to Salesforce"
    if "/CustomObject" in exchange.target and exchange.target.endswith("/describe"):
        return "Account plays a custom object, whose describe it has not"
    if exchange.target.startswith("/services/oauth2/token"):
        return "the keys are hidden in the recording"
    return ""


def _differences(emulator: Emulator, stage: Stage, token: str, exchange: Exchange) -> Iterator[str]:
    pairs = stage.pairs
    sent = {"Authorization": f"Bearer {token}", "X-SFDC-Session": token}
    if exchange.sent:
        sent["Content-Type"] = _media(exchange)
    url = emulator.url + quote(pairs.translate(unquote(exchange.target)), safe="/?=&+:%,")
    data = pairs.translate(exchange.sent).encode() or None
    until = time.monotonic() + (_BULK_SECONDS if exchange.target.endswith("/result") else 0)
    answer = emulator.http.request(exchange.method, url, data=data, headers=sent, timeout=60)
    while answer.status_code != exchange.status and time.monotonic() < until:
        time.sleep(0.05)
        answer = emulator.http.request(exchange.method, url, data=data, headers=sent, timeout=60)
    if answer.status_code != exchange.status:
        yield f"status {answer.status_code}, recorded {exchange.status}: {answer.text[:160]}"
        return
    ours = {name.lower(): value for name, value in answer.headers.items()}
    yield from compare.headers(dict(exchange.headers), ours, pairs, complete=exchange.complete)
    one, other = compare.read(exchange.body or ""), compare.read(answer.text)
    ordered = "order by" in soql_of(exchange).lower()
    if soql_of(exchange) and not ordered and isinstance(one, dict) and isinstance(other, dict):
        other = {**other, "records": compare.sorted_like(one["records"], other.get("records", []), pairs)}
    found = list(compare.differences(one, other, pairs))
    same_shape = json.dumps(compare.shape(one)) == json.dumps(compare.shape(other))
    yield from (f"value {each}" if same_shape else each for each in found)


def _media(exchange: Exchange) -> str:
    if "/services/async/" not in exchange.target:
        return "application/json"
    if exchange.sent.startswith("<"):
        return "application/xml; charset=UTF-8"
    return (
        "application/json; charset=utf-8" if exchange.sent.upper().startswith("SELECT") else "text/csv; charset=UTF-8"
    )


def unexplained(rows: list[dict[str, str]], reviewed: list[dict[str, str]]) -> list[str]:
    """Say where a replay is not what the table says, and where the table gives no reason."""
    known = {row["exchange"]: row for row in reviewed}
    found = []
    for row in rows:
        told = known.get(row["exchange"])
        if told is None or told["verdict"] != row["verdict"]:
            found.append(f"{row['exchange']} {row['what']}: {row['verdict']}, {row['difference']}; reviewed as {told}")
        elif row["verdict"] != "agree" and not told["reason"]:
            found.append(f"{row['exchange']} {row['what']}: {row['verdict']} without a reason")
    return found


def score(rows: list[dict[str, str]]) -> str:
    """State the score of a replay."""
    counts = Counter(row["verdict"] for row in rows)
    return (
        f"{len(rows)} recorded exchanges: {counts['agree']} agree, {counts['shape']} agree in shape, "
        f"{counts['differs']} differ, {counts['uncovered']} are not replayed"
    )


def main() -> int:
    """Replay, and compare with the table or write it."""
    with Emulator.start() as emulator:
        rows = replay(emulator)
    if "--write" in sys.argv[1:]:
        _write(rows)
    wrong = unexplained(rows, table())
    sys.stdout.write(f"{score(rows)}; {len(wrong)} unexplained\n")
    sys.stdout.writelines(f"  {each}\n" for each in wrong)
    return 1 if wrong else 0


def _write(rows: list[dict[str, str]]) -> None:
    reasons: dict[tuple[str, str], Any] = {}
    if TABLE.exists():
        reasons = {(row["exchange"], row["verdict"]): row["reason"] for row in table()}
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {"reason": reasons.get((row["exchange"], row["verdict"]), "")})


if __name__ == "__main__":
    raise SystemExit(main())
