"""Sample leads: realistic, repeatable, and wrong in known ways; for the demo, the tests and the benchmarks.

Every e-mail address and web site lies in a domain that is reserved for examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leadsync.samples import extra as extra_fields
from leadsync.samples.defects import DEFECTS, LABELS, plant
from leadsync.samples.draw import Draw
from leadsync.samples.leads import good_leads
from leadsync.samples.table import edit, write

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["edit", "extra_fields", "generate", "write"]


def generate(n: int, seed: int = 1, *, extra: bool = False, with_labels: bool = False) -> pd.DataFrame:
    """Make the leads 1 to `n`; the first of many are the same as of few.

    Args:
        n: how many; a multiple of 1,000 holds every defect in its exact share.
        seed: other seeds give other people with the same defects.
        extra: add the customer's own fields of `extra_fields.FIELDS`, with the defects that those can have.
        with_labels: add `defect`, the code of what is planted (`email_blank` where the lead is skipped, empty where
            it is good), and `defect_field`, its column.

    Returns:
        `id` int64, then `str` columns named as in the table `leads`; NA where nothing was entered.
    """
    ids = np.arange(1, n + 1, dtype=np.int64)
    leads = good_leads(ids, seed)
    if extra:
        leads = leads.assign(**extra_fields.good_values(Draw(seed, ids)))
    plant(leads, (*DEFECTS, *extra_fields.DEFECTS) if extra else DEFECTS)
    return leads if with_labels else leads.drop(columns=list(LABELS))
