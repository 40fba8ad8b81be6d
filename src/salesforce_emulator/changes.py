"""What changed in a period: the `/updated` and `/deleted` resources of an object."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from salesforce_emulator import errors
from salesforce_emulator.clock import parse_moment, read_stamp, stamp
from salesforce_emulator.table import quoted
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.web import Call

_PERIOD = timedelta(days=30)


def updated(call: Call, name: str) -> Reply:
    """Answer GET /sobjects/{object}/updated: ids of live rows changed in the period, its end excluded."""
    view = _replicated(call, name)
    start, end = _period(call)
    sql = f'SELECT "Id" FROM {quoted(view.name)} WHERE "SystemModstamp" >= ? AND "SystemModstamp" < ?'
    sql += f"{view.table.live}{view.reach.and_readable(quoted(view.name))} ORDER BY _n"
    found = call.org.storage.fetch(sql, (start, end))
    return Reply({"ids": [record_id for (record_id,) in found], "latestDateCovered": end})


def deleted(call: Call, name: str) -> Reply:
    """Answer GET /sobjects/{object}/deleted: rows put into the recycle bin in the period."""
    view = _replicated(call, name)
    start, end = _period(call)
    found = []
    if view.table.is_deletable:
        sql = f'SELECT "Id", "SystemModstamp" FROM {quoted(view.name)} WHERE "IsDeleted" = 1'
        sql += ' AND "SystemModstamp" >= ? AND "SystemModstamp" < ?'
        sql += f"{view.reach.and_readable(quoted(view.name))} ORDER BY _n"
        found = call.org.storage.fetch(sql, (start, end))
    return Reply(
        {
            "deletedRecords": [{"id": record_id, "deletedDate": when} for record_id, when in found],
            "earliestDateAvailable": call.org.purged.get(view.name, stamp(call.org.created)),
            "latestDateCovered": end,
        }
    )


def _replicated(call: Call, name: str) -> ObjectView:
    view = call.org.require(call.user, name)
    if not view.schema.top["replicateable"]:
        message = f"entity type {view.name} does not support replication"  # guessed
        raise errors.simple(400, "INVALID_TYPE_FOR_OPERATION", message)
    return view


def _period(call: Call) -> tuple[str, str]:
    start, end = (parse_moment(call.params.get(name, "").replace(" ", "+")) for name in ("start", "end"))
    if start is None or end is None:
        raise errors.simple(400, "INVALID_REPLICATION_DATE", "start and end must be ISO 8601 datetimes")
    if start >= end:
        raise errors.simple(400, "INVALID_REPLICATION_DATE", "endDate before startDate")
    if read_stamp(start) < call.org.clock.now() - _PERIOD:
        raise errors.simple(400, "INVALID_REPLICATION_DATE", "startDate before org replication enabled date")
    return start, end
