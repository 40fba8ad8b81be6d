"""What a user may see and do: object permissions, field-level security, sharing, as reads and writes obey them.

The admin's profile may do everything; every other starts from the defaults of the org's kind and is changed by the
access controls.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from salesforce_emulator.table import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from salesforce_emulator.schema import FieldSchema, SObjectSchema
    from salesforce_emulator.sharing import Reach, Sharing
    from salesforce_emulator.table import Table
    from salesforce_emulator.users import User


ADMIN, INTEGRATION = "admin", "integration"

SETUP_OBJECTS = ("User", "Organization", "RecordType")
"""What profiles without the permission to customise the application read only."""

HIDDEN_IN_A_FRESH_ORG = {("Lead", "HasOptedOutOfEmail"), ("Contact", "HasOptedOutOfEmail")}
"""Field-level security hides these until somebody grants them."""


@dataclass(frozen=True, slots=True)
class ObjectAccess:
    """A profile's permissions on one object; `view_all` and `modify_all` are those that no sharing restricts."""

    read: bool = True
    create: bool = True
    edit: bool = True
    delete: bool = True
    view_all: bool = False
    modify_all: bool = False


@dataclass(frozen=True, slots=True)
class FieldAccess:
    """A profile's field-level security on one field."""

    read: bool = True
    edit: bool = True


@dataclass(frozen=True)
class ObjectView:
    """One object as one profile sees it: what it does not contain does not exist for that user.

    `rows` makes the SELECT of an object's rows that are not stored, but follow from the org's state.
    """

    schema: SObjectSchema
    table: Table
    access: ObjectAccess
    hidden: frozenset[str]
    read_only: frozenset[str]
    reach: Reach
    rows: Callable[[], str] | None = None

    @property
    def name(self) -> str:
        """Return the object's API name."""
        return self.schema.name

    @cached_property
    def source(self) -> str:
        """Return what stands behind FROM: the object's table, or the SELECT that computes its rows."""
        return quoted(self.name) if self.rows is None else f"({self.rows()})"

    @cached_property
    def fields(self) -> tuple[FieldSchema, ...]:
        """Return the readable fields in describe order."""
        return tuple(field for field in self.schema.fields if field.name not in self.hidden)

    @cached_property
    def by_name(self) -> dict[str, FieldSchema]:
        """Map lower-case names to the readable fields."""
        return {field.name.lower(): field for field in self.fields}

    @cached_property
    def by_relationship(self) -> dict[str, FieldSchema]:
        """Map lower-case relationship names to the readable reference fields."""
        return {field.relationship_name.lower(): field for field in self.fields if field.relationship_name}

    @cached_property
    def createable(self) -> frozenset[str]:
        """Return the names of the fields this user may set on create."""
        return frozenset(field.name for field in self.fields if field.createable and self.may_edit(field.name))

    @cached_property
    def updateable(self) -> frozenset[str]:
        """Return the names of the fields this user may set on update."""
        return frozenset(field.name for field in self.fields if field.updateable and self.may_edit(field.name))

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Return the names of the fields a create must fill."""
        return tuple(field.name for field in self.schema.fields if field.required)

    def may_edit(self, name: str) -> bool:
        """Tell whether field-level security lets this user write a field."""
        return name not in self.read_only

    @property
    def can_create(self) -> bool:
        """Tell whether this user may create rows."""
        return self.access.create and self.schema.top["createable"]

    @property
    def can_edit(self) -> bool:
        """Tell whether this user may change rows."""
        return self.access.edit and self.schema.top["updateable"]

    @property
    def can_delete(self) -> bool:
        """Tell whether this user may delete rows."""
        return self.access.delete and self.schema.top["deletable"]

    @property
    def overrides(self) -> dict[str, bool]:
        """Return the keys of the describe that this user's permissions change."""
        return {"createable": self.can_create, "updateable": self.can_edit, "deletable": self.can_delete}


