"""The rows of objects that hold none of their own: permissions, profiles, groups, shares, history and definitions.

They follow from the org's state at the moment of a query, so they cannot disagree with what reads and writes obey.
Which fields and values they have is documented; names and ids of profiles are this org's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import history, ids, permissions
from salesforce_emulator.clock import stamp
from salesforce_emulator.history import HISTORIES
from salesforce_emulator.record_access import NO_ID
from salesforce_emulator.sharing import CONTROLLED, DEFAULTS, LEVELS, MODELS
from salesforce_emulator.table import column_sql, literal, quoted
from salesforce_emulator.users import ORGANIZATION_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.org import Org
    from salesforce_emulator.schema import SObjectSchema
    from salesforce_emulator.users import User

    Row = dict[str, Any]

EVERYBODY = ids.make("00G", 1)
"""The group of all internal users, to whom this org's sharing rules give access."""

QUEUE = "Queue"
"""The type of a group that may own rows."""

SHARES = {f"{name}Share": name for name in DEFAULTS}

_OTHER_LEVELS = {"Account": {"OpportunityAccessLevel": "None", "CaseAccessLevel": "None", "ContactAccessLevel": "None"}}
"""What an AccountShare says of the account's children (guessed)."""


def queue_id(developer_name: str) -> str:
    """Return the id of a queue, which follows from its name."""
    return ids.from_name("00G", developer_name.lower())


def is_visible(org: Org, user: User, name: str) -> bool:
    """Tell whether a user sees a computed object: shares need their object, and one with a sharing of its own."""
    if name in permissions.OF_SETUP:
        return user.view_setup
    if tracked := HISTORIES.get(name):
        return org.view(user, tracked) is not None
    if shared := SHARES.get(name):
        return org.sharing.default(shared) != CONTROLLED and org.view(user, shared) is not None
    return True


def select(org: Org, user: User, schema: SObjectSchema) -> str:
    """Return the SELECT of the rows of a computed object that a user sees, with the table's hidden columns."""
    if tracked := HISTORIES.get(schema.name):
        return history.select(org.access.view(user, org.storage.tables[tracked]), schema)
    if shared := SHARES.get(schema.name):
        return _shares(org, org.access.view(user, org.storage.tables[shared]), schema)
    rows = _ROWS[schema.name](org, user)
    return select_values(schema, rows)


def select_values(schema: SObjectSchema, rows: Iterable[Row]) -> str:
    """Return the SELECT of rows that are known already; what a row does not say is null, or false for a check box."""
    empty = {field.name: False if field.type == "boolean" else None for field in schema.fields}
    listed = [[row.get(name, default) for name, default in empty.items()] for row in rows]
    columns = [
        f"{column_sql(field, f'value ->> {position}')} AS {quoted(field.name)}"
        for position, field in enumerate(schema.fields)
    ]
    text = literal(orjson.dumps(listed).decode())
    return f"SELECT key + 1 AS _n, NULL AS _visible_at, {', '.join(columns)} FROM json_each({text})"


# --- groups and shares -----------------------------------------------------------------------------------------------


def _group_rows(org: Org, _: User) -> Iterator[Row]:
    usual = {"OwnerId": ORGANIZATION_ID, "DoesIncludeBosses": True} | permissions.stamps(org)
    everybody = {"Name": "All Internal Users", "DeveloperName": "AllInternalUsers", "Type": "Organization"}
    yield {"Id": EVERYBODY} | everybody | usual
    for queue in org.sharing.queues.values():
        own = {"Id": queue.id, "Name": queue.name, "DeveloperName": queue.developer_name, "Type": QUEUE}
        yield own | usual | {"DoesIncludeBosses": False}


def _member_rows(org: Org, _: User) -> Iterator[Row]:
    changed = {"SystemModstamp": stamp(org.metadata_changed_at)}
    for queue in org.sharing.queues.values():
        for member in queue.members:
            own = {"Id": ids.from_name("011", queue.id + member), "GroupId": queue.id, "UserOrGroupId": member}
            yield own | changed


