"""The rows that tell permissions: profiles, permission sets, whom they are assigned to, and what they allow.

A profile owns a permission set, as in every org. What a control gives a user beside the profile is a set of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salesforce_emulator import ids
from salesforce_emulator.access import ADMIN, ObjectAccess
from salesforce_emulator.clock import stamp
from salesforce_emulator.record_access import NO_ID
from salesforce_emulator.sharing import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from salesforce_emulator.access import Permissions
    from salesforce_emulator.org import Org
    from salesforce_emulator.users import User

    Row = dict[str, Any]

OF_SETUP = frozenset({"FieldPermissions", "ObjectPermissions", "PermissionSet", "PermissionSetAssignment"})
"""What only users with "View Setup and Configuration" see (documented)."""

_NAMES = {ADMIN: "System Administrator"}


def profile_id(name: str) -> str:
    """Return the id of a profile, which follows from its name."""
    return ids.from_name("00e", name)


def stamps(org: Org) -> Row:
    """Return the stamps of a row that administrators made: when the org was, or its metadata last changed."""
    created, changed, admin = stamp(org.created), stamp(org.metadata_changed_at), org.users.admin.id
    return {
        "CreatedDate": created,
        "CreatedById": admin,
        "LastModifiedDate": changed,
        "LastModifiedById": admin,
        "SystemModstamp": changed,
    }


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
        yield own | _of_profile(name) | stamps(org)


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
    return ids.from_name("0PS", f"profile {name}")


def _set_of_user(user: User) -> str:
    return ids.from_name("0PS", f"user {user.id}")


def _permission_set_rows(org: Org, _: User) -> Iterator[Row]:
    for name in _profiles(org):
        label = profile_id(name)
        own = {"Id": _set_of_profile(name), "Name": f"X{label[:15]}", "Label": label, "ProfileId": label}
        yield own | {"IsOwnedByProfile": True, "IsCustom": True, "Type": "Profile"} | _of_profile(name) | stamps(org)
    for user, given in _granted(org):
        own = {"Id": _set_of_user(user), "Name": f"Granted_{user.id[:15]}", "Label": f"Granted to {user.name}"}
        yield own | {"IsCustom": True, "Type": "Regular"} | given | stamps(org)


def _assignment_rows(org: Org, _: User) -> Iterator[Row]:
    changed = {"SystemModstamp": stamp(org.metadata_changed_at)}
    assigned = [(user, _set_of_profile(user.profile)) for user in org.users]
    for user, permission_set in [*assigned, *((user, _set_of_user(user)) for user, _ in _granted(org))]:
        own = {
            "Id": ids.from_name("0Pa", user.id + permission_set),
            "PermissionSetId": permission_set,
            "AssigneeId": user.id,
        }
        yield own | changed


def _permission_rows(org: Org, user: User) -> Iterator[Row]:
    yield {"Id": NO_ID, "LastCacheUpdate": stamp(org.metadata_changed_at)} | _of_user(user)


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
                "Id": ids.from_name("110", f"{profile} {name}"),
                "ParentId": _set_of_profile(profile),
                "SobjectType": name,
                "PermissionsCreate": access.create,
                "PermissionsRead": True,
                "PermissionsEdit": access.edit,
                "PermissionsDelete": access.delete,
                "PermissionsViewAllRecords": access.view_all or access.modify_all,
                "PermissionsModifyAllRecords": access.modify_all,
            }
            yield own | stamps(org)


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
                    "Id": ids.from_name("01k", f"{profile} {name}.{field.name}"),
                    "ParentId": _set_of_profile(profile),
                    "SobjectType": name,
                    "Field": f"{name}.{field.name}",
                    "PermissionsEdit": edits,
                    "PermissionsRead": True,
                    "SystemModstamp": changed,
                }


ROWS: dict[str, Callable[[Org, User], Iterator[Row]]] = {
    "FieldPermissions": _field_permission_rows,
    "ObjectPermissions": _object_permission_rows,
    "PermissionSet": _permission_set_rows,
    "PermissionSetAssignment": _assignment_rows,
    "Profile": _profile_rows,
    "UserPermissionAccess": _permission_rows,
}
