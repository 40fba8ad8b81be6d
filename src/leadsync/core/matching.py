"""Which record belongs to which lead: e-mail keys, twins, duplicates, links (R3, R4).

One row per lead comes out, with its *fate*: `create` a record, go on as a `pair` with one, `skip` (no address),
`defer` (an earlier write is unresolved), or `none` where no record may be touched. A reason to hold the lead stands
beside it as `code` and `detail`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from leadsync.core import types
from leadsync.core.access import OBJECTS
from leadsync.core.frames import among, look_up

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from leadsync.core.access import EffectiveMapping

CREATES = "Lead"
"""An address found on neither object creates a Lead, never a Contact (R3)."""

KEY_LENGTH = 320
"""The longest address that may be anyone's key (RFC 3696: 64 + 1 + 255); a longer one is held and has no twin."""

_GONE = {"deleted": "api_record_deleted", "converted": "api_record_converted", "unseen": "api_not_found"}
"""What became of a linked record that is not live, and the code of its lead's hold."""

RECORD_GONE = frozenset(_GONE.values())
"""Codes that are about the record, not about the lead's address."""

LONGEST_CHAIN = 10
"""Conversions and merges, one after the other, that a link follows."""


def candidates(records: Mapping[str, pd.DataFrame], links: pd.DataFrame, user_id: str | None) -> pd.DataFrame:
    """Return the records that leads may be paired with, in both objects, each once.

    Args:
        records: object -> frame with `Id`, `Email`, `IsDeleted`, `MasterRecordId`, `IsConverted` and
            `ConvertedContactId` (Lead), `LastModifiedById`, `LastModifiedDate` (UTC).
        links: every known link of these records, with `record_id`, `current`, `record_edited_at`.
        user_id: the user that we write as; None where no address has several records.

    Returns:
        `record_id`, `sobject`, `email_key` str; `state` str (`live`, `deleted`, `converted`); `heir` str, the record
        that it was merged or converted into (R28, R29); `edited_at` datetime UTC, the last edit not made by us (NaT
        where none is known); `linked` bool.
    """
    parts = []
    for sobject, rows in records.items():
        state = _states(rows)
        heir = rows["MasterRecordId"]
        if "ConvertedContactId" in rows:
            heir = heir.fillna(rows["ConvertedContactId"])
        foreign = rows["LastModifiedDate"].where(rows["LastModifiedById"].ne(user_id or ""))
        parts.append(
            pd.DataFrame(
                {
                    "record_id": rows["Id"],
                    "sobject": pd.Series(sobject, index=rows.index, dtype="str"),
                    "email_key": types.email_key(rows["Email"]),
                    "state": state,
                    "heir": heir,
                    "edited_at": foreign,
                }
            )
        )
    found = pd.concat(parts).drop_duplicates("record_id", ignore_index=True)
    known = links.dropna(subset=["record_id"]).groupby("record_id")["record_edited_at"].max()
    found["edited_at"] = found["edited_at"].fillna(look_up(found["record_id"], known))
    found["linked"] = among(found["record_id"], links.loc[links["current"], "record_id"])
    return found


def _states(rows: pd.DataFrame) -> pd.Series:
    state = pd.Series("live", index=rows.index, dtype="str")
    if "IsConverted" in rows:
        state = state.mask(rows["IsConverted"].eq("true"), "converted")
    return state.mask(rows["IsDeleted"].eq("true"), "deleted")


def is_live(rows: pd.DataFrame) -> pd.Series:
    """Say which records of one object are neither deleted nor converted (bool)."""
    return _states(rows).eq("live")


def heirs(record_ids: pd.Series, found: pd.DataFrame) -> pd.Series:
    """Return the live record that each was merged or converted into in the end; NA where there is none (R28, R29)."""
    known = found.set_index("record_id")
    at = record_ids
    for _ in range(LONGEST_CHAIN):
        following = look_up(at, known["heir"]).where(look_up(at, known["state"]).ne("live"))
        if not following.notna().any():
            break
        at = at.mask(following.notna(), following)
    return at.where(look_up(at, known["state"]).eq("live") & at.ne(record_ids))


