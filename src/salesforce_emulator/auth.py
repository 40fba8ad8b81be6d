"""OAuth: token requests of every grant that needs no browser, revoking and inspecting tokens, and bearer tokens.

The errors are those of Salesforce's help page on OAuth flow errors, where a comment says nothing else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from salesforce_emulator import assertion, errors
from salesforce_emulator.resources import identity_url
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from salesforce_emulator.users import User, Users

    Grant = Callable[[Users, Mapping[str, str], str, str, str], "tuple[User, str]"]

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LOGIN_HOST = re.compile(r"https://[^/]+(?:/[^/]+)?\.salesforce\.com/?")
_SCOPE = "api refresh_token"


def token(users: Users, form: Mapping[str, str], authorization: str, base_url: str) -> Reply:
    """Answer POST /services/oauth2/token. Raises `ApiError`."""
    grant = form.get("grant_type")
    if not grant:
        raise errors.oauth("invalid_request", "missing required parameter: grant_type")
    if (handler := _GRANTS.get(grant)) is None:
        raise errors.oauth("unsupported_grant_type", "grant type not supported")
    key, secret = _client(form, authorization)
    user, refresh_token = handler(users, form, key, secret, base_url)
    if not user.api_enabled:
        raise errors.oauth("invalid_grant", "user is not API enabled")  # guessed
    session = users.start_session(user, by_app=True, refresh_token=refresh_token)
    return Reply(_token_body(user, session, base_url, signed=grant != JWT_BEARER))


def revoke(users: Users, form: Mapping[str, str]) -> Reply:
    """Answer GET or POST /services/oauth2/revoke: end an access token, or a refresh token and what it led to."""
    if not (given := form.get("token")):
        raise errors.oauth("invalid_request", "missing required parameter: token")
    if not users.revoke(given):
        raise errors.oauth("unsupported_token_type", "this token type is not supported")
    return Reply(b"")


def introspect(users: Users, form: Mapping[str, str], authorization: str, base_url: str) -> Reply:
    """Answer POST /services/oauth2/introspect: whether a token is worth anything, and whose it is."""
    key, secret = _client(form, authorization)
    _app_of(users, key, secret)
    given = form.get("token", "")
    session, found = users.session(given), users.of_refresh_token(given)
    if session is None and found is None:
        return Reply({"active": False})
    user = found or users.of_session(given)
    if user is None or user.consumer_key != key:
        return Reply({"active": False})
    body: dict[str, Any] = {
        "active": True,
        "scope": _SCOPE,
        "client_id": key,
        "username": user.username,
        "sub": identity_url(base_url, user),
        "token_type": "access_token" if session else "refresh_token",
    }
    if session is not None:
        now, monotonic = time.time(), time.monotonic()
        started = int(now - (monotonic - session.started))
        left = users.session_seconds - (monotonic - session.active)
        body |= {"iat": started, "nbf": started, "exp": int(now + left)}
    return Reply(body)


def bearer(headers: Mapping[str, str]) -> str:
    """Take the access token out of the Authorization header. Raises `ApiError` where there is none."""
    given = headers.get("authorization")
    if given is None:
        raise errors.invalid_session()
    scheme, _, value = given.strip().partition(" ")
    if scheme.lower() not in {"bearer", "oauth"}:
        raise errors.invalid_auth_header()
    return value.strip()


def of_identity(users: Users, headers: Mapping[str, str]) -> User:
    """Return who asks for an identity or userinfo, which are refused with 403 in plain text (documented)."""
    if not headers.get("authorization"):
        raise errors.identity_refused("Missing_OAuth_Token")
    user = users.of_session(bearer(headers))
    if user is None:
        raise errors.identity_refused("Bad_OAuth_Token")
    return user


def _client(form: Mapping[str, str], authorization: str) -> tuple[str, str]:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            key, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return unquote(key), unquote(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


def _app_of(users: Users, key: str, secret: str) -> User:
    """Return the user to whom a connected app belongs. Raises `ApiError`."""
    if users.by_key(key) is None:
        raise errors.oauth("invalid_client_id", "client identifier invalid")
    user = users.by_consumer(key, secret)
    if user is None:
        raise errors.oauth("invalid_client", "invalid client credentials")
    return user


def _not_blocked(user: User) -> User:
    if user.app_revoked:
        raise errors.oauth("OAUTH_APP_BLOCKED", "this app is blocked by admin")
    return user


def _active(user: User) -> User:
    if not user.active:
        raise errors.oauth("inactive_user", "user is inactive")
    return user


def _client_credentials(users: Users, _: Mapping[str, str], key: str, secret: str, __: str) -> tuple[User, str]:
    return _active(_not_blocked(_app_of(users, key, secret))), ""


def _password(users: Users, form: Mapping[str, str], key: str, secret: str, _: str) -> tuple[User, str]:
    _not_blocked(_app_of(users, key, secret))
    user = users.by_password(form.get("username", ""), form.get("password", ""))
    # What is said of an expired password is not recorded anywhere.
    if user is None or user.password_expired:
        raise errors.oauth("invalid_grant", "authentication failure")
    return user, ""


def _refresh_token(users: Users, form: Mapping[str, str], key: str, secret: str, _: str) -> tuple[User, str]:
    given = form.get("refresh_token", "")
    if users.by_key(key) is None:
        raise errors.oauth("invalid_client_id", "client identifier invalid")
    if secret:
        _app_of(users, key, secret)
    user = users.of_refresh_token(given)
    if user is None or user.consumer_key != key or user.app_revoked:
        raise errors.oauth("invalid_grant", "expired access/refresh token")
    return _active(user), given


def _jwt_bearer(users: Users, form: Mapping[str, str], _: str, __: str, base_url: str) -> tuple[User, str]:
    """Answer an assertion; of the texts only those on the audience and the approval are known."""
    claims = assertion.read(form.get("assertion", ""))
    if claims is None:
        raise errors.oauth("invalid_grant", "invalid assertion")
    app = users.by_key(claims.issuer)
    if app is None:
        raise errors.oauth("invalid_client_id", "client identifier invalid")
    if not app.certificate or not claims.is_signed_for(app.certificate):
        raise errors.oauth("invalid_grant", "invalid assertion")
    if not any(each.rstrip("/") == base_url or _LOGIN_HOST.fullmatch(each) for each in claims.audience):
        raise errors.oauth("invalid_grant", "Audience validation failed")
    if claims.expires < time.time():
        raise errors.oauth("invalid_grant", "expired assertion")
    user = users.by_name(claims.subject)
    if user is None or user is not app or user.app_revoked:
        raise errors.oauth("invalid_grant", "user hasn't approved this consumer")
    return _active(user), ""


_GRANTS: dict[str, Grant] = {
    "client_credentials": _client_credentials,
    "password": _password,
    "refresh_token": _refresh_token,
    JWT_BEARER: _jwt_bearer,
}


def _token_body(user: User, session: str, base_url: str, *, signed: bool) -> dict[str, str]:
    body = {
        "access_token": session,
        "scope": "api",
        "instance_url": base_url,
        "id": identity_url(base_url, user),
        "token_type": "Bearer",
    }
    if signed:
        issued = str(int(time.time() * 1000))
        digest = hmac.new(user.consumer_secret.encode(), (body["id"] + issued).encode(), hashlib.sha256).digest()
        body |= {"signature": base64.b64encode(digest).decode(), "issued_at": issued}
    return body
