"""Records as trees, the forms of Bulk API v1 beside CSV: JSON and XML data in, JSON and XML rows out.

Documented (Bulk API developer guide): `sObjects` of `sObject` elements, `xsi:nil` for null, a parent's external id as
`Account.Ext__c` nested one level, in XML inside a further `sObject`. Recorded: rows as JSON. The XML of rows follows
the guide's examples.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import orjson

from salesforce_emulator.bulk.csvio import InvalidBatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = "http://www.force.com/2009/06/asyncapi/dataload"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_NIL = f"{{{_XSI}}}nil"
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")

ROWS_BEGIN = f'<?xml version="1.0" encoding="UTF-8"?><queryResult xmlns="{NAMESPACE}" xmlns:xsi="{_XSI}">'.encode()
ROWS_END = b"</queryResult>"


def from_json(data: bytes) -> Iterator[dict[str, Any]]:
    """Read a JSON list of records. Raises `InvalidBatchError`."""
    try:
        given = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidBatchError(f"Failed to parse JSON: {error}") from error
    if not isinstance(given, list) or not all(isinstance(record, dict) for record in given):
        raise InvalidBatchError("Failed to parse JSON: a list of records is expected")
    return (dict(_flat(record)) for record in given)


def from_xml(data: bytes) -> Iterator[dict[str, Any]]:
    """Read the `sObject` elements of XML data; values are text, or None where nil. Raises `InvalidBatchError`."""
    root = parse(data)
    if root is None or local(root) != "sObjects":
        raise InvalidBatchError("Failed to parse XML: sObjects is expected")
    return (dict(_flat(_record(element))) for element in root)


def parse(data: bytes) -> ET.Element | None:
    """Parse XML; None where it is none, or declares entities (a way to exhaust a parser)."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        return None
    try:
        return ET.fromstring(data)  # noqa: S314 - no entities, see above
    except (ET.ParseError, ValueError, LookupError):
        return None


def local(element: ET.Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def row_as_xml(record: dict[str, Any], name: str = "records") -> str:
    """Print a record of a query, its parents nested; nulls are nil."""
    attributes, *values = record.items()
    inner = "".join(_value(key, value) for key, value in values)
    return f'<{name} xsi:type="sObject"><type>{attributes[1]["type"]}</type>{inner}</{name}>'


def text(value: Any) -> str:
    """Print a value for XML; what XML cannot hold is left out."""
    return escape(_NOT_XML.sub("", str(value).lower() if isinstance(value, bool) else str(value)))


def _value(name: str, value: Any) -> str:
    if value is None:
        return f'<{name} xsi:nil="true"/>'
    return row_as_xml(value, name) if isinstance(value, dict) else f"<{name}>{text(value)}</{name}>"


def _record(element: ET.Element) -> dict[str, Any]:
    """Read an `sObject`; `type` names the kind of a parent and is no field."""
    values: dict[str, Any] = {}
    for child in element:
        name = local(child)
        if child.get(_NIL) in {"true", "1"}:
            values[name] = None
        elif len(child):
            values[name] = _record(child[0] if local(child[0]) == "sObject" else child)
        elif name != "type":
            values[name] = child.text or ""
    return values


def _flat(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Turn `{"Account": {"Ext__c": "1"}}` into `Account.Ext__c`, as a CSV header says it."""
    for name, value in record.items():
        if name.lower() == "attributes":
            continue
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", each) for inner, each in value.items() if inner.lower() != "attributes")
        else:
            yield name, value