class Permissions:
    """What one profile may do, as far as it differs from full access."""

    def __init__(self, *, fresh: bool) -> None:
        setup = ObjectAccess(create=False, edit=False, delete=False)
        self.objects: dict[str, ObjectAccess] = dict.fromkeys(SETUP_OBJECTS, setup)
        hidden = HIDDEN_IN_A_FRESH_ORG if fresh else set()
        self.fields: dict[tuple[str, str], FieldAccess] = {key: FieldAccess(read=False, edit=False) for key in hidden}

    def as_json(self) -> dict[str, Any]:
        """Return the permissions for the controls."""
        return {
            "objects": {name: asdict(access) for name, access in self.objects.items()},
            "fields": {f"{name}.{field}": asdict(access) for (name, field), access in self.fields.items()},
        }


class Access:
    """Keep each profile's permissions and build the view each user has of each object.

    A profile that was never changed has the permissions of a new one, which are those the integration starts with.
    `rows` makes the SELECT of an object's rows where they are not stored.
    """

    def __init__(self, sharing: Sharing, rows: Callable[[User, SObjectSchema], str], *, fresh: bool) -> None:
        self._sharing = sharing
        self._rows = rows
        self._fresh = fresh
        self._views: dict[tuple[str, str], ObjectView] = {}
        self.profiles: dict[str, Permissions] = {}
        self.reset()

    def reset(self) -> None:
        """Go back to the permissions the org started with."""
        self.profiles = {INTEGRATION: Permissions(fresh=self._fresh)}
        self.forget()

    def forget(self) -> None:
        """Drop the built views: the schema, a permission or sharing changed."""
        self._views = {}

    def of_profile(self, profile: str) -> Permissions:
        """Return a profile's permissions, made where nobody has asked for them before."""
        return self.profiles.setdefault(profile, Permissions(fresh=self._fresh))

    def set_object(self, name: str, changes: Mapping[str, bool], profile: str = INTEGRATION) -> ObjectAccess:
        """Change object permissions; those not named stay."""
        objects = self.of_profile(profile).objects
        objects[name] = result = replace(objects.get(name, ObjectAccess()), **changes)
        self.forget()
        return result

    def set_field(self, name: str, field: str, changes: Mapping[str, bool], profile: str = INTEGRATION) -> FieldAccess:
        """Change field-level security; what may not be read may not be edited either."""
        fields = self.of_profile(profile).fields
        result = replace(fields.get((name, field), FieldAccess()), **changes)
        if not result.read:
            result = replace(result, edit=False)
        fields[name, field] = result
        self.forget()
        return result

    def drop_field(self, name: str, field: str) -> None:
        """Forget the security of a field that is no more."""
        for permissions in self.profiles.values():
            permissions.fields.pop((name, field), None)

    def view(self, user: User, table: Table) -> ObjectView:
        """Return an object as a user sees it, whether or not the profile may read the object at all."""
        views, key = self._views, (user.id, table.name)
        if (found := views.get(key)) is None:
            found = views[key] = self._build(user, table)
        return found

    def _build(self, user: User, table: Table) -> ObjectView:
        rows = None if table.schema.stored else partial(self._rows, user, table.schema)
        if user.profile == ADMIN:
            reach = self._sharing.reach(table.name, user, {})
            return ObjectView(table.schema, table, ObjectAccess(), frozenset(), frozenset(), reach, rows)
        permissions = self.of_profile(user.profile)
        fields = {field: access for (name, field), access in permissions.fields.items() if name == table.name}
        return ObjectView(
            schema=table.schema,
            table=table,
            access=permissions.objects.get(table.name, ObjectAccess()),
            hidden=frozenset(field for field, access in fields.items() if not access.read),
            read_only=frozenset(field for field, access in fields.items() if not access.edit),
            reach=self._sharing.reach(table.name, user, permissions.objects),
            rows=rows,
        )

    def as_json(self) -> dict[str, Any]:
        """Return what differs from full access, for the controls: the integration's, and the other profiles'."""
        others = {name: each.as_json() for name, each in self.profiles.items() if name != INTEGRATION}
        return {**self.profiles[INTEGRATION].as_json(), "profiles": others}
