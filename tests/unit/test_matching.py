"""Which record belongs to which lead, case by case: one lead, what is linked, what Salesforce holds (R3, R4)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadsync.core import matching
from leadsync.core.access import EffectiveMapping, FieldState
from tests.unit.test_decide import NOON, leads, links, mapping, records

HOUR = dt.timedelta(hours=1)
A, B, C = "a@example.jp", "b@example.jp", "c@example.jp"


def lead(lead_id: int, email: str | None, hour: int = 0) -> dict[str, Any]:
    """Return a lead edited some hours after noon."""
    return {"id": lead_id, "email": email, "updated_at": NOON + hour * HOUR}


def record(record_id: str, email: str, hour: int = 0, sobject: str = "Lead", **values: Any) -> dict[str, Any]:
    """Return a record edited some hours after noon by somebody else."""
    return {"Id": record_id, "Email": email, "sobject": sobject, "LastModifiedDate": NOON + hour * HOUR, **values}


def link(link_id: int, lead_id: int, email_key: str, record_id: str, **values: Any) -> dict[str, Any]:
    """Return a current link."""
    return {"link_id": link_id, "lead_id": lead_id, "email_key": email_key, "record_id": record_id, **values}


def match(people: Any, found: Any = (), known: Any = (), org: EffectiveMapping | None = None, **further: Any) -> Any:
    """Match, and return the outcome by lead id."""
    frame, links_frame = leads(*people), links(*known)
    candidates = matching.candidates(records(*found), links_frame, "us")
    out = matching.match(frame, candidates, links_frame, org or mapping(), **further)
    assert out.index.equals(frame.index)
    return out.set_index(frame["id"])


def facts(out: pd.DataFrame, *columns: str) -> dict[int, tuple[Any, ...]]:
    """Return columns by lead, None for NA."""
    rows = out[list(columns)].astype("object")
    return dict(zip(out.index, rows.where(rows.notna(), None).itertuples(index=False, name=None), strict=True))


@pytest.mark.parametrize(
    ("email", "found", "known", "expected"),
    [
        pytest.param(A, [], [], ("create", "Lead", None, None), id="nobody has it: a Lead is created"),
        pytest.param(A, [record("R", A)], [], ("pair", "Lead", "R", None), id="a Lead has it"),
        pytest.param(A, [record("C", A, sobject="Contact")], [], ("pair", "Contact", "C", None), id="a Contact has it"),
        pytest.param("Ａ@EXAMPLE.jp ", [record("R", A)], [], ("pair", "Lead", "R", None), id="full-width, upper case"),
        pytest.param(A, [record("R", A, IsConverted="true")], [], ("create", "Lead", None, None), id="converted"),
        pytest.param(A, [record("R", A, IsDeleted="true")], [], ("create", "Lead", None, None), id="deleted"),
        pytest.param(None, [], [], ("skip", None, None, None), id="no address"),
        pytest.param("  ", [], [], ("skip", None, None, None), id="blank address"),
        pytest.param("a@", [], [], ("none", None, None, "email_malformed"), id="malformed"),
        pytest.param(A, [record("R", A)], [link(1, 1, A, "R")], ("pair", "Lead", "R", None), id="linked"),
        pytest.param(
            A,
            [record("R", C)],
            [link(1, 1, A, "R")],
            ("pair", "Lead", "R", None),
            id="the record's address was changed",
        ),
        pytest.param(
            B, [record("R", A)], [link(1, 1, A, "R")], ("pair", "Lead", "R", None), id="the lead's was changed"
        ),
        pytest.param(
            None,
            [record("R", A)],
            [link(1, 1, A, "R")],
            ("pair", "Lead", "R", "email_cleared"),
            id="the lead's was cleared",
        ),
        pytest.param(
            "a@", [record("R", A)], [link(1, 1, A, "R")], ("pair", "Lead", "R", "email_malformed"), id="mistyped since"
        ),
        pytest.param(
            A,
            [record("R", A, IsDeleted="true")],
            [link(1, 1, A, "R")],
            ("none", None, None, "api_record_deleted"),
            id="the linked record was deleted",
        ),
        pytest.param(
            A,
            [record("R", A, IsConverted="true"), record("C", A, sobject="Contact")],
            [link(1, 1, A, "R")],
            ("pair", "Contact", "C", None),
            id="the linked record was converted, its address is on a Contact",
        ),
        pytest.param(
            A,
            [record("R", A, IsConverted="true")],
            [link(1, 1, A, "R")],
            ("none", None, None, "api_record_converted"),
            id="the linked record was converted out of sight",
        ),
        pytest.param(
            A,
            [record("R", A, IsConverted="true", ConvertedContactId="C"), record("C", C, sobject="Contact")],
            [link(1, 1, A, "R")],
            ("pair", "Contact", "C", None),
            id="R28: converted, the link follows",
        ),
        pytest.param(
            A,
            [record("R", A, IsDeleted="true", MasterRecordId="S"), record("S", C)],
            [link(1, 1, A, "R")],
            ("pair", "Lead", "S", None),
            id="R29: merged, the link follows",
        ),
        pytest.param(
            A,
            [
                record("R", A, IsDeleted="true", MasterRecordId="S"),
                record("S", A, IsConverted="true", ConvertedContactId="C"),
                record("C", A, sobject="Contact"),
            ],
            [link(1, 1, A, "R")],
            ("pair", "Contact", "C", None),
            id="R28, R29: merged, then converted",
        ),
        pytest.param(
            A,
            [record("R", A, IsDeleted="true"), record("S", A)],
            [link(1, 1, A, "R")],
            ("pair", "Lead", "S", None),
            id="R4: deleted, another record has the address",
        ),
        pytest.param(
            A,
            [record("S", A)],
            [link(1, 1, A, "R")],
            ("none", None, None, "api_not_found"),
            id="R4: hidden does not move",
        ),
        pytest.param(A, [], [link(1, 1, A, "R")], ("none", None, None, "api_not_found"), id="the linked one is unseen"),
        pytest.param(
            B,
            [record("R", A), record("S", B)],
            [link(1, 1, A, "R")],
            ("pair", "Lead", "R", "address_taken"),
            id="taken",
        ),
        pytest.param(
            A, [], [link(1, 9, A, "R")], ("none", None, None, "address_taken"), id="another lead's link has it"
        ),
        pytest.param(
            A,
            [],
            [link(1, 1, A, "", state="creating") | {"record_id": None}],
            ("defer", None, None, None),
            id="a create is under way",
        ),
    ],
)
def test_one_lead(email: str | None, found: Any, known: Any, expected: tuple[Any, ...]) -> None:
    """R3, R4, R28, R29, R48: what becomes of one lead."""
    out = match([lead(1, email)], found, known)
    assert facts(out, "fate", "sobject", "record_id", "code") == {1: expected}


@pytest.mark.parametrize(
    ("people", "known", "winner", "takes"),
    [
        pytest.param([lead(1, A, 0), lead(2, A, 1)], [], 2, None, id="the newest edit"),
        pytest.param([lead(1, A, 1), lead(2, A, 1)], [], 1, None, id="tie: the smallest id"),
        pytest.param([lead(1, A, 1), lead(2, A, 1)], [link(7, 2, A, "R")], 2, None, id="tie: the linked one"),
        pytest.param([lead(1, A, 1), lead(2, A, 0)], [link(7, 2, A, "R")], 1, 7, id="it takes the loser's record"),
        pytest.param([lead(1, A, 0) | {"updated_at": None}, lead(2, A, 0)], [], 2, None, id="no stamp is the oldest"),
    ],
)
def test_twins(people: Any, known: Any, winner: int, takes: int | None) -> None:
    """R3: of two leads with one address one syncs, in whatever order they come; the other is held and named."""
    for order in (people, people[::-1]):
        out = match(order, [record("R", A)], known)
        loser = 3 - winner
        assert facts(out, "fate", "record_id", "code", "detail", "ousts") == {
            winner: ("pair", "R", None, None, takes),
            loser: ("none", None, "email_twin", f"lead {winner}", None),
        }


@pytest.mark.parametrize(
    ("found", "known", "chosen", "closes"),
    [
        pytest.param(
            [record("R", A, 0), record("S", A, 1)], [link(7, 1, A, "R")], "S", 7, id="a newer one is moved to"
        ),
        pytest.param([record("R", A, 1), record("S", A, 1)], [link(7, 1, A, "S")], "S", None, id="tie: the linked one"),
        pytest.param(
            [record("R", A, 5, LastModifiedById="us"), record("S", A, 1)],
            [link(7, 1, A, "R")],
            "S",
            7,
            id="ours: no pin",
        ),
        pytest.param(
            [record("R", A, 0), record("S", A, 5, LastModifiedById="us")],
            [link(7, 1, A, "R")],
            "R",
            None,
            id="ours: no move",
        ),
        pytest.param(
            [record("S", A, 1), record("T", A, 0)],
            [link(7, 1, A, "S"), link(8, 9, C, "T")],
            "S",
            None,
            id="another lead's record is older",
        ),
    ],
)
def test_a_link_moves(found: Any, known: Any, chosen: str, closes: int | None) -> None:
    """R4: the newest edit that was not ours decides; a move ends the old link."""
    for order in (found, found[::-1]):
        assert facts(match([lead(1, A)], order, known), "record_id", "closes") == {1: (chosen, closes)}


def test_contact_first() -> None:
    """R4: the setting lets an older Contact go before a newer Lead."""
    found = [record("R", A, 5), record("C", A, 0, sobject="Contact")]
    assert facts(match([lead(1, A)], found), "record_id") == {1: ("R",)}
    assert facts(match([lead(1, A)], found, contact_first=True), "record_id") == {1: ("C",)}


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        pytest.param({1: B, 2: C}, {1: ("defer", None), 2: ("pair", None)}, id="waits for one who leaves"),
        pytest.param({1: B, 2: B}, {1: ("pair", "address_taken"), 2: ("pair", None)}, id="not for one who stays"),
        pytest.param(
            {1: B, 2: A}, {1: ("pair", "address_taken"), 2: ("pair", "address_taken")}, id="a swap is for a person"
        ),
        pytest.param(
            {1: B, 2: C, 3: "d@example.jp"},
            {1: ("pair", "address_taken"), 2: ("defer", None), 3: ("pair", None)},
            id="a chain goes link by link",
        ),
    ],
)
def test_address_changes_of_one_cycle(moves: dict[int, str], expected: dict[int, Any]) -> None:
    """R3: leads 1, 2, 3 had a@, b@, c@; nobody gets an address that another one still has."""
    old = dict(zip((1, 2, 3), (A, B, C), strict=True))
    known = [link(i, i, old[i], f"R{i}") for i in moves]
    found = [record(f"R{i}", old[i]) for i in moves]
    people = [lead(i, email) for i, email in moves.items()]
    for order in (people, people[::-1]):
        assert facts(match(order, found, known).sort_index(), "fate", "code") == expected


def _without_email(org: EffectiveMapping, sobject: str, **change: Any) -> EffectiveMapping:
    """Return the mapping with one object's e-mail field changed."""
    fields = [f.model_copy(update=change) if (f.field, f.sobject) == ("email", sobject) else f for f in org.fields]
    return org.model_copy(update={"fields": tuple(fields)})


