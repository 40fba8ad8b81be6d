"""What a profile may see and do: object permissions and field-level security, as describe, query and writes obey them.

The admin's profile may do everything; the integration's starts from the defaults of the org's kind and is changed by
the access controls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from salesforce_emulator.schema import FieldSchema, SObjectSchema
    from salesforce_emulator.table import Table

ADMIN, INTEGRATION = "admin", "integration"

HIDDEN_IN_A_FRESH_ORG = {("Lead", "HasOptedOutOfEmail"), ("Contact", "HasOptedOutOfEmail")}
"""Field-level security hides these until somebody grants them."""


@dataclass(frozen=True, slots=True)
class ObjectAccess:
    """A profile's permissions on one object."""

    read: bool = True
    create: bool = True
    edit: bool = True
    delete: bool = True


@dataclass(frozen=True, slots=True)
class FieldAccess:
    """A profile's field-level security on one field."""

    read: bool = True
    edit: bool = True


@dataclass(frozen=True)
class ObjectView:
    """One object as one profile sees it: what it does not contain does not exist for that user."""

    schema: SObjectSchema
    table: Table
    access: ObjectAccess
    hidden: frozenset[str]
    read_only: frozenset[str]

    @property
    def name(self) -> str:
        """Return the object's API name."""
        return self.schema.name

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


class Access:
    """Keep the integration profile's permissions and build the view each profile has of each object."""

    def __init__(self, *, fresh: bool) -> None:
        self._fresh = fresh
        self.objects: dict[str, ObjectAccess] = {}
        self.fields: dict[tuple[str, str], FieldAccess] = {}
        self._views: dict[tuple[str, str], ObjectView] = {}
        self.reset()

    def reset(self) -> None:
        """Go back to the permissions the org started with."""
        setup = ObjectAccess(create=False, edit=False, delete=False)
        self.objects = {"User": setup, "Organization": setup, "RecordType": setup}
        hidden = HIDDEN_IN_A_FRESH_ORG if self._fresh else set()
        self.fields = {key: FieldAccess(read=False, edit=False) for key in hidden}
        self.forget()

    def forget(self) -> None:
        """Drop the built views: the schema or a permission changed."""
        self._views = {}

    def set_object(self, name: str, changes: Mapping[str, bool]) -> ObjectAccess:
        """Change object permissions; those not named stay."""
        self.objects[name] = result = replace(self.objects.get(name, ObjectAccess()), **changes)
        self.forget()
        return result

    def set_field(self, name: str, field: str, changes: Mapping[str, bool]) -> FieldAccess:
        """Change field-level security; what may not be read may not be edited either."""
        old = self.fields.get((name, field), FieldAccess())
        result = replace(old, **changes)
        if not result.read:
            result = replace(result, edit=False)
        self.fields[name, field] = result
        self.forget()
        return result

    def view(self, profile: str, table: Table) -> ObjectView:
        """Return an object as a profile sees it, whether or not it may read the object at all."""
        views, key = self._views, (profile, table.name)
        if (found := views.get(key)) is None:
            found = views[key] = self._build(profile, table)
        return found

    def _build(self, profile: str, table: Table) -> ObjectView:
        if profile == ADMIN:
            return ObjectView(table.schema, table, ObjectAccess(), frozenset(), frozenset())
        rules = {field: access for (name, field), access in self.fields.items() if name == table.name}
        return ObjectView(
            schema=table.schema,
            table=table,
            access=self.objects.get(table.name, ObjectAccess()),
            hidden=frozenset(field for field, access in rules.items() if not access.read),
            read_only=frozenset(field for field, access in rules.items() if not access.edit),
        )

    def as_json(self) -> dict[str, Any]:
        """Return what differs from full access, for the controls."""
        return {
            "objects": {name: _json(access) for name, access in self.objects.items()},
            "fields": {f"{name}.{field}": _json(access) for (name, field), access in self.fields.items()},
        }


def _json(access: ObjectAccess | FieldAccess) -> dict[str, bool]:
    return {name: getattr(access, name) for name in access.__slots__}
