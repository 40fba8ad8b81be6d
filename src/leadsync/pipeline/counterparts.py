"""The other side of the staged leads: their links, and the records with their addresses, in few calls (R53)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from leadsync.core.access import OBJECTS
from leadsync.core.matching import KEY_LENGTH
from leadsync.core.types import email_key as keys
from leadsync.core.types import email_well_formed
from leadsync.salesforce import soql
from leadsync.store import engine as engines
from leadsync.store import journal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leadsync.core.access import EffectiveMapping
    from leadsync.pipeline.cycle import Cycle

__all__ = ["keys", "record_frame", "stage"]

_LIVE = {"Lead": " AND IsConverted = false"}
"""A converted Lead is never chosen or matched (R28)."""

_STAMPS = ("LastModifiedById", "LastModifiedDate")
_LINK_TYPES = {"link_id": "int64", "lead_id": "int64", "version": "int64", "current": "bool"}


def stage(cycle: Cycle, leads: pd.DataFrame) -> tuple[str | None, int]:
    """Stage `links` and `records_<object>`; return (our user id, where an address has several records; records)."""
    key = keys(leads["email"])
    wanted = key.dropna().unique().tolist()
    with engines.reading(cycle.engine) as view:
        links = journal.links(view, lead_ids=leads["id"].tolist(), email_keys=wanted)
    # The address as it is sent: Salesforce compares without regard to case, and knows nothing of full-width forms.
    # A malformed one is nobody's, and could be too long for a query.
    well_formed = email_well_formed(leads["email"]) & key.str.len().le(KEY_LENGTH)
    sent = leads["email"].str.normalize("NFKC").str.strip()[key.notna() & well_formed].drop_duplicates().tolist()
    linked = {
        sobject: [link["record_id"] for link in links if link["current"] and link["sobject"] == sobject]
        for sobject in OBJECTS
    }
    frames = _records(cycle, sent, linked)
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


def _records(
    cycle: Cycle, emails: Sequence[str], linked: Mapping[str, Sequence[str | None]]
) -> dict[str, pd.DataFrame]:
    """Read the live records with these addresses, and the linked ones whatever became of them (R48)."""
    mapping, client = cycle.mapping, cycle.salesforce
    keyed = {sobject: key.api_name for sobject in OBJECTS if (key := mapping.email(sobject))}
    names = {sobject: fields(mapping, sobject) for sobject in OBJECTS}
    by_email = [
        query
        for sobject, key in keyed.items()
        for query in soql.select_in(sobject, names[sobject], key, emails, where=_LIVE.get(sobject, ""))
    ]
    rows = list(soql.rows(client, by_email))
    seen = {row["Id"] for row in rows}
    by_id = [
        query
        for sobject in keyed
        for query in soql.select_in(sobject, names[sobject], "Id", sorted({i for i in linked[sobject] if i} - seen))
    ]
    rows += soql.rows(client, by_id, deleted_too=True)
    return {
        sobject: record_frame(
            [row for row in rows if row["attributes"]["type"] == sobject], names[sobject], keyed.get(sobject)
        )
        for sobject in OBJECTS
    }


def record_frame(rows: Sequence[dict[str, Any]], names: Sequence[str], email: str | None) -> pd.DataFrame:
    """Return rows of a query as a frame of wire text, `LastModifiedDate` as UTC, and the mapped address as `Email`."""
    frame = pd.DataFrame({name: pd.Series(_column(rows, name), dtype="str") for name in names})
    frame["LastModifiedDate"] = pd.to_datetime(frame["LastModifiedDate"], utc=True)
    return frame.assign(Email=frame[email] if email else pd.array([], dtype="str"))


def _column(rows: Sequence[dict[str, Any]], name: str) -> pa.Array:
    parent, _, child = name.partition(".")
    values = [(row[parent] or {}).get(child) for row in rows] if child else [row[name] for row in rows]
    try:
        return pa.array(values, pa.large_string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):  # check boxes and numbers
        return pa.array([_wire(value) for value in values], pa.large_string())


def _wire(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _link_frame(links: Sequence[dict[str, Any]]) -> pd.DataFrame:
    names = [column.key for column in journal.LINK_COLUMNS]
    frame = pd.DataFrame({name: [link[name] for link in links] for name in names}).astype(_LINK_TYPES)
    text = ["email_key", "sobject", "record_id", "state", "lead_snapshot", "record_snapshot"]
    frame[text] = frame[text].astype("str")
    return frame.assign(record_edited_at=pd.to_datetime(frame["record_edited_at"], utc=True))
