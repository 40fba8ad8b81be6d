"""Tell what a Salesforce answer means for the task: fine, log in again, wait, or stop.

Sources: Salesforce REST API Developer Guide, "Status Codes and Error Responses"; the bodies are arrays of
`{"errorCode", "message"}`, but a proxy or an overloaded org may answer HTML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from leadsync.core import codes
from leadsync.errors import (
    LeadsyncError,
    OrgChangedError,
    QuotaError,
    SalesforceRefusedError,
    SalesforceUnavailableError,
)

if TYPE_CHECKING:
    from requests import Response

SESSION_CODES = frozenset({"INVALID_SESSION_ID", "INVALID_AUTH_HEADER"})
LIMIT_CODES = frozenset({"REQUEST_LIMIT_EXCEEDED"})
ORG_CODES = frozenset({"INVALID_FIELD", "INVALID_TYPE"})
STOP_CODES = frozenset(
    {"API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED", "INVALID_LOGIN", "PASSWORD_LOCKOUT", "ORG_LOCKED"}
)

_SERVER_ERROR = 500

_PLACE = "ERROR at Row"
"""Ends the quotation of a query in the message about it."""


class ApiError(LeadsyncError):
    """An answer that refuses the request as a whole; `code` and `status` say which."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"Salesforce answered {status} {code}: {message}")
        self.status, self.code, self.api_message = status, code, message


def error_of(response: Response) -> tuple[str, str]:
    """Return (errorCode, message) of a failed answer; the status where the body is no Salesforce error."""
    try:
        body = orjson.loads(response.content)
        first = body[0] if isinstance(body, list) else body
        return str(first.get("errorCode") or first["error"]), str(first.get("message") or first["error_description"])
    except (orjson.JSONDecodeError, AttributeError, IndexError, KeyError, TypeError):
        return f"HTTP_{response.status_code}", response.reason or ""


def exception_for(status: int, code: str, message: str) -> LeadsyncError:
    """Return the exception that a failed answer stands for, by what to do about it."""
    message = message[max(0, message.find(_PLACE)) :]  # the query quotes addresses, which belong in no log
    text = f"Salesforce answered {status} {code}: {message}"
    if code in LIMIT_CODES:
        return QuotaError(f"{text} The sync goes on by itself when the org's daily API requests allow it.")
    if code in STOP_CODES or code in SESSION_CODES:
        return SalesforceRefusedError(f"{text} Check the connection's user, its connected app and its API permission.")
    if status >= _SERVER_ERROR or codes.is_transient(codes.from_api(code)):
        return SalesforceUnavailableError(f"{text} The task is tried again.")
    return OrgChangedError(text) if code in ORG_CODES else ApiError(status, code, message)
