# mypy: disable-error-code="misc, no-any-return, untyped-decorator"
"""The predicates of `core.types` as expectations of Great Expectations.

One metric gives each value's code, once per column and field; one condition per code reads it. Nothing is filtered or
copied on the way, and an expectation asks only for the metrics that it uses: with twenty columns that is most of the
time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from great_expectations.compatibility import pydantic
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    column_condition_partial,
    column_function_partial,
)
from great_expectations.validator.metric_configuration import MetricConfiguration

from leadsync.core import types
from leadsync.core.access import ActiveField

if TYPE_CHECKING:
    import pandas as pd

_CODES = "column_values.salesforce_code"
_PASSES = "column_values.passes_for_salesforce"


class ColumnValuesSalesforceCode(ColumnMapMetricProvider):
    """What is wrong with each value of a column, for one Salesforce field."""

    function_metric_name = _CODES
    function_value_keys = ("salesforce_field",)
    filter_column_isnull = False

    @column_function_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, salesforce_field: str, **_: Any) -> pd.Series:  # noqa: N805
        return types.check(column, ActiveField.model_validate_json(salesforce_field))


class ColumnValuesPassForSalesforce(ColumnMapMetricProvider):
    """Whether each value of a column is free of one code."""

    condition_metric_name = _PASSES
    condition_value_keys = ("code", "salesforce_field")
    filter_column_isnull = False

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, _column: pd.Series, code: str, _metrics: dict[str, Any], **_: Any) -> pd.Series:  # noqa: N805
        codes, *_ = _metrics[_CODES]
        return ~codes.eq(code).fillna(value=False)

    @classmethod
    def _get_evaluation_dependencies(cls, metric: MetricConfiguration, *args: Any, **kwargs: Any) -> dict[str, Any]:
        dependencies = super()._get_evaluation_dependencies(metric, *args, **kwargs)
        if metric.metric_name == f"{_PASSES}.condition":
            field = {"salesforce_field": metric.metric_value_kwargs["salesforce_field"]}
            dependencies[_CODES] = MetricConfiguration(f"{_CODES}.map", metric.metric_domain_kwargs, field)
        return dependencies


class ExpectColumnValuesToPassForSalesforce(ColumnMapExpectation):
    """Expect no value of the column to be refused with a code.

    Args:
        code: One of `core.types.codes` of the field.
        salesforce_field: The `core.access.ActiveField` as JSON: a string, which Great Expectations need not walk.
    """

    code: str
    salesforce_field: str

    map_metric: ClassVar[str | None] = _PASSES
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "code", "salesforce_field")

    _configuration: Any = pydantic.PrivateAttr(None)

    @property
    def configuration(self) -> Any:
        """Return the configuration, made once: Great Expectations asks a hundred times for it."""
        if self._configuration is None:
            self._configuration = super().configuration
        return self._configuration

    def get_validation_dependencies(self, *args: Any, **kwargs: Any) -> Any:
        """Ask for counts and for the condition itself; sample values stay where they are."""
        dependencies = super().get_validation_dependencies(*args, **kwargs)
        unused = f"{_PASSES}.unexpected_values"
        if unused in dependencies.metric_configurations:
            dependencies.remove_metric_configuration(unused)
        count = dependencies.metric_configurations[f"{_PASSES}.unexpected_count"]
        condition = MetricConfiguration(f"{_PASSES}.condition", count.metric_domain_kwargs, count.metric_value_kwargs)
        dependencies.set_metric_configuration(f"{_PASSES}.condition", condition)
        return dependencies

    def _validate(self, metrics: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        result = super()._validate(metrics, *args, **kwargs)
        failed, *_ = metrics[f"{_PASSES}.condition"]
        result["result"]["unexpected_index_list"] = np.flatnonzero(failed).tolist()
        return result
