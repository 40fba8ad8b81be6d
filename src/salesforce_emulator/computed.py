"""The rows of objects that hold none of their own: permissions, profiles, groups, shares, history and definitions.

They follow from the org's state at the moment of a query, so they cannot disagree with what reads and writes obey.
Which fields and values they have is documented; names and ids of profiles are this org's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

import orjson

from salesforce_emulator import history, ids
from salesforce_emulator.access import ADMIN, ObjectAccess, Permissions
from salesforce_emulator.clock import stamp
from salesforce_emulator.history import HISTORIES
from salesforce_emulator.sharing import CONTROLLED, DEFAULTS, LEVELS, MODELS
from salesforce_emulator.table import column_sql, literal, quoted
from salesforce_emulator.users import ORGANIZATION_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.org import Org
    from salesforce_emulator.schema import SObjectSchema
    from salesforce_emulator.users import User

    Row = dict[str, Any]

NO_ID = "000000000000000AAA"
"""The id of a row that has none of its own (seen in answers of real orgs)."""

EVERYBODY = ids.make("00G", 1)
"""The group of all internal users, to whom this org's sharing rules give access."""

QUEUE = "Queue"
"""The type of a group that may own rows."""

SHARES = {f"{name}Share": name for name in DEFAULTS}
OF_SETUP = frozenset({"FieldPermissions", "ObjectPermissions", "PermissionSet", "PermissionSetAssignment"})
"""What only users with "View Setup and Configuration" see (documented)."""

_NAMES = {ADMIN: "System Administrator"}
_OTHER_LEVELS = {"Account": {"OpportunityAccessLevel": "None", "CaseAccessLevel": "None", "ContactAccessLevel": "None"}}
"""What an AccountShare says of the account's children (guessed)."""


def profile_id(name: str) -> str:
    """Return the id of a profile, which follows from its name."""
    return _id("00e", name)


def queue_id(developer_name: str) -> str:
    """Return the id of a queue, which follows from its name."""
    return _id("00G", developer_name.lower())


def is_visible(org: Org, user: User, name: str) -> bool:
    """Tell whether a user sees a computed object: shares need their object, and one with a sharing of its own."""
    if name in OF_SETUP:
        return user.view_setup
    if tracked := HISTORIES.get(name):
        return org.view(user, tracked) is not None
    if shared := SHARES.get(name):
        return org.sharing.default(shared) != CONTROLLED and org.view(user, shared) is not None
    return True


def select(org: Org, user: User, schema: SObjectSchema) -> str:
    """Return the SELECT of the rows of a computed object that a user sees, with the table's hidden columns."""
    if tracked := HISTORIES.get(schema.name):
        return history.select(org.access.view(user, org.storage.tables[tracked]), schema)
    if shared := SHARES.get(schema.name):
        return _shares(org, org.access.view(user, org.storage.tables[shared]), schema)
    rows = _ROWS[schema.name](org, user)
    return select_values(schema, rows)


def select_values(schema: SObjectSchema, rows: Iterable[Row]) -> str:
    """Return the SELECT of rows that are known already; what a row does not say is null, or false for a check box."""
    empty = {field.name: False if field.type == "boolean" else None for field in schema.fields}
    listed = [[row.get(name, default) for name, default in empty.items()] for row in rows]
    columns = [
        f"{column_sql(field, f'value ->> {position}')} AS {quoted(field.name)}"
        for position, field in enumerate(schema.fields)
    ]
    text = literal(orjson.dumps(listed).decode())
    return f"SELECT key + 1 AS _n, NULL AS _visible_at, {', '.join(columns)} FROM json_each({text})"


def _id(prefix: str, key: str) -> str:
    return ids.make(prefix, crc32(key.encode()))


def _stamps(org: Org) -> Row:
    created, changed, admin = stamp(org.created), stamp(org.metadata_changed_at), org.users.admin.id
    return {
        "CreatedDate": created,
        "CreatedById": admin,
        "LastModifiedDate": changed,
        "LastModifiedById": admin,
        "SystemModstamp": changed,
    }


# --- profiles and permission sets ------------------------------------------------------------------------------------


def _profiles(org: Org) -> list[str]:
    return list(dict.fromkeys([ADMIN, *org.access.profiles, *(user.profile for user in org.users)]))


def _of_user(user: User) -> Row:
    admin = user.profile == ADMIN
    return {
        "PermissionsApiEnabled": user.api_enabled,
        "PermissionsModifyAllData": admin or user.modify_all,
        "PermissionsViewAllData": admin or user.view_all or user.modify_all,
        "PermissionsViewSetup": admin or user.view_setup,
    }


