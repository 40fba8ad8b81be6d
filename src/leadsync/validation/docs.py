"""Data Docs of failing runs: how many values fail which expectation, and none of the values (personal data)."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

if TYPE_CHECKING:
    from pathlib import Path

    from great_expectations.core import ExpectationSuiteValidationResult

_VALUES = ("unexpected_list", "unexpected_index_list", "partial_unexpected_list", "partial_unexpected_index_list")


def write(results: list[ExpectationSuiteValidationResult], folder: Path) -> list[Path]:
    """Write one page per failing suite and return the paths.

    The results lose what names single values, and their descriptions are escaped, which Data Docs do not: they are of
    no use for verdicts afterwards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for result in results:
        for each in result.results:
            for key in _VALUES:
                each.result.pop(key, None)
            each.expectation_config.description = html.escape(each.expectation_config.description)
        page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
        path = folder / f"{result.suite_name.replace(': ', '-')}.html"
        path.write_text(page, encoding="utf-8")
        paths.append(path)
    return paths
