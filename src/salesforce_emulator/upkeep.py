"""The controls of the life of rows, logins and the quota: convert, merge, restore, purge; lock out; hold requests up.

What becomes of rows is done as the administrator, whom neither permissions nor sharing restrict.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from salesforce_emulator import assertion, ids, lifecycle, records
from salesforce_emulator.asked import Refused, json_object, texts
from salesforce_emulator.errors import FieldTypeError, RecordError
from salesforce_emulator.records import Writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from salesforce_emulator.org import Org
    from salesforce_emulator.users import User

    Handler = Callable[..., Any]

_USER_FLAGS = frozenset(
    {"active", "view_all", "modify_all", "password_expired", "app_revoked", "api_enabled", "view_setup"}
)


@contextmanager
def _writing(org: Org) -> Iterator[tuple[Writer, sqlite3.Connection]]:
    """Run a transaction as the administrator; what is wrong with a row becomes a refusal."""
    try:
        with org.storage.writing() as db:
            yield Writer.at(org, org.users.admin, org.clock.now()), db
    except RecordError as error:
        raise Refused("; ".join(f"{each.code}: {each.message}" for each in error.problems)) from error
    except FieldTypeError as error:
        raise Refused(f"not a {error.type_name}: {error.value!r}") from error


def convert(org: Org, given: Any) -> dict[str, Any]:
    """Convert a Lead, as SOAP `convertLead` does; answer what it became."""
    wanted = texts(given, {"lead_id"}, frozenset({"status", "account_id", "contact_id", "owner_id"}))
    found = {name: _id(value) for name, value in wanted.items() if name != "status"}
    into = lifecycle.Conversion(
        lead_id=found["lead_id"],
        status=wanted.get("status", lifecycle.CONVERTED_STATUS),
        account_id=found.get("account_id"),
        contact_id=found.get("contact_id"),
        owner_id=found.get("owner_id"),
    )
    with _writing(org) as (writer, db):
        done = lifecycle.convert(writer, db, into)
    return {"lead_id": into.lead_id, "account_id": done.account_id, "contact_id": done.contact_id}


def merge(org: Org, given: Any) -> dict[str, Any]:
    """Merge rows into a master, as SOAP `merge` does; answer which rows point elsewhere now."""
    wanted = json_object(given)
    if not {"object", "master_id", "other_ids"} <= wanted.keys() <= {"object", "master_id", "other_ids", "values"}:
        raise Refused('{"object", "master_id", "other_ids"} is expected; optional: "values"')
    view = org.view(org.users.admin, str(wanted["object"]))
    if view is None:
        raise Refused(f"no such object: {wanted['object']}", 404)
    master_id, other_ids = _id(wanted["master_id"]), _ids(wanted["other_ids"])
    if any(each[:3] != view.schema.key_prefix for each in (master_id, *other_ids)):
        raise Refused(f"all rows must be of {view.name}")
    with _writing(org) as (writer, db):
        values = records.checked(view, json_object(wanted.get("values", {})))
        moved = lifecycle.merge(writer, db, view, master_id=master_id, other_ids=other_ids, values=values)
    return {"master_id": master_id, "updated_related_ids": moved}


def undelete(org: Org, given: Any) -> None:
    """Take rows out of the recycle bin, all or none."""
    wanted = _ids(json_object(given).get("ids"))
    with _writing(org) as (writer, db):
        for record_id in wanted:
            lifecycle.undelete(writer, db, record_id)


def purge(org: Org, given: Any) -> None:
    """Remove rows for good, out of the recycle bin or not; those that are not there stay so."""
    wanted = _ids(json_object(given).get("ids"))
    with org.storage.writing() as db:
        for record_id in wanted:
            table = org.table_of_id(record_id)
            if table is None or not table.schema.stored:
                raise Refused(f"no such row: {record_id}", 404)
            lifecycle.purge(org, db, table, record_id)


def read_limits(org: Org, _: Any) -> dict[str, Any]:
    """Show the daily limits."""
    return org.quota.as_json()


def set_limits(org: Org, given: Any) -> None:
    """Set daily limits by name."""
    for name, values in json_object(given).items():
        numbers = json_object(values)
        if not numbers.keys() <= {"Max", "Remaining"} or not all(isinstance(each, int) for each in numbers.values()):
            raise Refused(f'{name}: {{"Max": number, "Remaining": number}} is expected')
    org.quota.set(given)


def set_user(org: Org, given: Any, user_id: str) -> None:
    """Change what a user may do, or the certificate of the user's connected app (PEM)."""
    changes = json_object(given)
    if not changes.keys() <= _USER_FLAGS | {"certificate"}:
        raise Refused(f"any of {', '.join(sorted(_USER_FLAGS))} and certificate is expected")
    for name, value in changes.items():
        if not isinstance(value, str if name == "certificate" else bool):
            raise Refused(f"{name} is {'text' if name == 'certificate' else 'true or false'}")
    if certificate := changes.get("certificate"):
        try:
            assertion.public_key(certificate)
        except assertion.InvalidKeyError as error:
            raise Refused(f"not a certificate or public key: {error}") from error
    if changes.get("active") is False and user_id == org.users.admin.id:
        raise Refused("the administrator stays active")
    if org.users.change(user_id, **changes) is None:
        raise Refused(f"no such user: {user_id}", 404)
    org.metadata_changed()


