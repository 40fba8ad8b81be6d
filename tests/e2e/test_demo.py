"""The demo's own checks: each must fail when its promise is broken."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from email.message import EmailMessage
from types import MappingProxyType
from typing import Any

import pytest

from leadsync_stack import demo
from leadsync_stack.processes import StackError

LEADS = MappingProxyType({7: {"id": 7, "email": "a@example.jp", "title": "部長", "phone": None, "updated_at": "1"}})
RECORDS = MappingProxyType({"00Q7": {"Id": "00Q7", "Title": "課長", "Phone": "03", "SystemModstamp": "1"}})
EXPECTED = MappingProxyType({"00Q7": {"Title": "部長"}})
EXPECTED_LEADS = MappingProxyType({7: {"phone": "03"}})


def cycle(before: dict[str, Any], after: dict[str, Any], leads_after: dict[int, Any] | None = None) -> demo.Cycle:
    """Return a cycle that turned the records `before` into `after`."""
    return demo.Cycle(
        name="x",
        seconds=1,
        before=demo.Sides(LEADS, before),
        after=demo.Sides(LEADS if leads_after is None else leads_after, after),
        held=Counter(),
        mails=[],
        api_calls=1,
    )


def changed(**values: str) -> dict[str, Any]:
    """Return the record with other values."""
    return {"00Q7": RECORDS["00Q7"] | values}


def mail(subject: str = "[leadsync] 同期エラー 新規1件", to: str = f"{demo.OWNER}, {demo.ADMINS}") -> EmailMessage:
    """Return a mail as the catcher would."""
    message = EmailMessage()
    message["Subject"], message["To"] = subject, to
    return message


def test_quiet_cycle_passes():
    """Nothing written, nothing said: the check of the second cycle is content."""
    demo.check_nothing_written(cycle(RECORDS, RECORDS))


@pytest.mark.parametrize(
    "broken",
    [
        cycle(RECORDS, changed(SystemModstamp="2")),
        cycle(RECORDS, {**RECORDS, "00Q8": {"Id": "00Q8"}}),
        cycle(RECORDS, {}),
        cycle(RECORDS, RECORDS, {7: LEADS[7] | {"title": "係長"}}),
        replace(cycle(RECORDS, RECORDS), mails=[mail()]),
    ],
    ids=["touched record", "new record", "lost record", "changed lead", "mail"],
)
def test_quiet_cycle_fails(broken: demo.Cycle):
    """A write on either side, even one that changes no value, or a mail fails the second cycle."""
    with pytest.raises(StackError):
        demo.check_nothing_written(broken)


def both(there: Any, **lead: Any) -> demo.Cycle:
    """Return a cycle that ends with these records, and with lead 7 changed."""
    return cycle(RECORDS, there, {7: LEADS[7] | lead})


def test_edits_pass():
    """Exactly the edited fields of the edited lead's record and of the edited record's lead: the check is content."""
    done = both(changed(Title="部長", SystemModstamp="2"), phone="03", updated_at="2")
    demo.check_edits(done, EXPECTED, EXPECTED_LEADS)


@pytest.mark.parametrize(
    "broken",
    [
        both(RECORDS, phone="03"),
        both(changed(Title="係長"), phone="03"),
        both(changed(Title="部長", Phone="06"), phone="03"),
        cycle(
            {**RECORDS, "00Q8": {"Id": "00Q8", "Title": "x"}},
            {**changed(Title="部長"), "00Q8": {"Id": "00Q8", "Title": "y"}},
            {7: LEADS[7] | {"phone": "03"}},
        ),
        both({**changed(Title="部長"), "00Q9": {"Id": "00Q9"}}, phone="03"),
        both(changed(Title="部長"), phone="03", title="係長"),
        both(changed(Title="部長")),
    ],
    ids=["nothing arrived", "wrong value", "another field", "another record", "new record", "changed lead", "no lead"],
)
def test_edits_fail(broken: demo.Cycle):
    """Anything less or more than the edits fails the third cycle."""
    with pytest.raises(StackError):
        demo.check_edits(broken, EXPECTED, EXPECTED_LEADS)


@pytest.mark.parametrize(
    "mails",
    [[], [mail(), mail()], [mail(subject="sync errors")], [mail(to=demo.OWNER)]],
    ids=["none", "two", "not Japanese", "owner only"],
)
def test_mail_fails(mails: list[EmailMessage]):
    """R36: one digest, in Japanese, to the owner and the administrators."""
    demo.check_mail([mail()])
    with pytest.raises(StackError):
        demo.check_mail(mails)
