"""The other side of the staged leads: their links, and the records with their addresses, in few calls (R53)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from leadsync.core.access import OBJECTS
from leadsync.core.frames import among
from leadsync.core.matching import KEY_LENGTH, LONGEST_CHAIN
from leadsync.core.types import email_key as keys
from leadsync.core.types import email_well_formed
from leadsync.pipeline import records
from leadsync.pipeline.record_delta import RecordDelta, fields
from leadsync.salesforce import soql
from leadsync.store import engine as engines
from leadsync.store import journal, state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from leadsync.pipeline.cycle import Cycle

__all__ = ["keys", "link_frame", "stage"]

_LIVE = {"Lead": " AND IsConverted = false"}
"""A converted Lead is never chosen or matched (R28)."""

_LINK_TYPES = {"link_id": "int64", "lead_id": "int64", "version": "int64", "current": "bool"}

_ROWS = 10_000
"""Links read in one statement."""


def stage(cycle: Cycle, leads: pd.DataFrame, delta: RecordDelta) -> int:
    """Stage `links` and `records_<object>`; return the number of records."""
    key = keys(leads["email"])
    with engines.reading(cycle.engine) as view:
        links = _links(view, leads["id"], key.dropna().drop_duplicates())
    # The address as it is sent: Salesforce compares without regard to case, and knows nothing of full-width forms.
    # A malformed one is nobody's, and could be too long for a query.
    well_formed = email_well_formed(leads["email"]) & key.str.len().le(KEY_LENGTH)
    sent = leads["email"].str.normalize("NFKC").str.strip()[key.notna() & well_formed].drop_duplicates()
    linked = links.loc[links["current"], ["sobject", "record_id"]].dropna()
    found = _Reader(cycle, delta).around(sent, linked, key)
    everything = pd.concat([frame[["Id", "Email"]] for frame in found.values()], ignore_index=True)
    strange = everything.loc[~among(everything["Id"], linked["record_id"]), "Id"].tolist()
    with engines.reading(cycle.engine) as view:
        theirs = link_frame(journal.links(view, record_ids=strange))
    cycle.staging.write_frame("links", pd.concat([links, theirs], ignore_index=True).drop_duplicates("link_id"))
    for sobject, frame in found.items():
        cycle.staging.write_frame(f"records_{sobject}", frame)
    return len(everything)


def _links(view: Connection, lead_ids: pd.Series, email_keys: pd.Series) -> pd.DataFrame:
    """Return the links that these leads ever had, and the current ones of these addresses."""
    parts = [link_frame(journal.links(view, lead_ids=some)) for some in state.chunks(lead_ids.tolist(), _ROWS)]
    own = pd.concat(parts, ignore_index=True)
    # An address or a record is current in one link at most: those whose link is here need not be asked for.
    rest = email_keys[~among(email_keys, own.loc[own["current"], "email_key"])].tolist()
    return pd.concat([own, link_frame(journal.links(view, email_keys=rest))], ignore_index=True)


def link_frame(links: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Return links, as `journal.links` gives them, as `core.plan.Staged.links` wants them."""
    names = [column.key for column in journal.LINK_COLUMNS]
    columns = zip(*links, strict=True) if links else [()] * len(names)
    frame = pd.DataFrame(dict(zip(names, columns, strict=True))).astype(_LINK_TYPES)
    text = ["email_key", "sobject", "record_id", "state", "lead_snapshot", "record_snapshot"]
    frame[text] = frame[text].astype("str")
    return frame.assign(record_edited_at=pd.to_datetime(frame["record_edited_at"], utc=True).dt.as_unit("us"))


class _Reader:
    """Reads records of both objects, what the delta has brought already first."""

    def __init__(self, cycle: Cycle, delta: RecordDelta) -> None:
        self._client, self._delta = cycle.salesforce, delta
        self._keys = {sobject: key.api_name for sobject in OBJECTS if (key := cycle.mapping.email(sobject))}
        self._names = {sobject: fields(cycle.mapping, sobject) for sobject in OBJECTS}
        nothing = records.tables([], self._names)
        self._found = {sobject: records.frame(nothing[sobject], self._keys.get(sobject)) for sobject in self._names}

    def around(self, emails: pd.Series, linked: pd.DataFrame, key: pd.Series) -> dict[str, pd.DataFrame]:
        """Return the live records with these addresses, the linked ones whatever became of them, and their heirs.

        Args:
            emails: addresses as they are sent.
            linked: `sobject`, `record_id` of the current links.
            key: the same addresses as compared.
        """
        for sobject, frame in self._delta.frames.items():
            ours = among(frame["Id"], linked["record_id"]) | among(keys(frame["Email"]), key)
            self._add(sobject, frame[ours])
        self._read_addresses(emails)
        self._read_ids(linked)
        for _ in range(LONGEST_CHAIN):
            if not self._read_ids(self._heirs()):
                break
        # Records that were given another address: who else has it (R3)?
        own = pd.concat([frame.loc[among(frame["Id"], linked["record_id"]), "Email"] for frame in self._found.values()])
        self._read_addresses(own[~among(keys(own), key)].dropna().drop_duplicates())
        return self._found

    def _add(self, sobject: str, frame: pd.DataFrame) -> None:
        both = pd.concat([self._found[sobject], frame], ignore_index=True)
        self._found[sobject] = both.drop_duplicates("Id", keep="last", ignore_index=True)

    def _query(self, queries: Sequence[str], *, deleted_too: bool = False) -> None:
        if queries:
            rows = soql.rows(self._client, queries, deleted_too=deleted_too)
            for sobject, some in records.tables(rows, self._names).items():
                self._add(sobject, records.frame(some, self._keys.get(sobject)))

    def _read_addresses(self, emails: pd.Series) -> None:
        wanted = emails.tolist()
        queries = [
            query
            for sobject, key in self._keys.items()
            for query in soql.select_in(sobject, self._names[sobject], key, wanted, where=_LIVE.get(sobject, ""))
        ]
        self._query(queries if wanted else [])

    def _read_ids(self, wanted: pd.DataFrame) -> bool:
        """Read records that are not here yet by id, whatever became of them; say whether there were any (R48)."""
        queries = []
        for sobject in self._keys:
            ids = wanted.loc[wanted["sobject"].eq(sobject), "record_id"]
            missing = ids[~among(ids, self._found[sobject]["Id"])]
            queries += soql.select_in(sobject, self._names[sobject], "Id", sorted(missing))
        self._query(queries, deleted_too=True)
        return bool(queries)

    def _heirs(self) -> pd.DataFrame:
        """Return the records that those here were merged or converted into."""
        parts = [
            pd.DataFrame({"sobject": sobject, "record_id": frame["MasterRecordId"]})
            for sobject, frame in self._found.items()
        ]
        parts.append(pd.DataFrame({"sobject": "Contact", "record_id": self._found["Lead"]["ConvertedContactId"]}))
        return pd.concat(parts).dropna().drop_duplicates()
