"""What a field's type says about its other attributes, so that the data files hold only what cannot be derived."""

from __future__ import annotations

from typing import Any

from salesforce_emulator.schema.model import FieldSchema

_ID_LENGTH = 18
_GROUPABLE_LENGTH = 255
"""Texts longer than this are not groupable, and as a textarea not filterable, sortable or aggregatable either."""

_BYTES_PER_CHARACTER = 3

_PEOPLE = frozenset({"User", "Group", "RecordType"})
"""What a look-up search is never filtered by beforehand."""

_BY_TYPE: dict[str, dict[str, Any]] = {
    "address": {
        "soap_type": "urn:address",
        "aggregatable": False,
        "groupable": False,
        "sortable": False,
        "query_by_distance": True,
    },
    "anyType": {"soap_type": "xsd:anyType"},
    "base64": {"soap_type": "xsd:base64Binary", "aggregatable": False, "groupable": False, "sortable": False},
    "boolean": {"soap_type": "xsd:boolean", "aggregatable": False, "default_value": False},
    "currency": {"soap_type": "xsd:double", "groupable": False},
    "date": {"soap_type": "xsd:date"},
    "datetime": {"soap_type": "xsd:dateTime", "groupable": False},
    "double": {"soap_type": "xsd:double", "groupable": False},
    "encryptedstring": {"filterable": False, "groupable": False, "sortable": False},
    "id": {"soap_type": "tns:ID"},
    "int": {"soap_type": "xsd:int"},
    "location": {
        "soap_type": "urn:location",
        "aggregatable": False,
        "groupable": False,
        "sortable": False,
        "query_by_distance": True,
    },
    "long": {"soap_type": "xsd:long"},
    "multipicklist": {"aggregatable": False, "groupable": False, "sortable": False},
    "percent": {"soap_type": "xsd:double", "groupable": False},
    "reference": {"soap_type": "tns:ID"},
    "textarea": {"extra_type_info": "plaintextarea"},
    "time": {"soap_type": "xsd:time", "groupable": False},
}

_TEXT = frozenset({"combobox", "email", "encryptedstring", "phone", "picklist", "string", "textarea", "url"})

TYPES = _TEXT.union(_BY_TYPE)
"""Every field type a describe can name, but for those of a few system objects."""


def build_field(name: str, label: str, type_: str, **given: Any) -> FieldSchema:
    """Build a field: each attribute that is not given follows from its type, length and references."""
    derived = dict(_BY_TYPE.get(type_, {}))
    length = given.get("length", 0)
    if type_ in {"id", "reference"}:
        derived |= {"length": _ID_LENGTH, "byte_length": _ID_LENGTH}
    elif type_ == "multipicklist":
        derived |= {"byte_length": length}
    elif type_ in _TEXT:
        derived |= {"byte_length": _BYTES_PER_CHARACTER * length}
        if length > _GROUPABLE_LENGTH:
            derived |= {"groupable": False}
            if type_ == "textarea":
                derived |= {"filterable": False, "sortable": False, "aggregatable": False}
    if targets := given.get("reference_to"):
        several = len(targets) > 1
        derived |= {
            "name_pointing": several,
            "polymorphic_foreign_key": several,
            "search_prefilterable": _PEOPLE.isdisjoint(targets),
        }
    return FieldSchema(name=name, label=label, type=type_, **(derived | given))
