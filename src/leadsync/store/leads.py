"""The platform's table `leads`: which columns it has, and which rows changed since a moment.

The platform owns the table and writes it; `updated_at` is a hint set by whoever writes a row. It may repeat, go back,
lie ahead or be missing. On SQLite it is text in any ISO spelling, so moments are compared, never text.
"""

from __future__ import annotations

import datetime as dt
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from leadsync.errors import ConfigurationError
from leadsync.store.engine import place, reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection, Engine

STANDARD_COLUMNS = (
    "email",
    "last_name",
    "first_name",
    "last_name_kana",
    "first_name_kana",
    "company",
    "department",
    "title",
    "phone",
    "mobile_phone",
    "fax",
    "postal_code",
    "prefecture",
    "address1",
    "address2",
    "website",
    "gender",
    "occupation",
    "age_group",
    "facebook",
    "x_account",
    "delivery_status",
)
"""The text columns that every platform has; a customer's own fields are further text columns."""

OWN_COLUMNS = ("id", "created_at", "updated_at")
"""The columns that are no field of the lead."""

PAGE = 5000
"""Rows fetched at a time."""

LeadRow = tuple[Any, ...]
"""`(id, updated_at, *columns)`: an int, an aware datetime in UTC or None, then text or None."""


class LeadUpdate(NamedTuple):
    """Values for one lead."""

    lead_id: int
    updated_at: dt.datetime | None
    """As it was read."""
    values: dict[str, tuple[str | None, str | None]]
    """Column -> the text as it was read, and the new one."""


_FIRST_YEAR = dt.datetime(1000, 1, 2, tzinfo=dt.UTC)
_LOWEST_ID = -(2**63)
_NO_DATE = "1-"
"""Sorts after numbers, blanks and `05/01/2026`, and before every text that begins with a year of four digits."""


