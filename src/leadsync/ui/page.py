"""The Lead Sync page: is the sync well, how did the last cycles go, what is held and what to do about it.

Reads only, and shows counts and causes, never a lead's values. Airflow's login and roles guard every route
(https://airflow.apache.org/docs/apache-airflow/stable/security/): 401 without a login, 403 for a user who may not see
the DAG `lead_sync`. Times are Japan time.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from leadsync.errors import ConfigurationError, LeadsyncError
from leadsync.pipeline import control
from leadsync.settings import Language
from leadsync.store import migrate
from leadsync.store.engine import reading
from leadsync.ui.held import causes
from leadsync.ui.verdict import verdict
from leadsync.ui.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

    from leadsync.settings import Settings

DAG_ID = "lead_sync"
JAPAN = ZoneInfo("Asia/Tokyo")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
}


def build(settings: Settings, open_engine: Callable[[], Engine]) -> FastAPI:
    """Return the page as an app that Airflow's api-server mounts.

    Args:
        settings: For the language, unless the address says `?lang=ja` or `?lang=en`.
        open_engine: Opens the lead store; called at the first request that needs it.
    """
    engine = cache(open_engine)
    guard = Depends(requires_access_dag(method="GET", param_dag_id=DAG_ID))
    app = FastAPI(title="Lead Sync", dependencies=[guard], docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/", response_class=HTMLResponse)
    def page(lang: Language | None = None) -> HTMLResponse:
        """Show the state of the sync."""
        language = lang or settings.language
        return _html(language, **_state(engine(), settings, language))

    @app.exception_handler(LeadsyncError)
    def trouble(request: Request, error: Exception) -> HTMLResponse:
        """Say why the state cannot be shown; the message names the next step and no secret."""
        asked = request.query_params.get("lang")
        language = Language(asked) if asked in set(Language) else settings.language
        return _html(language, status_code=503, trouble=str(error), verdict="unknown")

    return app


def _state(engine: Engine, settings: Settings, language: Language) -> dict[str, Any]:
    if not migrate.is_current(engine):
        raise ConfigurationError("the sync_ tables are missing or of another version: run `leadsync db upgrade`.")
    state = control.status(engine, settings)
    with reading(engine) as connection:
        held = causes(connection, language)
    return {"verdict": verdict(state, dt.datetime.now(dt.UTC)), "state": state, "causes": held}


def _html(language: Language, *, status_code: int = 200, trouble: str = "", **state: Any) -> HTMLResponse:
    html = _template().render(words=WORDS[language], language=str(language), trouble=trouble, **state)
    return HTMLResponse(html, status_code, _HEADERS)


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("leadsync.ui"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["clock"] = _clock
    return environment.get_template("page.html")


def _clock(moment: dt.datetime | str | None) -> str:
    """Show a moment, or its ISO text, in Japan time."""
    moment = dt.datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{moment.astimezone(JAPAN):%Y-%m-%d %H:%M:%S}" if moment else "–"
