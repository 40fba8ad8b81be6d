"""Build a custom field from a describe-like JSON object, as an administrator makes one by clicking."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from salesforce_emulator.schema.derive import TYPES, build_field
from salesforce_emulator.schema.model import ATTRIBUTES, FieldSchema, PicklistValue, SObjectSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*(__[A-Za-z](_?[A-Za-z0-9])*)?__c")

_SIZES: dict[str, dict[str, int]] = {
    "currency": {"precision": 18, "scale": 2},
    "double": {"precision": 18, "scale": 0},
    "email": {"length": 80},
    "multipicklist": {"length": 4099, "precision": 4},
    "percent": {"precision": 18, "scale": 0},
    "phone": {"length": 40},
    "picklist": {"length": 255},
    "string": {"length": 255},
    "textarea": {"length": 255},
    "url": {"length": 255},
}
"""The size a new field has where its maker says none; `precision` of a multipicklist is its visible lines."""

_FORMULA_TEXT_LENGTH = 1300

_PYTHON_TYPES = {"bool": bool, "int": int}


class InvalidFieldError(ValueError):
    """The description of a custom field is not one that an org would accept; the text says which part."""


def custom_field(description: Mapping[str, Any]) -> FieldSchema:
    """Build a custom field from describe attributes: `name` and `type` at least, the rest as a new field has it.

    Picklist values may be plain texts or objects with `value` and optionally `label`, `active`, `defaultValue` and
    `validFor`. Raises InvalidFieldError for an unknown attribute or type, a wrong JSON type, or a name that is no
    custom field's.
    """
    given = _checked(description)
    name, type_ = given.pop("name"), given.pop("type")
    label = given.pop("label", None) or name.removesuffix("__c").replace("_", " ")
    return build_field(name, label, type_, **(_defaults(name, type_, given) | given))


def with_field(schema: SObjectSchema, field: FieldSchema) -> SObjectSchema:
    """Return an sObject with a field in it, in place of one of that name: a standard one after the name, else last."""
    fields = {each.name: each for each in schema.fields}
    if fields.get(field.name) == field:
        return schema
    if field.custom or field.name in fields:
        return replace(schema, fields=tuple((fields | {field.name: field}).values()))
    at = list(fields).index("Name") + 1
    return replace(schema, fields=(*schema.fields[:at], field, *schema.fields[at:]))


def picklist_values(values: Any) -> tuple[PicklistValue, ...]:
    """Read a JSON list of picklist values, in the forms that `custom_field` takes; raises InvalidFieldError."""
    return tuple(_value(each) for each in _list(values))


def _checked(description: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(description) - set(ATTRIBUTES)):
        raise InvalidFieldError(f"not an attribute of a field: {', '.join(unknown)}")
    given = {ATTRIBUTES[attribute]: value for attribute, value in description.items()}
    if not isinstance(given.get("name"), str) or not _NAME.fullmatch(given["name"]):
        raise InvalidFieldError(f"not the API name of a custom field (it ends in __c): {given.get('name')}")
    if not isinstance(given.get("type"), str) or given["type"] not in TYPES:
        raise InvalidFieldError(f"not a field type: {given.get('type')}")
    for attribute, value in given.items():
        expected = _PYTHON_TYPES.get(FieldSchema.__annotations__[attribute])
        if expected and type(value) is not expected:
            raise InvalidFieldError(f"{attribute}: expected {expected.__name__}, not {value!r}")
    if "picklist" in given:
        given["picklist"] = picklist_values(given["picklist"])
    if "reference_to" in given:
        given["reference_to"] = tuple(map(str, _list(given["reference_to"])))
    return given


def _defaults(name: str, type_: str, given: Mapping[str, Any]) -> dict[str, Any]:
    computed = given.get("calculated", given.get("calculated_formula") is not None) or given.get("auto_number", False)
    default = next((each.value for each in given.get("picklist", ()) if each.default), None)
    nillable = given.get("nillable", type_ != "boolean")
    defaults: dict[str, Any] = {
        "custom": True,
        "calculated": given.get("calculated_formula") is not None,
        "createable": not computed,
        "updateable": not computed,
        "nillable": nillable,
        "permissionable": nillable or type_ == "boolean",
        "defaulted_on_create": type_ == "boolean"
        or default is not None
        or given.get("default_value_formula") is not None,
        "id_lookup": given.get("external_id", False),
        **_SIZES.get(type_, {}),
    }
    if default is not None or (type_ == "boolean" and computed):
        defaults["default_value"] = default
    if type_ == "string" and computed:
        defaults["length"] = _FORMULA_TEXT_LENGTH
    if type_ == "reference":
        defaults["relationship_name"] = f"{name.removesuffix('c')}r"
    return defaults


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidFieldError(f"expected a list, not {value!r}")
    return value


def _value(given: Any) -> PicklistValue:
    if isinstance(given, str):
        return PicklistValue(given, given)
    if not isinstance(given, dict) or not isinstance(given.get("value"), str):
        raise InvalidFieldError(f"not a picklist value: {given!r}")
    return PicklistValue(
        value=given["value"],
        label=given.get("label") or given["value"],
        active=given.get("active", True) is True,
        default=given.get("defaultValue", False) is True,
        valid_for=given.get("validFor"),
    )