def _profile_rows(org: Org, _: User) -> Iterator[Row]:
    for name in _profiles(org):
        own = {"Id": profile_id(name), "Name": _NAMES.get(name, name), "UserType": "Standard"}
        yield own | _of_profile(name) | _stamps(org)


def _of_profile(name: str) -> Row:
    """Return a profile's permissions on the whole org; what a control gives a user beside them is a permission set."""
    names = ("PermissionsModifyAllData", "PermissionsViewAllData", "PermissionsViewSetup")
    return {"PermissionsApiEnabled": True} | dict.fromkeys(names, name == ADMIN)


def _granted(org: Org) -> Iterator[tuple[User, Row]]:
    """Name the users who have permissions beyond their profile's, and which."""
    for user in org.users:
        given = {name: value for name, value in _of_user(user).items() if value and not _of_profile(user.profile)[name]}
        if given:
            yield user, given


def _set_of_profile(name: str) -> str:
    return _id("0PS", f"profile {name}")


def _set_of_user(user: User) -> str:
    return _id("0PS", f"user {user.id}")


def _permission_set_rows(org: Org, _: User) -> Iterator[Row]:
    for name in _profiles(org):
        label = profile_id(name)
        own = {"Id": _set_of_profile(name), "Name": f"X{label[:15]}", "Label": label, "ProfileId": label}
        yield own | {"IsOwnedByProfile": True, "IsCustom": True, "Type": "Profile"} | _of_profile(name) | _stamps(org)
    for user, given in _granted(org):
        own = {"Id": _set_of_user(user), "Name": f"Granted_{user.id[:15]}", "Label": f"Granted to {user.name}"}
        yield own | {"IsCustom": True, "Type": "Regular"} | given | _stamps(org)


def _assignment_rows(org: Org, _: User) -> Iterator[Row]:
    changed = {"SystemModstamp": stamp(org.metadata_changed_at)}
    assigned = [(user, _set_of_profile(user.profile)) for user in org.users]
    for user, permission_set in [*assigned, *((user, _set_of_user(user)) for user, _ in _granted(org))]:
        own = {"Id": _id("0Pa", user.id + permission_set), "PermissionSetId": permission_set, "AssigneeId": user.id}
        yield own | changed


def _permission_rows(org: Org, _: User) -> Iterator[Row]:
    yield {"Id": NO_ID, "LastCacheUpdate": stamp(org.metadata_changed_at)} | _of_user(_)


def _permissions(org: Org) -> Iterator[tuple[str, Permissions | None]]:
    """Give each profile with its permissions; None stands for all that there are."""
    for name in _profiles(org):
        yield name, None if name == ADMIN else org.access.of_profile(name)


def _object_permission_rows(org: Org, _: User) -> Iterator[Row]:
    everything = ObjectAccess(view_all=True, modify_all=True)
    for profile, permissions in _permissions(org):
        for name in DEFAULTS:
            access = everything if permissions is None else permissions.objects.get(name, ObjectAccess())
            if not access.read:
                continue
            own = {
                "Id": _id("110", f"{profile} {name}"),
                "ParentId": _set_of_profile(profile),
                "SobjectType": name,
                "PermissionsCreate": access.create,
                "PermissionsRead": True,
                "PermissionsEdit": access.edit,
                "PermissionsDelete": access.delete,
                "PermissionsViewAllRecords": access.view_all or access.modify_all,
                "PermissionsModifyAllRecords": access.modify_all,
            }
            yield own | _stamps(org)


def _field_permission_rows(org: Org, _: User) -> Iterator[Row]:
    """List what may be read: without read access there is no row, and fields that cannot be hidden have none."""
    changed = stamp(org.metadata_changed_at)
    for profile, permissions in _permissions(org):
        hidden = {} if permissions is None else permissions.fields
        for name in DEFAULTS:
            for field in org.schemas[name].fields:
                access = hidden.get((name, field.name))
                if not field.permissionable or (access is not None and not access.read):
                    continue
                edits = (access is None or access.edit) and (field.createable or field.updateable)
                yield {
                    "Id": _id("01k", f"{profile} {name}.{field.name}"),
                    "ParentId": _set_of_profile(profile),
                    "SobjectType": name,
                    "Field": f"{name}.{field.name}",
                    "PermissionsEdit": edits,
                    "PermissionsRead": True,
                    "SystemModstamp": changed,
                }


# --- groups and shares -----------------------------------------------------------------------------------------------


def _group_rows(org: Org, _: User) -> Iterator[Row]:
    usual = {"OwnerId": ORGANIZATION_ID, "DoesIncludeBosses": True} | _stamps(org)
    everybody = {"Name": "All Internal Users", "DeveloperName": "AllInternalUsers", "Type": "Organization"}
    yield {"Id": EVERYBODY} | everybody | usual
    for queue in org.sharing.queues.values():
        own = {"Id": queue.id, "Name": queue.name, "DeveloperName": queue.developer_name, "Type": QUEUE}
        yield own | usual | {"DoesIncludeBosses": False}


