"""Fixtures of the emulator's own tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.emulator.bulk_client import Bulk
from tests.emulator import emulator_process, salesforce

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from tests.emulator import Emulator

__all__ = ["emulator_process", "salesforce"]


class Api:
    """The REST API as the integration user calls it, without a client library between."""

    def __init__(self, salesforce: Emulator) -> None:
        self.root = f"{salesforce.url}/services/data/v59.0"
        self.url = salesforce.url
        self.http = salesforce.session(salesforce.login())

    def __call__(self, method: str, path: str, body: object = None, **options: object) -> requests.Response:
        """Send a request; `path` stands behind the version unless it starts with `/services`."""
        url = self.url + path if path.startswith(("/services", "/x.")) else f"{self.root}/{path}"
        return self.http.request(method, url, json=body, timeout=30, **options)  # type: ignore[arg-type]

    def query(self, soql: str, resource: str = "query", **options: object) -> requests.Response:
        """Send a query."""
        return self("GET", resource, params={"q": soql}, **options)

    def create(self, name: str, **values: object) -> str:
        """Create a row; return its id."""
        answer = self("POST", f"sobjects/{name}", values)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def read(self, name: str, record_id: str) -> dict[str, object]:
        """Return a row."""
        return self("GET", f"sobjects/{name}/{record_id}").json()


@pytest.fixture
def api(salesforce: Emulator) -> Api:
    """Give the REST API of an empty org, logged in as the integration user."""
    return Api(salesforce)


@pytest.fixture
def lead(api: Api) -> Callable[..., str]:
    """Give a function that creates a Lead with what is required, and returns its id."""

    def make(**values: object) -> str:
        return api.create("Lead", **{"LastName": "Yamada", "Company": "ACME", **values})

    return make


@pytest.fixture
def bulk(api: Api) -> Bulk:
    """Give a client of ingest jobs of an empty org."""
    return Bulk(api)
