"""What the lead side sends: each field against the snapshot of both sides (R30, R31).

Until the two-way merge stands, a matched record's blank fields are filled, different values of a first contact are
left and counted, and afterwards only the lead's own changes are sent. Of the delivery status only a stop travels (R8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from leadsync.core import types
from leadsync.core.frames import stack
from leadsync.core.mapping import EMAIL, FieldType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from leadsync.core.access import ActiveField

    _Decide = Callable[[ActiveField, pd.Series, pd.Series, pd.Series, pd.Series], "_Field"]

CHANGE_COLUMNS = ["lead_id", "field", "api_name", "sf_type", "old", "new", "lead_value", "rule"]
RULES = ["R3", "R8", "R19", "R30", "R31"]
"""The rules that send a value."""

STOPPED = "true"
"""`HasOptedOutOfEmail` of a stopped lead."""


class Pairs(NamedTuple):
    """Leads beside their records, row by row; all four frames share one index.

    `leads` (with `id`) and `lead_snapshot` hold lead text by lead field, `records` wire text by API name,
    `record_snapshot` wire text by lead field. A create has no record: every cell NA.
    """

    leads: pd.DataFrame
    records: pd.DataFrame
    lead_snapshot: pd.DataFrame
    record_snapshot: pd.DataFrame


class Merged(NamedTuple):
    """What to send, and the snapshots once it has arrived."""

    changes: pd.DataFrame
    lead_snapshot: pd.DataFrame
    record_snapshot: pd.DataFrame
    differs: int
    """Fields that differ at first contact and are left as they are (`first_contact_differs`)."""


NOTHING = Merged(
    pd.DataFrame(columns=CHANGE_COLUMNS, dtype="str").astype({"lead_id": "int64"}), pd.DataFrame(), pd.DataFrame(), 0
)


class _Field(NamedTuple):
    """One field's decision for all rows."""

    send: pd.Series
    new: pd.Series
    settled: pd.Series
    """Rows whose snapshot is renewed."""
    differs: int
    rule: str
    other_rules: Mapping[str, pd.Series]
    """Rule -> the rows that it decides in place of `rule`."""


def create(pairs: Pairs, fields: Sequence[ActiveField]) -> Merged:
    """Send every value that the lead has, and the mapping's defaults (R19), to a record that does not exist yet."""
    return _merge(pairs, [f for f in fields if f.pushed and f.createable], _create_field)


def update(pairs: Pairs, fields: Sequence[ActiveField]) -> Merged:
    """Send what the lead changed, and what the record lacks at first contact, to existing records."""
    return _merge(pairs, [f for f in fields if f.pushed and f.updateable], _update_field)


def stop(pairs: Pairs, fields: Sequence[ActiveField]) -> Merged:
    """Send nothing but a stop: it is never held (R39)."""
    return update(pairs, [f for f in fields if f.type is FieldType.DELIVERY_STATUS])


def _merge(pairs: Pairs, fields: Sequence[ActiveField], decide: _Decide) -> Merged:
    lead_snapshot, record_snapshot = pairs.lead_snapshot.copy(), pairs.record_snapshot.copy()
    parts: list[pd.DataFrame] = []
    differs = 0
    for number, field in enumerate(fields):
        lead, record = pairs.leads[field.field], pairs.records[field.api_name]
        lead_was, record_was = lead_snapshot[field.field], record_snapshot[field.field]
        moved = ~(_text(lead).eq(lead_was) & _text(record).eq(record_was))
        if not moved.any():  # as both sides agreed: nothing to decide
            continue
        lead, record, was, there_was = (_only(moved, column) for column in (lead, record, lead_was, record_was))
        decided = decide(field, lead, record, was, there_was)
        differs += decided.differs
        arrived = record.mask(decided.send, decided.new)
        lead_snapshot[field.field] = _put(lead_was, moved, was.mask(decided.settled, _text(lead)))
        record_snapshot[field.field] = _put(record_was, moved, there_was.mask(decided.settled, _text(arrived)))
        if decided.send.any():
            parts.append(_changes(number, fields, _only(moved, pairs.leads["id"]), (lead, record), decided))
    changes = stack(parts, NOTHING.changes)
    return Merged(changes, lead_snapshot, record_snapshot, differs)


