"""A Salesforce org, reached through the provider's `SalesforceHook`.

The hook logs in and keeps the session; every call goes through one function here, because simple_salesforce has no
timeouts and recurses without end on a persistent 401. Calls that may be repeated without effect are repeated with
backoff; a create whose reply is lost is not: its outcome is found out by a search (ARCHITECTURE: Exactly one record).
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson
import requests
from requests.adapters import HTTPAdapter
from tenacity import Retrying, before_sleep_log, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from leadsync.errors import (
    ConfigurationError,
    LostReplyError,
    QuotaError,
    RetryableError,
    SalesforceRefusedError,
    SalesforceUnavailableError,
    UnreachableError,
)
from leadsync.salesforce.faults import SESSION_CODES, error_of, exception_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simple_salesforce import Salesforce

    from leadsync.settings import Settings

log = logging.getLogger(__name__)

ATTEMPTS = 4
"""How often a repeatable call is made before the task fails (and Airflow retries it later)."""

FIRST_WAIT = 0.5
"""Seconds before a call is repeated; the pause doubles each time, and a random part keeps clients apart."""

_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")
_LOGIN = re.compile(r"/services/(?:oauth2/token|Soap/u/)")
_UNSENT = (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError)


class _TimeoutAdapter(HTTPAdapter):
    """Give every call a timeout, the login's too."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send with (connect, read) timeouts in seconds where the caller set none."""
        kwargs["timeout"] = kwargs.get("timeout") or (10, self._seconds)
        return super().send(request, *args, **kwargs)


def _never_sent(error: requests.exceptions.RequestException) -> bool:
    """Say whether Salesforce cannot have seen the request: the connection was never made."""
    return isinstance(error, _UNSENT) or "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error)


def _raise_if_login_unavailable(response: requests.Response, **_: Any) -> None:
    """Tell an overloaded org from a wrong password: simple_salesforce takes any failed login for the latter.

    SOAP answers 500 to a wrong password too, then with an exception code.
    """
    server_error = response.status_code >= requests.codes.server_error
    if server_error and _LOGIN.search(response.url) and b"exceptionCode" not in response.content:
        raise SalesforceUnavailableError(
            f"Salesforce answered {response.status_code} {response.reason} to the login. The task is tried again."
        )


def _retrying() -> Retrying:
    return Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential_jitter(initial=FIRST_WAIT, max=20, jitter=FIRST_WAIT),
        retry=retry_if_exception_type((UnreachableError, QuotaError)),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )


