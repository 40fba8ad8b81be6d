"""Every kind of custom field over the wire: made, described, written, read, cleared, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.emulator.test_sharing import ABE, codes

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

NAME = "Made__c"
PARSER, RANGE, LONG = "JSON_PARSER_ERROR", "NUMBER_OUTSIDE_VALID_RANGE", "STRING_TOO_LONG"


@dataclass(frozen=True)
class Kind:
    """A kind of field: how it is made, what its describe says, which values it takes (given, read) and refuses."""

    made: dict[str, Any]
    described: dict[str, Any]
    taken: list[tuple[Any, Any]]
    refused: dict[str, list[Any]] = field(default_factory=dict)
    cleared: Any = None


KINDS = {
    "checkbox": Kind(
        {"type": "boolean"},
        {"soapType": "xsd:boolean", "nillable": False, "defaultedOnCreate": True, "defaultValue": False},
        [(True, True), ("true", True), (False, False)],
        {PARSER: ["yes", 1], "INVALID_TYPE_ON_FIELD_IN_RECORD": [None]},
        cleared=False,
    ),
    "checkbox ticked": Kind(
        {"type": "boolean", "defaultValue": True},
        {"defaultValue": True, "defaultedOnCreate": True},
        [(False, False)],
        cleared=True,
    ),
    "currency": Kind(
        {"type": "currency"},
        {"precision": 18, "scale": 2, "soapType": "xsd:double", "groupable": False},
        [(12.345, 12.35), ("7", 7.0), (-1, -1.0)],
        {PARSER: ["abc", True], RANGE: [10**16]},
    ),
    "number": Kind(
        {"type": "double", "precision": 5, "scale": 1},
        {"precision": 5, "scale": 1, "soapType": "xsd:double"},
        [(1.25, 1.3), (9999.9, 9999.9)],
        {PARSER: ["1,5", {}], RANGE: [10000]},
    ),
    "percent": Kind(
        {"type": "percent", "precision": 5, "scale": 2},
        {"precision": 5, "scale": 2},
        [(12.5, 12.5)],
        {PARSER: ["50%"], RANGE: [1000]},
    ),
    "date": Kind(
        {"type": "date"},
        {"soapType": "xsd:date", "length": 0},
        [("2026-02-28", "2026-02-28")],
        {PARSER: ["2026-02-30", "2026/02/28", 20260228]},
    ),
    "datetime": Kind(
        {"type": "datetime"},
        {"soapType": "xsd:dateTime"},
        [
            ("2026-06-15T09:00:00+09:00", "2026-06-15T00:00:00.000+0000"),
            ("2026-06-15T00:00:00.5Z", "2026-06-15T00:00:00.000+0000"),
        ],
        {PARSER: ["2026-06-15 00:00:00", "soon"]},
    ),
    "time": Kind(
        {"type": "time"},
        {"soapType": "xsd:time"},
        [("13:05:30", "13:05:30.000Z"), ("13:05:30.000Z", "13:05:30.000Z")],
        {PARSER: ["25:00:00", "noon"]},
    ),
    "email": Kind(
        {"type": "email"},
        {"length": 80, "byteLength": 240},
        [(" abe@example.jp ", "abe@example.jp")],
        {"INVALID_EMAIL_ADDRESS": ["abe", "a@b"], LONG: ["a" * 80 + "@example.jp"]},
    ),
    "phone": Kind({"type": "phone"}, {"length": 40}, [("03-0000-0000", "03-0000-0000")], {LONG: ["0" * 41]}),
    "url": Kind({"type": "url"}, {"length": 255}, [("example.jp", "example.jp")], {LONG: ["x" * 256]}),
    "text": Kind(
        {"type": "string", "length": 5},
        {"length": 5, "byteLength": 15, "groupable": True},
        [("社長です。", "社長です。"), (" x ", "x"), ("\u3000x", "\u3000x")],
        {LONG: ["123456"], PARSER: [1, True, ["x"]]},
    ),
    "textarea": Kind(
        {"type": "textarea"},
        {"length": 255, "extraTypeInfo": "plaintextarea", "filterable": True},
        [("a\nb", "a\nb")],
        {LONG: ["x" * 256]},
    ),
    "long text": Kind(
        {"type": "textarea", "length": 32768},
        {"length": 32768, "filterable": False, "sortable": False, "groupable": False},
        [("x" * 32768, "x" * 32768)],
        {LONG: ["x" * 32769]},
    ),
    "picklist": Kind(
        {"type": "picklist", "picklistValues": ["Red", "Blue"]},
        {"restrictedPicklist": False, "length": 255},
        [("Red", "Red"), ("Mauve", "Mauve")],
    ),
    "restricted picklist": Kind(
        {"type": "picklist", "restrictedPicklist": True, "picklistValues": ["Red", {"value": "Old", "active": False}]},
        {"restrictedPicklist": True},
        [("Red", "Red")],
        {"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": ["Mauve", "red", "Old"]},
    ),
    "multipicklist": Kind(
        {"type": "multipicklist", "picklistValues": ["Red", "Blue"]},
        {"length": 4099, "precision": 4, "groupable": False, "sortable": False},
        [("Blue;Red", "Red;Blue"), ("Mauve; Red", "Red;Mauve")],
    ),
    "lookup": Kind(
        {"type": "reference", "referenceTo": ["Account"]},
        {"referenceTo": ["Account"], "relationshipName": "Made__r", "length": 18, "soapType": "tns:ID"},
        [],
        {"MALFORMED_ID": ["x", "00Q5i0000000001"], "INVALID_CROSS_REFERENCE_KEY": ["0015i0zzzzzzzzz"], PARSER: [1]},
    ),
}


def make(salesforce: Emulator, **made: Any) -> None:
    """Add the field."""
    salesforce.control("POST", "fields/Lead", {"name": NAME, **made})


def described(api: Api) -> dict[str, Any]:
    """Describe the field."""
    fields = api("GET", "sobjects/Lead/describe").json()["fields"]
    return next(each for each in fields if each["name"] == NAME)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_kind_of_field(salesforce: Emulator, api: Api, kind: Kind):
    """Described as recorded; values written on create and update are read, found and cleared; wrong ones refused."""
    make(salesforce, **kind.made)
    whole = described(api)
    assert len(whole) == 57
    assert {key: whole[key] for key in kind.described} == kind.described
    assert [whole[key] for key in ("custom", "createable", "updateable", "permissionable")] == [True] * 4
    row = api.create("Lead", **ABE)
    assert api.read("Lead", row)[NAME] == kind.cleared
    for given, read in kind.taken:
        created = api.create("Lead", **ABE, **{NAME: given})
        assert api("PATCH", f"sobjects/Lead/{row}", {NAME: given}).status_code == 204
        assert [api.read("Lead", each)[NAME] for each in (created, row)] == [read, read], given
        assert api.query(f"SELECT {NAME} FROM Lead WHERE Id = '{row}'").json()["records"][0][NAME] == read
    for code, values in kind.refused.items():
        for given in values:
            for answer in (
                api("POST", "sobjects/Lead", {**ABE, NAME: given}),
                api("PATCH", f"sobjects/Lead/{row}", {NAME: given}),
            ):
                assert codes(answer) == (400, code), given
    if whole["nillable"]:
        for empty in (None, "") if kind.made["type"] not in {"double", "currency", "percent"} else (None,):
            assert api("PATCH", f"sobjects/Lead/{row}", {NAME: empty}).status_code == 204
            assert api.read("Lead", row)[NAME] is None


def test_a_lookup_leads_to_its_row(salesforce: Emulator, api: Api):
    """A lookup is written by id in either length, read over its relationship, and refuses a deleted row."""
    make(salesforce, type="reference", referenceTo=["Account"])
    account = api.create("Account", Name="ACME")
    row = api.create("Lead", **ABE, **{NAME: account[:15]})
    (found,) = api.query(f"SELECT {NAME}, Made__r.Name FROM Lead WHERE Made__r.Name = 'acme'").json()["records"]
    assert (found[NAME], found["Made__r"]["Name"]) == (account, "ACME")
    api("DELETE", f"sobjects/Account/{account}")
    assert codes(api("PATCH", f"sobjects/Lead/{row}", {NAME: account})) == (400, "ENTITY_IS_DELETED")


@pytest.mark.parametrize(
    "made", [{"type": "string", "autoNumber": True}, {"type": "string", "calculatedFormula": "LastName & Company"}]
)
def test_what_the_org_fills_is_not_written(salesforce: Emulator, api: Api, made: dict[str, Any]):
    """Auto numbers and formulas are described as neither createable nor updateable, and refused when given."""
    make(salesforce, **made)
    whole = described(api)
    assert [whole[key] for key in ("createable", "updateable", "permissionable")] == [False, False, True]
    row = api.create("Lead", **ABE)
    for answer in (api("POST", "sobjects/Lead", {**ABE, NAME: "x"}), api("PATCH", f"sobjects/Lead/{row}", {NAME: "x"})):
        assert codes(answer) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")


def test_an_auto_number_counts(salesforce: Emulator, api: Api):
    """New rows have growing numbers, older ones none."""
    before = api.create("Lead", **ABE)
    make(salesforce, type="string", autoNumber=True)
    numbers = [api.read("Lead", api.create("Lead", **ABE))[NAME] for _ in range(3)]
    assert api.read("Lead", before)[NAME] is None
    assert numbers == sorted(set(numbers))
    assert described(api)["autoNumber"] is True


@pytest.mark.parametrize(("sensitive", "status"), [(False, 400), (True, 201)])
def test_a_unique_external_id_minds_case_or_not(salesforce: Emulator, api: Api, sensitive: bool, status: int):
    """A twin that differs in case alone is one where case is not minded (recorded), and none where it is."""
    make(salesforce, type="string", length=20, externalId=True, unique=True, caseSensitive=sensitive)
    whole = described(api)
    assert [whole[key] for key in ("unique", "externalId", "idLookup", "caseSensitive")] == [
        True,
        True,
        True,
        sensitive,
    ]
    row = api.create("Lead", **ABE, **{NAME: "Key"})
    again = api("POST", "sobjects/Lead", {**ABE, NAME: "KEY"})
    assert again.status_code == status
    if not sensitive:
        assert codes(again) == (400, "DUPLICATE_VALUE")
    assert codes(api("POST", "sobjects/Lead", {**ABE, NAME: "Key"})) == (400, "DUPLICATE_VALUE")
    assert api("GET", f"sobjects/Lead/{NAME}/Key").json()["Id"] == row
    assert api("GET", f"sobjects/Lead/{NAME}/kEY").status_code == (404 if sensitive else 200)
    both = [api.create("Lead", **ABE) for _ in range(2)]
    assert [api.read("Lead", each)[NAME] for each in both] == [None, None]


@pytest.mark.parametrize("made", [{"type": "string"}, {"type": "date"}, {"type": "picklist", "picklistValues": ["a"]}])
def test_a_required_field_is_given_and_kept(salesforce: Emulator, api: Api, made: dict[str, Any]):
    """A required custom field cannot be left out, cleared or hidden."""
    make(salesforce, nillable=False, **made)
    given = "2026-01-01" if made["type"] == "date" else "a"
    row = api.create("Lead", **ABE, **{NAME: given})
    for answer in (api("POST", "sobjects/Lead", ABE), api("PATCH", f"sobjects/Lead/{row}", {NAME: None})):
        assert codes(answer) == (400, "REQUIRED_FIELD_MISSING")
        assert answer.json()[0]["fields"] == [NAME]
    assert [described(api)[key] for key in ("nillable", "permissionable")] == [False, False]
    hidden = salesforce.http.put(f"{salesforce.url}/_emulator/access/Lead/{NAME}", json={"read": False}, timeout=10)
    assert hidden.status_code == 400
