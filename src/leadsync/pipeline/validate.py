"""validate: a verdict per lead and field, by Great Expectations suites made from the mapping (R9-R19)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from leadsync.validation import checkpoint

if TYPE_CHECKING:
    from leadsync.pipeline.cycle import Cycle

log = logging.getLogger(__name__)


def run(cycle: Cycle) -> dict[str, Any]:
    """Stage `verdicts`; keep Data Docs, without sample values, where something fails."""
    staged = cycle.extracted()
    leads = cycle.staging.read_frame("leads")
    verdicts = checkpoint.run(leads, cycle.mapping, cycle.staging.local("data_docs"))
    cycle.staging.write_frame("verdicts", verdicts.frame)
    cycle.made("validate", staged)
    for problem in verdicts.column_problems:
        log.error("%s", problem)
    failing = int(verdicts.frame["lead_id"].nunique())
    return cycle.done(
        "validate", {"leads": len(leads), "failing_leads": failing, "column_problems": len(verdicts.column_problems)}
    )
