"""The decision of a cycle as a pure function: tables a product manager can read, and whatever hypothesis thinks of."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadsync.core.access import ActiveField, EffectiveMapping, FieldState, SObjectAccess
from leadsync.core.mapping import FieldType
from leadsync.core.plan import WRITES, Plan, Staged, decide
from leadsync.core.snapshot import pack

NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
FIELDS = {
    "email": ("Email", "email", FieldType.EMAIL),
    "last_name": ("LastName", "string", FieldType.TEXT),
    "title": ("Title", "string", FieldType.TEXT),
    "delivery_status": ("HasOptedOutOfEmail", "boolean", FieldType.DELIVERY_STATUS),
}
VERDICTS = pd.DataFrame(columns=["lead_id", "sobject", "field", "code", "rule", "value", "detail"], dtype="str").astype(
    {"lead_id": "int64"}
)
LINK = {
    "link_id": "int64",
    "lead_id": "int64",
    "email_key": "str",
    "sobject": "str",
    "record_id": "str",
    "state": "str",
    "current": "bool",
    "version": "int64",
    "lead_snapshot": "str",
    "record_snapshot": "str",
}


def mapping() -> EffectiveMapping:
    """Return four fields, mapped on both objects."""
    fields = tuple(
        ActiveField(
            field=field,
            label=field,
            type=kind,
            sobject=sobject,
            api_name=api_name,
            state=FieldState.ACTIVE,
            sf_type=sf_type,
            length=80,
            createable=True,
            updateable=True,
        )
        for sobject in ("Lead", "Contact")
        for field, (api_name, sf_type, kind) in FIELDS.items()
    )
    objects = {
        name: SObjectAccess(sobject=name, readable=True, email=True, createable=True, updateable=True)
        for name in ("Lead", "Contact")
    }
    return EffectiveMapping(version="v", fields=fields, objects=objects)


def leads(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return staged leads; a row says what differs from a plain one."""
    plain = {"last_name": "山田", "title": None, "delivery_status": "delivering", "updated_at": NOON, "changed": True}
    frame = pd.DataFrame([{"email": f"lead{row['id']}@example.jp", **plain, **row} for row in rows])
    frame = frame.astype(dict.fromkeys(FIELDS, "str") | {"id": "int64"})
    frame = frame.assign(edited_at=frame["updated_at"])
    return frame.assign(row_hash=pd.Series("h", index=frame.index, dtype="str"))


