"""Register the Lead Sync page with Airflow; nothing else lives here.

Every Airflow process loads the plugins, but only the api-server serves the page: it is built at its first request.
"""

from __future__ import annotations

# ruff: noqa: PLC0415 - see above
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


@cache
def _page() -> ASGIApp:
    from leadsync.airflow.context import lead_store_url
    from leadsync.settings import Settings
    from leadsync.store import engine
    from leadsync.ui.page import build

    settings = Settings()
    return build(settings, lambda: engine.create(lead_store_url(settings)))


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the page."""
    await _page()(scope, receive, send)


class LeadSyncPlugin(AirflowPlugin):
    """The page and its place in Airflow's navigation."""

    name = "leadsync"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [{"app": serve, "url_prefix": "/lead-sync", "name": "Lead Sync"}]
    external_views: ClassVar[list[dict[str, Any]]] = [
        {
            "name": "Lead Sync",
            "href": "/lead-sync/",
            "destination": "nav",
            "url_route": "lead-sync",
            "nav_top_level": True,
        }
    ]
