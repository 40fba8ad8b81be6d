"""What only Salesforce can refuse: code, its own words, the mail, the red run, and the way back (R36-R39).

The org is changed between the stages of a cycle, so that validation could not know.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import pytest

from leadsync.errors import RefusedRecordsError
from leadsync.pipeline import extract, load, prepare, report, transform, validate
from leadsync.store import state
from leadsync.store.tables import Journal, Run
from tests.custom_fields import Custom, customise, picklist
from tests.smtp import html_of

if TYPE_CHECKING:
    from email.message import EmailMessage

    from leadsync.pipeline.cycle import Cycle
    from tests.world import World

TEXT = {"type": "string", "length": 40}
NUMBER = Custom("newsletter", "text", {"name": "Member_No__c", "type": "string", "length": 20, "unique": True})


def _up_to_load(world: World) -> Cycle:
    """Run the stages before `load`."""
    cycle = world.cycle()
    for stage in (prepare, extract, validate, transform):
        stage.run(cycle)
    return cycle


def _replace(world: World, describe: dict[str, Any]) -> None:
    """Let an administrator delete a custom field and make another one of the same name."""
    world.salesforce.control("DELETE", f"fields/Lead/{describe['name']}")
    world.salesforce.control("POST", "fields/Lead", describe)


def _refused(world: World) -> list[tuple[Any, ...]]:
    """Return lead, code, rule, field and Salesforce's words of everything that is held."""
    found = [error for lead_id in world.held() for error in world.errors(lead_id)]
    return [(e.lead_id, e.code, e.rule, e.field, e.api_message) for e in found]


def _text(mail: EmailMessage) -> str:
    """Return a mail's HTML with its entities resolved."""
    return html.unescape(html_of(mail))


REFUSALS = [
    (
        "api_field_not_writable",
        "R43",
        "title",
        "INVALID_FIELD_FOR_INSERT_UPDATE: Unable to create/update fields: Title. Please check the security settings",
    ),
    (
        "api_picklist",
        "R37",
        "industry",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST: Sector: bad value for restricted picklist field: it",
    ),
    ("api_bad_email", "R37", "email", "INVALID_EMAIL_ADDRESS: Email: invalid email address: a..b@example.jp"),
    ("api_required_missing", "R38", "remarks", "REQUIRED_FIELD_MISSING: Required fields are missing: [Plan__c]"),
    (
        "api_string_too_long",
        "R37",
        "contact_method",
        "STRING_TOO_LONG: Contact By: data value too large: 電話で午前中に (max length=5)",
    ),
    (
        "api_number_range",
        "R37",
        "budget",
        "NUMBER_OUTSIDE_VALID_RANGE: Score: value outside of valid range on numeric field: 12345",
    ),
    (
        "api_type",
        "R37",
        "",
        "JSON_PARSER_ERROR: Cannot deserialize instance of date from VALUE_STRING value MA or request may be missing",
    ),
]
"""What leads 1 to 7 meet below, each its own."""


def test_each_refusal_has_its_code_and_salesforces_words_and_no_other_lead_suffers(world: World) -> None:
    """R37, R38, R39: eight leads of one batch refused, each for another reason; the ninth and tenth arrive."""
    plan = {"name": "Plan__c", **TEXT}
    score = {"name": "Score__c", "type": "double", "precision": 7, "scale": 0}
    contact_by, product = {"name": "Contact_By__c", **TEXT}, {"name": "Product__c", **TEXT}
    customise(
        world,
        Custom("remarks", "text", plan),
        Custom("industry", "select", picklist("Sector__c", "it", "medical")),
        Custom("contact_method", "text", contact_by),
        Custom("budget", "number", score),
        Custom("interests", "text", product),
        NUMBER,
    )
    taken = world.salesforce.admin_create("Lead", {"LastName": "他", "Company": "他", "Member_No__c": "A-1"})
    world.start()
    world.lead(1, remarks="基本", title="部長")
    world.lead(2, remarks="基本", industry="it")
    world.lead(3, remarks="基本", email="a..b@example.jp")
    world.lead(4)
    world.lead(5, remarks="基本", contact_method="電話で午前中に")
    world.lead(6, remarks="基本", budget="12345")
    world.lead(7, remarks="基本", interests="MA")
    world.lead(8, remarks="基本", newsletter="A-1")
    world.lead(9, remarks="基本", industry="medical", contact_method="電話", budget="1", newsletter="A-2")
    world.lead(10, remarks="基本")

    cycle = _up_to_load(world)
    assert world.held() == {}
    world.salesforce.access("Lead/Title", edit=False)
    world.salesforce.control("PUT", "picklists/Lead/Sector__c", ["medical"])
    _replace(world, plan | {"nillable": False})
    _replace(world, contact_by | {"length": 5})
    _replace(world, score | {"precision": 3})
    _replace(world, {"name": "Product__c", "type": "date"})
    counts = load.run(cycle)
    assert (counts["created"], counts["refused"], counts["postponed"]) == (2, 8, 0)
    with pytest.raises(RefusedRecordsError, match="newly refused 8 records"):
        report.run(cycle)

    *found, unique = _refused(world)
    for (*what, said), (lead_id, (*expected, words)) in zip(found, enumerate(REFUSALS, start=1), strict=True):
        assert what == [lead_id, *expected]
        assert said.startswith(words)
    words = f"DUPLICATE_VALUE: duplicate value found: Member_No__c duplicates value on record with id: {taken[:15]}"
    assert unique == (8, "api_duplicate_value", "R38", "", words)
    assert [e.value for e in world.errors(2)] == ["it"]
    assert world.links().keys() == {9, 10}
    assert world.salesforce.admin_count("Lead") == 3
    mail = _text(world.mails.only())
    assert [said for *_, said in (*found, unique) if said not in mail] == []