def records(*rows: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Return records by object; `sobject` says on which, the rest what differs from a plain one."""
    plain = {
        "IsDeleted": "false",
        "MasterRecordId": None,
        "IsConverted": "false",
        "ConvertedContactId": None,
        "LastModifiedById": "other",
        "LastModifiedDate": NOON,
        "LastName": "佐藤",
        "Title": None,
        "HasOptedOutOfEmail": "false",
    }
    found = {}
    for sobject in ("Lead", "Contact"):
        mine = [{**plain, **row} for row in rows if row["sobject"] == sobject]
        frame = pd.DataFrame(mine, columns=["Id", "Email", *plain])
        text = [name for name in frame if name != "LastModifiedDate"]
        frame = frame.astype(dict.fromkeys(text, "str"))
        found[sobject] = frame.assign(LastModifiedDate=pd.to_datetime(frame["LastModifiedDate"], utc=True))
    return found


def links(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return links; a row says what differs from a current one at version 1 that never agreed on anything."""
    plain = {"state": "linked", "current": True, "version": 1, "lead_snapshot": "{}", "record_snapshot": "{}"}
    frame = pd.DataFrame([{"sobject": "Lead", **plain, **row} for row in rows], columns=list(LINK)).astype(LINK)
    return frame.assign(record_edited_at=pd.to_datetime(pd.Series(pd.NaT, index=frame.index), utc=True))


def agreed(lead: dict[str, str], record: dict[str, str]) -> dict[str, str]:
    """Return a link's snapshots."""
    sides = zip(("lead_snapshot", "record_snapshot"), (lead, record), strict=True)
    return {name: pack(pd.DataFrame([values], dtype="str"))[0] for name, values in sides}


SEND, TAKE, LEAVE = "send", "take", "leave"


def plan(staged_leads: pd.DataFrame, *, found: Any = None, known: Any = None, **further: Any) -> Plan:
    """Decide."""
    return decide(
        Staged(
            staged_leads,
            records() if found is None else found,
            links() if known is None else known,
            VERDICTS,
            user_id="us",
            **further,
        ),
        mapping(),
    )


def kinds(made: Plan) -> dict[int, str]:
    """Return each lead's turn."""
    return dict(zip(made.actions["lead_id"], made.actions["kind"], strict=True))


def sent(made: Plan) -> list[tuple[str, str | None, str | None]]:
    """Return what is sent: API name, old, new."""
    columns = made.sends[["api_name", "old", "new"]].astype("object")
    return [tuple(row) for row in columns.where(columns.notna(), None).itertuples(index=False)]


def taken(made: Plan) -> list[tuple[str, str | None, str | None]]:
    """Return what the leads take: field, old, new."""
    columns = made.takes[["field", "old", "new"]].astype("object")
    return [tuple(row) for row in columns.where(columns.notna(), None).itertuples(index=False)]


@pytest.mark.parametrize(
    ("now", "was", "there", "there_was", "expected"),
    [
        pytest.param("部長", None, None, None, SEND, id="first contact: the record's blank is filled"),
        pytest.param(None, None, "課長", None, TAKE, id="first contact: the lead's blank is filled"),
        pytest.param("部長", None, "課長", None, TAKE, id="first contact: different values, the newest wins"),
        pytest.param("部長", "部長", "課長", "課長", LEAVE, id="unchanged on both sides, different by rule"),
        pytest.param("部長", "課長", "課長", "課長", SEND, id="the lead changed"),
        pytest.param(None, "課長", "課長", "課長", SEND, id="the lead was cleared"),
        pytest.param("課長", "課長", "社長", "課長", TAKE, id="the record changed"),
        pytest.param("課長", "課長", None, "課長", TAKE, id="the record was cleared"),
        pytest.param("部長", "課長", "部長", "課長", LEAVE, id="both changed to the same"),
        pytest.param(None, "課長", None, "課長", LEAVE, id="both were cleared"),
        pytest.param(
            "部長", "課長", "社長", "課長", TAKE, id="both changed: the newest wins, Salesforce where in doubt"
        ),
        pytest.param("部長", "", None, "", SEND, id="agreed on nothing, then the lead was filled"),
    ],
)
def test_merge(now: str | None, was: str | None, there: str | None, there_was: str | None, expected: str) -> None:
    """R30, R31: what becomes of one field, by what each side holds and held."""
    snapshots = {} if was is None else agreed({"title": was}, {"title": there_was or ""})
    known = links({"link_id": 1, "lead_id": 1, "email_key": "lead1@example.jp", "record_id": "R", **snapshots})
    found = records({"Id": "R", "Email": "lead1@example.jp", "sobject": "Lead", "LastName": "山田", "Title": there})
    made = plan(leads({"id": 1, "title": now}), found=found, known=known)
    assert sent(made) == ([("Title", there, now)] if expected == SEND else [])
    assert taken(made) == ([("title", now, there)] if expected == TAKE else [])
    assert kinds(made) == {1: {SEND: "update", TAKE: "pull", LEAVE: "keep"}[expected]}


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        pytest.param(1, SEND, id="the lead is newer"),
        pytest.param(-1, TAKE, id="the record is newer"),
        pytest.param(0, TAKE, id="at once: Salesforce wins"),
        pytest.param(48, TAKE, id="a lead from the future: Salesforce wins"),
    ],
)
def test_the_newest_edit_wins_a_conflict(hours: int, expected: str) -> None:
    """R30: of two different changes the later one wins, and the other is kept as the loser."""
    known = links(
        {
            "link_id": 1,
            "lead_id": 1,
            "email_key": "lead1@example.jp",
            "record_id": "R",
            **agreed({"title": "課長"}, {"title": "課長"}),
        }
    )
    found = records({"Id": "R", "Email": "lead1@example.jp", "sobject": "Lead", "LastName": "山田", "Title": "社長"})
    lead = leads({"id": 1, "title": "部長", "updated_at": NOON + dt.timedelta(hours=hours)})
    made = plan(lead, found=found, known=known, now=NOON + dt.timedelta(hours=24))
    moved = made.sends if expected == SEND else made.takes
    assert moved.loc[moved["field"].eq("title"), "conflict"].tolist() == [True]
    assert made.counts()["conflicts"] == 1


