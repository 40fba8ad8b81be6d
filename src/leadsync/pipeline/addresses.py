"""The index of addresses: which leads there are before the sync has seen any of them (R34 b).

A record that is edited links with the lead of its address, also where that lead is as it was long before the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leadsync.store import state
from leadsync.store.leads import LeadTable

if TYPE_CHECKING:
    from sqlalchemy import Engine


def index(engine: Engine) -> int:
    """Enter every lead's address into `sync_lead` where the lead is not there yet; return how many leads there are.

    A page is a transaction: killed anywhere, it is simply run again.
    """
    import pandas as pd  # noqa: PLC0415 - an idle cycle imports the module that calls this

    from leadsync.core.matching import KEY_LENGTH  # noqa: PLC0415
    from leadsync.core.types import email_key  # noqa: PLC0415

    total = 0
    for page in LeadTable(engine).everything(["email"]):
        ids, _, emails = zip(*page, strict=True)
        keys = email_key(pd.Series(emails, dtype="str"))
        keys = keys.where(keys.str.len().le(KEY_LENGTH)).astype("object")
        with engine.begin() as connection:
            state.keep_addresses(connection, dict(zip(ids, keys.where(keys.notna(), None), strict=True)))
        total += len(page)
    return total
