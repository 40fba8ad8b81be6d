"""Mapping files: what is read, and every problem at once (R18, R20-R27, R30)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadsync.core import mapping, mapping_file
from leadsync.core.mapping import ConflictRule, Direction, FieldType, Mapping
from leadsync.core.pairs import accepted

if TYPE_CHECKING:
    from leadsync.core.problems import Problem

FOLDER = Path(__file__).parents[2] / "include" / "mappings"
HEADER = "field,label,type,lead_field,contact_field,direction,conflict,default,allow_new_values,note"
EMAIL = "email,メールアドレス,email,Email,Email,,,,,"


def csv(*lines: str, header: str = HEADER) -> bytes:
    """Make a file of lines."""
    return "\n".join((header, *lines, "")).encode()


def read(*lines: str) -> Mapping:
    """Read a file that has no problem."""
    read, problems = mapping.parse({"a.csv": csv(*lines)})
    assert read is not None, [str(problem) for problem in problems]
    return read


def found(content: bytes, name: str = "a.csv") -> list[Problem]:
    """Read a file and return its problems."""
    read, problems = mapping.parse({name: content})
    assert (read is None) == bool(problems)
    return problems


def places(content: bytes) -> list[tuple[str, int, str]]:
    """Return code, line and column of each problem."""
    return [(problem.code, problem.line, problem.column) for problem in found(content)]


def test_r20_a_row_is_a_lead_field_and_its_places() -> None:
    """R20: field, type, Lead field, Contact field; what is empty has its default."""
    (row,) = read("budget,予算,number,Budget__c,,,,,,").rows
    assert (row.field, row.label, row.type, row.lead_field, row.contact_field) == (
        "budget",
        "予算",
        FieldType.NUMBER,
        "Budget__c",
        None,
    )
    assert (row.direction, row.conflict, row.default, row.allow_new_values) == (
        Direction.BOTH,
        ConflictRule.NEWEST,
        None,
        False,
    )


def test_optional_cells() -> None:
    """R12, R19, R30: direction, conflict rule, default and `allow_new_values` are read."""
    (row,) = read("rank,ランク,select,Rating,,to_lead,salesforce,Hot,TRUE,見るだけ").rows
    assert (row.direction, row.conflict, row.default, row.allow_new_values, row.note) == (
        Direction.TO_LEAD,
        ConflictRule.SALESFORCE,
        "Hot",
        True,
        "見るだけ",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_r25_excels_own_files(encoding: str, line_end: str) -> None:
    """R25: UTF-8 with and without BOM and CP932, with any line ends, are the same mapping."""
    content = csv(EMAIL, '"last_name","姓\n(漢字)",テキスト(1行),LastName,LastName,,,,,')
    plain, _ = mapping.parse({"a.csv": content})
    saved, problems = mapping.parse({"a.csv": content.decode().replace("\n", line_end).encode(encoding)})
    assert saved is not None, problems
    assert plain is not None
    assert [row.type for row in saved.rows] == [row.type for row in plain.rows]
    assert saved.rows[1].label.split() == ["姓", "(漢字)"]


def test_r25_japanese_headers_and_labels() -> None:
    """R25: headers and types by their Japanese names, in any width, are those by key."""
    header = "項目,項目名,種類,リードの連携項目,取引先責任者の連携項目,方向,競合,既定値,新しい値を許可,備考"
    japanese = csv(
        "rank,ランク,ラジオボタン,Rating,,リードへ,リード優先,,はい,",
        "memo,メモ,テキスト（１行）,A__c,,,,,,",
        header=header,
    )
    english = csv("rank,ランク,radio,Rating,,to_lead,lead,,true,", "memo,メモ,text,A__c,,,,,,")
    assert mapping.parse({"a.csv": japanese}) == mapping.parse({"a.csv": english})


@pytest.mark.parametrize(("kind", "label"), mapping.TYPE_LABELS.items())
def test_r18_types_by_the_platforms_label(kind: FieldType, label: str) -> None:
    """R18: every type is known by the label on the platform's screen."""
    (row,) = read(f"x,項目,{label},X__c,,,,,,").rows
    assert row.type is kind


def test_columns_in_any_order_and_number() -> None:
    """Columns are found by their headers; the optional ones may be missing."""
    content = csv("Email,email,メール,email,", header="lead_field,type,label,field,contact_field")
    (row,) = mapping.parse({"a.csv": content})[0].rows
    assert (row.field, row.lead_field) == ("email", "Email")


def test_excels_empty_rows_and_cells_are_nothing() -> None:
    """R25: rows of commas only and empty cells at the end are no problem."""
    assert read(f"{EMAIL},,,", ",,,,,,,,,", "").rows == read(EMAIL).rows


