"""What becomes of rows beyond an edit: Leads are converted, rows are merged, deleted ones restored or purged.

Like `records`, everything works inside the caller's transaction and raises `RecordError` for what is wrong with a row.
There is no object Opportunity here: a SOAP conversion must say that it wants none, and is refused as it is where the
permission to create one lacks (guessed).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from salesforce_emulator import errors, records
from salesforce_emulator.clock import read_stamp, stamp
from salesforce_emulator.errors import Problem, RecordError
from salesforce_emulator.history import FROM_LEAD, MERGED
from salesforce_emulator.records import Writer
from salesforce_emulator.table import quoted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.org import Org
    from salesforce_emulator.table import Table

CONVERTED_STATUS = "Closed - Converted"
RECYCLE_BIN = timedelta(days=15)
"""How long deleted rows can be restored and are found by queryAll (documented)."""

MAX_MERGED = 2
"""How many rows one request may merge into its master (documented)."""

_ADDRESS = ("Street", "City", "State", "PostalCode", "Country", "Latitude", "Longitude", "GeocodeAccuracy")
_TO_ACCOUNT = {
    "Company": "Name",
    "LeadSource": "AccountSource",
    "CompanyDunsNumber": "DunsNumber",
    **{name: name for name in ("Phone", "Fax", "Website", "Industry", "AnnualRevenue", "NumberOfEmployees", "Rating")},
    **{name: f"Billing{name}" for name in _ADDRESS},
}
_KEPT_BY_CONTACT = (
    *("LastName", "FirstName", "Salutation", "Title", "Email", "Phone", "MobilePhone", "Fax", "LeadSource"),
    *("Description", "HasOptedOutOfEmail", "IndividualId"),
)
_TO_CONTACT = {**{name: name for name in _KEPT_BY_CONTACT}, **{name: f"Mailing{name}" for name in _ADDRESS}}
"""Which Lead field becomes which field of the new rows, as the standard mapping has it (documented)."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What to make of a Lead: into which rows, if they exist, and whose the new ones are."""

    lead_id: str
    status: str = CONVERTED_STATUS
    account_id: str | None = None
    contact_id: str | None = None
    owner_id: str | None = None
    overwrite_lead_source: bool = False


@dataclass(frozen=True, slots=True)
class Converted:
    """The rows that a Lead became."""

    account_id: str
    contact_id: str


def convert(writer: Writer, db: sqlite3.Connection, wanted: Conversion) -> Converted:
    """Turn a Lead into a Contact and its Account.

    The two carry stamps one second older than the Lead's, as recorded. Of rows that exist already only blank fields
    are filled (documented).
    """
    org = writer.org
    leads, accounts, contacts = (_as_user(writer, name) for name in ("Lead", "Account", "Contact"))
    if not (accounts.can_create and contacts.can_create):
        raise errors.insufficient_access()
    if not any(each.value == wanted.status for each in leads.schema.by_name["status"].picklist):
        raise RecordError([Problem("INVALID_STATUS", f"invalid convertedStatus: {wanted.status}")])
    if wanted.contact_id and not wanted.account_id:
        raise RecordError([Problem("REQUIRED_FIELD_MISSING", "AccountId is required where ContactId is given")])
    records.update(writer, db, leads, wanted.lead_id, {})
    lead = _row(db, leads.table, wanted.lead_id)
    owner = wanted.owner_id or lead["OwnerId"]
    earlier = Writer.at(org, writer.user, read_stamp(writer.stamp) - timedelta(seconds=1))
    given = {_TO_ACCOUNT[name]: lead.get(name) for name in _TO_ACCOUNT}
    account_id = _made_or_filled(
        _noting(earlier, "Account"), db, accounts, wanted.account_id, {**given, "OwnerId": owner}
    )
    given = {_TO_CONTACT[name]: lead.get(name) for name in _TO_CONTACT}
    if wanted.contact_id and wanted.overwrite_lead_source:
        records.put(db, contacts.table, wanted.contact_id, {"LeadSource": lead["LeadSource"]})
    given |= {"OwnerId": owner, "AccountId": account_id}
    contact_id = _made_or_filled(_noting(earlier, "Contact"), db, contacts, wanted.contact_id, given)
    after = {
        "IsConverted": 1,
        "Status": wanted.status,
        "ConvertedDate": writer.stamp[:10],
        "ConvertedAccountId": account_id,
        "ConvertedContactId": contact_id,
        "IsUnreadByOwner": 0,
        "OwnerId": owner,
    }
    before = org.history.values(db, leads.table, wanted.lead_id) if org.history.concerns("Lead") else {}
    records.put(db, leads.table, wanted.lead_id, after)
    if before:
        org.history.compare(writer, db, leads.table, wanted.lead_id, before)
    org.history.note(writer, db, leads.table, wanted.lead_id, "leadConverted")
    return Converted(account_id, contact_id)