def _only(where: pd.Series, column: pd.Series) -> pd.Series:
    return column if where.all() else column[where]


def _put(column: pd.Series, where: pd.Series, values: pd.Series) -> pd.Series:
    """Return a column with other values where `where` says so."""
    return values if where.all() else column.where(~where, values.reindex(column.index))


def _create_field(field: ActiveField, lead: pd.Series, record: pd.Series, *_snapshots: pd.Series) -> _Field:
    new = types.to_wire(lead, field)
    invented = new.isna()
    if field.default is not None:
        new = new.fillna(field.default)
    send = new.notna()
    if field.type is FieldType.DELIVERY_STATUS:
        send = new.eq(STOPPED).fillna(value=False).astype(bool)
    everything = pd.Series(data=True, index=record.index)
    return _Field(send, new, everything, 0, "R3", {"R19": invented})


def _update_field(
    field: ActiveField, lead: pd.Series, record: pd.Series, lead_was: pd.Series, record_was: pd.Series
) -> _Field:
    here, there = types.canonical(lead, field, "lead"), types.canonical(record, field, "record")
    agreed = lead_was.notna() & record_was.notna()
    changed = agreed & ~_same(here, types.canonical(lead_was, field, "lead"))
    same = _same(here, there)
    new = types.to_wire(lead, field)
    if field.type is FieldType.DELIVERY_STATUS:
        # A difference by rule (R7, R8) is no agreement: the two-way merge decides it.
        send = (new.eq(STOPPED) & there.ne(STOPPED) & (changed | ~agreed)).fillna(value=False).astype(bool)
        return _Field(send, new, send | same | changed, 0, "R8", {})
    filled = ~agreed & there.isna() & here.notna()
    send = filled | (changed & ~same)
    if field.field == EMAIL or field.sf_type == "boolean":
        send &= new.notna()  # an e-mail is never cleared across (R3), and a blank is no state of a check box (R17)
    differs = int((~agreed & here.notna() & there.notna() & ~same).sum())
    return _Field(send, new, send | same | ~agreed, differs, "R30", {"R31": filled})


def _same(left: pd.Series, right: pd.Series) -> pd.Series:
    """Compare two columns; blank equals blank."""
    equal = left.eq(right).fillna(value=False).astype(bool)
    return equal | (left.isna() & right.isna())


def _text(values: pd.Series) -> pd.Series:
    """Spell a blank as `""`: agreed on nothing."""
    return values.fillna("")


def _changes(
    number: int, fields: Sequence[ActiveField], lead_ids: pd.Series, sides: tuple[pd.Series, pd.Series], decided: _Field
) -> pd.DataFrame:
    """Return the rows of one field (`sides`: lead, record); its names are categories: they repeat a million times."""
    rows = np.flatnonzero(decided.send.to_numpy(dtype=bool))
    rule = np.full(len(rows), RULES.index(decided.rule), dtype=np.intp)
    for name, where in decided.other_rules.items():
        rule[where.to_numpy(dtype=bool)[rows]] = RULES.index(name)

    def named(attribute: str) -> pd.Categorical[str]:
        names = [str(getattr(field, attribute)) for field in fields]
        known = sorted(set(names))
        return _categories(np.full(len(rows), known.index(names[number]), dtype=np.intp), known)

    lead, record = sides
    return pd.DataFrame(
        {
            "lead_id": lead_ids.to_numpy()[rows],
            "field": named("field"),
            "api_name": named("api_name"),
            "sf_type": named("sf_type"),
            "old": record.array.take(rows),
            "new": decided.new.array.take(rows),
            "lead_value": lead.array.take(rows),
            "rule": _categories(rule, RULES),
        }
    )


def _categories(codes: npt.NDArray[np.intp], names: Sequence[str]) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(codes, pd.Index(names))
