"""Run SOQL for a user and hand the result out in pages.

A result longer than one page is kept as the numbers of its rows, in order: the rest costs eight bytes a row, and the
pages stay consistent while others write. Results of aggregates have one page (recorded in users' reports).
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson

from salesforce_emulator import columns, errors, ids, restricted
from salesforce_emulator.clock import stamp
from salesforce_emulator.soql.compiler import compile_aggregates, compile_query
from salesforce_emulator.soql.dates import Calendar
from salesforce_emulator.soql.output import aggregate_maker, flat_maker, record_maker
from salesforce_emulator.soql.parser import parse
from salesforce_emulator.table import quoted
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from salesforce_emulator.org import Org
    from salesforce_emulator.soql.model import Query
    from salesforce_emulator.soql.output import Aggregated, Child, Compiled, Row
    from salesforce_emulator.users import User
    from salesforce_emulator.web import Call

__all__ = ["compiled", "flat_maker", "query", "query_all", "query_more", "record_maker"]

MAX_PAGE, MIN_PAGE = 2_000, 200
_FIELDS_SINCE = 51
_KEPT_LOCATORS = 50
_OPTIONS = "sforce-query-options"
_TOOLING = frozenset({"entitydefinition"})
_LOOKS = frozenset({"VIEW", "REFERENCE"})


@dataclass(frozen=True, slots=True)
class Locator:
    """A result that is handed out in pages: whose it is, how its rows are read, their numbers in order."""

    user_id: str
    compiled: Compiled
    numbers: array[int]
    page: int


def query(call: Call) -> Reply:
    """Answer GET /query?q=…: the first page of a result, or with `columns=true` what its columns are."""
    return Reply(_run(call, _text(call), deleted=False))


def query_all(call: Call) -> Reply:
    """Answer GET /queryAll?q=…: the same with deleted rows."""
    return Reply(_run(call, _text(call), deleted=True))


def query_tooling(call: Call) -> Reply:
    """Answer GET /tooling/query?q=…: of the Tooling API's objects EntityDefinition is there."""
    text = _text(call)
    source = parse(text).source
    if source.text.lower() not in _TOOLING:
        message = errors.unsupported_object(source.text)
        raise errors.in_query("INVALID_TYPE", text, source.position, len(source.text), message)
    return Reply(_run(call, text, deleted=False))


