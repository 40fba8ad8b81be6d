"""The values of a field: checked, converted, compared (R3, R8-R18)."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from leadsync.core import codes as error_codes
from leadsync.core import types
from leadsync.core.access import ActiveField, EffectiveMapping, FieldState, PicklistValue
from leadsync.core.mapping import FieldType

PRODUCTS = tuple(
    PicklistValue(value=value, label=label) for value, label in [("a", "製品A"), ("b", "製品B"), ("c", "a")]
)


def field(lead_type: str, sf_type: str, **facts: Any) -> ActiveField:
    """Make a field of a lead type on a Salesforce type."""
    basics = {"field": "x", "label": "項目", "sobject": "Lead", "api_name": "X__c", "state": FieldState.ACTIVE}
    return ActiveField(**(basics | {"type": FieldType(lead_type), "sf_type": sf_type} | facts))


DATE = field("date", "date")
CHECKBOX = field("text", "boolean")
SELECT = field("select", "picklist", picklist=PRODUCTS, length=255)
MULTI = field("checkbox", "multipicklist", picklist=PRODUCTS, length=4099)
TEXT = field("text", "string", length=5)
EMAIL = field("email", "email", field="email", length=80)
DELIVERY = field("delivery_status", "boolean", field="delivery_status")
PERCENT = field("number", "percent", precision=5, scale=2)
INT = field("number", "int", digits=8)
LOOKUP = field("text", "string", api_name="Account.Name")


def column(*values: str | None) -> pd.Series:
    """Make a column of lead text."""
    return pd.Series(list(values), dtype="str")


def first(values: pd.Series) -> str | None:
    """Return the first value, None for NA."""
    return None if pd.isna(values.iloc[0]) else values.iloc[0]


def code(text: str, checked: ActiveField) -> str | None:
    """Check one text."""
    return first(types.check(column(text), checked))


def wire(text: str, sent: ActiveField) -> str | None:
    """Convert one text."""
    return first(types.to_wire(column(text), sent))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01", None),
        ("2024/05/01", None),
        ("5/1", "date_format"),
        ("05/01", "date_format"),
        ("05月01日", "date_format"),
        ("2024年5月1日", "date_format"),
        ("2024.05.01", "date_format"),
        ("20240501", "date_format"),
        ("05/01/2024", "date_format"),
        ("2024/5/1", "date_format"),
        ("2024-5-1", "date_format"),
        ("2024-02-30", "date_invalid"),
        ("2024-05-01T00:00", "date_format"),
        ("２０２４-０５-０１", "date_format"),
        ("2024-05/01", "date_format"),
        (" 2024-05-01", "date_format"),
        ("2024-05-01\n", "date_format"),
        ("2024-00-10", "date_invalid"),
        ("2024-13-01", "date_invalid"),
        ("2024-04-31", "date_invalid"),
        ("2024-01-00", "date_invalid"),
        ("1900-02-29", "date_invalid"),
        ("2000-02-29", None),
        ("2024-02-29", None),
        ("2023/02/29", "date_invalid"),
        ("1699-12-31", "date_invalid"),
        ("1700-01-01", None),
        ("4000-12-31", None),
        ("4001-01-01", "date_invalid"),
    ],
)
def test_r9_r10_date_spellings(text: str, expected: str | None) -> None:
    """R9, R10: a date is a real day in exactly ten ASCII characters."""
    assert code(text, DATE) == expected


def test_r11_slashes_become_hyphens_on_the_wire() -> None:
    """R11: `yyyy/mm/dd` is sent as `yyyy-mm-dd`."""
    assert wire("2026/05/01", DATE) == "2026-05-01"


def test_r11_both_spellings_are_the_same_day() -> None:
    """R11: a date with slashes on the lead equals the one with hyphens in Salesforce."""
    lead = types.canonical(column("2026/05/01", "2026-05-01"), DATE, "lead")
    assert list(lead) == list(types.canonical(column("2026-05-01", "2026-05-01"), DATE, "record"))


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "false", "False", "FALSE"])
def test_r16_six_spellings_are_check_boxes(text: str) -> None:
    """R16: the six spellings pass and go out in lower case."""
    assert (code(text, CHECKBOX), wire(text, CHECKBOX)) == (None, text.lower())


@pytest.mark.parametrize("text", ["ture", "yes", "1", "tRUE", "ｔｒｕｅ", " true", "true ", "はい", "0", "FALSe"])
def test_r17_other_spellings_are_errors(text: str) -> None:
    """R17: anything else is an error; nothing is trimmed or normalised first."""
    assert code(text, CHECKBOX) == "checkbox_literal"


@pytest.mark.parametrize("checked", [TEXT, DATE, CHECKBOX, SELECT, MULTI, EMAIL, DELIVERY, PERCENT, LOOKUP])
@pytest.mark.parametrize("text", ["", " ", "　", "\t\n", None])
def test_blank_is_no_value(checked: ActiveField, text: str | None) -> None:
    """R17: what is empty or white space is fine, null on the wire, and NA when compared."""
    values = column(text)
    converted = (types.to_wire(values, checked), types.canonical(values, checked, "lead"))
    assert [code is not None for code in map(first, (types.check(values, checked), *converted))] == [False] * 3


@pytest.mark.parametrize(
    ("text", "expected", "sent"),
    [
        ("a", None, "a"),
        ("製品A", None, "a"),
        ("製品B", None, "b"),
        (" b ", None, "b"),
        ("c", None, "c"),
        ("製品C", "picklist_value", None),
        ("A", "picklist_value", None),
        ("ａ", "picklist_value", None),
    ],
)
def test_r12_picklist_by_value_then_label(text: str, expected: str | None, sent: str | None) -> None:
    """R12: a value is looked for among the API values first, then among the labels."""
    assert code(text, SELECT) == expected
    assert expected or wire(text, SELECT) == sent


def test_r12_new_values_where_allowed() -> None:
    """R12: `allow_new_values` opens a picklist, up to the field's length."""
    opened = SELECT.model_copy(update={"allow_new_values": True, "length": 4})
    assert list(types.check(column("新製品", "新しい製品"), opened).fillna("")) == ["", "too_long"]


