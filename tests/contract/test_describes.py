"""The emulator's describes against those recorded from real orgs, attribute by attribute.

The recordings are not part of this project: their folder is `LEADSYNC_RECORDED`, by default `../shared/recorded` beside
the project's root. What is left out of a comparison is named here with its reason.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from salesforce_emulator.describe import child_relationships, describe_field, describe_sobject, global_entry
from salesforce_emulator.schema import ATTRIBUTES, custom_field, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / os.environ.get("LEADSYNC_RECORDED", "../shared/recorded")

pytestmark = [
    pytest.mark.recorded,
    pytest.mark.skipif(
        not FOLDER.is_dir(),
        reason=f"no folder of recorded Salesforce answers at {FOLDER} (set LEADSYNC_RECORDED)",
    ),
]

RECORDED = {
    "Account": "cumulusci_describe_Account.json",
    "Contact": "cumulusci_describe_Contact.json",
    "Lead": "cumulusci_describe_Lead.json",
    "User": "dotnet/UserObjectDescribeMetadata.json",
}
VERSIONS = {"Account": 48, "Contact": 59, "Lead": 59}

NOT_THE_PLATFORMS = {
    "Account": {"Primary_Contact__c", "ns__Description__c", "History__c", "ns__LinkedAccount__c"},
    "User": {"CUST__CustomField1__c"},
}
"""Fields in a recording that its project or its org added."""

OURS_ONLY = {"Contact": {"HasOptedOutOfEmail"}, "Lead": {"HasOptedOutOfEmail"}}
"""Fields that the recorded orgs hid by field-level security."""


def recorded(name: str) -> Any:
    """Read a recording (one of them starts with a byte order mark)."""
    return json.loads((FOLDER / name).read_text(encoding="utf-8-sig"))


def always(_name: str) -> bool:
    """Grant access to every field."""
    return True


def described(name: str, **options: Any) -> dict[str, Any]:
    """Describe an sObject to a user with every access."""
    schemas = load()
    return describe_sobject(
        schemas[name],
        readable=always,
        createable=always,
        updateable=always,
        children=child_relationships(schemas.values(), name),
        **options,
    )


def differences(theirs: Iterable[Mapping[str, Any]], ours: Iterable[Mapping[str, Any]]) -> list[str]:
    """List each `field.attribute` in which our fields differ from theirs, at the attributes that theirs carry."""
    by_name = {field["name"]: field for field in ours}
    return [
        f"{field['name']}.{attribute}: recorded {value!r}, described {mine.get(attribute, '(none)')!r}"
        for field in theirs
        for mine in [by_name.get(field["name"], {})]
        for attribute, value in field.items()
        if mine.get(attribute, "(none)") != value
    ]


def platform_fields(name: str) -> list[dict[str, Any]]:
    """List the recorded fields that are the platform's own."""
    return [each for each in recorded(RECORDED[name])["fields"] if each["name"] not in NOT_THE_PLATFORMS.get(name, ())]


@pytest.mark.parametrize("name", RECORDED)
def test_an_sobject_has_the_recorded_fields_in_their_order(name: str) -> None:
    """A describe lists the recorded org's fields, in its order, and beside them only those it hid."""
    ours = [each["name"] for each in described(name)["fields"] if each["name"] not in OURS_ONLY.get(name, ())]
    assert ours == [each["name"] for each in platform_fields(name)]


@pytest.mark.parametrize("name", ["Lead", "Contact", "Account"])
def test_every_attribute_of_every_field_is_the_recorded_one(name: str) -> None:
    """All 57 attributes of all fields of Lead, Contact and Account agree with the recording."""
    theirs = platform_fields(name)
    assert all(list(each) == list(ATTRIBUTES) for each in theirs)
    assert differences(theirs, described(name)["fields"]) == []


def test_every_recorded_attribute_of_user_is_the_described_one() -> None:
    """User agrees at the 43 attributes of its v29 recording, which did not yet tell a check box's default."""
    theirs = platform_fields("User")
    assert {len(each) for each in theirs} == {43}
    for each in theirs:
        if each["type"] == "boolean":
            assert each.pop("defaultValue") is None
    assert differences(theirs, described("User")["fields"]) == []


@pytest.mark.parametrize("name", VERSIONS)
def test_the_top_level_of_a_describe_is_the_recorded_one(name: str) -> None:
    """Keys, their order and their values agree; fields, children and the org's host are compared elsewhere."""
    theirs = recorded(RECORDED[name])
    record_types = [{key: each[key] for key in each if key != "urls"} for each in theirs["recordTypeInfos"]]
    ours = described(name, version=VERSIONS[name], record_types=record_types)
    assert list(ours) == list(theirs)
    elsewhere = {"fields", "childRelationships", "urls", "recordTypeInfos"}
    assert {key: ours[key] for key in ours if key not in elsewhere} == {
        key: theirs[key] for key in theirs if key not in elsewhere
    }
    assert [each.keys() for each in ours["recordTypeInfos"]] == [each.keys() for each in theirs["recordTypeInfos"]]


