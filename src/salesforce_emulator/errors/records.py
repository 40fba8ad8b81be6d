"""What one record is refused with, alone and in collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salesforce_emulator.errors.kinds import ApiError, Problem, RecordError, simple

if TYPE_CHECKING:
    from collections.abc import Sequence


def required_missing(names: Sequence[str]) -> Problem:
    """Name the required fields that got no value (R19)."""
    return Problem("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(names)}]", tuple(names))


def not_writeable(names: Sequence[str]) -> Problem:
    """Name the fields that this user may read but not write."""
    return Problem(
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        f"Unable to create/update fields: {', '.join(names)}. Please check the security settings of this field and "
        "verify that it is read/write for your profile or permission set.",
        tuple(names),
    )


def unknown_column_on_write(name: str, entity: str) -> ApiError:
    """Refuse a record's field that is unknown or hidden."""
    return simple(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {entity}")


def deleted() -> RecordError:
    """Refuse to write a row in the recycle bin."""
    return RecordError([Problem("ENTITY_IS_DELETED", "entity is deleted")], 404)


def malformed_id(label: str, name: str, value: Any) -> Problem:
    """Refuse text that is no id, or an id of another object."""
    return Problem("MALFORMED_ID", f"{label}: id value of incorrect type: {value}", (name,))


def converted_lead() -> RecordError:
    """Refuse to change a converted Lead."""
    return RecordError([Problem("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")])


def locked(record_id: str | None) -> RecordError:
    """Report a row that another transaction holds."""
    which = f"this record or 1 records: {record_id}" if record_id else "this record"
    return RecordError([Problem("UNABLE_TO_LOCK_ROW", f"unable to obtain exclusive access to {which}")])


def not_insertable(entity: str) -> RecordError:
    """Refuse a create that the profile (or the object itself) does not allow."""
    return RecordError([Problem("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be inserted: {entity}")])


def insufficient_access() -> RecordError:
    """Refuse an update or delete that the profile or sharing does not allow."""
    return RecordError([Problem("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")], 403)


def unreachable(record_id: str) -> RecordError:
    """Refuse to touch a row that sharing hides from the user (the code for this case is not recorded anywhere)."""
    text = f"insufficient access rights on cross-reference id: {record_id[:15]}"
    return RecordError([Problem("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", text)])


def duplicate_value(name: str, other: str) -> Problem:
    """Refuse a second row with a unique field's value; the other's id has 15 characters, or is `<unknown>`."""
    return Problem("DUPLICATE_VALUE", f"duplicate value found: {name} duplicates value on record with id: {other[:15]}")


def several_matches(name: str, found: Sequence[str]) -> RecordError:
    """Refuse an upsert whose key matches more than one row."""
    text = f"{name}: more than one record found for external id field: [{', '.join(found)}]"
    return RecordError([Problem("DUPLICATE_EXTERNAL_ID", text, (name,))])


def blind_upsert() -> RecordError:
    """Refuse an upsert whose key may stand in rows that the user cannot see (reported by users of real orgs)."""
    return RecordError([Problem("INSUFFICIENT_ACCESS", "Upsert requires view all data on a non-unique custom index")])


def rolled_back() -> Problem:
    """Mark the sound records of an all-or-none collection that failed."""
    return Problem(
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using AllOrNone header",
    )
