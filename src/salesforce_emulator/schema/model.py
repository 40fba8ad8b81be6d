"""The shape of an org's schema: sObjects, fields and picklist values, as a describe call reports them.

Attribute names are those of the describe call in snake case (`defaulted_on_create` is `defaultedOnCreate`), with two
shorter ones: `compound_name` (`compoundFieldName`) and `picklist` (`picklistValues`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_DESCRIBED = {"described": False}


@dataclass(frozen=True, slots=True)
class PicklistValue:
    """One value of a picklist; `valid_for` is the base64 bitmap of a dependent picklist, else None."""

    value: str
    label: str
    active: bool = True
    default: bool = False
    valid_for: str | None = None


@dataclass(frozen=True, kw_only=True)
class FieldSchema:
    """One field: the 57 attributes that a describe carries for it, and how its parent names the relationship.

    Lengths are in characters (`byte_length` in bytes), `digits` and `precision` in decimal digits.
    """

    name: str
    label: str
    type: str

    aggregatable: bool = True
    ai_prediction_field: bool = False
    auto_number: bool = False
    byte_length: int = 0
    calculated: bool = False
    calculated_formula: str | None = None
    cascade_delete: bool = False
    case_sensitive: bool = False
    compound_name: str | None = None
    controller_name: str | None = None
    createable: bool = False
    custom: bool = False
    default_value: bool | str | None = None
    default_value_formula: str | None = None
    defaulted_on_create: bool = False
    dependent_picklist: bool = False
    deprecated_and_hidden: bool = False
    digits: int = 0
    display_location_in_decimal: bool = False
    encrypted: bool = False
    external_id: bool = False
    extra_type_info: str | None = None
    filterable: bool = True
    filtered_lookup_info: Mapping[str, Any] | None = None
    formula_treat_null_number_as_zero: bool = False
    groupable: bool = True
    high_scale_number: bool = False
    html_formatted: bool = False
    id_lookup: bool = False
    inline_help_text: str | None = None
    length: int = 0
    mask: str | None = None
    mask_type: str | None = None
    name_field: bool = False
    name_pointing: bool = False
    nillable: bool = False
    permissionable: bool = False
    picklist: tuple[PicklistValue, ...] = ()
    polymorphic_foreign_key: bool = False
    precision: int = 0
    query_by_distance: bool = False
    reference_target_field: str | None = None
    reference_to: tuple[str, ...] = ()
    relationship_name: str | None = None
    relationship_order: int | None = None
    restricted_delete: bool = False
    restricted_picklist: bool = False
    scale: int = 0
    search_prefilterable: bool = False
    soap_type: str = "xsd:string"
    sortable: bool = True
    unique: bool = False
    updateable: bool = False
    write_requires_master_read: bool = False

    child_relationship_name: str | None = field(default=None, metadata=_NOT_DESCRIBED)
    child_cascade_delete: bool = field(default=False, metadata=_NOT_DESCRIBED)
    child_restricted_delete: bool = field(default=False, metadata=_NOT_DESCRIBED)

    @property
    def required(self) -> bool:
        """Say whether a create without a value for this field is refused (R19); a check box is never without one."""
        return self.createable and not self.nillable and not self.defaulted_on_create and self.type != "boolean"

    def with_picklist(self, values: tuple[PicklistValue, ...]) -> FieldSchema:
        """Return the field with other picklist values; its default value is the one that they mark, if any."""
        default = next((each.value for each in values if each.default), None)
        defaulted = default is not None or self.default_value_formula is not None
        return replace(self, picklist=values, default_value=default, defaulted_on_create=defaulted)


def _attributes() -> dict[str, str]:
    renamed = {"compound_name": "compoundFieldName", "picklist": "picklistValues"}
    described = [each.name for each in fields(FieldSchema) if each.metadata.get("described", True)]
    camel = {renamed.get(name) or re.sub(r"_(\w)", lambda m: m[1].upper(), name): name for name in described}
    return dict(sorted(camel.items()))


ATTRIBUTES = _attributes()
"""The describe name of each attribute of a field, in a describe's order, and the name it has on `FieldSchema`."""


@dataclass(frozen=True, kw_only=True)
class SObjectSchema:
    """One sObject: its names, its fields in describe order, and what else its describe says.

    `top` holds the top-level keys that do not depend on the user or the org's other objects, under their describe
    names; `links` the names of its further REST resources; `source` where its facts come from. An sObject that is not
    `stored` has no rows of its own: they follow from the org's state. `key_field` is what the address of a row ends in.
    """

    name: str
    label: str
    label_plural: str
    key_prefix: str
    fields: tuple[FieldSchema, ...]
    top: Mapping[str, Any]
    links: tuple[str, ...] = ()
    source: str = ""
    stored: bool = True
    key_field: str = "Id"

    @cached_property
    def by_name(self) -> Mapping[str, FieldSchema]:
        """Map each field's lower-case name to the field: API names are not case-sensitive."""
        return {each.name.lower(): each for each in self.fields}
