"""Picklists (R12, R13): active values only, by API value, then by label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadsync.core.values.column import NONE, among, codes, per_distinct, trim
from leadsync.core.values.text import too_long

if TYPE_CHECKING:
    from leadsync.core.access import ActiveField


def allowed(field: ActiveField) -> tuple[str, ...]:
    """Return the spellings that a picklist takes: API values and labels."""
    return tuple(dict.fromkeys(spelling for value in field.picklist for spelling in (value.value, value.label)))


def check(column: pa.Array, field: ActiveField) -> pa.Array:
    """Check single values."""
    column = trim(column)
    if field.allow_new_values:
        return too_long(column, field)
    return codes(pc.invert(among(column, allowed(field))), "picklist_value")


def to_wire(column: pa.Array, field: ActiveField) -> pa.Array:
    """Turn labels into API values; what is an API value already stays."""
    column = trim(column)
    values = {value.value for value in field.picklist}
    labelled: dict[str, str] = {}
    for value in field.picklist:
        if value.label not in values:
            labelled.setdefault(value.label, value.value)
    if not labelled:
        return column
    position = pc.index_in(column, value_set=pa.array(labelled, type=NONE.type))
    return pc.coalesce(pa.array(labelled.values(), type=NONE.type).take(position), column)


def _members(column: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """Split `;`-separated values: of each part the row it is from, and the part, trimmed; empty parts are dropped."""
    split = pc.split_pattern(column, ";")
    rows, parts = pc.list_parent_indices(split), trim(pc.list_flatten(split))
    kept = pc.not_equal(parts, "")
    return rows.filter(kept).to_numpy(), parts.filter(kept)


def _joined(rows: np.ndarray, parts: pa.Array, like: pa.Array) -> pa.Array:
    """Join parts that stand in the order of their rows again; a row without parts is null."""
    counts = np.bincount(rows, minlength=len(like))
    offsets = pa.array(np.concatenate(([0], np.cumsum(counts))), type=pa.int32())
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, parts), pa.scalar(";", NONE.type))
    return pc.if_else(pa.array(counts > 0), joined, NONE)


def _once(rows: np.ndarray, parts: pa.Array, *, by_value: bool) -> tuple[np.ndarray, pa.Array]:
    """Keep each part once per row: in the order given, or sorted by value."""
    encoded = parts.dictionary_encode()
    rank = pc.rank(encoded.dictionary, sort_keys="ascending").to_numpy() if len(encoded.dictionary) else np.empty(0)
    order = rank[encoded.indices.to_numpy()] if len(parts) else np.empty(0, dtype=np.int64)
    by_part = np.lexsort((order, rows))
    first = np.ones(len(by_part), dtype=bool)
    first[1:] = (rows[by_part][1:] != rows[by_part][:-1]) | (order[by_part][1:] != order[by_part][:-1])
    kept = by_part[first] if by_value else np.sort(by_part[first])
    return rows[kept], parts.take(pa.array(kept))


@per_distinct
def check_multi(column: pa.Array, field: ActiveField) -> pa.Array:
    """Check `;`-separated values: every one must be a value of the picklist."""
    wire = multi_to_wire(column, field)
    if field.allow_new_values:
        return too_long(wire, field)
    rows, parts = _members(column)
    known = among(parts, allowed(field)).to_numpy(zero_copy_only=False).astype(bool)
    bad = np.bincount(rows[~known], minlength=len(column)) > 0
    return pc.coalesce(codes(pa.array(bad), "multipicklist_value"), too_long(wire, field))


@per_distinct
def multi_to_wire(column: pa.Array, field: ActiveField) -> pa.Array:
    """Turn labels into API values, each once, in the lead's order."""
    rows, parts = _members(column)
    return _joined(*_once(rows, to_wire(parts, field), by_value=False), like=column)


@per_distinct
def normal_multi(column: pa.Array, _field: ActiveField) -> pa.Array:
    """Sort the values: order is no change (R13)."""
    return _joined(*_once(*_members(column), by_value=True), like=column)