def choose(found: pd.DataFrame, *, contact_first: bool) -> pd.DataFrame:
    """Choose one live record per address: the newest edit not made by us (R4).

    Ties go to the current link, then to a Contact, then to the smallest id.

    Returns:
        The chosen rows of `found`, indexed by `email_key`.
    """
    live = found[found["state"].eq("live") & found["email_key"].notna()]
    ranked = live.assign(contact=live["sobject"].eq("Contact"))
    by, ascending = ["edited_at", "linked", "contact", "record_id"], [False, False, False, True]
    if contact_first:
        by, ascending = ["contact", *by], [False, *ascending]
    return (
        ranked.sort_values(by, ascending=ascending, na_position="last")
        .drop_duplicates("email_key")
        .set_index("email_key")
    )


def taken_by(
    wanted: pd.Series, leads: pd.DataFrame, matches: pd.DataFrame, found: pd.DataFrame, links: pd.DataFrame
) -> pd.Series:
    """Say who has the address that a lead would take from its record (R3, `address_taken`).

    Args:
        wanted: the address as compared, NA where a lead takes none; index as `leads` and `matches`.
        leads: as `match` takes them.
        matches: as `match` returns it.
        found: as `match` takes it.
        links: as `match` takes them.

    Returns:
        `lead 7`, or `Contact 003…`; NA where the address is free.
    """
    asking = wanted.notna()
    if not asking.any():
        return pd.Series(pd.NA, index=leads.index, dtype="str")
    own, record = leads["id"], matches["record_id"]
    current = links[links["current"]]
    holders = pd.concat(
        [
            pd.DataFrame({"key": matches["email_key"], "lead_id": own}),
            pd.DataFrame({"key": current["email_key"], "lead_id": current["lead_id"]}),
            pd.DataFrame({"key": wanted, "lead_id": own}),
        ]
    ).dropna()
    asked = pd.DataFrame({"key": wanted[asking], "lead_id": own[asking], "record_id": record[asking]}).reset_index()
    by_lead = asked.merge(holders, on="key", suffixes=("", "_other")).query("lead_id != lead_id_other")
    others = found.loc[found["state"].eq("live"), ["email_key", "record_id", "sobject"]]
    by_record = asked.merge(others, left_on="key", right_on="email_key", suffixes=("", "_other"))
    by_record = by_record[by_record["record_id"].ne(by_record["record_id_other"])]
    named = pd.concat(
        [
            ("lead " + by_lead["lead_id_other"].astype("str")).set_axis(by_lead["index"]),
            (by_record["sobject"] + " " + by_record["record_id_other"]).set_axis(by_record["index"]),
        ]
    )
    taken: pd.Series = named[~named.index.duplicated()].reindex(leads.index).astype("str")
    return taken


def match(
    leads: pd.DataFrame,
    found: pd.DataFrame,
    links: pd.DataFrame,
    mapping: EffectiveMapping,
    *,
    unresolved: Collection[int] = (),
    contact_first: bool = False,
    recreate_deleted: bool = False,
) -> pd.DataFrame:
    """Decide each lead's record.

    Args:
        leads: `id` int64, `email` str, `edited_at` datetime UTC (the last edit not made by us), `changed` bool; a twin
            of a changed lead is among them.
        found: as `candidates` returns it: every record with one of the addresses, and every linked record.
        links: `link_id`, `lead_id` int64; `email_key`, `sobject`, `record_id`, `state` str; `version` int64;
            `current` bool: the links of these leads, and those that hold one of these addresses or records.
        mapping: says on which objects the e-mail is readable.
        unresolved: leads of which an earlier write is neither known to have arrived nor known not to have.
        contact_first: the setting `duplicate_scope`.
        recreate_deleted: the setting of that name: an edited lead gets a new record for its deleted one (R29).

    Returns:
        Index as `leads`: `email_key`, `fate`, `sobject`, `record_id` str; `link_id`, `link_version` Int64 (the pair's
        own link, NA for a new pair); `closes`, `ousts` Int64 (links that end here: this lead's old one, another
        lead's); `closes_as` str (what became of the record left); `inherits` Int64 (the link whose snapshot a new
        pair goes on from); `code`, `detail` str.
    """
    state = _Matching(leads, links, found)
    state.set_aside_unusable(unresolved)
    state.hold_challengers(found)
    state.hold_twins()
    state.pair(choose(found, contact_first=contact_first))
    state.hold_gone(mapping, recreate_deleted=recreate_deleted)
    state.create(mapping)
    return state.out


