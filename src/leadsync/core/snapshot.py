"""The snapshot of a pair: what both sides held after their last sync, packed as JSON text, whole columns at a time.

`""` says that the sides agreed on nothing; an absent field was never agreed on (first contact, R31).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from leadsync.core.values.column import arrow, series

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXT = pa.large_string()
_BLOCK = 16 << 20


def pack(values: pd.DataFrame) -> pd.Series:
    """Write each row as one JSON object.

    Args:
        values: str columns named by lead field; NA leaves the field out.

    Returns:
        str, same index.
    """
    if values.empty:
        return pd.Series("{}", index=values.index, dtype="str")
    members = [part for name in values.columns for part in _member(name, arrow(values[name]))]
    # The empty head matters: a row of nulls alone is dropped by pyarrow 26, and every later row moves up.
    body = pc.binary_join_element_wise(_scalar(""), *members, _scalar(""), null_handling="skip")
    body = pc.binary_replace_slice(body, 0, 1, "")
    objects = pc.binary_join_element_wise(_scalar("{"), body, _scalar("}"), _scalar(""))
    return pd.Series(objects.to_pandas(), index=values.index, dtype="str")


def unpack(texts: pd.Series, fields: Sequence[str]) -> pd.DataFrame:
    """Read packed rows back.

    Args:
        texts: str; NA and `{}` have no field.
        fields: the columns wanted; others are passed over.

    Returns:
        str columns `fields` with the index of `texts`; NA where the field was never agreed on.
    """
    if not fields or not texts.str.len().gt(2).any():
        return pd.DataFrame({f: pd.Series(pd.NA, index=texts.index, dtype="str") for f in fields}, index=texts.index)
    lines = pc.binary_join_element_wise(arrow(texts.fillna("{}")), _scalar("\n"), _scalar(""))
    length = pc.binary_length(lines)
    table = pa_json.read_json(
        pa.BufferReader(lines.buffers()[-1].slice(0, pc.sum(length).as_py())),
        read_options=pa_json.ReadOptions(block_size=max(_BLOCK, 2 * pc.max(length).as_py())),
        parse_options=pa_json.ParseOptions(
            explicit_schema=pa.schema([(field, pa.string()) for field in fields]), unexpected_field_behavior="ignore"
        ),
    )
    return pd.DataFrame({field: series(table[field].combine_chunks(), texts) for field in fields}, index=texts.index)


def _member(name: str, values: pa.Array) -> list[pa.Array | pa.Scalar]:
    """Return the pieces of `,"name":"value"` for each row; none where the value is null."""
    head, tail, values = _scalar(f',"{name}":"'), _scalar('"'), _escaped(values)
    if not values.null_count:
        return [head, values, tail]
    return [pc.binary_join_element_wise(head, values, tail, _scalar(""), null_handling="emit_null")]


def _scalar(text: str) -> pa.Scalar:
    return pa.scalar(text, _TEXT)


def _escaped(values: pa.Array) -> pa.Array:
    """Escape what JSON cannot hold in a string; a glance at the bytes tells whether there is any."""
    data = np.frombuffer(values.buffers()[-1] or b"", np.uint8)
    if not ((data < ord(" ")) | (data == ord('"')) | (data == ord("\\"))).any():
        return values
    for raw, escaped in (("\\", "\\\\"), ('"', '\\"')):
        values = pc.replace_substring(values, raw, escaped)
    for code in sorted(set(data[data < ord(" ")].tolist())):
        values = pc.replace_substring(values, chr(code), f"\\u{code:04x}")
    return values
