"""Every error body the org answers with, in one place: codes, HTTP statuses and texts of the real API.

The texts follow recordings of real orgs and Salesforce's documentation; where neither is known the docstring says so.
A failure of one record is a `RecordError` (it travels as a value in collections); one of the whole request is an
`ApiError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CUSTOM_HINT = "Please reference your WSDL or the describe call for the appropriate names."


class ApiError(Exception):
    """A request that is refused as a whole: HTTP status, body and extra headers."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(body)
        self.status = status
        self.body = body
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why one record was refused."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    def in_collection(self) -> dict[str, Any]:
        """Render as collections do: `statusCode`, `message`, `fields`."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}

    def alone(self) -> dict[str, Any]:
        """Render as single-record calls do: `message`, `errorCode`, `fields`."""
        return {"message": self.message, "errorCode": self.code, "fields": list(self.fields)}


class RecordError(Exception):
    """One record that is refused, with every reason found."""

    def __init__(self, problems: Sequence[Problem], status: int = 400) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems
        self.status = status

    def as_api_error(self) -> ApiError:
        """Turn into the answer of a call that concerned this record alone."""
        return ApiError(self.status, [problem.alone() for problem in self.problems])


class NoSuchRowError(RecordError):
    """A row that never was: a cross reference in collections, NOT_FOUND where the path names it."""

    def __init__(self) -> None:
        super().__init__([Problem("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")])

    def as_api_error(self) -> ApiError:
        """Answer 404."""
        return not_found()


class DuplicatesError(RecordError):
    """A record that a duplicate rule refuses; a call for it alone is told what it duplicates, a collection is not."""

    def __init__(self, message: str, key: str, result: dict[str, Any]) -> None:
        super().__init__([Problem("DUPLICATES_DETECTED", message)])
        self._key = key
        self._result = result

    def as_api_error(self) -> ApiError:
        """Answer with the duplicates, and without `fields`, as recorded."""
        (problem,) = self.problems
        return ApiError(400, [{self._key: self._result, "errorCode": problem.code, "message": problem.message}])


class FieldTypeError(Exception):
    """A JSON value of the wrong type for its field; becomes JSON_PARSER_ERROR once the body's text is known."""

    def __init__(self, type_name: str, value: Any) -> None:
        super().__init__(type_name, value)
        self.type_name = type_name
        self.value = value

    def in_body(self, body: bytes) -> ApiError:
        """Name the place in the request's body, as the real parser does: the character after the value."""
        token = orjson.dumps(self.value)
        end = max(body.find(token), 0) + len(token)
        line = body.count(b"\n", 0, end) + 1
        column = end - (body.rfind(b"\n", 0, end) + 1) + 1
        text = self.value if isinstance(self.value, str) else token.decode()
        return simple(
            400,
            "JSON_PARSER_ERROR",
            f"Cannot deserialize instance of {self.type_name} from {_json_kind(self.value)} value {text} "
            f"or request may be missing a required field at [line:{line}, column:{column}]",
        )


