"""The schema's data files: readable, complete, without a redundant word; and what is built on them."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from salesforce_emulator import schema
from salesforce_emulator.describe import (
    child_relationships,
    describe_field,
    describe_global,
    describe_sobject,
    global_entry,
)
from salesforce_emulator.schema import ATTRIBUTES, InvalidFieldError, custom_field, files, load, picklist_values

FOLDER = Path(schema.__file__).parent
OBJECTS = tomllib.loads((FOLDER / "objects.toml").read_text(encoding="utf-8"))
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def rows(path: Path) -> list[dict[str, str]]:
    """Read a data file as rows of text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


FIELD_ROWS = [(name, row) for name in OBJECTS for row in rows(FOLDER / "objects" / f"{name}.csv")]


def always(_name: str) -> bool:
    """Grant access to every field."""
    return True


def described(name: str, **options: Any) -> dict[str, Any]:
    """Describe an sObject to a user who may do everything that `options` do not forbid."""
    access: dict[str, Any] = {"readable": always, "createable": always, "updateable": always} | options
    return describe_sobject(load()[name], **access)


def field(name: str, **given: Any) -> dict[str, Any]:
    """Make a custom field and describe it."""
    return describe_field(custom_field({"name": name, **given}))


# The files


def test_each_sobject_has_its_field_file_and_no_file_lies_about() -> None:
    """`objects.toml` and the files in `objects/` name the same sObjects."""
    assert {path.stem for path in (FOLDER / "objects").iterdir()} == set(OBJECTS)


def test_each_picklist_file_is_used_and_each_used_one_is_there() -> None:
    """The `picklist` column and the files in `picklists/` name the same value sets."""
    used = {row["picklist"] for _, row in FIELD_ROWS if row["picklist"]}
    assert used == {path.stem for path in (FOLDER / "picklists").iterdir()}


def test_every_picklist_field_and_no_other_has_a_value_set() -> None:
    """A field of type picklist names a value set; a field of another type names none."""
    assert [
        (name, row["name"]) for name, row in FIELD_ROWS if (row["type"] == "picklist") != bool(row["picklist"])
    ] == []


def test_every_reference_and_no_other_says_what_it_refers_to() -> None:
    """A field of type reference names its sObjects; a field of another type names none."""
    wrong = [(name, row["name"]) for name, row in FIELD_ROWS if (row["type"] == "reference") != bool(row["refers_to"])]
    assert wrong == []


def test_a_part_names_a_compound_field_that_is_there() -> None:
    """`part_of` names a field of the same sObject."""
    there = {(name, row["name"]) for name, row in FIELD_ROWS}
    assert [
        (name, row["name"]) for name, row in FIELD_ROWS if row["part_of"] and (name, row["part_of"]) not in there
    ] == []


@pytest.mark.parametrize(("name", "row"), [(name, row) for name, row in FIELD_ROWS if row["traits"]])
def test_a_trait_says_nothing_that_follows_by_itself(name: str, row: dict[str, str]) -> None:
    """Each word in `traits` changes the field: what type, size and references already say is not written again."""
    traits = row["traits"].split()
    whole = files._field(row)
    redundant = [
        trait for trait in traits if files._field(row | {"traits": " ".join(t for t in traits if t != trait)}) == whole
    ]
    assert redundant == [], f"{name}.{row['name']}"


def test_access_letters_stand_in_one_order() -> None:
    """`access` is a sub-sequence of `cundp`, so that columns can be compared by eye."""
    assert [
        row["name"] for _, row in FIELD_ROWS if row["access"] != "".join(c for c in "cundp" if c in row["access"])
    ] == []


def test_no_name_stands_twice() -> None:
    """Field names and relationship names are unique per sObject, whatever their case."""
    for each in load().values():
        assert len(each.by_name) == len(each.fields)
        relationships = [field.relationship_name.lower() for field in each.fields if field.relationship_name]
        assert len(relationships) == len(set(relationships))


def test_the_readme_explains_every_column_and_key() -> None:
    """`README.md` names each column of the field and picklist files and each key of `objects.toml`."""
    columns = set(FIELD_ROWS[0][1]) | set(rows(FOLDER / "picklists" / "LeadStatus.csv")[0])
    keys = {key for facts in OBJECTS.values() for key in facts}
    assert [word for word in sorted(columns | keys) if f"`{word}`" not in README] == []


def test_the_readme_says_where_each_sobject_comes_from() -> None:
    """`README.md` names every sObject, and the source in `objects.toml` says recorded or documentation."""
    assert [name for name in OBJECTS if f"`{name}`" not in README] == []
    assert {load()[name].source.split(",")[0].split(";")[0] for name in OBJECTS} == {"recorded", "documentation"}


def test_loading_takes_under_50_milliseconds() -> None:
    """All files are read and built in under 50 ms (best of three)."""

    def seconds() -> float:
        files._load.cache_clear()
        files._picklist.cache_clear()
        start = time.perf_counter()
        load()
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 0.05


