"""Leads in, verdicts out: what fails, per lead, object and field (R9-R19).

Values are validated once each: Great Expectations sees a frame of every column's distinct values, and its failures are
carried back to the leads that hold them. So a bad value costs the same in one lead and in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import great_expectations as gx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.validator.v1_validator import Validator

from leadsync.core import types
from leadsync.core.access import OBJECTS
from leadsync.core.values.column import arrow, filled, series
from leadsync.errors import ConfigurationError
from leadsync.validation import docs as data_docs
from leadsync.validation import suites

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.core.batch_definition import BatchDefinition

    from leadsync.core.access import ActiveField, EffectiveMapping

COLUMN_SHARE = 0.20
COLUMN_LEADS = 50
"""Above this share of a column's distinct values, and from this many leads on, the mapping is wrong, not the leads."""

SHOWN = 120
"""Characters of a value that a verdict shows."""

_RESULT_FORMAT = {"result_format": "BASIC", "exclude_unexpected_values": True, "return_unexpected_index_query": False}
_REQUIRED_FORMAT = _RESULT_FORMAT | {"result_format": "COMPLETE"}


@dataclass(frozen=True)
class ColumnProblem:
    """A column that fails as a whole: said once instead of once per lead (`mapping_column`)."""

    sobject: str
    field: str
    label: str
    api_name: str
    code: str
    rule: str
    detail: str
    failing: int
    """Distinct values that fail."""
    distinct: int
    """Distinct values of the column, blanks not counted."""
    leads: int
    """Leads that hold a failing value."""

    def __str__(self) -> str:
        """Say in one line what fails and where to look."""
        return (
            f"mapping: {self.failing} of {self.distinct} values of “{self.label}” ({self.field}) fail on "
            f"{self.sobject}.{self.api_name}: {self.code} ({self.rule}), {self.leads} leads. "
            "Check the type and the Salesforce field of that row."
        )


@dataclass(frozen=True)
class Verdicts:
    """What was found wrong.

    `frame` has one row per lead, object and field that fails: `lead_id` int64 and `value` str (cut at `SHOWN`, NA:
    blank); `sobject`, `field`, `code`, `rule` and `detail` as categories of str, since they repeat. `checked` counts
    the expectations.
    """

    frame: pd.DataFrame
    column_problems: list[ColumnProblem]
    checked: int


def run(leads: pd.DataFrame, mapping: EffectiveMapping, docs: Path | None = None) -> Verdicts:
    """Validate leads against what the mapping's fields take on Lead and on Contact.

    Args:
        leads: Columns `id` (int64) and every mapped lead column (str, NA for null).
        mapping: The effective mapping.
        docs: Folder for Data Docs, made only where something fails: counts, without any value of a lead.

    Raises:
        ConfigurationError: The frame lacks a mapped column, or an expectation could not be evaluated.
    """
    fields = {(field.sobject, field.field): field for sobject in OBJECTS for field in suites.checked(mapping, sobject)}
    columns = dict.fromkeys(field for _, field in fields)
    if missing := [column for column in columns if column not in leads]:
        raise ConfigurationError(
            f"validation: the staged leads lack the mapped columns {', '.join(missing)}. "
            "Correct `field` in the mapping file or add the column to the table leads; "
            "`leadsync mapping check` names the lines."
        )
    held = {column: _Column.of(leads[column]) for column in columns}
    failures: list[_Failure] = []
    failing: list[ExpectationSuiteValidationResult] = []
    checked = 0
    for result in _results(mapping, held):
        checked += result.statistics["evaluated_expectations"]
        for each in result.results:
            _raise_if_broken(each)
            if not each.success:
                failures.append(_Failure.of(each, fields, held))
        if not result.success:
            failing.append(result)
    if docs is not None and failing:
        data_docs.write(failing, docs)
    problems = [problem for failure in failures if (problem := failure.column_problem()) is not None]
    return Verdicts(_frame(failures, leads["id"]), problems, checked)


@dataclass(frozen=True)
class _Column:
    """A lead column as its distinct values, and which of them each lead holds (-1: blank)."""

    distinct: pa.Array
    positions: np.ndarray

    @classmethod
    def of(cls, values: pd.Series) -> _Column:
        encoded = filled(arrow(values)).dictionary_encode()
        return cls(encoded.dictionary, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False))

    def rows(self, positions: list[int]) -> np.ndarray:
        """Return the rows of the leads that hold one of these values."""
        wanted = np.zeros(len(self.distinct) + 1, dtype=bool)  # the last stands for -1
        wanted[positions] = True
        return np.flatnonzero(wanted[self.positions])