def _json_kind(value: Any) -> str:
    kinds = {str: "VALUE_STRING", bool: f"VALUE_{value}".upper(), int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT"}
    return kinds.get(type(value), "START_ARRAY" if isinstance(value, list) else "START_OBJECT")


def simple(status: int, code: str, message: str, fields: list[str] | None = None) -> ApiError:
    """Build the usual body: a list of one error, `message` before `errorCode`."""
    error: dict[str, Any] = {"message": message, "errorCode": code}
    if fields is not None:
        error["fields"] = fields
    return ApiError(status, [error])


def not_found(message: str = "The requested resource does not exist") -> ApiError:
    """Say that nothing is there; `errorCode` comes first, as recorded."""
    return ApiError(404, [{"errorCode": "NOT_FOUND", "message": message}])


def no_external_id(name: str) -> ApiError:
    """Refuse a row address whose field is no external id (or whose id is no id)."""
    return not_found(f"Provided external ID field does not exist or is not accessible: {name}")


def invalid_session() -> ApiError:
    """Refuse an unknown, expired or missing access token."""
    return simple(401, "INVALID_SESSION_ID", "Session expired or invalid")


def invalid_auth_header() -> ApiError:
    """Refuse an Authorization header that is neither Bearer nor OAuth."""
    return simple(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")


def method_not_allowed(method: str, allowed: Iterable[str]) -> ApiError:
    """Refuse a method; the list of allowed ones starts with HEAD, as recorded."""
    names = sorted(allowed, key=["HEAD", "GET", "POST", "PUT", "PATCH", "DELETE"].index)
    text = f"HTTP Method '{method}' not allowed. Allowed are {','.join(names)}"
    error = simple(405, "METHOD_NOT_ALLOWED", text)
    error.headers["Allow"] = ",".join(names)
    return error


def json_syntax(error: orjson.JSONDecodeError, body: bytes) -> ApiError:
    """Refuse a body that is not JSON, naming the character and its place."""
    text = body.decode("utf-8", "replace")
    where = f"at [line:{error.lineno}, column:{error.colno}]"
    if not text.strip():
        message = "The HTTP entity body is required, but this request has no entity body."
    elif error.pos >= len(text):
        message = f"Unexpected end-of-input: expected close marker {where}"
    else:
        char = text[error.pos]
        message = f"Unexpected character ('{char}' (code {ord(char)})): {error.msg} {where}"
    return simple(400, "JSON_PARSER_ERROR", message)


def json_shape(expected: str) -> ApiError:
    """Refuse JSON of the wrong shape (an array where an object belongs)."""
    return simple(400, "JSON_PARSER_ERROR", f"Unexpected JSON: {expected} expected at [line:1, column:1]")


def malformed_request(message: str) -> ApiError:
    """Refuse a parameter that cannot be read."""
    return simple(400, "MALFORMED_QUERY", message)


def too_complicated(why: str) -> ApiError:
    """Refuse a query beyond what can be run (the text is not recorded anywhere)."""
    return simple(400, "QUERY_TOO_COMPLICATED", f"Query is too complicated: {why}")


def in_query(code: str, query: str, position: int, length: int, message: str) -> ApiError:
    """Refuse a query, quoting the lines around the place: row and column count from 1."""
    start_of_line = query.rfind("\n", 0, position) + 1
    end_of_line = query.find("\n", position)
    line = query[start_of_line : end_of_line if end_of_line >= 0 else len(query)]
    row, column = query.count("\n", 0, position) + 1, position - start_of_line
    left = line.rfind(" ", 0, max(column - 40, 0)) + 1
    right = line.find(" ", min(column + length + 20, len(line)))
    shown = line[left : right if right >= 0 else None][:200]
    return simple(400, code, f"\n{shown}\n{' ' * (column - left)}^\nERROR at Row:{row}:Column:{column + 1}\n{message}")


def unsupported_object(name: str) -> str:
    """Say that a query's object is unknown or hidden (INVALID_TYPE)."""
    return (
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append "
        f"the '__c' after the entity name. {_CUSTOM_HINT}"
    )


def unknown_column(name: str, entity: str) -> str:
    """Say that a query's field is unknown or hidden (INVALID_FIELD)."""
    return (
        f"No such column '{name}' on entity '{entity}'. If you are attempting to use a custom field, be sure to append "
        f"the '__c' after the custom field name. {_CUSTOM_HINT}"
    )


def unknown_relationship(name: str) -> str:
    """Say that a query's relationship is unknown (INVALID_FIELD)."""
    return (
        f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom relationship, "
        f"be sure to append the '__r' after the custom relationship name. {_CUSTOM_HINT}"
    )


def unknown_in_from(name: str) -> str:
    """Say that a child query's relationship is unknown (INVALID_TYPE)."""
    return (
        f"Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a custom "
        f"relationship, be sure to append the '__r' after the custom relationship name. {_CUSTOM_HINT}"
    )


def unknown_column_on_write(name: str, entity: str) -> ApiError:
    """Refuse a record's field that is unknown or hidden."""
    return simple(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {entity}")


def request_limit() -> ApiError:
    """Refuse a call beyond the daily quota; the real API sends no Retry-After."""
    return simple(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


def precondition_failed() -> ApiError:
    """Refuse a request whose `If-…` header does not hold (the status is documented, the body is not recorded)."""
    text = "The request was not executed because one of its preconditions was not satisfied."
    return simple(412, "PRECONDITION_FAILED", text)


def unsupported_media(kind: str) -> ApiError:
    """Refuse a body of a content type that the resource does not take (the text is general knowledge)."""
    text = f"Content-Type header specified in HTTP request is not supported: {kind}"
    return simple(415, "UNSUPPORTED_MEDIA_TYPE", text)


def uri_too_long() -> ApiError:
    """Refuse a URI beyond 16,384 bytes: the edge answers in HTML, not in JSON."""
    return ApiError(414, b"<html><head><title>414 URI Too Long</title></head><body>URI Too Long</body></html>")


def headers_too_long() -> ApiError:
    """Refuse headers beyond 16,384 bytes."""
    return ApiError(431, b"<html><head><title>431</title></head><body>Request Header Fields Too Large</body></html>")


def body_too_large() -> ApiError:
    """Refuse a body beyond what the edge takes."""
    return ApiError(413, b"<html><head><title>413</title></head><body>Request Entity Too Large</body></html>")


def server_unavailable() -> ApiError:
    """Answer as an overloaded edge does: 503 in HTML."""
    return ApiError(503, b"<html><head><title>Server Unavailable</title></head><body>Server too busy</body></html>")


def limit_exceeded(message: str) -> ApiError:
    """Refuse more subrequests or records than a call may carry (the text is not recorded anywhere)."""
    return simple(400, "LIMIT_EXCEEDED", message)


# --- one record ----------------------------------------------------------------------------------------------------


def required_missing(names: Sequence[str]) -> Problem:
    """Name the required fields that got no value (R19)."""
    return Problem("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(names)}]", tuple(names))


def not_writeable(names: Sequence[str]) -> Problem:
    """Name the fields that this user may read but not write."""
    return Problem(
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        f"Unable to create/update fields: {', '.join(names)}. Please check the security settings of this field and "
        "verify that it is read/write for your profile or permission set.",
        tuple(names),
    )


def deleted() -> RecordError:
    """Refuse to write a row in the recycle bin."""
    return RecordError([Problem("ENTITY_IS_DELETED", "entity is deleted")], 404)


def malformed_id(label: str, name: str, value: Any) -> Problem:
    """Refuse text that is no id, or an id of another object."""
    return Problem("MALFORMED_ID", f"{label}: id value of incorrect type: {value}", (name,))


def converted_lead() -> RecordError:
    """Refuse to change a converted Lead."""
    return RecordError([Problem("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")])


def locked(record_id: str | None) -> RecordError:
    """Report a row that another transaction holds."""
    which = f"this record or 1 records: {record_id}" if record_id else "this record"
    return RecordError([Problem("UNABLE_TO_LOCK_ROW", f"unable to obtain exclusive access to {which}")])


def not_insertable(entity: str) -> RecordError:
    """Refuse a create that the profile (or the object itself) does not allow."""
    return RecordError([Problem("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be inserted: {entity}")])


def insufficient_access() -> RecordError:
    """Refuse an update or delete that the profile or sharing does not allow."""
    return RecordError([Problem("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")], 403)


def unreachable(record_id: str) -> RecordError:
    """Refuse to touch a row that sharing hides from the user (the code for this case is not recorded anywhere)."""
    text = f"insufficient access rights on cross-reference id: {record_id[:15]}"
    return RecordError([Problem("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", text)])


def duplicate_value(name: str, other: str) -> Problem:
    """Refuse a second row with a unique field's value; the other's id has 15 characters, or is `<unknown>`."""
    return Problem("DUPLICATE_VALUE", f"duplicate value found: {name} duplicates value on record with id: {other[:15]}")


def several_matches(name: str, found: Sequence[str]) -> RecordError:
    """Refuse an upsert whose key matches more than one row."""
    text = f"{name}: more than one record found for external id field: [{', '.join(found)}]"
    return RecordError([Problem("DUPLICATE_EXTERNAL_ID", text, (name,))])


def blind_upsert() -> RecordError:
    """Refuse an upsert whose key may stand in rows that the user cannot see (reported by users of real orgs)."""
    return RecordError([Problem("INSUFFICIENT_ACCESS", "Upsert requires view all data on a non-unique custom index")])


def rolled_back() -> Problem:
    """Mark the sound records of an all-or-none collection that failed."""
    return Problem(
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using AllOrNone header",
    )


def processing_halted() -> list[dict[str, str]]:
    """Mark the other parts of an all-or-none composite that failed."""
    return [
        {
            "errorCode": "PROCESSING_HALTED",
            "message": "The transaction was rolled back since another operation in the same transaction failed.",
        }
    ]


def batch_halted() -> ApiError:
    """Mark the parts of a batch behind one that failed, with `haltOnError` (the text is not recorded anywhere)."""
    return simple(412, "BATCH_PROCESSING_HALTED", "Batch processing halted: a previous request failed.")


# --- login ---------------------------------------------------------------------------------------------------------


def oauth(error: str, description: str) -> ApiError:
    """Refuse a token request."""
    return ApiError(400, {"error": error, "error_description": description})


def identity_refused(code: str, status: int = 403) -> ApiError:
    """Refuse to say who somebody is: a word of plain text (documented for the identity URL)."""
    return ApiError(status, code.encode(), {"Content-Type": "text/plain;charset=UTF-8"})


def api_disabled() -> ApiError:
    """Refuse a user without the permission "API Enabled"."""
    return simple(403, "API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner")


def password_expired() -> ApiError:
    """Refuse a user who must set a new password first (code and text documented for SOAP, the status guessed)."""
    text = "The users password has expired, you must call SetPassword before attempting any other API operations"
    return simple(403, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD", text)
