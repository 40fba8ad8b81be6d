"""The plan as a whole: one action a lead, nothing held is sent but stops, no input breaks it (R39, R51)."""

from __future__ import annotations

import itertools
from typing import Any

import pandas as pd
import pytest

from leadsync.core.plan import Plan, Staged, decide
from tests.unit.test_decide import VERDICTS, agreed, kinds, leads, links, mapping, plan, records, sent

MINE = {"link_id": 1, "lead_id": 1, "email_key": "lead1@example.jp", "record_id": "R"}
HERS = {"Id": "R", "Email": "lead1@example.jp", "sobject": "Lead", "LastName": "山田"}
BAD = {"lead_id": 1, "sobject": "Lead", "field": "title", "code": "too_long", "rule": "R18", "value": "x", "detail": ""}


def held(staged: pd.DataFrame, *, found: Any, known: Any) -> Plan:
    """Decide with a bad title on lead 1."""
    verdicts = pd.DataFrame([BAD]).astype({"lead_id": "int64"})
    return decide(Staged(staged, found, known, verdicts, user_id="us"), mapping())


@pytest.mark.parametrize(
    ("status", "was", "kind", "expected"),
    [
        pytest.param(
            "stopped", "delivering", "stop", [("HasOptedOutOfEmail", "false", "true")], id="a new stop travels"
        ),
        pytest.param("delivering", "delivering", "hold", [], id="nothing to stop"),
        pytest.param("stopped", "stopped", "hold", [], id="R7: an old stop, withdrawn in Salesforce"),
    ],
)
def test_a_held_lead(status: str, was: str, kind: str, expected: Any) -> None:
    """R39: the bad field holds every value but a stop, and the snapshot of what was not sent stays."""
    snapshots = agreed({"title": "課長", "delivery_status": was}, {"title": "課長", "delivery_status": "false"})
    staged = leads({"id": 1, "title": "長" * 200, "delivery_status": status})
    made = held(staged, found=records({**HERS, "Title": "課長"}), known=links(MINE | snapshots))
    assert (kinds(made), sent(made)) == ({1: kind}, expected)
    assert '"title":"課長"' in made.actions["lead_snapshot"].iloc[0]


def test_a_held_create_sends_nothing() -> None:
    """R39: also not its stop, for there is no record to stop."""
    made = held(leads({"id": 1, "delivery_status": "stopped"}), found=records(), known=links())
    assert (kinds(made), sent(made)) == ({1: "hold"}, [])


@pytest.mark.parametrize("changed", [True, False])
def test_a_stop_on_a_twin(changed: bool) -> None:
    """R3, R39: it is a stop of the address, whenever its lead was edited."""
    later = leads({"id": 1}).loc[0, "updated_at"] + pd.Timedelta("1h")
    staged = leads(
        {"id": 1, "updated_at": later}, {"id": 2, "email": "lead1@example.jp"} | {"delivery_status": "stopped"}
    )
    made = plan(staged.assign(changed=[True, changed]), found=records(HERS), known=links(MINE))
    assert kinds(made) == {1: "update", 2: "hold"}
    assert ("HasOptedOutOfEmail", "false", "true") in sent(made)


def test_a_stop_on_a_twin_that_was_pushed_is_not_pushed_again() -> None:
    """R7: Salesforce withdrew it since; the twin's standing stop is no change."""
    snapshots = agreed({"delivery_status": "stopped"}, {"delivery_status": "true"})
    later = leads({"id": 1}).loc[0, "updated_at"] + pd.Timedelta("1h")
    twin = {"id": 2, "email": "lead1@example.jp", "delivery_status": "stopped"}
    made = plan(leads({"id": 1, "updated_at": later}, twin), found=records(HERS), known=links(MINE | snapshots))
    assert "HasOptedOutOfEmail" not in made.sends["api_name"].tolist()


def test_no_lead() -> None:
    """An empty delta gives an empty plan that counts nothing."""
    made = plan(leads({"id": 1}).iloc[:0])
    assert made.actions.empty
    assert made.sends.empty
    assert made.counts() == {"values": 0, "values_taken": 0, "conflicts": 0}


@pytest.mark.parametrize("email", ["", "bad@", None])
def test_only_leads_that_go_nowhere(email: str | None) -> None:
    """A delta of skipped and held leads alone has no merge, and a plan all the same."""
    made = plan(leads({"id": 1, "email": email}))
    assert len(made.actions) == 1
    assert made.sends.empty
    assert made.actions["lead_snapshot"].tolist() == ["{}"]


def test_any_index_and_any_order_of_rows() -> None:
    """The index of the staged frames says nothing; nor does the order of leads, records and links."""
    people = [{"id": 1, "title": "部長"}, {"id": 2}, {"id": 3, "email": "LEAD1@example.jp"}]
    there = [HERS, {**HERS, "Id": "S"}, {**HERS, "Id": "T", "Email": "lead2@example.jp"}]
    results = set()
    for order in itertools.permutations(range(3)):
        staged = leads(*(people[i] for i in order)).set_axis([7, 7, 7])
        made = plan(staged, found=records(*(there[i] for i in order)), known=links(MINE))
        actions = made.actions.sort_values("lead_id")[["lead_id", "kind", "record_id", "lead_snapshot"]]
        results.add((actions.to_csv(index=False), tuple(sorted(map(str, sent(made))))))
    assert len(results) == 1


def test_the_frames_that_came_in_are_left_as_they_are() -> None:
    """A pure function: deciding twice on the same frames gives the same plan."""
    staged, found, known = leads({"id": 1, "title": "部長"}), records(HERS), links(MINE)
    before = staged.copy(), found["Lead"].copy(), known.copy()
    first, second = (plan(staged, found=found, known=known) for _ in range(2))
    for frame, copy in zip((staged, found["Lead"], known), before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)
    pd.testing.assert_frame_equal(first.actions, second.actions)
    pd.testing.assert_frame_equal(first.sends, second.sends)
    assert VERDICTS.empty


def test_ten_thousand_characters_and_quotes_survive_the_snapshot() -> None:
    """R30: a long text full of quotes, backslashes and line breaks comes back as it was, and so is no change."""
    text = '"\\\n\t\u2028;,{}' * 1000
    snapshots = agreed({"title": text}, {"title": text})
    made = plan(leads({"id": 1, "title": text}), found=records({**HERS, "Title": text}), known=links(MINE | snapshots))
    assert kinds(made) == {1: "keep"}
