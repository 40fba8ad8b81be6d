"""Names of a query and what they lead to: fields of its object and, over joins, of its parents."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from salesforce_emulator import errors, record_access
from salesforce_emulator.schema import FieldSchema
from salesforce_emulator.sharing import DEFAULTS
from salesforce_emulator.table import VISIBLE_AT, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.soql.dates import Calendar
    from salesforce_emulator.soql.model import Call, Path, Query

    Views = Callable[[str], ObjectView | None]

_MAX_HOPS, _MAX_JOINS = 5, 55

NAME_FIELDS = frozenset(
    {
        "id", "alias", "email", "firstname", "isactive", "lastname", "lastreferenceddate", "lastvieweddate", "name",
        "phone", "profileid", "recordtypeid", "title", "type", "username", "userroleid",
    }
)  # fmt: skip
"""What a polymorphic reference has without TYPEOF: the fields of the object `Name` (documented)."""

ACCESS_FIELD = FieldSchema(name="Id", label="ID", type="reference", reference_to=(record_access.NAME,))
TYPE_FIELD = FieldSchema(name="Type", label="Type", type="string", length=40)


@dataclass(frozen=True)
class Context:
    """Who asks: what that user sees, at which moment (`now` is a stamp), on which calendar, the bin included or not."""

    views: Views
    objects: Callable[[], Iterable[ObjectView]]
    now: str
    deleted: bool
    calendar: Calendar
    names: Iterator[int] = field(default_factory=count)


@dataclass(frozen=True, slots=True)
class Join:
    """A parent in the SQL: each table that the reference may lead to, under its alias."""

    name: str
    reference: FieldSchema
    targets: tuple[tuple[str, ObjectView], ...]

    @property
    def polymorphic(self) -> bool:
        """Tell whether the reference may lead to several objects."""
        return len(self.reference.reference_to) > 1


@dataclass(frozen=True, slots=True)
class Found:
    """A field found by its path: its SQL, the object that has it, and the joins on the way."""

    sql: str
    field: FieldSchema
    view: ObjectView
    way: tuple[Join, ...]


class Scope:
    """Resolve the names of one query (or child query, or semi-join) and collect the joins that they need."""

    def __init__(self, context: Context, query: Query, view: ObjectView, alias: str) -> None:
        self.context = context
        self.query = query
        self.view = view
        self.alias = alias
        self.joins: dict[tuple[str, ...], Join] = {}
        self.join_sql: list[str] = []
        first, *others = query.sources
        self._names: dict[str, tuple[str, ...]] = {view.name.lower(): ()}
        self._names[(first.alias.text if first.alias else view.name).lower()] = ()
        for source in others:
            self._add_source(source.path, source.alias)

    def _add_source(self, path: Path, alias: Path | None) -> None:
        """Give a parent a name: `FROM Contact c, c.Account a`."""
        way = self._expanded([part.lower() for part in path.parts])
        if self.join(tuple(way)) is None:
            raise self.error("INVALID_TYPE", path, errors.unknown_in_from(path.text))
        self._names[(alias or path).text.lower()] = tuple(way)

    def error(self, code: str, place: Path | Call, message: str) -> errors.ApiError:
        """Build a refusal that points at a place of the query."""
        return errors.in_query(code, self.query.text, place.position, len(place.text), message)

    @property
    def source(self) -> str:
        """Return the FROM clause with its joins."""
        return f"FROM {self.view.source} {self.alias} {' '.join(self.join_sql)}"

    def visible(self, parameters: list[object]) -> list[str]:
        """Return the conditions that every row meets that this user may see; their parameters are appended."""
        conditions = [f"({self.alias}.{VISIBLE_AT} IS NULL OR {self.alias}.{VISIBLE_AT} <= ?)"]
        parameters.append(self.context.now)
        if self.view.table.is_deletable and not self.context.deleted:
            conditions.append(f"{self.alias}.{quoted('IsDeleted')} = 0")
        return conditions + self._reach(self.view, self.alias)

    @staticmethod
    def _reach(view: ObjectView, alias: str) -> list[str]:
        reach = view.reach.and_readable(alias).removeprefix(" AND ")
        return [reach] if reach else []

    def resolve(self, path: Path) -> Found:
        """Find a path's field, with the joins on the way, made where they are new. Raises INVALID_FIELD."""
        *hops, name = path.parts
        if hops:
            hops = self._expanded([hop.lower() for hop in hops])
        if len(hops) > _MAX_HOPS:
            raise self.error("INVALID_FIELD", path, f"more than {_MAX_HOPS} relationships in field path")
        way: list[Join] = []
        for depth in range(1, len(hops) + 1):
            join = self.join(tuple(hops[:depth]))
            if join is None:
                written = path.parts[depth - len(hops) - 2]
                raise self.error("INVALID_FIELD", path, errors.unknown_relationship(written))
            way.append(join)
        if way and way[-1].polymorphic:
            return self._name_field(path, name, tuple(way))
        alias, view = way[-1].targets[0] if way else (self.alias, self.view)
        if (found := view.by_name.get(name.lower())) is None:
            raise self.error("INVALID_FIELD", path, errors.unknown_column(name, view.name))
        return Found(view.table.expression(found, alias), found, view, tuple(way))

    def _expanded(self, hops: list[str]) -> list[str]:
        start = self._names.get(hops[0])
        return hops if start is None else [*start, *hops[1:]]

    def _name_field(self, path: Path, name: str, way: tuple[Join, ...]) -> Found:
        """Find what every object has that a polymorphic reference may lead to."""
        key, targets = name.lower(), way[-1].targets
        first = targets[0][1]
        if key == "type":
            cases = "".join(
                f" WHEN {alias}.{quoted('Id')} IS NOT NULL THEN {_type_of(alias, view)}" for alias, view in targets
            )
            return Found(f"(CASE{cases} END COLLATE NOCASE)", TYPE_FIELD, first, way)
        having = [(alias, view, view.by_name[key]) for alias, view in targets if key in view.by_name]
        if key not in NAME_FIELDS or not having:
            raise self.error("INVALID_FIELD", path, errors.unknown_column(name, "Name"))
        columns = [view.table.expression(found, alias) for alias, view, found in having]
        sql = columns[0] if len(columns) == 1 else f"(coalesce({', '.join(columns)}) COLLATE NOCASE)"
        return Found(sql, having[0][2], having[0][1], way)

    def join(self, key: tuple[str, ...]) -> Join | None:
        """Return the join of a relationship path, or None where the user cannot see it or what it leads to."""
        if not key:
            return None
        if key in self.joins:
            return self.joins[key]
        parent = self.join(key[:-1]) if len(key) > 1 else None
        if len(key) > 1 and (parent is None or parent.polymorphic):
            return None
        alias, view = parent.targets[0] if parent else (self.alias, self.view)
        if key[-1] == record_access.NAME.lower():
            return self._record_access(key, alias, view)
        reference = view.by_relationship.get(key[-1])
        if reference is None:
            return None
        targets = [found for name in reference.reference_to if (found := self.context.views(name)) is not None]
        if not targets:
            return None
        if len(self.joins) >= _MAX_JOINS:
            raise errors.too_complicated(f"more than {_MAX_JOINS} relationships in one query")
        made = tuple((f"j{next(self.context.names)}", target) for target in targets)
        for name, target in made:
            on = [f"{name}.{quoted('Id')} = {alias}.{quoted(reference.name)}", *self._reach(target, name)]
            self.join_sql.append(f"LEFT JOIN {target.source} {name} ON {' AND '.join(on)}")
        self.joins[key] = Join(reference.relationship_name or "", reference, made)
        return self.joins[key]

    def _record_access(self, key: tuple[str, ...], alias: str, view: ObjectView) -> Join | None:
        """Return the join of a record with the user's access to it (documented), whose ids cannot be named."""
        found = self.context.views(record_access.NAME)
        if found is None or view.name not in DEFAULTS:
            return None
        hidden = frozenset({"Id", "UserId", "RecordId"})
        target = replace(found, hidden=hidden, rows=partial(record_access.of_all, view))
        name = f"j{next(self.context.names)}"
        on = f"{name}.{quoted('RecordId')} = {alias}.{quoted('Id')}"
        self.join_sql.append(f"LEFT JOIN {target.source} {name} ON {on}")
        self.joins[key] = Join(record_access.NAME, ACCESS_FIELD, ((name, target),))
        return self.joins[key]


def _type_of(alias: str, view: ObjectView) -> str:
    """Return the SQL of `Type` where a reference leads to this object: of a group its own (`Owner.Type = 'Queue'`)."""
    return f"{alias}.{quoted('Type')}" if view.name == "Group" else f"'{view.name}'"
