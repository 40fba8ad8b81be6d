"""The plan of a cycle, as data: what each lead's turn will be, and every value that is to be sent (R51).

`decide` is the whole decision of a cycle and touches nothing: the same staged frames always give the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from leadsync.core import holds, matching, merge, types
from leadsync.core.access import OBJECTS
from leadsync.core.frames import look_up, stack
from leadsync.core.mapping import FieldType
from leadsync.core.snapshot import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from leadsync.core.access import ActiveField, EffectiveMapping

    _Step = Callable[[merge.Pairs, Sequence[ActiveField]], merge.Merged]

WRITES = ("create", "update", "stop")
"""Kinds of action that write to Salesforce."""


@dataclass(frozen=True)
class Staged:
    """What a plan is decided on.

    `leads`: `id` int64, `updated_at` UTC, `row_hash` str, `changed` bool (False: looked at again although unedited),
    and the mapped columns as raw text. `records`: object -> rows as `matching.candidates` wants them, with every mapped
    API name as wire text. `links`: as `matching.match` wants them, with the packed snapshots. `verdicts`: what
    validation found. `unresolved`: leads with an earlier write of unknown outcome.
    """

    leads: pd.DataFrame
    records: Mapping[str, pd.DataFrame]
    links: pd.DataFrame
    verdicts: pd.DataFrame
    unresolved: Collection[int] = ()
    user_id: str | None = None


@dataclass(frozen=True)
class Plan:
    """What a cycle does.

    `actions`: one row per lead: `lead_id` int64, `kind` (`create`, `update`, `stop`, `link`, `keep`, `hold`, `skip`,
    `defer`), `sobject`, `record_id`, `email_key`, `sent_email`, `row_hash`, `lead_snapshot`, `record_snapshot` (packed,
    as they stand once the action is done) str; `link_id`, `link_version`, `closes`, `takes` Int64; `edited_at` UTC.
    `changes`: one row per value to send, columns `merge.CHANGE_COLUMNS`, in the order of fields, names as categories.
    `errors`: one row per reason to hold, columns `holds.ERROR_COLUMNS`.
    `differs`: fields left different at first contact.
    """

    actions: pd.DataFrame
    changes: pd.DataFrame
    errors: pd.DataFrame
    differs: int

    def counts(self) -> dict[str, int]:
        """Return the number of leads per kind, of values to send, and of differences left."""
        kinds = {str(kind): int(count) for kind, count in self.actions["kind"].value_counts().items()}
        return {**kinds, "values": len(self.changes), "first_contact_differs": self.differs}


def decide(staged: Staged, mapping: EffectiveMapping, *, contact_first: bool = False) -> Plan:
    """Decide a whole cycle."""
    leads = staged.leads.reset_index(drop=True)
    found = matching.candidates(staged.records, staged.links, staged.user_id)
    matches = matching.match(
        leads, found, staged.links, mapping, unresolved=staged.unresolved, contact_first=contact_first
    )
    lead_was, record_was = _snapshots(matches, staged.links, mapping)
    errors = holds.errors(leads, matches, staged.verdicts, lead_was, mapping)
    held = leads["id"].isin(errors.loc[~errors["code"].isin(holds.NOT_HOLDING), "lead_id"])
    sides = _Sides(_with_stops_of_twins(leads, matches, mapping), staged.records, matches, lead_was, record_was)

    fate = matches["fate"]
    steps: list[tuple[_Step, str, pd.Series]] = [(merge.create, matching.CREATES, fate.eq("create") & ~held)]
    for sobject in OBJECTS:
        pair = fate.eq("pair") & matches["sobject"].eq(sobject)
        steps += [(merge.update, sobject, pair & ~held), (merge.stop, sobject, pair & held)]
    parts = [sides.merge(step, sobject, mapping, rows) for step, sobject, rows in steps if rows.any()]
    parts = parts or [merge.NOTHING]
    changes = stack([part.changes for part in parts], merge.NOTHING.changes)

    edited = found.drop_duplicates("record_id").set_index("record_id")["edited_at"]
    actions = matches.drop(columns=["fate", "code", "detail"]).assign(
        lead_id=leads["id"],
        kind=_kinds(matches, held, sends=leads["id"].isin(changes["lead_id"])),
        row_hash=leads["row_hash"],
        sent_email=leads["email"].str.normalize("NFKC").str.strip(),
        lead_snapshot=_packed([part.lead_snapshot for part in parts], lead_was),
        record_snapshot=_packed([part.record_snapshot for part in parts], record_was),
        edited_at=look_up(matches["record_id"], edited),
    )
    return Plan(actions, changes, errors, sum(part.differs for part in parts))


def _kinds(matches: pd.DataFrame, held: pd.Series, *, sends: pd.Series) -> pd.Series:
    """Name each lead's turn."""
    fate = matches["fate"]
    renewed = matches["link_id"].isna() | matches["closes"].notna() | matches["takes"].notna()
    kind = fate.mask(fate.eq("pair"), "keep").mask(fate.eq("pair") & renewed, "link").mask(fate.eq("none"), "hold")
    kind = kind.mask(fate.eq("pair") & sends, "update").mask(held & ~fate.eq("defer"), "hold")
    return kind.mask(held & sends, "stop").astype("str")


