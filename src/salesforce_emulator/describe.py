"""Describe an sObject, or the whole org, as the REST API does: every key, in its order, as the user may see it.

What a describe says depends on the user (hidden fields are missing, read-only ones are neither createable nor
updateable) and on the org's other objects (child relationships), never on any record.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from salesforce_emulator.schema.model import ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from salesforce_emulator.schema.model import FieldSchema, PicklistValue, SObjectSchema

MASTER_RECORD_TYPE = {
    "active": True,
    "available": True,
    "defaultRecordTypeMapping": True,
    "developerName": "Master",
    "master": True,
    "name": "Master",
    "recordTypeId": "012000000000000AAA",
}

_SINCE = {
    "defaultImplementation": 48,
    "deepCloneable": 48,
    "extendedBy": 48,
    "extendsInterfaces": 48,
    "implementedBy": 48,
    "implementsInterfaces": 48,
    "isInterface": 48,
    "associateEntityType": 52,
    "associateParentEntity": 52,
    "sobjectDescribeOption": 59,
}
"""The first API version whose recorded describe has the key (the release that brought it may be an earlier one)."""

_GLOBAL_KEYS = (
    "activateable", "associateEntityType", "associateParentEntity", "createable", "custom", "customSetting",
    "deepCloneable", "deletable", "deprecatedAndHidden", "feedEnabled", "hasSubtypes", "isInterface", "isSubtype",
    "keyPrefix", "label", "labelPlural", "layoutable", "mergeable", "mruEnabled", "name", "queryable", "replicateable",
    "retrieveable", "searchable", "triggerable", "undeletable", "updateable",
)  # fmt: skip

_LINKS = {
    "compactLayouts": "/describe/compactLayouts",
    "rowTemplate": "/{ID}",
    "approvalLayouts": "/describe/approvalLayouts",
    "uiDetailTemplate": "{instance}/{ID}",
    "uiEditTemplate": "{instance}/{ID}/e",
    "namedLayouts": "/describe/namedLayouts/{LayoutName}",
    "passwordUtilities": "/{ID}/password",
    "defaultValues": "/defaultValues?recordTypeId&fields",
    "listviews": "/listviews",
    "describe": "/describe",
    "uiNewRecord": "{instance}/{prefix}/e",
    "quickActions": "/quickActions",
    "layouts": "/describe/layouts",
    "sobject": "",
}
"""The REST resources of an sObject: a path below it, or an address of the user interface (`{instance}`)."""

_EVERY_OBJECT = frozenset({"rowTemplate", "describe", "sobject"})
_ON_A_LAYOUT = frozenset({"uiDetailTemplate", "uiEditTemplate", "uiNewRecord"})
_NOT_IN_GLOBAL = _ON_A_LAYOUT | {"defaultValues"}

_read_attributes = attrgetter(*ATTRIBUTES.values())


def describe_sobject(
    schema: SObjectSchema,
    *,
    readable: Callable[[str], bool],
    createable: Callable[[str], bool],
    updateable: Callable[[str], bool],
    version: int = 59,
    instance_url: str = "",
    children: Sequence[Mapping[str, Any]] = (),
    record_types: Sequence[Mapping[str, Any]] = (MASTER_RECORD_TYPE,),
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe one sObject with all its top-level keys and all attributes of each field.

    Args:
        schema: the sObject.
        readable: whether the user may see the field of this API name; others are left out.
        createable: whether the user may set the field on create, where the field allows it at all.
        updateable: the same on update.
        version: API version without its decimals; early versions lack some top-level keys.
        instance_url: start of the addresses of the user interface, `https://host`, without a trailing slash.
        children: what `child_relationships` gives for this sObject.
        record_types: record types without their `urls`.
        overrides: top-level keys that differ for this user (`createable`, `updateable`, `deletable`).
    """
    resource = f"/services/data/v{version}.0/sobjects/{schema.name}"
    layouts = f"{resource}/describe/layouts"
    described: dict[str, Any] = {
        "actionOverrides": [],
        "childRelationships": [dict(each) for each in children],
        "fields": [
            describe_field(each, createable=createable(each.name), updateable=updateable(each.name))
            for each in schema.fields
            if readable(each.name)
        ],
        "namedLayoutInfos": [],
        "recordTypeInfos": [{**each, "urls": {"layout": f"{layouts}/{each['recordTypeId']}"}} for each in record_types],
        "urls": _urls(schema, resource, instance_url, leave_out=frozenset()),
        **_facts(schema, overrides),
        "supportedScopes": [dict(each) for each in schema.top["supportedScopes"]],
    }
    return {key: described[key] for key in sorted(described) if _SINCE.get(key, 0) <= version}


