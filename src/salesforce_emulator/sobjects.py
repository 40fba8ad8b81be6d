"""The `/sobjects` resources: describes, single rows by id or external id, and what changed in a period."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import describe, errors, ids, records
from salesforce_emulator.clock import http_date, parse_moment, read_stamp, stamp
from salesforce_emulator.errors import Problem, RecordError
from salesforce_emulator.query import record_maker
from salesforce_emulator.records import Writer
from salesforce_emulator.soql.compiler import Node
from salesforce_emulator.table import quoted
from salesforce_emulator.values import ValueProblem
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.schema import FieldSchema
    from salesforce_emulator.web import Call

_CREATED_FLAG_SINCE = 46
"""From this API version on, an upsert says whether it created and answers an update with 200."""

_ETAGGED = "Account"
_PERIOD = timedelta(days=30)


# --- describe ------------------------------------------------------------------------------------------------------


def describe_global(call: Call) -> Reply:
    """Answer GET /sobjects: the objects this user can see."""
    views = {view.name: view for view in call.org.views(call.user)}

    def build() -> dict[str, Any]:
        schemas = [view.schema for view in views.values()]
        return describe.describe_global(
            schemas, version=_major(call), overrides=lambda name: views[name].overrides
        )

    return _cached(call, "", build)


def describe_object(call: Call, name: str) -> Reply:
    """Answer GET /sobjects/{object}/describe."""
    view = call.org.require(call.user, name)

    def build() -> dict[str, Any]:
        views = {each.name: each for each in call.org.views(call.user)}
        return describe.describe_sobject(
            view.schema,
            readable=lambda field: field not in view.hidden,
            createable=lambda field: view.can_create and field in view.createable,
            updateable=lambda field: view.can_edit and field in view.updateable,
            version=_major(call),
            instance_url=call.base_url,
            children=describe.child_relationships(
                [each.schema for each in views.values()],
                view.name,
                readable=lambda child, field: field not in views[child].hidden,
            ),
            overrides=view.overrides,
        )

    return _cached(call, view.name, build)


def describe_basic(call: Call, name: str) -> Reply:
    """Answer GET /sobjects/{object}: the short description; nothing is tracked as recent."""
    view = call.org.require(call.user, name)
    entry = describe.global_entry(view.schema, version=_major(call), overrides=view.overrides)
    return Reply({"objectDescribe": entry, "recentItems": []})


def _cached(call: Call, name: str, build: Any) -> Reply:
    org = call.org
    headers = {"Last-Modified": http_date(org.metadata_changed_at)}
    key = (name, call.user.profile, call.version, call.base_url)
    printed = org.cached_describe(key)
    if printed is None:
        printed = orjson.dumps(build())
        org.cache_describe(key, printed)
    headers["ETag"] = f'"{hashlib.sha256(printed).hexdigest()[:8]}"'
    if _unchanged_since(call, org.metadata_changed_at):
        return Reply(None, 304, headers)
    return Reply(orjson.Fragment(printed), 200, headers)


def _unchanged_since(call: Call, changed: datetime) -> bool:
    since = call.headers.get("if-modified-since")
    if not since:
        return False
    try:
        moment = parsedate_to_datetime(since)
    except (ValueError, TypeError, OverflowError):
        return False
    return changed <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _major(call: Call) -> int:
    return int(call.version.split(".")[0])


# --- one row -------------------------------------------------------------------------------------------------------


def create(call: Call, name: str) -> Reply:
    """Answer POST /sobjects/{object}."""
    view = call.org.require(call.user, name)
    body = call.json_object()
    if any(key.lower() == "id" for key in body):
        problem = Problem("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ("Id",))
        raise RecordError([problem])
    values = records.checked(view, body)
    _refuse_locked(call, None)
    with call.org.storage.writing() as db:
        record_id = records.create(Writer.at(call.org, call.user, call.now()), db, view, values)
    return _created(call, view, record_id, with_flag=False)


def read(call: Call, name: str, record_id: str) -> Reply:
    """Answer GET /sobjects/{object}/{id}: every readable field, or those of `fields`."""
    view = call.org.require(call.user, name)
    return _read(call, view, _id_in_path(view, record_id))


def update(call: Call, name: str, record_id: str) -> Reply:
    """Answer PATCH /sobjects/{object}/{id}."""
    view = call.org.require(call.user, name)
    _update(call, view, _id_in_path(view, record_id))
    return Reply(None, 204)


def delete(call: Call, name: str, record_id: str) -> Reply:
    """Answer DELETE /sobjects/{object}/{id}."""
    view = call.org.require(call.user, name)
    _delete(call, view, _id_in_path(view, record_id))
    return Reply(None, 204)


def read_by_key(call: Call, name: str, field_name: str, key: str) -> Reply:
    """Answer GET /sobjects/{object}/{external id field}/{value}."""
    view = call.org.require(call.user, name)
    return _read(call, view, _only_match(call, view, field_name, key))


def delete_by_key(call: Call, name: str, field_name: str, key: str) -> Reply:
    """Answer DELETE /sobjects/{object}/{external id field}/{value}."""
    view = call.org.require(call.user, name)
    _delete(call, view, _only_match(call, view, field_name, key))
    return Reply(None, 204)


def upsert(call: Call, name: str, field_name: str, key: str) -> Reply:
    """Answer PATCH /sobjects/{object}/{external id field}/{value}; several matches are answered with 300."""
    view = call.org.require(call.user, name)
    field = key_field(view, field_name)
    if field.name == "Id":
        return update(call, name, key)
    body = call.json_object()
    if any(given.lower() == field.name.lower() for given in body):
        message = f"The {field.name} field should not be specified in the sobject data."
        raise errors.simple(400, "INVALID_FIELD", message)
    values = records.checked(view, body)
    stored = key_value(view, field, key)
    _refuse_locked(call, None)
    with call.org.storage.writing() as db:
        found = records.find(db, view.table, field, stored)
        if len(found) > 1:
            raise _multiple_choices(call, view, found)
        if not found and call.params.get("updateOnly", "").lower() == "true":
            raise errors.not_found()
        writer = Writer.at(call.org, call.user, call.now())
        record_id, created = records.upsert(writer, db, view, field, stored, values)
    with_flag = _major(call) >= _CREATED_FLAG_SINCE
    if created:
        return _created(call, view, record_id, with_flag=with_flag)
    if not with_flag:
        return Reply(None, 204)
    return Reply({"id": record_id, "success": True, "errors": [], "created": False})


def key_field(view: ObjectView, name: str) -> FieldSchema:
    """Find a field that rows can be addressed by (external id or look-up), or raise NOT_FOUND."""
    field = view.by_name.get(name.lower())
    if field is None or not (field.external_id or field.id_lookup):
        raise errors.no_external_id(name)
    return field


def key_value(view: ObjectView, field: FieldSchema, key: Any) -> Any:
    """Turn an external id's value into its stored form, or raise what is wrong with it."""
    try:
        value = view.table.converters[field.name](key)
    except ValueProblem as error:
        raise RecordError([error.problem]) from error
    if value is None:
        raise RecordError([Problem("MISSING_ARGUMENT", f"{field.name} not specified", (field.name,))])
    return value


