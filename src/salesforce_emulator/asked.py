"""What the controls read from a request: objects, flags, the tables and fields they name; what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from salesforce_emulator import schema
    from salesforce_emulator.org import Org
    from salesforce_emulator.table import Table


class Refused(Exception):  # noqa: N818 - the text of a 400 or 404
    """A control that cannot be done; the text says why, `status` is the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def json_object(given: Any) -> dict[str, Any]:
    """Return the body as a JSON object, or refuse it."""
    if not isinstance(given, dict):
        raise Refused("a JSON object is expected")
    return given


def flags(given: Any, names: set[str]) -> dict[str, bool]:
    """Return a JSON object of some of these names, each true or false, or refuse it."""
    found = json_object(given)
    if not found.keys() <= names or not all(isinstance(value, bool) for value in found.values()):
        raise Refused(f"true or false is expected for any of {', '.join(sorted(names))}")
    return found


def texts(given: Any, required: set[str], optional: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return a JSON object of texts that has the required names and no others than the optional ones, or refuse it."""
    found = json_object(given)
    if not required <= found.keys() <= required | optional or not all(isinstance(each, str) for each in found.values()):
        raise Refused(f"texts are expected: {', '.join(sorted(required))}; optional: {', '.join(sorted(optional))}")
    return found


def table_of(org: Org, name: str) -> Table:
    """Find an object by name, or refuse it with 404."""
    if (table := org.table(name)) is None:
        raise Refused(f"no such object: {name}", 404)
    if not table.schema.stored:
        raise Refused(f"{table.name} has no rows of its own: they follow from the org's state")
    return table


def field_of(org: Org, name: str, field: str) -> tuple[Table, schema.FieldSchema]:
    """Find a field and its object by name, or refuse it with 404."""
    table = table_of(org, name)
    if (found := table.schema.by_name.get(field.lower())) is None:
        raise Refused(f"no such field: {table.name}.{field}", 404)
    return table, found
