"""What the org lets us do with each mapped field: describe and mapping give the effective mapping (R18, R21, R24).

The effective mapping is what every later stage works with. It is staged as JSON by `prepare`, so a task that is
cleared tomorrow decides on the same facts as today.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from leadsync.core.mapping import ConflictRule, Direction, FieldType

OBJECTS = ("Lead", "Contact")
"""The two Salesforce objects that leads are kept in step with (R1)."""


class FieldState(StrEnum):
    """Whether a mapped field takes part (R21, R40-R44)."""

    ACTIVE = "active"
    READ_ONLY = "read_only"
    RELEASED = "released"


class PicklistValue(BaseModel):
    """One active value of a picklist."""

    model_config = ConfigDict(frozen=True)
    value: str
    label: str


class ActiveField(BaseModel):
    """One lead field on one Salesforce object, with what the describe says of it."""

    model_config = ConfigDict(frozen=True)
    field: str
    label: str
    type: FieldType
    sobject: str
    api_name: str
    state: FieldState
    reason: str = ""
    direction: Direction = Direction.BOTH
    conflict: ConflictRule = ConflictRule.NEWEST
    default: str | None = None
    allow_new_values: bool = False
    sf_type: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    digits: int = 0
    required: bool = False
    createable: bool = False
    updateable: bool = False
    restricted: bool = False
    picklist: tuple[PicklistValue, ...] = ()

    @property
    def is_lookup(self) -> bool:
        """Say whether the field belongs to a referenced object (`Account.Name`, R26)."""
        return "." in self.api_name

    @property
    def pushed(self) -> bool:
        """Say whether the lead's value may travel to this object."""
        return self.state is FieldState.ACTIVE and self.direction is not Direction.TO_LEAD


class SObjectAccess(BaseModel):
    """What we may do with one Salesforce object."""

    model_config = ConfigDict(frozen=True)
    sobject: str
    readable: bool
    createable: bool = False
    updateable: bool = False
    required: tuple[str, ...] = ()
    """API names of the fields that a create must carry (not nillable, not defaulted)."""
    labels: dict[str, str] = {}
    """Label of every field in `required`."""


class EffectiveMapping(BaseModel):
    """The mapping as the org lets it run; the seam between `prepare` and every later stage."""

    model_config = ConfigDict(frozen=True)
    version: str
    fields: tuple[ActiveField, ...]
    objects: dict[str, SObjectAccess]

    def on(self, sobject: str) -> list[ActiveField]:
        """Return the fields of one object that are not released, in the mapping's order."""
        return [f for f in self.fields if f.sobject == sobject and f.state is not FieldState.RELEASED]

    def email(self, sobject: str) -> ActiveField | None:
        """Return the mapped e-mail field of one object, if it takes part (R24)."""
        return next((f for f in self.on(sobject) if f.type is FieldType.EMAIL and f.field == "email"), None)

    @property
    def lead_columns(self) -> list[str]:
        """Return the columns of `leads` that take part, each once, in the mapping's order."""
        return list(dict.fromkeys(f.field for f in self.fields))
