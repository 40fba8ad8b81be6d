"""Whole columns of text: pandas `str` Series on the outside, Arrow arrays (large_string, null for no value) inside."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable

STR = pd.StringDtype("pyarrow", na_value=np.nan)
"""pandas' own `str`."""

_TEXT = pa.large_string()
NONE = pa.scalar(None, _TEXT)
_MANY = 4096
"""Below this many values looking for repeated ones costs more than it saves."""


def arrow(values: pd.Series) -> pa.Array:
    """Return a Series of text as one Arrow array."""
    array = pa.array(values, type=_TEXT, from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def series(array: pa.Array | pa.ChunkedArray, like: pd.Series) -> pd.Series:
    """Return an Arrow array as a `str` Series with the index of another."""
    texts = pd.arrays.ArrowStringArray(array.cast(_TEXT), dtype=STR)  # type: ignore[call-arg]
    return pd.Series(texts, index=like.index, name=like.name)


def trim(column: pa.Array) -> pa.Array:
    """Remove white space of any script at both ends, as Salesforce does when it stores text."""
    return pc.utf8_trim_whitespace(column)


def filled(column: pa.Array) -> pa.Array:
    """Return the texts as they stand, null where there is nothing or only white space."""
    return pc.if_else(pc.equal(trim(column), ""), NONE, column)


def only_where(mask: pa.Array, column: pa.Array, function: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Apply a function to the texts that need it; the others stay as they are."""
    needed = pc.fill_null(mask, fill_value=False)
    if not pc.any(needed).as_py():
        return column
    return pc.replace_with_mask(column, needed, function(column.filter(needed)))


def nfkc(column: pa.Array) -> pa.Array:
    """Normalise to NFKC, which makes full-width letters and digits ASCII."""
    return only_where(_beyond_ascii(column), column, lambda some: pc.utf8_normalize(some, "NFKC"))


def casefold(column: pa.Array) -> pa.Array:
    """Fold case; what is not ASCII goes by Python's full folding (`ß` is `ss`)."""
    return only_where(_beyond_ascii(column), pc.ascii_lower(column), _casefold)


def _beyond_ascii(column: pa.Array) -> pa.Array:
    return pc.invert(pc.string_is_ascii(column))


def _casefold(column: pa.Array) -> pa.Array:
    return pa.array([text.casefold() for text in column.to_pylist()], type=_TEXT)


def longer(column: pa.Array, limit: int) -> pa.Array:
    """Say which texts are longer than a limit as Salesforce counts: beyond U+FFFF (emoji, rare kanji) is two each.

    Source: Salesforce Help 005166849, "Surrogate Pair Characters Are Treated as Two Characters".
    """
    length = pc.utf8_length(column)
    over = pc.greater(length, limit)
    doubtful = pc.fill_null(pc.and_not(pc.greater(length, limit // 2), over), fill_value=False)
    if not pc.any(doubtful).as_py():
        return over
    some = column.filter(doubtful)
    units = pc.add(pc.utf8_length(some).cast(pa.int64()), pc.count_substring_regex(some, r"[\x{10000}-\x{10FFFF}]"))
    return pc.replace_with_mask(over, doubtful, pc.greater(units, limit))


def codes(bad: pa.Array, code: str) -> pa.Array:
    """Return the code where `bad` is true, else null."""
    return pc.if_else(bad, pa.scalar(code, _TEXT), NONE)


def matches(column: pa.Array, pattern: str) -> pa.Array:
    """Say which texts match a regular expression (RE2) from their first to their last character."""
    return pc.match_substring_regex(column, rf"\A(?:{pattern})\z")


def among(column: pa.Array, values: tuple[str, ...]) -> pa.Array:
    """Say which texts are among the values; null stays null."""
    found = pc.is_in(column, value_set=pa.array(values, type=_TEXT))
    return pc.if_else(pc.is_valid(column), found, pa.scalar(None, pa.bool_()))


def per_distinct(function: Callable[..., pa.Array]) -> Callable[..., pa.Array]:
    """Let a function of a column do its work once per distinct value, where values repeat."""

    @wraps(function)
    def run(column: pa.Array, *args: Any) -> pa.Array:
        if len(column) < _MANY:
            return function(column, *args)
        encoded = column.dictionary_encode()
        if len(encoded.dictionary) * 2 > len(column):
            return function(column, *args)
        return function(encoded.dictionary, *args).take(encoded.indices)

    return run
