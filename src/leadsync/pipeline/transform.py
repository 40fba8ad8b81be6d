"""transform: convert, match and merge the staged frames into the plan (R3, R4, R30, R31); touches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leadsync.core.access import OBJECTS
from leadsync.core.plan import Staged, decide
from leadsync.settings import DuplicateScope

if TYPE_CHECKING:
    from leadsync.pipeline.cycle import Cycle


def run(cycle: Cycle) -> dict[str, Any]:
    """Stage `actions`, `changes` and `errors`."""
    staging, extracted = cycle.staging, cycle.extracted("validate")
    staged = Staged(
        leads=staging.read_frame("leads"),
        records={sobject: staging.read_frame(f"records_{sobject}") for sobject in OBJECTS},
        links=staging.read_frame("links"),
        verdicts=staging.read_frame("verdicts"),
        unresolved=frozenset(extracted["unresolved"]),
        user_id=extracted["user_id"],
    )
    contact_first = cycle.settings.duplicate_scope is DuplicateScope.CONTACT_FIRST
    plan = decide(staged, cycle.mapping, contact_first=contact_first)
    staging.write_frame("actions", plan.actions)
    staging.write_frame("changes", plan.changes)
    staging.write_frame("errors", plan.errors)
    cycle.made("transform", extracted)
    return cycle.done("transform", plan.counts())
