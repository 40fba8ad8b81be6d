"""sObject collections: up to 200 records in one call, each with its own result, or all of them or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import errors, ids, records, rows
from salesforce_emulator.errors import Problem, RecordError
from salesforce_emulator.records import Writer
from salesforce_emulator.storage import Rollback
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.web import Call

    Write = Callable[[sqlite3.Connection, Writer], dict[str, Any]]

MAX_RECORDS, MAX_RETRIEVED, MAX_CHUNKS = 200, 2_000, 10
_ID = frozenset({"id"})


def create(call: Call) -> Reply:
    """Answer POST /composite/sobjects."""
    given, all_or_none = _records(call)
    views = _views(call, given)
    prepared = [records.checked(view, record, ignore=_ID) for view, record in zip(views, given, strict=True)]

    def writes(position: int) -> Write:
        if _given(given[position], "id") is not None:
            raise RecordError([Problem("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call")])
        return lambda db, writer: _success(records.create(writer, db, views[position], prepared[position]))

    return _run(call, len(given), writes, all_or_none=all_or_none)


def update(call: Call) -> Reply:
    """Answer PATCH /composite/sobjects: each record names its row by `id`."""
    given, all_or_none = _records(call)
    views = _views(call, given)
    prepared = [records.checked(view, record, ignore=_ID) for view, record in zip(views, given, strict=True)]
    seen: set[str] = set()

    def writes(position: int) -> Write:
        record_id = _own_id(views[position], given[position])
        if record_id in seen:
            raise RecordError([Problem("DUPLICATE_VALUE", f"duplicate id specified: {record_id}")])
        seen.add(record_id)

        def write(db: sqlite3.Connection, writer: Writer) -> dict[str, Any]:
            records.update(writer, db, views[position], record_id, prepared[position])
            return _success(record_id)

        return write

    return _run(call, len(given), writes, all_or_none=all_or_none)


def upsert(call: Call, name: str, field_name: str) -> Reply:
    """Answer PATCH /composite/sobjects/{object}/{external id or look-up field}."""
    view = call.org.require(call.user, name)
    field = rows.key_field(view, field_name)
    given, all_or_none = _records(call)
    if any(each is not view for each in _views(call, given)):
        raise errors.simple(400, "INVALID_TYPE", f"all records must be of type {view.name}")
    by_key = frozenset({"id", field.name.lower()})
    prepared = [records.checked(view, record, ignore=by_key) for record in given]
    seen: set[Any] = set()

    def by_id(position: int) -> Write:
        new = _given(given[position], "id") is None
        record_id = "" if new else _own_id(view, given[position])

        def write(db: sqlite3.Connection, writer: Writer) -> dict[str, Any]:
            if new:
                return _success(records.create(writer, db, view, prepared[position])) | {"created": True}
            records.update(writer, db, view, record_id, prepared[position])
            return _success(record_id) | {"created": False}

        return write

    def by_external_id(position: int) -> Write:
        key = rows.key_value(view, field, _given(given[position], field.name.lower()) or "")
        folded = key.lower() if isinstance(key, str) and not field.case_sensitive else key
        if folded in seen:
            raise RecordError([Problem("DUPLICATE_VALUE", f"Duplicate external id specified: {key}", (field.name,))])
        seen.add(folded)

        def write(db: sqlite3.Connection, writer: Writer) -> dict[str, Any]:
            values = prepared[position]
            record_id, created = records.upsert(writer, db, view, field=field, key=key, values=values)
            return _success(record_id) | {"created": created}

        return write

    writes = by_id if field.name == "Id" else by_external_id
    return _run(call, len(given), writes, all_or_none=all_or_none)


def delete(call: Call) -> Reply:
    """Answer DELETE /composite/sobjects?ids=…&allOrNone=…."""
    given = [each for each in call.params.get("ids", "").split(",") if each]
    if not given:
        raise errors.simple(400, "MISSING_ARGUMENT", "The 'ids' parameter is required.")
    _limit(len(given), MAX_RECORDS)

    def writes(position: int) -> Write:
        record_id = ids.normalise(given[position])
        table = call.org.table_of_id(record_id) if record_id else None
        view = call.org.view(call.user, table.name) if table else None
        if record_id is None or view is None:
            raise RecordError([Problem("MALFORMED_ID", f"malformed id {given[position]}")])

        def write(db: sqlite3.Connection, writer: Writer) -> dict[str, Any]:
            records.delete(writer, db, view, record_id)
            return _success(record_id)

        return write

    return _run(call, len(given), writes, all_or_none=call.params.get("allOrNone", "").lower() == "true")


def retrieve(call: Call, name: str) -> Reply:
    """Answer GET or POST /composite/sobjects/{object}: rows by id, in order, null for what is not there."""
    view = call.org.require(call.user, name)
    if call.method == "POST":
        body = call.json_object()
        given, names = _texts(body.get("ids")), _texts(body.get("fields"))
    else:
        given, names = (_texts(call.params.get(key, "").split(",")) for key in ("ids", "fields"))
    if given is None or names is None:
        raise errors.json_shape("lists of ids and fields")
    _limit(len(given), MAX_RETRIEVED)
    fields = rows.chosen_fields(view, names)
    wanted = []
    for each in given:
        if (record_id := ids.normalise(each)) is None:
            raise RecordError([errors.malformed_id(view.schema.by_name["id"].label, "Id", each)])
        wanted.append(record_id)
    by_id = 't."Id" IN (SELECT value FROM json_each(?))'
    found = rows.read_rows(call, view, fields, by_id, orjson.dumps(wanted).decode())
    return Reply([found.get(each) for each in wanted])


def _run(call: Call, count: int, writes: Callable[[int], Write], *, all_or_none: bool) -> Reply:
    results: list[dict[str, Any]] = []
    with call.org.storage.writing() as db:
        writer = Writer.of(call)
        for position in range(count):
            try:
                if position in call.locked:
                    raise errors.locked(None)
                results.append(writes(position)(db, writer))
            except RecordError as error:
                results.append(_failure(error.problems))
        if all_or_none and not all(result["success"] for result in results):
            results = [_failure([errors.rolled_back()]) if each["success"] else each for each in results]
            raise Rollback
    return Reply(results)


def _success(record_id: str) -> dict[str, Any]:
    return {"id": record_id, "success": True, "errors": []}


def _failure(problems: Sequence[Problem]) -> dict[str, Any]:
    return {"success": False, "errors": [problem.in_collection() for problem in problems]}


def _records(call: Call) -> tuple[list[dict[str, Any]], bool]:
    body = call.json_object()
    given = body.get("records")
    if not isinstance(given, list) or not all(isinstance(record, dict) for record in given):
        raise errors.json_shape("object with a list of records")
    _limit(len(given), MAX_RECORDS)
    return given, body.get("allOrNone") is True


def _views(call: Call, given: list[dict[str, Any]]) -> list[ObjectView]:
    known: dict[Any, ObjectView] = {}
    views, chunks, last = [], 0, None
    for record in given:
        attributes = record.get("attributes")
        name = attributes.get("type") if isinstance(attributes, dict) else None
        if not isinstance(name, str):
            raise errors.simple(400, "INVALID_INPUT", "Include an entity type for the record in attributes.type")
        if name not in known:
            view = call.org.view(call.user, name)
            if view is None:
                raise errors.simple(400, "INVALID_TYPE", errors.unsupported_object(name))
            known[name] = view
        chunks += name != last
        last = name
        views.append(known[name])
    if chunks > MAX_CHUNKS:
        raise errors.limit_exceeded(f"more than {MAX_CHUNKS} chunks of records of different types")
    return views


def _given(record: dict[str, Any], lower: str) -> Any:
    return next((value for key, value in record.items() if key.lower() == lower), None)


def _own_id(view: ObjectView, record: dict[str, Any]) -> str:
    given = _given(record, "id")
    if given is None:
        raise RecordError([Problem("MISSING_ARGUMENT", "Id not specified in an update call")])
    record_id = ids.normalise(given) if isinstance(given, str) else None
    if record_id is None or record_id[:3] != view.schema.key_prefix:
        raise RecordError([errors.malformed_id(view.schema.by_name["id"].label, "Id", given)])
    return record_id


def _texts(given: Any) -> list[str] | None:
    return given if isinstance(given, list) and given and all(isinstance(each, str) for each in given) else None


def _limit(count: int, limit: int) -> None:
    if count > limit:
        message = f"record limit reached. cannot submit more than {limit} records into this call"
        raise errors.simple(400, "EXCEEDED_ID_LIMIT", message)
