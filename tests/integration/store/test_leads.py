"""Which leads changed since a moment: nothing is lost and nothing comes twice."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadsync.errors import ConfigurationError
from leadsync.store import engine as engines
from leadsync.store import migrate
from leadsync.store.leads import STANDARD_COLUMNS, LeadTable
from tests.databases import *  # noqa: F403

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy.engine import Engine

NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


def insert(engine: Engine, stamps: Mapping[int, dt.datetime | str | None]) -> None:
    """Insert a lead per id, with its stamp as it is given; moments are written as the platform writes them."""
    table = LeadTable(engine)
    rows = [
        {"id": lead, "email": f"{lead}@example.jp", "at": table.stamp(at) if isinstance(at, dt.datetime) else at}
        for lead, at in stamps.items()
    ]
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO leads (id, email, updated_at) VALUES (:id, :email, :at)"), rows)


def changed(engine: Engine, moment: dt.datetime, page: int = 2) -> list[int]:
    """Return the ids of the leads that changed, in the order in which they came."""
    pages = list(LeadTable(engine).changed_since(moment, ["email"], page=page))
    assert all(0 < len(rows) <= page for rows in pages)
    return [row[0] for rows in pages for row in rows]


def test_custom_fields_are_found(store_engine: Engine) -> None:
    """The columns are the standard ones and the customer's own, without id and stamps."""
    migrate.create_leads_table(store_engine, ["見積日", "Lead Score"])
    assert LeadTable(store_engine).columns == (*STANDARD_COLUMNS, "見積日", "Lead Score")


def test_custom_fields_are_read(store_engine: Engine) -> None:
    """A column whose name needs quoting is read like any other."""
    migrate.create_leads_table(store_engine, ["見積日", "Lead Score"])
    with store_engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO leads (id, \"見積日\", \"Lead Score\") VALUES (1, '2026/05/01', 'A')")
    rows = LeadTable(store_engine).by_ids([1], ["Lead Score", "見積日"])
    assert rows == [(1, None, "A", "2026/05/01")]


def test_a_column_of_another_type_is_read_as_text(store_engine: Engine) -> None:
    """Every value is the text that people see, also where the platform made the column a number."""
    migrate.create_leads_table(store_engine)
    with store_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE leads ADD COLUMN score INTEGER")
        connection.exec_driver_sql("INSERT INTO leads (id, score) VALUES (1, 42)")
    assert LeadTable(store_engine).by_ids([1], ["score"]) == [(1, None, "42")]


def test_without_a_lead_table_the_connection_is_named(store_engine: Engine) -> None:
    """A database without `leads` is the wrong one, and the message says which connection to correct."""
    with pytest.raises(ConfigurationError, match="lead_store"):
        _ = LeadTable(store_engine).columns


def test_a_table_that_cannot_be_followed_is_refused(store_engine: Engine) -> None:
    """A table `leads` without `updated_at` is refused by name."""
    with store_engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE leads (id BIGINT PRIMARY KEY, email TEXT)")
    with pytest.raises(ConfigurationError, match="updated_at"):
        _ = LeadTable(store_engine).columns


def test_a_missing_column_is_named(lead_store: Engine) -> None:
    """A mapped column that `leads` does not have is a configuration error, not a broken query."""
    with pytest.raises(ConfigurationError, match="shoe_size"):
        list(LeadTable(lead_store).changed_since(NOON, ["email", "shoe_size"]))


def test_the_clock_is_the_databases_own(lead_store: Engine) -> None:
    """`now` is aware, in UTC, and close to this machine's time."""
    before = dt.datetime.now(dt.UTC) - SECOND
    now = LeadTable(lead_store).now()
    assert now.tzinfo is dt.UTC
    assert before <= now <= dt.datetime.now(dt.UTC) + SECOND


def test_the_moment_itself_is_included_and_what_is_older_is_not(lead_store: Engine) -> None:
    """The window is half-open: from the moment on, to the microsecond, without an upper bound."""
    tick = dt.timedelta(microseconds=1)
    insert(lead_store, {1: NOON - tick, 2: NOON, 3: NOON + tick, 4: NOON + dt.timedelta(days=400)})
    assert changed(lead_store, NOON) == [2, 3, 4]


