"""One request from the wire to its reply: who asks, over which of the APIs, and what a fault says instead."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from salesforce_emulator import auth, errors, resources, soap, soapxml
from salesforce_emulator.bulk import v1, v1_forms
from salesforce_emulator.errors import ApiError
from salesforce_emulator.urls import dispatch
from salesforce_emulator.web import Call, Reply, read_params

if TYPE_CHECKING:
    from collections.abc import Container
    from datetime import datetime

    from salesforce_emulator.faults import Fault
    from salesforce_emulator.incoming import Incoming
    from salesforce_emulator.org import Org
    from salesforce_emulator.users import User

JSON = "application/json;charset=UTF-8"

_log = logging.getLogger(__name__)

_DATA = re.compile(r"/services/data/v(?P<version>\d{2}\.0)(?P<path>/.*|)")
_ASYNC = re.compile(r"//?services/async/(?P<version>\d{2}\.0)(?P<path>/.*|)")
_SOAP = re.compile(r"/services/Soap/(?P<letter>[uc])/(?P<version>\d{2}\.0)(?:/.*)?", re.IGNORECASE)
_IDENTITY = re.compile(r"/id/[^/]+/[^/]+/?")
_OAUTH = re.compile(r"/services/oauth2/(token|revoke|introspect|userinfo)/?")
_EVERY_RECORD = range(10**9)


def serve(org: Org, incoming: Incoming, fault: Fault | None, entry: dict[str, Any], moment: datetime | None) -> Reply:
    """Answer a request, errors included, and complete its entry in the log; nothing makes this raise."""
    try:
        reply = _instead(org, incoming, fault) or _reply(org, incoming, fault, entry, moment)
    except ApiError as error:
        reply = _refused(error, incoming)
    except Exception:  # noqa: BLE001 - a defect of ours must not look like the network's
        _log.exception("no answer to %s %s", incoming.method, incoming.target[:500])
        reply = Reply.of_error(errors.simple(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."))
    if fault is not None and fault.kind == "malformed":
        reply = Reply(b'{"records": [{"attributes"', reply.status, {"Content-Type": JSON})
    return reply


def session_token(incoming: Incoming) -> str:
    """Return the access token that a request carries, in whichever way; empty where it carries none."""
    if token := incoming.headers.get("authorization", "").partition(" ")[2].strip():
        return token
    if _flavour(incoming) and (asked := soapxml.read(incoming.body)):
        return asked.session
    return incoming.headers.get("x-sfdc-session", "").strip()


def _refused(error: ApiError, incoming: Incoming) -> Reply:
    """Print an error as the API does that was called."""
    if _ASYNC.fullmatch(incoming.path):
        return v1_forms.refused(error, incoming.headers)
    flavour = _flavour(incoming)
    return soap.refused(error, flavour) if flavour and isinstance(error.body, list) else Reply.of_error(error)


def _instead(org: Org, incoming: Incoming, fault: Fault | None) -> Reply | None:
    """Return the reply of a fault that answers in the org's place, or raise its error."""
    if fault is None:
        return None
    if fault.kind == "limit":
        raise errors.request_limit()
    if fault.kind == "html_503":
        raise errors.server_unavailable()
    if fault.kind == "expire_session":
        org.users.expire(session_token(incoming))
        raise errors.invalid_session()
    if fault.kind == "status":
        options = fault.options
        error = {"message": options.get("message", "fault"), "errorCode": options.get("errorCode", "FAULT")}
        return Reply(options.get("body", [error]), options.get("status", 500))
    return None


