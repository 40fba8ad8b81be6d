"""What real orgs answered and were recorded answering, asked of the emulator again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.conformance.replay import compare, recordings
from tests.conformance.replay.replay import replay, score, table, unexplained

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

pytestmark = recordings.MARKS


def test_every_recorded_exchange_is_answered_as_reviewed(salesforce: Emulator):
    """Each exchange agrees, or differs for a reason that `reviewed.csv` gives; one that is mended must leave it."""
    rows = replay(salesforce)
    assert unexplained(rows, table()) == []
    assert score(rows) == ("258 recorded exchanges: 167 agree, 10 agree in shape, 69 differ, 12 are not replayed")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": None}, {}),
        ([1], [1, 1]),
        ("2015-06-25T21:54:38.000+0000", "2015-06-25T21:54:38.000Z"),
        ("0031a000005hwVQAAY", "0031a000005hwVQ"),
        ("0031a000005hwVQAAY", "0035i0000000001AAB"),
        (["0031a000005hwVQAAY", "0031a000005hwU3AAI"], ["0035i0000000001AAA", "0035i0000000001AAA"]),
    ],
)
def test_the_comparison_can_fail(theirs: object, ours: object):
    """Order of keys, types, forms of stamps, lengths and checksums of ids, and rows taken for others are noticed."""
    assert list(compare.differences(theirs, ours, compare.Ids()))


def test_an_id_stands_for_the_same_row_throughout():
    """Two orgs' ids are a pair from their first meeting on."""
    pairs = compare.Ids()
    assert not list(compare.differences(["0031a000005hwVQAAY"] * 2, ["0035i0000000001AAA"] * 2, pairs))
    assert list(compare.differences("0031a000005hwVQAAY", "0035i0000000002AAA", pairs))


def test_the_organization_has_the_recorded_fields(api: Api):
    """The Organization's row has the recorded row's keys, in their order."""
    ours = api("GET", "query", params={"q": "SELECT Id FROM Organization"}).json()["records"][0]["Id"]
    assert list(api.read("Organization", ours)) == list(recordings.answer("cumulusci_record_Organization.json"))


def test_limits_have_the_recorded_form(api: Api):
    """Each limit is a maximum and a rest, and the daily calls are among them."""
    theirs, ours = recordings.answer("misc/simple_salesforce_limits.json"), api("GET", "limits").json()
    assert {tuple(each) for each in ours.values()} == {tuple(each) for each in theirs.values()}
    assert "DailyApiRequests" in theirs.keys() & ours.keys()


def test_a_refused_soap_login_is_the_recorded_fault(api: Api):
    """Elements, their order and their texts are those of the recorded fault."""
    envelope = (
        '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><login xmlns="urn:partner.soap.sforce.com">'
        "<username>a@b.jp</username><password>no</password></login></Body></Envelope>"
    )
    answer = api.http.post(f"{api.url}/services/Soap/u/59.0", data=envelope, timeout=30)
    recorded = (recordings.FOLDER / "misc/soap_login_fault.xml").read_text(encoding="utf-8")
    told = [[(each.tag, each.text) for each in ET.fromstring(text).iter()] for text in (answer.text, recorded)]
    assert (answer.status_code, told[0]) == (500, told[1])
