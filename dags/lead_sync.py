"""Keep the leads of the marketing platform and Salesforce the same, every five minutes.

prepare > extract > validate > transform > load > report; each task runs one stage of `leadsync.pipeline`, and this
file holds schedule and wiring only.

| what you see | what it means | what to do |
|---|---|---|
| everything after `prepare` skipped | not started yet, paused, or no e-mail mapping (XCom `counts` of `prepare`) | `leadsync start --now`, or mend the mapping |
| validate, transform, load skipped | nothing has changed since the last cycle | nothing |
| only `report` red | Salesforce refused a record that it had not refused before | read the mail or `leadsync errors`; correct the lead |
| a stage and `report` red | that stage failed; the cursors have not moved, so nothing is lost | the stage's own notes; the next run tries again |

Every task may be cleared and rerun alone, now or tomorrow. Two runs never overlap; a late run is followed by one run,
not by one for each missed tick. To stop all writing: `leadsync pause` (or pause this DAG).
"""  # noqa: E501 (a Markdown table)

# ruff: noqa: PLC0415 (what a task needs is imported when it runs, not each time this file is parsed)

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import dag, task

from leadsync.airflow.alarm import on_failure
from leadsync.airflow.retries import RETRIES

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol as TaskInstance

SALESFORCE = "salesforce_api"
"""The pool of every task that calls Salesforce: its slots bound our concurrent use of the org."""


@task.short_circuit(pool=SALESFORCE, execution_timeout=timedelta(minutes=3))
def prepare(ti: TaskInstance) -> bool:
    """Read the mapping and ask Salesforce what we may see; decide whether this run goes on.

    **Skips everything after it** (the run stays green) before a start (`not_started`, R33), while paused (`paused`)
    and without an e-mail mapping (`no_email_mapping`, R24, also mailed). The reason is in the XCom `counts`.

    **Clear and rerun:** at any time. Writes only what it found out (`sync_field`), nothing to leads or Salesforce.

    **When red:** the login (`salesforce_default`), the lead store (`lead_store`) or the mapping files
    (`leadsync mapping check`). A wrong login fails at once; an unreachable side is tried again twice.
    """
    from leadsync.airflow import stages
    from leadsync.pipeline import prepare as stage

    return bool(stages.run(stage, ti)["go"])


@task.short_circuit(pool=SALESFORCE, execution_timeout=timedelta(minutes=10))
def extract(ti: TaskInstance) -> bool:
    """Stage what changed on either side since the cursors, what is due for another try, and the other side of each.

    **Skips validate, transform and load** when nothing has changed (idle); `report` still closes the run.

    **Clear and rerun:** at any time; it stages the same window again. Cursors move only in `report`.

    **When red:** the lead store or Salesforce cannot be read; nothing has been written, the next run reads the same.
    """
    from leadsync.airflow import stages
    from leadsync.pipeline import extract as stage

    if stages.run(stage, ti)["idle"]:
        stages.skip(ti, "validate", "transform", "load")
    return True


@task(execution_timeout=timedelta(minutes=15))
def validate(ti: TaskInstance) -> dict[str, Any]:
    """Check the staged leads against the rules R9 to R19 with Great Expectations: one verdict per lead and field.

    **Clear and rerun:** at any time, with everything after it; it reads and writes the run's staging folder only.

    **When red:** a mistake in the mapping or in our code, not in a lead: bad leads are verdicts, never failures.
    Data Docs of the failing run stand in its staging folder.
    """
    from leadsync.airflow import stages
    from leadsync.pipeline import validate as stage

    return stages.run(stage, ti)


@task(execution_timeout=timedelta(minutes=15))
def transform(ti: TaskInstance) -> dict[str, Any]:
    """Match, convert and merge the staged rows into the plan: what to create, update and hold, and why.

    **Clear and rerun:** at any time, with `load` after it; it reads and writes the run's staging folder only.

    **When red:** a bug, or a staging folder that is gone (`LEADSYNC_STAGING_DAYS`): clear `extract` and what follows.
    """
    from leadsync.airflow import stages
    from leadsync.pipeline import transform as stage

    return stages.run(stage, ti)


@task(pool=SALESFORCE, execution_timeout=timedelta(minutes=45))
def load(ti: TaskInstance) -> dict[str, Any]:
    """Write the plan to Salesforce and the lead store, each action journalled before it is sent.

    **Clear and rerun:** at any time, now or tomorrow, also after a kill: the journal says what is done, an unknown
    outcome is looked up before anything is sent again, and a plan overtaken by a later run writes nothing.

    **When red:** Salesforce is away or a limit is reached. A record that Salesforce refuses does not fail this task;
    it is held and mailed by `report`.
    """
    from leadsync.airflow import stages
    from leadsync.pipeline import load as stage

    return stages.run(stage, ti)


@task(trigger_rule="all_done", execution_timeout=timedelta(minutes=5))
def report(ti: TaskInstance) -> dict[str, Any]:
    """Close the run whatever happened before: move the cursors, mail what is new, changed or recovered, count.

    **Clear and rerun:** at any time; the cursors move once per run and the same record is not mailed twice.

    **When red after its work is done:** Salesforce refused a record for the first time in this run, or a stage failed.
    Look at the mail, or at `leadsync errors`; the next run is green again unless something new is refused.
    """
    from leadsync.airflow import stages
    from leadsync.pipeline import report as stage

    failed = stages.failed_tasks(ti)
    counts = stages.run(stage, ti, failed=failed)
    stages.turn_red_after(failed)
    return counts


@dag(
    dag_id="lead_sync",
    schedule="*/5 * * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Tokyo"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    is_paused_upon_creation=False,
    default_args={"owner": "marketing-data", "on_failure_callback": on_failure, **RETRIES},
    tags=["leadsync", "salesforce", "leads"],
    doc_md=__doc__,
)
def lead_sync() -> None:
    """Wire the six stages: prepare > extract > validate > transform > load > report."""
    prepare() >> extract() >> validate() >> transform() >> load() >> report()


lead_sync()
