"""SOQL texts, and many of them in one call.

Values are bound by simple_salesforce's own formatter. Long queries travel in the body of a composite call, where the
16 KiB limit of a request line does not apply; a composite takes five queries and counts as one API call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from leadsync.salesforce.faults import exception_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from leadsync.salesforce.client import SalesforceClient

MAX_SOQL = 100_000
"""Characters in one query (Salesforce: SOQL and SOSL limits)."""

QUERIES_PER_COMPOSITE = 5
_OK = 200


def select_in(sobject: str, fields: Sequence[str], key: str, values: Iterable[str], *, where: str = "") -> list[str]:
    """Return the queries that fetch `fields` of the rows whose `key` is among `values`, each short enough to send."""
    from simple_salesforce.format import format_soql  # noqa: PLC0415 - slow import

    frame = f"SELECT {', '.join(fields)} FROM {sobject} WHERE {key} IN {{}}{where}"
    room = MAX_SOQL - len(frame)
    queries: list[str] = []
    chunk: list[str] = []
    used = 0
    for value in values:
        size = len(value.encode()) + value.count("'") + value.count("\\") + 3
        if chunk and used + size > room:
            queries.append(format_soql(frame, chunk))
            chunk, used = [], 0
        chunk.append(value)
        used += size
    if chunk:
        queries.append(format_soql(frame, chunk))
    return queries


def rows(client: SalesforceClient, queries: Sequence[str], *, deleted_too: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the rows of all queries, five queries to a call, further pages by their locator.

    Raises:
        ApiError: Salesforce refuses one of the queries.
    """
    resource = "queryAll" if deleted_too else "query"
    for start in range(0, len(queries), QUERIES_PER_COMPOSITE):
        requests = [
            {"method": "GET", "referenceId": f"q{i}", "url": f"{client.version_path}/{resource}?q={quote(query)}"}
            for i, query in enumerate(queries[start : start + QUERIES_PER_COMPOSITE])
        ]
        answers = client.call("POST", "composite", {"compositeRequest": requests})["compositeResponse"]
        for answer in answers:
            page = answer["body"]
            if answer["httpStatusCode"] != _OK:
                raise exception_for(answer["httpStatusCode"], page[0]["errorCode"], page[0]["message"])
            yield from page["records"]
            while not page["done"]:
                page = client.call("GET", page["nextRecordsUrl"])
                yield from page["records"]
