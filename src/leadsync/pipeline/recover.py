"""Find out what became of requests whose reply nobody has: killed tasks, lost replies (ARCHITECTURE: State).

Each unresolved intent is looked up in Salesforce: a create by the address that was sent, an update by its record. What
arrived is settled with its snapshot; what did not is free to be sent again, but only by the run that owns it, or once
Salesforce can no longer be working on it. Only fields that mean in Salesforce what was sent count as agreed: 1000 may
come back as 1000.0. A field that is hidden from us by now cannot be asked for, and is not agreed on.
"""

from __future__ import annotations

import datetime as dt
import logging
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

from leadsync.salesforce import soql
from leadsync.store import engine as engines
from leadsync.store import journal, state
from leadsync.store.journal import LEASE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leadsync.core.access import EffectiveMapping
    from leadsync.pipeline.cycle import Cycle

    _Same = Callable[[dict[str, Any], dict[str, Any], dict[str, Any], Literal["new", "old"]], bool]

log = logging.getLogger(__name__)

Intent = dict[str, Any]

SKEW = dt.timedelta(seconds=5)
"""How far `requested_at` may be off Salesforce's clock: its `Date` header tells whole seconds."""


@dataclass
class Recovered:
    """What became of the intents, as lead ids."""

    arrived: set[int] = field(default_factory=set)
    actions: set[str] = field(default_factory=set)
    """The actions, by id, that arrived: those of an earlier plan say nothing of a later one's."""
    lost: set[int] = field(default_factory=set)
    """Did not arrive and cannot any more: free to be sent again."""
    overtaken: set[int] = field(default_factory=set)
    """An update that did not arrive, on a record that somebody has edited meanwhile: to be decided anew."""
    open: set[int] = field(default_factory=set)
    """May still arrive."""


def from_other_runs(cycle: Cycle) -> set[int]:
    """Settle what earlier runs, and earlier passes of this one, left unresolved; return the leads still open."""
    with engines.reading(cycle.engine) as view:
        intents = journal.unresolved(view)
    if not intents:
        return set()
    found = _settle(cycle, intents)
    with cycle.engine.begin() as connection:
        again = found.lost | found.overtaken | found.arrived
        state.postpone(connection, cycle.run_id, dict.fromkeys(again, ("recovered", state.now())))
    return found.open


def own(cycle: Cycle) -> Recovered:
    """Settle what this run left unresolved when it was interrupted."""
    with engines.reading(cycle.engine) as view:
        intents = [intent for intent in journal.unresolved(view) if intent["run_id"] == cycle.run_id]
    return _settle(cycle, intents) if intents else Recovered()


def after_lost_reply(cycle: Cycle, lead_ids: set[int]) -> Recovered:
    """Look right away for what a create whose reply was lost has left in Salesforce."""
    with engines.reading(cycle.engine) as view:
        intents = [intent for intent in journal.unresolved(view) if intent["lead_id"] in lead_ids]
    return _settle(cycle, intents)


def _settle(cycle: Cycle, intents: Sequence[Intent]) -> Recovered:
    """Look every intent up, and keep what is known now, in one transaction."""
    rows = _found(cycle, intents)
    same = _comparison(cycle.mapping, intents, rows)
    moment = cycle.salesforce.now()
    result = Recovered()
    settled, link_rows, abandoned = [], [], []
    for intent in intents:
        lead_id, row = intent["lead_id"], rows.get(intent["lead_id"])
        creates = intent["kind"] == "create"
        over = moment >= intent["requested_at"] + LEASE
        if row is not None and (creates or all(same(intent, row, change, "new") for change in intent["changes"])):
            result.arrived.add(lead_id)
            result.actions.add(intent["action_id"])
            settled.append({"lead_id": lead_id, "state": "done", "record_id": row["Id"]})
            link_rows.append(_link_row(intent, row, same))
        elif not over and (creates or intent["run_id"] != cycle.run_id):
            result.open.add(lead_id)
        else:
            untouched = row is not None and all(same(intent, row, change, "old") for change in intent["changes"])
            edited = not creates and not untouched
            (result.overtaken if edited else result.lost).add(lead_id)
            settled.append({"lead_id": lead_id, "state": "lost"})
            if creates:
                abandoned.append(intent["link_id"])
    with cycle.engine.begin() as connection:
        journal.update_links(connection, link_rows)
        journal.close_links(connection, abandoned, "abandoned")
        journal.settle(connection, settled)
    log.info(
        "Recovery: %d requests had arrived, %d had not, %d met a newer edit, %d may still arrive.",
        len(result.arrived),
        len(result.lost),
        len(result.overtaken),
        len(result.open),
    )
    return result


