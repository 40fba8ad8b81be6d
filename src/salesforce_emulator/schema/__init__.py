"""The schema of a Salesforce org, kept as data files that a person can read."""

from __future__ import annotations

from salesforce_emulator.schema.custom import InvalidFieldError, custom_field, picklist_values, with_field
from salesforce_emulator.schema.files import load
from salesforce_emulator.schema.model import ATTRIBUTES, FieldSchema, PicklistValue, SObjectSchema

__all__ = [
    "ATTRIBUTES",
    "FieldSchema",
    "InvalidFieldError",
    "PicklistValue",
    "SObjectSchema",
    "custom_field",
    "load",
    "picklist_values",
    "with_field",
]
