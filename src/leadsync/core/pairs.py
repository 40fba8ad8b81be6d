"""Which Salesforce types a lead field's type goes with (R18)."""

from __future__ import annotations

from leadsync.core.mapping import FieldType

SHOWN_ONLY = frozenset({"id", "reference"})
"""Salesforce types that a text field shows and never writes."""

_ACCEPTED: dict[FieldType, frozenset[str]] = {
    FieldType.TEXT: frozenset({"string", "email", "phone", "url", "textarea", "boolean"}) | SHOWN_ONLY,
    FieldType.TEXTAREA: frozenset({"textarea", "string"}),
    FieldType.NUMBER: frozenset({"int", "long", "double", "currency", "percent"}),
    FieldType.DATE: frozenset({"date"}),
    FieldType.SELECT: frozenset({"picklist", "combobox"}),
    FieldType.RADIO: frozenset({"picklist", "combobox"}),
    FieldType.CHECKBOX: frozenset({"multipicklist"}),
    FieldType.EMAIL: frozenset({"email", "string"}),
    FieldType.PHONE: frozenset({"phone", "string"}),
    FieldType.URL: frozenset({"url", "string"}),
    FieldType.DELIVERY_STATUS: frozenset({"boolean"}),
}


def accepted(lead_type: FieldType) -> frozenset[str]:
    """Return the Salesforce types that go with a lead field's type."""
    return _ACCEPTED[lead_type]


def accepts(lead_type: FieldType, sf_type: str) -> bool:
    """Say whether a lead field of this type may be mapped to a Salesforce field of that type."""
    return sf_type in _ACCEPTED[lead_type]
