"""Run SOQL for a user and hand the result out in pages.

A result longer than one page is kept as the numbers of its rows, in order: the rest costs eight bytes a row, and the
pages stay consistent while others write.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import errors, ids
from salesforce_emulator.clock import stamp
from salesforce_emulator.soql.compiler import Compiled, Node, compile_query
from salesforce_emulator.soql.parser import parse
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.web import Call

    Row = tuple[Any, ...]

MAX_PAGE, MIN_PAGE = 2_000, 200
_KEPT_LOCATORS = 50
_OPTIONS = "sforce-query-options"


@dataclass(frozen=True, slots=True)
class Locator:
    """A result that is handed out in pages: whose it is, how its rows are read, their numbers in order."""

    user_id: str
    compiled: Compiled
    numbers: array[int]
    page: int


def query(call: Call) -> Reply:
    """Answer GET /query?q=…: the first page of a result."""
    return Reply(_run(call, _text(call), deleted=False))


def query_all(call: Call) -> Reply:
    """Answer GET /queryAll?q=…: the same with deleted rows."""
    return Reply(_run(call, _text(call), deleted=True))


def query_more(call: Call, locator: str) -> Reply:
    """Answer GET /query/{locator}-{offset}: a further page."""
    key, _, offset = locator.partition("-")
    kept = call.org.locators.get(key)
    if kept is None or kept.user_id != call.user.id or not offset.isdecimal() or int(offset) >= len(kept.numbers):
        raise errors.simple(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    return Reply(_page(call, key, kept, int(offset)))


def record_maker(root: Node, base: str) -> Callable[[Row], dict[str, Any] | None]:
    """Build the function from a row to a record; `base` is the URL path of `/sobjects`."""
    if root.parents:
        return partial(_nested, root, base)
    return flat_maker(root.view, root.order, base)


def flat_maker(view: ObjectView, names: Sequence[str], base: str) -> Callable[[Row], dict[str, Any]]:
    """Build the same for rows of one object: row number, id, then the fields in order."""
    kind, prefix = view.name, f"{base}/{view.name}/"
    reads = [(name, read) for name in names if (read := view.table.reads[name]) is not None]

    def make(row: Row) -> dict[str, Any]:
        record = {"attributes": {"type": kind, "url": prefix + row[1]}, **dict(zip(names, row[2:], strict=True))}
        for name, read in reads:
            if record[name] is not None:
                record[name] = read(record[name])
        return record

    return make


def _nested(node: Node, base: str, row: Row) -> dict[str, Any] | None:
    record_id = row[node.id_column]
    if record_id is None:
        return None
    kind = node.view.name
    record: dict[str, Any] = {"attributes": {"type": kind, "url": f"{base}/{kind}/{record_id}"}}
    for name in node.order:
        if name in node.parents:
            record[name] = _nested(node.parents[name], base, row)
        else:
            column, read = node.values[name]
            value = row[column]
            record[name] = value if value is None or read is None else read(value)
    return record


def _text(call: Call) -> str:
    if not (text := call.params.get("q")):
        raise errors.malformed_request("A query string has to be specified")
    return text


def _run(call: Call, text: str, *, deleted: bool) -> dict[str, Any]:
    org = call.org
    parsed = parse(text)
    compiled = compile_query(parsed, partial(org.view, call.user), now=stamp(org.clock.now()), deleted=deleted)
    if parsed.counts:
        counted = f"SELECT count(*) FROM (SELECT 1 {compiled.source} {compiled.tail})"
        (total,) = org.storage.fetch(counted, compiled.parameters)[0]
        return {"totalSize": total, "done": True, "records": []}
    page = _page_size(call)
    with org.storage.reading() as db:
        rows = db.execute(compiled.sql, compiled.parameters).fetchmany(page + 1)
        if len(rows) <= page:
            make = record_maker(compiled.root, f"{call.root}/sobjects")
            return {"totalSize": len(rows), "done": True, "records": list(map(make, rows))}
        numbers = array("q", (number for (number,) in db.execute(compiled.numbers_sql, compiled.parameters)))
    key = ids.make("01g", org.storage.next_number("01g"))
    locator = Locator(call.user.id, compiled, numbers, page)
    org.keep_locator(key, locator, at_most=_KEPT_LOCATORS)
    return _page(call, key, locator, 0)


def _page(call: Call, key: str, locator: Locator, offset: int) -> dict[str, Any]:
    end = offset + locator.page
    wanted = locator.numbers[offset:end].tolist()
    rows = {row[0]: row for row in call.org.storage.fetch(locator.compiled.page_sql, [orjson.dumps(wanted).decode()])}
    make = record_maker(locator.compiled.root, f"{call.root}/sobjects")
    done = end >= len(locator.numbers)
    result: dict[str, Any] = {"totalSize": len(locator.numbers), "done": done}
    if not done:
        result["nextRecordsUrl"] = f"{call.root}/query/{key}-{end}"
    result["records"] = [make(rows[number]) for number in wanted if number in rows]
    return result


def _page_size(call: Call) -> int:
    for option in call.headers.get(_OPTIONS, "").split(","):
        name, _, value = option.partition("=")
        if name.strip().lower() == "batchsize" and value.strip().isdecimal():
            return min(max(int(value), MIN_PAGE), MAX_PAGE)
    return MAX_PAGE
