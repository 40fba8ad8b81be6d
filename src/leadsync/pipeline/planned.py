"""The staged plan, read as one object per lead: what `load` carries out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leadsync.core.mapping import EMAIL

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd

    from leadsync.pipeline.cycle import Cycle


@dataclass(frozen=True)
class Action:
    """One lead's turn; the fields are those of `core.plan.Plan.actions`."""

    action_id: str
    lead_id: int
    kind: str
    sobject: str | None
    record_id: str | None
    link_id: int | None
    link_version: int | None
    closes: int | None
    ousts: int | None
    """Another lead's link to the record, which ends."""
    email_key: str | None
    sent_email: str | None
    row_hash: str
    lead_snapshot: str
    record_snapshot: str
    closes_as: str | None
    taken_lead_snapshot: str | None
    taken_record_snapshot: str | None
    edited_at: dt.datetime | None
    """The record's last edit by others."""
    lead_edited_at: dt.datetime | None
    lead_updated_at: dt.datetime | None
    changes: list[dict[str, Any]] = field(default_factory=list)
    """What the record is sent: field, api_name, old, new, lead_value, rule, conflict."""
    record: dict[str, Any] = field(default_factory=dict)
    """API name -> value as JSON carries it: null clears, a check box is a boolean, the rest is text."""
    takes: list[dict[str, Any]] = field(default_factory=list)
    """What the lead takes from its record: field, api_name, old, new, record_value, rule, conflict."""
    errors: list[dict[str, Any]] = field(default_factory=list)

    @property
    def settles_address(self) -> bool:
        """Say whether the lead's address is its link's too: a held lead's own is not, unless its record gave it."""
        accepted = self.kind not in _HELD or any(take["field"] == EMAIL for take in self.takes)
        return accepted and bool(self.email_key)

    @property
    def has_record(self) -> bool:
        """Say whether the lead goes on as a pair with a record that stands, held or not."""
        return self.kind not in _UNPAIRED and self.record_id is not None


_UNPAIRED = ("create", "skip", "defer")
_HELD = ("hold", "stop")


def read_plan(cycle: Cycle) -> list[Action]:
    """Return the staged plan's actions in the order of the leads."""
    staging = cycle.staging
    plan = cycle.extracted("validate", "transform")["plan"]
    actions, sends, takes, errors = (
        _rows(staging.read_frame(name)) for name in ("actions", "sends", "takes", "errors")
    )
    by_lead = {
        row["lead_id"]: Action(action_id=f"{plan}:{row['lead_id']}:{row['kind']}", **row)
        for row in sorted(actions, key=lambda row: row["lead_id"])
    }
    for change in sends:
        action = by_lead[change.pop("lead_id")]
        boolean = change.pop("sf_type") == "boolean"
        action.changes.append(change)
        action.record[change["api_name"]] = change["new"] == "true" if boolean else change["new"]
    for take in takes:
        by_lead[take.pop("lead_id")].takes.append(take)
    for error in errors:
        by_lead[error["lead_id"]].errors.append(error)
    return list(by_lead.values())


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows with None for NA and plain Python values."""
    columns = {str(name): frame[name].astype("object").where(frame[name].notna(), None).tolist() for name in frame}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
