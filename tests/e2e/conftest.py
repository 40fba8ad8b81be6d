"""A real Airflow with scheduler, a Salesforce org and a mail catcher, started once for all end-to-end tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from leadsync import samples
from leadsync.store import engine as store_engine
from leadsync_stack.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine


NOT_SYNCED = 20
"""The first leads are written before the start: they sync when they are next edited (R34 b)."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The running stack; the lead store holds good leads only, and nobody has started the sync."""
    with Stack(tmp_path_factory.mktemp("stack") / "home") as running:
        yield running


@pytest.fixture(scope="session")
def store(stack: Stack) -> Iterator[Engine]:
    """The stack's lead store."""
    engine = store_engine.create(stack.store_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def started(stack: Stack, store: Engine) -> Stack:
    """The stack with the sync started and 500 leads synced once."""
    stack.leadsync("start", "--now")
    leads = samples.generate(520)
    samples.write(store, leads[leads["id"] > NOT_SYNCED], now=datetime.now(UTC))
    stack.cycle()
    return stack
