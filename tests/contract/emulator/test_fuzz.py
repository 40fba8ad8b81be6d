"""Whatever a client sends, the org answers as Salesforce would: never a 500, never silence."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance import fuzz
from tests.emulator import Emulator

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api

often = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

FIELDS = [
    "Id", "id", "LastName", "Company", "Email", "OwnerId", "Address", "Latitude", "NumberOfEmployees",
    "Status", "HasOptedOutOfEmail", "EmailBouncedDate", "Description", "attributes", "Owner",
    "SystemModstamp", "Foo__c",
]  # fmt: skip
SEGMENTS = [
    "sobjects", "composite", "query", "queryAll", "Lead", "Contact", "Email", "describe", "batch", "limits",
    "updated", "deleted", "00Q5i0000000001EAA", "00Q", "recordCount", "..", "%2F", "%FF", "a@b.jp",
]  # fmt: skip
WORDS = [
    "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "ORDER", "BY", "LIMIT", "OFFSET", "NULLS",
    "LAST", "Id", "Email", "Owner.Name", "CreatedDate", "Lead", "count()", "(", ")", ",", "=", "!=", "<",
    "null", "true", "'x'", "'\\q'", "'%'", "1", "-1.5e9", "2026-05-01", "2026-13-01T00:00:00Z", "('a','b')",
    "x.y.z", "Address", "'",
]  # fmt: skip

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(FIELDS)
records = st.dictionaries(names, values | st.just({"type": "Lead"}), max_size=5)
attributed = records.map(lambda record: {"attributes": {"type": "Lead"}, **record})
bodies = st.one_of(
    values,
    records,
    st.fixed_dictionaries({"records": st.lists(attributed | records, max_size=3)}, optional={"allOrNone": values}),
    st.fixed_dictionaries({"ids": values, "fields": values}),
    st.fixed_dictionaries({"compositeRequest": st.lists(values | records, max_size=3)}),
)
paths = st.lists(
    st.sampled_from(SEGMENTS) | st.text(min_size=1, max_size=6).map(lambda text: quote(text, safe="")),
    max_size=5,
).map("/".join)
words = st.sampled_from(WORDS)
queries = st.lists(words, max_size=14).map(" ".join) | st.text(max_size=60)
likely = st.tuples(words, words, words, words).map(lambda w: f"SELECT Id, {w[0]} FROM Lead WHERE {w[1]} {w[2]} {w[3]}")


def assert_answered(answer: object) -> None:
    """Check that an answer is one of the API's."""
    status, text = answer.status_code, answer.text  # type: ignore[attr-defined]
    assert status < 500, text
    assert status < 400 or "errorCode" in text or not text


def test_valid_requests_mutated_in_any_part_are_answered():
    """Three thousand requests, with one seed; `make conformance` sends 100,000."""
    with Emulator.start() as org:
        done = fuzz.run(org, 3000, seed=7)
        assert org.process.poll() is None
    assert done.requests == 3000
    assert done.failures == {}
    assert min(done.statuses.get(200, 0), done.statuses.get(400, 0)) > 50, "the mutations reach what they mutate"


@often
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD"]),
    path=paths,
    body=bodies,
    header=st.text(string.printable.strip(), max_size=20),
)
def test_any_request_is_answered(api: Api, *, method: str, path: str, body: object, header: str):
    """Paths, bodies and headers of every kind get an answer of the API."""
    answer = api(method, path, body, headers={"Sforce-Query-Options": header, "If-Modified-Since": header})
    if method != "HEAD":
        assert_answered(answer)


@often
@given(
    body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode),
    path=st.sampled_from(["sobjects/Lead", "composite"]),
)
def test_any_body_is_answered(api: Api, body: bytes, path: str):
    """Bytes that are no JSON are refused as such."""
    assert_answered(api.http.post(f"{api.root}/{path}", data=body, timeout=30))


@often
@given(records=st.lists(attributed, max_size=4), method=st.sampled_from(["POST", "PATCH"]))
def test_any_record_is_answered(api: Api, records: list[dict[str, object]], method: str):
    """Values of every type in every field get a result or a refusal."""
    assert_answered(api(method, "composite/sobjects", {"records": records}))


@often
@given(soql=queries | likely)
def test_any_query_is_answered(api: Api, soql: str):
    """Any text as a query gets records or a refusal."""
    assert_answered(api.query(soql))
