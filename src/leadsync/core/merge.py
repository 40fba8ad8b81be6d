"""Leads beside their records: what travels each way, and the snapshots once it has arrived (R30, R31).

Two steps, because holds stand between them: `meet` and `create` say what every field would do, `carry_out` leaves out
what is held and writes the plan's rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from leadsync.core import types
from leadsync.core.frames import stack
from leadsync.core.mapping import FieldType
from leadsync.core.three_way import DELIVERING, STOPPED, Sides, Turn, turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from leadsync.core.access import ActiveField

CHANGE_COLUMNS = ["lead_id", "field", "api_name", "sf_type", "old", "new", "lead_value", "rule", "conflict"]
TAKE_COLUMNS = ["lead_id", "field", "api_name", "old", "new", "record_value", "rule", "conflict"]
RULES = ["R3", "R6", "R8", "R17", "R19", "R26", "R30", "R31"]
"""The rules that let a value travel."""


class Snapshots(NamedTuple):
    """What both sides held at the last agreement: lead text and wire text by lead field, NA where there was none."""

    lead: pd.DataFrame
    record: pd.DataFrame

    def copy(self) -> Snapshots:
        """Return snapshots of which columns may be replaced."""
        return Snapshots(self.lead.copy(deep=False), self.record.copy(deep=False))

    def settle(self, name: str, where: pd.Series, *, lead: pd.Series, record: pd.Series) -> None:
        """Agree on a field, blanks spelt out, in the rows of `where`."""
        for side, values in ((self.lead, lead), (self.record, record)):
            side[name] = _put(side[name], where, values.fillna(""))


class Pairs(NamedTuple):
    """Leads beside their records, row by row; everything shares one index.

    `leads` (with `id`) hold lead text by lead field, `records` wire text by API name; a create has no record: every
    cell NA. `lead_is_newer` as in `Sides`.
    """

    leads: pd.DataFrame
    records: pd.DataFrame
    was: Snapshots
    lead_is_newer: pd.Series


@dataclass(frozen=True)
class FieldMerge:
    """What one field would do, for the rows where a side has moved."""

    field: ActiveField
    turn: Turn
    lead: pd.Series
    """The lead's text as it stands."""
    record: pd.Series
    """The record's wire text as it stands."""
    new: pd.Series
    """Wire text to send."""
    rules: pd.Series
    """The rule by which a value travels."""
    exists: bool = True
    """False where the record is to be created: `record` is then what Salesforce fills in by itself."""

    @property
    def stops(self) -> pd.Series:
        """Say which rows send a stop, which is never held (R39)."""
        if self.field.type is not FieldType.DELIVERY_STATUS or not self.exists:
            return pd.Series(data=False, index=self.lead.index)
        return self.turn.send & self.new.eq(STOPPED).fillna(value=False).astype(bool)


class Merged(NamedTuple):
    """What travels, and the snapshots as they stand afterwards.

    `sends`: columns `CHANGE_COLUMNS`, values for records; `takes`: columns `TAKE_COLUMNS`, values for leads. `after`
    stands once both have arrived, `taken` once the takes have.
    """

    sends: pd.DataFrame
    takes: pd.DataFrame
    after: Snapshots
    taken: Snapshots


_NO_ROWS = {"lead_id": "int64", "conflict": "bool"}
NO_SENDS = pd.DataFrame(columns=CHANGE_COLUMNS, dtype="str").astype(_NO_ROWS)
NO_TAKES = pd.DataFrame(columns=TAKE_COLUMNS, dtype="str").astype(_NO_ROWS)


def meet(pairs: Pairs, fields: Sequence[ActiveField]) -> list[FieldMerge]:
    """Merge each field of existing pairs."""
    return [merged for field in fields if (merged := _meet(pairs, field))]


def _meet(pairs: Pairs, field: ActiveField) -> FieldMerge | None:
    lead, record = pairs.leads[field.field], pairs.records[field.api_name]
    lead_was, record_was = pairs.was.lead[field.field], pairs.was.record[field.field]
    moved = ~(lead.fillna("").eq(lead_was) & record.fillna("").eq(record_was))
    if not moved.any():  # as both sides agreed: nothing to decide
        return None
    lead, record, lead_was, record_was = (_only(moved, column) for column in (lead, record, lead_was, record_was))
    agreed = lead_was.notna() & record_was.notna()
    lead_was, record_was = lead_was.where(agreed), record_was.where(agreed)
    sides = Sides(
        lead=types.canonical(lead, field, "lead"),
        record=types.canonical(record, field, "record"),
        lead_was=types.canonical(lead_was, field, "lead"),
        record_was=types.canonical(record_was, field, "record"),
        agreed=agreed,
        lead_is_newer=_only(moved, pairs.lead_is_newer),
        no_reference=_only(moved, _no_reference(pairs.records, field)),
    )
    decided = turn(field, sides)
    rules = pd.Series(_rule(field), index=lead.index, dtype="str")
    if field.type is FieldType.DELIVERY_STATUS:
        rules = rules.mask(decided.take, "R6")
    elif not field.is_lookup:
        rules = rules.mask(~agreed, "R31")
    return FieldMerge(field, decided, lead, record, types.to_wire(lead, field), rules)


