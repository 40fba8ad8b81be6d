"""A SOQL query as data: what was written and where, before anybody asks whether the org has such fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from salesforce_emulator.soql import dates

if TYPE_CHECKING:
    from collections.abc import Sequence

AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"})
GROUPINGS = frozenset({"ROLLUP", "CUBE"})
ROW_FUNCTIONS = frozenset({"TOLABEL", "FORMAT", "CONVERTCURRENCY", "FIELDS", "DISTANCE", "CONVERTTIMEZONE"})
"""Functions of one row; every other in a SELECT list makes its query one of aggregates."""

FUNCTIONS = AGGREGATES | GROUPINGS | frozenset(dates.FUNCTIONS) | ROW_FUNCTIONS | {"GROUPING", "GEOLOCATION"}


@dataclass(frozen=True, slots=True)
class Path:
    """A field as written (`Email`, `Owner.Name`) and where it stands in the text, counted from 0."""

    text: str
    position: int

    @property
    def parts(self) -> list[str]:
        """Return the names between the dots."""
        return self.text.split(".")


@dataclass(frozen=True, slots=True)
class Literal:
    """A value: `kind` is string, number, datetime, date, boolean, null or period; `raw` a string with its escapes.

    A period is a date literal (`TODAY`, `LAST_N_DAYS:7`): its value is the name and the number, or None.
    """

    kind: str
    value: Any
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A function's name in capitals and its arguments; `text` is how it was written."""

    name: str
    arguments: Sequence[Expression | Literal]
    text: str
    position: int


Expression = Path | Call


@dataclass(frozen=True, slots=True)
class Selected:
    """One term of the SELECT list, with the name that it was given, if any."""

    expression: Expression
    alias: Path | None = None


@dataclass(frozen=True, slots=True)
class Typeof:
    """`TYPEOF path WHEN object THEN fields … ELSE fields END`."""

    path: Path
    branches: Sequence[tuple[Path, Sequence[Path]]]
    otherwise: Sequence[Path] | None


@dataclass(frozen=True, slots=True)
class Compare:
    """`left operator value`; the operator is one of = != < > <= >= or LIKE."""

    left: Expression
    operator: str
    value: Literal


@dataclass(frozen=True, slots=True)
class Among:
    """`left IN (…)`, or NOT IN."""

    left: Expression
    values: Sequence[Literal]
    negated: bool


@dataclass(frozen=True, slots=True)
class Includes:
    """`left INCLUDES (…)`, or EXCLUDES: each value is a `;` list of what must be chosen together."""

    left: Expression
    values: Sequence[Literal]
    negated: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """`left IN (SELECT …)`, or NOT IN: a semi-join or an anti-join."""

    left: Path
    query: Query
    negated: bool


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by AND or OR."""

    operator: str
    items: Sequence[Condition]


@dataclass(frozen=True, slots=True)
class Negation:
    """NOT condition."""

    item: Condition


Condition = Compare | Among | Includes | Joined | Junction | Negation


@dataclass(frozen=True, slots=True)
class Order:
    """One term of ORDER BY; nulls come first unless LAST is said."""

    expression: Expression
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Source:
    """One term of FROM: the object (or a relationship of an earlier term) and its alias."""

    path: Path
    alias: Path | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A SOQL query; `grouping` is ROLLUP or CUBE where the groups have subtotals."""

    text: str
    items: Sequence[Selected | Typeof | Query]
    sources: Sequence[Source]
    position: int = 0
    scope: Path | None = None
    where: Condition | None = None
    security: Sequence[Path] = ()
    categories: int | None = None
    groups: Sequence[Expression] = ()
    grouping: str | None = None
    having: Condition | None = None
    order: Sequence[Order] = ()
    limit: int | None = None
    offset: int = 0
    purposes: Sequence[Path] = ()
    all_rows: int | None = None

    @property
    def source(self) -> Path:
        """Return the object that is asked for."""
        return self.sources[0].path

    @property
    def counts(self) -> bool:
        """Tell whether this is `SELECT count()`."""
        first = self.items[0]
        return isinstance(first, Selected) and _is_bare_count(first.expression)

    @property
    def calls(self) -> list[Call]:
        """Return the functions of the SELECT list."""
        terms = (item.expression for item in self.items if isinstance(item, Selected))
        return [term for term in terms if isinstance(term, Call)]

    @property
    def aggregates(self) -> bool:
        """Tell whether the result is made of aggregates instead of records."""
        return bool(self.groups) or (any(call.name not in ROW_FUNCTIONS for call in self.calls) and not self.counts)

    @property
    def children(self) -> list[Query]:
        """Return the child queries of the SELECT list."""
        return [item for item in self.items if isinstance(item, Query)]

    @property
    def tells_types(self) -> bool:
        """Tell whether the query uses TYPEOF."""
        return any(isinstance(item, Typeof) for item in self.items)


def _is_bare_count(expression: Expression) -> bool:
    return isinstance(expression, Call) and expression.name == "COUNT" and not expression.arguments