class SalesforceClient:
    """Authenticated calls to one org, counted, timed out, and repeated where that is harmless."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.calls = 0
        """API calls made by this client."""
        self.usage: tuple[int, int] | None = None
        """(used, allowed) API requests of the org today, as of the last answer."""
        self._clock_offset = dt.timedelta(0)

    @cached_property
    def _org(self) -> Salesforce:
        """Return the session, logged in; an overloaded org is asked again."""
        return _retrying()(self._log_in)

    def _log_in(self) -> Salesforce:
        from airflow.providers.salesforce.hooks.salesforce import SalesforceHook  # noqa: PLC0415 - slow import
        from airflow.sdk.exceptions import AirflowNotFoundException  # noqa: PLC0415 - comes with the hook
        from simple_salesforce.exceptions import SalesforceAuthenticationFailed  # noqa: PLC0415 - slow import

        conn_id = self._settings.salesforce_conn_id
        session = requests.Session()
        session.mount("https://", _TimeoutAdapter(self._settings.request_timeout_seconds))
        session.hooks["response"] += [self._learn, _raise_if_login_unavailable]
        try:
            return SalesforceHook(conn_id, session=session).get_conn()
        except AirflowNotFoundException as error:
            raise ConfigurationError(
                f"The Airflow connection `{conn_id}` does not exist. Create it, or set AIRFLOW_CONN_{conn_id.upper()}."
            ) from error
        except TypeError as error:
            raise ConfigurationError(f"The Airflow connection `{conn_id}` lacks a field: {error}.") from error
        except SalesforceAuthenticationFailed as error:
            raise SalesforceRefusedError(
                f"Salesforce refuses the login of connection `{conn_id}`: {error.code} {error.message}. "
                "Check its user, password, token, consumer key and secret."
            ) from error
        except requests.exceptions.RequestException as error:
            raise SalesforceUnavailableError(
                f"Salesforce cannot be reached through connection `{conn_id}`: {type(error).__name__}. "
                "The task is tried again."
            ) from error

    @property
    def version_path(self) -> str:
        """Return the path that all resources stand under, `/services/data/v59.0`."""
        return f"/services/data/v{self._org.sf_version}"

    @cached_property
    def user_id(self) -> str:
        """Return the id of the user that we write as."""
        return str(self.call("GET", "/services/oauth2/userinfo")["user_id"])

    @property
    def ahead(self) -> dt.timedelta:
        """Return how far Salesforce's clock is ahead of ours, as the last `Date` header told it (to the second)."""
        return self._clock_offset

    def now(self) -> dt.datetime:
        """Return the time on Salesforce's clock (UTC); log in first where no answer has told it yet."""
        _ = self._org
        return dt.datetime.now(dt.UTC) + self._clock_offset

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        repeatable: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Make one call and return its parsed JSON body (None if there is none).

        Args:
            method: HTTP method.
            path: path from `/services/...` on, or relative to the version's path.
            body: JSON body.
            repeatable: False for a create: then an unknown outcome raises at once.
            headers: further headers.

        Raises:
            LostReplyError: the outcome of a call that must not be repeated is unknown.
            SalesforceUnavailableError, QuotaError: still failing after the last attempt.
            SalesforceRefusedError: login or API access is refused.
            ApiError: Salesforce refuses the request itself.
        """
        version_path = self.version_path  # logs in, with attempts of its own
        url = path if path.startswith("/") else f"{version_path}/{path}"
        data = orjson.dumps(body) if body is not None else None
        if not repeatable:
            return self._once(method, url, data, headers, unknown=LostReplyError)
        return _retrying()(self._once, method, url, data, headers, unknown=SalesforceUnavailableError)

    def _once(
        self,
        method: str,
        url: str,
        data: bytes | None,
        headers: Mapping[str, str] | None,
        *,
        unknown: type[RetryableError],
    ) -> Any:
        response = self._send(method, url, data, headers, unknown)
        if response.status_code == requests.codes.unauthorized and error_of(response)[0] in SESSION_CODES:
            log.info("The Salesforce session has expired; logging in again.")
            self._login_again()
            response = self._send(method, url, data, headers, unknown)
        if not response.ok:
            failure = exception_for(response.status_code, *error_of(response))
            if unknown is LostReplyError and isinstance(failure, SalesforceUnavailableError):
                raise LostReplyError(f"{failure} Whether the records were created is unknown.") from None
            raise failure
        try:
            return orjson.loads(response.content) if response.content else None
        except orjson.JSONDecodeError as error:
            raise unknown(f"The answer to {method} {url.partition('?')[0]} is no JSON: {error}.") from error

    def _send(
        self,
        method: str,
        url: str,
        data: bytes | None,
        headers: Mapping[str, str] | None,
        unknown: type[RetryableError],
    ) -> requests.Response:
        org = self._org
        self._check_reserve()
        sent = {"Authorization": f"Bearer {org.session_id}", "Content-Type": "application/json", **(headers or {})}
        try:
            response: requests.Response = org.session.request(
                method, f"https://{org.sf_instance}{url}", data=data, headers=sent
            )
        except requests.exceptions.RequestException as error:
            kind = SalesforceUnavailableError if _never_sent(error) else unknown
            raise kind(f"No answer to {method} {url.partition('?')[0]}: {type(error).__name__}.") from error
        self.calls += 1
        return response

    def _login_again(self) -> None:
        from simple_salesforce.exceptions import SalesforceAuthenticationFailed  # noqa: PLC0415 - slow import

        try:
            self._org._refresh_session()  # noqa: SLF001 - the only way that simple_salesforce offers
        except SalesforceAuthenticationFailed as error:
            raise SalesforceRefusedError(
                f"Salesforce refuses to log in again: {error.code} {error.message}."
            ) from error
        except requests.exceptions.RequestException as error:
            raise SalesforceUnavailableError(f"The login got no answer: {type(error).__name__}.") from error

    def _learn(self, response: requests.Response, **_: Any) -> None:
        """Keep the org's clock and its API usage as the headers tell them."""
        if date := response.headers.get("Date"):
            self._clock_offset = parsedate_to_datetime(date) - dt.datetime.now(dt.UTC)
        if usage := _USAGE.search(response.headers.get("Sforce-Limit-Info", "")):
            self.usage = int(usage[1]), int(usage[2])

    def _check_reserve(self) -> None:
        if self.usage and self.usage[1] - self.usage[0] <= self._settings.api_reserve:
            used, allowed = self.usage
            raise QuotaError(
                f"{used} of the org's {allowed} daily API requests are used; the sync leaves "
                f"{self._settings.api_reserve} to others (LEADSYNC_API_RESERVE) and goes on when there are more."
            )
