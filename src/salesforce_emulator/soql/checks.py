"""What SOQL forbids whatever the org: where functions, groups, child queries and semi-joins may stand, and how many.

Where a text is not known from a real org its check says `guessed`; the code is MALFORMED_QUERY for all of them but one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from salesforce_emulator import errors
from salesforce_emulator.soql.model import (
    AGGREGATES,
    GROUPINGS,
    Call,
    Joined,
    Junction,
    Negation,
    Path,
    Query,
    Selected,
    Typeof,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from salesforce_emulator.soql.model import Among, Compare, Condition, Includes

    Leaf = Compare | Among | Includes | Joined

MAX_OFFSET = 2_000
MAX_UNBOUNDED = 200
_MAX_SEMI_JOINS = 2
_MAX_CHILDREN = 20
_MAX_GROUPS = 3
_UNBOUNDED = frozenset({"ALL", "CUSTOM"})
_FIELD_SETS = _UNBOUNDED | {"STANDARD"}


class _Placed(Protocol):
    @property
    def position(self) -> int: ...


class Refused(Exception):  # noqa: N818 - carries a refusal out of lark
    """A query that SOQL itself refuses, at a place in its text."""

    def __init__(self, at: int | _Placed | None, message: str) -> None:
        super().__init__(message)
        place = at if isinstance(at, int) else getattr(at, "position", getattr(at, "start_pos", 0))
        self.position = place or 0
        self.message = message

    def in_query(self, text: str) -> errors.ApiError:
        """Turn into the API's answer."""
        return errors.in_query("MALFORMED_QUERY", text, self.position, 1, self.message)


def check(query: Query) -> None:
    """Refuse what no org accepts. Raises `Refused`, or `ApiError` for an OFFSET that is too large."""
    if query.all_rows is not None:
        raise Refused(query.all_rows, "ALL ROWS not allowed in this context")
    if query.offset > MAX_OFFSET:
        message = f"Maximum SOQL offset allowed is {MAX_OFFSET}"
        raise errors.simple(400, "NUMBER_OUTSIDE_VALID_RANGE", message)
    _check_clauses(query)
    _check_items(query)
    if query.where is not None:
        _check_semi_joins(query.where)
        _check_no_aggregates(query.where)
    for child in query.children:
        _check_child(child)


def _check_clauses(query: Query) -> None:
    for path in query.security:
        if path.text.upper() not in {"SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"}:
            raise Refused(path, f"unexpected token: '{path.text}'")


def _check_items(query: Query) -> None:
    if query.counts:
        _check_count(query)
        return
    for item in query.items:
        if isinstance(item, Selected):
            _check_selected(query, item)
    if query.aggregates:
        _check_aggregates(query)
    if len(query.children) > _MAX_CHILDREN:
        raise Refused(query.children[-1], f"more than {_MAX_CHILDREN} child relationships in one query")  # guessed


def _check_count(query: Query) -> None:
    first = query.items[0]
    if len(query.items) > 1 and isinstance(second := query.items[1], Selected):
        raise Refused(second.expression, "count() must be the only element in the SELECT list")  # guessed
    if isinstance(first, Selected) and first.alias is not None:
        raise Refused(first.alias, f"unexpected token: '{first.alias.text}'")
    if query.groups:
        raise Refused(query.groups[0], "Grouped query cannot use count(): name a field")  # guessed; documented
    if query.order:
        place = query.order[0].expression
        raise Refused(place, f"Ordered field must be grouped or aggregated: {place.text}")


def _check_selected(query: Query, item: Selected) -> None:
    term = item.expression
    if isinstance(term, Path):
        if item.alias is not None and not query.aggregates:
            raise Refused(item.alias, "only aggregate expressions use field aliasing")
    elif term.name == "FIELDS":
        _check_fields(query, item, term)
    elif term.name == "COUNT" and not term.arguments:
        raise Refused(term, "count() must be the only element in the SELECT list")  # guessed