def test_leads_of_one_stamp_all_come(lead_store: Engine) -> None:
    """Pages end in the middle of leads with the same stamp, as a bulk import leaves them."""
    insert(lead_store, dict.fromkeys(range(1, 12), NOON))
    assert changed(lead_store, NOON, page=3) == list(range(1, 12))


def test_leads_without_a_stamp_always_come(lead_store: Engine) -> None:
    """A lead that says nothing of its last change is read whatever the moment, and its stamp is None."""
    insert(lead_store, {1: NOON, 2: None, 3: None, 4: None})
    rows = [row for rows in LeadTable(lead_store).changed_since(NOON + SECOND, ["email"], page=2) for row in rows]
    assert rows == [(2, None, "2@example.jp"), (3, None, "3@example.jp"), (4, None, "4@example.jp")]


def test_ids_may_be_negative(lead_store: Engine) -> None:
    """No id lies before the first page."""
    insert(lead_store, {-5: NOON, -4: None, 0: NOON})
    assert changed(lead_store, NOON) == [-4, -5, 0]


def test_a_table_without_leads_has_no_page(lead_store: Engine) -> None:
    """Nothing changed gives no page at all, not an empty one."""
    assert list(LeadTable(lead_store).changed_since(NOON, ["email"])) == []


def test_a_moment_before_all_time_reads_everything(lead_store: Engine) -> None:
    """The earliest moment there is may be asked for."""
    insert(lead_store, {1: NOON, 2: None})
    assert changed(lead_store, dt.datetime.min.replace(tzinfo=dt.UTC)) == [2, 1]


def test_stamps_come_as_aware_moments_in_utc(lead_store: Engine) -> None:
    """Whatever the session's time zone, a stamp is read in UTC."""
    insert(lead_store, {1: NOON.astimezone(dt.timezone(dt.timedelta(hours=9)))})
    ((_, stamp),) = LeadTable(lead_store).by_ids([1], [])
    assert (stamp, stamp.tzinfo) == (NOON, dt.UTC)


def test_leads_are_found_by_id(lead_store: Engine) -> None:
    """Each id is looked up once, in order, over many statements; ids without a lead are left out."""
    insert(lead_store, dict.fromkeys(range(1, 12_001), NOON))
    rows = LeadTable(lead_store).by_ids([*range(12_005, 0, -1), 7, 7], ["email"])
    assert [row[0] for row in rows] == list(range(1, 12_001))


def test_an_index_serves_the_delta(lead_store: Engine) -> None:
    """The delta of a large table does not read all of it."""
    insert(lead_store, {lead: NOON + lead * SECOND for lead in range(3000)})
    statements: list[tuple[str, Any]] = []
    sa.event.listen(lead_store, "before_cursor_execute", lambda *call: statements.append((call[2], call[3])))
    late = NOON + dt.timedelta(days=2)
    assert changed(lead_store, late) == []
    dated, values = next(pair for pair in statements if "updated_at, id" in pair[0].replace("leads.", ""))
    explain = "EXPLAIN QUERY PLAN " if lead_store.dialect.name == "sqlite" else "EXPLAIN "
    with lead_store.begin() as connection:
        connection.exec_driver_sql("ANALYZE leads")
        plan = "\n".join(str(row) for row in connection.exec_driver_sql(explain + dated, values))
    assert "ix_leads_updated_at_id" in plan


@pytest.mark.parametrize(
    "written",
    [
        "2026-05-01 12:00:00",
        "2026-05-01 12:00:00.000000",
        "2026-05-01 12:00",
        "2026-05-01T12:00:00Z",
        "2026-05-01T12:00:00.000Z",
        "2026-05-01T12:00:00+00:00",
        "2026-05-01 21:00:00+09:00",
        "2026-05-01T21:00:00.000000+09:00",
        "2026-05-01T21:00:00+0900",
        "2026-05-02T02:00:00+14:00",
        "2026-04-30T23:00:00-13:00",
        "20260501T120000Z",
    ],
)
def test_every_spelling_of_a_moment_is_that_moment(tmp_path: Path, written: str) -> None:
    """On SQLite a stamp is text: it is compared by what it means, to the microsecond, and read as a moment."""
    store = engines.create(f"sqlite:///{tmp_path / 'leads.db'}")
    migrate.create_leads_table(store)
    insert(store, {1: written})
    table, tick = LeadTable(store), dt.timedelta(microseconds=1)
    assert table.by_ids([1], []) == [(1, NOON)]
    assert (changed(store, NOON), changed(store, NOON + tick)) == ([1], [])


