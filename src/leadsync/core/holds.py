"""Why a lead is held: what matching and validation found, one row per reason (R39, R50)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from leadsync.core.codes import CODES
from leadsync.core.mapping import EMAIL
from leadsync.core.matching import CREATES, RECORD_GONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leadsync.core.access import EffectiveMapping
    from leadsync.core.merge import FieldMerge

NOT_HOLDING = frozenset({"email_cleared", "field_read_only"})
"""Errors that are reported while the lead's other fields go on."""

ERROR_COLUMNS = ["lead_id", "field", "code", "rule", "sobject", "api_name", "record_id", "value", "detail"]


def errors(
    leads: pd.DataFrame,
    matches: pd.DataFrame,
    verdicts: pd.DataFrame,
    merges: Sequence[FieldMerge],
    *,
    taken: pd.Series,
    mapping: EffectiveMapping,
) -> pd.DataFrame:
    """Return everything that is wrong, columns `ERROR_COLUMNS` (all text but `lead_id` int64) and `holds`.

    `holds` (bool) says whether it holds what the lead writes; the rest is reported only.

    Args:
        leads: `id`, `email`; index shared with `matches` and `taken`.
        matches: as `matching.match` returns it.
        verdicts: `lead_id`, `sobject`, `field`, `code`, `rule`, `value`, `detail`, for both objects.
        merges: what each field would do.
        taken: as `matching.taken_by` returns it: who has the address that a lead would take from its record.
        mapping: the effective mapping.
    """
    sent = pd.concat([_sent(leads, merge) for merge in merges] or [_sent(leads, None)], ignore_index=True)
    frames = [
        _of_identity(leads, matches),
        _of_values(leads, matches, verdicts, sent, mapping),
        _of_unmapped(leads, matches, mapping),
        _of_read_only(sent),
        _of_cleared_addresses(leads, matches, merges),
    ]
    holding = [frame.assign(holds=~frame["code"].isin(NOT_HOLDING)) for frame in frames]
    # The record's new address is held, not what its lead writes.
    holding.append(_of_taken_addresses(leads, matches, taken).assign(holds=False))
    found = pd.concat(holding).drop_duplicates(["lead_id", "field", "code"], ignore_index=True)
    return found.astype({"lead_id": "int64", "holds": "bool"})[[*ERROR_COLUMNS, "holds"]]


def _sent(leads: pd.DataFrame, merge: FieldMerge | None) -> pd.DataFrame:
    """Return what a field would send: `lead_id`, `field`, `sobject`, `api_name`, `value`; `pushed` bool."""
    columns = ["lead_id", "field", "sobject", "api_name", "value", "pushed"]
    if merge is None:
        return pd.DataFrame(columns=columns).astype({"lead_id": "int64", "field": "str", "pushed": "bool"})
    rows = merge.lead.index[merge.turn.send]
    field = merge.field
    facts = {"field": field.field, "sobject": field.sobject, "api_name": field.api_name, "pushed": field.pushed}
    return pd.DataFrame({"lead_id": leads.loc[rows, "id"], **facts, "value": merge.lead.loc[rows]})[columns]


