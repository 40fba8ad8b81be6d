"""docs/reference.md says what the code knows, and nothing else."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import typer.main

from leadsync.cli import app
from leadsync.core import codes, problems
from leadsync.settings import Settings
from leadsync.store.tables import Base

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference.md"
ENUMS = {"language", "duplicate_scope"}


@cache
def section(title: str) -> str:
    """Return the text under a heading, up to the next one of its level or above."""
    text = REFERENCE.read_text(encoding="utf-8")
    level = title.split(maxsplit=1)[0]
    start = text.index(f"\n{title}\n") + len(title) + 2
    end = re.search(rf"^#{{1,{len(level)}}} ", text[start:], re.MULTILINE)
    return text[start : start + end.start()] if end else text[start:]


def rows(title: str) -> dict[str, list[str]]:
    """Return the rows of a section's first table: first cell without its back-ticks -> the other cells."""
    table = re.search(r"(?:^\|.*\n)+", section(title), re.MULTILINE)
    assert table, f"no table under {title}"
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[0].splitlines()[2:]]
    return {first.strip("`"): rest for first, *rest in cells}


def commands() -> dict[str, list[str]]:
    """Return every command of the command line with its options."""
    found, waiting = {}, {"leadsync": typer.main.get_command(app)}
    while waiting:
        name, command = waiting.popitem()
        below = getattr(command, "commands", {})
        waiting |= {f"{name} {sub}": each for sub, each in below.items()}
        if not below:
            found[name] = [option for each in command.params for option in each.opts]
    return found


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_its_default_and_meaning(name: str):
    """Variable, default and meaning of each setting are those of the code."""
    field = Settings.model_fields[name]
    default, unit, meaning = rows("## Settings")[f"LEADSYNC_{name.upper()}"]
    value = str(getattr(field.default, "value", field.default))
    assert (default, meaning) == (f"`{value}`" if value else "none", field.description)
    assert unit


@pytest.mark.parametrize("name", ENUMS)
def test_settings_with_a_choice_list_it(name: str):
    """Where only some values are possible, each stands in the unit's column."""
    kind = Settings.model_fields[name].annotation
    assert kind is not None
    unit = rows("## Settings")[f"LEADSYNC_{name.upper()}"][1]
    assert re.findall(r"`(\w+)`", unit) == [choice.value for choice in kind]


def test_no_setting_is_documented_that_does_not_exist():
    """A setting that went must go from the page too."""
    assert set(rows("## Settings")) == {f"LEADSYNC_{name.upper()}" for name in Settings.model_fields}


def test_every_connection_is_documented():
    """The ids are the defaults of the settings that name them."""
    ids = {field.default for name, field in Settings.model_fields.items() if name.endswith("_conn_id")}
    assert set(rows("## Connections")) == ids


def test_every_command_is_documented_and_no_other():
    """The headings are the commands."""
    headings = re.findall(r"^### `(.+)`$", section("## Commands"), re.MULTILINE)
    assert sorted(headings) == sorted(commands())


@pytest.mark.parametrize("command", commands())
def test_every_option_is_documented_and_no_other(command: str):
    """The table below a command's heading is its options."""
    assert set(rows(f"### `{command}`")) == set(commands()[command])


@pytest.mark.parametrize("code", codes.CODES.values(), ids=codes.CODES)
def test_every_error_code_has_its_texts(code: codes.ErrorCode):
    """R50: rule, retry and the texts of both languages are those of the code."""
    retry = "by itself" if code.retry else "after a change"
    texts = [code.title_ja, code.title_en, code.remedy_ja, code.remedy_en]
    assert rows("## Error codes")[code.code] == [code.rule, retry, *texts]


def test_no_error_code_is_documented_that_does_not_exist():
    """A code that went must go from the page too."""
    assert list(rows("## Error codes")) == list(codes.CODES)


def test_salesforces_codes_are_documented_as_they_are_translated():
    """R37: each of Salesforce's codes stands beside the code that `from_api` gives it."""
    table = rows("### From Salesforce's codes")
    told = {status: ours for ours, (cell,) in table.items() for status in re.findall(r"`(\w+)`", cell)}
    assert {status: codes.from_api(status) for status in told} == told
    assert set(told.values()) == {code for code in codes.CODES if code.startswith("api_")} - {"api_other"}


@pytest.mark.parametrize("code", problems._TEXTS)
def test_every_mapping_problem_is_documented(code: str):
    """R25: rule and message in both languages are those of the code."""
    rule, japanese, english, *_ = problems._TEXTS[code]
    assert rows("## Mapping problems")[code] == [rule, japanese, english]


def test_every_table_and_column_is_documented_and_no_other():
    """What is read for a report is found here, column by column."""
    told = {name: re.findall(r"`(\w+)`", columns) for name, (_, columns) in rows("## Tables").items()}
    assert told == {table.name: list(table.columns.keys()) for table in Base.metadata.tables.values()}
