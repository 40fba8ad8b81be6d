"""Values the whole way to the org: what arrives, in which form, and what is held (R9-R19).

The cases of a rule share a cycle, one lead each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from leadsync.store.tables import Journal
from tests.custom_fields import Custom, customise, picklist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.world import World

DATE = Custom("seminar_date", "date", {"name": "Seminar__c", "type": "date"})
TICK = Custom("newsletter", "text", {"name": "Newsletter__c", "type": "boolean"})
SECTOR = Custom(
    "industry",
    "select",
    picklist(
        "Sector__c",
        {"value": "it", "label": "情報通信業"},
        {"value": "medical", "label": "医療・福祉"},
        {"value": "old", "label": "旧分類", "active": False},
    ),
)
CONTACT_BY = Custom("contact_method", "radio", picklist("Contact_By__c", "電話", "メール", restricted=False))
PRODUCTS = Custom(
    "interests",
    "checkbox",
    picklist("Products__c", "CMS", {"value": "MA", "label": "マーケ支援"}, "SEO", several=True),
)

NOT_DATES = {
    "5/1": "date_format",
    "05/01": "date_format",
    "05月01日": "date_format",
    "2024年5月1日": "date_format",
    "2024.05.01": "date_format",
    "20240501": "date_format",
    "05/01/2024": "date_format",
    "2024/5/1": "date_format",
    "2024-5-1": "date_format",
    "2024-02-30": "date_invalid",
    "2024-05-01T00:00": "date_format",
    "２０２４-０５-０１": "date_format",
}
"""The twelve spellings that R9 to R11 name, and their codes."""


def _leads(world: World, column: str, texts: Sequence[str | None]) -> None:
    """Write one lead a text, ids from 1."""
    for number, text in enumerate(texts, start=1):
        world.lead(number, **{column: text})


def _arrived(world: World, name: str, sobject: str = "Lead") -> dict[int, Any]:
    """Return what each lead's record holds, by lead id."""
    rows = world.records(sobject, f"Email, {name}")
    return {int(row["Email"].removeprefix("lead").partition("@")[0]): row[name] for row in rows}


def _found_wrong(world: World) -> dict[str | None, tuple[str, str]]:
    """Return rule and code of every held value."""
    return {e.value: (e.rule, e.code) for lead_id in world.held() for e in world.errors(lead_id)}


def _text(world: World, lead_id: int, column: str) -> str | None:
    """Return what a lead's column holds."""
    with world.engine.connect() as connection:
        query = sa.text(f"SELECT {column} FROM leads WHERE id = :id")
        return connection.execute(query, {"id": lead_id}).scalar_one()


def _assert_settled(world: World) -> None:
    """R32: a cycle without edits finds nothing to do, and one that looks at a lead again sends only what was edited."""
    world.salesforce.clear_requests()
    assert world.run()["extract"]["idle"]
    world.edit(1, title="主任")
    world.run()
    (entry,) = world.journal(Journal.run_id == world.ran[-1])
    assert [change["api_name"] for change in entry.changes] == ["Title"]


# -- dates -------------------------------------------------------------------------------------------------------------


def test_a_date_in_any_other_spelling_is_held(world: World) -> None:
    """R9, R10: each of the twelve spellings is held with code, rule and value, and nothing of its lead is written."""
    customise(world, DATE)
    world.start()
    _leads(world, "seminar_date", list(NOT_DATES))
    assert world.run()["load"]["created"] == 0
    assert world.records() == []
    assert _found_wrong(world) == {text: ("R9", code) for text, code in NOT_DATES.items()}
    (error,) = world.errors(1)
    assert (error.field, error.sobject, error.api_name) == ("seminar_date", "Lead", "Seminar__c")


