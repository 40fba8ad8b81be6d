"""Sample leads: repeatable, realistic, and wrong exactly where their labels say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from leadsync import samples
from leadsync.core import access, mapping, types
from leadsync.samples.defects import DEFECTS, Defect, is_good
from leadsync.samples.draw import words
from leadsync.store.leads import STANDARD_COLUMNS
from salesforce_emulator import describe, schema
from salesforce_emulator.schema.custom import custom_field

if TYPE_CHECKING:
    from leadsync.core.access import EffectiveMapping

DEFAULT_MAPPING = Path(__file__).parents[2] / "include" / "mappings" / "default.csv"
FIELDS = samples.extra_fields.FIELDS
ALL_DEFECTS = (*DEFECTS, *samples.extra_fields.DEFECTS)
NUMBERS = {"phone": {10}, "fax": {10}, "mobile_phone": {11}}
PINNED = "5d0825eb0fa00580"


@pytest.fixture(scope="module")
def leads() -> pd.DataFrame:
    """Make two thousand leads with every column and label."""
    return samples.generate(2000, 5, extra=True, with_labels=True)


@pytest.fixture(scope="module")
def effective() -> EffectiveMapping:
    """Decide on the default mapping and the samples' own fields, in an org that has them all."""
    files = {"default.csv": DEFAULT_MAPPING.read_bytes(), "extra.csv": samples.extra_fields.mapping_csv().encode()}
    read, problems = mapping.parse(files)
    assert read is not None, problems
    describes = {}
    for name in ("Lead", "Contact", "Account"):
        sobject = schema.load()[name]
        own = [custom_field({"label": field.label} | field.describe) for field in FIELDS if name != "Account"]
        sobject = replace(sobject, fields=(*sobject.fields, *own))
        may = dict.fromkeys(("readable", "createable", "updateable"), lambda _: True)
        describes[name] = describe.describe_sobject(sobject, **may)
    return access.effective(read, describes)


def found(leads: pd.DataFrame, effective: EffectiveMapping) -> pd.DataFrame:
    """Return what the rules say of the leads if each becomes a Salesforce Lead: id, field, code."""
    verdicts = []
    for field in effective.on("Lead"):
        values = leads[field.field]
        codes = types.check(values, field)
        if field.required:
            codes = codes.mask(types.blank_to_na(values).isna(), "required_missing")
        bad = codes.notna()
        verdicts.append(pd.DataFrame({"id": leads["id"][bad], "field": field.field, "code": codes[bad]}))
    return pd.concat(verdicts)


def labelled(leads: pd.DataFrame) -> pd.DataFrame:
    """Return the labels in the same form; blank addresses and twins are no matter of one value."""
    bad = leads[~leads["defect"].isin(["", "email_blank", "email_twin"])]
    return pd.DataFrame({"id": bad["id"], "field": bad["defect_field"], "code": bad["defect"]})


