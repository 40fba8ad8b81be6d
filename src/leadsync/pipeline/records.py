"""Records as frames of wire text: which fields are read, and how rows become columns."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ROWS = 10_000
"""Rows held as Python objects at a time, which take ten times the memory of a frame."""


def tables(rows: Iterable[dict[str, Any]], names: Mapping[str, Sequence[str]]) -> dict[str, list[pa.Table]]:
    """Return the rows of queries as tables of wire text by object, at least one each, as they come in.

    Args:
        rows: as `salesforce.soql.rows` yields them.
        names: object -> API names, in the order of the columns.
    """
    found = {sobject: [_table([], columns)] for sobject, columns in names.items()}
    rows = iter(rows)
    while some := list(islice(rows, _ROWS)):
        for sobject, columns in names.items():
            if mine := [row for row in some if row["attributes"]["type"] == sobject]:
                found[sobject].append(_table(mine, columns))
    return found


def frame(some: Sequence[pa.Table], email: str | None) -> pd.DataFrame:
    """Return tables as one frame, each record once, as it was read last.

    `LastModifiedDate` is UTC; the mapped address stands as `Email` too, all NA where none is mapped.
    """
    found: pd.DataFrame = pa.concat_tables(some).combine_chunks().to_pandas()
    found = found.drop_duplicates("Id", keep="last", ignore_index=True)
    found["LastModifiedDate"] = pd.to_datetime(found["LastModifiedDate"], utc=True)
    return found.assign(Email=found[email] if email else pd.Series(pd.NA, index=found.index, dtype="str"))


def _table(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> pa.Table:
    return pa.table({name: _column(rows, name) for name in names})


def _column(rows: Sequence[dict[str, Any]], name: str) -> pa.Array:
    parent, _, child = name.partition(".")
    values = [(row[parent] or {}).get(child) for row in rows] if child else [row[name] for row in rows]
    try:
        return pa.array(values, pa.large_string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):  # check boxes and numbers
        return pa.array([_wire(value) for value in values], pa.large_string())


def _wire(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)