def merge(
    writer: Writer,
    db: sqlite3.Connection,
    view: ObjectView,
    *,
    master_id: str,
    other_ids: Sequence[str],
    values: dict[str, Any],
) -> list[str]:
    """Merge rows into the master: it takes `values`, what points at the others points at it, the others are deleted.

    Returns the ids of the rows that point elsewhere now. The master's other fields stay (documented).
    """
    if not view.schema.top["mergeable"]:
        raise RecordError([Problem("INVALID_OPERATION", f"entity type {view.name} does not support merge")])
    if not other_ids or len(other_ids) > MAX_MERGED:
        raise RecordError([Problem("INVALID_OPERATION", f"a merge takes one to {MAX_MERGED} records into its master")])
    if len({master_id, *other_ids}) <= len(other_ids):
        raise RecordError([Problem("MERGE_FAILED", "the records of a merge must differ from each other")])
    records.update(writer, db, view, master_id, values)
    moved = []
    for other_id in other_ids:
        # An edit that changes nothing: what may not be edited, or is a converted Lead, may not be merged either.
        records.update(writer, db, view, other_id, {})
        moved += _repoint(writer, db, view.table, other_id, master_id)
        records.delete(writer, db, view, other_id)
        records.put(db, view.table, other_id, {"MasterRecordId": master_id})
        writer.org.history.note(writer, db, view.table, master_id, MERGED[view.name])
    return list(dict.fromkeys(moved))


def undelete(writer: Writer, db: sqlite3.Connection, record_id: str) -> None:
    """Take a row out of the recycle bin, and with an Account the Contacts that were deleted with it."""
    table = writer.org.table_of_id(record_id)
    if table is None or not table.is_deletable or not (found := _row(db, table, record_id)):
        raise errors.NoSuchRowError
    view = _as_user(writer, table.name)
    if not found["IsDeleted"]:
        raise RecordError([Problem("UNDELETE_FAILED", "Entity is not in the recycle bin")])
    if not view.can_delete:
        raise errors.insufficient_access()
    _restore(writer, db, table, record_id, found["SystemModstamp"])


def purge(org: Org, db: sqlite3.Connection, table: Table, record_id: str) -> bool:
    """Remove a row for good; False if there is none."""
    gone = db.execute(f'DELETE FROM {quoted(table.name)} WHERE "Id" = ?', (record_id,)).rowcount > 0
    if gone:
        org.purged[table.name] = org.clock.stamp()
    return gone


def empty_bins(org: Org, now: datetime) -> None:
    """Purge what has lain in the recycle bin for longer than it keeps anything."""
    before = stamp(now - RECYCLE_BIN)
    with org.storage.writing() as db:
        for table in org.storage.tables.values():
            if not table.is_deletable:
                continue
            sql = f'SELECT "Id" FROM {quoted(table.name)} WHERE "IsDeleted" = 1 AND "SystemModstamp" < ?'
            for (record_id,) in db.execute(sql, (before,)).fetchall():
                purge(org, db, table, record_id)


def _noting(writer: Writer, name: str) -> Writer:
    return replace(writer, event=FROM_LEAD[name])


def _as_user(writer: Writer, name: str) -> ObjectView:
    view = writer.org.view(writer.user, name)
    if view is None:
        raise errors.insufficient_access()
    return view


def _row(db: sqlite3.Connection, table: Table, record_id: str) -> dict[str, Any]:
    sql = f'SELECT {", ".join(map(quoted, table.columns))} FROM {quoted(table.name)} WHERE "Id" = ?'
    found = db.execute(sql, (record_id,)).fetchone()
    return dict(zip(table.columns, found, strict=True)) if found else {}


def _made_or_filled(
    writer: Writer, db: sqlite3.Connection, view: ObjectView, record_id: str | None, given: Mapping[str, Any]
) -> str:
    """Create a row, or fill an existing row's blanks; conversion heeds no field-level security (documented)."""
    everything = writer.org.access.view(writer.org.users.admin, view.table)
    known = {name: value for name, value in given.items() if value is not None and name in view.table.position}
    if record_id is None:
        return records.create(writer, db, everything, known)
    records.update(writer, db, view, record_id, {})
    current = _row(db, view.table, record_id)
    account = given.get("AccountId")
    if account is not None and current["AccountId"] not in {None, account}:
        text = "the contact belongs to another account"
        raise RecordError([Problem("INVALID_CROSS_REFERENCE_KEY", text, ("ContactId",))])
    records.put(db, view.table, record_id, {name: value for name, value in known.items() if current[name] is None})
    return record_id


def _repoint(writer: Writer, db: sqlite3.Connection, table: Table, old: str, new: str) -> list[str]:
    """Let every live row that points at one row point at another; only their SystemModstamp shows it (guessed)."""
    moved = []
    for child in writer.org.storage.tables.values():
        for name, field in child.references.items():
            if table.name not in field.reference_to or name == "MasterRecordId":
                continue
            sql = f'SELECT "Id" FROM {quoted(child.name)} WHERE {quoted(name)} = ?{child.live}'
            for (child_id,) in db.execute(sql, (old,)).fetchall():
                target = None if child_id == new else new
                records.put(db, child, child_id, {name: target, "SystemModstamp": writer.stamp})
                moved.append(child_id)
    return moved


def _restore(writer: Writer, db: sqlite3.Connection, table: Table, record_id: str, deleted_at: str) -> None:
    back = {
        "IsDeleted": 0,
        "LastModifiedDate": writer.stamp,
        "LastModifiedById": writer.user.id,
        "SystemModstamp": writer.stamp,
    }
    if "MasterRecordId" in table.position:
        back["MasterRecordId"] = None
    records.put(db, table, record_id, back)
    for child in writer.org.storage.tables.values():
        for name, field in child.references.items():
            if not field.child_cascade_delete or table.name not in field.reference_to or not child.is_deletable:
                continue
            sql = f'SELECT "Id" FROM {quoted(child.name)} WHERE {quoted(name)} = ? AND "IsDeleted" = 1'
            sql += ' AND "SystemModstamp" = ?'
            for (child_id,) in db.execute(sql, (record_id, deleted_at)).fetchall():
                _restore(writer, db, child, child_id, deleted_at)
