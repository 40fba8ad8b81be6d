"""The controls of what administrators build: custom fields, picklists, record types, what is tracked."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from salesforce_emulator import schema
from salesforce_emulator.asked import Refused, field_of, json_object, table_of
from salesforce_emulator.history import HISTORIES, MAX_FIELDS
from salesforce_emulator.record_types import FIELD, RecordType
from salesforce_emulator.schema.dependent import CONTROLLING_TYPES, with_bitmaps
from salesforce_emulator.table import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from salesforce_emulator.org import Org
    from salesforce_emulator.schema import FieldSchema
    from salesforce_emulator.table import Table

    Handler = Callable[..., Any]

_PICKLISTS = frozenset({"picklist", "multipicklist", "combobox"})
_SALES = frozenset(HISTORIES.values())
"""What may have record types and a history here."""

_DEVELOPER_NAME = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")
_TEXTS, _FLAGS = {"name", "label", "description"}, {"active", "available", "default"}


def add_field(org: Org, given: Any, name: str) -> dict[str, str]:
    """Add a custom field, in the words of a describe; a dependent picklist's `validFor` may list controlling values."""
    table, description = table_of(org, name), dict(json_object(given))
    if "controllerName" in description:
        controlling = _controlling(table, description["controllerName"])
        description |= {"controllerName": controlling.name, "dependentPicklist": True}
        description["picklistValues"] = _bitmaps(description.get("picklistValues", []), controlling)
    made = schema.custom_field(description)
    if made.dependent_picklist and made.type not in _PICKLISTS:
        raise Refused("only picklists depend on another field")
    if made.name.lower() in table.schema.by_name:
        raise Refused(f"there is a field {table.name}.{made.name} already")
    org.add_field(table, made)
    return {"name": made.name}


def drop_field(org: Org, _: Any, name: str, field: str) -> None:
    """Remove a custom field and its values."""
    table, found = field_of(org, name, field)
    if not found.custom:
        raise Refused(f"{table.name}.{found.name} is a standard field")
    if dependent := [each.name for each in table.schema.fields if each.controller_name == found.name]:
        raise Refused(f"{table.name}.{found.name} controls {', '.join(dependent)}")
    org.drop_field(table, found.name)


def set_picklist(org: Org, given: Any, name: str, field: str) -> None:
    """Replace a picklist's values."""
    table, found = field_of(org, name, field)
    if found.type not in _PICKLISTS:
        raise Refused(f"{table.name}.{found.name} is no picklist")
    controlling = _controlling(table, found.controller_name) if found.controller_name else None
    org.change_field(table, replace(found, picklist=schema.picklist_values(_bitmaps(given, controlling))))


def _controlling(table: Table, name: Any) -> FieldSchema:
    found = table.schema.by_name.get(str(name).lower())
    if found is None or found.type not in CONTROLLING_TYPES:
        raise Refused(f"no picklist or check box of {table.name}: {name}")
    return found


def _bitmaps(values: Any, controlling: FieldSchema | None) -> Any:
    try:
        return with_bitmaps(values, controlling)
    except ValueError as error:
        raise Refused(str(error)) from error


# --- record types ----------------------------------------------------------------------------------------------------


def read_record_types(org: Org, _: Any, name: str) -> list[dict[str, Any]]:
    """Show an object's record types."""
    return [{**each.as_info(), "picklists": each.picklists} for each in org.record_types.of(table_of(org, name).name)]


def add_record_type(org: Org, given: Any, name: str) -> dict[str, str]:
    """Add a record type, or change the one of that name; answer its id."""
    table, wanted = table_of(org, name), json_object(given)
    if table.name not in _SALES:
        raise Refused(f"{table.name} has no record types")
    _check_record_type(wanted)
    chosen = {
        field_of(org, name, picklist)[1].name: _values(org, name, picklist, values)
        for picklist, values in json_object(wanted.get("picklists", {})).items()
    }
    existing = org.record_types.named(table.name, wanted["name"])
    own = {key: wanted[key] for key in (_TEXTS | _FLAGS) & wanted.keys()}
    if existing:
        made = replace(existing, **own, picklists=chosen if "picklists" in wanted else existing.picklists)
    else:
        _, record_type_id = org.new_id(org.storage.tables["RecordType"])
        made = RecordType(**{"label": wanted["name"], **own, "id": record_type_id, "picklists": chosen})
    org.put_record_type(table, made)
    return {"id": made.id}


