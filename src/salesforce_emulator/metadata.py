"""What administrators changed in the org's metadata, as text to keep beside the rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import schema
from salesforce_emulator.access import INTEGRATION
from salesforce_emulator.schema import FieldSchema, PicklistValue
from salesforce_emulator.sharing import Queue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from salesforce_emulator.access import Access
    from salesforce_emulator.org import Org
    from salesforce_emulator.schema import SObjectSchema

_FIELDS, _ACCESS, _SHARING, _RULES, _AUTOMATION, _TYPES, _HISTORY, _QUEUES = (
    "fields", "access", "sharing", "rules", "automation", "record_types", "history", "queues",
)  # fmt: skip


def as_settings(org: Org) -> list[tuple[str, str]]:
    """Print what differs from a new org as named texts."""
    standard = schema.load()
    changed = [
        {"object": name, "field": asdict(field)}
        for name, each in org.schemas.items()
        for field in each.fields
        if field is not standard[name].by_name.get(field.name.lower())
    ]
    kept = {
        _FIELDS: changed,
        _ACCESS: org.access.as_json(),
        _SHARING: org.sharing.as_json(),
        _RULES: org.rules.as_json(),
        _AUTOMATION: org.automation.as_json(),
        _TYPES: org.record_types.as_json(),
        _HISTORY: org.history.fields,
        _QUEUES: [asdict(each) for each in org.sharing.queues.values()],
    }
    return [(name, orjson.dumps(each).decode()) for name, each in kept.items()]


def restored_schemas(settings: Mapping[str, str]) -> dict[str, SObjectSchema]:
    """Return the standard schema with the kept fields in it."""
    schemas = schema.load()
    for kept in orjson.loads(settings.get(_FIELDS, "[]")):
        old = schemas[kept["object"]]
        schemas[old.name] = schema.with_field(old, _field(kept["field"]))
    return schemas


def restore(org: Org, settings: Mapping[str, str]) -> None:
    """Give the profiles the kept permissions and the objects the kept sharing."""
    if _ACCESS in settings:
        kept = orjson.loads(settings[_ACCESS])
        for profile, permissions in {INTEGRATION: kept, **kept.get("profiles", {})}.items():
            _restore_permissions(org.access, profile, permissions)
    org.sharing.restore(orjson.loads(settings.get(_SHARING, "{}")))
    for queue in orjson.loads(settings.get(_QUEUES, "[]")):
        org.sharing.queues[queue["id"]] = Queue(**queue | {"members": tuple(queue["members"])})
    org.record_types.restore(orjson.loads(settings.get(_TYPES, "{}")))
    for name, fields in orjson.loads(settings.get(_HISTORY, "{}")).items():
        org.history.track(name, fields)
    for name, rule in orjson.loads(settings.get(_RULES, "[]")):
        org.rules.add(name, rule, org.schemas)
    for name, step in orjson.loads(settings.get(_AUTOMATION, "[]")):
        org.automation.add(org.storage.tables[name], step, org.schemas)


def _restore_permissions(access: Access, profile: str, kept: Mapping[str, Any]) -> None:
    for name, flags in kept["objects"].items():
        access.set_object(name, flags, profile)
    for path, flags in kept["fields"].items():
        name, _, field = path.partition(".")
        access.set_field(name, field, flags, profile)


def _field(kept: dict[str, Any]) -> FieldSchema:
    lists = {
        "picklist": tuple(PicklistValue(**value) for value in kept["picklist"]),
        "reference_to": tuple(kept["reference_to"]),
    }
    return FieldSchema(**kept | lists)