@pytest.mark.parametrize(
    ("status", "was", "there", "there_was", "expected"),
    [
        pytest.param("stopped", None, "false", None, SEND, id="first contact: stopped wins, the lead's"),
        pytest.param("delivering", None, "true", None, TAKE, id="first contact: stopped wins, the record's"),
        pytest.param("stopped", "delivering", "false", "false", SEND, id="R8: the lead was stopped"),
        pytest.param("delivering", "stopped", "true", "true", SEND, id="R8: the lead was resumed"),
        pytest.param("delivering", "delivering", "true", "false", TAKE, id="R6: stopped in Salesforce"),
        pytest.param("stopped", "stopped", "false", "true", LEAVE, id="R7: withdrawn in Salesforce"),
        pytest.param("stopped", "stopped", "false", "false", LEAVE, id="R7: withdrawn some time ago"),
        pytest.param("delivering", "stopped", "true", "false", TAKE, id="R8: resumed, but stopped anew unseen"),
        pytest.param("delivering", "", "true", "true", TAKE, id="R8: resumed from a state that we did not store"),
        pytest.param("stopped", "stopped", "true", "true", LEAVE, id="stopped on both sides"),
        pytest.param(None, "stopped", "true", "true", TAKE, id="a cleared status is no resumption"),
    ],
)
def test_delivery_status(status: str | None, was: str | None, there: str, there_was: str | None, expected: str) -> None:
    """R6, R7, R8: the opt-out's ratchet."""
    snapshots = {} if was is None else agreed({"delivery_status": was}, {"delivery_status": there_was or ""})
    known = links({"link_id": 1, "lead_id": 1, "email_key": "lead1@example.jp", "record_id": "R", **snapshots})
    row = {"Id": "R", "Email": "lead1@example.jp", "sobject": "Lead", "LastName": "山田", "HasOptedOutOfEmail": there}
    made = plan(leads({"id": 1, "delivery_status": status}), found=records(row), known=known)
    new = "true" if status == "stopped" else "false"
    assert sent(made) == ([("HasOptedOutOfEmail", there, new)] if expected == SEND else [])
    assert taken(made) == ([("delivery_status", status, "stopped")] if expected == TAKE else [])


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        pytest.param([("L1", "Lead", 0), ("C1", "Contact", 1)], "C1", id="the newest edit"),
        pytest.param([("L1", "Lead", 1), ("C1", "Contact", 0)], "L1", id="the newest edit, on a Lead"),
        pytest.param([("L1", "Lead", 0), ("C1", "Contact", 0)], "C1", id="tie: the Contact"),
        pytest.param([("L2", "Lead", 0), ("L1", "Lead", 0)], "L1", id="tie: the smallest id"),
    ],
)
def test_duplicates_in_salesforce(rows: list[tuple[str, str, int]], chosen: str) -> None:
    """R4: of several records with the address one is chosen, whatever order they come in."""
    made = [
        {"Id": i, "sobject": s, "Email": "LEAD1@example.jp", "LastModifiedDate": NOON + dt.timedelta(hours=h)}
        for i, s, h in rows
    ]
    for order in (made, made[::-1]):
        assert plan(leads({"id": 1}), found=records(*order)).actions["record_id"].tolist() == [chosen]


