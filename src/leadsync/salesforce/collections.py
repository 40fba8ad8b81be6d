"""sObject collections: up to 200 records in one call, each with its own outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from leadsync.core import codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leadsync.salesforce.client import SalesforceClient

MAX_RECORDS = 200
"""Records in one collection call (Salesforce REST API: sObject Collections)."""


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
