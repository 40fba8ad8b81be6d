"""Bulk API v1 by clients of other makers, unpatched: simple_salesforce and Airflow's operator, both in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.providers.salesforce.operators.bulk import SalesforceBulkOperator
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceGeneralError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator import Emulator


@pytest.fixture
def client(salesforce: Emulator) -> Salesforce:
    """Give simple_salesforce as it is."""
    user = salesforce.integration
    return Salesforce(consumer_key=user["consumer_key"], consumer_secret=user["consumer_secret"], domain=user["domain"])


def test_simple_salesforce_writes_and_reads(client: Salesforce, salesforce: Emulator):
    """Unpatched simple_salesforce inserts, upserts, deletes and queries; failures keep their place."""
    records = [{"LastName": "佐藤", "Company": "A"}, {"LastName": "鈴木"}, {"LastName": "高橋", "Company": "C"}]
    inserted = client.bulk.Lead.insert(records, batch_size=2, use_serial=True)
    assert [each["success"] for each in inserted] == [True, False, True]
    assert inserted[1] == {
        "success": False,
        "created": False,
        "id": None,
        "errors": [
            {
                "extendedErrorDetails": None,
                "fields": ["Company"],
                "message": "Required fields are missing: [Company]",
                "statusCode": "REQUIRED_FIELD_MISSING",
            }
        ],
    }
    ids = [inserted[0]["id"], inserted[2]["id"]]
    changed = client.bulk.Lead.upsert([{"Id": ids[0], "Title": "部長"}], "Id", include_detailed_results=True)
    assert (changed[0]["created"], changed[0]["Title"]) == (False, "部長")
    assert client.bulk.Lead.delete([{"Id": ids[1]}])[0]["success"]
    salesforce.control("PUT", f"rows/Lead/{ids[0]}", {"CreatedDate": "2026-05-01T00:00:00.000+0000"})
    soql = "SELECT Id, LastName, Title, CreatedDate, Owner.Name FROM Lead ORDER BY Id"
    (row,) = client.bulk.Lead.query(soql, wait=1)
    assert row["attributes"] == {"type": "Lead", "url": f"/services/data/v59.0/sobjects/Lead/{ids[0]}"}
    assert (row["LastName"], row["Title"], row["CreatedDate"]) == ("佐藤", "部長", 1_777_593_600_000)
    assert row["Owner"]["attributes"]["type"] == "User"
    assert [each["Id"] for each in client.bulk.Lead.query_all(soql, wait=1)] == ids


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT Nope FROM Lead", "InvalidBatch : Failed to process query: INVALID_FIELD: "),
        (
            "SELECT Id FROM Contact",
            "The root entity of the requested query (Contact) does not match the entity of the requested Bulk API Job",
        ),
    ],
)
def test_a_wrong_query_fails_its_batch(client: Salesforce, query: str, why: str):
    """A query is checked when its batch is worked on (users' reports); simple_salesforce raises with the reason."""
    with pytest.raises(SalesforceGeneralError) as caught:
        client.bulk.Lead.query(query, wait=1)
    assert why in str(caught.value)


@pytest.mark.parametrize("operation", ["insert", "update", "upsert", "delete"])
def test_airflow_s_operator_runs(salesforce: Emulator, lead: Callable[..., str], operation: str):
    """The provider's SalesforceBulkOperator runs unpatched with Airflow's default connection."""
    record_id = lead(LastName="Abe")
    payload = {
        "insert": {"LastName": "佐藤", "Company": "株式会社"},
        "update": {"Id": record_id, "Title": "部長"},
        "upsert": {"Id": record_id, "Title": "部長"},
        "delete": {"Id": record_id},
    }[operation]
    load = SalesforceBulkOperator(task_id="load", operation=operation, object_name="Lead", payload=[payload])
    (result,) = load.execute({})
    found = salesforce.admin_query("SELECT LastName, Title FROM Lead ORDER BY Id")
    shown = [(row["LastName"], row["Title"]) for row in found]
    assert result["success"]
    assert (
        shown
        == {
            "insert": [("Abe", None), ("佐藤", None)],
            "update": [("Abe", "部長")],
            "upsert": [("Abe", "部長")],
            "delete": [],
        }[operation]
    )


def test_airflow_s_operator_tries_a_locked_row_again(salesforce: Emulator):
    """A `lock` fault on a batch refuses a record with UNABLE_TO_LOCK_ROW, which the operator sends again."""
    salesforce.faults([{"match": {"method": "POST", "path": "/batch$"}, "fault": "lock", "records": [1]}])
    payload = [{"LastName": name, "Company": "C"} for name in "ABC"]
    load = SalesforceBulkOperator(
        task_id="load", operation="insert", object_name="Lead", payload=payload, max_retries=1, bulk_retry_delay=0
    )
    assert [each["success"] for each in load.execute({})] == [True, True, True]
    rows = salesforce.admin_query("SELECT LastName FROM Lead ORDER BY Id")
    assert [row["LastName"] for row in rows] == ["A", "C", "B"]
