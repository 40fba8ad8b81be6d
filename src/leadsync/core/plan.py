"""The plan of a cycle, as data: what each lead's turn will be, and every value that travels, either way (R51).

`decide` is the whole decision of a cycle and touches nothing: the same staged frames always give the same plan.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from leadsync.core import holds, matching, merge, twins, types
from leadsync.core.access import OBJECTS
from leadsync.core.frames import look_up, row_hashes, stack
from leadsync.core.mapping import EMAIL
from leadsync.core.snapshot import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from leadsync.core.access import EffectiveMapping

WRITES = ("create", "update", "stop")
"""Kinds of action that write to Salesforce."""

CLOCK_DOUBT = pd.Timedelta(seconds=2)
"""Edits of both sides closer than this are as good as simultaneous: Salesforce wins (R30)."""

ZERO, FOREVER = dt.timedelta(0), dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclass(frozen=True)
class Staged:
    """What a plan is decided on.

    `leads`: `id` int64, `updated_at` UTC, `edited_at` UTC (the last edit that is not ours), `row_hash` str, `changed`
    bool (False: looked at again although unedited), and the mapped columns as raw text. `records`: object -> rows as
    `matching.candidates` wants them, with every mapped API name as wire text. `links`: as `matching.match` wants them,
    with the packed snapshots. `verdicts`: what validation found. `unresolved`: leads with an earlier write of unknown
    outcome. `now`: the lead store's clock when the leads were read (UTC); `salesforce_ahead`: how far Salesforce's
    clock is ahead of it.
    """

    leads: pd.DataFrame
    records: Mapping[str, pd.DataFrame]
    links: pd.DataFrame
    verdicts: pd.DataFrame
    unresolved: Collection[int] = ()
    user_id: str | None = None
    now: dt.datetime = FOREVER
    salesforce_ahead: dt.timedelta = ZERO


@dataclass(frozen=True)
class Plan:
    """What a cycle does.

    `actions`: one row per lead: `lead_id` int64, `kind` (`create`, `update`, `stop`, `pull`, `link`, `keep`, `hold`,
    `skip`, `defer`), `sobject`, `record_id`, `email_key`, `sent_email`, `row_hash` (as the lead will stand),
    `closes_as`, `lead_snapshot`, `record_snapshot` (packed, as they stand once it is done), `taken_lead_snapshot`,
    `taken_record_snapshot` (as they stand once the lead is written; NA where that is all) str; `link_id`,
    `link_version`, `closes`, `ousts` Int64; `edited_at` (the record's last edit by others), `lead_edited_at`,
    `lead_updated_at` (the guard of its row) UTC. `sends`: one row per value for a record, columns
    `merge.CHANGE_COLUMNS`; `takes`: one per value for a lead, columns `merge.TAKE_COLUMNS`; both in the order of
    fields, names as categories. `errors`: one row per reason to hold, columns `holds.ERROR_COLUMNS`.
    """

    actions: pd.DataFrame
    sends: pd.DataFrame
    takes: pd.DataFrame
    errors: pd.DataFrame

    def counts(self) -> dict[str, int]:
        """Return the number of leads per kind, of values that travel each way, and of conflicts."""
        kinds = {str(kind): int(count) for kind, count in self.actions["kind"].value_counts().items()}
        conflicts = int(self.sends["conflict"].sum() + self.takes["conflict"].sum())
        return {**kinds, "values": len(self.sends), "values_taken": len(self.takes), "conflicts": conflicts}


def decide(
    staged: Staged, mapping: EffectiveMapping, *, contact_first: bool = False, recreate_deleted: bool = False
) -> Plan:
    """Decide a whole cycle."""
    leads = staged.leads.reset_index(drop=True)
    found = matching.candidates(staged.records, staged.links, staged.user_id)
    matches = matching.match(
        leads,
        found,
        staged.links,
        mapping,
        unresolved=staged.unresolved,
        contact_first=contact_first,
        recreate_deleted=recreate_deleted,
    )
    was = _snapshots(matches, staged.links, mapping)
    record_edited = _of_record(matches, found, "edited_at")
    newer = _lead_is_newer(leads["edited_at"], record_edited - staged.salesforce_ahead, staged.now)
    sides = _Sides(twins.stopped_together(leads, matches, mapping), staged.records, matches, was, newer)
    groups = sides.groups(mapping)

    fields = [field for group in groups for field in group.fields]
    addresses = _new_addresses(leads, fields)
    taken = matching.taken_by(types.email_key(addresses), leads, matches, found, staged.links)
    errors = holds.errors(leads, matches, staged.verdicts, fields, taken=taken, mapping=mapping)
    held = leads["id"].isin(errors.loc[errors["holds"], "lead_id"])
    parts = [merge.carry_out(g.pairs, g.fields, held=held, keeps={EMAIL: taken.notna()}) for g in groups]
    sends = stack([part.sends for part in parts], merge.NO_SENDS)
    takes = stack([part.takes for part in parts], merge.NO_TAKES)
    takes = stack([takes, twins.stops(leads, matches, takes, mapping)], merge.NO_TAKES)

    sending, taking = leads["id"].isin(sends["lead_id"]), leads["id"].isin(takes["lead_id"])
    actions = matches.drop(columns=["fate", "code", "detail", "inherits"]).assign(
        lead_id=leads["id"],
        kind=_kinds(matches, held, sends=sending, takes=taking),
        email_key=types.email_key(addresses.mask(taken.notna())).fillna(matches["email_key"]),
        row_hash=_hashes_after(leads, takes, mapping),
        sent_email=leads["email"].str.normalize("NFKC").str.strip(),
        **_packed("", [part.after for part in parts], was),
        **_packed("taken_", [part.taken for part in parts], was, only=sending & taking),
        edited_at=record_edited,
        lead_edited_at=leads["edited_at"],
        lead_updated_at=leads["updated_at"],
    )
    return Plan(actions, sends, takes, errors.drop(columns="holds"))


def _of_record(matches: pd.DataFrame, found: pd.DataFrame, name: str) -> pd.Series:
    """Return a fact of each lead's record."""
    return look_up(matches["record_id"], found.set_index("record_id")[name])


def _lead_is_newer(lead: pd.Series, record: pd.Series, now: dt.datetime) -> pd.Series:
    """Say whose last edit counts as the newest (R30), all three on the lead store's clock.

    Within two seconds, or with a lead's time that is unknown or in the future, it is Salesforce's.
    """
    known = lead.notna() & lead.le(now)
    return known & (record.isna() | (lead - record).gt(CLOCK_DOUBT))


def _new_addresses(leads: pd.DataFrame, fields: Sequence[merge.FieldMerge]) -> pd.Series:
    """Return the address that each lead would take from its record, NA where it keeps its own."""
    new = pd.Series(pd.NA, index=leads.index, dtype="str")
    for field in fields:
        if field.field.field == EMAIL and field.turn.take.any():
            new = field.record[field.turn.take].reindex(new.index).fillna(new)
    return new


def _kinds(matches: pd.DataFrame, held: pd.Series, *, sends: pd.Series, takes: pd.Series) -> pd.Series:
    """Name each lead's turn."""
    fate = matches["fate"]
    pair = fate.eq("pair")
    renewed = matches["link_id"].isna() | matches["closes"].notna() | matches["ousts"].notna()
    kind = fate.mask(pair, "keep").mask(pair & takes, "pull").mask(pair & renewed, "link").mask(fate.eq("none"), "hold")
    kind = kind.mask(pair & sends, "update").mask(held & ~fate.eq("defer"), "hold")
    return kind.mask(held & sends, "stop").astype("str")


def _snapshots(matches: pd.DataFrame, links: pd.DataFrame, mapping: EffectiveMapping) -> merge.Snapshots:
    """Return what each lead's pair last agreed on; all NA at first contact, an heir's from the record before it."""
    by_id = links.astype({"link_id": "Int64"}).drop_duplicates("link_id").set_index("link_id")
    pair = by_id.reindex(matches["link_id"].fillna(matches["inherits"]))
    pair.index = matches.index
    columns = mapping.lead_columns
    return merge.Snapshots(
        *(unpack(pair[side].astype("str"), columns) for side in ("lead_snapshot", "record_snapshot"))
    )


def _packed(
    prefix: str, parts: Sequence[merge.Snapshots], before: merge.Snapshots, only: pd.Series | None = None
) -> dict[str, pd.Series]:
    """Pack the snapshots as they will stand: those of the merged rows, and the rest as they were."""
    packed = {}
    for name in ("lead", "record"):
        was: pd.DataFrame = getattr(before, name)
        wanted = was if only is None else was[only]
        merged = [some for part in parts if len(some := _rows(getattr(part, name), only))]
        untouched = wanted.drop(index=[label for some in merged for label in some.index])
        whole = pd.concat([*merged, untouched])[was.columns].sort_index()
        packed[f"{prefix}{name}_snapshot"] = pack(whole).reindex(was.index)
    return packed


def _rows(frame: pd.DataFrame, only: pd.Series | None) -> pd.DataFrame:
    return frame if only is None else frame[only.loc[frame.index]]


def _hashes_after(leads: pd.DataFrame, takes: pd.DataFrame, mapping: EffectiveMapping) -> pd.Series:
    """Return the row hashes as they will be once the leads have taken what is theirs: our own write is no edit."""
    rows = leads[leads["id"].isin(takes["lead_id"])]
    if rows.empty:
        return leads["row_hash"]
    values = rows[mapping.lead_columns].set_axis(rows["id"])
    for field, some in takes.groupby("field", observed=True):
        values.loc[some["lead_id"], str(field)] = some["new"].array
    return row_hashes(values).set_axis(rows.index).reindex(leads.index).fillna(leads["row_hash"])


@dataclass(frozen=True)
class _Group:
    """Leads that are merged in one go: those to create, or the pairs of one object."""

    pairs: merge.Pairs
    fields: list[merge.FieldMerge]


@dataclass(frozen=True)
class _Sides:
    """Leads beside their records and snapshots, row by row."""

    leads: pd.DataFrame
    records: Mapping[str, pd.DataFrame]
    matches: pd.DataFrame
    was: merge.Snapshots
    newer: pd.Series

    def groups(self, mapping: EffectiveMapping) -> list[_Group]:
        """Return what every field of every lead would do."""
        fate = self.matches["fate"]
        groups = []
        if (creates := fate.eq("create")).any():
            pairs = self._pairs(matching.CREATES, creates)
            groups.append(_Group(pairs, merge.create(pairs, mapping.on(matching.CREATES))))
        for sobject in OBJECTS:
            if (rows := fate.eq("pair") & self.matches["sobject"].eq(sobject)).any():
                pairs = self._pairs(sobject, rows)
                groups.append(_Group(pairs, merge.meet(pairs, mapping.on(sobject))))
        return groups

    def _pairs(self, sobject: str, rows: pd.Series) -> merge.Pairs:
        index = self.leads.index[rows]
        by_id = self.records[sobject].drop_duplicates("Id").set_index("Id")
        theirs = by_id.reindex(self.matches.loc[index, "record_id"])
        theirs.index = index
        was = merge.Snapshots(self.was.lead.loc[index], self.was.record.loc[index])
        return merge.Pairs(self.leads.loc[index], theirs, was, self.newer.loc[index])
