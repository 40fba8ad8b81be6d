"""The other side of the staged leads: their links, and the records with their addresses, in few calls (R53)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from leadsync.core.access import OBJECTS
from leadsync.core.types import email_key as keys
from leadsync.salesforce import soql
from leadsync.store import engine as engines
from leadsync.store import journal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leadsync.core.access import EffectiveMapping
    from leadsync.pipeline.cycle import Cycle

__all__ = ["keys", "record_frame", "stage"]

_STAMPS = ("LastModifiedById", "LastModifiedDate")
_LINK_TYPES = {"link_id": "int64", "lead_id": "int64", "version": "int64", "current": "bool"}


def stage(cycle: Cycle, leads: pd.DataFrame) -> tuple[str | None, int]:
    """Stage `links` and `records_<object>`; return (our user id, where an address has several records; records)."""
    key = keys(leads["email"])
    wanted = key.dropna().unique().tolist()
    with engines.reading(cycle.engine) as view:
        links = journal.links(view, lead_ids=leads["id"].tolist(), email_keys=wanted)
    # The address as it is sent: Salesforce compares without regard to case, and knows nothing of full-width forms.
    sent = leads["email"].str.normalize("NFKC").str.strip()[key.notna()].drop_duplicates().tolist()
    frames = {}
    for sobject in OBJECTS:
        linked = [x["record_id"] for x in links if x["current"] and x["sobject"] == sobject and x["record_id"]]
        frames[sobject] = _records(cycle, sobject, sent, linked)
    found = pd.concat([frame[["Id", "Email"]] for frame in frames.values()], ignore_index=True)
    with engines.reading(cycle.engine) as view:
        theirs = journal.links(view, record_ids=found["Id"].tolist())
    known = {x["link_id"]: x for x in [*links, *theirs]}
    cycle.staging.write_frame("links", _link_frame(list(known.values())))
    for sobject, frame in frames.items():
        cycle.staging.write_frame(f"records_{sobject}", frame)
    rivals = bool(keys(found["Email"]).dropna().duplicated().any())
    return (cycle.salesforce.user_id if rivals else None), len(found)


def fields(mapping: EffectiveMapping, sobject: str) -> list[str]:
    """Return the API names to read of an object: the mapped ones and what matching needs, each once."""
    own = ["Id", "IsDeleted", *_STAMPS, *(["IsConverted"] if sobject == "Lead" else [])]
    return list(dict.fromkeys([*own, *(f.api_name for f in mapping.on(sobject))]))


def _records(cycle: Cycle, sobject: str, emails: Sequence[str], linked: Sequence[str]) -> pd.DataFrame:
    """Read the live records with these addresses, and the linked ones whatever became of them (R48)."""
    mapping = cycle.mapping
    key = mapping.email(sobject)
    names = fields(mapping, sobject)
    if key is None:
        return record_frame([], names, None)
    live = " AND IsConverted = false" if sobject == "Lead" else ""
    rows = list(soql.rows(cycle.salesforce, soql.select_in(sobject, names, key.api_name, emails, where=live)))
    missing = sorted(set(linked) - {row["Id"] for row in rows})
    rows += soql.rows(cycle.salesforce, soql.select_in(sobject, names, "Id", missing), deleted_too=True)
    return record_frame(rows, names, key.api_name)


def record_frame(rows: Sequence[dict[str, Any]], names: Sequence[str], email: str | None) -> pd.DataFrame:
    """Return rows of a query as a frame of wire text, `LastModifiedDate` as UTC, and the mapped address as `Email`."""
    frame = pd.DataFrame({name: pd.array(_column(rows, name), dtype="str") for name in names})
    frame["LastModifiedDate"] = pd.to_datetime(frame["LastModifiedDate"], utc=True)
    return frame.assign(Email=frame[email] if email else pd.array([], dtype="str"))


def _column(rows: Sequence[dict[str, Any]], name: str) -> list[str | None]:
    parent, _, child = name.partition(".")
    values = [(row[parent] or {}).get(child) for row in rows] if child else [row[name] for row in rows]
    return [_wire(value) for value in values]


def _wire(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _link_frame(links: Sequence[dict[str, Any]]) -> pd.DataFrame:
    names = [column.key for column in journal.LINK_COLUMNS]
    frame = pd.DataFrame({name: [link[name] for link in links] for name in names}).astype(_LINK_TYPES)
    text = ["email_key", "sobject", "record_id", "state", "lead_snapshot", "record_snapshot"]
    frame[text] = frame[text].astype("str")
    return frame.assign(record_edited_at=pd.to_datetime(frame["record_edited_at"], utc=True))
