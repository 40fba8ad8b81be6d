"""Record types and dependent picklists: what a describe says of them, and what saves take."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest

from salesforce_emulator.schema import custom_field
from salesforce_emulator.schema.dependent import decode, encode
from tests.contract.emulator.test_sharing import ABE, codes

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

MASTER = "012000000000000AAA"
COLOUR = {"name": "Colour__c", "type": "picklist", "restrictedPicklist": True, "picklistValues": ["Red", "Blue"]}


def record_type(salesforce: Emulator, name: str = "Retail", sobject: str = "Lead", **options: Any) -> str:
    """Add a record type; return its id."""
    return salesforce.control("POST", f"record_types/{sobject}", {"name": name, **options})["id"]


def infos(api: Api, sobject: str = "Lead") -> list[dict[str, Any]]:
    """Return the record types of a describe."""
    return api("GET", f"sobjects/{sobject}/describe").json()["recordTypeInfos"]


@pytest.mark.parametrize("sobject", ["Lead", "Contact", "Account"])
def test_an_object_gets_record_types(salesforce: Emulator, api: Api, sobject: str):
    """A record type is described before the master (recorded), named in RecordType, and chosen by RecordTypeId."""
    made = record_type(salesforce, "Retail", sobject, label="小売", default=True)
    own, master = infos(api, sobject)
    layout = f"/services/data/v59.0/sobjects/{sobject}/describe/layouts/{made}"
    assert own == {
        "active": True,
        "available": True,
        "defaultRecordTypeMapping": True,
        "developerName": "Retail",
        "master": False,
        "name": "小売",
        "recordTypeId": made,
        "urls": {"layout": layout},
    }
    assert (master["recordTypeId"], master["master"], master["defaultRecordTypeMapping"]) == (MASTER, True, False)
    field = next(
        each for each in api("GET", f"sobjects/{sobject}/describe").json()["fields"] if each["name"] == "RecordTypeId"
    )
    assert (field["custom"], field["permissionable"], field["referenceTo"]) == (False, False, ["RecordType"])
    (row,) = api.query("SELECT Id, Name, DeveloperName, SobjectType, IsActive FROM RecordType").json()["records"]
    assert [row[key] for key in ("Id", "Name", "DeveloperName", "SobjectType", "IsActive")] == [
        made, "小売", "Retail", sobject, True,
    ]  # fmt: skip


def test_a_lead_without_record_types_has_no_such_field(api: Api):
    """Without record types Lead and Contact have no RecordTypeId (recorded); the master is the default."""
    for sobject in ("Lead", "Contact"):
        names = [each["name"] for each in api("GET", f"sobjects/{sobject}/describe").json()["fields"]]
        assert "RecordTypeId" not in names
        assert [(each["recordTypeId"], each["defaultRecordTypeMapping"]) for each in infos(api, sobject)] == [
            (MASTER, True)
        ]


def test_a_new_row_has_the_default_record_type(salesforce: Emulator, api: Api):
    """Not given, or null, a record type is the default one; given, it is kept (that null is, is guessed)."""
    before = api.create("Lead", **ABE)
    first, second = record_type(salesforce, "First"), record_type(salesforce, "Second", default=True)
    rows = [api.create("Lead", **ABE, **more) for more in ({}, {"RecordTypeId": first}, {"RecordTypeId": None})]
    assert [api.read("Lead", each)["RecordTypeId"] for each in (before, *rows)] == [None, second, first, second]
    record_type(salesforce, "First", default=True)
    assert [each["name"] for each in infos(api) if each["defaultRecordTypeMapping"]] == ["First"]
    named = api.query("SELECT RecordType.DeveloperName FROM Lead WHERE RecordType.Name = 'Second'").json()["records"]
    assert [each["RecordType"]["DeveloperName"] for each in named] == ["Second", "Second"]


def test_a_foreign_record_type_is_refused(salesforce: Emulator, api: Api):
    """Another object's, an inactive, unavailable or unknown one, and the master beside others are refused."""
    row = api.create("Lead", **ABE)
    own = record_type(salesforce)
    wrong = [
        MASTER,
        record_type(salesforce, "Other", "Contact"),
        record_type(salesforce, "Old", active=False),
        record_type(salesforce, "Theirs", available=False),
        "0125i0zzzzzzzzzAAA",
    ]
    for given in wrong:
        for answer in (
            api("POST", "sobjects/Lead", {**ABE, "RecordTypeId": given}),
            api("PATCH", f"sobjects/Lead/{row}", {"RecordTypeId": given}),
        ):
            assert codes(answer) == (400, "INVALID_CROSS_REFERENCE_KEY")
            assert answer.json()[0]["message"].startswith("Record Type ID: this ID value isn't valid for the user: 012")
            assert answer.json()[0]["fields"] == ["RecordTypeId"]
    assert api("PATCH", f"sobjects/Lead/{row}", {"RecordTypeId": own}).status_code == 204
    record_type(salesforce, active=False)
    assert api("PATCH", f"sobjects/Lead/{row}", {"RecordTypeId": own, "Title": "x"}).status_code == 204