def test_r9_to_r19_the_rules_find_what_the_labels_say_and_nothing_else(
    leads: pd.DataFrame, effective: EffectiveMapping
) -> None:
    """Every planted defect is held by its code in its field, and no other value is."""
    rules = found(leads, effective).sort_values(["id", "field"]).reset_index(drop=True)
    labels = labelled(leads).sort_values(["id", "field"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(rules, labels, check_dtype=False)


def test_every_field_of_the_samples_takes_part(effective: EffectiveMapping) -> None:
    """The mapping of the extra fields fits the Salesforce fields that belong to them."""
    taking_part = {field.field for field in effective.on("Lead")} & {field.field for field in effective.on("Contact")}
    assert taking_part >= set(samples.extra_fields.COLUMNS)


@pytest.mark.parametrize("first", [1, 1001])
def test_each_thousand_holds_every_defect_in_its_share(leads: pd.DataFrame, first: int) -> None:
    """The numbers that a run has to hold are known beforehand."""
    share: Counter[tuple[str, str]] = Counter()
    for defect in ALL_DEFECTS:
        share[defect.code, defect.column] += defect.leads if defect.code else 0
    bad = leads[leads["id"].between(first, first + 999) & (leads["defect"] != "")]
    assert Counter(zip(bad["defect"], bad["defect_field"], strict=True)) == +share


@pytest.mark.parametrize("defect", ALL_DEFECTS, ids=lambda defect: f"{defect.column}-{defect.code or 'fine'}")
def test_every_spelling_of_a_defect_occurs(leads: pd.DataFrame, defect: Defect) -> None:
    """Two thousand leads are enough to see each bad value, so that no rule is shown by one spelling alone."""
    fixed = {value for value in defect.entered if value and "{" not in value}
    assert fixed <= set(leads[defect.column])


def test_r10_the_eleven_wrong_spellings_of_a_date_are_among_them() -> None:
    """RULES names them; R11's `yyyy/mm/dd` is not wrong."""
    wrong = {value for defect in ALL_DEFECTS if defect.code == "date_format" for value in defect.entered}
    assert len(wrong) == 11
    assert {"5/1", "05月01日", "２０２４-０５-０１"} <= wrong


def test_the_same_seed_makes_the_same_leads_everywhere() -> None:
    """The leads are pinned: a change of library or processor that altered them would be noticed here."""
    text = samples.generate(500, 1, extra=True, with_labels=True).to_csv(index=False, lineterminator="\n")
    assert sha256(text.encode()).hexdigest()[:16] == PINNED


def test_the_first_of_many_are_the_same_as_of_few(leads: pd.DataFrame) -> None:
    """A lead does not depend on how many are generated."""
    few = samples.generate(1000, 5, extra=True, with_labels=True)
    pd.testing.assert_frame_equal(few, leads.head(1000))


def test_another_seed_makes_other_people_with_the_same_defects(leads: pd.DataFrame) -> None:
    """Names change, what is wrong does not."""
    others = samples.generate(2000, 6, extra=True, with_labels=True)
    assert (others["last_name"] == leads["last_name"]).mean() < 0.1
    pd.testing.assert_series_equal(others["defect"], leads["defect"])


def test_labels_and_extra_fields_come_on_demand() -> None:
    """By default a frame is what the platform's table holds: id and the standard columns, as text."""
    plain = samples.generate(10)
    assert list(plain) == ["id", *STANDARD_COLUMNS]
    assert set(map(str, plain.dtypes)) == {"int64", "str"}


def test_r3_addresses_are_unique_but_for_the_twins(leads: pd.DataFrame) -> None:
    """As keys, addresses repeat exactly where a twin was planted, and the lead behind it has no defect."""
    keys = types.email_key(leads["email"])
    twin = leads["defect"] == "email_twin"
    assert not keys[~twin & (leads["defect"] == "")].duplicated().any()
    assert keys[twin].tolist() == keys.shift(-1)[twin].tolist()
    assert set(leads["defect"].shift(-1)[twin]) == {""}


@pytest.mark.parametrize("unusual", ["upper case", "full width", "spaces"])
def test_r3_some_good_addresses_are_spelled_unusually(leads: pd.DataFrame, unusual: str) -> None:
    """Each thousand has good addresses that only R3's comparison brings home."""
    good = leads.loc[leads["defect"] == "", "email"]
    seen = {
        "upper case": good.str.isupper(),
        "full width": good.str.contains("＠", regex=False),
        "spaces": good.str.strip() != good,
    }[unusual]
    assert seen.sum() >= 10
    assert types.email_well_formed(types.email_key(good[seen])).all()


def test_every_domain_is_reserved_for_examples(leads: pd.DataFrame) -> None:
    """No mail and no visit can reach anybody: `example.jp`, `example.co.jp` and `.example` belong to nobody."""
    sent = types.email_key(leads["email"][leads["defect"] == ""]).str.rsplit("@", n=1).str[1]
    sites = leads["website"][leads["defect"] == ""].dropna().str.extract(r"^https://([^/]+)/$")[0]
    for hosts in (sent, sites):
        assert hosts.notna().all()
        assert hosts.str.fullmatch(r"example\.jp|example\.co\.jp|.+\.example").all()


def test_places_agree(leads: pd.DataFrame) -> None:
    """Prefecture, city, postal code and area code of a lead belong together."""
    places = pd.DataFrame(words("places")).drop_duplicates(["postal_code", "city"])
    good = leads[leads["defect"] == ""].dropna(subset=["postal_code"])
    placed = good.merge(
        places, left_on=["prefecture", "address1", "postal_code"], right_on=["prefecture", "city", "postal_code"]
    )
    assert len(placed) == len(good) > 1000
    starts = [line.startswith(town) for line, town in zip(placed["address2"], placed["town"], strict=True)]
    dialled = placed.dropna(subset=["phone"])
    codes = [phone.startswith(area) for phone, area in zip(dialled["phone"], dialled["area_code"], strict=True)]
    assert all(starts)
    assert all(codes)


def test_all_47_prefectures_occur(leads: pd.DataFrame) -> None:
    """People come from everywhere."""
    assert leads["prefecture"].nunique() == 47


def test_telephone_numbers_have_the_right_number_of_digits(leads: pd.DataFrame) -> None:
    """Ten digits at home, eleven on the road, the way the number is written notwithstanding."""
    good = leads[leads["defect"] == ""]
    lengths = {column: set(good[column].dropna().str.replace(r"\D", "", regex=True).str.len()) for column in NUMBERS}
    assert lengths == NUMBERS


def test_kana_are_kana(leads: pd.DataFrame) -> None:
    """Readings are written in full-width katakana."""
    kana = pd.concat([leads["last_name_kana"], leads["first_name_kana"]]).dropna()
    assert kana.str.fullmatch(r"[ァ-ヶー]+").all()


def test_companies_come_in_many_forms(leads: pd.DataFrame) -> None:
    """Legal forms stand before and behind the name, abbreviated too, and some leads share a company."""
    companies = leads["company"][leads["defect"] == ""]
    for form in ("^株式会社", "株式会社$", "^有限会社", "合同会社", r"^\(株\)", "^㈱", "法人", "支社$"):
        assert companies.str.contains(form).any(), form
    assert 0.2 < companies.nunique() / len(companies) < 0.9


def test_a_lead_is_known_to_be_good_by_its_id(leads: pd.DataFrame) -> None:
    """`is_good` agrees with the labels, unusual spellings counting as not good."""
    good = is_good(leads["id"].to_numpy(), ALL_DEFECTS)
    assert set(leads["defect"][good]) == {""}
    assert 0 < (leads["defect"][~good] == "").sum() < 100