def test_dates_arrive_with_hyphens_and_the_leads_text_stays(world: World) -> None:
    """R9, R11: both spellings arrive as `yyyy-mm-dd` on either object, and a slashed one is no change ever after."""
    customise(world, DATE)
    world.salesforce.admin_create("Contact", {"LastName": "山田", "Email": "lead4@example.jp"})
    world.start()
    _leads(world, "seminar_date", ["2026/05/01", "2024-02-29", None, "1999/12/31", " 　"])
    world.run()
    assert _arrived(world, "Seminar__c") == {1: "2026-05-01", 2: "2024-02-29", 3: None, 5: None}
    assert _arrived(world, "Seminar__c", "Contact") == {4: "1999-12-31"}
    assert world.held() == {}
    _assert_settled(world)
    assert _text(world, 1, "seminar_date") == "2026/05/01"


def test_a_date_spelled_anew_is_no_change_and_an_emptied_one_clears(world: World) -> None:
    """R9, R11: only what a date means travels."""
    customise(world, DATE)
    world.start()
    _leads(world, "seminar_date", ["2026/05/01", "2026-05-01"])
    world.run()
    world.salesforce.clear_requests()
    world.edit(1, seminar_date="2026-05-01")
    assert world.run()["extract"]["changed"] == 1
    assert world.writes() == []
    world.edit(2, seminar_date="")
    world.run()
    assert _arrived(world, "Seminar__c") == {1: "2026-05-01", 2: None}


def test_a_bad_date_holds_the_leads_other_edits_until_it_is_corrected(world: World) -> None:
    """R10, R39: nothing of the lead is written half; once corrected, everything travels and the error is over."""
    customise(world, DATE)
    world.start()
    world.lead(1, seminar_date="2026-05-01", title="課長")
    world.run()
    world.edit(1, seminar_date="5/2", title="部長")
    assert world.run()["load"]["held"] == 1
    fields = "Seminar__c, Title"
    before = world.record("lead1@example.jp", fields)
    assert (before["Seminar__c"], before["Title"]) == ("2026-05-01", "課長")
    assert world.held() == {1: ["date_format"]}
    world.edit(1, seminar_date="2026/05/02")
    world.run()
    after = world.record("lead1@example.jp", fields)
    assert (after["Seminar__c"], after["Title"]) == ("2026-05-02", "部長")
    assert world.held() == {}


# -- check boxes -------------------------------------------------------------------------------------------------------


def test_the_six_spellings_of_a_check_box_arrive(world: World) -> None:
    """R14-R17: `true` in any of its three cases ticks, `false` does not, and a blank is not sent."""
    customise(world, TICK)
    world.start()
    _leads(world, "newsletter", ["TRUE", "True", "true", "FALSE", "False", "false", "", None])
    world.run()
    ticked = {1: True, 2: True, 3: True, 4: False, 5: False, 6: False, 7: False, 8: False}
    assert _arrived(world, "Newsletter__c") == ticked
    sent = {row.lead_id for row in world.journal() if any(c["api_name"] == "Newsletter__c" for c in row.changes)}
    assert sent == {1, 2, 3, 4, 5, 6}
    _assert_settled(world)


def test_a_check_box_spelled_anew_is_no_change_and_a_blank_unticks_nothing(world: World) -> None:
    """R17: `TRUE` against ticked is no change, and a blank is no state of a check box."""
    customise(world, TICK)
    world.start()
    _leads(world, "newsletter", ["TRUE", "true", "True"])
    world.run()
    world.salesforce.clear_requests()
    world.edit(1, newsletter="true")
    world.edit(2, newsletter="")
    world.run()
    assert world.writes() == []
    world.edit(3, newsletter="False")
    world.run()
    assert _arrived(world, "Newsletter__c") == {1: True, 2: True, 3: False}


def test_a_typo_in_a_check_box_is_held(world: World) -> None:
    """R16, R17: anything but the six is an error with its value, and nothing of its lead is written."""
    customise(world, TICK)
    world.start()
    typos = ["ture", "yes", "1", "tRUE", "ｔｒｕｅ", " true", "true ", "on", "○"]
    _leads(world, "newsletter", typos)
    world.run()
    assert world.records() == []
    assert _found_wrong(world) == dict.fromkeys(typos, ("R16", "checkbox_literal"))