def _member_rows(org: Org, _: User) -> Iterator[Row]:
    changed = {"SystemModstamp": stamp(org.metadata_changed_at)}
    for queue in org.sharing.queues.values():
        for member in queue.members:
            yield {"Id": _id("011", queue.id + member), "GroupId": queue.id, "UserOrGroupId": member} | changed


def _shares(org: Org, view: ObjectView, schema: SObjectSchema) -> str:
    """Return the shares of the rows that a user reads: the owner's, and one for each rule that opens more."""
    name = view.name
    default = LEVELS[org.sharing.default(name)]
    rules = [rule for rule in org.sharing.rules.get(name, ()) if LEVELS[rule.access] > default]
    selects = []
    for position, rule in enumerate([None, *rules]):
        number = f"t._n * {len(rules) + 1} + {position}"
        met = org.sharing.meets(rule, "t") if rule else f"t.{quoted('OwnerId')} IS NOT NULL"
        values = {
            "Id": f"make_id({literal(schema.key_prefix)}, {number})",
            f"{name}Id": f"t.{quoted('Id')}",
            "UserOrGroupId": literal(EVERYBODY) if rule else f"t.{quoted('OwnerId')}",
            f"{name}AccessLevel": literal(rule.access if rule else "All"),
            "RowCause": literal("Rule" if rule else "Owner"),
            "LastModifiedDate": f"t.{quoted('LastModifiedDate')}",
            "LastModifiedById": f"t.{quoted('LastModifiedById')}",
            "IsDeleted": "0",
        } | {level: literal(value) for level, value in _OTHER_LEVELS.get(name, {}).items()}
        columns = [f"{column_sql(field, values[field.name])} AS {quoted(field.name)}" for field in schema.fields]
        where = f"{met} AND t.{quoted('IsDeleted')} = 0{view.reach.and_readable('t')}"
        selects.append(
            f"SELECT {number} AS _n, t._visible_at, {', '.join(columns)} FROM {quoted(name)} t WHERE {where}"
        )
    return " UNION ALL ".join(selects)


# --- definitions -----------------------------------------------------------------------------------------------------

_SAME = {
    "IsApexTriggerable": "triggerable",
    "IsCompactLayoutable": "compactLayoutable",
    "IsCustomSetting": "customSetting",
    "IsDeprecatedAndHidden": "deprecatedAndHidden",
    "IsReplicateable": "replicateable",
    "IsRetrieveable": "retrieveable",
    "IsSearchLayoutable": "searchLayoutable",
    "IsSearchable": "searchable",
    "IsTriggerable": "triggerable",
    "IsEverCreatable": "createable",
    "IsEverUpdatable": "updateable",
    "IsEverDeletable": "deletable",
    "IsFeedEnabled": "feedEnabled",
    "IsQueryable": "queryable",
    "IsMruEnabled": "mruEnabled",
    "IsLayoutable": "layoutable",
    "HasSubtypes": "hasSubtypes",
    "IsSubtype": "isSubtype",
}
"""The key of a describe that says the same of the object, whatever the user may do with it."""


def _definition_rows(org: Org, user: User) -> Iterator[Row]:
    """Define each object that the user sees."""
    for view in org.views(user):
        schema = view.schema
        model = MODELS[org.sharing.default(view.name)] if view.name in DEFAULTS else "ReadWrite"
        own = {
            "Id": NO_ID,
            "DurableId": view.name,
            "LastModifiedDate": stamp(org.metadata_changed_at),
            "QualifiedApiName": view.name,
            "DeveloperName": view.name,
            "MasterLabel": schema.label,
            "Label": schema.label,
            "PluralLabel": schema.label_plural,
            "IsCustomizable": schema.top["layoutable"],
            "KeyPrefix": schema.key_prefix or None,
            "IsIdEnabled": True,
            "InternalSharingModel": model,
            "ExternalSharingModel": model,
        }
        yield own | {name: schema.top[key] for name, key in _SAME.items()}


_ROWS: dict[str, Callable[[Org, User], Iterator[Row]]] = {
    "EntityDefinition": _definition_rows,
    "FieldPermissions": _field_permission_rows,
    "Group": _group_rows,
    "GroupMember": _member_rows,
    "ObjectPermissions": _object_permission_rows,
    "PermissionSet": _permission_set_rows,
    "PermissionSetAssignment": _assignment_rows,
    "Profile": _profile_rows,
    "UserPermissionAccess": _permission_rows,
    "UserRecordAccess": lambda _org, _user: iter(()),
}
