"""What `?columns=true` answers in place of records: each column of a query's result (`sf data query` asks for it).

The keys and the values of `aggregate`, `apexType`, `foreignKeyName`, `insertable` and `joinColumns` are recorded;
`entityName`, `groupBy`, `idSelected` and `keyPrefix`, and the Apex type of a double, are general knowledge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salesforce_emulator.values import NUMBER_TYPES

if TYPE_CHECKING:
    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.schema import FieldSchema
    from salesforce_emulator.soql.output import Aggregated, Compiled, Node

_APEX = {
    "id": "Id",
    "reference": "Id",
    "boolean": "Boolean",
    "int": "Integer",
    "long": "Long",
    "date": "Date",
    "datetime": "Datetime",
    "time": "Time",
    "address": "Address",
    "location": "Location",
    **dict.fromkeys(NUMBER_TYPES, "Double"),
}


def of_records(found: Compiled) -> dict[str, Any]:
    """Describe the columns of a query for records."""
    return _answer(_columns(found.root), found.root.view, grouped=False, with_id="Id" in found.root.values)


def of_aggregates(found: Aggregated) -> dict[str, Any]:
    """Describe the columns of a query for aggregates; a calculated one has no type, and shows how it was written."""
    listed = []
    for output in found.outputs:
        if output.calculated:
            number = _apex(output.field) in {"Integer", "Long", "Double"}
            listed.append(_column(output.name, output.text, aggregate=True, number=number))
        else:
            listed.append(_of_field(output.name, output.field, found.view))
    return _answer(listed, found.view, grouped=found.grouped, with_id=False)


def _answer(listed: list[dict[str, Any]], view: ObjectView, *, grouped: bool, with_id: bool) -> dict[str, Any]:
    return {
        "columnMetadata": listed,
        "entityName": view.name,
        "groupBy": grouped,
        "idSelected": with_id,
        "keyPrefix": view.schema.key_prefix or None,
    }


def _columns(node: Node) -> list[dict[str, Any]]:
    listed = []
    for name in node.order:
        if name in node.parents:
            parent = node.parents[name]
            foreign = parent.reference.name if parent.reference else None
            listed.append(_column(name, name, foreign=foreign, join=_columns(parent)))
        elif name in node.children:
            join = _columns(node.children[name].compiled.root)
            listed.append(_column(name, name, aggregate=True, join=join))
        else:
            listed.append(_of_field(name, node.fields[name], node.view))
    return listed


def _of_field(name: str, field: FieldSchema, view: ObjectView) -> dict[str, Any]:
    kind = _apex(field)
    return _column(
        name,
        name,
        apex=kind,
        custom=field.custom,
        insertable=field.name in view.createable,
        updatable=field.name in view.updateable,
        number=kind in {"Integer", "Long", "Double"},
    )


def _apex(field: FieldSchema) -> str:
    return _APEX.get(field.type, "String")


def _column(
    name: str,
    display: str,
    *,
    aggregate: bool = False,
    apex: str | None = None,
    custom: bool = False,
    foreign: str | None = None,
    insertable: bool = False,
    updatable: bool = False,
    number: bool = False,
    join: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "aggregate": aggregate,
        "apexType": apex,
        "booleanType": apex == "Boolean",
        "columnName": name,
        "custom": custom,
        "displayName": display,
        "foreignKeyName": foreign,
        "insertable": insertable,
        "joinColumns": join or [],
        "numberType": number,
        "textType": apex == "String",
        "updatable": updatable,
    }
