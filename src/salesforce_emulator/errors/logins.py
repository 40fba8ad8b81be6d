"""What a login, a session or a user without the right to call the API is refused with."""

from __future__ import annotations

from salesforce_emulator.errors.kinds import ApiError, simple


def oauth(error: str, description: str) -> ApiError:
    """Refuse a token request."""
    return ApiError(400, {"error": error, "error_description": description})


def identity_refused(code: str, status: int = 403) -> ApiError:
    """Refuse to say who somebody is: a word of plain text (documented for the identity URL)."""
    return ApiError(status, code.encode(), {"Content-Type": "text/plain;charset=UTF-8"})


def invalid_session() -> ApiError:
    """Refuse an unknown, expired or missing access token."""
    return simple(401, "INVALID_SESSION_ID", "Session expired or invalid")


def invalid_auth_header() -> ApiError:
    """Refuse an Authorization header that is neither Bearer nor OAuth."""
    return simple(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")


def api_disabled() -> ApiError:
    """Refuse a user without the permission "API Enabled"."""
    return simple(403, "API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner")


def password_expired() -> ApiError:
    """Refuse a user who must set a new password first (code and text documented for SOAP, the status guessed)."""
    text = "The users password has expired, you must call SetPassword before attempting any other API operations"
    return simple(403, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD", text)
