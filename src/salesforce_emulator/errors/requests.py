"""What a request is refused with whatever it asks for: addresses, methods, bodies, limits, the edge's own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salesforce_emulator.errors.kinds import ApiError, not_found, simple

if TYPE_CHECKING:
    from collections.abc import Iterable

    import orjson


def no_external_id(name: str) -> ApiError:
    """Refuse a row address whose field is no external id (or whose id is no id)."""
    return not_found(f"Provided external ID field does not exist or is not accessible: {name}")


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