def test_a_record_that_is_another_leads_is_not_taken() -> None:
    """R29: somebody gave lead 1's record the address of lead 2 in Salesforce; lead 2 is held, naming lead 1."""
    known = links({"link_id": 1, "lead_id": 1, "email_key": "lead1@example.jp", "record_id": "R"})
    made = plan(
        leads({"id": 1}, {"id": 2}),
        found=records({"Id": "R", "Email": "lead2@example.jp", "sobject": "Lead"}),
        known=known,
    )
    assert kinds(made) == {1: "pull", 2: "hold"}
    assert sorted(made.errors[["lead_id", "code", "detail"]].to_numpy().tolist()) == [
        [1, "address_taken", "lead 2"],
        [2, "record_taken", "lead 1"],
    ]
    assert "email" not in set(made.takes["field"])


def test_ids_beyond_what_a_float_can_hold() -> None:
    """Two leads whose ids differ only behind 2^53 stay two leads, and are named exactly."""
    big = 2**60
    made = plan(leads({"id": big, "email": "a@example.jp"}, {"id": big + 1, "email": "a@example.jp", "changed": True}))
    assert kinds(made) == {big: "create", big + 1: "hold"}
    assert made.errors["detail"].tolist() == [f"lead {big}"]


def test_old_and_new_pairs_behind_a_lead_without_an_address() -> None:
    """R4: a linked lead and one whose record has just appeared are paired in the same cycle, whatever stands before."""
    made = plan(
        leads({"id": 1, "email": None}, {"id": 2}, {"id": 3}),
        found=records(*({"Id": f"R{i}", "Email": f"lead{i}@example.jp", "sobject": "Lead"} for i in (2, 3))),
        known=links({"link_id": 5, "lead_id": 2, "email_key": "lead2@example.jp", "record_id": "R2"}),
    )
    assert kinds(made) == {1: "skip", 2: "pull", 3: "link"}
    assert made.actions["link_id"].fillna(0).tolist() == [0, 5, 0]


def test_unresolved_leads_and_their_twins_wait() -> None:
    """R3: while an earlier write of an address is unresolved, nobody with that address is decided."""
    made = plan(leads({"id": 1}, {"id": 2, "email": "LEAD1@example.jp"}, {"id": 3}), unresolved=[1])
    assert kinds(made) == {1: "defer", 2: "defer", 3: "create"}


EMAILS = st.sampled_from(["a@example.jp", "A@example.jp", "b@example.jp", "c@example.jp", "", "bad@"])
TITLES = st.sampled_from([None, "部長", "課長"])
STATUS = st.sampled_from(["delivering", "stopped"])
LEADS = st.lists(st.tuples(EMAILS, TITLES, STATUS, st.integers(0, 3)), min_size=1, max_size=6)
RECORDS = st.lists(
    st.tuples(EMAILS.filter("@example".__contains__), st.sampled_from(["Lead", "Contact"]), TITLES, st.integers(0, 3)),
    max_size=4,
)
LINKS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=4, unique_by=(lambda x: x[0], lambda x: x[1])
)


