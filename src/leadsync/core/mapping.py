"""The mapping: CSV files in, rows and every problem out (R18, R20-R25)."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from leadsync.core import mapping_file
from leadsync.core.mapping_file import Row, plain
from leadsync.core.problems import Problem, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Mapping as Lookup
    from pathlib import Path


class FieldType(StrEnum):
    """The type of a lead field (RULES.md, R18)."""

    TEXT = "text"
    TEXTAREA = "textarea"
    NUMBER = "number"
    DATE = "date"
    SELECT = "select"
    RADIO = "radio"
    CHECKBOX = "checkbox"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    DELIVERY_STATUS = "delivery_status"


class Direction(StrEnum):
    """Which way a field's values travel (R30)."""

    BOTH = "both"
    TO_SALESFORCE = "to_salesforce"
    TO_LEAD = "to_lead"


class ConflictRule(StrEnum):
    """Who wins where both sides changed to different values (R30)."""

    NEWEST = "newest"
    LEAD = "lead"
    SALESFORCE = "salesforce"


@dataclass(frozen=True)
class FieldMapping:
    """One row of the mapping: a lead field and where it lives in Salesforce (R20)."""

    field: str
    label: str
    type: FieldType
    lead_field: str | None
    contact_field: str | None
    direction: Direction
    conflict: ConflictRule
    default: str | None
    allow_new_values: bool
    note: str
    file: str
    line: int

    def api_name(self, sobject: str) -> str | None:
        """Return the field's API name on `Lead` or `Contact`, or None where it has none."""
        return self.lead_field if sobject == "Lead" else self.contact_field


_UNVERSIONED = ("note", "file", "line")
"""What a row may change without being another mapping."""