def read_rows(view: ObjectView, base: str, rows_of: Any, fields: list[FieldSchema], condition: str, *given: Any) -> Any:
    """Read live rows as records: `rows_of` is the storage, `condition` SQL over alias `t` with its parameters."""
    node = Node(view, order=[field.name for field in fields])
    node.values = {field.name: (0, view.table.reads[field.name]) for field in fields}
    columns = ", ".join(["t._n", 't."Id"', *(view.table.expression(field, "t") for field in fields)])
    live = ' AND t."IsDeleted" = 0' if view.table.is_deletable else ""
    rows = rows_of.fetch(f"SELECT {columns} FROM {quoted(view.name)} t WHERE {condition}{live}", given)
    make = record_maker(node, base)
    return {row[1]: make(row) for row in rows}


def chosen_fields(view: ObjectView, names: list[str]) -> list[FieldSchema]:
    """Find fields by name, or raise INVALID_FIELD."""
    chosen: dict[str, FieldSchema] = {}
    for name in names:
        field = view.by_name.get(name.strip().lower())
        if field is None:
            raise errors.simple(400, "INVALID_FIELD", errors.unknown_column(name.strip(), view.name))
        chosen[field.name] = field
    return list(chosen.values())


def _id_in_path(view: ObjectView, text: str) -> str:
    if (record_id := ids.normalise(text)) is None:
        raise errors.no_external_id(text)
    if record_id[:3] != view.schema.key_prefix:
        raise errors.not_found()
    return record_id


