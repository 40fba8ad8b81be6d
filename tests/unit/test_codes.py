"""The catalogue of error codes and the translation of Salesforce's own codes."""

from __future__ import annotations

import string

import pytest

from leadsync.core import codes
from leadsync.core.codes import CODES, FACTS

CONTRACT = """
date_format date_invalid picklist_value multipicklist_value checkbox_literal too_long number_format number_range
email_format email_malformed url_format phone_format required_missing delivery_status_value email_twin address_taken
email_cleared field_read_only field_released object_released may_exist_unseen mapping_column record_taken unsettled
api_required_missing api_string_too_long api_bad_email api_picklist api_field_not_writable api_no_access
api_record_deleted api_record_converted api_duplicate_rule api_validation_rule api_number_range api_malformed_id
api_type api_lock api_limit api_unavailable api_not_processed api_other
"""

TRANSIENT = {
    "api_lock": "UNABLE_TO_LOCK_ROW",
    "api_limit": "REQUEST_LIMIT_EXCEEDED",
    "api_unavailable": "SERVER_UNAVAILABLE",
    "api_not_processed": "ALL_OR_NONE_OPERATION_ROLLED_BACK",
}

TRANSLATED = [
    ("REQUIRED_FIELD_MISSING", "api_required_missing"),
    ("STRING_TOO_LONG", "api_string_too_long"),
    ("INVALID_EMAIL_ADDRESS", "api_bad_email"),
    ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "api_picklist"),
    ("INVALID_FIELD_FOR_INSERT_UPDATE", "api_field_not_writable"),
    ("INVALID_FIELD", "api_field_not_writable"),
    ("INSUFFICIENT_ACCESS_OR_READONLY", "api_no_access"),
    ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "api_no_access"),
    ("INVALID_TYPE", "api_no_access"),
    ("API_DISABLED_FOR_ORG", "api_no_access"),
    ("NOT_FOUND", "api_not_found"),
    ("INVALID_CROSS_REFERENCE_KEY", "api_not_found"),
    ("ENTITY_IS_DELETED", "api_record_deleted"),
    ("CANNOT_UPDATE_CONVERTED_LEAD", "api_record_converted"),
    ("DUPLICATES_DETECTED", "api_duplicate_rule"),
    ("DUPLICATE_VALUE", "api_duplicate_value"),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "api_validation_rule"),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "api_validation_rule"),
    ("NUMBER_OUTSIDE_VALID_RANGE", "api_number_range"),
    ("MALFORMED_ID", "api_malformed_id"),
    ("JSON_PARSER_ERROR", "api_type"),
    ("UNABLE_TO_LOCK_ROW", "api_lock"),
    ("REQUEST_LIMIT_EXCEEDED", "api_limit"),
    ("API_CURRENTLY_DISABLED", "api_unavailable"),
    ("QUERY_TIMEOUT", "api_unavailable"),
    ("UNKNOWN_EXCEPTION", "api_unavailable"),
    ("SERVER_UNAVAILABLE", "api_unavailable"),
    ("INVALID_SESSION_ID", "api_unavailable"),
    ("HTTP_503", "api_unavailable"),
    ("PROCESSING_HALTED", "api_not_processed"),
    ("MALFORMED_QUERY", "api_other"),
    ("METHOD_NOT_ALLOWED", "api_other"),
    ("HTTP_418", "api_other"),
    ("A_CODE_OF_TOMORROW", "api_other"),
]


def texts(code: codes.ErrorCode) -> dict[str, tuple[str, str]]:
    """Return each text of a code in both languages."""
    return {"title": (code.title_ja, code.title_en), "remedy": (code.remedy_ja, code.remedy_en)}


@pytest.mark.parametrize("code", CONTRACT.split())
def test_every_promised_code_exists(code: str):
    """A code that other parts write into sync_error is in the catalogue."""
    assert code in CODES


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_texts_name_known_facts_only(code: codes.ErrorCode):
    """A template names only what `describe` can fill in."""
    named = {name for pair in texts(code).values() for text in pair for _, name, _, _ in string.Formatter().parse(text)}
    assert named - {None} <= set(FACTS)


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_japanese_and_english_tell_the_same_facts(code: codes.ErrorCode):
    """What one language names, the other names too, title and remedy alike (R36)."""
    for japanese, english in texts(code).values():
        facts = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (japanese, english)]
        assert facts[0] == facts[1]


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_a_held_record_has_rule_and_remedy(code: codes.ErrorCode):
    """R50: every code has a rule number and something to do."""
    assert code.rule[0] == "R"
    assert 1 <= int(code.rule[1:]) <= 54
    assert all(text for pair in texts(code).values() for text in pair)


def test_what_a_lead_holds_is_never_a_template():
    """Braces in a value, a label or a detail arrive as they are."""
    title, remedy = codes.describe("picklist_value", "en", label="{value.__class__}", value="{0}", detail="{field}")
    assert (title, remedy[-7:]) == ("“{value.__class__}” is not a value of the Salesforce picklist", "{field}")


def test_a_missing_label_falls_back_to_the_field():
    """A title without the mapping's label names the column."""
    assert codes.describe("too_long", "en", field="title")[0] == "“title” is too long"


def test_japanese_names_the_objects_as_salesforce_does():
    """Lead and Contact read リード and 取引先責任者 in Japanese."""
    assert "取引先責任者" in codes.describe("object_released", "ja", sobject="Contact")[0]


def test_a_code_of_another_version_reads_as_itself():
    """A row that a newer version has left in sync_error does not break the report after a rollback."""
    assert codes.describe("code_of_tomorrow", "ja") == ("code_of_tomorrow", "")
    assert not codes.is_transient("code_of_tomorrow")


def test_a_fact_nobody_uses_is_a_mistake():
    """A misspelt fact is refused instead of vanishing."""
    with pytest.raises(KeyError, match="valeu"):
        codes.describe("too_long", "en", valeu="x")


@pytest.mark.parametrize(("status", "code"), TRANSLATED)
def test_salesforce_codes_are_translated(status: str, code: str):
    """R37: each code that Salesforce is known to answer has ours; an unknown one is api_other."""
    assert codes.from_api(status) == code


@pytest.mark.parametrize(("code", "status"), TRANSIENT.items())
def test_transient_codes_are_tried_again(code: str, status: str):
    """R39: locks, limits and outages are tried again by the sync itself."""
    assert codes.from_api(status) == code
    assert codes.is_transient(code)


def test_rejections_of_data_wait_for_a_person():
    """R39: a refusal for what the record holds is not repeated; only these say nothing about the data."""
    assert {code for code in CODES if codes.is_transient(code)} == {*TRANSIENT, "unsettled"}