def _check_fields(query: Query, item: Selected, term: Call) -> None:
    argument = term.arguments[0] if len(term.arguments) == 1 else None
    name = argument.text.upper() if isinstance(argument, Path) else ""
    if name not in _FIELD_SETS:
        raise Refused(term, f"unexpected token: '{term.text}'")
    if item.alias is not None:
        raise Refused(item.alias, "only aggregate expressions use field aliasing")
    if query.groups:
        raise Refused(term, "The SOQL FIELDS function is not supported with GROUP BY")  # guessed; documented
    if name in _UNBOUNDED and (query.limit is None or query.limit > MAX_UNBOUNDED):
        raise Refused(term, f"The SOQL FIELDS function must have a LIMIT of at most {MAX_UNBOUNDED}")


def _check_aggregates(query: Query) -> None:
    for item in query.items:
        if isinstance(item, Query):
            raise Refused(item, "Grouped query cannot have child sub-queries")  # guessed; the rule is documented
        if isinstance(item, Typeof):
            raise Refused(item.path, "TYPEOF is not allowed in a grouped query")  # guessed; the rule is documented
    if not query.groups and query.limit is not None:
        raise Refused(query.source, "Non-grouped query that uses overall aggregate functions cannot also use LIMIT")
    for group in query.groups:
        if isinstance(group, Call) and group.name in GROUPINGS | AGGREGATES:
            raise Refused(group, f"Grouped field should not be aggregated: {group.text}")
        if not isinstance(group, Path | Call):
            raise Refused(query.source, "unexpected token: GROUP BY takes fields")
    if query.grouping and not 1 <= len(query.groups) <= _MAX_GROUPS:
        raise Refused(query.source, f"{query.grouping} takes one to {_MAX_GROUPS} fields")  # guessed; documented


def _check_child(child: Query) -> None:
    if child.aggregates or child.counts:
        raise Refused(child, "Aggregate expressions are not allowed in child sub-queries")  # guessed; documented
    if child.purposes:
        raise Refused(child.purposes[0], f"unexpected token: '{child.purposes[0].text}'")
    check(child)


def _check_no_aggregates(condition: Condition) -> None:
    for each in leaves(condition):
        if isinstance(left := each.left, Call) and left.name in AGGREGATES:
            raise Refused(left, f"Aggregate functions are not allowed in the WHERE clause: {left.text}")  # guessed


def _check_semi_joins(condition: Condition) -> None:
    found = [each for each in leaves(condition) if isinstance(each, Joined)]
    if not found:
        return
    if len(found) > _MAX_SEMI_JOINS:
        message = f"Maximum {_MAX_SEMI_JOINS} semi join sub-selects are allowed"  # guessed; documented
        raise Refused(found[_MAX_SEMI_JOINS].query, message)
    _check_place(condition)
    for each in found:
        inner = each.query
        if inner.where is not None and any(isinstance(leaf, Joined) for leaf in leaves(inner.where)):
            raise Refused(inner, "Nesting of semi join sub-selects is not supported")
        if len(inner.items) != 1 or not isinstance(inner.items[0], Selected):
            raise Refused(inner, "semi join sub-selects can only query one field")  # guessed; documented
        if inner.aggregates or inner.counts or inner.order or inner.limit is not None or inner.offset:
            raise Refused(inner, "semi join sub-selects take no aggregates, ORDER BY, LIMIT or OFFSET")  # guessed
        if inner.where is not None:
            _check_no_aggregates(inner.where)


def _check_place(condition: Condition) -> None:
    """Refuse a semi-join below OR or NOT."""
    if isinstance(condition, Junction):
        for item in condition.items:
            if condition.operator == "OR" and any(isinstance(leaf, Joined) for leaf in leaves(item)):
                raise Refused(_first_join(item), "Semi join sub-selects are not supported with the 'OR' operator")
            _check_place(item)
    elif isinstance(condition, Negation) and any(isinstance(leaf, Joined) for leaf in leaves(condition.item)):
        message = "Semi join sub-selects are not supported with the 'NOT' operator"  # guessed after the one on OR
        raise Refused(_first_join(condition.item), message)


def _first_join(condition: Condition) -> Path:
    return next(each.left for each in leaves(condition) if isinstance(each, Joined))


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Walk over the comparisons of a condition, in no deep recursion."""
    stack = [condition]
    while stack:
        each = stack.pop()
        if isinstance(each, Junction):
            stack += reversed(each.items)
        elif isinstance(each, Negation):
            stack.append(each.item)
        else:
            yield each