def test_a_refusal_turns_one_run_red_and_is_mailed_once(world: World) -> None:
    """R36, R39: the run that met it has committed; the next is green, asks nothing again, and mails nothing."""
    customise(world, NUMBER)
    world.salesforce.admin_create("Lead", {"LastName": "他", "Company": "他", "Member_No__c": "A-1"})
    world.start()
    world.lead(1, newsletter="A-1")
    world.lead(2)
    with pytest.raises(RefusedRecordsError, match="newly refused 1 records"):
        world.run()
    with world.engine.connect() as connection:
        cursor = state.get_cursor(connection, state.LEADS)
    assert [run.state for run in world.rows(Run)] == ["committed"]
    assert world.links().keys() == {2}
    assert len(world.mails.received) == 1
    world.salesforce.clear_requests()
    again = world.run()
    assert again["extract"]["idle"]
    assert again["report"]["newly_refused"] == 0
    assert world.writes() == []
    assert len(world.mails.received) == 1
    with world.engine.connect() as connection:
        assert state.get_cursor(connection, state.LEADS) > cursor


def test_a_refused_lead_is_tried_again_when_it_is_edited(world: World) -> None:
    """R36, R39: refused again for the same is no news and no red run, for another it is mailed; at last it is over."""
    customise(world, NUMBER)
    for number in ("A-1", "A-2"):
        world.salesforce.admin_create("Lead", {"LastName": number, "Company": "他", "Member_No__c": number})
    world.start()
    world.lead(1, newsletter="A-1")
    with pytest.raises(RefusedRecordsError):
        world.run()
    first = world.errors(1)
    world.edit(1, title="部長")
    counts = world.run()
    assert (counts["load"]["refused"], counts["report"]["newly_refused"], counts["report"]["mails"]) == (1, 0, 0)
    assert [e.first_seen for e in world.errors(1)] == [first[0].first_seen]
    world.edit(1, newsletter="A-2")
    assert world.run()["report"]["changed"] == 1
    assert len(world.mails.received) == 2
    world.edit(1, newsletter="A-3")
    assert world.run()["report"]["recovered"] == 1
    assert world.held() == {}
    assert world.record("lead1@example.jp", "Member_No__c, Title")["Member_No__c"] == "A-3"
    assert len(world.mails.received) == 3


@pytest.mark.parametrize(
    ("status", "code", "rule"),
    [
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "api_validation_rule", "R38"),
        ("DUPLICATES_DETECTED", "api_duplicate_rule", "R38"),
        ("SOME_CODE_OF_TOMORROW", "api_other", "R37"),
    ],
)
def test_the_words_of_a_rule_in_the_org_reach_people_as_they_are(
    world: World, status: str, code: str, rule: str
) -> None:
    """R37: in the row and in the mail, markup and all, also under a code that nobody knows yet."""
    words = "<b>見積日</b>は「受注日」より前 & {{ 7*7 }} にしてください。 50%"
    answer = [{"success": False, "errors": [{"statusCode": status, "message": words, "fields": ["Title"]}]}]
    match = {"method": "POST", "path": "composite/sobjects"}
    world.salesforce.faults([{"match": match, "fault": "status", "status": 200, "body": answer}])
    world.start()
    world.lead(1, title="部長")
    with pytest.raises(RefusedRecordsError):
        world.run()
    assert _refused(world) == [(1, code, rule, "title", f"{status}: {words}")]
    mail = world.mails.only()
    assert words not in html_of(mail)
    assert f"{status}: {words}" in _text(mail)


def test_a_refused_update_leaves_the_record_and_is_sent_again_whole(world: World) -> None:
    """R39: all of the edit is held; the next edit sends it together with the correction."""
    customise(world, NUMBER)
    world.salesforce.admin_create("Lead", {"LastName": "他", "Company": "他", "Member_No__c": "A-1"})
    world.start()
    world.lead(1, title="課長")
    world.lead(2, title="課長")
    world.run()
    world.edit(1, title="部長", newsletter="A-1")
    world.edit(2, title="部長")
    with pytest.raises(RefusedRecordsError):
        world.run()
    assert [world.record(f"lead{i}@example.jp", "Title")["Title"] for i in (1, 2)] == ["課長", "部長"]
    world.edit(1, newsletter="A-9")
    world.run()
    record = world.record("lead1@example.jp", "Title, Member_No__c")
    assert (record["Title"], record["Member_No__c"]) == ("部長", "A-9")