def _reply(org: Org, incoming: Incoming, fault: Fault | None, entry: dict[str, Any], moment: datetime | None) -> Reply:
    incoming.check_size()
    path, method = incoming.path, incoming.method
    if path in {"/services/data", "/services/data/"}:
        return Reply(resources.versions())
    locked = (fault.options.get("records") or _EVERY_RECORD) if fault and fault.kind == "lock" else ()
    if match := _OAUTH.fullmatch(path):
        return _oauth(org, incoming, match[1])
    if method == "POST" and (match := _SOAP.fullmatch(path)):
        return _soap(org, incoming, match, entry=entry, moment=moment, locked=locked)
    if _IDENTITY.fullmatch(path):
        return Reply(resources.identity(incoming.base_url, _identified(org, incoming)))
    bulk = _ASYNC.fullmatch(path)
    # Bulk API v1 takes the session from a header of its own (documented).
    token = incoming.headers.get("x-sfdc-session", "").strip() if bulk else auth.bearer(incoming.headers)
    user = org.users.of_session(token)
    if user is None:
        raise errors.invalid_session()
    entry["user"] = user.username
    if not (match := bulk or _DATA.fullmatch(path)):
        raise errors.not_found()
    _admit(org, user)
    if not bulk:
        _check_media(incoming, match["path"])
    call = Call(
        org=org,
        method=incoming.effective_method,
        path=match["path"],
        version=match["version"],
        user=user,
        base_url=incoming.base_url,
        params=read_params(incoming.query),
        headers=incoming.headers,
        body=incoming.body if incoming.upload else incoming.unpacked_body(),
        upload=incoming.upload,
        moment=moment,
        locked=locked,
    )
    reply = v1.answer(call) if bulk else dispatch(call)
    entry |= {"counted": True, "calls": call.calls}
    if call.subrequests:
        entry["subrequests"] = call.subrequests
    if not bulk:
        reply.headers["Sforce-Limit-Info"] = org.quota.header()
    return reply


def _admit(org: Org, user: User) -> None:
    """Count a call of a user who may call the API. Raises `ApiError`."""
    if not user.api_enabled:
        raise errors.api_disabled()
    if user.password_expired:
        raise errors.password_expired()
    org.quota.spend()


def _check_media(incoming: Incoming, path: str) -> None:
    """Refuse a body that says it is no JSON; bulk data and bodies that say nothing pass."""
    kind = incoming.headers.get("content-type", "").partition(";")[0].strip().lower()
    if incoming.body and kind and "json" not in kind and not path.lower().startswith("/jobs/"):
        raise errors.unsupported_media(kind)


def _identified(org: Org, incoming: Incoming) -> User:
    user = auth.of_identity(org.users, incoming.headers)
    if incoming.path.startswith("/id/") and incoming.path.rstrip("/").rpartition("/")[2][:15] != user.id[:15]:
        raise errors.identity_refused("Bad_Id", 404)
    return user


def _oauth(org: Org, incoming: Incoming, name: str) -> Reply:
    if name == "userinfo":
        return Reply(resources.userinfo(incoming.base_url, _identified(org, incoming)))
    if incoming.method != "POST" and (name != "revoke" or incoming.method != "GET"):
        raise errors.method_not_allowed(incoming.method, ["GET", "POST"] if name == "revoke" else ["POST"])
    form = read_params(incoming.body.decode("utf-8", "replace")) or read_params(incoming.query)
    authorization = incoming.headers.get("authorization", "")
    if name == "revoke":
        return auth.revoke(org.users, form)
    if name == "introspect":
        return auth.introspect(org.users, form, authorization, incoming.base_url)
    return auth.token(org.users, form, authorization, incoming.base_url)


def _soap(
    org: Org,
    incoming: Incoming,
    match: re.Match[str],
    *,
    entry: dict[str, Any],
    moment: datetime | None,
    locked: Container[int],
) -> Reply:
    flavour = soapxml.FLAVOURS[match["letter"].lower()]
    asked = soapxml.read(incoming.unpacked_body())
    if asked is None or asked.operation == "login":
        return soap.login(org.users, asked, flavour, match["version"], incoming.base_url)
    user = org.users.of_session(asked.session)
    if user is None:
        raise errors.invalid_session()
    entry["user"] = user.username
    if asked.operation != "logout":
        _admit(org, user)
        entry |= {"counted": True, "calls": 1}
    call = Call(
        org=org,
        method="POST",
        path=incoming.path,
        version=match["version"],
        user=user,
        base_url=incoming.base_url,
        headers=incoming.headers,
        moment=moment,
        locked=locked,
    )
    return soap.answer(call, asked, flavour)


def _flavour(incoming: Incoming) -> str:
    """Return which SOAP API a request is for; empty where it is for none."""
    match = _SOAP.fullmatch(incoming.path)
    return soapxml.FLAVOURS[match["letter"].lower()] if match else ""