def approve_app(org: Org, _: Any, user_id: str) -> dict[str, str]:
    """Let a user approve the connected app, as in the browser; answer the app's refresh token."""
    return {"refresh_token": org.users.approve(_user(org, user_id))}


def set_sessions(org: Org, given: Any) -> None:
    """Set after how many seconds without use a session ends."""
    seconds = json_object(given).get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        raise Refused('{"seconds": number above 0} is expected')
    org.users.session_seconds = seconds


def end_sessions(org: Org, _: Any) -> None:
    """End every session but the administrator's."""
    org.users.end_sessions()


def read_barrier(org: Org, _: Any) -> dict[str, Any]:
    """Show whether a barrier is up, and how many requests wait at it."""
    return org.barrier.as_json()


def set_barrier(org: Org, given: Any) -> None:
    """Hold matching requests; null, or `{"release": true}`, lets them go."""
    org.barrier.set(None if given is None or given == {"release": True} else json_object(given))


def release(org: Org, _: Any) -> None:
    """Let the requests go that wait."""
    org.barrier.set(None)


def read_bulk_pace(org: Org, _: Any) -> dict[str, Any]:
    """Say how fast background jobs run."""
    return asdict(org.bulk.pace)


def set_bulk_pace(org: Org, given: Any) -> dict[str, Any]:
    """Set how fast background jobs run: `paused`, `seconds` before each batch, `batch_size` records in one."""
    kinds: dict[str, tuple[type, ...]] = {"paused": (bool,), "seconds": (int, float), "batch_size": (int,)}
    for name, value in json_object(given).items():
        if type(value) not in kinds.get(name, ()) or (name != "paused" and value < (name == "batch_size")):
            raise Refused('{"paused": true or false, "seconds": number, "batch_size": number from 1} is expected')
    return asdict(org.bulk.set_pace(**given))


def _user(org: Org, user_id: str) -> User:
    found = next((user for user in org.users if user.id == user_id), None)
    if found is None:
        raise Refused(f"no such user: {user_id}", 404)
    return found


def _id(given: Any) -> str:
    if (record_id := ids.normalise(given) if isinstance(given, str) else None) is None:
        raise Refused(f"not an id: {given}", 404)
    return record_id


def _ids(given: Any) -> list[str]:
    if not isinstance(given, list):
        raise Refused("a list of ids is expected")
    return [_id(each) for each in given]


_USER = "/users/(?P<user_id>[^/]+)"
ROUTES: tuple[tuple[str, dict[str, Handler]], ...] = (
    ("/convert", {"POST": convert}),
    ("/merge", {"POST": merge}),
    ("/undelete", {"POST": undelete}),
    ("/purge", {"POST": purge}),
    ("/limits", {"GET": read_limits, "PUT": set_limits}),
    (_USER, {"PUT": set_user}),
    (f"{_USER}/approve", {"POST": approve_app}),
    ("/sessions", {"PUT": set_sessions, "DELETE": end_sessions}),
    ("/bulk_pace", {"GET": read_bulk_pace, "PUT": set_bulk_pace}),
    ("/barrier", {"GET": read_barrier, "PUT": set_barrier, "DELETE": release}),
)
