"""transform: convert, match and merge the staged frames into the plan (R3, R4, R30, R31); touches nothing."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from leadsync.core.access import OBJECTS
from leadsync.core.plan import Staged, decide
from leadsync.settings import DuplicateScope

if TYPE_CHECKING:
    from leadsync.pipeline.cycle import Cycle


def run(cycle: Cycle) -> dict[str, Any]:
    """Stage `actions`, `sends`, `takes` and `errors`."""
    staging, extracted = cycle.staging, cycle.extracted("validate")
    staged = Staged(
        leads=staging.read_frame("leads"),
        records={sobject: staging.read_frame(f"records_{sobject}") for sobject in OBJECTS},
        links=staging.read_frame("links"),
        verdicts=staging.read_frame("verdicts"),
        unresolved=frozenset(extracted["unresolved"]),
        user_id=extracted["user_id"],
        now=dt.datetime.fromisoformat(extracted["cursor_to"]),
        salesforce_ahead=dt.timedelta(seconds=extracted["salesforce_ahead_seconds"]),
    )
    settings = cycle.settings
    plan = decide(
        staged,
        cycle.mapping,
        contact_first=settings.duplicate_scope is DuplicateScope.CONTACT_FIRST,
        recreate_deleted=settings.recreate_deleted,
    )
    for name in ("actions", "sends", "takes", "errors"):
        staging.write_frame(name, getattr(plan, name))
    cycle.made("transform", extracted)
    return cycle.done("transform", plan.counts())