# -- picklists ---------------------------------------------------------------------------------------------------------


def test_picklist_values_arrive_by_api_value_and_by_label(world: World) -> None:
    """R12: restricted or not, the API value is what arrives, and a label against it is no change."""
    customise(world, SECTOR, CONTACT_BY)
    world.start()
    world.lead(1, industry="情報通信業", contact_method="メール")
    world.lead(2, industry="it", contact_method=" 電話 ")
    world.lead(3)
    world.run()
    assert _arrived(world, "Sector__c") == {1: "it", 2: "it", 3: None}
    assert _arrived(world, "Contact_By__c") == {1: "メール", 2: "電話", 3: None}
    _assert_settled(world)


def test_what_is_no_active_picklist_value_is_held_with_those_that_are(world: World) -> None:
    """R12, R50: unknown and inactive values, of a restricted picklist or not; the error lists what is allowed."""
    customise(world, SECTOR, CONTACT_BY)
    world.start()
    for lead_id, text in enumerate(["製造", "旧分類", "old", "IT", "ｉｔ"], start=1):
        world.lead(lead_id, industry=text)
    world.lead(6, contact_method="電話かメール")
    world.run()
    assert world.records() == []
    held = dict.fromkeys(["製造", "旧分類", "old", "IT", "ｉｔ", "電話かメール"], ("R12", "picklist_value"))
    assert _found_wrong(world) == held
    assert [e.detail for lead_id in (1, 6) for e in world.errors(lead_id)] == [
        "it; 情報通信業; medical; 医療・福祉",
        "電話; メール",
    ]


def test_an_unrestricted_picklist_may_be_opened_to_new_values(world: World) -> None:
    """R12: `allow_new_values` sends what an unrestricted picklist lacks; a restricted one stays closed."""
    customise(
        world,
        Custom("contact_method", "radio", CONTACT_BY.describe, allow_new_values="true"),
        Custom("industry", "select", SECTOR.describe, allow_new_values="true"),
    )
    world.start()
    world.lead(1, contact_method="手紙")
    world.lead(2, industry="製造")
    world.run()
    assert _arrived(world, "Contact_By__c") == {1: "手紙"}
    assert world.held() == {2: ["picklist_value"]}


def test_a_value_added_to_the_picklist_lets_its_held_leads_go(world: World) -> None:
    """R12, R39: what was held waits for a change of the org too."""
    customise(world, SECTOR)
    world.start()
    world.lead(1, industry="製造")
    world.run()
    assert world.held() == {1: ["picklist_value"]}
    world.elapse(2)
    world.salesforce.control("PUT", "picklists/Lead/Sector__c", ["it", {"value": "mfg", "label": "製造"}])
    world.run()
    assert _arrived(world, "Sector__c") == {1: "mfg"}
    assert world.held() == {}


def test_multi_select_values_arrive_as_a_set(world: World) -> None:
    """R13: in any order, by value or label, twice or once; the order in which Salesforce stores them is no change."""
    customise(world, PRODUCTS)
    world.start()
    _leads(world, "interests", ["SEO;MA;CMS", "マーケ支援;CMS", "CMS;CMS", " SEO ; MA ;", "", "MA"])
    world.run()
    arrived = {1: "CMS;MA;SEO", 2: "CMS;MA", 3: "CMS", 4: "MA;SEO", 5: None, 6: "MA"}
    assert _arrived(world, "Products__c") == arrived
    _assert_settled(world)
    world.salesforce.clear_requests()
    world.edit(1, interests="MA;CMS;SEO")
    world.run()
    assert world.writes() == []
    world.edit(1, interests="MA;CMS")
    world.edit(2, interests=None)
    world.run()
    assert _arrived(world, "Products__c") == arrived | {1: "CMS;MA", 2: None}


