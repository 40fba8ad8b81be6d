"""What becomes of one field: the three-way merge (R30, R31), and the few fields that have rules of their own.

A side has *moved* if its value differs from what it was at the last agreement. A pair that never agreed on a field
agreed on a blank, so first contact needs no rule of its own:

|                 | record as it was | record moved                                  |
|-----------------|------------------|-----------------------------------------------|
| lead as it was  | nothing          | take the record's value                       |
| lead moved      | send the lead's  | equal: agreed; different: the conflict rule   |

Columns hold values as compared (`core.types.canonical`): equal text means equal value, NA is a blank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from leadsync.core.mapping import EMAIL, ConflictRule, Direction, FieldType
from leadsync.core.pairs import SHOWN_ONLY

if TYPE_CHECKING:
    from leadsync.core.access import ActiveField

STOPPED, DELIVERING = "true", "false"
"""`HasOptedOutOfEmail` of a lead whose delivery is stopped, and of one that is delivered to."""


class Sides(NamedTuple):
    """One field of many pairs, row by row; all with one index."""

    lead: pd.Series
    record: pd.Series
    lead_was: pd.Series
    record_was: pd.Series
    agreed: pd.Series
    """bool: the pair has a snapshot of this field, were it of a blank; False is first contact."""
    lead_is_newer: pd.Series
    """bool: the lead's last edit that is not ours is later than the record's (R30, *newest*)."""
    no_reference: pd.Series
    """bool: the field belongs to a referenced object, and the record refers to none (R26)."""

    @property
    def lead_moved(self) -> pd.Series:
        """Say where the lead's value is not what it was."""
        return ~same(self.lead, self.lead_was)

    @property
    def record_moved(self) -> pd.Series:
        """Say where the record's value is not what it was."""
        return ~same(self.record, self.record_was)


class Turn(NamedTuple):
    """What becomes of the field, row by row (bool)."""

    send: pd.Series
    """The lead's value belongs on the record."""
    take: pd.Series
    """The record's value belongs on the lead."""
    settled: pd.Series
    """Nothing is left to do but to remember both values as agreed, or as different by rule."""
    conflict: pd.Series
    """Both sides had moved to different values, and one of them loses."""


def same(left: pd.Series, right: pd.Series) -> pd.Series:
    """Compare two columns (bool); blank equals blank."""
    return left.eq(right).fillna(value=False).astype(bool) | (left.isna() & right.isna())


def turn(field: ActiveField, sides: Sides) -> Turn:
    """Decide one field of every pair."""
    if field.type is FieldType.DELIVERY_STATUS:
        return _delivery(field, sides)
    if field.is_lookup or field.sf_type in SHOWN_ONLY:
        return _shown(sides)
    lead_moved, record_moved = sides.lead_moved, sides.record_moved
    if field.field == EMAIL:  # never cleared across (R3)
        lead_moved, record_moved = lead_moved & sides.lead.notna(), record_moved & sides.record.notna()
    if field.sf_type == "boolean":  # a blank is no state of a check box: it is not sent, but filled (R17)
        lead_moved, record_moved = lead_moved & sides.lead.notna(), record_moved | sides.lead.isna()
    if field.direction is Direction.TO_LEAD:
        lead_moved &= False
    if field.direction is Direction.TO_SALESFORCE:
        record_moved &= False
    differ = ~same(sides.lead, sides.record)
    conflict = differ & lead_moved & record_moved
    lead_wins = conflict & _lead_wins(field, sides)
    return Turn(
        send=differ & lead_moved & ~record_moved | lead_wins,
        take=differ & record_moved & ~lead_moved | conflict & ~lead_wins,
        settled=~differ,
        conflict=conflict,
    )


def _lead_wins(field: ActiveField, sides: Sides) -> pd.Series:
    if field.conflict is ConflictRule.NEWEST:
        return sides.lead_is_newer
    return pd.Series(field.conflict is ConflictRule.LEAD, index=sides.lead.index)


def _shown(sides: Sides) -> Turn:
    """Show what Salesforce holds (R26, R27): edits of the lead are put back, a value out of sight stays."""
    take = ~same(sides.lead, sides.record) & (sides.record.notna() | sides.no_reference)
    return Turn(send=_no(sides), take=take, settled=~take, conflict=_no(sides))


def _delivery(field: ActiveField, sides: Sides) -> Turn:
    """Let a stop win on either side, and delivery be resumed by the lead alone (R6-R8).

    A record that is stopped beside a lead that is not has two explanations only: the lead was resumed from the stop
    that we stored and the record has not moved since, or the stop is news to the lead. A withdrawal in Salesforce is
    refused and remembered (R7): the difference stays until the lead's status moves.
    """
    lead_stopped, record_stopped = _is(sides.lead, STOPPED), _is(sides.record, STOPPED)
    unseen = sides.record_moved | ~sides.agreed
    resumed = _is(sides.lead, DELIVERING) & _is(sides.lead_was, STOPPED) & record_stopped & ~unseen
    unreadable = sides.lead.notna() & ~_is(sides.lead, DELIVERING) & ~lead_stopped & sides.lead_moved
    unreadable &= ~(record_stopped & unseen)
    stopped_there = record_stopped & ~lead_stopped & ~resumed & ~unreadable
    stopped_here = lead_stopped & ~record_stopped & (sides.lead_moved | ~sides.agreed)
    unknown_here = sides.lead.isna() & ~sides.agreed & sides.record.notna()  # a blank takes the record's value (R31)
    send, take = stopped_here | resumed | unreadable, stopped_there | unknown_here
    if field.direction is Direction.TO_LEAD:
        send &= False
    if field.direction is Direction.TO_SALESFORCE:
        take &= False
    conflict = (stopped_here | stopped_there) & sides.lead_moved & sides.record_moved
    return Turn(send, take, settled=~send & ~take, conflict=conflict)


def _is(values: pd.Series, value: str) -> pd.Series:
    return values.eq(value).fillna(value=False).astype(bool)


def _no(sides: Sides) -> pd.Series:
    return pd.Series(data=False, index=sides.lead.index)
