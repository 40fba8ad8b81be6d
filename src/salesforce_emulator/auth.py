"""Logging in: OAuth token requests and the SOAP login call, with the answers that clients take apart."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.sax.saxutils import escape

from salesforce_emulator import errors
from salesforce_emulator.resources import identity_url
from salesforce_emulator.seed import PROFILE_ID
from salesforce_emulator.users import ORGANIZATION_ID
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from salesforce_emulator.users import User, Users

_SOAP = {"Content-Type": "text/xml; charset=utf-8"}
_SESSION_SECONDS = 7200
_MAX_LOGIN_BYTES = 65_536


def token(users: Users, form: Mapping[str, str], authorization: str, base_url: str) -> Reply:
    """Answer POST /services/oauth2/token for the grants `client_credentials` and `password`. Raises `ApiError`."""
    grant = form.get("grant_type")
    key, secret = _client(form, authorization)
    if not grant:
        raise errors.oauth("invalid_request", "missing required parameter: grant_type")
    if grant not in {"client_credentials", "password"}:
        raise errors.oauth("unsupported_grant_type", "grant type not supported")
    if not users.knows_consumer(key):
        raise errors.oauth("invalid_client_id", "client identifier invalid")
    user = users.by_consumer(key, secret)
    if user is None:
        raise errors.oauth("invalid_client", "invalid client credentials")
    if grant == "password":
        user = users.by_password(form.get("username", ""), form.get("password", ""))
        if user is None:
            raise errors.oauth("invalid_grant", "authentication failure")
    return Reply(_token_body(users, user, secret, base_url))


def bearer(headers: Mapping[str, str]) -> str:
    """Take the access token out of the Authorization header. Raises `ApiError` where there is none."""
    given = headers.get("authorization")
    if given is None:
        raise errors.invalid_session()
    scheme, _, value = given.strip().partition(" ")
    if scheme.lower() not in {"bearer", "oauth"}:
        raise errors.invalid_auth_header()
    return value.strip()


def soap_login(users: Users, body: bytes, version: str, base_url: str) -> Reply:
    """Answer the SOAP `login` call: username and password, the security token appended to it or not."""
    username, password = _read_login(body)
    user = users.by_password(username, password) if username and password else None
    if user is None:
        text = "Invalid username, password, security token; or user locked out."
        return _fault("INVALID_LOGIN", text)
    return Reply(_login_result(user, users.start_session(user), version, base_url).encode(), 200, dict(_SOAP))


def _client(form: Mapping[str, str], authorization: str) -> tuple[str, str]:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            key, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return unquote(key), unquote(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


def _token_body(users: Users, user: User, secret: str, base_url: str) -> dict[str, str]:
    identity, issued = identity_url(base_url, user), str(int(time.time() * 1000))
    signature = hmac.new(secret.encode(), (identity + issued).encode(), hashlib.sha256).digest()
    return {
        "access_token": users.start_session(user),
        "signature": base64.b64encode(signature).decode(),
        "scope": "api",
        "instance_url": base_url,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued,
    }


def _read_login(body: bytes) -> tuple[str, str]:
    # Entities are a way to exhaust a parser, and no client's login declares any.
    if len(body) > _MAX_LOGIN_BYTES or b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        return "", ""
    try:
        root = ET.fromstring(body)  # noqa: S314 - no entities, see above
    except (ET.ParseError, ValueError, LookupError):
        return "", ""
    login = root.find(".//{*}login")
    if login is None:
        return "", ""
    username, password = (login.findtext(f"{{*}}{name}") or "" for name in ("username", "password"))
    return username.strip(), password.strip()


def _envelope(inner: str, namespaces: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" {namespaces} '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{inner}</soapenv:Body></soapenv:Envelope>'
    )


def _fault(code: str, text: str) -> Reply:
    inner = (
        f"<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{code}: {text}</faultstring><detail>"
        f'<sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>{code}</sf:exceptionCode>'
        f"<sf:exceptionMessage>{text}</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault>"
    )
    return Reply(_envelope(inner, 'xmlns:sf="urn:fault.partner.soap.sforce.com"').encode(), 500, dict(_SOAP))


def _login_result(user: User, session: str, version: str, base_url: str) -> str:
    short = ORGANIZATION_ID[:15]
    info = {
        "accessibilityMode": "false",
        "chatterExternal": "false",
        "currencySymbol": "￥",
        "orgAttachmentFileSizeLimit": "5242880",
        "orgDefaultCurrencyIsoCode": "JPY",
        "orgDisallowHtmlAttachments": "false",
        "orgHasPersonAccounts": "false",
        "organizationId": ORGANIZATION_ID,
        "organizationMultiCurrency": "false",
        "organizationName": "Emulator KK",
        "profileId": PROFILE_ID,
        "roleId": None,
        "sessionSecondsValid": str(_SESSION_SECONDS),
        "userDefaultCurrencyIsoCode": None,
        "userEmail": user.username,
        "userFullName": user.name,
        "userId": user.id,
        "userLanguage": "ja",
        "userLocale": "ja_JP",
        "userName": user.username,
        "userTimeZone": "Asia/Tokyo",
        "userType": "Standard",
        "userUiSkin": "Theme3",
    }
    result = {
        "metadataServerUrl": f"{base_url}/services/Soap/m/{version}/{short}",
        "passwordExpired": "false",
        "sandbox": "false",
        "serverUrl": f"{base_url}/services/Soap/u/{version}/{short}",
        "sessionId": session,
        "userId": user.id,
    }
    inner = f"{_elements(result)}<userInfo>{_elements(info)}</userInfo>"
    body = f"<loginResponse><result>{inner}</result></loginResponse>"
    return _envelope(body, 'xmlns="urn:partner.soap.sforce.com"')


def _elements(values: Mapping[str, str | None]) -> str:
    return "".join(
        f'<{name} xsi:nil="true"/>' if value is None else f"<{name}>{escape(value)}</{name}>"
        for name, value in values.items()
    )