def test_the_master_is_no_record_type_of_a_row(api: Api):
    """Where there are no others the master may be named, and the row says null."""
    assert api.read("Account", api.create("Account", Name="ACME", RecordTypeId=MASTER))["RecordTypeId"] is None


def test_a_record_type_restricts_restricted_picklists(salesforce: Emulator, api: Api):
    """A restricted picklist takes the record type's values only, on create and update; another takes any."""
    salesforce.control("POST", "fields/Lead", COLOUR)
    retail = record_type(salesforce, picklists={"Colour__c": ["Red"], "LeadSource": ["Web"]})
    refused = [
        api("POST", "sobjects/Lead", {**ABE, "RecordTypeId": retail, "Colour__c": "Blue"}),
        api("PATCH", f"sobjects/Lead/{api.create('Lead', **ABE, RecordTypeId=retail)}", {"Colour__c": "Blue"}),
    ]
    for answer in refused:
        assert answer.json() == [
            {
                "message": "Colour: bad value for restricted picklist field: Blue",
                "errorCode": "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                "fields": ["Colour__c"],
            }
        ]
    record = {"attributes": {"type": "Lead"}, **ABE, "RecordTypeId": retail, "Colour__c": "Blue"}
    (result,) = api("POST", "composite/sobjects", {"records": [record]}).json()
    assert result["errors"][0]["statusCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    api.create("Lead", **ABE, RecordTypeId=retail, Colour__c="Red", LeadSource="Partner")
    moved = api.create("Lead", **ABE, Colour__c="Blue")
    assert api("PATCH", f"sobjects/Lead/{moved}", {"RecordTypeId": retail}).status_code == 204


def test_layouts_tell_the_picklists_of_each_record_type(salesforce: Emulator, api: Api):
    """`describe/layouts` maps record types to the values they offer; a hidden picklist is not among them."""
    salesforce.control("POST", "fields/Lead", COLOUR)
    retail = record_type(salesforce, picklists={"Colour__c": ["Red"]})
    answer = api("GET", "sobjects/Lead/describe/layouts").json()
    offered = {
        each["recordTypeId"]: {
            picklist["picklistName"]: [value["value"] for value in picklist["picklistValues"]]
            for picklist in each["picklistsForRecordType"]
        }
        for each in answer["recordTypeMappings"]
    }
    assert offered[retail]["Colour__c"] == ["Red"]
    assert offered[MASTER]["Colour__c"] == ["Red", "Blue"]
    assert offered[retail]["LeadSource"] == offered[MASTER]["LeadSource"]
    assert answer["layouts"] is None
    for info in infos(api):
        layout = api("GET", info["urls"]["layout"]).json()
        assert layout["id"] in {each["layoutId"] for each in answer["recordTypeMappings"]}
    assert api("GET", "sobjects/Lead/describe/layouts/0125i0zzzzzzzzzAAA").status_code == 404
    salesforce.access("Lead/Colour__c", read=False)
    names = [each["picklistName"] for each in _mappings(api)[0]["picklistsForRecordType"]]
    assert "LeadSource" in names
    assert "Colour__c" not in names


def _mappings(api: Api) -> list[dict[str, Any]]:
    return api("GET", "sobjects/Lead/describe/layouts").json()["recordTypeMappings"]


def test_a_record_type_goes_when_no_row_has_it(salesforce: Emulator, api: Api):
    """A record type in use stays; an unused one can be removed."""
    made = record_type(salesforce)
    row = api.create("Lead", **ABE, RecordTypeId=made)
    url = f"{salesforce.url}/_emulator/record_types/Lead/Retail"
    assert salesforce.http.delete(url, timeout=10).status_code == 400
    api("PATCH", f"sobjects/Lead/{row}", {"RecordTypeId": None})
    assert salesforce.http.delete(url, timeout=10).status_code == 200
    assert salesforce.http.delete(url, timeout=10).status_code == 404
    assert [each["recordTypeId"] for each in infos(api)] == [MASTER]
    assert api.query("SELECT count() FROM RecordType").json()["totalSize"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "Master"},
        {"name": "two words"},
        {"name": "A", "colour": "red"},
        {"name": "A", "default": True, "active": False},
        {"name": "A", "default": "yes"},
        {"name": "A", "picklists": {"LeadSource": ["Nowhere"]}},
        {"name": "A", "picklists": {"Title": ["CEO"]}},
        {"name": "A", "picklists": {"Nothing": []}},
    ],
)
def test_a_record_type_that_no_org_has_is_refused(salesforce: Emulator, body: dict[str, Any]):
    """Names, flags and values are checked."""
    answer = salesforce.http.post(f"{salesforce.url}/_emulator/record_types/Lead", json=body, timeout=10)
    assert answer.status_code in {400, 404}


