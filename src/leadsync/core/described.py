"""A describe as the org gave it: what we keep of it, and finding a field by any spelling of its name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping as Lookup

_OBJECT = ("name", "label", "createable", "updateable")
_FIELD = (
    "name",
    "label",
    "type",
    "length",
    "precision",
    "scale",
    "digits",
    "nillable",
    "defaultedOnCreate",
    "createable",
    "updateable",
    "restrictedPicklist",
    "relationshipName",
    "referenceTo",
    "unique",
    "externalId",
)


def slim(describe: Lookup[str, Any]) -> dict[str, Any]:
    """Return what we use of a describe, in the describe's own shape: fit to be kept as JSON.

    Of a picklist only the active values stay (R12).
    """
    fields = [{key: field[key] for key in _FIELD} | {"picklistValues": _active(field)} for field in describe["fields"]]
    return {key: describe[key] for key in _OBJECT} | {"fields": fields}


def _active(field: Lookup[str, Any]) -> list[dict[str, Any]]:
    return [
        {"value": value["value"], "label": value["label"], "active": True}
        for value in field["picklistValues"]
        if value["active"]
    ]


def required(field: Lookup[str, Any]) -> bool:
    """Say whether Salesforce refuses to create a record without this field (R19)."""
    return bool(field["createable"] and not field["nillable"] and not field["defaultedOnCreate"])


@dataclass(frozen=True)
class Described:
    """One object's describe (whole or slim), or None where the org shows none; names are not case-sensitive."""

    sobject: str
    describe: Lookup[str, Any] | None

    @property
    def readable(self) -> bool:
        """Say whether the org shows us the object."""
        return self.describe is not None

    def flag(self, name: str) -> bool:
        """Return a flag of the object: `createable`, `updateable`."""
        return bool(self.describe and self.describe[name])

    @cached_property
    def by_name(self) -> dict[str, Lookup[str, Any]]:
        """Fields by their lower-case API names."""
        return {field["name"].lower(): field for field in self.describe["fields"]} if self.describe else {}

    @cached_property
    def required(self) -> dict[str, str]:
        """API name and label of each field that a create must carry (R19)."""
        return {field["name"]: field["label"] for field in self.by_name.values() if required(field)}

    def reference(self, relation: str) -> Lookup[str, Any] | None:
        """Return the reference field of a relationship (`Account`: AccountId), if there is one."""
        fields = self.by_name.values()
        return next((f for f in fields if (f["relationshipName"] or "").lower() == relation.lower()), None)
