"""Rules that a save must pass: validation rules (a formula that must not be true) and duplicate rules.

They look at the row as it would be saved, inside the transaction, after what the org does by itself. Several
validation rules may refuse at once (documented); a duplicate rule blocks, or alerts and lets a save pass that says so
in its header.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from salesforce_emulator import formulas
from salesforce_emulator.errors import DuplicatesError, Problem, RecordError
from salesforce_emulator.sharing import Level
from salesforce_emulator.table import quoted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.formulas import Formula
    from salesforce_emulator.records import Writer
    from salesforce_emulator.schema import SObjectSchema

_MISSPELT_UNTIL = 51
"""The last API version whose duplicate block is called `duplicateResut` (recorded at v50 and v51)."""

_MOST_MATCHES = 100
_TEXT = "Use one of these records?"


@dataclass(frozen=True, slots=True)
class Validation:
    """A save is refused with `message`, at `field` or the top of the page, where `condition` is true."""

    name: str
    condition: Formula
    message: str
    field: str | None


@dataclass(frozen=True, slots=True)
class Duplicates:
    """A row is a duplicate of another (of `target`) that has the same values, none blank, in all of `fields`."""

    name: str
    target: str
    fields: tuple[str, ...]
    blocks: bool
    message: str


class Rules:
    """Keep each object's rules, as texts to keep and as what to run."""

    def __init__(self) -> None:
        self._given: list[tuple[str, dict[str, Any]]] = []
        self._validations: dict[str, list[Validation]] = {}
        self._duplicates: dict[str, list[Duplicates]] = {}

    def clear(self, name: str | None = None) -> None:
        """Drop an object's rules, or all of them."""
        self._given = [(owner, rule) for owner, rule in self._given if name not in {None, owner}]
        for rules in (self._validations, self._duplicates):
            for owner in list(rules) if name is None else [name]:
                rules.pop(owner, None)

    def as_json(self) -> list[list[Any]]:
        """Return the rules as they were given, each with its object."""
        return [[name, rule] for name, rule in self._given]

    def add(self, name: str, rule: dict[str, Any], schemas: Mapping[str, SObjectSchema]) -> None:
        """Add a rule; raise `ValueError` (FormulaError) for one that an org would not save."""
        kind = rule.get("type")
        if kind == "validation":
            self._validations.setdefault(name, []).append(_validation(name, rule, schemas))
        elif kind == "duplicate":
            self._duplicates.setdefault(name, []).append(_duplicates(name, rule, schemas))
        else:
            raise ValueError('"type" is "validation" or "duplicate"')
        self._given.append((name, rule))

    def concern(self, name: str) -> bool:
        """Tell whether any rule looks at an object's saves."""
        return name in self._validations or name in self._duplicates

    def check(
        self, writer: Writer, db: sqlite3.Connection, view: ObjectView, record_id: str, changed: Collection[str]
    ) -> None:
        """Refuse a row just written that breaks a rule; duplicates are looked for where a field of theirs changed."""
        if validations := self._validations.get(view.name):
            columns = ", ".join(each.condition.sql("t") for each in validations)
            broken = db.execute(f'SELECT {columns} FROM {quoted(view.name)} t WHERE "Id" = ?', (record_id,)).fetchone()
            problems = [
                Problem("FIELD_CUSTOM_VALIDATION_EXCEPTION", each.message, (each.field,) if each.field else ())
                for each, is_broken in zip(validations, broken, strict=True)
                if is_broken
            ]
            if problems:
                raise RecordError(problems)
        for rule in self._duplicates.get(view.name, ()):
            if (rule.blocks or not writer.allow_duplicates) and not set(rule.fields).isdisjoint(changed):
                _refuse_duplicates(writer, db, view, record_id, rule)


