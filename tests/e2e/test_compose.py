"""The Docker Compose file: what can be held without a Docker daemon."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVICES = {
    *("api-server", "scheduler", "dag-processor", "worker", "triggerer", "init"),
    *("metadata-db", "lead-db", "redis", "salesforce", "mailcatcher"),
}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """The services as the file states them, anchors resolved."""
    return yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]


def _client() -> list[str] | None:
    candidates = [["docker", "compose"], ["docker-compose"]]
    for client in candidates:
        if (
            shutil.which(client[0])
            and subprocess.run([*client, "version"], capture_output=True, check=False).returncode == 0
        ):
            return client
    return None


def test_valid():
    """`docker compose config` accepts the file."""
    client = _client()
    if client is None:
        pytest.skip("neither `docker compose` nor `docker-compose` is installed")
    done = subprocess.run([*client, "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_part_is_there(services: dict[str, dict[str, Any]]):
    """The house runs as in production: Celery with PostgreSQL and Redis, and stand-ins for the world outside."""
    assert set(services) == SERVICES
    assert services["worker"]["environment"]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


@pytest.mark.parametrize("name", sorted(SERVICES - {"init"}))
def test_health(services: dict[str, dict[str, Any]], name: str):
    """Every service that stays up tells whether it is well."""
    assert services[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", sorted(SERVICES - {"metadata-db", "lead-db", "redis"}))
def test_own_image(services: dict[str, dict[str, Any]], name: str):
    """Our parts run from our image and install nothing when they start."""
    assert services[name]["image"].startswith("leadsync:")
    assert not {"pip", "uv"} & set(str(services[name]["command"]).replace(",", " ").replace("'", " ").split())