def _read(call: Call, view: ObjectView, record_id: str) -> Reply:
    names = [name for name in call.params.get("fields", "").split(",") if name.strip()]
    fields = chosen_fields(view, names) if names else list(view.fields)
    if "LastModifiedDate" in view.by_name and not any(field.name == "LastModifiedDate" for field in fields):
        stamps = read_rows(view, "", call.org.storage, chosen_fields(view, ["LastModifiedDate"]), 't."Id" = ?', record_id)
    else:
        stamps = {}
    found = read_rows(view, f"{call.root}/sobjects", call.org.storage, fields, 't."Id" = ?', record_id)
    if not found:
        raise errors.not_found()
    record = found[record_id]
    modified = (stamps.get(record_id) or record).get("LastModifiedDate")
    headers = {}
    if modified:
        changed = read_stamp(modified)
        headers["Last-Modified"] = http_date(changed)
        if _unchanged_since(call, changed):
            return Reply(None, 304, headers)
    if view.name == _ETAGGED:
        digest = hashlib.sha256(orjson.dumps(record)).digest()
        headers["ETag"] = f'"{base64.b64encode(digest).decode()}"'
    return Reply(record, 200, headers)


def _update(call: Call, view: ObjectView, record_id: str) -> None:
    body = call.json_object()
    if any(key.lower() == "id" for key in body):
        raise errors.simple(400, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    values = records.checked(view, body)
    _refuse_locked(call, record_id)
    with call.org.storage.writing() as db, _addressed():
        records.update(Writer.at(call.org, call.user, call.now()), db, view, record_id, values)


def _delete(call: Call, view: ObjectView, record_id: str) -> None:
    _refuse_locked(call, record_id)
    with call.org.storage.writing() as db, _addressed():
        records.delete(Writer.at(call.org, call.user, call.now()), db, view, record_id)


class _addressed:  # noqa: N801 - a context manager, used like a function
    """Answer 404 NOT_FOUND where the row that a path names never was."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, RecordError) and error.problems[0].code == "INVALID_CROSS_REFERENCE_KEY":
            if not error.problems[0].fields:
                raise errors.not_found() from error


def _refuse_locked(call: Call, record_id: str | None) -> None:
    if 0 in call.locked:
        raise errors.locked(record_id)


def _only_match(call: Call, view: ObjectView, field_name: str, key: str) -> str:
    field = key_field(view, field_name)
    found = records.find(call.org.storage.connection(), view.table, field, key_value(view, field, key))
    if not found:
        raise errors.not_found()
    if len(found) > 1:
        raise _multiple_choices(call, view, found)
    return found[0]


def _multiple_choices(call: Call, view: ObjectView, found: list[str]) -> errors.ApiError:
    return errors.ApiError(300, [f"{call.root}/sobjects/{view.name}/{each}" for each in found])


def _created(call: Call, view: ObjectView, record_id: str, *, with_flag: bool) -> Reply:
    body: dict[str, Any] = {"id": record_id, "success": True, "errors": []}
    if with_flag:
        body["created"] = True
    return Reply(body, 201, {"Location": f"{call.root}/sobjects/{view.name}/{record_id}"})


# --- what changed --------------------------------------------------------------------------------------------------


def updated(call: Call, name: str) -> Reply:
    """Answer GET /sobjects/{object}/updated: ids of live rows changed in the period, its end excluded."""
    view = call.org.require(call.user, name)
    start, end = _period(call)
    sql = f'SELECT "Id" FROM {quoted(view.name)} WHERE "SystemModstamp" >= ? AND "SystemModstamp" < ?'
    found = call.org.storage.fetch(f"{sql}{view.table.live} ORDER BY _n", (start, end))
    return Reply({"ids": [record_id for (record_id,) in found], "latestDateCovered": end})


def deleted(call: Call, name: str) -> Reply:
    """Answer GET /sobjects/{object}/deleted: rows put into the recycle bin in the period."""
    view = call.org.require(call.user, name)
    start, end = _period(call)
    found = []
    if view.table.is_deletable:
        sql = f'SELECT "Id", "SystemModstamp" FROM {quoted(view.name)} WHERE "IsDeleted" = 1'
        sql += ' AND "SystemModstamp" >= ? AND "SystemModstamp" < ? ORDER BY _n'
        found = call.org.storage.fetch(sql, (start, end))
    return Reply(
        {
            "deletedRecords": [{"id": record_id, "deletedDate": when} for record_id, when in found],
            "earliestDateAvailable": stamp(call.org.created),
            "latestDateCovered": end,
        }
    )


def _period(call: Call) -> tuple[str, str]:
    start, end = (parse_moment(call.params.get(name, "").replace(" ", "+")) for name in ("start", "end"))
    if start is None or end is None:
        raise errors.simple(400, "INVALID_REPLICATION_DATE", "start and end must be ISO 8601 datetimes")
    if start >= end:
        raise errors.simple(400, "INVALID_REPLICATION_DATE", "endDate before startDate")
    if read_stamp(start) < call.org.clock.now() - _PERIOD:
        raise errors.simple(400, "INVALID_REPLICATION_DATE", "startDate before org replication enabled date")
    return start, end
