"""Record ids: the checksum of real orgs, and numbers that come back."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salesforce_emulator import ids

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator


@pytest.mark.parametrize(
    "record_id",
    ["00D1a000000H3O9EAK", "0051a000000UGT8AAO", "0031a000005hwVQAAY", "001Da00000xnAkBIAU", "00Q9H00000C6pycUAB"],
)
def test_the_checksum_is_that_of_real_ids(record_id: str):
    """Ids recorded from real orgs carry the checksum that we compute."""
    assert ids.normalise(record_id[:15]) == record_id


@given(st.integers(0, 62**9 - 1))
def test_a_number_comes_back_from_its_id(number: int):
    """The row number in an id can be read again, from both lengths."""
    made = ids.make("00Q", number)
    assert ids.number(made) == ids.number(made[:15]) == number


@given(st.integers(0, 62**9 - 2))
def test_ids_sort_as_their_numbers(number: int):
    """A later row has a greater id."""
    assert ids.make("00Q", number) < ids.make("00Q", number + 1)


@pytest.mark.parametrize(
    "text", ["", "abc", "00Q5i000000000", "00Q5i0000000001EA", "00Q5i000000000é", "00Q5i00000000-1"]
)
def test_other_text_is_no_id(text: str):
    """Only 15 or 18 letters and digits are an id."""
    assert ids.normalise(text) is None


PREFIXES = [
    "001",
    "003",
    "005",
    "00D",
    "00G",
    "00Q",
    "00e",
    "00r",
    "01p",
    "02c",
    "03s",
    "012",
    "0PS",
    "0Pa",
    "750",
    "751",
    "752",
]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def checksum(short: str) -> str:
    """Return the three characters that stand for the upper-case letters of an id, reckoned anew."""
    groups = (short[start : start + 5] for start in (0, 5, 10))
    return "".join(ALPHABET[sum(char.isupper() << place for place, char in enumerate(group))] for group in groups)


def test_every_id_that_any_api_answers_carries_its_checksum(api: Api, salesforce: Emulator):
    """Rows, references, urls, shares, permissions, bulk jobs and results, SOAP: ids are 18 characters, checked."""
    me = api("GET", "/services/oauth2/userinfo").json()["user_id"]
    account = api.create("Account", Name="会社")
    lead = api.create("Lead", LastName="佐藤", Company="会社", Email="a@example.jp")
    contact = api.create("Contact", LastName="佐藤", AccountId=account, Email="b@example.jp")
    answers = [
        api("GET", f"sobjects/Lead/{lead}"),
        api("GET", f"sobjects/Contact/{contact}"),
        api(
            "POST",
            "composite/sobjects",
            {"records": [{"attributes": {"type": "Lead"}, "LastName": "a", "Company": "b"}]},
        ),
        api("GET", "sobjects/Lead/describe"),
        api("GET", "/services/oauth2/userinfo"),
        api("GET", "sobjects/Lead/updated/?start=2026-01-01T00:00:00Z&end=2026-01-20T00:00:00Z"),
        api.query("SELECT Id, OwnerId, Owner.Id, AccountId, Account.Id FROM Contact"),
        *(
            api.query(f"SELECT FIELDS(STANDARD) FROM {name}")
            for name in ("LeadShare", "Profile", "User", "Organization")
        ),
        api.query("SELECT Id, ParentId FROM FieldPermissions LIMIT 5"),
        api.query(f"SELECT RecordId FROM UserRecordAccess WHERE UserId = '{me}' AND RecordId = '{lead}'"),
        api("POST", "jobs/query", {"operation": "query", "query": "SELECT Id, OwnerId FROM Lead"}),
        api("POST", "jobs/ingest", {"operation": "insert", "object": "Lead", "lineEnding": "LF"}),
        api("GET", "jobs/ingest"),
    ]
    converted = salesforce.control("POST", "convert", {"lead_id": lead})
    answers.append(api.query("SELECT Id, ConvertedContactId, ConvertedAccountId FROM Lead WHERE IsConverted = true"))
    text = json.dumps(converted) + "".join(answer.text for answer in answers if answer.ok)
    found = set(re.findall(rf"\b(?:{'|'.join(PREFIXES)})[A-Za-z0-9]{{15}}\b", text))
    assert {found_id[:3] for found_id in found} >= {"001", "003", "005", "00D", "00Q", "00e", "750"}
    assert [one for one in sorted(found) if one[15:] != checksum(one[:15])] == []


def test_ids_of_either_length_are_taken_everywhere(api: Api):
    """Fifteen characters mean the same row: rows, queries, collections, references, bulk."""
    account = api.create("Account", Name="会社")
    contact = api.create("Contact", LastName="佐藤", AccountId=account[:15])
    short = contact[:15]
    assert api.read("Contact", short)["AccountId"] == account
    assert api("PATCH", f"sobjects/Contact/{short}", {"Title": "課長"}).status_code == 204
    assert api.query(f"SELECT Id FROM Contact WHERE Id = '{short}'").json()["records"][0]["Id"] == contact
    assert api.query(f"SELECT Id FROM Contact WHERE AccountId IN ('{account[:15]}')").json()["totalSize"] == 1
    retrieved = api("POST", "composite/sobjects/Contact", {"ids": [short], "fields": ["Id"]}).json()
    assert retrieved[0]["Id"] == contact
    update = {"records": [{"attributes": {"type": "Contact"}, "id": short, "Title": "部長"}]}
    assert api("PATCH", "composite/sobjects", update).json()[0]["success"]
    assert api("DELETE", f"composite/sobjects?ids={short}").json()[0]["success"]