class LeadTable:
    """The table `leads` of one lead store."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that hold a field of the lead, the customer's own included, in the table's order.

        Raises:
            ConfigurationError: there is no table `leads`, or it lacks `id` or `updated_at`.
        """
        try:
            with reading(self.engine) as view:
                names = [column["name"] for column in sa.inspect(view).get_columns("leads")]
        except sa.exc.NoSuchTableError:
            raise ConfigurationError(
                f"the lead store ({place(self.engine.url)}) has no table leads; "
                "let the connection lead_store name the marketing platform's database"
            ) from None
        if missing := {"id", "updated_at"}.difference(names):
            raise ConfigurationError(f"the table leads lacks {', '.join(sorted(missing))}; the sync cannot follow it")
        return tuple(name for name in names if name not in OWN_COLUMNS)

    def now(self) -> dt.datetime:
        """Read the database's own clock, in UTC."""
        with reading(self.engine) as view:
            if not self._text_stamps:
                clock: dt.datetime = view.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
                return clock.astimezone(dt.UTC)
            text: str = view.execute(sa.select(sa.func.strftime("%Y-%m-%d %H:%M:%f", "now"))).scalar_one()
            return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)

    def stamp(self, moment: dt.datetime) -> dt.datetime | str:
        """Return a moment as this database's `created_at` and `updated_at` hold it."""
        moment = moment.astimezone(dt.UTC)
        return moment.strftime("%Y-%m-%d %H:%M:%S.%f") if self._text_stamps else moment

    def changed_since(
        self, moment: dt.datetime, columns: Sequence[str], page: int = PAGE
    ) -> Iterator[Sequence[LeadRow]]:
        """Read every lead whose `updated_at` is `moment` or later, or says nothing, in pages.

        All pages come from one view of the table, so each row comes exactly once whatever others write meanwhile:
        an edit made while the pages are read is not in them, and its stamp is later than the `now()` at which the
        caller started. Pages follow one another by key, `(updated_at, id)`, never by offset; there is no upper bound.

        Raises:
            ConfigurationError: `leads` has no such table or column.
        """
        table, query = self._query(columns)
        stamp, by_id = table.c.updated_at, table.c.id
        with reading(self.engine) as view:
            yield from _pages(view, query.where(self._says_nothing(stamp)), {by_id: _LOWEST_ID}, page)
            dated = query.where(self._is_late(stamp, moment))
            for rows in _pages(view, dated, {stamp: self._earliest(moment), by_id: _LOWEST_ID}, page):
                # SQLite compares to the millisecond only: the rest of the comparison is made here.
                if late := [row for row in rows if row[1] is None or row[1] >= moment]:
                    yield late

    def by_ids(self, ids: Iterable[int], columns: Sequence[str]) -> list[LeadRow]:
        """Read the leads with these ids, in the order of their ids; ids without a row are left out."""
        table, query = self._query(columns)
        wanted = sorted(set(ids))
        found: list[LeadRow] = []
        with reading(self.engine) as view:
            for start in range(0, len(wanted), PAGE):
                chosen = self._among(table.c.id, wanted[start : start + PAGE])
                found += _plain(view.execute(query.where(chosen).order_by(table.c.id)).all())
        return found

    def everything(self, columns: Sequence[str], page: int = PAGE) -> Iterator[Sequence[LeadRow]]:
        """Read every lead in the order of their ids, each page in a view of its own."""
        table, query = self._query(columns)
        query = query.order_by(table.c.id).limit(page)
        last: int = _LOWEST_ID
        while True:
            with reading(self.engine) as view:
                rows = view.execute(query.where(table.c.id > last)).all()
            if rows:
                yield _plain(rows)
                last = int(rows[-1].id)
            if len(rows) < page:
                return

    def update(self, connection: Connection, updates: Sequence[LeadUpdate], moment: dt.datetime) -> set[int]:
        """Write values into leads that still are as they were read, each stamped `moment`; return the ids written.

        A lead whose `updated_at`, or one of whose values to be overwritten, is another by now is left alone: somebody
        has edited it meanwhile.

        Args:
            connection: the transaction.
            updates: each lead once.
            moment: the new `updated_at`; no other write may carry the same one.

        Raises:
            ConfigurationError: `leads` has no such column.
        """
        groups: dict[tuple[str, ...], list[LeadUpdate]] = {}
        for update in updates:
            groups.setdefault(tuple(sorted(update.values)), []).append(update)
        for columns, some in groups.items():
            connection.execute(self._guarded(columns, moment), [self._bound(update) for update in some])
        table, _ = self._query(())
        written = sa.select(table.c.id).where(
            table.c.updated_at == sa.literal(self.stamp(moment), table.c.updated_at.type)
        )
        found: set[int] = set()
        ids = [update.lead_id for update in updates]
        for start in range(0, len(ids), PAGE):
            chosen = self._among(table.c.id, ids[start : start + PAGE])
            found.update(connection.execute(written.where(chosen)).scalars())
        return found

    def _guarded(self, columns: Sequence[str], moment: dt.datetime) -> sa.Update:
        table, _ = self._query(columns)
        stamp = table.c.updated_at
        seen, as_read = (self._comparable(each) for each in (stamp, sa.bindparam("b_updated_at", type_=stamp.type)))
        unchanged = [
            sa.cast(table.c[name], sa.Text).is_not_distinct_from(sa.bindparam(f"b_old_{name}", type_=sa.Text()))
            for name in columns
        ]
        values = {table.c[name]: sa.bindparam(f"b_new_{name}", type_=sa.Text()) for name in columns}
        return (
            sa.update(table)
            .where(table.c.id == sa.bindparam("b_id"), seen.is_not_distinct_from(as_read), *unchanged)
            .values({**values, stamp: sa.literal(self.stamp(moment), stamp.type)})
        )

    def _comparable(self, stamp: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """Return a stamp as it is compared: on SQLite by what its text means, to the millisecond."""
        return sa.func.strftime("%Y-%m-%d %H:%M:%f", stamp) if self._text_stamps else stamp

    def _bound(self, update: LeadUpdate) -> dict[str, Any]:
        as_read = None if update.updated_at is None else self.stamp(update.updated_at)
        bound: dict[str, Any] = {"b_id": update.lead_id, "b_updated_at": as_read}
        for name, (old, new) in update.values.items():
            bound |= {f"b_old_{name}": old, f"b_new_{name}": new}
        return bound

    @property
    def _text_stamps(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def _query(self, columns: Sequence[str]) -> tuple[sa.TableClause, sa.Select[LeadRow]]:
        if unknown := [name for name in columns if name not in self.columns]:
            raise ConfigurationError(f"the table leads has no column {', '.join(unknown)}; correct the mapping")
        table = sa.table(
            "leads",
            sa.column("id", sa.BigInteger),
            sa.column("updated_at", sa.Text if self._text_stamps else sa.DateTime(timezone=True)),
            *(sa.column(name) for name in columns),
        )
        text = [sa.cast(table.c[name], sa.Text).label(name) for name in columns]
        return table, sa.select(table.c.id, table.c.updated_at, *text)

    def _among(self, column: sa.ColumnElement[int], ids: list[int]) -> sa.ColumnElement[bool]:
        if self.engine.dialect.name == "sqlite":
            return column.in_(ids)
        # One array to bind in place of thousands of parameters: twice as fast.
        return column == sa.any_(sa.literal(ids, ARRAY(sa.BigInteger)))

    def _says_nothing(self, stamp: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return stamp.is_(None) | (stamp < _NO_DATE) if self._text_stamps else stamp.is_(None)

    def _earliest(self, moment: dt.datetime) -> dt.datetime | str:
        """Return where the pages begin, so that an index on `updated_at` serves: no offset moves a date by a day."""
        moment = max(moment.astimezone(dt.UTC), _FIRST_YEAR)
        return (moment - dt.timedelta(days=1)).strftime("%Y-%m-%d") if self._text_stamps else moment

    def _is_late(self, stamp: sa.ColumnElement[Any], moment: dt.datetime) -> sa.ColumnElement[bool]:
        if not self._text_stamps:
            return sa.true()
        millisecond = max(moment.astimezone(dt.UTC), _FIRST_YEAR).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        in_utc = sa.func.strftime("%Y-%m-%d %H:%M:%f", stamp)  # NULL where SQLite cannot read the text
        return sa.func.coalesce(in_utc, millisecond) >= millisecond


def _pages(
    view: Connection, query: sa.Select[LeadRow], after: dict[sa.ColumnClause[Any], Any], page: int
) -> Iterator[list[LeadRow]]:
    """Read the rows whose key, the columns of `after`, lies behind its values, in the order of that key."""
    key = list(after)
    query = query.order_by(*key).limit(page)
    while True:
        behind = sa.tuple_(*key) > sa.tuple_(*(sa.literal(value, column.type) for column, value in after.items()))
        rows = view.execute(query.where(behind)).all()
        if rows:
            yield _plain(rows)
        if len(rows) < page:
            return
        after = {column: getattr(rows[-1], column.name) for column in key}


def _plain(rows: Sequence[Any]) -> list[LeadRow]:
    return [(row[0], _moment(row[1]), *row[2:]) for row in rows]


def _moment(stamp: dt.datetime | str | float | None) -> dt.datetime | None:
    """Return the moment in UTC that a stamp means; a text without an offset is UTC, and one without a date is None."""
    if isinstance(stamp, str):
        try:
            stamp = dt.datetime.fromisoformat(stamp)
        except ValueError:
            return None
    if not isinstance(stamp, dt.datetime):
        return None
    return stamp.replace(tzinfo=dt.UTC) if stamp.tzinfo is None else stamp.astimezone(dt.UTC)
