"""Run a bulk query: its rows go to a file as CSV (or JSON), with an index of where each row starts.

Bulk prints some values otherwise than REST: datetimes in CSV end in `Z`, in the JSON of v1 they (and dates) are
milliseconds since 1970. Recorded for JSON datetimes; dates alike are general knowledge.
"""

from __future__ import annotations

import csv
import io
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import errors
from salesforce_emulator.bulk import csvio, trees
from salesforce_emulator.clock import read_stamp
from salesforce_emulator.query import compiled as compiled_for
from salesforce_emulator.query import record_maker
from salesforce_emulator.soql.parser import parse
from salesforce_emulator.values import COMPOUND_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from salesforce_emulator.bulk.jobs import Job
    from salesforce_emulator.org import Org
    from salesforce_emulator.soql.output import Compiled, Node
    from salesforce_emulator.users import User

_ROWS = 2_000
_MAX_OFFSET_BYTES = 8


@dataclass(frozen=True, slots=True)
class _Column:
    position: int
    name: str
    type: str


def prepare(org: Org, user: User, text: str, *, deleted: bool) -> tuple[Compiled, str]:
    """Compile a query for a bulk job; return it with its object's name.

    Raises `ApiError` for what the query API refuses too, and for what bulk alone refuses: aggregates, OFFSET, child
    queries, compound fields. The text on compound fields is recorded in users' issues, the others follow its pattern.
    """
    query = parse(text)
    if query.counts or query.aggregates:
        raise refused("Aggregate functions not supported in Bulk Query")
    if query.offset:
        raise refused("OFFSET clause not supported in Bulk Query")
    if query.children:
        raise refused("Nested queries not supported in Bulk Query")
    if query.tells_types:
        raise refused("TYPEOF clause not supported in Bulk Query")
    compiled = compiled_for(org, user, query, deleted=deleted)
    if any(column.type in COMPOUND_TYPES for column in columns(compiled.root)):
        raise refused("Selecting compound data not supported in Bulk Query")
    return compiled, compiled.root.view.name


def refused(message: str) -> errors.ApiError:
    """Refuse a query that only the query API takes."""
    return errors.simple(400, "API_ERROR", message)


def other_object(root: str, name: str) -> errors.ApiError:
    """Refuse a query of another object than its job's (the text is from a user's report)."""
    text = f"The root entity of the requested query ({root}) does not match the entity of the requested Bulk API Job"
    return errors.simple(400, "INVALID_TYPE_FOR_OPERATION", f"{text} ({name}).")


def columns(root: Node, prefix: str = "") -> list[_Column]:
    """List what a query selects, in its order; a parent's field as `Parent.Field`."""
    found = [
        _Column(position, f"{prefix}{name}", root.fields[name].type) for name, (position, _) in root.values.items()
    ]
    for name, parent in root.parents.items():
        found += columns(parent, f"{prefix}{name}.")
    return sorted(found, key=lambda column: column.position)


def write_csv(org: Org, job: Job, compiled: Compiled, files: tuple[Path, Path], going: Callable[[], bool]) -> int:
    """Write a query's rows as CSV with every cell quoted, and where each starts into `files`; return their count."""
    selected = columns(compiled.root)
    delimiter, end = csvio.DELIMITERS[job.delimiter], csvio.LINE_ENDINGS[job.line_ending]
    count, buffer = 0, io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    reads = [(column.position, _PRINTERS.get(column.type, _plain)) for column in selected]
    with files[0].open("wb") as out, files[1].open("wb") as starts:
        writer.writerow([column.name for column in selected])
        out.write(buffer.getvalue().encode())
        for page in _pages(org, compiled):
            offsets = array("Q")
            position = out.tell()
            lines = []
            for row in page:
                buffer.seek(0)
                buffer.truncate()
                writer.writerow([read(row[place]) for place, read in reads])
                line = buffer.getvalue().encode()
                offsets.append(position)
                position += len(line)
                lines.append(line)
            out.write(b"".join(lines))
            starts.write(offsets.tobytes())
            count += len(page)
            if not going():
                break
        starts.write(array("Q", [out.tell()]).tobytes())
    return count


def write_json(org: Org, job: Job, compiled: Compiled, data: Path, going: Callable[[], bool]) -> int:
    """Write a query's rows as Bulk v1 prints JSON; return their count."""
    times = dict.fromkeys(("date", "datetime"), _milliseconds)
    count = 0
    with data.open("wb") as out:
        out.write(b"[")
        for record in _records(org, job, compiled, times, going):
            out.write(b"," if count else b"")
            out.write(orjson.dumps(record))
            count += 1
        out.write(b"]")
    return count


def write_xml(org: Org, job: Job, compiled: Compiled, data: Path, going: Callable[[], bool]) -> int:
    """Write a query's rows as Bulk v1 prints XML; return their count."""
    count = 0
    with data.open("wb") as out:
        out.write(trees.ROWS_BEGIN)
        for record in _records(org, job, compiled, {"datetime": _moment}, going):
            out.write(trees.row_as_xml(record).encode())
            count += 1
        out.write(trees.ROWS_END)
    return count


def _records(
    org: Org, job: Job, compiled: Compiled, times: Mapping[str, Callable[[Any], Any]], going: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    """Read a query's records, those values printed by `times` whose type it names."""
    make = record_maker(compiled.root, f"/services/data/v{job.version}/sobjects")
    timed = [(column.position, times[column.type]) for column in columns(compiled.root) if column.type in times]
    for page in _pages(org, compiled):
        for row in page:
            cells = list(row)
            for place, printed in timed:
                cells[place] = None if cells[place] is None else printed(cells[place])
            if (record := make(tuple(cells))) is not None:
                yield record
        if not going():
            return


def page(data: Path, index: Path, first: int, limit: int) -> tuple[Iterator[bytes], int, int | None]:
    """Cut rows out of a CSV: the bytes with the header, how many rows, and where the next page starts if any."""
    with index.open("rb") as starts:
        total = index.stat().st_size // _MAX_OFFSET_BYTES - 1
        first = min(first, total)
        after = min(first + limit, total)
        head, start, end = (_offset(starts, place) for place in (0, first, after))
    return _slice(data, [(0, head), (start, end)]), after - first, after if after < total else None


def _offset(starts: io.BufferedReader, place: int) -> int:
    starts.seek(place * _MAX_OFFSET_BYTES)
    return array("Q", starts.read(_MAX_OFFSET_BYTES))[0]


def _slice(path: Path, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
    with path.open("rb") as file:
        for start, end in ranges:
            file.seek(start)
            left = end - start
            while left and (chunk := file.read(min(left, 2**20))):
                left -= len(chunk)
                yield chunk


def _pages(org: Org, compiled: Compiled) -> Iterator[list[tuple[Any, ...]]]:
    with org.storage.reading() as db:
        cursor = db.execute(compiled.sql, compiled.parameters)
        while found := cursor.fetchmany(_ROWS):
            yield found


def _plain(value: Any) -> Any:
    return "" if value is None else value


def _flag(value: Any) -> str:
    return "" if value is None else "true" if value else "false"


def _moment(value: Any) -> str:
    return "" if value is None else value.replace("+0000", "Z")


def _any(value: Any) -> Any:
    found = None if value is None else orjson.loads(value)
    return _flag(found) if isinstance(found, bool) else _plain(found)


_PRINTERS: dict[str, Callable[[Any], Any]] = {"anyType": _any, "boolean": _flag, "datetime": _moment}


def _milliseconds(value: str) -> int:
    moment = read_stamp(value) if "T" in value else datetime.fromisoformat(value).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000