def read_history(org: Org, _: Any) -> dict[str, tuple[str, ...]]:
    """Show which fields are tracked, by object."""
    return {name: fields for name, fields in org.history.fields.items() if fields}


def set_history(org: Org, given: Any, name: str) -> None:
    """Track these fields of an object and no others."""
    table = table_of(org, name)
    if table.name not in _SALES:
        raise Refused(f"{table.name} has no history")
    if not isinstance(given, list) or len(given) > MAX_FIELDS:
        raise Refused(f"a list of at most {MAX_FIELDS} fields is expected")
    found = [field_of(org, name, str(each))[1] for each in given]
    if wrong := [each.name for each in found if each.name not in table.position or not each.updateable]:
        raise Refused(f"not to be tracked: {', '.join(wrong)}")
    org.history.track(table.name, list(dict.fromkeys(each.name for each in found)))
    org.metadata_changed()


def drop_record_type(org: Org, _: Any, name: str, developer_name: str) -> None:
    """Remove a record type that no row has."""
    table = table_of(org, name)
    found = org.record_types.named(table.name, developer_name)
    if found is None:
        raise Refused(f"no such record type: {developer_name}", 404)
    with org.storage.writing() as db:
        used = f"SELECT 1 FROM {quoted(table.name)} WHERE {quoted(FIELD)} = ?"
        if db.execute(used, (found.id,)).fetchone():
            raise Refused(f"rows of {table.name} have the record type {found.name}")
        db.execute('DELETE FROM "RecordType" WHERE "Id" = ?', (found.id,))
    org.record_types.drop(table.name, found.id)
    org.metadata_changed()


def _check_record_type(wanted: dict[str, Any]) -> None:
    name = wanted.get("name")
    texts = all(isinstance(wanted[key], str) for key in _TEXTS & wanted.keys())
    flags = all(isinstance(wanted[key], bool) for key in _FLAGS & wanted.keys())
    if not texts or not flags or not wanted.keys() <= _TEXTS | _FLAGS | {"picklists"}:
        raise Refused('{"name", "label", "description", "active", "available", "default", "picklists"} is expected')
    if not isinstance(name, str) or not _DEVELOPER_NAME.fullmatch(name) or name.lower() == "master":
        raise Refused(f"not a developer name: {name}")
    if wanted.get("default") and not (wanted.get("active", True) and wanted.get("available", True)):
        raise Refused("a default record type is active and available")


def _values(org: Org, name: str, picklist: str, values: Any) -> tuple[str, ...]:
    _, found = field_of(org, name, picklist)
    known = {each.value for each in found.picklist}
    if found.type not in _PICKLISTS or not isinstance(values, list) or not known.issuperset(map(str, values)):
        raise Refused(f"a list of values of the picklist {found.name} is expected")
    return tuple(map(str, values))


_NAME = r"(?P<name>[^/]+)"
ROUTES: tuple[tuple[str, dict[str, Handler]], ...] = (
    (f"/fields/{_NAME}", {"POST": add_field}),
    (f"/fields/{_NAME}/(?P<field>[^/]+)", {"DELETE": drop_field}),
    (f"/picklists/{_NAME}/(?P<field>[^/]+)", {"PUT": set_picklist}),
    ("/history", {"GET": read_history}),
    (f"/history/{_NAME}", {"PUT": set_history}),
    (f"/record_types/{_NAME}", {"GET": read_record_types, "POST": add_record_type}),
    (f"/record_types/{_NAME}/(?P<developer_name>[^/]+)", {"DELETE": drop_record_type}),
)