@pytest.mark.parametrize(
    ("happens", "code", "rule", "words"),
    [
        ("deleted", "api_record_deleted", "R29", "ENTITY_IS_DELETED: entity is deleted"),
        ("converted", "api_record_converted", "R28", "CANNOT_UPDATE_CONVERTED_LEAD: cannot reference converted lead"),
        ("purged", "api_not_found", "R48", "INVALID_CROSS_REFERENCE_KEY: invalid cross reference id"),
    ],
)
def test_a_record_that_goes_between_extract_and_load_is_not_created_anew(
    world: World, happens: str, code: str, rule: str, words: str
) -> None:
    """R28, R29, R48: the update is refused under the state's own code, the link stays, nothing is created."""
    world.start()
    for lead_id in (1, 2):
        world.lead(lead_id, title="課長")
    world.run()
    record_id = world.links()[1]
    for lead_id in (1, 2):
        world.edit(lead_id, title="部長")
    cycle = _up_to_load(world)
    match happens:
        case "deleted":
            world.salesforce.admin_delete("Lead", record_id)
        case "converted":
            world.salesforce.control("PUT", f"rows/Lead/{record_id}", {"IsConverted": True})
        case "purged":
            world.salesforce.control("POST", "purge", {"ids": [record_id]})
    counts = load.run(cycle)
    assert (counts["updated"], counts["refused"], counts["created"]) == (1, 1, 0)
    with pytest.raises(RefusedRecordsError):
        report.run(cycle)
    assert _refused(world) == [(1, code, rule, "", words)]
    assert world.links()[1] == record_id
    assert world.record("lead2@example.jp", "Title")["Title"] == "部長"
    first = world.errors(1)
    world.edit(1, title="社長")
    told = world.run()["report"]
    assert [told[name] for name in ("new", "changed", "recovered", "newly_refused")] == [0, 0, 0, 0]
    assert _refused(world) == [(1, code, rule, "", words)]
    assert world.errors(1)[0].first_seen == first[0].first_seen
    live = world.salesforce.admin_query("SELECT Id FROM Lead WHERE IsConverted = false")
    assert len(live) == 1


def test_a_record_found_deleted_is_held_and_mailed_and_the_run_is_green(world: World) -> None:
    """R29: Salesforce refused nothing, since nothing was sent; nothing is created either."""
    world.start()
    world.lead(1)
    world.run()
    world.salesforce.admin_delete("Lead", world.links()[1])
    world.salesforce.clear_requests()
    world.edit(1, title="部長")
    assert world.run()["report"]["newly_refused"] == 0
    assert _refused(world) == [(1, "api_record_deleted", "R29", "", None)]
    assert world.writes() == []
    assert world.mails.only()["Subject"] == "[leadsync] 同期エラー 新規1件"


def test_a_field_hidden_between_prepare_and_load_costs_one_cycle(world: World) -> None:
    """R42, R39: Salesforce refuses the whole request; nothing is held, and the next cycle goes on without the field."""
    world.start()
    for lead_id in (1, 2):
        world.lead(lead_id, title="課長")
    world.run()
    world.edit(1, title="部長", phone="03-1111-2222")
    world.lead(3, title="主任")
    cycle = _up_to_load(world)
    world.elapse(2)
    world.salesforce.access("Lead/Title", read=False, edit=False)
    assert load.run(cycle)["postponed"] == 2
    report.run(cycle)
    assert world.held() == {}
    assert world.pending() == {1: "org_changed", 3: "org_changed"}
    world.run()
    assert world.pending() == {}
    record = world.record("lead1@example.jp", "Phone, Title")
    assert (record["Phone"], record["Title"]) == ("03-1111-2222", "課長")
    assert world.record("lead3@example.jp", "Title")["Title"] is None


def test_a_create_that_the_profile_no_longer_allows_is_refused_and_comes_back(world: World) -> None:
    """R40, R41: held while Leads may not be created, without a second record or a lost lead afterwards."""
    world.start()
    world.lead(1)
    cycle = _up_to_load(world)
    world.elapse(2)
    world.salesforce.access("Lead", create=False)
    assert load.run(cycle)["refused"] == 1
    with pytest.raises(RefusedRecordsError):
        report.run(cycle)
    assert world.journal(Journal.state == "refused")[0].lead_id == 1
    assert world.links() == {}
    world.elapse(2)
    world.salesforce.access("Lead", create=True)
    world.edit(1, title="部長")
    assert world.run()["load"]["created"] == 1
    assert world.held() == {}
    assert len(world.records()) == 1
