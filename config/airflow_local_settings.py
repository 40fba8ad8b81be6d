"""Airflow's local settings: warm the processes from which tasks are forked.

A task is a fork of the scheduler (LocalExecutor) or of the Celery worker. What the parent has imported costs the task
nothing, so that a stage starts in milliseconds instead of the seconds that Great Expectations takes to import.
Only these parents pay the memory; api-server, DAG processor and triggerer do not.
"""

from __future__ import annotations

import sys

if sys.argv[1:2] in (["scheduler"], ["celery"]):
    import great_expectations  # noqa: F401
    import pandas as pd  # noqa: F401
    from airflow.providers.salesforce.hooks import salesforce  # noqa: F401

    from leadsync.pipeline import extract, load, prepare, report, transform, validate  # noqa: F401