@pytest.mark.parametrize(
    ("sobject", "change", "code"),
    [
        ("Lead", {"state": FieldState.RELEASED}, "object_released"),
        ("Lead", {"state": FieldState.READ_ONLY}, "object_released"),
        ("Lead", {"createable": False}, "object_released"),
        ("Contact", {"state": FieldState.RELEASED}, "may_exist_unseen"),
        ("Contact", {"state": FieldState.READ_ONLY}, None),
    ],
)
def test_nothing_is_created_blindly(sobject: str, change: dict[str, Any], code: str | None) -> None:
    """R3, R40, R45: not without a place for the address, nor where a twin may be hidden."""
    out = match([lead(1, A)], org=_without_email(mapping(), sobject, **change))
    assert facts(out, "code") == {1: (code,)}
    assert out.loc[1, "fate"] == ("none" if code else "create")


def test_no_lead_at_all() -> None:
    """An empty frame gives an empty one, with every column."""
    nobody = leads({"id": 1}).iloc[:0]
    out = matching.match(nobody, matching.candidates(records(), links(), "us"), links(), mapping())
    assert out.empty
    assert {"fate", "record_id", "link_id", "closes", "ousts", "code"} <= set(out.columns)


ADDRESSES = st.sampled_from([A, B, C, "Ａ@example.jp", None, "bad@"])