def test_one_unknown_value_of_several_is_held(world: World) -> None:
    """R13, R50: with the whole text as it stands, and the allowed values."""
    customise(world, PRODUCTS)
    world.start()
    texts = ["MA;その他", "SEO、MA", "CMS,SEO", "ma"]
    _leads(world, "interests", texts)
    world.run()
    assert world.records() == []
    assert _found_wrong(world) == dict.fromkeys(texts, ("R13", "multipicklist_value"))
    assert [e.detail for e in world.errors(1)] == ["CMS; MA; マーケ支援; SEO"]


# -- numbers, texts and addresses --------------------------------------------------------------------------------------

SCORE = Custom("budget", "number", {"name": "Score__c", "type": "double", "precision": 5, "scale": 1})
PRICE = Custom("industry", "number", {"name": "Price__c", "type": "currency", "precision": 18, "scale": 2})
RATE = Custom("newsletter", "number", {"name": "Rate__c", "type": "percent", "precision": 4, "scale": 0})

NUMBERS = {
    SCORE: {"0": 0.0, "-0.5": -0.5, "9999.9": 9999.9, "007": 7.0, "1.0": 1.0, " 12 ": 12.0},
    PRICE: {"100000": 100000.0, "0.05": 0.05, "9999999999999.99": 9999999999999.99, "-1": -1.0},
    RATE: {"50": 50.0, "-100": -100.0},
}
NOT_NUMBERS = {
    SCORE: {"12345": "range", "0.25": "range", "１": "format", "1,000": "format", "約5": "format", "1e3": "format"},
    PRICE: {"12345678901234567": "range", "100.125": "range", "¥100": "format", "100万円": "format"},
    RATE: {"99999": "range", "12.5": "range", "50%": "format"},
}


def test_numbers_arrive_in_any_spelling_that_means_the_same(world: World) -> None:
    """R18: double, currency and percent; another spelling of a number is no change."""
    customise(world, *NUMBERS)
    world.start()
    wanted = {}
    for field, cases in NUMBERS.items():
        for text, number in cases.items():
            wanted[len(wanted) + 1] = (field.name, number)
            world.lead(len(wanted), **{field.column: text})
    world.run()
    arrived = {field.name: _arrived(world, field.name) for field in NUMBERS}
    assert {lead_id: (name, arrived[name][lead_id]) for lead_id, (name, _) in wanted.items()} == wanted
    assert arrived["Rate__c"][1] is None
    _assert_settled(world)
    world.salesforce.clear_requests()
    world.edit(1, budget="0.0")
    world.run()
    assert world.writes() == []


def test_what_salesforce_would_round_or_refuse_is_held(world: World) -> None:
    """R18: with its value; nothing of its lead is written."""
    customise(world, *NOT_NUMBERS)
    world.start()
    cases = [(field, text, f"number_{code}") for field, texts in NOT_NUMBERS.items() for text, code in texts.items()]
    for lead_id, (field, text, _) in enumerate(cases, start=1):
        world.lead(lead_id, **{field.column: text})
    world.run()
    assert world.records() == []
    assert _found_wrong(world) == {text: ("R18", code) for _, text, code in cases}


def test_texts_are_held_from_one_character_over_the_fields_length(world: World) -> None:
    """R18: the longest text arrives whole, one more is held and says the limit; blanks at the ends do not count."""
    customise(world, Custom("remarks", "textarea", {"name": "Remarks__c", "type": "textarea", "length": 10}))
    world.start()
    _leads(world, "remarks", ["一二三四五六七八九十", " 一二三四五六七八九十　\n", "一二三四五六七八九十一", "a\r\nb"])
    world.run()
    assert _arrived(world, "Remarks__c") == {1: "一二三四五六七八九十", 2: "一二三四五六七八九十", 4: "a\r\nb"}
    assert _found_wrong(world) == {"一二三四五六七八九十一": ("R18", "too_long")}
    assert [e.detail for e in world.errors(3)] == ["max 10"]
    _assert_settled(world)