def test_r25_every_problem_at_once() -> None:
    """R25: file, line and column of every problem come back in one answer."""
    content = csv(
        "email,メール,text,Email,Acount.Email,,newst,,maybe,",
        "id,番号,dat,A.B.C,姓,,,,,",
        "x,項目,数値,,,up,,,,",
        ",項目,数値,X__c,,,,,,",
        "x,項目,数値,x__C,,,,,,",
        "y,項目,数値,Y__c",
    )
    assert places(content) == [
        ("mapping_type_fixed", 2, "type"),
        ("mapping_email_lookup", 2, "contact_field"),
        ("mapping_boolean_unknown", 2, "allow_new_values"),
        ("mapping_conflict_unknown", 2, "conflict"),
        ("mapping_field_reserved", 3, "field"),
        ("mapping_type_unknown", 3, "type"),
        ("mapping_hops", 3, "lead_field"),
        ("mapping_api_name", 3, "contact_field"),
        ("mapping_target_missing", 4, "lead_field"),
        ("mapping_direction_unknown", 4, "direction"),
        ("mapping_field_missing", 5, "field"),
        ("mapping_field_twice", 6, "field"),
        ("mapping_target_twice", 6, "lead_field"),
        ("mapping_ragged", 7, ""),
    ]


def test_r25_lines_are_those_of_the_file() -> None:
    """R25: after a quoted line break and an empty row the line is still the one that an editor shows."""
    content = csv('email,"メール\nアドレス",email,Email,Email,,,,,', ",,,,,,,,,", "x,項目,何か,X__c,,,,,,")
    assert [problem.line for problem in found(content)] == [5]


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "mapping_empty", 0),
        (b"\n\n,,\n", "mapping_empty", 0),
        (HEADER.encode(), "mapping_empty", 0),
        (csv(EMAIL, '"x,y'), "mapping_quotes", 3),
        (csv(EMAIL, 'x,"a"b,text,X__c,,,,,,'), "mapping_quotes", 3),
        (csv(EMAIL).replace(b",", b";"), "mapping_delimiter", 1),
        (csv(EMAIL).replace(b",", b"\t"), "mapping_delimiter", 1),
        (csv(EMAIL) + b"\xff\xfe\x81\x20", "mapping_encoding", 3),
        (csv(EMAIL, header=HEADER.replace("note", "field")), "mapping_header_twice", 1),
        (csv(EMAIL, header=HEADER.replace("note", "memo")), "mapping_header_unknown", 1),
        (csv(EMAIL, header=HEADER.replace("lead_field", "lead")), "mapping_header_missing", 1),
    ],
)
def test_r25_broken_files(content: bytes, code: str, line: int) -> None:
    """R25: a file that cannot be read is a problem with its line, never an exception."""
    assert (code, line) in [(problem.code, problem.line) for problem in found(content)]


def test_a_missing_column_is_said_once() -> None:
    """A column that the header lacks is no problem of each row."""
    content = csv("a,項目,A__c,,,,,,", "b,項目,B__c,,,,,,", header=HEADER.replace("type,", ""))
    assert places(content) == [("mapping_header_missing", 1, "type")]


def test_no_file_is_a_problem() -> None:
    """R25: an empty folder does not replace the last good mapping."""
    read, problems = mapping.parse({})
    assert (read, [problem.code for problem in problems]) == (None, ["mapping_no_file"])


@pytest.mark.parametrize(
    ("line", "guess"),
    [
        ("x,項目,chekbox,X__c,,,,,,", "checkbox"),
        ("x,項目,プルダウソ,X__c,,,,,,", "プルダウン"),
        ("x,項目,text,X__c,,to_leed,,,,", "to_lead"),
    ],
)
def test_problems_guess_what_was_meant(line: str, guess: str) -> None:
    """A near miss is named, in both languages."""
    (problem,) = found(csv(line))
    assert f"did you mean “{guess}”?" in problem.message("en")
    assert f"「{guess}」のことですか" in problem.message("ja")


def test_r20_rows_of_two_files_may_not_conflict() -> None:
    """R20: a field that two files map is a problem that names both places."""
    _, problems = mapping.parse({"a.csv": csv(EMAIL), "b.csv": csv("email,メール,email,Email__c,,,,,,")})
    assert [(problem.code, problem.file, problem.line) for problem in problems] == [("mapping_field_twice", "b.csv", 2)]
    assert "a.csv:2" in problems[0].message("ja")


def test_r20_one_salesforce_field_may_serve_both_objects() -> None:
    """R20: a Salesforce field is used once per object, not once in all."""
    assert len(read("a,項目,text,X__c,Y__c,,,,,", "b,項目,text,Y__c,X__c,,,,,").rows) == 2


def test_r24_a_mapping_without_email_is_seen() -> None:
    """R24: without the e-mail row the mapping is valid, and says that nothing may be synced."""
    assert (read(EMAIL).email_mapped, read("x,項目,text,X__c,,,,,,").email_mapped) == (True, False)