@pytest.mark.parametrize(
    ("text", "expected", "sent"),
    [
        ("a;b", None, "a;b"),
        ("b;a", None, "b;a"),
        (" 製品B ; a ", None, "b;a"),
        ("a;a;b", None, "a;b"),
        ("製品A;a", None, "a"),
        (";a;;b;", None, "a;b"),
        (";", None, None),
        ("a,b", "multipicklist_value", None),
        ("a；b", "multipicklist_value", None),
        ("a;x", "multipicklist_value", None),
        ("x", "multipicklist_value", None),
    ],
)
def test_r13_multi_select_values(text: str, expected: str | None, sent: str | None) -> None:
    """R13: every `;`-separated part is a value of the picklist; each is sent once, in the lead's order."""
    assert code(text, MULTI) == expected
    assert expected or wire(text, MULTI) == sent


@pytest.mark.parametrize(("lead", "record"), [("a;b", "b;a"), ("製品B;a;b", "a;b"), (";a", "a"), ("c;b;a", "a;b;c")])
def test_r13_order_is_no_change(lead: str, record: str) -> None:
    """R13: multi-select values are compared as sets."""
    left = types.canonical(column(lead), MULTI, "lead")
    assert first(left) == first(types.canonical(column(record), MULTI, "record"))


def test_r13_other_sets_are_a_change() -> None:
    """R13: a value more or less is a change."""
    left = types.canonical(column("a;b", "a"), MULTI, "lead")
    assert not (left == types.canonical(column("a", "a;c"), MULTI, "record")).any()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12345", None),
        ("123456", "too_long"),
        ("  12345  ", None),
        ("東京都千代", None),
        ("東京都千代田", "too_long"),
        ("𠮟𠮟1", None),
        ("𠮟𠮟12", "too_long"),
        ("👍👍👍", "too_long"),
    ],
)
def test_r18_length_in_utf16_units(text: str, expected: str | None) -> None:
    """R18: Salesforce counts a character beyond U+FFFF as two, and not the white space that it trims."""
    assert code(text, TEXT) == expected


@pytest.mark.parametrize(
    ("text", "expected", "sent"),
    [
        ("0", None, "0"),
        ("-0", None, "0"),
        ("007", None, "7"),
        ("1.50", None, "1.5"),
        ("1.00", None, "1"),
        ("-12.25", None, "-12.25"),
        ("999.99", None, "999.99"),
        (" 5 ", None, "5"),
        ("1000", "number_range", None),
        ("1.234", "number_range", None),
        ("1.230", None, "1.23"),
        ("1,000", "number_format", None),
        ("１２", "number_format", None),
        ("1e3", "number_format", None),
        ("+1", "number_format", None),
        (".5", "number_format", None),
        ("5.", "number_format", None),
        ("12円", "number_format", None),
        ("NaN", "number_format", None),
        ("--1", "number_format", None),
    ],
)
def test_r18_numbers(text: str, expected: str | None, sent: str | None) -> None:
    """R18: a number is ASCII digits within precision and scale, and is sent in one spelling."""
    assert code(text, PERCENT) == expected
    assert expected or wire(text, PERCENT) == sent