@pytest.mark.parametrize("written", ["", " ", "yesterday", "05/01/2026", "n/a", "2026-13-45 99:00:00"])
def test_a_text_that_is_no_moment_is_as_good_as_none(tmp_path: Path, written: str) -> None:
    """A lead is not lost because somebody wrote nonsense into its stamp."""
    store = engines.create(f"sqlite:///{tmp_path / 'leads.db'}")
    migrate.create_leads_table(store)
    insert(store, {1: written})
    assert changed(store, NOON) == [1]
    assert LeadTable(store).by_ids([1], []) == [(1, None)]


MOMENTS = st.datetimes(
    min_value=dt.datetime(2026, 4, 29),  # noqa: DTZ001 - hypothesis adds the zone itself
    max_value=dt.datetime(2026, 5, 3),  # noqa: DTZ001
    timezones=st.just(dt.UTC),
)


@st.composite
def spellings(draw: st.DrawFn) -> tuple[dt.datetime, str]:
    """Draw a moment and one of its ISO spellings."""
    moment = draw(MOMENTS)
    if draw(st.booleans()):
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    offset = draw(st.integers(-23 * 60 - 59, 23 * 60 + 59))
    local = moment.astimezone(dt.timezone(dt.timedelta(minutes=offset)))
    spec = "milliseconds" if not moment.microsecond % 1000 and draw(st.booleans()) else "auto"
    text = local.isoformat(sep=draw(st.sampled_from(" T")), timespec=spec)
    if offset == 0:
        text = text.removesuffix("+00:00") + draw(st.sampled_from(["", "Z", "+00:00"]))
    return moment, text


@pytest.fixture(scope="module")
def text_store(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Make a lead store on SQLite for many examples."""
    store = engines.create(f"sqlite:///{tmp_path_factory.mktemp('text') / 'leads.db'}")
    migrate.create_leads_table(store)
    return store


@given(written=st.lists(spellings(), max_size=12), since=MOMENTS, page=st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_moments_are_compared_not_texts(
    text_store: Engine, written: list[tuple[dt.datetime, str]], since: dt.datetime, page: int
) -> None:
    """However stamps are spelled, exactly those at or after the moment come, each once and with its moment."""
    with text_store.begin() as connection:
        connection.exec_driver_sql("DELETE FROM leads")
    if written:
        insert(text_store, {lead: text for lead, (_, text) in enumerate(written)})
    rows = [row for rows in LeadTable(text_store).changed_since(since, [], page=page) for row in rows]
    expected = [(lead, moment) for lead, (moment, _) in enumerate(written) if moment >= since]
    assert sorted(rows) == expected


STAMPS = st.one_of(st.none(), st.sampled_from([NOON + n * SECOND for n in range(-2, 4)]))
EDITS = st.lists(st.tuples(st.integers(1, 8), STAMPS), max_size=4)


@given(stamps=st.lists(STAMPS, min_size=8, max_size=8), edits=st.lists(EDITS, max_size=8), page=st.integers(1, 4))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_edit_between_two_pages_hides_or_repeats_a_lead(
    lead_store: Engine, stamps: list[dt.datetime | None], edits: list[list[tuple[int, dt.datetime | None]]], page: int
) -> None:
    """While pages are read, stamps move forwards, back, or away: every lead that was due comes exactly once."""
    with lead_store.begin() as connection:
        connection.exec_driver_sql("DELETE FROM leads")
    insert(lead_store, dict(enumerate(stamps, start=1)))
    table, seen, between = LeadTable(lead_store), [], iter(edits)
    update = sa.text("UPDATE leads SET updated_at = :at, email = 'edited' WHERE id = :id")
    for rows in table.changed_since(NOON, ["email"], page=page):
        seen += rows
        for lead, at in next(between, []):
            with lead_store.begin() as connection:
                connection.execute(update, {"id": lead, "at": at and table.stamp(at)})
    due = [lead for lead, at in enumerate(stamps, start=1) if at is None or at >= NOON]
    assert sorted(row[0] for row in seen) == due
    assert all(row[2] == f"{row[0]}@example.jp" for row in seen)
