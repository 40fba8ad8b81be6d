"""Single rows under `/sobjects`: by id, or by the value of an external id or look-up field."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import errors, ids, integrity, records
from salesforce_emulator.clock import http_date, read_stamp
from salesforce_emulator.errors import Problem, RecordError
from salesforce_emulator.query import flat_maker
from salesforce_emulator.records import Writer
from salesforce_emulator.values import FieldValueError
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.schema import FieldSchema
    from salesforce_emulator.web import Call

_CREATED_FLAG_SINCE = 46
"""From this API version on, an upsert says whether it created and answers an update with 200."""

_ETAGGED = "Account"


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
        record_id = records.create(Writer.of(call), db, view, values)
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
    integrity.check_key(call.user, field)
    values = records.checked(view, body)
    stored = key_value(view, field, key)
    _refuse_locked(call, None)
    with call.org.storage.writing() as db:
        found = records.find(db, view, field, stored)
        if len(found) > 1:
            raise _multiple_choices(call, view, found)
        if not found and call.params.get("updateOnly", "").lower() == "true":
            raise errors.not_found()
        writer = Writer.of(call)
        record_id, created = records.upsert(writer, db, view, field=field, key=stored, values=values)
    with_flag = call.major >= _CREATED_FLAG_SINCE
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
    except FieldValueError as error:
        raise RecordError([error.problem]) from error
    if value is None:
        raise RecordError([Problem("MISSING_ARGUMENT", f"{field.name} not specified", (field.name,))])
    return value


def read_rows(
    call: Call, view: ObjectView, fields: Sequence[FieldSchema], condition: str, *given: Any
) -> dict[str, dict[str, Any]]:
    """Read live rows as records by id; `condition` is SQL over the table's alias `t`, `given` its parameters."""
    columns = ", ".join(["t._n", 't."Id"', *(view.table.expression(field, "t") for field in fields)])
    sql = f"SELECT {columns} FROM {view.source} t WHERE {condition}{view.table.live}"
    sql += view.reach.and_readable("t")
    make = flat_maker(view, [field.name for field in fields], f"{call.root}/sobjects")
    return {row[1]: make(row) for row in call.org.storage.fetch(sql, given)}


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
    stamped = view.by_name.get("lastmodifieddate")
    wanted = fields if stamped is None or stamped in fields else [*fields, stamped]
    found = read_rows(call, view, wanted, 't."Id" = ?', record_id)
    if not found:
        raise errors.not_found()
    record = found[record_id]
    modified = None if stamped is None else record[stamped.name] if stamped in fields else record.pop(stamped.name)
    headers = {}
    if modified:
        changed = read_stamp(modified)
        headers["Last-Modified"] = http_date(changed)
        if call.unchanged_since(changed):
            return Reply(None, 304, headers)
    if view.name == _ETAGGED:
        headers["ETag"] = tag = _tag(record) if not names else _etag(call, view, record_id) or ""
        if call.names(tag, "if-none-match"):
            return Reply(None, 304, headers)
        _check_conditions(call, view, record_id)
    return Reply(record, 200, headers)


def _update(call: Call, view: ObjectView, record_id: str) -> None:
    body = call.json_object()
    if any(key.lower() == "id" for key in body):
        raise errors.simple(400, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    values = records.checked(view, body)
    _refuse_locked(call, record_id)
    with call.org.storage.writing() as db:
        _check_conditions(call, view, record_id)
        records.update(Writer.of(call), db, view, record_id, values)


def _delete(call: Call, view: ObjectView, record_id: str) -> None:
    _refuse_locked(call, record_id)
    with call.org.storage.writing() as db:
        _check_conditions(call, view, record_id)
        records.delete(Writer.of(call), db, view, record_id)


def _etag(call: Call, view: ObjectView, record_id: str) -> str | None:
    """Return the tag of a row as the user sees it now, whatever fields are asked for; None where there is no row."""
    record = read_rows(call, view, list(view.fields), 't."Id" = ?', record_id).get(record_id)
    return None if record is None else _tag(record)


def _tag(record: dict[str, Any]) -> str:
    return f'"{base64.b64encode(hashlib.sha256(orjson.dumps(record)).digest()).decode()}"'


def _check_conditions(call: Call, view: ObjectView, record_id: str) -> None:
    """Refuse where `If-Match` or `If-None-Match` does not hold; both work on Accounts only (documented)."""
    if view.name != _ETAGGED or not call.headers.keys() & {"if-match", "if-none-match"}:
        return
    tag = _etag(call, view, record_id)
    matches = tag is not None and call.names(tag, "if-match")
    if ("if-match" in call.headers and not matches) or (tag is not None and call.names(tag, "if-none-match")):
        raise errors.precondition_failed()


def _refuse_locked(call: Call, record_id: str | None) -> None:
    if 0 in call.locked:
        raise errors.locked(record_id)


def _only_match(call: Call, view: ObjectView, field_name: str, key: str) -> str:
    field = key_field(view, field_name)
    found = records.find(call.org.storage.connection(), view, field, key_value(view, field, key))
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
