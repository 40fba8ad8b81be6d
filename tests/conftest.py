"""What holds for every test: an Airflow home of its own, a clean environment, no silent skips where CI forbids them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parents[1]

# Markers of the services that .ci/run found: a test with one of them that skips has skipped for a wrong reason.
_REQUIRED = frozenset(filter(None, os.environ.pop("LEADSYNC_REQUIRE_SERVICES", "").split(",")))
_KEPT = ("LEADSYNC_RECORDED", "LEADSYNC_TEST_")


def _isolate() -> Path:
    """Point Airflow to an empty home before anything imports it, and forget what the developer's shell has set."""
    home = Path(tempfile.mkdtemp(prefix="leadsync-airflow-"))
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "LEADSYNC_"))]:
        if not name.startswith(_KEPT):
            del os.environ[name]
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
    }
    return home


_HOME = _isolate()


def pytest_unconfigure() -> None:
    """Remove the Airflow home."""
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that skips although the service that its marker names is there."""
    report = yield
    needed = _REQUIRED & {marker.name for marker in item.iter_markers()}
    if report.skipped and needed and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although it must not here ({', '.join(sorted(needed))} is there): {report.longrepr}"
    return report