def test_addresses_of_all_sorts_are_checked_by_their_salesforce_type(world: World) -> None:
    """R18: e-mail, URL and telephone fields take what has their form; on a text field nothing is asked."""
    customise(
        world,
        Custom("contact_method", "email", {"name": "Second_Email__c", "type": "email"}),
        Custom("industry", "url", {"name": "Shop__c", "type": "url"}),
        Custom("newsletter", "text", {"name": "Hotline__c", "type": "phone"}),
        Custom("remarks", "text", {"name": "Call__c", "type": "string", "length": 40}),
    )
    world.start()
    world.lead(1, contact_method="ａ@example.jp", industry="example.jp/店", newsletter="03-1234-5678", remarks="夜のみ")
    bad = {
        "contact_method": ("a@b", "email_format"),
        "industry": ("なし", "url_format"),
        "newsletter": ("夜のみ", "phone_format"),
    }
    for lead_id, (column, (text, _)) in enumerate(bad.items(), start=2):
        world.lead(lead_id, **{column: text})
    world.run()
    fields = ("Second_Email__c", "Shop__c", "Hotline__c", "Call__c")
    record = world.record("lead1@example.jp", ", ".join(fields))
    assert [record[name] for name in fields] == ["a@example.jp", "example.jp/店", "03-1234-5678", "夜のみ"]
    assert _found_wrong(world) == {text: ("R18", code) for text, code in bad.values()}
    _assert_settled(world)


# -- required fields ---------------------------------------------------------------------------------------------------

PLAN = {"name": "Plan__c", "type": "string", "label": "契約プラン", "nillable": False}


def test_a_create_that_lacks_a_required_field_is_held(world: World) -> None:
    """R19, R38: no value is invented; with the value the lead goes."""
    customise(world, Custom("remarks", "textarea", PLAN))
    world.start()
    world.lead(1)
    world.lead(2, remarks="基本")
    world.run()
    assert _arrived(world, "Plan__c") == {2: "基本"}
    (error,) = world.errors(1)
    assert (error.code, error.rule, error.field, error.api_name) == ("required_missing", "R19", "remarks", "Plan__c")
    world.edit(1, remarks="上級")
    world.run()
    assert _arrived(world, "Plan__c") == {1: "上級", 2: "基本"}
    assert world.held() == {}


def test_a_required_field_that_a_lead_clears_holds_its_edit(world: World) -> None:
    """R19: the record keeps its value, and the lead is held; a record that was only matched lacks nothing."""
    customise(world, Custom("remarks", "textarea", PLAN))
    matched = {"LastName": "山田", "Company": "A", "Email": "lead2@example.jp", "Plan__c": "旧"}
    world.salesforce.admin_create("Lead", matched)
    world.start()
    world.lead(1, remarks="基本")
    world.lead(2)
    world.run()
    assert world.held() == {}
    world.edit(1, remarks="")
    world.run()
    assert world.held() == {1: ["required_missing"]}
    assert _arrived(world, "Plan__c") == {1: "基本", 2: "旧"}


def test_the_mappings_default_fills_a_required_field(world: World) -> None:
    """R19: where the lead has none; the lead's own value goes before it, and the lead stays blank."""
    customise(world, Custom("remarks", "textarea", PLAN, default="未定"))
    world.start()
    world.lead(1)
    world.lead(2, remarks="基本")
    world.run()
    assert _arrived(world, "Plan__c") == {1: "未定", 2: "基本"}
    assert _text(world, 1, "remarks") is None
    _assert_settled(world)
    assert _arrived(world, "Plan__c")[1] == "未定"


def test_a_required_field_that_no_row_fills_holds_every_create(world: World) -> None:
    """R19, R38: under the name that a person knows; records that are there already go on."""
    world.salesforce.control("POST", "fields/Lead", PLAN)
    known = {"LastName": "山田", "Company": "A", "Email": "lead2@example.jp", "Plan__c": "旧"}
    world.salesforce.admin_create("Lead", known)
    world.start()
    world.lead(1)
    world.lead(2, title="部長")
    world.run()
    (error,) = world.errors(1)
    assert (error.code, error.rule, error.api_name, error.detail) == (
        "required_missing",
        "R19",
        "Plan__c",
        "契約プラン",
    )
    assert _arrived(world, "Title") == {2: "部長"}
