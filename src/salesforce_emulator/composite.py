"""Several requests in one: `/composite` (one API call, references between its parts) and `/composite/batch`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from salesforce_emulator import errors
from salesforce_emulator.errors import ApiError
from salesforce_emulator.storage import Rollback
from salesforce_emulator.web import Call, Reply, read_params

if TYPE_CHECKING:
    from collections.abc import Callable

    Dispatch = Callable[[Call], Reply]

MAX_SUBREQUESTS, MAX_HEAVY = 25, 5
_HEAVY = re.compile(r"/(?:query|queryAll|composite/sobjects)(?:/|$)", re.IGNORECASE)
_NESTED = re.compile(r"/composite(?:/batch|/tree|/graph)?/?$", re.IGNORECASE)
_VERSIONED = re.compile(r"/services/data/v(\d{2}\.0)(/.*)")
_BATCHED = re.compile(r"/?(?:services/data/)?v(\d{2}\.0)(/.*)")
_REFERENCE = re.compile(r"@\{([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*|\[\d+\])*)\}")
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
_OK = range(200, 400)
_LOGGED_URL = 2_000


class _Unresolved(Exception):  # noqa: N818 - a reference to a part that failed or lacks the value
    pass


def composite(call: Call, dispatch: Dispatch) -> Reply:
    """Answer POST /composite: the parts run in order as one API call; `allOrNone` undoes all if one fails."""
    body = call.json_object()
    parts = _parts(body.get("compositeRequest"), "compositeRequest")
    if sum(bool(_HEAVY.search(urlsplit(str(part.get("url"))).path)) for part in parts) > MAX_HEAVY:
        raise errors.limit_exceeded(f"more than {MAX_HEAVY} subrequests are queries or collections")
    names = [name for part in parts if isinstance(name := part.get("referenceId"), str) and name]
    if len(set(names)) < len(parts):
        raise errors.simple(400, "INVALID_INPUT", "Each subrequest needs a referenceId of its own.")
    answers: dict[str, Reply] = {}
    if body.get("allOrNone") is not True:
        for name, part in zip(names, parts, strict=True):
            answers[name] = _answer(call, dispatch, part, answers)
    else:
        with call.org.storage.writing():
            for name, part in zip(names, parts, strict=True):
                answers[name] = _answer(call, dispatch, part, answers)
                if answers[name].status not in _OK:
                    failed = name
                    break
            else:
                failed = None
            if failed is not None:
                halted = errors.processing_halted()
                answers = {name: answers[name] if name == failed else Reply(halted, 400) for name in names}
                raise Rollback
    _note(call, parts, list(answers.values()))
    return Reply(
        {
            "compositeResponse": [
                {
                    "body": reply.body,
                    "httpHeaders": reply.headers,
                    "httpStatusCode": reply.status,
                    "referenceId": name,
                }
                for name, reply in answers.items()
            ]
        }
    )


def batch(call: Call, dispatch: Dispatch) -> Reply:
    """Answer POST /composite/batch: each part counts as an API call; `haltOnError` skips what follows a failure."""
    body = call.json_object()
    parts = _parts(body.get("batchRequests"), "batchRequests")
    call.org.quota.spend(len(parts) - 1)
    call.calls = len(parts)
    answers: list[Reply] = []
    for part in parts:
        failed = any(reply.status not in _OK for reply in answers)
        if failed and body.get("haltOnError") is True:
            answers.append(Reply.of_error(errors.batch_halted()))
            continue
        sub = _subcall(
            call,
            _BATCHED,
            method=part.get("method"),
            url=part.get("url"),
            headers={},
            body=part.get("richInput"),
        )
        answers.append(_run(dispatch, sub))
    _note(call, parts, answers)
    return Reply(
        {
            "hasErrors": any(reply.status not in _OK for reply in answers),
            "results": [{"statusCode": reply.status, "result": reply.body} for reply in answers],
        }
    )


def _parts(given: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not given or not all(isinstance(part, dict) for part in given):
        raise errors.json_shape(f"object with a list {name}")
    if len(given) > MAX_SUBREQUESTS:
        raise errors.limit_exceeded(f"Composite requests cannot have more than {MAX_SUBREQUESTS} subrequests.")
    return given


def _answer(call: Call, dispatch: Dispatch, part: dict[str, Any], answers: dict[str, Reply]) -> Reply:
    try:
        url = _resolved(part.get("url"), answers)
        body = _resolved(part.get("body"), answers)
        headers = part.get("httpHeaders") or {}
        sub = _subcall(call, _VERSIONED, method=part.get("method"), url=url, headers=headers, body=body)
    except _Unresolved as error:
        return Reply([{"errorCode": "PROCESSING_HALTED", "message": str(error)}], 400)
    return _run(dispatch, sub)


def _run(dispatch: Dispatch, sub: Call | ApiError) -> Reply:
    if isinstance(sub, ApiError):
        return Reply.of_error(sub)
    reply = dispatch(sub)
    if sub.method == "HEAD":
        reply.body = None
    return reply


def _subcall(
    call: Call, pattern: re.Pattern[str], *, method: Any, url: Any, headers: Any, body: Any
) -> Call | ApiError:
    if not isinstance(method, str) or method.upper() not in _METHODS:
        return errors.simple(400, "INVALID_HTTP_METHOD", f"not an HTTP method: {method}")
    if not isinstance(url, str) or not isinstance(headers, dict):
        return errors.json_shape("url and httpHeaders")
    path, _, query = url.partition("?")
    match = pattern.fullmatch(path)
    if match is None or _NESTED.search(path):
        return errors.not_found()
    return Call(
        org=call.org,
        method=method.upper(),
        path=match[2],
        version=match[1],
        user=call.user,
        base_url=call.base_url,
        params=read_params(query),
        headers={str(name).lower(): str(value) for name, value in headers.items()},
        parsed=body,
        moment=call.moment,
        locked=call.locked,
    )


def _resolved(given: Any, answers: dict[str, Reply]) -> Any:
    """Replace every `@{part.path}` in a JSON value; a text that is nothing but one keeps the value's own type."""
    if isinstance(given, str):
        if "@{" not in given:
            return given
        if match := _REFERENCE.fullmatch(given):
            return _look_up(match, answers)
        return _REFERENCE.sub(lambda match: str(_look_up(match, answers)), given)
    if isinstance(given, list):
        return [_resolved(each, answers) for each in given]
    if isinstance(given, dict):
        return {key: _resolved(value, answers) for key, value in given.items()}
    return given


def _look_up(match: re.Match[str], answers: dict[str, Reply]) -> Any:
    name, path = match.groups()
    reply = answers.get(name)
    if reply is None or reply.status not in _OK:
        raise _Unresolved(f"Invalid reference specified. No value for {name}{path} found in {name}")
    value = orjson.loads(orjson.dumps(reply.body))
    for key, index in _STEP.findall(path):
        try:
            value = value[key] if key else value[int(index)]
        except (KeyError, IndexError, TypeError):
            raise _Unresolved(f"Invalid reference specified. No value for {name}{path} found in {name}") from None
    return value


def _note(call: Call, parts: list[dict[str, Any]], answers: list[Reply]) -> None:
    call.subrequests.extend(
        {"method": part.get("method"), "url": str(part.get("url"))[:_LOGGED_URL], "status": reply.status}
        for part, reply in zip(parts, answers, strict=True)
    )
