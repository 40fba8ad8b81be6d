"""Record types: which an object has, what a new row gets, and which values of a picklist go with each.

An object without record types has the master alone, and its rows say null. A restricted picklist takes only the values
of the row's record type; others take any value from the API (documented).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from salesforce_emulator.describe import MASTER_RECORD_TYPE
from salesforce_emulator.errors import Problem
from salesforce_emulator.schema.derive import build_field
from salesforce_emulator.values import FieldValueError, bad_choice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from salesforce_emulator.schema import FieldSchema, PicklistValue, SObjectSchema

MASTER_ID = MASTER_RECORD_TYPE["recordTypeId"]
FIELD = "RecordTypeId"


@dataclass(frozen=True, slots=True)
class RecordType:
    """One record type; `picklists` maps fields to the values that it offers, others offer all of theirs.

    One that is not `available` is assigned to no profile: nobody sets it, whoever has it keeps it.
    """

    id: str
    name: str
    label: str
    description: str | None = None
    active: bool = True
    available: bool = True
    default: bool = False
    picklists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def offers(self, picklist: FieldSchema) -> tuple[PicklistValue, ...]:
        """Return a picklist's values that go with this record type."""
        chosen = self.picklists.get(picklist.name)
        return (
            picklist.picklist if chosen is None else tuple(each for each in picklist.picklist if each.value in chosen)
        )

    def as_info(self) -> dict[str, Any]:
        """Describe it, without its `urls`."""
        return {
            "active": self.active,
            "available": self.available,
            "defaultRecordTypeMapping": self.default,
            "developerName": self.name,
            "master": False,
            "name": self.label,
            "recordTypeId": self.id,
        }


class RecordTypes:
    """Keep each object's record types by id."""

    def __init__(self) -> None:
        self._types: dict[str, dict[str, RecordType]] = {}

    def of(self, name: str) -> list[RecordType]:
        """Return an object's record types by label."""
        return sorted(self._types.get(name, {}).values(), key=lambda each: each.label)

    def named(self, name: str, developer_name: str) -> RecordType | None:
        """Find an object's record type by its developer name."""
        return next((each for each in self.of(name) if each.name.lower() == developer_name.lower()), None)

    def put(self, name: str, made: RecordType) -> None:
        """Add or replace a record type; there is one default."""
        types = self._types.setdefault(name, {})
        types[made.id] = made
        if made.default:
            others = (each for each in types.values() if each.id != made.id and each.default)
            for each in list(others):
                types[each.id] = RecordType(**{**asdict(each), "default": False})

    def drop(self, name: str, record_type_id: str) -> None:
        """Remove a record type."""
        self._types[name].pop(record_type_id)

    def clear(self) -> None:
        """Remove all of them."""
        self._types = {}

    def as_json(self) -> dict[str, list[dict[str, Any]]]:
        """Return all of it, to keep."""
        return {name: [asdict(each) for each in types.values()] for name, types in self._types.items() if types}

    def restore(self, kept: Mapping[str, list[dict[str, Any]]]) -> None:
        """Take over what `as_json` returned."""
        for name, types in kept.items():
            for each in types:
                chosen = {picklist: tuple(values) for picklist, values in each["picklists"].items()}
                self.put(name, RecordType(**{**each, "picklists": chosen}))

    def infos(self, name: str) -> list[dict[str, Any]]:
        """Return the `recordTypeInfos` of an object's describe: its own by label, then the master (recorded)."""
        own = self.of(name)
        is_default = not any(each.default for each in own)
        master = MASTER_RECORD_TYPE | {"defaultRecordTypeMapping": is_default}
        return [*(each.as_info() for each in own), master]

    # --- rows ----------------------------------------------------------------------------------------------------

    def assign(self, schema: SObjectSchema, values: dict[str, Any], current: str | None, *, new: bool) -> None:
        """Give a new row the default record type, and put a problem in the place of a value that does not go with it.

        `values` are those of a save, `current` is the record type of the row so far.
        """
        types = self._types.get(schema.name)
        if not types and values.get(FIELD) is None:
            return
        types = types or {}
        given = values.get(FIELD)
        if given == MASTER_ID and not any(each.active and each.available for each in types.values()):
            values[FIELD] = None
        elif isinstance(given, str) and given.startswith("012"):
            found = types.get(given)
            if given != current and (found is None or not found.available or not found.active):
                values[FIELD] = FieldValueError(_not_valid(given))
                return
        elif new and given is None:
            values[FIELD] = next((each.id for each in types.values() if each.default), None)
        record_type = types.get(values.get(FIELD, current) or "")
        if record_type is not None:
            values.update(list(_not_offered(schema, record_type, values)))


def _not_valid(record_type_id: str) -> Problem:
    text = f"Record Type ID: this ID value isn't valid for the user: {record_type_id}"
    return Problem("INVALID_CROSS_REFERENCE_KEY", text, (FIELD,))


def _not_offered(
    schema: SObjectSchema, record_type: RecordType, values: Mapping[str, Any]
) -> Iterator[tuple[str, FieldValueError]]:
    for name in record_type.picklists.keys() & values.keys():
        picklist, value = schema.by_name[name.lower()], values[name]
        if not picklist.restricted_picklist or not isinstance(value, str):
            continue
        offered = {each.value for each in record_type.offers(picklist)}
        chosen = value.split(";") if picklist.type == "multipicklist" else [value]
        if wrong := next((each for each in chosen if each not in offered), None):
            yield name, FieldValueError(bad_choice(picklist, wrong))


def record_type_field() -> FieldSchema:
    """Build the field that an object has as soon as it has a record type (recorded on Account)."""
    return build_field(
        FIELD,
        "Record Type ID",
        "reference",
        createable=True,
        updateable=True,
        nillable=True,
        reference_to=("RecordType",),
        relationship_name="RecordType",
    )


# --- layouts ---------------------------------------------------------------------------------------------------------


def mapping(
    record_types: RecordTypes, schema: SObjectSchema, info: Mapping[str, Any], hidden: frozenset[str]
) -> dict[str, Any]:
    """Return an entry of `recordTypeMappings`: a `recordTypeInfo` with its picklists, but those that are hidden."""
    own = next((each for each in record_types.of(schema.name) if each.id == info["recordTypeId"]), None)
    listed = [
        {
            "picklistName": each.name,
            "picklistValues": [
                {
                    "active": value.active,
                    "defaultValue": value.default,
                    "label": value.label,
                    "validFor": value.valid_for,
                    "value": value.value,
                }
                for value in (each.picklist if own is None else own.offers(each))
                if value.active
            ],
        }
        for each in sorted(schema.fields, key=lambda each: each.name)
        if each.picklist and each.name not in hidden
    ]
    return {**info, "picklistsForRecordType": listed}