def _after(made: Plan, staged: list[Any], found: list[Any], known: list[Any]) -> Plan:
    """Carry the plan out in memory, as `load` does on the real sides, and decide again with nobody editing."""
    found = [dict(row) for row in found]
    by_id = {row["Id"]: row for row in found}
    values: dict[int, dict[str, Any]] = {}
    for change in made.sends.to_dict("records"):
        values.setdefault(change["lead_id"], {})[change["api_name"]] = change["new"]
    rows = {row["id"]: dict(row) for row in staged}
    for take in made.takes.to_dict("records"):
        rows[take["lead_id"]][take["field"]] = take["new"]
    ended = {*made.actions["closes"].dropna(), *made.actions["ousts"].dropna()}
    pairs = {link["link_id"]: link | {"current": link["link_id"] not in ended} for link in known}
    for action in made.actions.to_dict("records"):
        lead_id, kind = action["lead_id"], action["kind"]
        if kind == "create":
            action["record_id"] = f"N{lead_id}"
            by_id[action["record_id"]] = {"Id": action["record_id"], "sobject": "Lead", "Email": None}
            found.append(by_id[action["record_id"]])
        if kind not in {"create", "update", "stop", "pull", "link", "keep", "hold"}:
            continue
        if pd.isna(action["record_id"]):
            continue
        by_id[action["record_id"]].update(values.get(lead_id, {}))
        link_id = action["link_id"] if pd.notna(action["link_id"]) else 100 + lead_id
        before = pairs.get(link_id, {"email_key": action["email_key"]})
        key = action["email_key"] if kind != "stop" and pd.notna(action["email_key"]) else before["email_key"]
        same = {name: action[name] for name in ("sobject", "record_id", "lead_snapshot", "record_snapshot")}
        pairs[link_id] = {"link_id": link_id, "lead_id": lead_id, "email_key": key, "current": True, **same}
    quiet = [row | {"changed": False} for row in rows.values()]
    return plan(leads(*quiet), found=records(*found), known=links(*pairs.values()))


@settings(max_examples=60, deadline=None)
@given(LEADS, RECORDS, LINKS, st.randoms())
def test_whatever_the_sides_hold(people: Any, rows: Any, pairs: Any, draw: Any) -> None:
    """R3, R8, R32: one turn a lead, one record a lead and an address, no withdrawn stop, and order does not matter."""
    hour = dt.timedelta(hours=1)
    staged = [
        {"id": i, "email": e, "title": t, "delivery_status": s, "updated_at": NOON + h * hour}
        for i, (e, t, s, h) in enumerate(people)
    ]
    found = [
        {"Id": f"R{i}", "Email": e, "sobject": s, "Title": t, "LastModifiedDate": NOON + h * hour}
        for i, (e, s, t, h) in enumerate(rows)
    ]
    known, held_keys = [], set()
    for number, (lead, row) in enumerate(pairs):
        if lead < len(staged) and row < len(found):
            key = str(staged[lead]["email"]).lower() or f"old{lead}@example.jp"
            if key in held_keys:
                continue
            held_keys.add(key)
            pair = {"lead_id": lead, "email_key": key, "record_id": f"R{row}", "sobject": found[row]["sobject"]}
            known.append({"link_id": number + 1, **pair})
    made = plan(leads(*staged), found=records(*found), known=links(*known))
    assert sorted(made.actions["lead_id"]) == [row["id"] for row in staged]

    going = made.actions[made.actions["kind"].isin(["create", "update", "pull", "link", "keep"])]
    current = going.dropna(subset=["record_id"])
    assert not current["record_id"].duplicated().any()
    creates = going[going["kind"].eq("create")]
    assert not creates["email_key"].duplicated().any()
    assert not set(creates["email_key"]) & {str(row["Email"]).lower() for row in found}

    assert set(made.sends["lead_id"]) == set(made.actions.loc[made.actions["kind"].isin(WRITES), "lead_id"])
    status = made.sends[made.sends["api_name"].eq("HasOptedOutOfEmail")]
    assert set(status["new"]) <= {"true"}  # nothing was ever agreed on: no delivery is resumed
    stops = made.actions.loc[made.actions["kind"].eq("stop"), "lead_id"]
    assert set(made.sends.loc[made.sends["lead_id"].isin(stops), "api_name"]) <= {"HasOptedOutOfEmail"}
    assert not made.sends.loc[made.sends["api_name"].eq("Email"), "new"].isna().any()

    after = _after(made, staged, found, known)
    assert (sent(after), taken(after)) == ([], [])
    for side in (staged, found, known):
        draw.shuffle(side)
    again = plan(leads(*staged), found=records(*found), known=links(*known))
    assert kinds(again) == kinds(made)
    assert sorted(map(str, sent(again))) == sorted(map(str, sent(made)))
