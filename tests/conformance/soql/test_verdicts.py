"""The emulator's parser accepts and refuses what two parsers of other makers do; each difference has its reason."""

from __future__ import annotations

import pytest

from salesforce_emulator.errors import ApiError
from salesforce_emulator.soql.parser import parse
from tests.conformance.soql.judge import table

ROWS = table()


@pytest.mark.parametrize("row", ROWS, ids=[row["query"] for row in ROWS])
def test_the_verdict_is_the_tables(row: dict[str, str]):
    """A query is accepted or refused as the table says, with MALFORMED_QUERY and its place."""
    if row["emulator"] == "accept":
        assert parse(row["query"]).text == row["query"]
        return
    with pytest.raises(ApiError) as refused:
        parse(row["query"])
    (error,) = refused.value.body
    assert error["errorCode"] == "MALFORMED_QUERY"
    assert "ERROR at Row:1:Column:" in error["message"]


def test_each_difference_has_a_reason():
    """Where either parser says otherwise the table says why, and nowhere else."""
    different = {
        row["query"] for row in ROWS if len({row[name] for name in ("emulator", "jetstream", "salesforce")}) > 1
    }
    assert {row["query"] for row in ROWS if row["reason"]} == different


def test_nothing_is_accepted_that_salesforces_parser_refuses():
    """The emulator is never looser than Salesforce's own parser, nor than both taken together."""
    assert [row["query"] for row in ROWS if (row["emulator"], row["salesforce"]) == ("accept", "refuse")] == []


def test_the_table_is_broad():
    """At least 150 queries are held in common, refusals among them."""
    alike = [row for row in ROWS if row["emulator"] == row["jetstream"] == row["salesforce"]]
    refused = [row for row in alike if row["emulator"] == "refuse"]
    assert (len(alike) >= 200, len(refused) >= 50) == (True, True)
