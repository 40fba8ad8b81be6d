"""The controls of who may do what, and of what the org does by itself: users, profiles, sharing, rules, automation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from salesforce_emulator import records
from salesforce_emulator.access import ADMIN, INTEGRATION
from salesforce_emulator.asked import Refused, field_of, flags, json_object, table_of, texts
from salesforce_emulator.computed import queue_id
from salesforce_emulator.errors import FieldTypeError
from salesforce_emulator.sharing import Queue, SharingRule
from salesforce_emulator.table import quoted
from salesforce_emulator.values import FieldValueError

if TYPE_CHECKING:
    from collections.abc import Callable

    from salesforce_emulator.org import Org
    from salesforce_emulator.table import Table

    Handler = Callable[..., Any]


def read_access(org: Org, _: Any) -> dict[str, Any]:
    """Show what differs from full access."""
    return org.access.as_json()


def set_object_access(org: Org, given: Any, name: str) -> None:
    """Change the integration's object permissions, or those of the profile that is named."""
    profile, wanted = _profile(given)
    allowed = {"read", "create", "edit", "delete", "view_all", "modify_all"}
    org.access.set_object(table_of(org, name).name, flags(wanted, allowed), profile)
    org.metadata_changed()


def set_field_access(org: Org, given: Any, name: str, field: str) -> None:
    """Change the integration's field-level security, or that of the profile that is named."""
    table, found = field_of(org, name, field)
    if not found.permissionable:
        raise Refused(f"{table.name}.{found.name} has no field-level security (permissionable is false)")
    profile, wanted = _profile(given)
    org.access.set_field(table.name, found.name, flags(wanted, {"read", "edit"}), profile)
    org.metadata_changed()


def read_users(org: Org, _: Any) -> list[dict[str, Any]]:
    """List the users."""
    shown = ("id", "username", "name", "profile", "active", "view_all", "modify_all")
    return [{key: getattr(user, key) for key in shown} for user in org.users]


def add_user(org: Org, given: Any) -> dict[str, Any]:
    """Add a user under a profile of its own or one that is there; answer its id and keys."""
    wanted = texts(given, {"username", "profile"}, frozenset({"first_name", "last_name"}))
    if wanted["profile"] == ADMIN:
        raise Refused("there is one administrator")
    name = wanted.get("first_name", "Taro"), wanted.get("last_name", wanted["profile"].capitalize())
    try:
        user = org.users.add(wanted["username"], wanted["profile"], name)
    except ValueError as error:
        raise Refused(str(error)) from error
    org.seed_users()
    org.metadata_changed()
    keys = user.credentials(domain="")
    del keys["domain"]
    return {"id": user.id, "profile": user.profile, **keys}


def read_sharing(org: Org, _: Any) -> dict[str, Any]:
    """Show the organisation-wide defaults and sharing rules."""
    return org.sharing.as_json()


def set_sharing(org: Org, given: Any, name: str) -> None:
    """Change an object's organisation-wide default and its criteria-based rules."""
    table, wanted = table_of(org, name), json_object(given)
    if not wanted.keys() <= {"default", "rules"} or not isinstance(wanted.get("rules", []), list):
        raise Refused('{"default": text, "rules": [{"field", "value", "access"}]} is expected')
    if "OwnerId" not in table.position:
        raise Refused(f"{table.name} has no owner and is not shared")
    rules = [_rule(org, table, each) for each in wanted["rules"]] if "rules" in wanted else None
    try:
        org.sharing.set(table.name, wanted.get("default"), None if rules is None else tuple(rules))
    except ValueError as error:
        raise Refused(str(error)) from error
    column = f"Default{table.name}Access"
    if column in org.storage.tables["Organization"].position:
        with org.storage.writing() as db:
            db.execute(f"UPDATE {quoted('Organization')} SET {quoted(column)} = ?", (org.sharing.default(table.name),))
    org.metadata_changed()


def add_queue(org: Org, given: Any) -> dict[str, str]:
    """Add a queue that may own Leads, or change the members of the one of that name; answer its id."""
    wanted = dict(json_object(given))
    members = wanted.pop("members", [])
    name = texts(wanted, {"name"}, frozenset({"developer_name"}))["name"]
    developer_name = wanted.get("developer_name", re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "Queue")
    known = {user.id for user in org.users}
    if not isinstance(members, list) or not known.issuperset(map(str, members)):
        raise Refused("members are ids of users")
    queue = Queue(queue_id(developer_name), name, developer_name, tuple(map(str, members)))
    org.sharing.queues[queue.id] = queue
    org.metadata_changed()
    return {"id": queue.id}


def add_rule(org: Org, given: Any, name: str) -> None:
    """Add a validation rule or a duplicate rule to an object."""
    table = table_of(org, name)
    try:
        org.rules.add(table.name, json_object(given), org.schemas)
    except ValueError as error:
        raise Refused(str(error)) from error
    org.metadata_changed()


def drop_rules(org: Org, _: Any, name: str) -> None:
    """Take all rules off an object."""
    org.rules.clear(table_of(org, name).name)
    org.metadata_changed()


def add_automation(org: Org, given: Any, name: str) -> None:
    """Add what happens by itself on an object's saves."""
    table = table_of(org, name)
    try:
        org.automation.add(table, json_object(given), org.schemas)
    except ValueError as error:
        raise Refused(str(error)) from error
    org.metadata_changed()


def drop_automation(org: Org, _: Any, name: str) -> None:
    """Take all automation off an object."""
    org.automation.clear(table_of(org, name).name)
    org.metadata_changed()


def _profile(given: Any) -> tuple[str, dict[str, Any]]:
    wanted = dict(json_object(given))
    profile = wanted.pop("profile", INTEGRATION)
    if not isinstance(profile, str) or profile == ADMIN:
        raise Refused("profile names one that is not the administrator's")
    return profile, wanted


def _rule(org: Org, table: Table, given: Any) -> SharingRule:
    rule = json_object(given)
    if rule.keys() != {"field", "value", "access"} or not all(
        isinstance(rule[key], str) for key in ("field", "access")
    ):
        raise Refused('{"field", "value", "access"} is expected')
    _, field = field_of(org, table.name, rule["field"])
    if field.name not in table.position:
        raise Refused(f"{table.name}.{field.name} holds no value of its own")
    return SharingRule(field.name, stored_value(org, table, field.name, rule["value"]), rule["access"])


def stored_value(org: Org, table: Table, name: str, value: Any) -> Any:
    """Turn a JSON value into what is stored in a field, or refuse it."""
    try:
        found = records.checked(org.access.view(org.users.admin, table), {name: value})[name]
    except FieldTypeError as error:
        raise Refused(f"not a {error.type_name}: {error.value!r}") from error
    if isinstance(found, FieldValueError):
        raise Refused(str(found))
    return found


_NAME = r"(?P<name>[^/]+)"
ROUTES: tuple[tuple[str, dict[str, Handler]], ...] = (
    ("/access", {"GET": read_access}),
    (f"/access/{_NAME}", {"PUT": set_object_access}),
    (f"/access/{_NAME}/(?P<field>[^/]+)", {"PUT": set_field_access}),
    ("/sharing", {"GET": read_sharing}),
    (f"/sharing/{_NAME}", {"PUT": set_sharing}),
    ("/queues", {"POST": add_queue}),
    (f"/rules/{_NAME}", {"POST": add_rule, "DELETE": drop_rules}),
    (f"/automation/{_NAME}", {"POST": add_automation, "DELETE": drop_automation}),
    ("/users", {"GET": read_users, "POST": add_user}),
)
