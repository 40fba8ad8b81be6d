"""Mapping and describe as suites: one expectation per field and code, one per required field (R9-R19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import great_expectations as gx

from leadsync.core import types
from leadsync.core.codes import CODES
from leadsync.validation.expectations import ExpectColumnValuesToPassForSalesforce

if TYPE_CHECKING:
    from leadsync.core.access import ActiveField, EffectiveMapping

REQUIRED = "required_missing"

_EXPECTED_JA = {
    "checkbox_literal": "「{label}」は {detail} のどれか",
    "date_format": "「{label}」は yyyy-mm-dd か yyyy/mm/dd の形の日付",
    "date_invalid": "「{label}」は暦にある日付",
    "delivery_status_value": "「{label}」は {detail} のどれか",
    "email_format": "「{label}」はメールアドレスの形",
    "email_malformed": "「{label}」はメールアドレスの形（同期のキー）",
    "multipicklist_value": "「{label}」の「;」で区切った値は、すべてSalesforceの複数選択リストにある",
    "number_format": "「{label}」は半角の数値",
    "number_range": "「{label}」の桁数はSalesforceの項目に収まる（{detail}）",
    "phone_format": "「{label}」は電話番号の形",
    "picklist_value": "「{label}」はSalesforceの選択リストにある",
    "too_long": "「{label}」の長さはSalesforceの項目に収まる（{detail}）",
    "url_format": "「{label}」はURLの形",
    REQUIRED: "「{label}」は空ではない（Salesforceの必須項目）",
}


def build(mapping: EffectiveMapping, sobject: str) -> gx.ExpectationSuite:
    """Build the suite for the values of one object's fields; a blank passes all of it.

    Columns are those of `leads`; each expectation's meta carries rule, code, field, sobject and api_name.
    """
    expectations = []
    for field in checked(mapping, sobject):
        details = types.details(field)
        spec = _spec(field)
        expectations += [
            ExpectColumnValuesToPassForSalesforce(
                column=field.field,
                code=code,
                salesforce_field=spec,
                description=_expected(field, code, details.get(code, "")),
                meta=_meta(field, code),
            )
            for code in types.codes(field)
        ]
    return gx.ExpectationSuite(name=f"{sobject}: values", expectations=expectations)


def build_required(mapping: EffectiveMapping, sobject: str) -> gx.ExpectationSuite:
    """Build the suite for the fields that a create on one object must carry (R19), save those with a default."""
    expectations = [
        gx.expectations.ExpectColumnValuesToNotBeNull(
            column=field.field, description=_expected(field, REQUIRED, ""), meta=_meta(field, REQUIRED)
        )
        for field in checked(mapping, sobject)
        if field.required and not field.default
    ]
    return gx.ExpectationSuite(name=f"{sobject}: required", expectations=expectations)


def checked(mapping: EffectiveMapping, sobject: str) -> list[ActiveField]:
    """Return the fields whose lead values may be written to the object."""
    return [field for field in mapping.on(sobject) if field.pushed]


def _expected(field: ActiveField, code: str, detail: str) -> str:
    return f"{_EXPECTED_JA[code].format(label=field.label, detail=detail)} [{CODES[code].rule}]"


def _meta(field: ActiveField, code: str) -> dict[str, str]:
    return {
        "rule": CODES[code].rule,
        "code": code,
        "field": field.field,
        "sobject": field.sobject,
        "api_name": field.api_name,
    }


def _spec(field: ActiveField) -> str:
    """Return the field as JSON, without what no check looks at."""
    return field.model_dump_json(exclude_defaults=True, exclude={"reason", "reason_ja", "file", "line", "code"})
