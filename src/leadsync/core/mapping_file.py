"""One mapping file: bytes in, rows with their physical lines and every problem of form out (R25).

Excel's own files are read: UTF-8 with or without BOM, CP932, CRLF, line breaks inside quotes, headers in Japanese,
empty rows and empty cells at the end.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidfuzz import fuzz, process

from leadsync.core.problems import Problem, problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEADERS = {
    "field": "項目",
    "label": "項目名",
    "type": "種類",
    "lead_field": "リードの連携項目",
    "contact_field": "取引先責任者の連携項目",
    "direction": "方向",
    "conflict": "競合",
    "default": "既定値",
    "allow_new_values": "新しい値を許可",
    "note": "備考",
}
"""The columns in English and Japanese; the first five must be there."""

_REQUIRED = tuple(HEADERS)[:5]
_GUESS_SCORE = 70


@dataclass(frozen=True)
class Row:
    """One row of a file: its first physical line, and its cells by English header, trimmed."""

    file: str
    line: int
    cells: dict[str, str]


def plain(text: str) -> str:
    """Return the text as names are compared: NFKC, trimmed, case-folded."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def guess(text: str, names: Iterable[str]) -> str:
    """Return the name that was probably meant, or ""."""
    found = process.extractOne(text, list(names), scorer=fuzz.ratio, processor=plain, score_cutoff=_GUESS_SCORE)
    return found[0] if found else ""


def read(name: str, content: bytes) -> tuple[list[Row], list[Problem]]:
    """Read one file; what is wrong with its form comes back as problems, and the rows that can be read as rows."""
    text, problems = _decode(name, content)
    lines = list(_records(name, text, problems))
    if not lines:
        return [], problems or [problem("mapping_empty", file=name)]
    (_, header), *body = lines
    columns = _columns(name, header, problems)
    rows = []
    for line, cells in body:
        while len(cells) > len(columns) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(columns):
            counts = {"value": str(len(cells)), "allowed": str(len(columns))}
            problems.append(problem("mapping_ragged", file=name, line=line, **counts))
        else:
            named = {column: cell.strip() for column, cell in zip(columns, cells, strict=True) if column}
            rows.append(Row(name, line, named))
    if not body:
        problems.append(problem("mapping_empty", file=name))
    return rows, problems


def _decode(name: str, content: bytes) -> tuple[str, list[Problem]]:
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return content.decode(encoding), []
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
    return "", [problem("mapping_encoding", file=name, line=line)]


def _records(name: str, text: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of each row that is not empty; stop where quoting is broken."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            problems.append(problem("mapping_quotes", file=name, line=line, value=str(error)))
            return
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells


def _columns(name: str, header: list[str], problems: list[Problem]) -> list[str]:
    """Return the English header of each cell of the first row, "" where it has none."""
    if len(header) == 1 and (delimiter := next((mark for mark in "\t;|" if mark in header[0]), "")):
        problems.append(problem("mapping_delimiter", file=name, line=1, value={"\t": "TAB"}.get(delimiter, delimiter)))
        return [""]
    while not header[-1].strip():
        header.pop()
    known = {plain(spelling): english for english, japanese in HEADERS.items() for spelling in (english, japanese)}
    columns: list[str] = []
    for cell in header:
        column = known.get(plain(cell), "")
        if not column:
            allowed = ", ".join(f"{english}（{japanese}）" for english, japanese in HEADERS.items())
            near = guess(cell, [*HEADERS, *HEADERS.values()])
            facts = {"value": cell.strip(), "allowed": allowed, "guess": near}
            problems.append(problem("mapping_header_unknown", file=name, line=1, column=cell.strip(), **facts))
        elif column in columns:
            problems.append(problem("mapping_header_twice", file=name, line=1, column=column, value=cell.strip()))
            column = ""
        columns.append(column)
    problems.extend(
        problem("mapping_header_missing", file=name, line=1, column=column, value=column)
        for column in _REQUIRED
        if column not in columns
    )
    return columns
