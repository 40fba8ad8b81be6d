"""What every stage is given: the run, the settings, the lead store, the staging folder, the org."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from leadsync.core.access import EffectiveMapping
from leadsync.errors import StagingError
from leadsync.pipeline.staging import Staging
from leadsync.salesforce.client import SalesforceClient
from leadsync.store import state

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from leadsync.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cycle:
    """One run of `lead_sync`, as one stage sees it."""

    run_id: str
    settings: Settings
    engine: Engine

    @cached_property
    def staging(self) -> Staging:
        """Return the run's staging folder."""
        return Staging(self.settings.staging, self.run_id)

    @cached_property
    def salesforce(self) -> SalesforceClient:
        """Return the org; the login happens at the first call."""
        return SalesforceClient(self.settings)

    @cached_property
    def mapping(self) -> EffectiveMapping:
        """Return the effective mapping that `prepare` staged for this run."""
        return EffectiveMapping.model_validate(self.staging.read_json("mapping"))

    @cached_property
    def salesforce_ahead(self) -> dt.timedelta:
        """Return how far Salesforce's clock was ahead of this machine's when `prepare` asked."""
        return dt.timedelta(seconds=self.staging.read_json("clock")["salesforce_ahead_seconds"])

    def extracted(self, *made_since: str) -> dict[str, Any]:
        """Return what `extract` staged, once sure that the stages named have run on that very pass, in one mapping.

        Raises:
            StagingError: files are gone, or a task was cleared without those after it; the message says which to clear.
        """
        try:
            staged: dict[str, Any] = self.staging.read_json("extract")
            stale = [name for name in made_since if self.staging.read_json(name)["plan"] != staged["plan"]]
            mapping = self.mapping.version
        except FileNotFoundError as error:
            raise StagingError(
                f"A staged file of run {self.run_id} is gone ({error}): clear `prepare` and everything after it."
            ) from error
        if staged["mapping"] != mapping:
            stale = ["extract"]
        if stale:
            raise StagingError(
                f"What `{stale[0]}` staged for run {self.run_id} belongs to an earlier pass: clear `{stale[0]}` and "
                "everything after it."
            )
        return staged

    def made(self, stage: str, staged: dict[str, Any]) -> None:
        """Mark what a stage has staged as belonging to this pass of `extract`."""
        self.staging.write_json(stage, {"plan": staged["plan"]})

    def done(self, stage: str, counts: dict[str, Any]) -> dict[str, Any]:
        """Keep and log a stage's counts, and return them."""
        with self.engine.begin() as connection:
            state.add_counts(connection, self.run_id, stage, counts, self.salesforce.calls)
        log.info("%s: %s", stage, ", ".join(f"{name}={value}" for name, value in counts.items()))
        return counts


def run_all(cycle: Cycle) -> dict[str, dict[str, Any]]:
    """Run a whole cycle in this process, with the same skipping as the DAG.

    Returns:
        Each stage's counts; a stage that was skipped is not among them.
    """
    from leadsync.pipeline import extract, load, prepare, report, transform, validate  # noqa: PLC0415 - a stage's own

    results: dict[str, dict[str, Any]] = {"prepare": prepare.run(cycle)}
    if not results["prepare"]["go"]:
        return results
    failed: list[str] = []
    trouble: Exception | None = None
    for name, stage in (("extract", extract), ("validate", validate), ("transform", transform), ("load", load)):
        try:
            results[name] = stage.run(cycle)
        except Exception as error:  # noqa: BLE001 - report runs whatever happened, then the error goes on
            failed, trouble = [name], error
            break
        if results[name].get("idle"):
            break
    try:
        results["report"] = report.run(cycle, failed)
    finally:
        if trouble is not None:
            raise trouble
    return results
