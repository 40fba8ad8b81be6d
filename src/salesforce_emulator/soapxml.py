"""SOAP envelopes: what a call says, and the text of results and faults."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADERS = {"Content-Type": "text/xml; charset=utf-8"}
_MAX_BYTES = 4 * 2**20
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_ENVELOPES = frozenset(
    f"{{{namespace}}}Envelope"
    for namespace in ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")
)
FLAVOURS = {"u": "partner", "c": "enterprise"}
"""Which of the two SOAP APIs stands under which letter of the path."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One SOAP call: its operation, the operation's element, and what its header says."""

    operation: str
    element: ET.Element
    session: str
    all_or_none: bool


def read(body: bytes) -> Asked | None:
    """Take an envelope apart; None where it is none, or declares entities (a way to exhaust a parser)."""
    if len(body) > _MAX_BYTES or b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        return None
    try:
        root = ET.fromstring(body)  # noqa: S314 - no entities, see above
    except (ET.ParseError, ValueError, LookupError):
        return None
    inner = root.find("{*}Body/*") if root.tag in _ENVELOPES else None
    if inner is None:
        return None
    session = root.findtext("{*}Header/{*}SessionHeader/{*}sessionId") or ""
    all_or_none = root.findtext("{*}Header/{*}AllOrNoneHeader/{*}allOrNone") or ""
    return Asked(local(inner), inner, session.strip(), all_or_none.strip() in {"true", "1"})


def local(element: ET.Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def text_of(element: ET.Element, name: str) -> str | None:
    """Return a child's text, None where it is absent, nil or empty."""
    child = element.find(f"{{*}}{name}")
    if child is None or child.get(_NIL) in {"true", "1"}:
        return None
    return (child.text or "").strip() or None


def record_of(element: ET.Element) -> tuple[str | None, dict[str, Any]]:
    """Return an sObject's type and values; `fieldsToNull` names become None."""
    kind = text_of(element, "type") or (element.get(_TYPE) or "").rpartition(":")[2] or None
    values: dict[str, Any] = {}
    for child in element:
        name = local(child)
        if name == "fieldsToNull":
            values[(child.text or "").strip()] = None
        elif name != "type":
            values[name] = None if child.get(_NIL) in {"true", "1"} else child.text or None
    return kind, values


def elements(values: Mapping[str, Any]) -> str:
    """Print elements: nil for None, `true`/`false` for booleans, a list's items one by one, mappings nested."""
    return "".join(_element(name, value) for name, value in values.items())


def _element(name: str, value: Any) -> str:
    if value is None:
        return f'<{name} xsi:nil="true"/>'
    if isinstance(value, list):
        return "".join(_element(name, each) for each in value)
    if isinstance(value, dict):
        return f"<{name}>{elements(value)}</{name}>"
    return f"<{name}>{str(value).lower() if isinstance(value, bool) else escape(str(value))}</{name}>"


def result(flavour: str, operation: str, values: Any, header: str = "") -> Reply:
    """Answer a call; `values` is its one `result` or a list of them, `header` goes into the envelope's header."""
    inner = f"<{operation}Response>{elements({'result': values})}</{operation}Response>"
    return Reply(_envelope(inner, f'xmlns="urn:{flavour}.soap.sforce.com"', header).encode(), 200, dict(HEADERS))


def empty_result(flavour: str, operation: str, header: str = "") -> Reply:
    """Answer a call that returns nothing."""
    inner = f"<{operation}Response/>"
    return Reply(_envelope(inner, f'xmlns="urn:{flavour}.soap.sforce.com"', header).encode(), 200, dict(HEADERS))


def limit_header(current: int, limit: int) -> str:
    """Print the header that tells how much of the daily quota is used."""
    info = {"current": current, "limit": limit, "type": "API REQUESTS"}
    return f"<soapenv:Header>{elements({'LimitInfoHeader': {'limitInfo': info}})}</soapenv:Header>"


def fault(code: str, text: str, *, flavour: str = "partner", detail: str = "UnexpectedErrorFault") -> Reply:
    """Refuse a call: HTTP 500, the code in the fault and, with `sf:`, in its detail.

    The recording of a failed login has no prefix on its faultcode; those of other faults have one.
    """
    prefix = "" if detail == "LoginFault" else "sf:"
    shown = escape(text)
    inner = (
        f"<soapenv:Fault><faultcode>{prefix}{code}</faultcode><faultstring>{code}: {shown}</faultstring><detail>"
        f'<sf:{detail} xsi:type="sf:{detail}"><sf:exceptionCode>{code}</sf:exceptionCode>'
        f"<sf:exceptionMessage>{shown}</sf:exceptionMessage></sf:{detail}></detail></soapenv:Fault>"
    )
    return Reply(_envelope(inner, f'xmlns:sf="urn:fault.{flavour}.soap.sforce.com"').encode(), 500, dict(HEADERS))


def client_fault(text: str) -> Reply:
    """Refuse what is no call of this API."""
    inner = f"<soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>{escape(text)}</faultstring>"
    return Reply(_envelope(f"{inner}</soapenv:Fault>", "").encode(), 500, dict(HEADERS))


def _envelope(inner: str, namespaces: str, header: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" {namespaces} '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{header}<soapenv:Body>{inner}</soapenv:Body>'
        "</soapenv:Envelope>"
    )