def test_r27_a_lookup_is_never_written() -> None:
    """R27: a row that only names fields of referenced objects cannot be meant for Salesforce."""
    content = csv("industry,業種,text,,Account.Industry,to_salesforce,,,,")
    assert places(content) == [("mapping_direction_lookup", 2, "direction")]


def test_version_is_what_the_rows_say() -> None:
    """R25: notes, order and files do not make another mapping; anything else does."""
    other = "x,項目,text,X__c,,,,,,"
    version = read(EMAIL, other).version
    assert read(f"{other}メモ", EMAIL).version == version
    assert read(EMAIL, "x,項目,text,X__c,,,lead,,,").version != version


def test_the_last_good_mapping_survives_json() -> None:
    """R25: what is kept is what was read."""
    good = read(EMAIL, "rank,ランク,select,Rating,,to_lead,salesforce,Hot,TRUE,")
    assert Mapping.from_json(good.to_json()) == good


def test_columns_that_the_lead_table_lacks() -> None:
    """R20: a mapped field that is no column of `leads` is a problem, with a guess."""
    (problem,) = mapping.check(read(EMAIL, "last_nmae,姓,text,LastName,,,,,,"), ["id", "email", "last_name"])
    assert (problem.code, problem.line, problem.column) == ("mapping_column_missing", 3, "field")
    assert "last_name" in problem.message("en")


def test_folder_leaves_out_what_excel_holds_open(tmp_path: Path) -> None:
    """Excel's lock files are no mapping files."""
    for name in ("b.csv", "a.csv", "~$a.csv", ".hidden.csv", "notes.txt"):
        (tmp_path / name).write_bytes(name.encode())
    assert mapping.read_folder(tmp_path) == {"a.csv": b"a.csv", "b.csv": b"b.csv"}


def test_a_missing_folder_holds_no_file(tmp_path: Path) -> None:
    """A folder that is not there reads as an empty one: `parse` says what to do."""
    assert mapping.read_folder(tmp_path / "nowhere") == {}


def test_r22_the_shipped_mapping() -> None:
    """R22: the platform's standard items are mapped as INTERFACES says."""
    shipped, problems = mapping.parse(mapping.read_folder(FOLDER))
    assert shipped is not None, problems
    assert {row.field: (row.lead_field, row.contact_field) for row in shipped.rows} == {
        "email": ("Email", "Email"),
        "last_name": ("LastName", "LastName"),
        "first_name": ("FirstName", "FirstName"),
        "company": ("Company", "Account.Name"),
        "department": (None, "Department"),
        "title": ("Title", "Title"),
        "phone": ("Phone", "Phone"),
        "mobile_phone": ("MobilePhone", "MobilePhone"),
        "fax": ("Fax", "Fax"),
        "postal_code": ("PostalCode", "MailingPostalCode"),
        "prefecture": ("State", "MailingState"),
        "address1": ("City", "MailingCity"),
        "address2": ("Street", "MailingStreet"),
        "website": ("Website", None),
        "delivery_status": ("HasOptedOutOfEmail", "HasOptedOutOfEmail"),
    }


def test_the_shipped_file_opens_in_excel() -> None:
    """R25: Excel takes UTF-8 for what it is only after a BOM."""
    assert (FOLDER / "default.csv").read_bytes().startswith(b"\xef\xbb\xbf")


@given(content=st.binary())
def test_no_bytes_break_the_reader(content: bytes) -> None:
    """R25: whatever a file holds, it is a mapping or a list of problems."""
    found(content)


@given(cells=st.lists(st.lists(st.text(max_size=6), min_size=8, max_size=12), max_size=4))
def test_no_cells_break_the_reader(cells: list[list[str]]) -> None:
    """R25: whatever the cells hold, it is a mapping or a list of problems."""
    found(csv(*(",".join(row) for row in cells)))


def test_prepare_needs_neither_pandas_nor_great_expectations() -> None:
    """An idle cycle reads mapping and describe without the heavy libraries."""
    script = (
        "import sys, leadsync.core.access as a; print([m for m in ('pandas', 'numpy', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_dictionarys_example_is_a_mapping() -> None:
    """The example that analysts copy has no problem."""
    example = README.split("```csv\n")[1].split("```")[0]
    assert found(example.encode()) == []


@pytest.mark.parametrize("name", [*mapping_file.HEADERS, *mapping_file.HEADERS.values()])
def test_the_dictionary_names_every_column(name: str) -> None:
    """Each header stands in the column dictionary, in both languages."""
    assert name in README.split("## 種類")[0]


@pytest.mark.parametrize("kind", FieldType)
def test_the_dictionary_names_every_type(kind: FieldType) -> None:
    """Each type stands in the dictionary with its label and the Salesforce types that go with it (R18)."""
    row = next(line for line in README.splitlines() if line.startswith("|") and f"`{kind}`" in line.split("|")[1])
    assert mapping.TYPE_LABELS[kind] in row
    assert all(sf_type in row for sf_type in accepted(kind))
