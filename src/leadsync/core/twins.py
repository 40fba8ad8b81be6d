"""Several leads with one address: one of them syncs, but a stop of any is a stop of all (R3, R39)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from leadsync.core import types
from leadsync.core.mapping import FieldType
from leadsync.core.merge import NO_TAKES, RULES, TAKE_COLUMNS
from leadsync.core.three_way import STOPPED

if TYPE_CHECKING:
    from leadsync.core.access import ActiveField, EffectiveMapping

STOP = "stopped"
"""What the sync writes into a lead whose delivery is stopped."""


def stopped_together(leads: pd.DataFrame, matches: pd.DataFrame, mapping: EffectiveMapping) -> pd.DataFrame:
    """Return the leads, the one that syncs stopped where a twin of it is."""
    status, twins = _status(mapping), matches["code"].eq("email_twin")
    if status is None or not twins.any():
        return leads
    winners = _of_keys(matches, matches.loc[_stopped(leads, status) & twins, "email_key"]) & ~twins
    return leads.assign(**{status.field: leads[status.field].mask(winners & ~_stopped(leads, status), STOP)})


def stops(leads: pd.DataFrame, matches: pd.DataFrame, takes: pd.DataFrame, mapping: EffectiveMapping) -> pd.DataFrame:
    """Return the stops that reach further leads of an address, columns `merge.TAKE_COLUMNS`.

    Args:
        leads: as they stand, with `id`; index shared with `matches`.
        matches: as `matching.match` returns it.
        takes: what the leads take from their records.
        mapping: the effective mapping.
    """
    status, twins = _status(mapping), matches["code"].eq("email_twin")
    if status is None or not twins.any():
        return NO_TAKES
    syncing = matches["fate"].isin(["create", "pair"])
    taken = takes.loc[takes["field"].eq(status.field) & takes["new"].eq(STOP), "lead_id"]
    stopped = _stopped(leads, status) | leads["id"].isin(taken)
    keys = matches.loc[stopped & (syncing | twins), "email_key"]
    everyone = _of_keys(matches, keys) & _of_keys(matches, matches.loc[syncing, "email_key"])
    rows = leads[everyone & _of_keys(matches, matches.loc[twins, "email_key"]) & ~stopped]
    facts = {
        "field": status.field,
        "api_name": status.api_name,
        "new": STOP,
        "record_value": STOPPED,
        "conflict": False,
    }
    found = pd.DataFrame({"lead_id": rows["id"], "old": rows[status.field], **facts, "rule": "R3"})
    kinds: dict[str, Any] = {
        "field": "category",
        "api_name": "category",
        "rule": pd.CategoricalDtype(pd.Index(RULES, dtype="str")),
    }
    return found.astype({"new": "str", "record_value": "str"} | kinds)[TAKE_COLUMNS]


def _status(mapping: EffectiveMapping) -> ActiveField | None:
    return next((f for f in mapping.fields if f.type is FieldType.DELIVERY_STATUS), None)


def _stopped(leads: pd.DataFrame, status: ActiveField) -> pd.Series:
    return types.to_wire(leads[status.field], status).eq(STOPPED).fillna(value=False).astype(bool)


def _of_keys(matches: pd.DataFrame, keys: pd.Series) -> pd.Series:
    return matches["email_key"].isin(keys.dropna())
