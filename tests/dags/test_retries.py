"""What Airflow tries again."""

from __future__ import annotations

import pytest
from airflow.sdk import ExceptionRetryPolicy, RetryAction

from leadsync import errors
from leadsync.airflow.retries import POLICY


def _branch(root: type[Exception]) -> list[type[Exception]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _branch(child))]


@pytest.mark.parametrize(
    ("error", "action"),
    [(error, RetryAction.FAIL) for error in _branch(errors.StopError)]
    + [(error, RetryAction.RETRY) for error in _branch(errors.RetryableError)]
    + [(ValueError, RetryAction.DEFAULT)],
)
def test_policy(error: type[Exception], action: RetryAction):
    """A StopError fails at once, a RetryableError is tried again, anything else follows the count of retries."""
    assert POLICY.evaluate(error("why"), try_number=1, max_tries=2).action == action


def test_policy_survives_serialisation():
    """The scheduler's copy of the DAG holds the same policy."""
    again = ExceptionRetryPolicy.deserialize(POLICY.serialize())
    assert again.evaluate(errors.QuotaError("full"), try_number=1, max_tries=2).action == RetryAction.RETRY
    assert again.evaluate(errors.SupersededError("late"), try_number=1, max_tries=2).action == RetryAction.FAIL
