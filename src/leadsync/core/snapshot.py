"""The snapshot of a pair: what both sides held after their last sync, packed as JSON text, whole columns at a time.

`""` says that the sides agreed on nothing; an absent field was never agreed on (first contact, R31).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEEDS_ESCAPE = r'["\\\x00-\x1f]'
_BLOCK = 16 << 20


def pack(values: pd.DataFrame) -> pd.Series:
    """Write each row as one JSON object.

    Args:
        values: str columns named by lead field; NA leaves the field out.

    Returns:
        str, same index.
    """
    members = [_members(name, pa.array(values[name], pa.large_string())) for name in values.columns]
    if not members:
        return pd.Series("{}", index=values.index, dtype="str")
    left, right, comma, none = (pa.scalar(text, pa.large_string()) for text in ("{", "}", ",", ""))
    # The empty head matters: a row of nulls alone is dropped by pyarrow 26, and every later row moves up.
    body = pc.binary_join_element_wise(none, *members, comma, null_handling="skip")
    objects = pc.binary_join_element_wise(left, pc.utf8_slice_codeunits(body, 1), right, none)
    return pd.Series(objects.to_pandas(), index=values.index, dtype="str")


def unpack(texts: pd.Series, fields: Sequence[str]) -> pd.DataFrame:
    """Read packed rows back.

    Args:
        texts: str; NA and `{}` have no field.
        fields: the columns wanted; others are passed over.

    Returns:
        str columns `fields` with the index of `texts`; NA where the field was never agreed on.
    """
    schema = pa.schema([(field, pa.string()) for field in fields])
    if not fields or not texts.str.len().gt(2).any():
        return pd.DataFrame({f: pd.Series(pd.NA, index=texts.index, dtype="str") for f in fields}, index=texts.index)
    lines = [line.encode() for line in texts.fillna("{}").tolist()]
    table = pa_json.read_json(
        io.BytesIO(b"\n".join(lines)),
        read_options=pa_json.ReadOptions(block_size=max(_BLOCK, 2 * max(map(len, lines)))),
        parse_options=pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    return pd.DataFrame(
        {f: pd.Series(table[f].to_pandas(), dtype="str").set_axis(texts.index) for f in fields}, index=texts.index
    )


def _members(name: str, values: pa.Array) -> pa.Array:
    """Write `"name":"value"` per row; null stays null."""
    quote = pa.scalar('"', pa.large_string())
    head = pa.scalar(f'"{name}":"', pa.large_string())
    return pc.binary_join_element_wise(
        head, _escaped(values), quote, pa.scalar("", pa.large_string()), null_handling="emit_null"
    )


def _escaped(values: pa.Array) -> pa.Array:
    """Escape what JSON cannot hold in a string; only the few distinct values that need it pay."""
    if not pc.any(pc.match_substring_regex(values, _NEEDS_ESCAPE)).as_py():
        return values
    for raw, escaped in (("\\", "\\\\"), ('"', '\\"')):
        values = pc.replace_substring(values, raw, escaped)
    for code in range(0x20):
        values = pc.replace_substring(values, chr(code), f"\\u{code:04x}")
    return values
