"""What can hold a lead: stable codes, Salesforce's own codes translated into them, and their texts (R50).

Scripts, dashboards and the rows of `sync_error` carry these codes: add to them, rename none.
"""

from __future__ import annotations

from leadsync.core.catalogue import CATALOGUE, ErrorCode

__all__ = ["CODES", "FACTS", "ErrorCode", "describe", "from_api", "is_transient"]

FACTS = ("field", "label", "value", "detail", "api_name", "sobject")
"""What a title or a remedy may name."""

_OBJECTS_JA = {"Lead": "リード", "Contact": "取引先責任者"}
_ANY_FIELD = {"ja": "項目", "en": "a field"}
_ANY_OBJECT = {"ja": "Salesforceのレコード", "en": "record"}

CODES: dict[str, ErrorCode] = {code.code: code for code in CATALOGUE}
"""Every code, in the order of the reference."""

_FROM_API = {
    "api_required_missing": "REQUIRED_FIELD_MISSING",
    "api_string_too_long": "STRING_TOO_LONG",
    "api_bad_email": "INVALID_EMAIL_ADDRESS",
    "api_picklist": "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    "api_field_not_writable": "INVALID_FIELD INVALID_FIELD_FOR_INSERT_UPDATE FIELD_NOT_UPDATABLE",
    "api_no_access": (
        "INSUFFICIENT_ACCESS INSUFFICIENT_ACCESS_OR_READONLY INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY INVALID_TYPE"
        " INVALID_TYPE_FOR_OPERATION API_DISABLED_FOR_ORG INVALID_READ_ONLY_USER_DML TXN_SECURITY_NO_ACCESS ORG_LOCKED"
    ),
    "api_not_found": "NOT_FOUND RECORD_NOT_FOUND MISSING_RECORD INVALID_CROSS_REFERENCE_KEY",
    "api_record_deleted": "ENTITY_IS_DELETED",
    "api_record_converted": "CANNOT_UPDATE_CONVERTED_LEAD",
    "api_duplicate_rule": "DUPLICATES_DETECTED",
    "api_duplicate_value": "DUPLICATE_VALUE DUPLICATE_EXTERNAL_ID",
    "api_validation_rule": (
        "FIELD_CUSTOM_VALIDATION_EXCEPTION FIELD_FILTER_VALIDATION_EXCEPTION FIELD_INTEGRITY_EXCEPTION"
        " CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY CANNOT_EXECUTE_FLOW_TRIGGER FLOW_EXCEPTION CUSTOM_APEX_ERROR"
    ),
    "api_number_range": "NUMBER_OUTSIDE_VALID_RANGE",
    "api_malformed_id": "MALFORMED_ID",
    "api_type": "JSON_PARSER_ERROR INVALID_TYPE_ON_FIELD_IN_RECORD INVALID_DATE_FORMAT",
    "api_lock": "UNABLE_TO_LOCK_ROW ENTITY_IS_LOCKED RECORD_IN_USE_BY_WORKFLOW",
    "api_limit": (
        "REQUEST_LIMIT_EXCEEDED CONCURRENT_REQUESTS_LIMIT_EXCEEDED LIMIT_EXCEEDED EXCEEDED_QUOTA STORAGE_LIMIT_EXCEEDED"
        " TOO_MANY_APEX_REQUESTS TXN_SECURITY_METERING_ERROR"
    ),
    "api_unavailable": (
        "SERVER_UNAVAILABLE QUERY_TIMEOUT REQUEST_RUNNING_TOO_LONG API_CURRENTLY_DISABLED API_TEMPORARILY_UNAVAILABLE"
        " FUNCTIONALITY_TEMPORARILY_UNAVAILABLE ORG_IN_MAINTENANCE"
        " INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE UNKNOWN_EXCEPTION INTERNAL_ERROR INVALID_SESSION_ID"
        " INVALID_AUTH_HEADER"
    ),
    "api_not_processed": "ALL_OR_NONE_OPERATION_ROLLED_BACK PROCESSING_HALTED BATCH_PROCESSING_HALTED",
}
_BY_STATUS = {status: code for code, statuses in _FROM_API.items() for status in statuses.split()}


def from_api(status_code: str) -> str:
    """Return our code for a Salesforce `statusCode` or `errorCode`; `api_other` where none fits (R37).

    Names as in the partner WSDL's `StatusCode` and `ExceptionCode`, and those that only REST answers carry
    (`NOT_FOUND`, `API_TEMPORARILY_UNAVAILABLE`, `PROCESSING_HALTED`). `HTTP_503` and its like stand for an answer
    without a Salesforce body, as a proxy or an overloaded org gives it.
    """
    if status_code.startswith("HTTP_5"):
        return "api_unavailable"
    return _BY_STATUS.get(status_code, "api_other")


def is_transient(code: str) -> bool:
    """Say whether the sync tries again by itself (R39)."""
    return code in CODES and CODES[code].retry


def asks_for_detail(code: str) -> bool:
    """Say whether the remedy is incomplete without the detail, which may differ by lead."""
    return code in CODES and "{detail}" in CODES[code].remedy_en


def describe(code: str, language: str, **facts: str | None) -> tuple[str, str]:
    """Return title and remedy of a code in `ja` or `en`.

    Args:
        code: A key of `CODES`; one that another version has left in `sync_error` reads as itself, without a remedy.
        language: `ja` or `en`.
        facts: Any of `FACTS`; what is missing or None reads as blank, a missing label as the field's or a general name.

    Raises:
        KeyError: For a fact that no text uses.
    """
    if unknown := facts.keys() - set(FACTS):
        raise KeyError(f"no error text uses {', '.join(sorted(unknown))}; the facts are {', '.join(FACTS)}")
    entry = CODES.get(code)
    if entry is None:
        return code, ""
    filled = {name: facts.get(name) or "" for name in FACTS}
    filled["label"] = filled["label"] or filled["field"] or filled["api_name"] or _ANY_FIELD[language]
    filled["sobject"] = filled["sobject"] or _ANY_OBJECT[language]
    title, remedy = entry.title_en, entry.remedy_en
    if language == "ja":
        title, remedy = entry.title_ja, entry.remedy_ja
        filled["sobject"] = _OBJECTS_JA.get(filled["sobject"], filled["sobject"])
    return title.format_map(filled).strip(), remedy.format_map(filled).strip()
