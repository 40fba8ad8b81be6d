"""sObject collections: up to 200 records in one call, each with its own outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_exponential_jitter

from leadsync.core import codes
from leadsync.salesforce.faults import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from leadsync.salesforce.client import SalesforceClient

    _Call = Callable[[list[dict[str, Any]]], list["Outcome"]]

MAX_RECORDS = 200
"""Records in one collection call (Salesforce REST API: sObject Collections)."""

ATTEMPTS = 3
"""How often a record is sent in one cycle while Salesforce says that it may pass in a moment (locks)."""

FIRST_WAIT = 1.0
"""Seconds before such a record is sent again; the pause doubles each time."""


class Outcome(NamedTuple):
    """What became of one record of a batch."""

    success: bool
    record_id: str | None
    status_code: str
    message: str
    fields: tuple[str, ...]


def is_transient(outcome: Outcome) -> bool:
    """Say whether the same record may pass in a moment, unchanged (R39)."""
    return not outcome.success and codes.is_transient(codes.from_api(outcome.status_code))


def _outcome(element: dict[str, Any]) -> Outcome:
    errors = element.get("errors") or []
    first = errors[0] if errors else {}
    text = "; ".join(dict.fromkeys(e.get("message", "") for e in errors))
    return Outcome(
        bool(element["success"]), element.get("id"), first.get("statusCode", ""), text, tuple(first.get("fields") or ())
    )


def insert(client: SalesforceClient, sobject: str, records: Sequence[dict[str, Any]]) -> list[Outcome]:
    """Create up to 200 records of one object; never repeated, since a repeated create is a second record.

    Returns:
        One outcome per record, in order.

    Raises:
        LostReplyError: nobody knows what was created; search before sending again.
    """
    body = {"allOrNone": False, "records": [{"attributes": {"type": sobject}, **record} for record in records]}
    return [_outcome(e) for e in client.call("POST", "composite/sobjects", body, repeatable=False)]


def update(client: SalesforceClient, sobject: str, records: Sequence[dict[str, Any]]) -> list[Outcome]:
    """Update up to 200 records of one object by `Id`; only the given fields, None clears one.

    Returns:
        One outcome per record, in order.
    """
    body = {"allOrNone": False, "records": [{"attributes": {"type": sobject}, **record} for record in records]}
    return [_outcome(e) for e in client.call("PATCH", "composite/sobjects", body)]


def send(records: Mapping[int, dict[str, Any]], call: _Call) -> dict[int, Outcome]:
    """Send records by lead id; those that may pass in a moment are sent again, alone, with a growing pause.

    Where Salesforce refuses the whole request for one record's sake, that record is found by halving.
    """
    outcomes: dict[int, Outcome] = {}

    def send_waiting() -> list[int]:
        waiting = [i for i in records if i not in outcomes or is_transient(outcomes[i])]
        outcomes.update(zip(waiting, _apart(call, [records[i] for i in waiting]), strict=True))
        return [i for i in waiting if is_transient(outcomes[i])]

    Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential_jitter(initial=FIRST_WAIT, jitter=FIRST_WAIT / 2),
        retry=retry_if_result(bool),
        retry_error_callback=lambda _: None,
    )(send_waiting)
    return outcomes


def _apart(call: _Call, records: list[dict[str, Any]]) -> list[Outcome]:
    try:
        return call(records)
    except ApiError as error:
        if len(records) == 1:
            return [
                Outcome(success=False, record_id=None, status_code=error.code, message=error.api_message, fields=())
            ]
        middle = len(records) // 2
        return _apart(call, records[:middle]) + _apart(call, records[middle:])
