"""Draws that can be repeated: each is a hash of the seed, of what is drawn and of whom it is drawn for.

Nothing is taken from a stream, so a lead does not change when more leads are generated, and no version of a library
or kind of processor can give other leads for the same seed.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Draw:
    """Draws for many subjects at once; `ids` (int64) names each of them."""

    seed: int
    ids: NDArray[np.int64]

    def bits(self, what: str) -> NDArray[np.uint64]:
        """Return 64 random bits for each subject (the finaliser of splitmix64)."""
        key = int.from_bytes(blake2b(f"{self.seed}/{what}".encode(), digest_size=8).digest())
        x = self.ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(key)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))

    def below(self, what: str, limit: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """Return whole numbers from 0 up to, but not including, `limit`."""
        bits = self.bits(what) >> np.uint64(1)
        return bits.astype(np.int64) % limit

    def chance(self, what: str, percent: int) -> NDArray[np.bool_]:
        """Return True for about `percent` of the subjects."""
        return self.below(what, 100) < percent

    def pick(self, what: str, pool: Sequence[str]) -> pd.Series:
        """Return a `str` Series of texts taken from `pool`."""
        return take(pool, self.below(what, len(pool)))

    def digits(self, what: str, count: int) -> pd.Series:
        """Return `count` random decimal digits as text, the first of them not 0."""
        lowest = 10 ** (count - 1)
        return text(self.below(what, 9 * lowest) + lowest)


def take(pool: Sequence[str], index: NDArray[np.int64]) -> pd.Series:
    """Return `pool[index]` as a `str` Series."""
    return pd.Series(pd.array(pool, dtype="str").take(index))


def text(numbers: NDArray[np.int64]) -> pd.Series:
    """Write whole numbers as a `str` Series."""
    return pd.Series(pa.array(numbers).cast(pa.large_string()).to_pandas(), dtype="str")


@cache
def words(name: str) -> dict[str, list[str]]:
    """Read one of the word lists beside this module, by column."""
    lines = files("leadsync.samples").joinpath(f"words/{name}.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines))
    return {column: [row[column] for row in rows] for column in rows[0]}