def _snapshots(
    matches: pd.DataFrame, links: pd.DataFrame, mapping: EffectiveMapping
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what each lead's pair last agreed on (lead side, record side); all NA at first contact."""
    by_id = links.astype({"link_id": "Int64"}).drop_duplicates("link_id").set_index("link_id")
    pair = by_id.reindex(matches["link_id"])
    pair.index = matches.index
    columns = mapping.lead_columns
    return unpack(pair["lead_snapshot"].astype("str"), columns), unpack(pair["record_snapshot"].astype("str"), columns)


def _packed(parts: Sequence[pd.DataFrame], before: pd.DataFrame) -> pd.Series:
    """Pack the snapshots as they will stand: those of the merged rows, and the rest as they were."""
    merged = pd.concat(parts)
    return pack(pd.concat([merged, before.drop(index=merged.index)])[before.columns].sort_index())


def _with_stops_of_twins(leads: pd.DataFrame, matches: pd.DataFrame, mapping: EffectiveMapping) -> pd.DataFrame:
    """Read a stop on a held twin as a stop of its address: the lead that syncs carries it (R3, R39)."""
    status = next((f for f in mapping.fields if f.type is FieldType.DELIVERY_STATUS), None)
    twins = matches["code"].eq("email_twin")
    if status is None or not twins.any():
        return leads
    stopped = types.to_wire(leads[status.field], status).eq(merge.STOPPED) & twins
    winners = matches["email_key"].isin(matches.loc[stopped, "email_key"]) & ~matches["code"].eq("email_twin")
    return leads.assign(**{status.field: leads[status.field].mask(winners, "stopped")})


@dataclass(frozen=True)
class _Sides:
    """Leads beside their records and snapshots, row by row."""

    leads: pd.DataFrame
    records: Mapping[str, pd.DataFrame]
    matches: pd.DataFrame
    lead_was: pd.DataFrame
    record_was: pd.DataFrame

    def merge(self, step: _Step, sobject: str, mapping: EffectiveMapping, rows: pd.Series) -> merge.Merged:
        """Run one step of the merge over the rows of one object."""
        index = self.leads.index[rows]
        theirs = (
            self.records[sobject].drop_duplicates("Id").set_index("Id").reindex(self.matches.loc[index, "record_id"])
        )
        theirs.index = index
        pairs = merge.Pairs(self.leads.loc[index], theirs, self.lead_was.loc[index], self.record_was.loc[index])
        return step(pairs, mapping.on(sobject))