def describe_field(field: FieldSchema, *, createable: bool = True, updateable: bool = True) -> dict[str, Any]:
    """Describe one field with all its attributes, in a describe's order, for a user with this access to it."""
    described = dict(zip(ATTRIBUTES, _read_attributes(field), strict=True))
    described["createable"] = field.createable and createable
    described["updateable"] = field.updateable and updateable
    described["picklistValues"] = [_picklist_value(each) for each in field.picklist]
    described["referenceTo"] = list(field.reference_to)
    return described


def describe_global(
    schemas: Iterable[SObjectSchema],
    *,
    version: int = 59,
    overrides: Callable[[str], Mapping[str, Any]] = lambda _name: {},
) -> dict[str, Any]:
    """Describe the org: an entry for each of `schemas`, which are those that the user may see.

    `overrides` gives, by API name, the keys that differ for this user (`createable`, `updateable`, `deletable`).
    """
    return {
        "encoding": "UTF-8",
        "maxBatchSize": 200,
        "sobjects": [global_entry(each, version=version, overrides=overrides(each.name)) for each in schemas],
    }


def global_entry(
    schema: SObjectSchema, *, version: int = 59, overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Describe one sObject in the short form that describe global and `/sobjects/{name}` give."""
    resource = f"/services/data/v{version}.0/sobjects/{schema.name}"
    facts = _facts(schema, overrides)
    entry = {key: facts[key] for key in _GLOBAL_KEYS if _SINCE.get(key, 0) <= version}
    return {**entry, "urls": _urls(schema, resource, "", leave_out=_NOT_IN_GLOBAL)}


def child_relationships(
    schemas: Iterable[SObjectSchema],
    parent: str,
    *,
    readable: Callable[[str, str], bool] = lambda _object, _field: True,
) -> list[dict[str, Any]]:
    """List the references of `schemas` that point at `parent`, as its `childRelationships`.

    `readable` says whether the user may see a field, given sObject and field name. A reference of a record to its
    own merge winner (`MasterRecordId`) is none: Salesforce does not list it.
    """
    return [
        {
            "cascadeDelete": field.child_cascade_delete,
            "childSObject": schema.name,
            "deprecatedAndHidden": field.deprecated_and_hidden,
            "field": field.name,
            "junctionIdListNames": [],
            "junctionReferenceTo": [],
            "relationshipName": field.child_relationship_name,
            "restrictedDelete": field.child_restricted_delete,
        }
        for schema in sorted(schemas, key=attrgetter("name"))
        for field in sorted(schema.fields, key=attrgetter("name"))
        if parent in field.reference_to and field.name != "MasterRecordId" and readable(schema.name, field.name)
    ]


def _facts(schema: SObjectSchema, overrides: Mapping[str, Any] | None) -> dict[str, Any]:
    names = {
        "keyPrefix": schema.key_prefix or None,
        "label": schema.label,
        "labelPlural": schema.label_plural,
        "name": schema.name,
    }
    return {**schema.top, **names, **(overrides or {})}


def _picklist_value(value: PicklistValue) -> dict[str, Any]:
    return {
        "active": value.active,
        "defaultValue": value.default,
        "label": value.label,
        "validFor": value.valid_for,
        "value": value.value,
    }


def _urls(schema: SObjectSchema, resource: str, instance_url: str, *, leave_out: frozenset[str]) -> dict[str, str]:
    names = _EVERY_OBJECT.union(schema.links, _ON_A_LAYOUT if schema.top["layoutable"] else ()) - leave_out
    return {
        name: link.replace("{instance}", instance_url).replace("{prefix}", schema.key_prefix)
        if link.startswith("{instance}")
        else resource + link
        for name, link in _LINKS.items()
        if name in names
    }