@pytest.mark.parametrize("name", VERSIONS)
def test_the_resources_of_an_sobject_are_the_recorded_ones(name: str) -> None:
    """`urls` and the record types' layouts agree, in their order, once host and version are those of the recording."""
    theirs = recorded(RECORDED[name])
    record_types = [{key: each[key] for key in each if key != "urls"} for each in theirs["recordTypeInfos"]]
    version = theirs["urls"]["sobject"].split("/")[3]
    host = theirs["urls"]["uiDetailTemplate"].removesuffix("/{ID}")
    ours = described(name, version=VERSIONS[name], record_types=record_types, instance_url=host)
    with_version = json.loads(json.dumps(ours).replace(f"/v{VERSIONS[name]}.0/", f"/{version}/"))
    assert list(with_version["urls"].items()) == list(theirs["urls"].items())
    assert with_version["recordTypeInfos"] == theirs["recordTypeInfos"]


@pytest.mark.parametrize("name", RECORDED)
def test_child_relationships_among_our_sobjects_are_the_recorded_ones(name: str) -> None:
    """Of the recorded children, exactly those whose sObject the emulator has are described, with the same facts."""
    present = set(load())
    theirs = [
        each
        for each in recorded(RECORDED[name])["childRelationships"]
        if each["childSObject"] in present and not each["field"].endswith("__c")
    ]
    recorded_keys = {key for each in theirs for key in each}
    ours = [{key: each[key] for key in each if key in recorded_keys} for each in described(name)["childRelationships"]]
    assert ours == theirs


@pytest.mark.parametrize("name", ["Account", "Contact", "Lead", "Organization", "User"])
def test_the_entry_in_describe_global_is_the_recorded_one(name: str) -> None:
    """Each sObject's entry at v52 agrees key by key; the recording's own edit of Lead's key prefix aside."""
    theirs = next(each for each in recorded("cumulusci_describe_Global.json")["sobjects"] if each["name"] == name)
    ours = global_entry(load()[name], version=52)
    if name == "Lead":
        assert theirs["keyPrefix"] is None
        theirs["keyPrefix"] = "00Q"
    assert list(ours.items()) == list(theirs.items())


def test_organization_has_the_fields_of_a_recorded_row() -> None:
    """Organization has the columns of a recorded row, in its order, with a type that fits each recorded value."""
    row = recorded("cumulusci_record_Organization.json")
    del row["attributes"]
    fields = load()["Organization"].fields
    assert [each.name for each in fields] == list(row)
    kinds = {"boolean": bool, "int": int, "double": float, "address": dict}
    misfits = [
        f"{each.name}: {each.type} holds {row[each.name]!r}"
        for each in fields
        if row[each.name] is not None and type(row[each.name]) is not kinds.get(each.type, str)
    ]
    assert misfits == []
    assert [each.name for each in fields if row[each.name] is None and not each.nillable] == []


def test_values_of_a_recorded_organization_are_in_its_picklists() -> None:
    """Each picklist value of the recorded row is one that the emulator's Organization allows."""
    row = recorded("cumulusci_record_Organization.json")
    refused = [
        f"{each.name}: {row[each.name]}"
        for each in load()["Organization"].fields
        if each.picklist
        and row[each.name] is not None
        and row[each.name] not in {value.value for value in each.picklist}
    ]
    assert refused == []


@pytest.mark.parametrize("name", ["Lead", "Contact"])
def test_the_opt_out_field_is_the_recorded_person_accounts(name: str) -> None:
    """`HasOptedOutOfEmail` has every attribute of the opt-out field of a recorded Person Account org."""
    fields = recorded("cumulusci_describe_Account_PersonAccount.json")["fields"]
    theirs = next(each for each in fields if each["name"] == "PersonHasOptedOutOfEmail")
    ours = load()[name].by_name["hasoptedoutofemail"]
    assert describe_field(ours) == theirs | {"name": "HasOptedOutOfEmail"}


MAKER_SAYS = {
    "calculatedFormula",
    "defaultValueFormula",
    "externalId",
    "formulaTreatNullNumberAsZero",
    "inlineHelpText",
    "label",
    "length",
    "name",
    "nillable",
    "picklistValues",
    "precision",
    "referenceTo",
    "restrictedPicklist",
    "scale",
    "type",
}
"""What somebody who makes a custom field enters; everything else must follow."""


@pytest.mark.parametrize(
    "file", ["cumulusci_describe_Account_PersonAccount.json", "restforcedb_2015_CustomObject__c_describe.json"]
)
def test_a_custom_field_is_described_as_a_recorded_one(file: str) -> None:
    """From what its maker enters, each recorded custom field gets all its attributes (`__pc` mirrors aside)."""
    theirs = [each for each in recorded(file)["fields"] if each["name"].endswith("__c")]
    made = [custom_field({key: each[key] for key in each if key in MAKER_SAYS}) for each in theirs]
    if "2015" in file:
        for each in theirs:
            if each["type"] == "boolean":
                assert each.pop("defaultValue") is None
    assert len(theirs) > 3
    assert differences(theirs, [describe_field(each) for each in made]) == []