def create(pairs: Pairs, fields: Sequence[ActiveField]) -> list[FieldMerge]:
    """Let every value that the lead has, and the mapping's defaults (R19), go to a record that does not exist yet."""
    return [_create(pairs, field) for field in fields if field.pushed and field.createable]


def _create(pairs: Pairs, field: ActiveField) -> FieldMerge:
    lead, record = pairs.leads[field.field], pairs.records[field.api_name]
    new = types.to_wire(lead, field)
    rules = pd.Series("R3", index=lead.index, dtype="str")
    if field.default is not None:
        rules = rules.mask(new.isna(), "R19")
        new = new.fillna(field.default)
    send = new.notna()
    if field.sf_type == "boolean":  # Salesforce fills in what is not sent
        record = record.fillna(DELIVERING)
    if field.type is FieldType.DELIVERY_STATUS:
        send = new.eq(STOPPED).fillna(value=False).astype(bool)
    no = pd.Series(data=False, index=lead.index)
    return FieldMerge(field, Turn(send, take=no, settled=~send, conflict=no), lead, record, new, rules, exists=False)


def _rule(field: ActiveField) -> str:
    if field.type is FieldType.DELIVERY_STATUS:
        return "R8"
    return "R26" if field.is_lookup else "R30"


def _no_reference(records: pd.DataFrame, field: ActiveField) -> pd.Series:
    if field.reference and field.reference in records:
        return records[field.reference].isna()
    return pd.Series(data=False, index=records.index)


def carry_out(pairs: Pairs, merges: Sequence[FieldMerge], *, held: pd.Series, keeps: Mapping[str, pd.Series]) -> Merged:
    """Write the plan's rows and the snapshots.

    Args:
        pairs: the pairs that were merged.
        merges: what each field would do.
        held: bool: leads that send nothing but a stop (R39).
        keeps: lead field -> bool: leads that do not take the record's value, because that is held.
    """
    after, taken = pairs.was.copy(), pairs.was.copy()
    sends: list[pd.DataFrame] = []
    takes: list[pd.DataFrame] = []
    names = _Names([merge.field for merge in merges])
    for merge in merges:
        rows, name = merge.lead.index, merge.field.field
        send = (merge.turn.send & (~held.loc[rows] | merge.stops)) if merge.field.pushed else merge.turn.send & False
        take = merge.turn.take & ~keeps[name].loc[rows] if name in keeps else merge.turn.take
        text = types.from_wire(merge.record, merge.field)
        lead, record = merge.lead.mask(take, text), merge.record.mask(send, merge.new)
        without_sends = merge.turn.settled | take
        taken.settle(name, without_sends, lead=lead, record=record)
        after.settle(name, without_sends | send, lead=lead, record=record)
        ids = pairs.leads["id"].loc[rows]
        old = merge.record if merge.exists else merge.record.mask(send)
        if send.any():
            sends.append(names.rows(merge, send, ids, old=old, new=merge.new, lead_value=merge.lead))
        if take.any():
            takes.append(names.rows(merge, take, ids, old=merge.lead, new=text, record_value=merge.record))
    return Merged(stack(sends, NO_SENDS)[CHANGE_COLUMNS], stack(takes, NO_TAKES)[TAKE_COLUMNS], after, taken)


class _Names:
    """The names of the merged fields as categories: they repeat a million times."""

    def __init__(self, fields: Sequence[ActiveField]) -> None:
        self._known = {
            attribute: sorted({str(getattr(field, attribute)) for field in fields})
            for attribute in ("field", "api_name", "sf_type")
        }

    def rows(self, merge: FieldMerge, where: pd.Series, ids: pd.Series, **columns: pd.Series) -> pd.DataFrame:
        """Return the rows of one field that travel one way."""
        at = np.flatnonzero(where.to_numpy(dtype=bool))
        named = {
            attribute: _categories(np.full(len(at), known.index(str(getattr(merge.field, attribute)))), known)
            for attribute, known in self._known.items()
        }
        rules = pd.Categorical(merge.rules.array.take(at), categories=pd.Index(RULES, dtype="str"))
        return pd.DataFrame(
            {
                "lead_id": ids.to_numpy()[at],
                **named,
                **{name: column.array.take(at) for name, column in columns.items()},
                "rule": rules,
                "conflict": merge.turn.conflict.to_numpy(dtype=bool)[at],
            }
        )


def _categories(codes: npt.NDArray[np.intp], names: Sequence[str]) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(codes, pd.Index(names))


def _only(where: pd.Series, column: pd.Series) -> pd.Series:
    return column if where.all() else column[where]


def _put(column: pd.Series, where: pd.Series, values: pd.Series) -> pd.Series:
    """Return a column with other values in those of its rows where `where` says so."""
    if len(where) == len(column) and where.all():
        return values
    values = values[where]
    return column.where(~column.index.isin(values.index), values.reindex(column.index)) if len(values) else column
