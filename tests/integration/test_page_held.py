"""What is held and why, as page and command line ask for it, on SQLite and PostgreSQL."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from leadsync.core.mapping import parse
from leadsync.store import held, state
from leadsync.store.engine import reading
from leadsync.ui.held import causes, open_errors
from tests import databases

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from leadsync.ui.held import Cause

database_url, postgres_url = databases.database_url, databases.postgres_url
store_engine, lead_store = databases.store_engine, databases.lead_store

MAPPING = b"field,label,type,lead_field,contact_field\nemail,M,email,Email,Email\nindustry,Trade,select,Industry,\n"
MISSING = {"field": "company", "code": "required_missing", "rule": "R19", "sobject": "Lead"}
CHOICE = {"field": "industry", "code": "picklist_value", "rule": "R12", "sobject": "Lead", "detail": "Farming; Trade"}
TWIN = {"field": "", "code": "email_twin", "rule": "R3"}
ERRORS: list[dict[str, Any]] = [
    *({**MISSING, "lead_id": lead} for lead in (1, 2, 3)),
    *({**CHOICE, "lead_id": lead, "value": f"x{lead}"} for lead in (1, 2)),
    *({**TWIN, "lead_id": lead, "detail": str(lead + 100)} for lead in (4, 5)),
    {"field": "", "code": "code_of_tomorrow", "rule": "R99", "lead_id": 6},
]


@pytest.fixture
def holding(lead_store: Engine) -> Engine:
    """Return a store in which these errors are open."""
    mapping, _ = parse({"a.csv": MAPPING})
    assert mapping is not None
    with lead_store.begin() as connection:
        state.keep_mapping(connection, "v1", mapping.to_json())
        held.replace(connection, "run-1", [1, 2, 3, 4, 5, 6], ERRORS)
    return lead_store


def by_code(engine: Engine) -> dict[str, Cause]:
    """Return the causes by their code."""
    with reading(engine) as connection:
        return {cause.code: cause for cause in causes(connection, "en")}


def test_leads_are_counted_by_cause(holding: Engine):
    """R50: one line for all leads that have the same thing wrong, the most frequent first."""
    assert [(code, cause.leads) for code, cause in by_code(holding).items()] == [
        ("required_missing", 3),
        ("email_twin", 2),
        ("picklist_value", 2),
        ("code_of_tomorrow", 1),
    ]


def test_a_cause_bears_the_name_that_people_see(holding: Engine):
    """The title has the mapping's label, not the column's name."""
    assert by_code(holding)["picklist_value"].title == "“Trade” is not a value of the Salesforce picklist"


def test_a_remedy_that_all_leads_share_is_told(holding: Engine):
    """R12: the allowed values stand beside the cause."""
    assert by_code(holding)["picklist_value"].remedy.endswith("Farming; Trade")


def test_a_remedy_that_differs_by_lead_is_left_to_the_list(holding: Engine):
    """R3: which lead syncs instead differs by twin."""
    assert by_code(holding)["email_twin"].remedy == ""


def test_a_cause_is_as_old_as_its_first_lead(holding: Engine):
    """The moment is aware and the earliest of all."""
    before = by_code(holding)["required_missing"].first_seen
    with holding.begin() as connection:
        held.replace(connection, "run-2", [7], [{**MISSING, "lead_id": 7}])
    assert by_code(holding)["required_missing"].first_seen == before
    assert abs(before - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)


def test_a_code_of_another_version_is_still_listed(holding: Engine):
    """A rollback leaves rows that this version does not know; they are shown as they are."""
    assert by_code(holding)["code_of_tomorrow"].title == "code_of_tomorrow"


@pytest.mark.parametrize(
    ("filters", "leads"),
    [
        ({"code": "email_twin"}, [4, 5]),
        ({"lead_id": 1}, [1, 1]),
        ({"lead_id": 1, "code": "picklist_value"}, [1]),
        ({"lead_id": 77}, []),
    ],
)
def test_the_list_can_be_filtered(holding: Engine, filters: dict[str, Any], leads: list[int]):
    """Filters narrow the list together."""
    with reading(holding) as connection:
        found, more = open_errors(connection, "en", **filters)
    assert ([error.lead_id for error in found], more) == (leads, 0)


def test_the_list_tells_what_it_leaves_out(holding: Engine):
    """The number beyond the limit is exact."""
    with reading(holding) as connection:
        found, more = open_errors(connection, "en", limit=3)
    assert (len(found), more) == (3, len(ERRORS) - 3)


def test_a_recovered_error_is_not_listed(holding: Engine):
    """What is mended is no longer held."""
    with holding.begin() as connection:
        held.replace(connection, "run-2", [1, 2, 3], [])
    assert set(by_code(holding)) == {"email_twin", "code_of_tomorrow"}