def _shares(org: Org, view: ObjectView, schema: SObjectSchema) -> str:
    """Return the shares of the rows that a user reads: the owner's, and one for each rule that opens more."""
    name = view.name
    default = LEVELS[org.sharing.default(name)]
    rules = [rule for rule in org.sharing.rules.get(name, ()) if LEVELS[rule.access] > default]
    selects = []
    for position, rule in enumerate([None, *rules]):
        number = f"t._n * {len(rules) + 1} + {position}"
        met = org.sharing.meets(rule, "t") if rule else f"t.{quoted('OwnerId')} IS NOT NULL"
        values = {
            "Id": f"make_id({literal(schema.key_prefix)}, {number})",
            f"{name}Id": f"t.{quoted('Id')}",
            "UserOrGroupId": literal(EVERYBODY) if rule else f"t.{quoted('OwnerId')}",
            f"{name}AccessLevel": literal(rule.access if rule else "All"),
            "RowCause": literal("Rule" if rule else "Owner"),
            "LastModifiedDate": f"t.{quoted('LastModifiedDate')}",
            "LastModifiedById": f"t.{quoted('LastModifiedById')}",
            "IsDeleted": "0",
        } | {level: literal(value) for level, value in _OTHER_LEVELS.get(name, {}).items()}
        columns = [f"{column_sql(field, values[field.name])} AS {quoted(field.name)}" for field in schema.fields]
        where = f"{met} AND t.{quoted('IsDeleted')} = 0{view.reach.and_readable('t')}"
        selects.append(
            f"SELECT {number} AS _n, t._visible_at, {', '.join(columns)} FROM {quoted(name)} t WHERE {where}"
        )
    return " UNION ALL ".join(selects)


# --- definitions -----------------------------------------------------------------------------------------------------

_SAME = {
    "IsApexTriggerable": "triggerable",
    "IsCompactLayoutable": "compactLayoutable",
    "IsCustomSetting": "customSetting",
    "IsDeprecatedAndHidden": "deprecatedAndHidden",
    "IsReplicateable": "replicateable",
    "IsRetrieveable": "retrieveable",
    "IsSearchLayoutable": "searchLayoutable",
    "IsSearchable": "searchable",
    "IsTriggerable": "triggerable",
    "IsEverCreatable": "createable",
    "IsEverUpdatable": "updateable",
    "IsEverDeletable": "deletable",
    "IsFeedEnabled": "feedEnabled",
    "IsQueryable": "queryable",
    "IsMruEnabled": "mruEnabled",
    "IsLayoutable": "layoutable",
    "HasSubtypes": "hasSubtypes",
    "IsSubtype": "isSubtype",
}
"""The key of a describe that says the same of the object, whatever the user may do with it."""


def _definition_rows(org: Org, user: User) -> Iterator[Row]:
    """Define each object that the user sees."""
    for view in org.views(user):
        schema = view.schema
        model = MODELS[org.sharing.default(view.name)] if view.name in DEFAULTS else "ReadWrite"
        own = {
            "Id": NO_ID,
            "DurableId": view.name,
            "LastModifiedDate": stamp(org.metadata_changed_at),
            "QualifiedApiName": view.name,
            "DeveloperName": view.name,
            "MasterLabel": schema.label,
            "Label": schema.label,
            "PluralLabel": schema.label_plural,
            "IsCustomizable": schema.top["layoutable"],
            "KeyPrefix": schema.key_prefix or None,
            "IsIdEnabled": True,
            "InternalSharingModel": model,
            "ExternalSharingModel": model,
        }
        yield own | {name: schema.top[key] for name, key in _SAME.items()}


_ROWS: dict[str, Callable[[Org, User], Iterator[Row]]] = {
    **permissions.ROWS,
    "EntityDefinition": _definition_rows,
    "Group": _group_rows,
    "GroupMember": _member_rows,
    "UserRecordAccess": lambda _org, _user: iter(()),
}
