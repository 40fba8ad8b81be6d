"""Why a lead is held: what matching and validation found, one row per reason (R39, R50)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from leadsync.core.codes import CODES
from leadsync.core.matching import CREATES, RECORD_GONE

if TYPE_CHECKING:
    from leadsync.core.access import EffectiveMapping

NOT_HOLDING = frozenset({"email_cleared"})
"""Errors that are reported while the lead's other fields go on."""

ERROR_COLUMNS = ["lead_id", "field", "code", "rule", "sobject", "api_name", "record_id", "value", "detail"]


def errors(
    leads: pd.DataFrame,
    matches: pd.DataFrame,
    verdicts: pd.DataFrame,
    lead_was: pd.DataFrame,
    mapping: EffectiveMapping,
) -> pd.DataFrame:
    """Return every reason to hold, columns `ERROR_COLUMNS`, all text but `lead_id` int64.

    Args:
        leads: `id`, `email`; index shared with `matches` and `lead_was`.
        matches: as `matching.match` returns it.
        verdicts: `lead_id`, `sobject`, `field`, `code`, `rule`, `value`, `detail`, for both objects.
        lead_was: the lead's side of the snapshots, by lead field.
        mapping: the effective mapping.
    """
    frames = [_of_identity(leads, matches), _of_values(leads, matches, verdicts, lead_was, mapping)]
    frames.append(_of_unmapped(leads, matches, mapping))
    found = pd.concat(frames, ignore_index=True)
    return found.drop_duplicates(["lead_id", "field", "code"]).astype({"lead_id": "int64"})[ERROR_COLUMNS]


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
    lead_was: pd.DataFrame,
    mapping: EffectiveMapping,
) -> pd.DataFrame:
    """Return the verdicts that count: of the lead's own object, on fields that are sent."""
    row = pd.Index(leads["id"]).get_indexer(verdicts["lead_id"])
    counted = verdicts.assign(row=row)[row >= 0]
    turn = matches.iloc[counted["row"]].set_axis(counted.index)
    going = turn["fate"].isin(["create", "pair"]) & turn["sobject"].eq(counted["sobject"].astype("str"))
    counted = counted.assign(fate=turn["fate"], record_id=turn["record_id"])[going]
    pushed = pd.DataFrame(
        [(f.sobject, f.field, f.api_name, f.default is not None) for f in mapping.fields if f.pushed],
        columns=["sobject", "field", "api_name", "has_default"],
    )
    counted = counted.merge(pushed, on=["sobject", "field"])
    missing = counted["code"].eq("required_missing")
    # A required field matters when a record is created, or when the lead cleared it since the snapshot (R19).
    cleared = pd.Series(data=False, index=counted.index)
    for field, rows in counted[missing].groupby("field", observed=True):
        cleared[rows.index] = lead_was[field].fillna("").iloc[rows["row"]].ne("").to_numpy()
    matters = counted["fate"].eq("create") & ~counted["has_default"].astype(bool) | counted["fate"].eq("pair") & cleared
    kept: pd.DataFrame = counted[~missing | matters]
    return kept


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
