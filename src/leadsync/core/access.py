"""What the org lets us do with each mapped field: describe and mapping give the effective mapping (R18, R21, R24).

The effective mapping is what every later stage works with. It is staged as JSON by `prepare`, so a task that is
cleared tomorrow decides on the same facts as today.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from leadsync.core.described import Described, required, slim
from leadsync.core.mapping import EMAIL, ConflictRule, Direction, FieldMapping, FieldType, Mapping
from leadsync.core.mapping_file import guess
from leadsync.core.pairs import SHOWN_ONLY, accepted, accepts
from leadsync.core.problems import Problem, problem

if TYPE_CHECKING:
    from collections.abc import Mapping as Lookup

__all__ = [
    "OBJECTS",
    "ActiveField",
    "EffectiveMapping",
    "FieldState",
    "PicklistValue",
    "SObjectAccess",
    "effective",
    "parents",
    "problems",
    "slim",
]

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
    code: str = ""
    """Why the field does not fully take part: a code of `core.problems`, "" if it does."""
    reason: str = ""
    """The same in words, in English (`reason_ja`: in Japanese)."""
    reason_ja: str = ""
    file: str = ""
    line: int = 0
    direction: Direction = Direction.BOTH
    conflict: ConflictRule = ConflictRule.NEWEST
    default: str | None = None
    allow_new_values: bool = False
    reference: str = ""
    """The field that leads to the referenced object (`AccountId`), where the field belongs to one (R26)."""
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
    email: bool = False
    """Whether the key can be read there: mapped, existing, visible; without it the object is released (R24)."""
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
        return next((f for f in self.on(sobject) if f.field == EMAIL), None)

    def unfilled(self, sobject: str) -> list[str]:
        """Return the API names that a create on the object must carry and that no field may write (R19)."""
        filled = {f.api_name for f in self.on(sobject) if f.pushed}
        return [name for name in self.objects[sobject].required if name not in filled]

    @property
    def lead_columns(self) -> list[str]:
        """Return the columns of `leads` that take part, each once, in the mapping's order."""
        return list(dict.fromkeys(f.field for f in self.fields))


def parents(mapping: Mapping, describes: Lookup[str, Lookup[str, Any] | None]) -> list[str]:
    """Return the objects that mapped lookups lead to (`Account.Name`: Account), sorted (R26)."""
    targets: set[str] = set()
    for sobject in OBJECTS:
        described = Described(sobject, describes.get(sobject))
        for row in mapping.rows:
            relation, dot, _ = (row.api_name(sobject) or "").partition(".")
            reference = described.reference(relation) if dot else None
            targets.update(reference["referenceTo"] if reference else ())
    return sorted(targets - set(OBJECTS))


def effective(mapping: Mapping, describes: Lookup[str, Lookup[str, Any] | None]) -> EffectiveMapping:
    """Decide what each row of the mapping may do on each object.

    Args:
        mapping: The mapping.
        describes: The describe (whole or `slim`) of Lead and Contact, None where the org shows none; describes of
            `parents` where they are known: a lookup's own field can then be checked too.

    Returns:
        Every mapped field on every object it is mapped to, with its state and, where it does not fully take part, why.
        An object whose e-mail field is not mapped or not readable is released as if it were hidden (R24, R40).
    """
    fields: list[ActiveField] = []
    objects: dict[str, SObjectAccess] = {}
    for sobject in OBJECTS:
        described = Described(sobject, describes.get(sobject))
        rows = [row for row in mapping.rows if row.api_name(sobject)]
        judged = [_judge(row, described, describes) for row in rows]
        email = any(f.field == EMAIL and f.state is not FieldState.RELEASED for f in judged)
        if described.readable and not email:
            blind = problem("access_email", sobject=sobject)
            judged = [f if f.state is FieldState.RELEASED else _because(f, FieldState.RELEASED, blind) for f in judged]
        fields += judged
        objects[sobject] = SObjectAccess(
            sobject=sobject,
            readable=described.readable,
            email=email,
            createable=described.flag("createable"),
            updateable=described.flag("updateable"),
            required=tuple(described.required),
            labels=described.required,
        )
    order = {row.field: number for number, row in enumerate(mapping.rows)}
    fields.sort(key=lambda f: order[f.field])
    return EffectiveMapping(version=mapping.version, fields=tuple(fields), objects=objects)


