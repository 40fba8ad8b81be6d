"""Objects that only certain queries may ask: UserRecordAccess and EntityDefinition.

The texts on the SELECT list of UserRecordAccess are from logs of real orgs, those of EntityDefinition are documented;
what is marked so is guessed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from salesforce_emulator import errors, ids, record_access
from salesforce_emulator.soql.checks import leaves
from salesforce_emulator.soql.model import Among, Compare, Junction, Negation, Path, Selected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.org import Org
    from salesforce_emulator.soql.model import Condition, Literal, Query
    from salesforce_emulator.soql.scope import Views
    from salesforce_emulator.users import User

MAX_RECORDS = 200
_LEVELS = tuple(name.lower() for name in record_access.FLAGS)
_SELECTABLE = {"recordid", "maxaccesslevel", *_LEVELS}
_REIFIED = {"qualifiedapiname", "durableid"}
"""What EntityDefinition looks its rows up by: real orgs take inequalities on its other fields."""


def prepared(org: Org, user: User, query: Query) -> tuple[Query, Views]:
    """Return a query as it is to be run, with what the user sees; raises `ApiError` where its object forbids it."""
    views, name = partial(org.view, user), query.source.text.lower()
    if name == "entitydefinition":
        return _of_definitions(query), views
    if name == "userrecordaccess" and (view := views(name)) is not None:
        return _of_access(org, user, query, view)
    return query, views


# --- EntityDefinition ------------------------------------------------------------------------------------------------


def _of_definitions(query: Query) -> Query:
    """Refuse what the object does not support; LIMIT and OFFSET are ignored (documented)."""
    if query.aggregates or query.counts:
        text = "The requested operation is not yet supported by this SObject storage type"
        raise _malformed(f"{text}, contact salesforce.com support for more information.")
    for condition in _conditions(query.where):
        if isinstance(condition, Junction) and condition.operator == "OR":
            raise _malformed("Disjunctions not supported")
        if isinstance(condition, Negation):
            negated = [each.left for each in leaves(condition.item)]
        else:
            negated = [each.left for each in leaves(condition) if _is_unequal(each)]
        if any(each.text.lower() in _REIFIED for each in negated):
            raise _malformed("Only equals comparisons permitted")
    return replace(query, limit=None, offset=0)


def _is_unequal(condition: Condition) -> bool:
    if isinstance(condition, Compare):
        return condition.operator != "="
    return isinstance(condition, Among) and condition.negated


def _conditions(given: Condition | None) -> Iterator[Condition]:
    """Walk over what AND joins."""
    if isinstance(given, Junction) and given.operator == "AND":
        for item in given.items:
            yield from _conditions(item)
    elif given is not None:
        yield given


# --- UserRecordAccess ------------------------------------------------------------------------------------------------


def _of_access(org: Org, user: User, query: Query, view: ObjectView) -> tuple[Query, Views]:
    """Put the rows that are asked for in the object's place: one for each id of a record, whether it is there or not.

    Who asks for another's access hears only of records that the asking user reads (documented);
    of the own access to what is hidden or was never there a row says no (tried in a real org by others).
    """
    _check_selected(query)
    asked_user, wanted, others = _filters(query)
    of_user = next((each for each in org.users if each.id == asked_user), None)
    rows = partial(record_access.asked, org, user, of_user, wanted)
    seen = replace(view, rows=rows)
    by_name = partial(org.view, user)
    views: Views = lambda name: seen if name.lower() == "userrecordaccess" else by_name(name)  # noqa: E731
    return replace(query, where=others), views


def _check_selected(query: Query) -> None:
    terms = [item.expression if isinstance(item, Selected) else None for item in query.items]
    names = [term.text.lower() if isinstance(term, Path) else "" for term in terms]
    if not set(names) <= _SELECTABLE or query.aggregates:
        message = "Can select only RecordId, a Has*Access field, and MaxAccessLevel"
        raise errors.simple(400, "INVALID_FIELD", message)
    if "recordid" not in names:
        raise errors.simple(400, "INVALID_FIELD", "RecordId field must be selected")
    if len(names) > 1 and any(each in _filtered(query) for each in _LEVELS):
        message = "Can select only RecordId when filtering by an access level"  # guessed; the rule is documented
        raise errors.simple(400, "INVALID_FIELD", message)


def _filtered(query: Query) -> set[str]:
    return set() if query.where is None else {each.left.text.lower() for each in leaves(query.where)}


def _filters(query: Query) -> tuple[str, list[str], Condition | None]:
    """Return whose access to which records is asked for, and the condition on the access level, if any."""
    users: list[Literal] = []
    found: list[Literal] = []
    others: list[Condition] = []
    for condition in _conditions(query.where):
        name = condition.left.text.lower() if isinstance(condition, Compare | Among) else ""
        values = _equal(condition)
        if name == "userid" and len(values) == 1:
            users += values
        elif name == "recordid" and values and not found:
            found += values
        elif name in _LEVELS and isinstance(condition, Compare) and condition.operator == "=" and not others:
            others.append(condition)
        else:
            users = []
            break
    if len(users) != 1 or not found:
        raise _malformed("Can only filter by UserId = and RecordId =, or RecordId IN")  # guessed; documented
    if len(found) > MAX_RECORDS:
        raise _malformed(f"Can filter by at most {MAX_RECORDS} RecordIds")  # guessed; the number is documented
    return _ids(users)[0], list(dict.fromkeys(_ids(found))), others[0] if others else None


def _equal(condition: Condition) -> Sequence[Literal]:
    if isinstance(condition, Compare) and condition.operator == "=":
        return [condition.value]
    return condition.values if isinstance(condition, Among) and not condition.negated else []


def _ids(given: Sequence[Literal]) -> list[str]:
    result = []
    for each in given:
        found = ids.normalise(each.value) if each.kind == "string" else None
        if found is None:
            raise errors.simple(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {each.value}")
        result.append(found)
    return result


def _malformed(message: str) -> errors.ApiError:
    return errors.simple(400, "MALFORMED_QUERY", message)
