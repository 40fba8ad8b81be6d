"""The shipped mapping against describes that a real org gave (R21, R22).

The recordings are not part of this project: see `LEADSYNC_RECORDED` in tests/contract/test_describes.py.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from leadsync.core import access, mapping
from leadsync.core.access import EffectiveMapping, FieldState

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / os.environ.get("LEADSYNC_RECORDED", "../shared/recorded")

pytestmark = [
    pytest.mark.recorded,
    pytest.mark.skipif(
        not FOLDER.is_dir(), reason=f"no folder of recorded Salesforce answers at {FOLDER} (set LEADSYNC_RECORDED)"
    ),
]


@pytest.fixture(scope="module")
def effective() -> EffectiveMapping:
    """Return the shipped mapping as a fresh org lets it run."""
    shipped, problems = mapping.parse(mapping.read_folder(ROOT / "include" / "mappings"))
    assert shipped is not None, problems
    names = ("Lead", "Contact", "Account")
    org = {name: json.loads((FOLDER / f"cumulusci_describe_{name}.json").read_text(encoding="utf-8")) for name in names}
    return access.effective(shipped, {name: access.slim(describe) for name, describe in org.items()})


def test_r22_only_the_hidden_opt_out_is_released(effective: EffectiveMapping) -> None:
    """R8, R22: in a fresh org every default field takes part but the opt-out, which the org hides, and that is said."""
    released = {(each.sobject, each.field) for each in effective.fields if each.state is FieldState.RELEASED}
    assert released == {("Lead", "delivery_status"), ("Contact", "delivery_status")}
    assert [problem.code for problem in access.problems(effective)] == ["access_field", "access_field"]


def test_r19_a_real_lead_needs_name_and_company(effective: EffectiveMapping) -> None:
    """R19: LastName and Company on Lead, LastName on Contact; the default mapping fills them all."""
    required = {sobject: effective.objects[sobject].required for sobject in access.OBJECTS}
    assert required == {"Lead": ("LastName", "Company"), "Contact": ("LastName",)}
    assert effective.unfilled("Lead") == []


def test_r26_the_company_is_only_shown_from_the_account(effective: EffectiveMapping) -> None:
    """R26: the company is written to Lead and shown from the Contact's account."""
    assert [(each.api_name, each.pushed) for each in effective.fields if each.field == "company"] == [
        ("Company", True),
        ("Account.Name", False),
    ]