def _refuse_duplicates(
    writer: Writer, db: sqlite3.Connection, view: ObjectView, record_id: str, rule: Duplicates
) -> None:
    target = writer.org.access.view(writer.user, writer.org.storage.tables[rule.target])
    same = " AND ".join(f"o.{quoted(name)} = t.{quoted(name)}" for name in rule.fields)
    live = f"o.{quoted('IsDeleted')} = 0" if target.table.is_deletable else "1"
    if "IsConverted" in target.table.position:
        live += f" AND o.{quoted('IsConverted')} = 0"
    readable = target.reach.at_least(Level.READ, "o") or "1"
    sql = (
        f'SELECT o."Id", {readable} FROM {quoted(view.name)} t JOIN {quoted(rule.target)} o ON {same} '
        f'WHERE t."Id" = ? AND o."Id" <> t."Id" AND {live} ORDER BY o._n LIMIT {_MOST_MATCHES}'
    )
    if found := db.execute(sql, (record_id,)).fetchall():
        matches = [other for other, is_readable in found if is_readable]
        raise DuplicatesError(rule.message, _key(writer), _result(writer, view.name, rule, matches))


def _key(writer: Writer) -> str:
    return "duplicateResut" if writer.version <= _MISSPELT_UNTIL else "duplicateResult"


def _result(writer: Writer, name: str, rule: Duplicates, matches: list[str]) -> dict[str, Any]:
    base = f"/services/data/v{writer.version}.0/sobjects/{rule.target}"
    records = [
        {
            "additionalInformation": [],
            "fieldDiffs": [],
            "matchConfidence": 100.0,
            "record": {"attributes": {"type": rule.target, "url": f"{base}/{each}"}, "Id": each},
        }
        for each in matches
    ]
    result = {
        "entityType": rule.target,
        "errors": [],
        "matchEngine": "ExactMatchEngine",
        "matchRecords": records,
        "rule": f"{rule.name}_Match",
        "size": len(records),
        "success": True,
    }
    return {
        "allowSave": not rule.blocks,
        "duplicateRule": rule.name,
        "duplicateRuleEntityType": name,
        "errorMessage": rule.message,
        "matchResults": [result],
    }


def _validation(name: str, rule: dict[str, Any], schemas: Mapping[str, SObjectSchema]) -> Validation:
    texts = {key: rule.get(key) for key in ("condition", "message")}
    if rule.keys() - {"type", "name", "condition", "message", "field"} or not all(
        isinstance(each, str) for each in texts.values()
    ):
        raise ValueError('{"type": "validation", "name", "condition": formula, "message", "field"} is expected')
    condition = formulas.translate(str(texts["condition"]), schemas[name], schemas)
    if condition.kind != formulas.CONDITION:
        raise ValueError("a validation rule's formula is a condition")
    field = _fields(schemas[name], [rule["field"]])[0] if rule.get("field") else None
    return Validation(str(rule.get("name", "Rule")), condition, str(texts["message"]), field)


def _duplicates(name: str, rule: dict[str, Any], schemas: Mapping[str, SObjectSchema]) -> Duplicates:
    target, fields, action = rule.get("matches", name), rule.get("fields"), rule.get("action", "block")
    known = isinstance(target, str) and target in schemas and schemas[target].stored and action in {"block", "alert"}
    if rule.keys() - {"type", "name", "fields", "matches", "action", "message"} or not known or not fields:
        raise ValueError('{"type": "duplicate", "name", "fields", "matches", "action": "block" or "alert"} is expected')
    names = _fields(schemas[name], fields)
    _fields(schemas[target], fields)
    title = str(rule.get("name", f"Standard_{name}_Duplicate_Rule"))
    return Duplicates(title, target, names, action == "block", str(rule.get("message", _TEXT)))


def _fields(schema: SObjectSchema, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list):
        raise ValueError("fields is a list of names")  # noqa: TRY004 - the words of a refusal, not a programming error
    found = [schema.by_name.get(str(each).lower()) for each in given]
    if any(field is None or field.calculated for field in found):
        raise ValueError(f"not all of these are fields of {schema.name} that hold values: {given}")
    return tuple(field.name for field in found if field is not None)
