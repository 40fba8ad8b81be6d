"""Read the schema's data files (README.md beside them says what each column means)."""

from __future__ import annotations

import csv
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salesforce_emulator.schema.derive import build_field
from salesforce_emulator.schema.model import ATTRIBUTES, FieldSchema, PicklistValue, SObjectSchema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HERE = Path(__file__).parent

_ACCESS = {
    "c": "createable",
    "u": "updateable",
    "n": "nillable",
    "d": "defaulted_on_create",
    "p": "permissionable",
}

_NO = dict.fromkeys(
    (
        "activateable", "compactLayoutable", "createable", "custom", "customSetting", "deepCloneable", "deletable",
        "deprecatedAndHidden", "feedEnabled", "hasSubtypes", "isInterface", "isSubtype", "layoutable", "mergeable",
        "mruEnabled", "queryable", "replicateable", "retrieveable", "searchLayoutable", "searchable", "triggerable",
        "undeletable", "updateable",
    ),
    False,
)  # fmt: skip
_NONE = dict.fromkeys(
    (
        "associateEntityType", "associateParentEntity", "defaultImplementation", "extendedBy", "extendsInterfaces",
        "implementedBy", "implementsInterfaces", "listviewable", "lookupLayoutable", "networkScopeFieldName",
    )
)  # fmt: skip


def load() -> dict[str, SObjectSchema]:
    """Load the org's sObjects by API name, in the order of `objects.toml`; the data files are read once a process."""
    return dict(_load())


@cache
def _load() -> Mapping[str, SObjectSchema]:
    with (_HERE / "objects.toml").open("rb") as file:
        return {name: _sobject(name, facts) for name, facts in tomllib.load(file).items()}


def _sobject(name: str, facts: Mapping[str, Any]) -> SObjectSchema:
    top = _NO | _NONE | dict.fromkeys(facts["is"], True)
    scopes = [{"label": label, "name": scope} for scope, label in facts.get("scopes", {}).items()]
    return SObjectSchema(
        name=name,
        label=facts["label"],
        label_plural=facts["plural"],
        key_prefix=facts["key_prefix"],
        fields=tuple(_field(row) for row in _rows(_HERE / "objects" / f"{name}.csv")),
        top=top | {"supportedScopes": scopes, "sobjectDescribeOption": "FULL"},
        links=tuple(facts["links"]),
        source=facts["source"],
        stored=facts.get("stored", True),
        key_field=facts.get("key_field", "Id"),
    )


def _field(row: Mapping[str, str]) -> FieldSchema:
    given: dict[str, Any] = {_ACCESS[letter]: True for letter in row["access"]}
    given |= _size(row["type"], row["size"])
    if row["refers_to"]:
        given["reference_to"] = tuple(row["refers_to"].split())
    if row["relationship"]:
        given["relationship_name"] = row["relationship"]
    if row["children"]:
        given |= _children(*row["children"].split())
    if row["picklist"]:
        given["picklist"] = _picklist(row["picklist"])
        given["default_value"] = next((each.value for each in given["picklist"] if each.default), None)
    if row["part_of"]:
        given["compound_name"] = row["part_of"]
    for trait in row["traits"].split():
        attribute, _, value = trait.lstrip("-").partition("=")
        given[ATTRIBUTES[attribute]] = value or not trait.startswith("-")
    return build_field(row["name"], row["label"], row["type"], **given)


def _size(type_: str, size: str) -> dict[str, int]:
    if not size:
        return {}
    if type_ == "int":
        return {"digits": int(size)}
    precision, point, scale = size.partition(".")
    return {"precision": int(precision), "scale": int(scale)} if point else {"length": int(size)}


def _children(relationship: str, on_delete: str = "") -> dict[str, Any]:
    return {
        "child_relationship_name": None if relationship == "-" else relationship,
        "child_cascade_delete": on_delete == "cascade",
        "child_restricted_delete": on_delete == "restrict",
    }


@cache
def _picklist(name: str) -> tuple[PicklistValue, ...]:
    return tuple(
        PicklistValue(row["value"], row["label"] or row["value"], default=row["default"] == "yes")
        for row in _rows(_HERE / "picklists" / f"{name}.csv")
    )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