def _found(cycle: Cycle, intents: Sequence[Intent]) -> dict[int, dict[str, Any]]:
    """Return the record of each intent as Salesforce holds it now, by lead id."""
    found: dict[int, dict[str, Any]] = {}
    for sobject in sorted({intent["sobject"] for intent in intents}):
        mine = [intent for intent in intents if intent["sobject"] == sobject]
        sent = {change["api_name"] for intent in mine for change in intent["changes"]} - {"Id", "CreatedDate"}
        names = sorted(sent & {f.api_name for f in cycle.mapping.on(sobject)})
        if not names:  # the object itself may be out of our sight
            continue
        columns = ["Id", "CreatedDate", *names]
        updates = {intent["record_id"]: intent["lead_id"] for intent in mine if intent["kind"] != "create"}
        queries = soql.select_in(sobject, columns, "Id", updates)
        for row in soql.rows(cycle.salesforce, queries, deleted_too=True):
            found[updates[row["Id"]]] = row
        creates = [intent for intent in mine if intent["kind"] == "create"]
        found.update(_created(cycle, sobject, columns, creates))
    return found


def _created(
    cycle: Cycle, sobject: str, columns: Sequence[str], intents: Sequence[Intent]
) -> dict[int, dict[str, Any]]:
    """Return the oldest record with each address that was created since its request, converted and deleted too."""
    key = cycle.mapping.email(sobject)
    if not intents or key is None:
        return {}
    by_key = {_key(intent["sent_email"]): intent for intent in intents}
    names = list(dict.fromkeys([*columns, key.api_name]))
    queries = soql.select_in(sobject, names, key.api_name, [intent["sent_email"] for intent in intents])
    found: dict[int, dict[str, Any]] = {}
    for row in sorted(soql.rows(cycle.salesforce, queries, deleted_too=True), key=lambda row: row["CreatedDate"]):
        intent = by_key.get(_key(row[key.api_name]))
        if intent and dt.datetime.fromisoformat(row["CreatedDate"]) >= intent["requested_at"] - SKEW:
            found.setdefault(intent["lead_id"], row)
    return found


def _key(address: str) -> str:
    """Return one address as compared (R3); columns of them go through `core.types.email_key`."""
    return unicodedata.normalize("NFKC", address).strip().casefold()


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value).lower()


def _comparison(mapping: EffectiveMapping, intents: Sequence[Intent], rows: dict[int, dict[str, Any]]) -> _Same:
    """Return how a record's value is compared with what an intent says was `new` or `old`: by meaning."""
    import pandas as pd  # noqa: PLC0415 - an idle cycle has nothing to compare

    from leadsync.core import types  # noqa: PLC0415

    texts: dict[tuple[str, str], set[str]] = {}
    for intent in intents:
        row = rows.get(intent["lead_id"], {})
        for change in intent["changes"]:
            name = change["api_name"]
            found = {change["new"], change["old"], _text(row.get(name))} - {None}
            texts.setdefault((intent["sobject"], name), set()).update(found)
    forms: dict[tuple[str, str, str], str | None] = {}
    for field_ in mapping.fields:
        column = pd.Series(sorted(texts.get((field_.sobject, field_.api_name), ())), dtype="str")
        normal = types.canonical(column, field_, "record").astype("object")
        forms |= {
            (field_.sobject, field_.api_name, text): form
            for text, form in zip(column, normal.where(normal.notna(), None), strict=True)
        }

    def same(intent: Intent, row: dict[str, Any], change: dict[str, Any], which: Literal["new", "old"]) -> bool:
        place = intent["sobject"], change["api_name"]
        if change["api_name"] not in row:
            return False
        here, there = (forms.get((*place, text)) if text else None for text in (change[which], _text(row[place[1]])))
        return here == there

    return same


def _link_row(intent: Intent, row: dict[str, Any], same: _Same) -> dict[str, Any]:
    """Return the link as it stands now that the request is known to have arrived."""
    there = [change for change in intent["changes"] if same(intent, row, change, "new")]
    lead = orjson.loads(intent["lead_snapshot"]) | {c["field"]: c["lead_value"] or "" for c in there}
    record = orjson.loads(intent["record_snapshot"]) | {c["field"]: c["new"] or "" for c in there}
    return {
        "link_id": intent["link_id"],
        "record_id": row["Id"],
        "state": "linked",
        "lead_snapshot": orjson.dumps(lead).decode(),
        "record_snapshot": orjson.dumps(record).decode(),
        "synced_at": state.now(),
    }
