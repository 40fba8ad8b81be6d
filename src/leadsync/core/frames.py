"""What pandas has no single word for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.compute as pc

from leadsync.core.fingerprint import row_hash
from leadsync.core.values.column import arrow

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def among(keys: pd.Series, values: pd.Series) -> pd.Series:
    """Say which texts are among others (bool); `Series.isin` makes a Python object of each."""
    found = pc.is_in(arrow(keys), value_set=arrow(values), skip_nulls=True)
    return pd.Series(found.to_numpy(zero_copy_only=False), index=keys.index)


def row_hashes(values: pd.DataFrame) -> pd.Series:
    """Return `row_hash` of each row of text, NA as a blank."""
    rows = values.astype("object").where(values.notna(), None).itertuples(index=False, name=None)
    return pd.Series([row_hash(row) for row in rows], index=values.index, dtype="str")


def stack(frames: Sequence[pd.DataFrame], nothing: pd.DataFrame) -> pd.DataFrame:
    """Put frames under one another, `nothing` where there are no rows; categories stay categories.

    `pandas.concat` turns categories that differ into Python objects, which cost ten times the memory.
    """
    frames = [frame for frame in frames if len(frame)]
    if len(frames) <= 1:
        return frames[0] if frames else nothing
    for name in frames[0].columns[frames[0].dtypes.eq("category")]:
        known = sorted(set().union(*(frame[name].cat.categories for frame in frames)))
        frames = [frame.assign(**{name: frame[name].cat.set_categories(known)}) for frame in frames]
    return pd.concat(frames, ignore_index=True)