@pytest.mark.parametrize(
    ("digits", "text", "expected"),
    [
        (8, "99999999", None),
        (8, "100000000", "number_range"),
        (0, "2147483647", None),
        (0, "2147483648", "number_range"),
        (0, "-2147483647", None),
        (0, "99999999999999999999999", "number_range"),
        (0, "1.5", "number_range"),
        (0, "1.0", None),
    ],
)
def test_r18_whole_numbers(digits: int, text: str, expected: str | None) -> None:
    """R18: an int takes its number of digits, and 32 bits at most."""
    assert code(text, INT.model_copy(update={"digits": digits})) == expected


@pytest.mark.parametrize(
    ("record", "lead"),
    [
        ("5.0", "5"),
        ("1.5E9", "1500000000"),
        ("1.0E10", "10000000000"),
        ("1.23e-4", "0.000123"),
        ("950000000.0", "950000000"),
    ],
)
def test_numbers_as_json_gives_them(record: str, lead: str) -> None:
    """Salesforce's JSON writes doubles with a point or an exponent: the same number for us."""
    number = field("number", "double", precision=18, scale=6)
    assert first(types.from_wire(column(record), number)) == lead
    assert first(types.canonical(column(record), number, "record")) == lead


@pytest.mark.parametrize(
    ("text", "well_formed"),
    [
        ("a@example.com", True),
        ("Taro.Yamada+news@mail.Example.co.jp", True),
        ("ａ＠ｅｘａｍｐｌｅ．ｃｏｍ", True),
        (" a@example.com ", True),
        ("o'neil!#$%&*/=?^_`{|}~-@example.com", True),
        ("old..docomo@example.ne.jp", True),
        (".a@example.com", False),
        ("a.@example.com", False),
        ("a@example", False),
        ("a@-example.com", False),
        ("a@example.com.", False),
        ("a@@example.com", False),
        ("a b@example.com", False),
        ("山田@example.com", False),
        ("a@例え.jp", False),
        ("a,b@example.com", False),
        ("<a@example.com>", False),
        ("a@example.123", False),
        ("a@example.com\nb@example.com", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_r3_addresses_that_salesforce_takes(text: str, well_formed: bool) -> None:
    """R3: an address is judged as it goes on the wire."""
    assert types.email_well_formed(column(text)).iloc[0] == well_formed


def test_r3_key_ignores_width_case_and_white_space() -> None:
    """R3: addresses are one if they are equal NFKC, trimmed and case-folded."""
    spellings = column("Taro@Example.com", "ＴＡＲＯ@example.com", "\u00a0taro@example.com　", "taro＠example．com")
    assert set(types.email_key(spellings)) == {"taro@example.com"}


def test_r3_key_folds_more_than_ascii() -> None:
    """R3: case folding is full: sharp s is ss."""
    assert first(types.email_key(column("STRASSE@x.de"))) == first(types.email_key(column("straße@x.de")))


def test_r3_case_is_sent_as_typed() -> None:
    """R3: on the wire an address is NFKC and trimmed, its case kept."""
    assert wire(" Ｔaro@Example.com ", EMAIL) == "Taro@Example.com"


def test_r3_r50_the_key_has_its_own_code() -> None:
    """R50: a malformed key and a malformed other address are told apart."""
    other = EMAIL.model_copy(update={"field": "sub_email"})
    assert (code("x", EMAIL), code("x", other)) == ("email_malformed", "email_format")


@pytest.mark.parametrize(
    ("sf_type", "text", "expected"),
    [
        ("url", "https://example.com/a?b=c", None),
        ("url", "www.example.co.jp", None),
        ("url", "例え.jp/パス", None),
        ("url", "なし", "url_format"),
        ("url", "https://", "url_format"),
        ("url", "example.com と example.org", "url_format"),
        ("phone", "03-1234-5678", None),
        ("phone", "０３−１２３４−５６７８", None),
        ("phone", "+81 (3) 1234-5678", None),
        ("phone", "03ー1234ー5678 内線 12", None),
        ("phone", "03-1234-5678 ext. 12", None),
        ("phone", "不明", "phone_format"),
        ("phone", "03-1234-ABCD", "phone_format"),
        ("email", "a@example.com", None),
        ("email", "a@", "email_format"),
    ],
)
def test_r18_forms_by_the_fields_description(sf_type: str, text: str, expected: str | None) -> None:
    """R18: text that goes into a web, telephone or e-mail field must have its form."""
    assert code(text, field("text", sf_type, length=255)) == expected


@pytest.mark.parametrize(
    ("text", "expected", "sent"),
    [
        ("stopped", None, "true"),
        ("停止中", None, "true"),
        ("delivering", None, "false"),
        ("配信中", None, "false"),
        ("Stopped", "delivery_status_value", None),
        ("停止", "delivery_status_value", None),
        ("true", "delivery_status_value", None),
    ],
)
def test_r8_delivery_status(text: str, expected: str | None, sent: str | None) -> None:
    """R8: a stopped delivery is an opt-out in Salesforce."""
    assert code(text, DELIVERY) == expected
    assert expected or wire(text, DELIVERY) == sent


def test_r6_an_opt_out_stops_delivery() -> None:
    """R6: Salesforce's opt-out becomes `stopped` on the lead."""
    assert list(types.from_wire(column("true", "false"), DELIVERY)) == ["stopped", "delivering"]


def test_r26_lookups_are_never_in_error() -> None:
    """R26: what a referenced object's field holds is shown whatever it is."""
    assert code("x" * 9999, LOOKUP) is None


@pytest.mark.parametrize(
    ("checked", "text"),
    [(DATE, "5/1"), (CHECKBOX, "ture"), (SELECT, "x"), (MULTI, "a;x"), (PERCENT, "1,000"), (EMAIL, "山田@x")],
)
def test_invalid_values_compare_as_they_are(checked: ActiveField, text: str) -> None:
    """R30: an invalid lead value counts as changed, so it keeps its own text."""
    assert first(types.canonical(column(f"{text} "), checked, "lead")) == text


def test_line_ends_are_no_change() -> None:
    """A text typed on Windows equals the same text with the line ends that Salesforce returns."""
    area = field("textarea", "textarea", length=255)
    left = types.canonical(column("1-2-3\r\nビル5F\r\n"), area, "lead")
    assert first(left) == first(types.canonical(column("1-2-3\nビル5F"), area, "record"))


@pytest.mark.parametrize("checked", [TEXT, DATE, CHECKBOX, SELECT, MULTI, EMAIL, DELIVERY, PERCENT, INT, LOOKUP])
def test_codes_are_all_that_check_can_give(checked: ActiveField) -> None:
    """Every code that a check gives is announced by `codes` and known to `core.codes` (R50)."""
    texts = ["x" * 5000, "5/1", "2024-02-30", "1.2345", "9" * 40, "x@", "a@" + "b" * 80 + ".com", "ture", "a;x"]
    given = set(types.check(column(*texts), checked).dropna())
    assert given <= set(types.codes(checked)) <= set(error_codes.CODES)


@pytest.mark.parametrize("checked", [TEXT, DATE, CHECKBOX, SELECT, MULTI, EMAIL, DELIVERY, PERCENT, LOOKUP])
def test_empty_columns_stay_empty(checked: ActiveField) -> None:
    """No lead, no trouble."""
    empty = column()
    results = (types.check, types.to_wire, types.from_wire)
    assert [len(function(empty, checked)) for function in results] == [0, 0, 0]
    assert len(types.canonical(empty, checked, "lead")) == 0


@pytest.mark.parametrize("checked", [DATE, MULTI, EMAIL, PERCENT])
def test_repeated_values_get_the_verdict_of_one(checked: ActiveField) -> None:
    """Long columns are checked once per distinct value, with the result of checking each."""
    texts = ["2024/05/01", "5/1", "a;b", "a;x", "a@example.com", "12.5", None, " "]
    long = types.check(column(*(texts * 1000)), checked)
    assert list(long.fillna("")) == list(types.check(column(*texts), checked).fillna("")) * 1000


def test_results_keep_the_index() -> None:
    """A result aligns with the column that it came from."""
    values = pd.Series(["5/1", "2024-05-01"], index=[7, 3], dtype="str")
    assert list(types.check(values, DATE).index) == [7, 3]


def test_object_columns_are_read_too() -> None:
    """A column of Python strings with None works like a `str` column."""
    assert list(types.check(pd.Series(["5/1", None], dtype=object), DATE).fillna("")) == ["date_format", ""]


def test_r12_details_list_the_allowed_values() -> None:
    """R12: the error lists what the picklist takes."""
    assert types.details(SELECT)["picklist_value"] == "a; 製品A; b; 製品B; c"


@pytest.mark.parametrize(
    ("checked", "expected"),
    [
        (PERCENT, "max ±999.99"),
        (INT, "max ±99999999"),
        (INT.model_copy(update={"digits": 0}), "max ±2147483647"),
        (field("number", "currency", precision=18, scale=0), "max ±999999999999999999"),
    ],
)
def test_r18_details_say_the_largest_number(checked: ActiveField, expected: str) -> None:
    """R18: the error says what would fit."""
    assert types.details(checked)["number_range"] == expected
    assert code(expected.removeprefix("max ±"), checked) is None


def test_r19_a_default_that_would_be_held_is_a_problem() -> None:
    """R19: a default goes through the same checks as a lead's value."""
    bad = DATE.model_copy(update={"default": "5/1", "file": "a.csv", "line": 2})
    mapping = EffectiveMapping(version="1", fields=(bad, TEXT.model_copy(update={"default": "ok"})), objects={})
    assert [(p.code, p.file, p.line, p.column) for p in types.check_defaults(mapping)] == [
        ("mapping_default", "a.csv", 2, "default")
    ]
