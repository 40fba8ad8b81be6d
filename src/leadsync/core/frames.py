"""What pandas has no single word for."""

from __future__ import annotations

import pandas as pd


def look_up(keys: pd.Series, values: pd.Series) -> pd.Series:
    """Return `values` at each key, with the index of `keys`; NA where there is none.

    `Series.map` does the same, but turns whole numbers into floats and fails on an empty table of datetimes.

    Args:
        keys: any dtype, NA allowed.
        values: indexed by key, each key once.
    """
    if pd.api.types.is_integer_dtype(values.dtype):
        values = values.astype("Int64")
    found = values.reindex(keys.array)
    found.index = keys.index
    return found
