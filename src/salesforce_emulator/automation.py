"""What the org does by itself on save, as flows and assignment rules do: rewrite fields, give rows to other owners.

It works on the row just written, in the same transaction and with its stamps, before any rule is checked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from salesforce_emulator import formulas, lifecycle, records
from salesforce_emulator.errors import FieldTypeError
from salesforce_emulator.table import quoted
from salesforce_emulator.values import FieldValueError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from salesforce_emulator.formulas import Formula
    from salesforce_emulator.records import Writer
    from salesforce_emulator.schema import SObjectSchema
    from salesforce_emulator.table import Table

MOMENTS = {"save": {"create", "update"}, "create": {"create"}, "update": {"update"}}


@dataclass(frozen=True, slots=True)
class Step:
    """One automation: when it runs, for which rows, what it sets, and whether it converts the Lead afterwards."""

    moments: frozenset[str]
    condition: Formula | None
    values: Mapping[str, Any]
    computed: Mapping[str, Formula]
    assigns: bool = False
    converts: bool = False


class Automation:
    """Keep each object's automations in order, as given and as what to run."""

    def __init__(self) -> None:
        self._given: list[tuple[str, dict[str, Any]]] = []
        self._steps: dict[str, list[Step]] = {}

    def clear(self, name: str | None = None) -> None:
        """Drop an object's automations, or all of them."""
        self._given = [(owner, step) for owner, step in self._given if name not in {None, owner}]
        for owner in list(self._steps) if name is None else [name]:
            self._steps.pop(owner, None)

    def as_json(self) -> list[list[Any]]:
        """Return the automations as they were given, each with its object."""
        return [[name, step] for name, step in self._given]

    def add(self, table: Table, given: dict[str, Any], schemas: Mapping[str, SObjectSchema]) -> None:
        """Add an automation; raise `ValueError` for one that an org would not save."""
        self._steps.setdefault(table.name, []).append(_step(table, given, schemas))
        self._given.append((table.name, given))

    def concern(self, name: str) -> bool:
        """Tell whether anything happens on an object's saves."""
        return name in self._steps

    def run(self, writer: Writer, db: sqlite3.Connection, name: str, record_id: str, moment: str) -> bool:
        """Do to a row just written what its object's automations say; tell whether it is to be converted."""
        converts = False
        for step in self._steps.get(name, ()):
            if moment not in step.moments or (step.assigns and not writer.auto_assign):
                continue
            condition = f" AND {step.condition.sql('t')}" if step.condition else ""
            where = f'FROM {quoted(name)} t WHERE "Id" = ?{condition}'
            computed = [formula.sql("t") for formula in step.computed.values()]
            row = db.execute(f"SELECT {', '.join(['1', *computed])} {where}", (record_id,)).fetchone()
            if row is None:
                continue
            converts = converts or step.converts
            found = (None if value == "" else value for value in row[1:])
            values = {**step.values, **dict(zip(step.computed, found, strict=True))}
            if values:
                records.put(db, writer.org.storage.tables[name], record_id, values)
        return converts

    @staticmethod
    def convert(writer: Writer, db: sqlite3.Connection, lead_id: str) -> None:
        """Convert a Lead just saved, as a flow does: without regard to who saved it."""
        by_itself = replace(writer, user=writer.org.users.admin, quiet=True)
        lifecycle.convert(by_itself, db, lifecycle.Conversion(lead_id))


def _step(table: Table, given: dict[str, Any], schemas: Mapping[str, SObjectSchema]) -> Step:
    values, moment = given.get("set", {}), given.get("on", "save")
    if (
        given.keys() - {"on", "when", "set", "assign", "convert"}
        or moment not in MOMENTS
        or not isinstance(values, dict)
        or not ({"set", "assign", "convert"} & given.keys())
    ):
        raise ValueError(
            '{"on": "save", "when": formula, and "set": {field: value}, "assign": id or "convert"} is expected'
        )
    if given.get("convert") and table.name != "Lead":
        raise ValueError("only Leads are converted")
    condition = formulas.translate(str(given["when"]), table.schema, schemas) if given.get("when") else None
    if condition and condition.kind != formulas.CONDITION:
        raise ValueError("when is a condition")
    if "assign" in given:
        values = {**values, "OwnerId": given["assign"]}
    fixed: dict[str, Any] = {}
    computed: dict[str, Formula] = {}
    for name, value in values.items():
        field = table.schema.by_name.get(name.lower())
        if field is None or field.name not in table.position or field.calculated:
            raise ValueError(f"no field to set: {name}")
        if isinstance(value, dict) and value.keys() == {"formula"}:
            computed[field.name] = formulas.translate(str(value["formula"]), table.schema, schemas)
        else:
            fixed[field.name] = _stored(table, field.name, value)
    moments = frozenset(MOMENTS[moment])
    return Step(moments, condition, fixed, computed, "assign" in given, given.get("convert") is True)


def _stored(table: Table, name: str, value: Any) -> Any:
    try:
        return None if value is None else table.converters[name](value)
    except (FieldTypeError, FieldValueError) as error:
        raise ValueError(f"{name} does not take {value!r}") from error