@dataclass(frozen=True)
class Mapping:
    """The rows of all files together, in the order of files and lines."""

    rows: tuple[FieldMapping, ...]

    @property
    def version(self) -> str:
        """Return a hash over what the rows say; their order, notes and places do not count."""
        said = sorted(
            [str(value) for key, value in asdict(row).items() if key not in _UNVERSIONED] for row in self.rows
        )
        return hashlib.blake2b(json.dumps(said).encode(), digest_size=16).hexdigest()

    @property
    def email_mapped(self) -> bool:
        """Say whether the key is mapped at all; without it every sync is skipped, loudly (R24)."""
        return any(row.field == EMAIL for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as JSON data, for keeping the last good one (R25)."""
        return {"rows": [asdict(row) for row in self.rows]}

    @classmethod
    def from_json(cls, data: Lookup[str, Any]) -> Mapping:
        """Read what `to_json` gave."""
        return cls(tuple(_from_json(row) for row in data["rows"]))


def _from_json(row: dict[str, Any]) -> FieldMapping:
    kinds = {
        "type": FieldType(row["type"]),
        "direction": Direction(row["direction"]),
        "conflict": ConflictRule(row["conflict"]),
    }
    return FieldMapping(**(row | kinds))


EMAIL = "email"
"""The column of `leads` that is the key (R3)."""

RESERVED = ("id", "created_at", "updated_at")
"""Columns of `leads` that belong to the platform."""

_FIXED_TYPES = {EMAIL: FieldType.EMAIL, "delivery_status": FieldType.DELIVERY_STATUS}

TYPE_LABELS = {
    FieldType.TEXT: "テキスト(1行)",
    FieldType.TEXTAREA: "テキスト(複数行)",
    FieldType.NUMBER: "数値",
    FieldType.DATE: "日付",
    FieldType.SELECT: "プルダウン",
    FieldType.RADIO: "ラジオボタン",
    FieldType.CHECKBOX: "チェックボックス",
    FieldType.EMAIL: "メールアドレス",
    FieldType.PHONE: "電話番号",
    FieldType.URL: "URL",
    FieldType.DELIVERY_STATUS: "配信状況",
}
"""What the platform's screen calls each type."""

DIRECTION_LABELS = {
    Direction.BOTH: "双方向",
    Direction.TO_SALESFORCE: "Salesforceへ",
    Direction.TO_LEAD: "リードへ",
}
CONFLICT_LABELS = {
    ConflictRule.NEWEST: "新しい方",
    ConflictRule.LEAD: "リード優先",
    ConflictRule.SALESFORCE: "Salesforce優先",
}
_BOOLEANS = dict.fromkeys(("", "false", "no", "0", "いいえ"), False) | dict.fromkeys(("true", "yes", "1", "はい"), True)

_API_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*")
_Choice = TypeVar("_Choice", bound=StrEnum)


def read_folder(folder: Path) -> dict[str, bytes]:
    """Read the mapping files of a folder, sorted by name; those that Excel holds open (`~$...`) are left out."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.csv")) if path.name[0] not in "~."}


def parse(files: Lookup[str, bytes]) -> tuple[Mapping | None, list[Problem]]:
    """Read mapping files and find every problem in them at once.

    Args:
        files: Content of each file by its name; their rows together are the mapping.

    Returns:
        The mapping, or None where anything is wrong with it (R25: the caller keeps its last good one), and the
        problems in the order of files and lines.
    """
    if not files:
        return None, [problem("mapping_no_file")]
    rows: list[FieldMapping] = []
    problems: list[Problem] = []
    for name, content in files.items():
        read, found = mapping_file.read(name, content)
        problems += found
        rows += [_Reader(row, problems).mapping() for row in read]
    problems += _repeated(rows)
    order = {name: number for number, name in enumerate(files)}
    problems.sort(key=lambda each: (order[each.file], each.line))
    return (None if problems else Mapping(tuple(rows))), problems


def check(mapping: Mapping, lead_columns: Iterable[str]) -> list[Problem]:
    """Return a problem for each mapped field that the table `leads` lacks."""
    columns = list(lead_columns)
    return [
        problem(
            "mapping_column_missing",
            file=row.file,
            line=row.line,
            column="field",
            value=row.field,
            guess=mapping_file.guess(row.field, columns),
        )
        for row in mapping.rows
        if row.field not in columns
    ]


class _Reader:
    """Reads the cells of one row; what is wrong goes to `problems`, and something readable takes its place."""

    def __init__(self, row: Row, problems: list[Problem]) -> None:
        self._row = row
        self._problems = problems

    def mapping(self) -> FieldMapping:
        """Return the row as a mapping."""
        field = self._cell("field")
        if not field:
            self._note("mapping_field_missing", "field")
        elif field in RESERVED:
            self._note("mapping_field_reserved", "field", value=field)
        kind = self._type(field)
        lead_field, contact_field = self._api_name(field, "lead_field"), self._api_name(field, "contact_field")
        targets = [target for target in (lead_field, contact_field) if target]
        if not targets:
            self._note("mapping_target_missing", "lead_field", value=field)
        direction = self._choice("direction", DIRECTION_LABELS, "mapping_direction_unknown") or Direction.BOTH
        if direction is Direction.TO_SALESFORCE and targets and all("." in target for target in targets):
            self._note("mapping_direction_lookup", "direction", value=targets[0])
        allowed = _BOOLEANS.get(plain(self._cell("allow_new_values")))
        if allowed is None:
            self._note("mapping_boolean_unknown", "allow_new_values", value=self._cell("allow_new_values"))
        return FieldMapping(
            field=field,
            label=self._cell("label") or field,
            type=kind,
            lead_field=lead_field,
            contact_field=contact_field,
            direction=direction,
            conflict=self._choice("conflict", CONFLICT_LABELS, "mapping_conflict_unknown") or ConflictRule.NEWEST,
            default=self._cell("default") or None,
            allow_new_values=bool(allowed),
            note=self._cell("note"),
            file=self._row.file,
            line=self._row.line,
        )

    def _cell(self, column: str) -> str:
        return self._row.cells.get(column, "")

    def _note(self, code: str, column: str, **facts: str) -> None:
        if column not in self._row.cells:
            return  # the file lacks the whole column, and that is said once
        self._problems.append(problem(code, file=self._row.file, line=self._row.line, column=column, **facts))

    def _type(self, field: str) -> FieldType:
        kind = self._choice("type", TYPE_LABELS, "mapping_type_unknown", required=True)
        fixed = _FIXED_TYPES.get(field)
        if kind and fixed and kind is not fixed:
            allowed = f"{fixed}（{TYPE_LABELS[fixed]}）"
            self._note("mapping_type_fixed", "type", field=field, value=kind, allowed=allowed)
        return kind or FieldType.TEXT

    def _choice(
        self, column: str, labels: dict[_Choice, str], unknown: str, *, required: bool = False
    ) -> _Choice | None:
        """Read a key or its Japanese label; None where the cell is empty or holds neither."""
        cell = self._cell(column)
        known = {plain(spelling): choice for choice, label in labels.items() for spelling in (choice, label)}
        choice = known.get(plain(cell))
        if choice is None and (cell or required):
            allowed = ", ".join(f"{key}（{label}）" for key, label in labels.items())
            near = mapping_file.guess(cell, [*labels, *labels.values()])
            self._note(unknown, column, value=cell, allowed=allowed, guess=near)
        return choice

    def _api_name(self, field: str, column: str) -> str | None:
        name = self._cell(column)
        if not name:
            return None
        if not _API_NAME.fullmatch(name):
            self._note("mapping_api_name", column, value=name)
        elif name.count(".") > 1:
            self._note("mapping_hops", column, value=name)
        elif "." in name and field == EMAIL:
            self._note("mapping_email_lookup", column, value=name)
        return name


def _repeated(rows: list[FieldMapping]) -> list[Problem]:
    """Find lead fields that are mapped twice and Salesforce fields that are used twice on one object (R20)."""
    keys: list[tuple[str, str, Callable[[FieldMapping], str | None]]] = [
        ("mapping_field_twice", "field", lambda row: row.field),
        ("mapping_target_twice", "lead_field", lambda row: row.lead_field),
        ("mapping_target_twice", "contact_field", lambda row: row.contact_field),
    ]
    problems = []
    for code, column, key in keys:
        first: dict[str, FieldMapping] = {}
        for row in rows:
            name = key(row)
            if not name:
                continue
            # API names are not case-sensitive; the columns of a table may be.
            earlier = first.setdefault(name if column == "field" else name.lower(), row)
            if earlier is not row:
                other = f"{earlier.file}:{earlier.line} ({earlier.field})"
                sobject = "Lead" if column == "lead_field" else "Contact"
                facts = {"value": name, "other": other, "sobject": sobject}
                problems.append(problem(code, file=row.file, line=row.line, column=column, **facts))
    return problems