@dataclass(frozen=True)
class _Failure:
    """One failed expectation, and the rows of the leads that fail it."""

    field: ActiveField
    code: str
    rule: str
    failing: int
    column: _Column
    rows: np.ndarray

    @classmethod
    def of(
        cls,
        result: ExpectationValidationResult,
        fields: dict[tuple[str, str], ActiveField],
        columns: dict[str, _Column],
    ) -> _Failure:
        meta = result.expectation_config.meta
        column = columns[meta["field"]]
        positions = result.result["unexpected_index_list"]
        rows = np.array(positions) if meta["code"] == suites.REQUIRED else column.rows(positions)
        field = fields[meta["sobject"], meta["field"]]
        return cls(field, meta["code"], meta["rule"], len(positions), column, rows)

    @property
    def detail(self) -> str:
        return types.details(self.field).get(self.code, "")

    def column_problem(self) -> ColumnProblem | None:
        distinct, leads = len(self.column.distinct), len(self.rows)
        if self.code == suites.REQUIRED or leads < COLUMN_LEADS or self.failing <= COLUMN_SHARE * distinct:
            return None
        return ColumnProblem(
            sobject=self.field.sobject,
            field=self.field.field,
            label=self.field.label,
            api_name=self.field.api_name,
            code=self.code,
            rule=self.rule,
            detail=self.detail,
            failing=self.failing,
            distinct=distinct,
            leads=leads,
        )

    def values(self) -> pa.Array:
        positions = self.column.positions[self.rows]
        shown = pc.utf8_slice_codeunits(self.column.distinct, 0, SHOWN)
        return shown.take(pa.array(positions, mask=positions < 0))


def _results(mapping: EffectiveMapping, held: dict[str, _Column]) -> Iterator[ExpectationSuiteValidationResult]:
    """Yield the result of each suite that has something to say about these leads."""
    values = [suite for sobject in OBJECTS if (suite := suites.build(mapping, sobject)).expectations]
    if values:
        longest = max(len(column.distinct) for column in held.values())
        frame = pd.DataFrame({name: _padded(column, longest) for name, column in held.items()})
        validator = _validator(frame, _RESULT_FORMAT)
        yield from map(validator.validate_expectation_suite, values)
    required = [suite for sobject in OBJECTS if (suite := suites.build_required(mapping, sobject)).expectations]
    if required:
        names = {expectation.column for suite in required for expectation in suite.expectations}
        validator = _validator(pd.DataFrame({name: _present(held[name]) for name in names}), _REQUIRED_FORMAT)
        yield from map(validator.validate_expectation_suite, required)


def _padded(column: _Column, length: int) -> pd.Series:
    padding = pa.nulls(length - len(column.distinct), column.distinct.type)
    return series(pa.chunked_array([column.distinct, padding]), pd.Series(index=range(length)))


def _present(column: _Column) -> pd.Series:
    """Return 1.0 where a lead has a value, NaN where it is blank."""
    return pd.Series(np.where(column.positions < 0, np.nan, 1.0))


def _validator(frame: pd.DataFrame, result_format: dict[str, Any]) -> Validator:
    """Return what `Batch.validate` makes for each suite, once for all of them: it loads and hashes the frame."""
    return Validator(_batch_definition(), result_format=result_format, batch_parameters={"dataframe": frame})


@cache
def _batch_definition() -> BatchDefinition:
    """Set up Great Expectations, once per process: nothing on disk, nothing sent, nothing drawn."""
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("leads").add_dataframe_asset("leads")
    return asset.add_batch_definition_whole_dataframe("leads")


def _raise_if_broken(result: ExpectationValidationResult) -> None:
    """Tell an expectation that could not be evaluated from one that failed: the former says nothing about leads."""
    told = result.exception_info or {}
    broken = [told] if "raised_exception" in told else list(told.values())
    for each in broken:
        if each["raised_exception"]:
            meta = result.expectation_config.meta
            raise ConfigurationError(
                f"validation: the check {meta['code']} of field {meta['field']} ({meta['sobject']}.{meta['api_name']}) "
                f"could not be run: {each['exception_message']}. Check that row of the mapping."
            )


def _frame(failures: list[_Failure], ids: pd.Series) -> pd.DataFrame:
    counts = [len(failure.rows) for failure in failures]
    rows = np.concatenate([failure.rows for failure in failures]) if failures else np.empty(0, dtype=np.int64)
    values = pa.chunked_array([failure.values() for failure in failures], type=pa.large_string())
    index = pd.RangeIndex(len(rows))
    return pd.DataFrame(
        {
            "lead_id": ids.to_numpy(dtype="int64")[rows],
            "sobject": _repeated([failure.field.sobject for failure in failures], counts),
            "field": _repeated([failure.field.field for failure in failures], counts),
            "code": _repeated([failure.code for failure in failures], counts),
            "rule": _repeated([failure.rule for failure in failures], counts),
            "value": series(values, pd.Series(index=index)),
            "detail": _repeated([failure.detail for failure in failures], counts),
        },
        index=index,
    )


def _repeated(texts: list[str], counts: list[int]) -> pd.Categorical:
    kinds = pd.Index(list(dict.fromkeys(texts)), dtype="str")
    return pd.Categorical.from_codes(np.repeat(kinds.get_indexer(pd.Index(texts)), counts), categories=kinds)