def test_the_schema_needs_only_the_standard_library() -> None:
    """A fresh interpreter loads the schema and describes an sObject without importing anything else."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import salesforce_emulator.describe; from salesforce_emulator.schema import load; load()\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - sys.stdlib_module_names == {"salesforce_emulator"}


# Describe


def test_a_field_has_57_attributes_and_a_describe_45_keys() -> None:
    """At v59 every field carries all 57 attributes and every sObject all 45 keys, in alphabetical order."""
    for name in OBJECTS:
        whole = described(name)
        assert len(whole) == 45
        assert list(whole) == sorted(whole)
        assert {tuple(each) for each in whole["fields"]} == {tuple(ATTRIBUTES)}
    assert len(ATTRIBUTES) == 57


@pytest.mark.parametrize(("version", "keys"), [(42, 35), (47, 35), (48, 42), (51, 42), (52, 44), (59, 45), (67, 45)])
def test_an_early_version_lacks_the_later_keys(version: int, keys: int) -> None:
    """A describe has the keys of its API version, and its addresses carry it."""
    whole = described("Lead", version=version)
    assert len(whole) == keys
    assert whole["urls"]["sobject"] == f"/services/data/v{version}.0/sobjects/Lead"


def test_a_hidden_field_is_missing() -> None:
    """A field that the user may not read is not in the describe; all others are (R42)."""
    names = [each["name"] for each in described("Lead", readable=lambda name: name != "Title")["fields"]]
    assert names == [each.name for each in load()["Lead"].fields if each.name != "Title"]


@pytest.mark.parametrize("attribute", ["createable", "updateable"])
def test_a_read_only_field_says_so(attribute: str) -> None:
    """A field the user may not set loses that flag, and no field gains one that the platform does not give (R43)."""
    before = {each["name"]: each[attribute] for each in described("Lead")["fields"]}
    after = {
        each["name"]: each[attribute] for each in described("Lead", **{attribute: lambda n: n != "Title"})["fields"]
    }
    assert before["Title"]
    assert after == before | {"Title": False}
    assert not before["Name"]


def test_object_permissions_override_the_platforms() -> None:
    """A profile that may not create leads is told so in the describe and in describe global (R40)."""
    assert described("Lead", overrides={"createable": False})["createable"] is False
    assert global_entry(load()["Lead"], overrides={"createable": False})["createable"] is False
    assert described("Lead")["createable"] is True


def test_describe_global_lists_what_it_is_given() -> None:
    """Describe global has an entry for each visible sObject, in order, with 28 keys at v59."""
    visible = [each for name, each in load().items() if name != "Lead"]
    whole = describe_global(visible)
    assert list(whole) == ["encoding", "maxBatchSize", "sobjects"]
    assert [each["name"] for each in whole["sobjects"]] == [*sorted(set(load()) - {"Lead"})]
    assert {len(each) for each in whole["sobjects"]} == {28}


def test_a_hidden_child_field_makes_no_child_relationship() -> None:
    """A reference that the user may not read is not among the parent's children."""
    schemas = load().values()
    seen = child_relationships(
        schemas, "Account", readable=lambda sobject, field: (sobject, field) != ("Contact", "AccountId")
    )
    names = [(each["childSObject"], each["field"]) for each in child_relationships(schemas, "Account")]
    assert ("Contact", "AccountId") in names
    assert [(each["childSObject"], each["field"]) for each in seen] == [each for each in names if each[0] != "Contact"]


def test_changing_a_describe_changes_no_later_one() -> None:
    """A describe belongs to its caller: editing it leaves the schema as it was."""
    first = described("Lead")
    text = json.dumps(first)
    first["fields"][0]["label"] = "spoilt"
    first["supportedScopes"].clear()
    first["recordTypeInfos"][0]["name"] = "spoilt"
    first["fields"].clear()
    assert json.dumps(described("Lead")) == text


def test_the_opt_out_field_can_be_hidden_by_field_level_security() -> None:
    """`HasOptedOutOfEmail` is subject to field-level security on both objects; required fields are not."""
    for name in ("Lead", "Contact"):
        assert load()[name].by_name["hasoptedoutofemail"].permissionable
        assert not any(each.permissionable for each in load()[name].fields if each.required)


@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("Lead", ["LastName", "Company"]),
        ("Contact", ["LastName"]),
        ("Account", ["Name"]),
    ],
)
def test_required_fields_are_those_of_a_real_org(name: str, required: list[str]) -> None:
    """Exactly these fields must be given on create (R19)."""
    assert [each.name for each in load()[name].fields if each.required] == required


@pytest.mark.parametrize(
    ("name", "relationship", "target"),
    [
        ("Contact", "Account", ("Account",)),
        ("Contact", "ReportsTo", ("Contact",)),
        ("Lead", "Owner", ("Group", "User")),
        ("Lead", "ConvertedContact", ("Contact",)),
        ("Lead", "MasterRecord", ("Lead",)),
        ("Account", "RecordType", ("RecordType",)),
        ("User", "Manager", ("User",)),
    ],
)
def test_a_relationship_leads_to_what_it_does_in_a_real_org(
    name: str, relationship: str, target: tuple[str, ...]
) -> None:
    """Exactly one reference has the relationship name, and it points at these sObjects."""
    assert [each.reference_to for each in load()[name].fields if each.relationship_name == relationship] == [target]


