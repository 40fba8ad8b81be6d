"""The mapping: CSV text in, rows and every problem out (R18, R20-R25)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FieldType(StrEnum):
    """The type of a lead field (RULES.md, R18)."""

    TEXT = "text"
    TEXTAREA = "textarea"
    NUMBER = "number"
    DATE = "date"
    SELECT = "select"
    RADIO = "radio"
    CHECKBOX = "checkbox"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    DELIVERY_STATUS = "delivery_status"


class Direction(StrEnum):
    """Which way a field's values travel (R30)."""

    BOTH = "both"
    TO_SALESFORCE = "to_salesforce"
    TO_LEAD = "to_lead"


class ConflictRule(StrEnum):
    """Who wins where both sides changed to different values (R30)."""

    NEWEST = "newest"
    LEAD = "lead"
    SALESFORCE = "salesforce"


@dataclass(frozen=True)
class FieldMapping:
    """One row of the mapping: a lead field and where it lives in Salesforce (R20)."""

    field: str
    label: str
    type: FieldType
    lead_field: str | None
    contact_field: str | None
    direction: Direction
    conflict: ConflictRule
    default: str | None
    allow_new_values: bool
    note: str
    file: str
    line: int

    def api_name(self, sobject: str) -> str | None:
        """Return the field's API name on `Lead` or `Contact`, or None where it has none."""
        return self.lead_field if sobject == "Lead" else self.contact_field