def _of_identity(leads: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """Return what matching found."""
    rows = matches[matches["code"].notna()]
    whole = rows["code"].isin(RECORD_GONE)
    return pd.DataFrame(
        {
            "lead_id": leads.loc[rows.index, "id"],
            "field": pd.Series("email", index=rows.index, dtype="str").mask(whole, ""),
            "code": rows["code"],
            "rule": rows["code"].map({code: entry.rule for code, entry in CODES.items()}),
            "sobject": rows["sobject"],
            "api_name": pd.Series(pd.NA, index=rows.index, dtype="str"),
            "record_id": rows["record_id"],
            "value": leads.loc[rows.index, "email"].mask(whole),
            "detail": rows["detail"],
        }
    )


def _of_values(
    leads: pd.DataFrame,
    matches: pd.DataFrame,
    verdicts: pd.DataFrame,
    sent: pd.DataFrame,
    mapping: EffectiveMapping,
) -> pd.DataFrame:
    """Return the verdicts that count: on what a new record is given, and on what is sent to one that exists.

    A bad value that Salesforce's replaces, or that both sides have agreed on long ago, holds nothing (R30).
    """
    row = pd.Index(leads["id"]).get_indexer(verdicts["lead_id"])
    counted = verdicts.assign(row=row)[row >= 0].astype({"field": "str", "sobject": "str"})
    turn = matches.iloc[counted["row"]].set_axis(counted.index)
    going = turn["fate"].isin(["create", "pair"]) & turn["sobject"].eq(counted["sobject"])
    counted = counted.assign(fate=turn["fate"], record_id=turn["record_id"])[going]
    pushed = pd.DataFrame(
        [(f.sobject, f.field, f.api_name, f.default is not None) for f in mapping.fields if f.pushed],
        columns=["sobject", "field", "api_name", "has_default"],
    )
    counted = counted.merge(pushed, on=["sobject", "field"])
    counted = counted.merge(sent[["lead_id", "field"]].assign(sent=True), on=["lead_id", "field"], how="left")
    filled = counted["code"].eq("required_missing") & counted["has_default"].astype(bool)
    matters = counted["sent"].notna().where(counted["fate"].eq("pair"), ~filled)
    kept: pd.DataFrame = counted[matters]
    return kept


def _of_read_only(sent: pd.DataFrame) -> pd.DataFrame:
    """Return the lead's edits of fields that the org lets us read only (R43)."""
    rows = sent[~sent["pushed"]]
    return rows.assign(code="field_read_only", rule="R43", record_id=None, detail=None)


def _of_cleared_addresses(leads: pd.DataFrame, matches: pd.DataFrame, merges: Sequence[FieldMerge]) -> pd.DataFrame:
    """Return the leads whose record has lost its address, which is never cleared across (R3)."""
    frames = []
    for merge in merges:
        if merge.field.field == EMAIL:
            rows = merge.lead.index[merge.record.isna() & merge.lead.notna() & ~merge.turn.send]
            frames.append(_about_address(leads, matches, rows, "email_cleared"))
    return pd.concat(frames) if frames else _about_address(leads, matches, leads.index[:0], "email_cleared")


def _of_taken_addresses(leads: pd.DataFrame, matches: pd.DataFrame, taken: pd.Series) -> pd.DataFrame:
    """Return the leads whose record has an address by now that somebody else holds (R3)."""
    rows = taken.index[taken.notna()]
    return _about_address(leads, matches, rows, "address_taken").assign(detail=taken[rows])


def _about_address(leads: pd.DataFrame, matches: pd.DataFrame, rows: pd.Index, code: str) -> pd.DataFrame:
    facts = {"lead_id": leads.loc[rows, "id"], "field": EMAIL, "code": code, "rule": "R3", "api_name": None}
    own = {"sobject": matches.loc[rows, "sobject"], "record_id": matches.loc[rows, "record_id"]}
    return pd.DataFrame({**facts, **own, "value": leads.loc[rows, "email"], "detail": None}, index=rows)


def _of_unmapped(leads: pd.DataFrame, matches: pd.DataFrame, mapping: EffectiveMapping) -> pd.DataFrame:
    """Return the required fields that no mapping row fills: no Lead can be created without them (R19)."""
    labels = mapping.objects[CREATES].labels
    creating = leads.loc[matches["fate"].eq("create"), "id"]
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "lead_id": creating,
                    "field": "",
                    "code": "required_missing",
                    "rule": "R19",
                    "sobject": CREATES,
                    "api_name": name,
                    "record_id": pd.Series(pd.NA, index=creating.index, dtype="str"),
                    "value": pd.Series(pd.NA, index=creating.index, dtype="str"),
                    "detail": labels.get(name, name),
                }
            )
            for name in mapping.unfilled(CREATES)
        ]
        or [pd.DataFrame(columns=ERROR_COLUMNS, dtype="str")],
        ignore_index=True,
    )
