"""Open a cycle from Airflow's connections, inside a task and on the command line alike.

Heavy imports stand inside the functions: the DAG files import this package while the DAG processor parses them.
"""

# ruff: noqa: PLC0415 (see above)

from __future__ import annotations

from typing import TYPE_CHECKING

from leadsync.errors import ConfigurationError
from leadsync.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from leadsync.pipeline.cycle import Cycle


def open_cycle(run_id: str) -> Cycle:
    """Open the cycle of `run_id` on the settings in the environment and the connection `lead_store`.

    Raises:
        ConfigurationError: the connection is missing or names no database.
        LeadStoreUnavailableError: the database cannot be reached.
    """
    from leadsync.pipeline.cycle import Cycle
    from leadsync.store import engine

    settings = Settings()
    return Cycle(run_id=run_id, settings=settings, engine=engine.create(lead_store_url(settings)))


def lead_store_url(settings: Settings, *, conn_id: str | None = None) -> str:
    """Return the SQLAlchemy URL of the lead store, driver spelled out.

    A `generic` connection states it in its extra `{"url": ...}`; `postgres` and `sqlite` connections are translated.

    Raises:
        ConfigurationError: the connection is missing, or of another type; the message names the variable to set.
    """
    conn_id = conn_id or settings.lead_store_conn_id
    connection = connection_of(conn_id)
    if url := connection.extra_dejson.get("url"):
        return str(url)
    if connection.conn_type in ("postgres", "postgresql"):
        return _postgres_url(connection)
    if connection.conn_type == "sqlite":
        return f"sqlite:///{connection.host or connection.schema or ''}"
    raise ConfigurationError(
        f'connection "{conn_id}" is of type "{connection.conn_type}" and has no extra "url". Use type generic with the '
        f'extra {{"url": "<SQLAlchemy URL>"}}, or type postgres or sqlite; {_how_to_set(conn_id)}'
    )


def connection_of(conn_id: str) -> Connection:
    """Return the connection `conn_id` from the environment, a secrets backend or, in a task, Airflow's own database.

    Raises:
        ConfigurationError: nobody knows it; the message names the variable to set.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError

    try:
        return BaseHook.get_connection(conn_id)
    except (AirflowNotFoundException, AirflowRuntimeError) as error:
        raise ConfigurationError(f'connection "{conn_id}" is not defined; {_how_to_set(conn_id)}') from error


def _postgres_url(connection: Connection) -> str:
    from sqlalchemy.engine import URL

    return URL.create(
        "postgresql+psycopg",
        username=connection.login or None,
        password=connection.password or None,
        host=connection.host or None,
        port=connection.port,
        database=connection.schema or None,
        query={key: str(value) for key, value in connection.extra_dejson.items() if key in _LIBPQ_KEYS},
    ).render_as_string(hide_password=False)


_LIBPQ_KEYS = frozenset(
    {"sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "options", "application_name"}
)


def _how_to_set(conn_id: str) -> str:
    return (
        f"set AIRFLOW_CONN_{conn_id.upper()} in the environment or add the connection in Airflow (Admin > Connections)."
    )