@settings(max_examples=80, deadline=None)
@given(
    people=st.lists(st.tuples(ADDRESSES, st.integers(0, 2)), min_size=1, max_size=5),
    found=st.lists(
        st.tuples(st.sampled_from([A, B, C]), st.integers(0, 2), st.sampled_from(["Lead", "Contact"]), st.booleans()),
        max_size=4,
    ),
    pairs=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([A, B, C, "d@example.jp"])), max_size=4
    ),
    draw=st.randoms(),
)
def test_whatever_is_matched(people: Any, found: Any, pairs: Any, draw: Any) -> None:
    """R3: a fate for every lead, a record for at most one, one create an address, whatever the order of the rows."""
    rows = [lead(i, email, hour) for i, (email, hour) in enumerate(people)]
    there = [
        record(f"R{i}", email, hour, sobject, IsDeleted=str(deleted).lower())
        for i, (email, hour, sobject, deleted) in enumerate(found)
    ]
    known: list[dict[str, Any]] = []
    for number, (lead_id, place, key) in enumerate(pairs):
        taken = {(x["lead_id"], "lead") for x in known} | {(x["record_id"], "record") for x in known}
        taken |= {(x["email_key"], "key") for x in known}
        if not taken & {(lead_id, "lead"), (f"R{place}", "record"), (key, "key")}:
            known.append(link(number + 1, lead_id, key, f"R{place}"))
    out = match(rows, there, known)
    assert out["fate"].isin(["create", "pair", "skip", "defer", "none"]).all()
    paired = out.loc[out["fate"].eq("pair"), "record_id"]
    assert paired.notna().all()
    assert not paired.duplicated().any()
    creates = out.loc[out["fate"].eq("create"), "email_key"]
    assert not creates.duplicated().any()
    assert not set(creates) & {x["email_key"] for x in known if x["lead_id"] not in set(creates.index)}
    for side in (rows, there, known):
        draw.shuffle(side)
    again = match(rows, there, known).loc[out.index]
    pd.testing.assert_frame_equal(again, out)
