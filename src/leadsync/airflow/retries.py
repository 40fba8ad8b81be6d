"""Which failures Airflow tries again, by the branch of the exception (`leadsync.errors`)."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from leadsync.errors import RetryableError, StopError

POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(StopError, RetryAction.FAIL, reason="a retry cannot help: a person must act"),
        RetryRule(
            RetryableError, RetryAction.RETRY, reason="a side was busy or away: the same task may work in a moment"
        ),
    ]
)
"""Anything else (a killed process, a bug) follows Airflow's own count of retries."""

RETRIES = {
    "retries": 2,
    "retry_delay": timedelta(seconds=5),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=1),
    "retry_policy": POLICY,
}
"""`default_args` of every DAG of ours: two more tries, 5 s and 10 s apart, well within the five minutes of a cycle."""