def problems(mapping: EffectiveMapping) -> list[Problem]:
    """Return what keeps mapped fields from fully taking part; an object that is out of service is said once."""
    found: dict[tuple[str, ...], Problem] = {}
    for f in mapping.fields:
        if f.code in ("access_object", "access_email"):
            found.setdefault((f.code, f.sobject), problem(f.code, sobject=f.sobject))
        elif f.code:
            told = problem(
                f.code,
                file=f.file,
                line=f.line,
                column=f"{f.sobject.lower()}_field",
                sobject=f.sobject,
                value=f.api_name,
                type=f.type,
                sf_type=f.sf_type,
                allowed=", ".join(sorted(accepted(f.type))),
            )
            found[f.code, f.sobject, f.field] = replace(told, message_ja=f.reason_ja, message_en=f.reason)
    creates = OBJECTS[0]  # a Contact is never created (R3)
    if mapping.objects[creates].email:
        for name in mapping.unfilled(creates):
            found["access_required", name] = problem("access_required", sobject=creates, value=name)
    return list(found.values())


def _judge(row: FieldMapping, described: Described, describes: Lookup[str, Lookup[str, Any] | None]) -> ActiveField:
    """Decide what one row may do on one object."""
    sobject, name = described.sobject, row.api_name(described.sobject) or ""
    judged = ActiveField(
        field=row.field,
        label=row.label,
        type=row.type,
        sobject=sobject,
        api_name=name,
        state=FieldState.ACTIVE,
        file=row.file,
        line=row.line,
        direction=row.direction,
        conflict=row.conflict,
        default=row.default,
    )
    if not described.readable:
        return _because(judged, FieldState.RELEASED, problem("access_object", sobject=sobject))
    if judged.is_lookup:
        return _judge_lookup(judged, described, describes)
    field = described.by_name.get(name.lower())
    if field is None:
        near = guess(name, [each["name"] for each in described.by_name.values()])
        return _because(judged, FieldState.RELEASED, problem("access_field", sobject=sobject, value=name, guess=near))
    sf_type = field["type"]
    judged = judged.model_copy(
        update={
            "api_name": field["name"],
            "sf_type": sf_type,
            "length": field["length"],
            "precision": field["precision"],
            "scale": field["scale"],
            "digits": field["digits"],
            "required": required(field),
            "createable": field["createable"],
            "updateable": field["updateable"],
            "restricted": field["restrictedPicklist"],
            "allow_new_values": row.allow_new_values and not field["restrictedPicklist"],
            "picklist": tuple(
                PicklistValue(value=value["value"], label=value["label"] or value["value"])
                for value in field["picklistValues"]
                if value["active"]
            ),
        }
    )
    facts = {"sobject": sobject, "value": field["name"]}
    if not accepts(row.type, sf_type):
        allowed = ", ".join(sorted(accepted(row.type)))
        mismatch = problem("access_type", type=row.type, sf_type=sf_type, allowed=allowed, **facts)
        return _because(judged, FieldState.RELEASED, mismatch)
    if sf_type in SHOWN_ONLY or row.direction is Direction.TO_LEAD:
        return judged.model_copy(update={"direction": Direction.TO_LEAD, "state": _shown(judged)})
    if not field["updateable"]:
        return _because(judged, FieldState.READ_ONLY, problem("access_read_only", **facts))
    if row.allow_new_values and judged.restricted:
        return _because(judged, FieldState.ACTIVE, problem("access_restricted", **facts))
    return judged


def _shown(judged: ActiveField) -> FieldState:
    writable = judged.updateable and judged.sf_type not in SHOWN_ONLY
    return FieldState.ACTIVE if writable else FieldState.READ_ONLY


def _judge_lookup(
    judged: ActiveField, described: Described, describes: Lookup[str, Lookup[str, Any] | None]
) -> ActiveField:
    """Decide on a field of a referenced object: shown on the lead, never written (R26, R27)."""
    relation, _, name = judged.api_name.partition(".")
    reference = described.reference(relation)
    known = [
        Described(parent, describes[parent])
        for parent in (reference or {}).get("referenceTo", ())
        if parent in describes
    ]
    found = next((field for parent in known if (field := parent.by_name.get(name.lower()))), None)
    if reference is None or (known and found is None and len(known) == len(reference["referenceTo"])):
        gone = problem("access_field", sobject=judged.sobject, value=judged.api_name)
        return _because(judged, FieldState.RELEASED, gone)
    return judged.model_copy(
        update={
            "api_name": f"{reference['relationshipName']}.{found['name'] if found else name}",
            "reference": reference["name"],
            "sf_type": found["type"] if found else "",
            "state": FieldState.READ_ONLY,
            "direction": Direction.TO_LEAD,
        }
    )


def _because(judged: ActiveField, state: FieldState, why: Problem) -> ActiveField:
    told = {"code": why.code, "reason": why.message_en, "reason_ja": why.message_ja}
    return judged.model_copy(update={"state": state} | told)