# Dependent picklists


def dependent(**options: Any) -> dict[str, Any]:
    """Build a picklist that depends on the lead's source."""
    values = [{"value": "Banner", "validFor": ["Web"]}, {"value": "Fair", "validFor": ["Partner Referral", "Other"]}]
    return {
        "name": "Detail__c",
        "type": "picklist",
        "controllerName": "LeadSource",
        "picklistValues": values,
        **options,
    }


def test_a_dependent_picklist_names_what_its_values_go_with(salesforce: Emulator, api: Api):
    """controllerName, dependentPicklist and a bitmap over the controlling values, most significant bit first."""
    salesforce.control("POST", "fields/Lead", dependent())
    fields = {each["name"]: each for each in api("GET", "sobjects/Lead/describe").json()["fields"]}
    field, sources = fields["Detail__c"], [each["value"] for each in fields["LeadSource"]["picklistValues"]]
    assert (field["controllerName"], field["dependentPicklist"]) == ("LeadSource", True)
    bits = {each["value"]: bytes_of(each["validFor"]) for each in field["picklistValues"]}
    valid = {
        name: [source for at, source in enumerate(sources) if whole[at // 8] & 0x80 >> at % 8]
        for name, whole in bits.items()
    }
    assert valid == {"Banner": ["Web"], "Fair": ["Partner Referral", "Other"]}
    assert fields["LeadSource"]["picklistValues"][0]["validFor"] is None


def bytes_of(bitmap: str) -> bytes:
    """Decode a bitmap; it stands without padding, as recorded ones do."""
    assert not bitmap.endswith("=")
    return b64decode(bitmap)


def test_the_api_takes_values_outside_the_controlling_one(salesforce: Emulator, api: Api):
    """Dependencies bind the pages, not the API (general knowledge): such a row is saved, restricted or not."""
    salesforce.control("POST", "fields/Lead", dependent(restrictedPicklist=True))
    row = api.read("Lead", api.create("Lead", **ABE, LeadSource="Web", Detail__c="Fair"))
    assert (row["LeadSource"], row["Detail__c"]) == ("Web", "Fair")
    assert api("POST", "sobjects/Lead", {**ABE, "Detail__c": "Nowhere"}).status_code == 400


def test_a_bitmap_is_as_recorded():
    """The first, second and third of a few controlling values are gAAA, QAAA and IAAA; a check box controls too."""
    three = custom_field({"name": "A__c", "type": "picklist", "picklistValues": ["one", "two", "three"]})
    box = custom_field({"name": "B__c", "type": "boolean"})
    many = custom_field({"name": "C__c", "type": "picklist", "picklistValues": [str(number) for number in range(40)]})
    assert [encode([each], three) for each in ("one", "two", "three")] == ["gAAA", "QAAA", "IAAA"]
    assert encode(["true"], box) == "QAAA"
    assert decode(encode(["0", "8", "39"], many), many) == ["0", "8", "39"]


@pytest.mark.parametrize(
    "field",
    [
        dependent(controllerName="Title"),
        dependent(controllerName="Nothing"),
        dependent(picklistValues=[{"value": "x", "validFor": ["Nowhere"]}]),
        dependent(type="string"),
    ],
)
def test_a_dependency_that_cannot_be_is_refused(salesforce: Emulator, field: dict[str, Any]):
    """A picklist depends on a picklist or check box of its object, and on that one's values."""
    answer = salesforce.http.post(f"{salesforce.url}/_emulator/fields/Lead", json=field, timeout=10)
    assert answer.status_code == 400


def test_a_controlling_field_stays(salesforce: Emulator):
    """A custom field that controls another cannot be removed before it."""
    salesforce.control("POST", "fields/Lead", COLOUR)
    values = [{"value": "Dark", "validFor": ["Red"]}]
    salesforce.control("POST", "fields/Lead", dependent(controllerName="Colour__c", picklistValues=values))
    refused = salesforce.http.delete(f"{salesforce.url}/_emulator/fields/Lead/Colour__c", timeout=10)
    salesforce.control("DELETE", "fields/Lead/Detail__c")
    salesforce.control("DELETE", "fields/Lead/Colour__c")
    assert refused.status_code == 400
