"""What administrators changed in the org's metadata, as text to keep beside the rows: fields and permissions."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import schema
from salesforce_emulator.schema import FieldSchema, PicklistValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from salesforce_emulator.access import Access
    from salesforce_emulator.schema import SObjectSchema

_FIELDS, _ACCESS = "fields", "access"


def as_settings(schemas: Mapping[str, SObjectSchema], access: Access) -> list[tuple[str, str]]:
    """Print what differs from a new org as named texts."""
    standard = schema.load()
    changed = [
        {"object": name, "field": asdict(field)}
        for name, each in schemas.items()
        for field in each.fields
        if field is not standard[name].by_name.get(field.name.lower())
    ]
    return [(_FIELDS, orjson.dumps(changed).decode()), (_ACCESS, orjson.dumps(access.as_json()).decode())]


def restored_schemas(settings: Mapping[str, str]) -> dict[str, SObjectSchema]:
    """Return the standard schema with the kept fields in it."""
    schemas = schema.load()
    for kept in orjson.loads(settings.get(_FIELDS, "[]")):
        old, field = schemas[kept["object"]], _field(kept["field"])
        others = {each.name: each for each in old.fields}
        schemas[old.name] = replace(old, fields=tuple((others | {field.name: field}).values()))
    return schemas


def restore_access(access: Access, settings: Mapping[str, str]) -> None:
    """Give the profile the kept permissions."""
    kept = orjson.loads(settings.get(_ACCESS, '{"objects": {}, "fields": {}}'))
    for name, flags in kept["objects"].items():
        access.set_object(name, flags)
    for path, flags in kept["fields"].items():
        name, _, field = path.partition(".")
        access.set_field(name, field, flags)


def _field(kept: dict[str, Any]) -> FieldSchema:
    lists = {
        "picklist": tuple(PicklistValue(**value) for value in kept["picklist"]),
        "reference_to": tuple(kept["reference_to"]),
    }
    return FieldSchema(**kept | lists)
