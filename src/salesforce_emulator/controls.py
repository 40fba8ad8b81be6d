"""The controls under `/_emulator/`: what an administrator would do by clicking, and faults on demand.

Every call needs the admin's bearer token. Errors are `{"error": text}`.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from salesforce_emulator import administration, customising, ids, lifecycle, records, schema, upkeep
from salesforce_emulator.access import ADMIN
from salesforce_emulator.asked import Refused, json_object, table_of
from salesforce_emulator.clock import parse_moment, read_stamp, stamp
from salesforce_emulator.errors import ApiError, FieldTypeError
from salesforce_emulator.faults import InvalidFaultError
from salesforce_emulator.table import VISIBLE_AT
from salesforce_emulator.values import FieldValueError
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from salesforce_emulator.org import Org

    Handler = Callable[..., Any]


def answer(org: Org, method: str, path: str, token: str, body: bytes) -> Reply:
    """Answer a control call; `path` starts behind `/_emulator`."""
    user = org.users.of_session(token)
    if user is None or user.profile != ADMIN:
        return Reply({"error": "the controls need the admin's access token"}, 401)
    try:
        handler = _find(method, path)
        given = orjson.loads(body) if body else None
        found = handler(org, given)
        return Reply({} if found is None else found)
    except orjson.JSONDecodeError as error:
        return Reply({"error": f"not JSON: {error}"}, 400)
    except Refused as error:
        return Reply({"error": str(error)}, error.status)
    except (InvalidFaultError, schema.InvalidFieldError) as error:
        return Reply({"error": str(error)}, 400)
    except ApiError as error:
        return Reply({"error": error.body[0]["message"]}, error.status)


def _find(method: str, path: str) -> Callable[[Org, Any], Any]:
    for pattern, handlers in _ROUTES:
        if match := pattern.fullmatch(path):
            if method not in handlers:
                raise Refused(f"{method} is not one of {', '.join(handlers)}", 405)
            return partial(handlers[method], **{name: unquote(value) for name, value in match.groupdict().items()})
    raise Refused(f"no such control: {path}", 404)


def _reset(org: Org, _: Any) -> None:
    org.reset()


def _read_requests(org: Org, _: Any) -> list[dict[str, Any]]:
    return org.requests.as_json()


def _clear_requests(org: Org, _: Any) -> None:
    org.requests.clear()


def _set_faults(org: Org, given: Any) -> None:
    if not isinstance(given, list):
        raise Refused("a list of faults is expected")
    org.faults.set(given)


def _read_faults(org: Org, _: Any) -> list[dict[str, Any]]:
    return org.faults.as_json()


def _set_clock(org: Org, given: Any) -> dict[str, str]:
    given = json_object(given)
    offset, frozen = given.get("offset_seconds", 0), given.get("frozen_at")
    if isinstance(offset, bool) or not isinstance(offset, int | float):
        raise Refused("offset_seconds is a number")
    org.clock.set(offset_seconds=offset, frozen_at=None if frozen is None else _moment(frozen))
    lifecycle.empty_bins(org, org.clock.now())
    return _read_clock(org, None)


def _read_clock(org: Org, _: Any) -> dict[str, str]:
    return {"now": org.clock.stamp()}


def _moment(given: Any) -> datetime:
    text = parse_moment(given) if isinstance(given, str) else None
    if text is None:
        raise Refused(f"not an ISO 8601 datetime with an offset: {given!r}")
    return read_stamp(text)


def _set_row(org: Org, given: Any, name: str, record_id: str) -> None:
    table, given = table_of(org, name), json_object(given)
    visible_at = given.pop("visible_at", None)
    view = org.access.view(org.users.admin, table)
    try:
        values = records.checked(view, given)
    except FieldTypeError as error:
        raise Refused(f"not a {error.type_name}: {error.value!r}") from error
    if problem := next((value for value in values.values() if isinstance(value, FieldValueError)), None):
        raise Refused(str(problem))
    if unwritable := values.keys() - (set(table.columns) - {"Id"}):
        raise Refused(f"not to be set: {', '.join(sorted(unwritable))}")
    if visible_at is not None:
        values[VISIBLE_AT] = stamp(_moment(visible_at))
    with org.storage.writing() as db:
        row_id = ids.normalise(record_id) or ""
        if not records.put(db, table, row_id, values):
            raise Refused(f"no such row: {record_id}", 404)


_NAME = r"(?P<name>[^/]+)"
_OWN: tuple[tuple[str, dict[str, Handler]], ...] = (
    ("/reset", {"POST": _reset}),
    ("/requests", {"GET": _read_requests, "DELETE": _clear_requests}),
    ("/faults", {"GET": _read_faults, "PUT": _set_faults}),
    ("/clock", {"GET": _read_clock, "PUT": _set_clock}),
    (f"/rows/{_NAME}/(?P<record_id>[^/]+)", {"PUT": _set_row}),
)
_ROUTES: list[tuple[re.Pattern[str], dict[str, Handler]]] = [
    (re.compile(f"{pattern}/?"), handlers)
    for pattern, handlers in (*_OWN, *administration.ROUTES, *customising.ROUTES, *upkeep.ROUTES)
]
