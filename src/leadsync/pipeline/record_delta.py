"""What changed in Salesforce: one stream per object, and one per parent whose fields leads show (R1, R26).

A stream's window begins at its cursor on Salesforce's own clock, less the overlap, and has no upper bound; it knows
deleted, merged and converted records too. All streams travel in one composite call. The cursors to come are the org's
clock before the first row is read. An idle cycle imports neither Arrow nor pandas.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from leadsync.core.access import OBJECTS
from leadsync.salesforce import soql
from leadsync.store import engine as engines
from leadsync.store import state

if TYPE_CHECKING:
    import pandas as pd

    from leadsync.core.access import EffectiveMapping
    from leadsync.pipeline.cycle import Cycle

_OWN = ("Id", "IsDeleted", "MasterRecordId", "LastModifiedById", "LastModifiedDate")
_OF_LEADS = ("IsConverted", "ConvertedContactId")


@dataclass(frozen=True)
class RecordDelta:
    """The records that changed, as `core.matching.candidates` wants them, by object; empty where none did."""

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    cursors: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    """Stream -> where its cursor was found (None: nowhere yet), and where it goes; ISO texts."""

    def __len__(self) -> int:
        """Return the number of records."""
        return sum(len(frame) for frame in self.frames.values())


def fields(mapping: EffectiveMapping, sobject: str) -> list[str]:
    """Return the API names to read of an object: the mapped ones and what matching needs, each once."""
    own = [*_OWN, *(_OF_LEADS if sobject == "Lead" else ())]
    mapped = mapping.on(sobject)
    return list(dict.fromkeys([*own, *(f.api_name for f in mapped), *(f.reference for f in mapped if f.reference)]))


def read(cycle: Cycle, started: dt.datetime) -> RecordDelta:
    """Read every stream of the objects in our sight.

    Args:
        cycle: the run.
        started: where a stream of an object begins that has no cursor yet: the moment of the start (R34), UTC, on
            Salesforce's clock. A parent's begins now: what its records show already is no change.
    """
    mapping = cycle.mapping
    now = cycle.salesforce.now()
    with engines.reading(cycle.engine) as view:
        found = {stream: state.get_cursor(view, stream) for stream in streams(mapping)}
    overlap = dt.timedelta(seconds=cycle.settings.overlap_seconds)
    queries = []
    for stream, position in found.items():
        sobject, _, parent = stream.partition(".")
        since = (position or (now if parent else started)) - overlap
        stamp = f"{parent}.SystemModstamp" if parent else "SystemModstamp"
        queries.append(
            f"SELECT {', '.join(fields(mapping, sobject))} FROM {sobject} "
            f"WHERE {stamp} >= {since.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ} ORDER BY {stamp}, Id"
        )
    # Salesforce tells its clock to the second: a cursor never goes back for that.
    cursors = {
        stream: (position.isoformat() if position else None, max(position or now, now).isoformat())
        for stream, position in found.items()
    }
    rows = soql.rows(cycle.salesforce, queries, deleted_too=True)
    first = next(rows, None)
    return RecordDelta({} if first is None else _frames(mapping, chain([first], rows)), cursors)


def streams(mapping: EffectiveMapping) -> list[str]:
    """Return what is read: `Lead`, `Contact`, `Contact.Account`."""
    seen = [sobject for sobject in OBJECTS if mapping.email(sobject)]
    parents = [f"{f.sobject}.{f.api_name.partition('.')[0]}" for name in seen for f in mapping.on(name) if f.is_lookup]
    return list(dict.fromkeys([*seen, *parents]))


def _frames(mapping: EffectiveMapping, rows: Any) -> dict[str, pd.DataFrame]:
    from leadsync.pipeline import records  # noqa: PLC0415 - Arrow and pandas: an idle cycle does without

    keys = {sobject: key.api_name for sobject in OBJECTS if (key := mapping.email(sobject))}
    found = records.tables(rows, {sobject: fields(mapping, sobject) for sobject in keys})
    return {sobject: records.frame(some, keys[sobject]) for sobject, some in found.items()}
