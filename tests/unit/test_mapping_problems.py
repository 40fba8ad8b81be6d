"""The texts of mapping problems, in both languages (R18, R20-R26, R40)."""

from __future__ import annotations

from pathlib import Path

import pytest

import leadsync
from leadsync.core import problems

SOURCES = Path(leadsync.__file__).parent
FACTS = ("value", "allowed", "field", "sobject", "other", "type", "sf_type")


@pytest.mark.parametrize("code", problems.CODES)
@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_problem_has_whole_texts(code: str, language: str) -> None:
    """Each text can be filled from the facts and nothing else, and values are data: braces in them stay."""
    facts = {fact: f"{{{fact}!r}}" for fact in FACTS}
    problem = problems.problem(code, file="a.csv", line=2, guess="{x}", **facts)
    text = problem.message(language) + problem.remedy(language)
    for fact in (*facts.values(), "{x}"):
        text = text.replace(fact, "")
    assert "{" not in text
    assert problem.message(language).strip()
    assert problem.remedy(language).strip()


@pytest.mark.parametrize("code", problems.CODES)
def test_every_problem_can_arise(code: str) -> None:
    """No text stands for a code that no module gives."""
    modules = [path for path in (SOURCES / "core").glob("*.py") if path.name != "problems.py"]
    assert any(f'"{code}"' in path.read_text(encoding="utf-8") for path in modules)


def test_a_problem_reads_as_one_line() -> None:
    """For logs: place, column, what, rule and remedy."""
    problem = problems.problem("mapping_field_missing", file="a.csv", line=3, column="field")
    assert str(problem).startswith("a.csv:3 [field]: the row names no lead field (R20). Write ")
