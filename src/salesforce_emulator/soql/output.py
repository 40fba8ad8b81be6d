"""What a compiled query gives out: where each value stands in a row, and how rows become records."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.schema import FieldSchema

    Read = Callable[[Any], Any]
    Row = tuple[Any, ...]


@dataclass(slots=True)
class Node:
    """One object in the output: where its id stands in a row, and what was selected of it.

    `values` maps an output name to its column and the function that reads it, `fields` the same name to its field.
    `others` are the further objects that a polymorphic reference may lead to; the one with an id is there. A node that
    `leads_nowhere` stands for an object of which TYPEOF selects nothing.
    """

    view: ObjectView
    id_column: int = 0
    values: dict[str, tuple[int, Read | None]] = field(default_factory=dict)
    fields: dict[str, FieldSchema] = field(default_factory=dict)
    parents: dict[str, Node] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    others: list[Node] = field(default_factory=list)
    reference: FieldSchema | None = None
    leads_nowhere: bool = False


@dataclass(slots=True)
class Child:
    """A child query: `sql` takes the parents' ids as JSON first; a row's last column is its parent's id."""

    compiled: Compiled
    reference: str

    @property
    def sql(self) -> str:
        """Return the SELECT of the children of the parents whose ids the first parameter lists."""
        columns = ", ".join([*self.compiled.columns, self.reference])
        listed = f"{self.reference} IN (SELECT value FROM json_each(?))"
        return f"SELECT {columns} {self.compiled.source} WHERE {listed} AND {self.compiled.where}{self.compiled.order}"


@dataclass(slots=True)
class Compiled:
    """SQL in parts: `columns` (the first is the row number), `source` (FROM), `where`, `order`, `cut`; the output."""

    columns: list[str]
    source: str
    where: str
    order: str
    limit: int | None
    offset: int
    parameters: list[Any]
    root: Node

    @property
    def cut(self) -> str:
        """Return LIMIT and OFFSET, if any."""
        if self.limit is None and not self.offset:
            return ""
        return f" LIMIT {-1 if self.limit is None else min(self.limit, 2**62)} OFFSET {self.offset}"

    @property
    def tail(self) -> str:
        """Return everything behind FROM."""
        return f"WHERE {self.where}{self.order}{self.cut}"

    @property
    def sql(self) -> str:
        """Return the SELECT of the whole result."""
        return f"SELECT {', '.join(self.columns)} {self.source} {self.tail}"

    @property
    def numbers_sql(self) -> str:
        """Return the SELECT of the row numbers alone."""
        return f"SELECT t._n {self.source} {self.tail}"

    @property
    def page_sql(self) -> str:
        """Return the SELECT of the rows whose numbers the one parameter lists, in no particular order."""
        columns = ", ".join(self.columns)
        return f"SELECT {columns} {self.source} WHERE t._n IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Output:
    """One value of an aggregate result: its name, how it was written, its field, and whether it is an aggregate."""

    name: str
    text: str
    field: FieldSchema
    read: Read | None
    calculated: bool


@dataclass(slots=True)
class Aggregated:
    """SQL whose rows are aggregates, and their output."""

    sql: str
    parameters: list[Any]
    outputs: list[Output]
    view: ObjectView
    grouped: bool


def aggregate_maker(outputs: Sequence[Output]) -> Callable[[Row], dict[str, Any]]:
    """Build the function from a row to an AggregateResult."""

    def make(row: Row) -> dict[str, Any]:
        record: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
        for output, value in zip(outputs, row, strict=False):
            record[output.name] = value if value is None or output.read is None else output.read(value)
        return record

    return make


def record_maker(root: Node, base: str) -> Callable[[Row], dict[str, Any] | None]:
    """Build the function from a row to a record; `base` is the URL path of `/sobjects`. Child queries stay null."""
    reads = root.view.table.reads
    plain = not root.parents and not root.children and root.order == list(root.values)
    if not plain or any(name not in reads or read is not reads[name] for name, (_, read) in root.values.items()):
        return partial(_nested, root, base)
    return flat_maker(root.view, root.order, base)


def flat_maker(view: ObjectView, names: Sequence[str], base: str) -> Callable[[Row], dict[str, Any]]:
    """Build the same for rows of one object: row number, id, then the fields in order."""
    kind, prefix = view.name, f"{base}/{view.name}/"
    reads = [(name, read) for name in names if (read := view.table.reads[name]) is not None]

    def make(row: Row) -> dict[str, Any]:
        record = {"attributes": {"type": kind, "url": prefix + row[1]}, **dict(zip(names, row[2:], strict=True))}
        for name, read in reads:
            if record[name] is not None:
                record[name] = read(record[name])
        return record

    return make


def _nested(node: Node, base: str, row: Row) -> dict[str, Any] | None:
    record_id = row[node.id_column]
    if record_id is None:
        return next((found for other in node.others if (found := _nested(other, base, row))), None)
    if node.leads_nowhere:
        return None
    kind = node.view.name
    record: dict[str, Any] = {"attributes": {"type": kind, "url": f"{base}/{kind}/{record_id}"}}
    for name in node.order:
        if name in node.parents:
            record[name] = _nested(node.parents[name], base, row)
        elif name in node.children:
            record[name] = None
        else:
            column, read = node.values[name]
            value = row[column]
            record[name] = value if value is None or read is None else read(value)
    return record