def query_more(call: Call, locator: str) -> Reply:
    """Answer GET /query/{locator}-{offset}: a further page."""
    key, _, offset = locator.partition("-")
    kept = call.org.locators.get(key)
    if kept is None or kept.user_id != call.user.id or not offset.isdecimal() or int(offset) >= len(kept.numbers):
        raise errors.simple(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    return Reply(_page(call, key, kept, int(offset)))


def compiled(org: Org, user: User, parsed: Query, *, deleted: bool) -> Compiled:
    """Translate a query for records, as a user may ask it now."""
    query, views = restricted.prepared(org, user, parsed)
    return compile_query(query, views, **_asker(org, user, deleted=deleted))


def calendar(org: Org, user: User) -> Calendar:
    """Return the day it is for a user, and the org's fiscal year."""
    ((zone, month),) = org.storage.fetch(
        'SELECT u."TimeZoneSidKey", o."FiscalYearStartMonth" FROM "User" u, "Organization" o WHERE u._n = ?',
        [ids.number(user.id)],
    ) or ((None, None),)
    place = ZoneInfo(zone or "UTC")
    return Calendar(org.clock.now().astimezone(place).date(), place, month or 1)


def _asker(org: Org, user: User, *, deleted: bool) -> dict[str, Any]:
    return {
        "objects": partial(org.views, user),
        "now": stamp(org.clock.now()),
        "deleted": deleted,
        "calendar": calendar(org, user),
    }


def _text(call: Call) -> str:
    if not (text := call.params.get("q")):
        raise errors.malformed_request("A query string has to be specified")
    return text


def _run(call: Call, text: str, *, deleted: bool) -> dict[str, Any]:
    org, parsed = call.org, parse(text)
    for term in parsed.calls:
        if term.name == "FIELDS" and call.major < _FIELDS_SINCE:
            message = "The SOQL FIELDS function is not supported in this version of the API"
            raise errors.in_query("UNSUPPORTED_API_VERSION", text, term.position, len(term.text), message)
    if parsed.aggregates:
        query, views = restricted.prepared(org, call.user, parsed)
        return _aggregates(call, compile_aggregates(query, views, **_asker(org, call.user, deleted=deleted)))
    found = compiled(org, call.user, parsed, deleted=deleted)
    if _wants_columns(call):
        return columns.of_records(found)
    if parsed.counts:
        counted = f"SELECT count(*) FROM (SELECT 1 {found.source} {found.tail})"
        (total,) = org.storage.fetch(counted, found.parameters)[0]
        return {"totalSize": total, "done": True, "records": []}
    page = _page_size(call)
    with org.storage.reading() as db:
        rows = db.execute(found.sql, found.parameters).fetchmany(page + 1)
        whole = len(rows) <= page
        numbers = array("q", () if whole else (number for (number,) in db.execute(found.numbers_sql, found.parameters)))
    if parsed.purposes:
        _note_viewed(call, parsed, found, [row[0] for row in rows[:page]])
    if whole:
        return {"totalSize": len(rows), "done": True, "records": _records(call, found, rows)}
    key = _keep(call, found, numbers, page)
    return _page(call, key, call.org.locators[key], 0)


def _note_viewed(call: Call, parsed: Query, found: Compiled, numbers: list[int]) -> None:
    """Note of the rows of a first page that they were looked at (`FOR VIEW`) or referred to; no stamp moves."""
    table, wanted = found.root.view.table, {each.text.upper() for each in parsed.purposes}
    names = ["LastViewedDate"] * ("VIEW" in wanted) + ["LastReferencedDate"] * (not wanted.isdisjoint(_LOOKS))
    if names and table.schema.stored and set(names) <= table.position.keys():
        values = ", ".join(f"{quoted(name)} = ?" for name in names)
        sql = f"UPDATE {quoted(table.name)} SET {values} WHERE _n IN (SELECT value FROM json_each(?))"
        with call.org.storage.writing() as db:
            db.execute(sql, [*[stamp(call.now())] * len(names), orjson.dumps(numbers).decode()])


def _wants_columns(call: Call) -> bool:
    return call.params.get("columns", "").lower() == "true"


def _aggregates(call: Call, found: Aggregated) -> dict[str, Any]:
    if _wants_columns(call):
        return columns.of_aggregates(found)
    rows = call.org.storage.connection().execute(found.sql, found.parameters).fetchmany(MAX_PAGE + 1)
    if len(rows) > MAX_PAGE:
        message = "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch"
        raise errors.simple(400, "EXCEEDED_ID_LIMIT", message)
    return {"totalSize": len(rows), "done": True, "records": list(map(aggregate_maker(found.outputs), rows))}


def _keep(call: Call, found: Compiled, numbers: array[int], page: int) -> str:
    key = ids.make("01g", call.org.storage.next_number("01g"))
    call.org.keep_locator(key, Locator(call.user.id, found, numbers, page), at_most=_KEPT_LOCATORS)
    return key


def _page(call: Call, key: str, locator: Locator, offset: int) -> dict[str, Any]:
    end = offset + locator.page
    wanted = locator.numbers[offset:end].tolist()
    rows = {row[0]: row for row in call.org.storage.fetch(locator.compiled.page_sql, [orjson.dumps(wanted).decode()])}
    done = end >= len(locator.numbers)
    result: dict[str, Any] = {"totalSize": len(locator.numbers), "done": done}
    if not done:
        result["nextRecordsUrl"] = f"{call.root}/query/{key}-{end}"
    result["records"] = _records(call, locator.compiled, [rows[number] for number in wanted if number in rows])
    return result


def _records(call: Call, found: Compiled, rows: Sequence[Row]) -> list[Any]:
    """Turn rows into records, with the records of child queries in them."""
    records: list[Any] = list(map(record_maker(found.root, f"{call.root}/sobjects"), rows))
    for name, child in found.root.children.items():
        results = _children(call, child, [row[1] for row in rows])
        for record, row in zip(records, rows, strict=True):
            record[name] = results.get(row[1])
    return records


def _children(call: Call, child: Child, parents: list[str]) -> dict[str, dict[str, Any]]:
    """Run a child query for many parents at once; return the result of each parent that has children."""
    found, groups = child.compiled, defaultdict[str, list["Row"]](list)
    start, page = found.offset, _page_size(call)
    for row in call.org.storage.fetch(child.sql, [orjson.dumps(parents).decode(), *found.parameters]):
        groups[row[-1]].append(row[:-1])
    results = {}
    for parent, rows in groups.items():
        cut = rows[start : None if found.limit is None else start + found.limit]
        if not cut:
            continue
        result: dict[str, Any] = {"totalSize": len(cut), "done": len(cut) <= page}
        if len(cut) > page:
            key = _keep(call, found, array("q", [row[0] for row in cut]), page)
            result["nextRecordsUrl"] = f"{call.root}/query/{key}-{page}"
        results[parent] = result | {"records": _records(call, found, cut[:page])}
    return results


def _page_size(call: Call) -> int:
    for option in call.headers.get(_OPTIONS, "").split(","):
        name, _, value = option.partition("=")
        if name.strip().lower() == "batchsize" and value.strip().isdecimal():
            return min(max(int(value), MIN_PAGE), MAX_PAGE)
    return MAX_PAGE
