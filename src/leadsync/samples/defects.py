"""What people enter wrongly: a fixed number of every thousand leads, each labelled with the code that holds it.

Which leads are bad follows from their ids alone, so a thousand leads in a row always hold the same numbers of each
kind, and a lead that `is_good` can be told without the lists that made it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LABELS = ("defect", "defect_field")
"""The columns that `plant` adds: the code of what is wrong, and the column that it is in."""

THOUSAND = 1000
_STEP = 617
"""Coprime to a thousand: spreads the slots, and lets the lead behind a twin be a good one."""
_OFFSET = 500
"""Lets the last lead of each thousand be a good one: a twin needs another lead behind it."""


@dataclass(frozen=True)
class Defect:
    """A bad value, or a good one in an unusual spelling, in `leads` of each thousand leads."""

    column: str
    code: str
    """The code that holds the lead; `email_blank` where it is skipped; empty where the value is good."""
    leads: int
    entered: tuple[str | None, ...]
    """Taken in turn. May name the lead's `{id}`, its address as `{email}`, `{EMAIL}` or in full width as `{wide}`,
    and the address of the lead behind it as `{next}` or `{NEXT}`."""


_BLANKS = (None, "", "  ", "　")

DEFECTS = (
    # The lead behind the twin is written later, so that it is the newer one and syncs (R3).
    Defect("email", "email_twin", 10, ("{next}", "{NEXT}")),
    Defect("email", "email_blank", 10, _BLANKS),
    Defect(
        "email",
        "email_malformed",
        10,
        (
            *("sato{id}example.jp", "sato{id}@", "@example.jp", "sato {id}@example.jp", "sato{id}@@example.jp"),
            *("sato{id}@example", ".sato{id}@example.jp", "佐藤{id}@example.jp", "sato{id}@example,jp"),
            "sato{id}@example.jp; suzuki{id}@example.jp",
        ),
    ),
    Defect("email", "", 10, ("{EMAIL}",)),
    Defect("email", "", 10, ("{wide}",)),
    Defect("email", "", 5, (" {email}", "{email}　")),
    Defect("email", "too_long", 2, ("{id}." + "kakuchou." * 40 + "sato@example.jp",)),
    Defect("last_name", "required_missing", 5, _BLANKS),
    Defect("company", "required_missing", 10, _BLANKS),
    Defect("company", "too_long", 3, ("株式会社" + "とても長い名前の会社" * 26,)),
    Defect("last_name", "too_long", 2, ("寿限無" * 27,)),
    Defect("first_name", "too_long", 2, ("長助" * 21,)),
    Defect("title", "too_long", 3, ("営業推進部長 兼 " * 15,)),
    Defect("postal_code", "too_long", 2, ("〒100-0005 千代田区丸の内郵便局留置",)),
    Defect("address1", "too_long", 2, ("東京都千代田区" * 6,)),
    Defect("address2", "too_long", 2, ("丸の内1-1-1　第一ビル、" * 19,)),
    Defect("phone", "too_long", 2, ("03-3528-1817 / 03-3528-1818 / 03-3528-1819",)),
    Defect("website", "too_long", 2, ("https://www.example.jp/" + "campaign/" * 26,)),
    Defect("phone", "phone_format", 5, ("未登録", "なし", "代表にかけてください")),
    Defect("mobile_phone", "phone_format", 3, ("会社と同じ", "ー")),
    Defect("website", "url_format", 5, ("準備中", "http://", "www example jp")),
    Defect("delivery_status", "delivery_status_value", 5, ("停止",)),
)
"""What the columns of every platform can show."""


def slots(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each lead's place, 0 to 999, among the thousand it belongs to."""
    return (ids * _STEP + _OFFSET) % THOUSAND


def is_good(ids: NDArray[np.int64], defects: Sequence[Defect]) -> NDArray[np.bool_]:
    """Say which leads have no planted value at all, neither a bad nor an unusual one."""
    return slots(ids) >= sum(defect.leads for defect in defects)


def plant(leads: pd.DataFrame, defects: Sequence[Defect]) -> None:
    """Put the bad values into `leads` and label them in the new columns of `LABELS`."""
    ids, slot = leads["id"].to_numpy(), slots(leads["id"].to_numpy())
    following = leads["email"].shift(-1)
    for label in LABELS:
        leads[label] = pd.Series("", index=leads.index, dtype="str")
    ends = accumulate(defect.leads for defect in defects)
    for defect, end in zip(defects, ends, strict=True):
        start = end - defect.leads
        rows = np.flatnonzero((slot >= start) & (slot < end))
        if defect.code == "email_twin":
            rows = rows[rows < len(leads) - 1]
        turn = (slot[rows] - start + ids[rows] // THOUSAND * defect.leads) % len(defect.entered)
        emails, nexts = leads["email"].iloc[rows], following.iloc[rows]
        values = [
            _fill(defect.entered[which], lead, email, behind)
            for which, lead, email, behind in zip(turn, ids[rows], emails, nexts, strict=True)
        ]
        leads.loc[leads.index[rows], defect.column] = pd.array(values, dtype="str")
        if defect.code:
            leads.loc[leads.index[rows], list(LABELS)] = [defect.code, defect.column]


def _fill(value: str | None, lead: int, email: str, behind: str) -> str | None:
    if value is None or "{" not in value:
        return value
    return value.format(
        id=lead, email=email, EMAIL=email.upper(), wide=_wide(email), next=behind, NEXT=str(behind).upper()
    )


def _wide(text: str) -> str:
    """Write ASCII in full width, as a Japanese keyboard does when nobody switches it."""
    wide = "".join(chr(ord(character) + 0xFEE0) for character in text)
    return wide if unicodedata.normalize("NFKC", wide) == text else text
