"""Which of Airflow's processes are warmed before they fork tasks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"pandas", "great_expectations", "simple_salesforce", "leadsync.pipeline.load"}
CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.mark.parametrize(
    ("command", "warm"),
    [
        (["scheduler"], True),
        (["celery", "worker"], True),
        (["api-server"], False),
        (["dag-processor"], False),
        (["triggerer"], False),
        ([], False),
    ],
)
def test_preload(command: list[str], warm: bool):
    """Only the parents of tasks import pandas, Great Expectations and the stages before the first task."""
    script = (
        f"import sys; sys.argv = ['airflow', *{command!r}]; sys.path.insert(0, {str(CONFIG)!r})\n"
        "import airflow_local_settings\n"
        f"print('imported:', *sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported = done.stdout.splitlines()[-1].split()[1:]
    assert imported == (sorted(HEAVY) if warm else [])
