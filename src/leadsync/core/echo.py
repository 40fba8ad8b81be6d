"""Which changed records say nothing new: our own writes coming back, and what an earlier cycle has dealt with (R30)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leadsync.core import types
from leadsync.core.frames import look_up
from leadsync.core.matching import is_live
from leadsync.core.snapshot import unpack
from leadsync.core.three_way import same

if TYPE_CHECKING:
    import pandas as pd

    from leadsync.core.access import EffectiveMapping


def echoes(records: pd.DataFrame, sobject: str, links: pd.DataFrame, mapping: EffectiveMapping, us: str) -> pd.Series:
    """Say which records stand as their link last saw them (bool).

    Such a record is live, has its link's address and the values of its snapshot, and was last edited by us or at a
    moment that the link knows of.

    Args:
        records: as `matching.candidates` takes them for one object.
        sobject: the object.
        links: `record_id`, `email_key`, `record_snapshot` str, `current` bool, `record_edited_at` UTC.
        mapping: the effective mapping.
        us: the id of the user that we write as.
    """
    current = links[links["current"]].dropna(subset=["record_id"]).drop_duplicates("record_id").set_index("record_id")
    link = current.reindex(records["Id"]).set_axis(records.index)
    known = records["LastModifiedById"].eq(us) | records["LastModifiedDate"].le(link["record_edited_at"])
    echo = (
        (known & is_live(records) & types.email_key(records["Email"]).eq(link["email_key"]))
        .fillna(value=False)
        .astype(bool)
    )
    if not echo.any():
        return echo
    fields = mapping.on(sobject)
    was = unpack(look_up(records["Id"], current["record_snapshot"]).astype("str"), [f.field for f in fields])
    for field in fields:
        echo &= was[field.field].notna()
        now, then = records[field.api_name], was[field.field]
        echo &= now.fillna("").eq(then) | same(
            types.canonical(now, field, "record"), types.canonical(then, field, "record")
        )
    return echo
