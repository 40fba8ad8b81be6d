"""The other side of the staged leads: their links, and the records with their addresses, in few calls (R53)."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from leadsync.core.access import OBJECTS
from leadsync.core.frames import among
from leadsync.core.matching import KEY_LENGTH
from leadsync.core.types import email_key as keys
from leadsync.core.types import email_well_formed
from leadsync.salesforce import soql
from leadsync.store import engine as engines
from leadsync.store import journal, state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from leadsync.core.access import EffectiveMapping
    from leadsync.pipeline.cycle import Cycle

__all__ = ["keys", "record_frame", "stage"]

_LIVE = {"Lead": " AND IsConverted = false"}
"""A converted Lead is never chosen or matched (R28)."""

_STAMPS = ("LastModifiedById", "LastModifiedDate")
_LINK_TYPES = {"link_id": "int64", "lead_id": "int64", "version": "int64", "current": "bool"}

_ROWS = 10_000
"""Rows held as Python objects at a time, which take ten times the memory of a frame."""


def stage(cycle: Cycle, leads: pd.DataFrame) -> tuple[str | None, int]:
    """Stage `links` and `records_<object>`; return (our user id, where an address has several records; records)."""
    key = keys(leads["email"])
    with engines.reading(cycle.engine) as view:
        links = _links(view, leads["id"], key.dropna().drop_duplicates())
    # The address as it is sent: Salesforce compares without regard to case, and knows nothing of full-width forms.
    # A malformed one is nobody's, and could be too long for a query.
    well_formed = email_well_formed(leads["email"]) & key.str.len().le(KEY_LENGTH)
    sent = leads["email"].str.normalize("NFKC").str.strip()[key.notna() & well_formed].drop_duplicates().tolist()
    linked = links.loc[links["current"], ["sobject", "record_id"]].dropna()
    frames = _records(cycle, sent, linked)
    found = pd.concat([frame[["Id", "Email"]] for frame in frames.values()], ignore_index=True)
    strange = found.loc[~among(found["Id"], linked["record_id"]), "Id"].tolist()
    with engines.reading(cycle.engine) as view:
        theirs = _link_frame(journal.links(view, record_ids=strange))
    cycle.staging.write_frame("links", pd.concat([links, theirs], ignore_index=True).drop_duplicates("link_id"))
    for sobject, frame in frames.items():
        cycle.staging.write_frame(f"records_{sobject}", frame)
    rivals = bool(keys(found["Email"]).dropna().duplicated().any())
    return (cycle.salesforce.user_id if rivals else None), len(found)


def _links(view: Connection, lead_ids: pd.Series, email_keys: pd.Series) -> pd.DataFrame:
    """Return the links that these leads ever had, and the current ones of these addresses."""
    parts = [_link_frame(journal.links(view, lead_ids=some)) for some in state.chunks(lead_ids.tolist(), _ROWS)]
    own = pd.concat(parts, ignore_index=True)
    # An address or a record is current in one link at most: those whose link is here need not be asked for.
    rest = email_keys[~among(email_keys, own.loc[own["current"], "email_key"])].tolist()
    return pd.concat([own, _link_frame(journal.links(view, email_keys=rest))], ignore_index=True)


def fields(mapping: EffectiveMapping, sobject: str) -> list[str]:
    """Return the API names to read of an object: the mapped ones and what matching needs, each once."""
    own = ["Id", "IsDeleted", *_STAMPS, *(["IsConverted"] if sobject == "Lead" else [])]
    return list(dict.fromkeys([*own, *(f.api_name for f in mapping.on(sobject))]))


def _records(cycle: Cycle, emails: Sequence[str], linked: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Read the live records with these addresses, and the linked ones whatever became of them (R48)."""
    mapping, client = cycle.mapping, cycle.salesforce
    keyed = {sobject: key.api_name for sobject in OBJECTS if (key := mapping.email(sobject))}
    names = {sobject: fields(mapping, sobject) for sobject in OBJECTS}
    by_email = [
        query
        for sobject, key in keyed.items()
        for query in soql.select_in(sobject, names[sobject], key, emails, where=_LIVE.get(sobject, ""))
    ]
    found = _tables(soql.rows(client, by_email), names)
    by_id = []
    for sobject in keyed:
        ids = linked.loc[linked["sobject"].eq(sobject), "record_id"]
        unseen = ids[~among(ids, pa.concat_tables(found[sobject])["Id"].to_pandas())]
        by_id += soql.select_in(sobject, names[sobject], "Id", sorted(unseen))
    more = _tables(soql.rows(client, by_id, deleted_too=True), names)
    return {sobject: record_frame([*found[sobject], *more[sobject]], keyed.get(sobject)) for sobject in OBJECTS}


def _tables(rows: Iterator[dict[str, Any]], names: Mapping[str, Sequence[str]]) -> dict[str, list[pa.Table]]:
    """Return the rows of queries as tables of wire text by object, at least one each, as they come in."""
    tables = {sobject: [_table([], columns)] for sobject, columns in names.items()}
    while some := list(islice(rows, _ROWS)):
        for sobject, columns in names.items():
            mine = [row for row in some if row["attributes"]["type"] == sobject]
            tables[sobject].append(_table(mine, columns))
    return tables


def _table(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> pa.Table:
    return pa.table({name: _column(rows, name) for name in names})


def record_frame(tables: Sequence[pa.Table], email: str | None) -> pd.DataFrame:
    """Return tables of wire text as one frame, `LastModifiedDate` as UTC, and the mapped address as `Email`."""
    frame: pd.DataFrame = pa.concat_tables(tables).combine_chunks().to_pandas()
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


def _link_frame(links: Sequence[Sequence[Any]]) -> pd.DataFrame:
    names = [column.key for column in journal.LINK_COLUMNS]
    columns = zip(*links, strict=True) if links else [()] * len(names)
    frame = pd.DataFrame(dict(zip(names, columns, strict=True))).astype(_LINK_TYPES)
    text = ["email_key", "sobject", "record_id", "state", "lead_snapshot", "record_snapshot"]
    frame[text] = frame[text].astype("str")
    return frame.assign(record_edited_at=pd.to_datetime(frame["record_edited_at"], utc=True).dt.as_unit("us"))