class _Matching:
    """The decisions in their order; each looks only at leads that no earlier one has decided."""

    def __init__(self, leads: pd.DataFrame, links: pd.DataFrame, found: pd.DataFrame) -> None:
        self.leads, self.links = leads, links
        self.current = links[links["current"]]
        whole = dict.fromkeys(("link_id", "version"), "Int64")
        own = self.current.drop_duplicates("lead_id").set_index("lead_id").astype(whole).reindex(leads["id"])
        own.index = leads.index
        self.own = own
        self.linked = own["record_id"].notna()
        key = types.email_key(leads["email"])
        self.key = key
        self.changed = self.linked & key.notna() & key.ne(own["email_key"])
        seen = found.set_index("record_id")
        self.record_key = seen["email_key"]
        held_records = self.current.dropna(subset=["record_id"])
        self.holders = held_records.drop_duplicates("record_id").set_index("record_id")
        self.own_state = look_up(own["record_id"], seen["state"]).fillna("unseen")
        self.heir = heirs(own["record_id"], found)
        self.heir_object = look_up(self.heir, seen["sobject"])
        own_key = look_up(own["record_id"], self.record_key)
        self.changed_there = self.linked & own_key.notna() & own_key.ne(own["email_key"])
        text = {
            c: pd.Series(pd.NA, index=leads.index, dtype="str")
            for c in ("fate", "sobject", "record_id", "closes_as", "code", "detail")
        }
        number = {
            c: pd.Series(pd.NA, index=leads.index, dtype="Int64")
            for c in ("link_id", "link_version", "closes", "ousts", "inherits")
        }
        self.out = pd.DataFrame({"email_key": key, **text, **number})

    @property
    def open(self) -> pd.Series:
        """Say which leads are undecided."""
        return self.out["fate"].isna()

    def hold(self, mask: pd.Series, code: str, detail: pd.Series | str = "", *, fate: str = "none") -> None:
        """Give a fate and a reason to the leads of `mask`."""
        self.out.loc[mask, "fate"] = fate
        self.out.loc[mask, "code"] = code
        self.out.loc[mask, "detail"] = detail if isinstance(detail, str) else detail[mask]

    def keep_own(self, mask: pd.Series) -> None:
        """Go on with the record that the lead is linked with."""
        self.out.loc[mask, ["sobject", "record_id"]] = self.own.loc[mask, ["sobject", "record_id"]]
        self.out.loc[mask, "link_id"] = self.own.loc[mask, "link_id"]
        self.out.loc[mask, "link_version"] = self.own.loc[mask, "version"]

    def set_aside_unusable(self, unresolved: Collection[int]) -> None:
        """Defer what an earlier write left open, skip blank addresses, hold malformed ones."""
        waiting = self.own["state"].eq("creating").fillna(value=False).astype(bool) | self.leads["id"].isin(unresolved)
        self.out.loc[waiting | self.key.isin(self.key[waiting].dropna()), "fate"] = "defer"
        blank = self.open & self.key.isna()
        self.out.loc[blank & ~self.linked, "fate"] = "skip"
        cleared = blank & self.linked
        self.hold(cleared, "email_cleared", fate="pair")
        self.keep_own(cleared)
        malformed = self.open & ~types.email_well_formed(self.leads["email"])
        self.hold(malformed, "email_malformed")
        with_record = malformed & self.linked
        self.out.loc[with_record, "fate"] = "pair"
        self.keep_own(with_record)

    def hold_challengers(self, found: pd.DataFrame) -> None:
        """Hold a linked lead that changes its address to one that somebody else has (R3, `address_taken`)."""
        challengers = self.open & self.changed
        if not challengers.any():
            return
        at_home = self.open & ~challengers
        leads = self.leads.loc[at_home, "id"].groupby(self.key[at_home]).min()
        links = self.current.drop_duplicates("email_key").set_index("email_key")["lead_id"]
        others = found[found["state"].eq("live")]
        record = (others["sobject"] + " " + others["record_id"]).groupby(others["email_key"]).min()
        holder = look_up(self.key, leads).fillna(look_up(self.key, links))
        by_lead = challengers & holder.notna() & holder.ne(self.leads["id"])
        # Whoever gives an address up in this very cycle is waited for, not complained of.
        self.leaving = set(self.leads.loc[challengers & ~by_lead, "id"])
        self._wait_for(by_lead, holder)
        by_lead &= self.open
        self.hold(by_lead, "address_taken", "lead " + holder.astype("str"), fate="pair")
        named = look_up(self.key, record)
        by_record = (
            challengers
            & self.open
            & ~by_lead
            & named.notna()
            & named.ne(self.own["sobject"] + " " + self.own["record_id"])
        )
        self.hold(by_record, "address_taken", named, fate="pair")
        self.keep_own(by_lead | by_record)

    def hold_twins(self) -> None:
        """Of several leads with one address the newest syncs; tie: the linked one, then the smallest id (R3)."""
        rivals = self.leads.loc[self.open, ["id", "edited_at"]].assign(key=self.key, linked=self.linked)
        ranked = rivals.sort_values(["edited_at", "linked", "id"], ascending=[False, False, True], na_position="last")
        self.winners = ranked.drop_duplicates("key").set_index("key")["id"]
        winner = look_up(self.key, self.winners)
        losers = self.open & winner.ne(self.leads["id"])
        self.hold(losers, "email_twin", "lead " + winner.astype("str"))
        self.losers = set(self.leads.loc[losers, "id"])

    def pair(self, best: pd.DataFrame) -> None:
        """Pair each lead with its record: the linked one, its heir, or the chosen one of its address (R4, R28, R29)."""
        self.leaving = set(self.leads.loc[self.open & self.changed, "id"])
        live = self.linked & self.own_state.eq("live")
        record, sobject = look_up(self.key, best["record_id"]), look_up(self.key, best["sobject"])
        # A record is a lead's own whatever address it carries by now, unless a rival has the lead's and is newer (R4).
        stays = live & (self.changed | self.changed_there | record.isna())
        record, sobject = record.mask(stays, self.own["record_id"]), sobject.mask(stays, self.own["sobject"])
        # A rival that another lead holds is no rival.
        stays = live & ~self._free(record)
        record, sobject = record.mask(stays, self.own["record_id"]), sobject.mask(stays, self.own["sobject"])
        inherited = self.linked & ~live & self.heir.notna()
        record, sobject = record.mask(inherited, self.heir), sobject.mask(inherited, self.heir_object)
        out_of_sight = self.linked & self.own_state.eq("unseen")
        chosen = self.open & record.notna() & ~out_of_sight
        chosen = self._settle_claims(record, chosen, inherited)
        self.out.loc[chosen, "fate"] = "pair"
        self.out.loc[chosen, "record_id"] = record[chosen]
        self.out.loc[chosen, "sobject"] = sobject[chosen]
        moved = chosen & self.linked & record.ne(self.own["record_id"])
        self._close_own(moved)
        self.out.loc[moved & inherited & self.own_state.eq("deleted"), "closes_as"] = "merged"
        ever = self.links.dropna(subset=["record_id"]).drop_duplicates(["lead_id", "record_id"], keep="last")
        pair = pd.MultiIndex.from_frame(ever[["lead_id", "record_id"]])
        ours = ever.set_axis(pair)[["link_id", "version"]].astype("Int64")
        ours = ours.reindex(pd.MultiIndex.from_arrays([self.leads["id"], record])).set_axis(self.leads.index)
        # Column by column: with some of a frame's whole numbers missing, pandas 3.1 takes a place for a label.
        self.out.loc[chosen, "link_id"] = ours.loc[chosen, "link_id"].array
        self.out.loc[chosen, "link_version"] = ours.loc[chosen, "version"].array
        heirs_of = chosen & inherited & ours["link_id"].isna()
        self.out.loc[heirs_of, "inherits"] = self.own.loc[heirs_of, "link_id"].array

    def _free(self, record: pd.Series) -> pd.Series:
        """Say which records are nobody else's, or a losing twin's."""
        holder = look_up(record, self.holders["lead_id"])
        return holder.isna() | holder.eq(self.leads["id"]) | holder.isin(self.losers)

    def _settle_claims(self, record: pd.Series, chosen: pd.Series, inherited: pd.Series) -> pd.Series:
        """Return which leads get the record they chose: nobody takes one that another lead holds (R3, R29).

        A record that was merged carries one address: the lead with that address has it, whoever held it before.
        """
        holder = look_up(record, self.holders["lead_id"])
        foreign = chosen & holder.notna() & holder.ne(self.leads["id"])
        carried = look_up(record, self.record_key)
        at_home = look_up(record, self.holders["email_key"]).eq(carried)
        from_twin = foreign & holder.isin(self.losers)
        by_address = foreign & ~from_twin & inherited & carried.eq(self.key) & ~at_home
        takes = from_twin | by_address
        self._wait_for(foreign & ~takes, holder)
        self.hold(foreign & ~takes & self.open, "record_taken", "lead " + holder.astype("str"))
        heir = self.leads.loc[by_address, "id"].set_axis(record[by_address])
        heir = heir[~heir.index.duplicated()]
        ousted = chosen & ~foreign & record.isin(heir.index)
        self.hold(ousted, "record_taken", "lead " + look_up(record, heir).astype("str"))
        self.out.loc[takes, "ousts"] = look_up(record, self.holders["link_id"])[takes]
        return chosen & self.open

    def _close_own(self, leaves: pd.Series) -> None:
        """End the link of leads that go on with another record."""
        self.out.loc[leaves, "closes"] = self.own.loc[leaves, "link_id"]
        self.out.loc[leaves, "closes_as"] = self.own_state[leaves].mask(self.own_state.eq("live"), "moved")

    def hold_gone(self, mapping: EffectiveMapping, *, recreate_deleted: bool) -> None:
        """Hold a lead whose record is gone or out of sight, alone or with its object (R29, R40, R48)."""
        gone = self.open & self.linked & self.own_state.ne("live")
        again = gone & self.own_state.eq("deleted") & self.leads["changed"] & recreate_deleted
        self._close_own(again)
        gone &= ~again
        released = gone & self.own["sobject"].isin([name for name in OBJECTS if mapping.email(name) is None])
        self.hold(released, "object_released", self.own["sobject"])
        for state, code in _GONE.items():
            self.hold(gone & ~released & self.own_state.eq(state), code)

    def _wait_for(self, taken: pd.Series, holder: pd.Series) -> None:
        """Decide next time where the holder gives the address up in this very cycle."""
        self.out.loc[taken & holder.isin(self.leaving), "fate"] = "defer"

    def create(self, mapping: EffectiveMapping) -> None:
        """Create a Lead for an address that is on neither object (R3), unless a twin may be hidden (R40, R45)."""
        links = self.current.drop_duplicates("email_key").set_index("email_key")["lead_id"]
        holder = look_up(self.key, links)
        taken = self.open & holder.notna() & holder.ne(self.leads["id"])
        self._wait_for(taken, holder)
        self.hold(taken & self.open, "address_taken", "lead " + holder.astype("str"))
        target = mapping.objects.get(CREATES)
        email = mapping.email(CREATES)
        if email is None or not (email.pushed and email.createable) or target is None or not target.createable:
            self.hold(self.open, "object_released", CREATES)
        blind = [name for name in OBJECTS if mapping.email(name) is None]
        if blind:
            self.hold(self.open, "may_exist_unseen", ", ".join(blind))
        self.out.loc[self.open, "sobject"] = CREATES
        self.out.loc[self.open, "fate"] = "create"