# Custom fields


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "boolean"}, {"nillable": False, "defaultedOnCreate": True, "defaultValue": False, "byteLength": 0}),
        ({"type": "string", "length": 191}, {"length": 191, "byteLength": 573, "groupable": True, "nillable": True}),
        ({"type": "string"}, {"length": 255, "soapType": "xsd:string"}),
        (
            {"type": "textarea", "length": 32768},
            {"sortable": False, "filterable": False, "extraTypeInfo": "plaintextarea"},
        ),
        ({"type": "date"}, {"soapType": "xsd:date", "groupable": True}),
        ({"type": "datetime"}, {"soapType": "xsd:dateTime", "groupable": False}),
        ({"type": "double", "precision": 10, "scale": 2}, {"precision": 10, "scale": 2, "soapType": "xsd:double"}),
        ({"type": "currency"}, {"precision": 18, "scale": 2}),
        ({"type": "email"}, {"length": 80, "byteLength": 240}),
        ({"type": "phone"}, {"length": 40}),
        ({"type": "url"}, {"length": 255}),
        (
            {"type": "multipicklist", "picklistValues": ["a", "b"]},
            {"length": 4099, "byteLength": 4099, "sortable": False, "groupable": False, "aggregatable": False},
        ),
        (
            {"type": "picklist", "picklistValues": ["Red", {"value": "Blue", "defaultValue": True}]},
            {"defaultValue": "Blue", "defaultedOnCreate": True, "restrictedPicklist": False},
        ),
        ({"type": "string", "externalId": True, "unique": True}, {"idLookup": True, "caseSensitive": False}),
        (
            {"type": "reference", "referenceTo": ["Account"]},
            {"relationshipName": "Made__r", "length": 18, "soapType": "tns:ID"},
        ),
        (
            {"type": "string", "calculatedFormula": "Account.Name"},
            {"calculated": True, "createable": False, "updateable": False, "length": 1300, "groupable": False},
        ),
        ({"type": "string", "nillable": False}, {"permissionable": False, "nillable": False}),
        (
            {"type": "string"},
            {"custom": True, "createable": True, "updateable": True, "permissionable": True, "label": "Made"},
        ),
    ],
)
def test_a_custom_field_of_every_kind_follows_from_little(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """What the maker does not say is as a new field of that kind has it."""
    made = field("Made__c", **given)
    assert {key: made[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "Made__c"}, "not a field type: None"),
        ({"name": "Made__c", "type": "text"}, "not a field type: text"),
        ({"name": "Made", "type": "string"}, "it ends in __c"),
        ({"name": "9__c", "type": "string"}, "it ends in __c"),
        ({"name": 'x" int); --__c', "type": "string"}, "it ends in __c"),
        ({"name": None, "type": "string"}, "it ends in __c"),
        ({"name": "Made__c", "type": "string", "size": 3}, "not an attribute of a field: size"),
        ({"name": "Made__c", "type": "string", "length": "3"}, "length: expected int"),
        ({"name": "Made__c", "type": "string", "unique": 1}, "unique: expected bool"),
        ({"name": "Made__c", "type": "picklist", "picklistValues": "Red"}, "expected a list"),
        ({"name": "Made__c", "type": "picklist", "picklistValues": [{"label": "Red"}]}, "not a picklist value"),
        ({"name": "Made__c", "type": ["string"]}, "not a field type"),
    ],
)
def test_a_custom_field_that_no_org_would_accept_is_refused(given: dict[str, Any], said: str) -> None:
    """The refusal names the part that is wrong."""
    with pytest.raises(InvalidFieldError, match=re.escape(said)):
        custom_field(given)


def test_a_picklist_value_may_be_text_or_object() -> None:
    """Plain texts are their own label; objects carry label, activity and default."""
    plain, whole = picklist_values(["Red", {"value": "b", "label": "Blue", "active": False, "defaultValue": True}])
    assert (plain.value, plain.label, plain.active, plain.default) == ("Red", "Red", True, False)
    assert (whole.value, whole.label, whole.active, whole.default) == ("b", "Blue", False, True)


def test_a_changed_picklist_brings_its_own_default() -> None:
    """A field's default value is the one its picklist marks; without one it is no longer defaulted on create."""
    status = load()["Lead"].by_name["status"]
    changed = describe_field(status.with_picklist(picklist_values(["New", {"value": "Open", "defaultValue": True}])))
    assert (changed["defaultValue"], changed["defaultedOnCreate"]) == ("Open", True)
    without = describe_field(status.with_picklist(picklist_values(["New"])))
    assert (without["defaultValue"], without["defaultedOnCreate"]) == (None, False)
