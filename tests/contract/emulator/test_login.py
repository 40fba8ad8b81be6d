"""Logins, as the clients of this project and of Airflow make them, unpatched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from airflow.providers.salesforce.hooks.salesforce import SalesforceHook
from simple_salesforce import Salesforce, SalesforceAuthenticationFailed, SalesforceExpiredSession

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator


@pytest.mark.parametrize("kind", ["client_credentials", "soap"])
def test_the_hook_logs_in(salesforce: Emulator, monkeypatch: pytest.MonkeyPatch, kind: str):
    """Airflow's hook logs in from an ordinary connection and queries."""
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", salesforce.airflow_conn_json(kind))
    result = SalesforceHook().make_query("SELECT Username FROM User WHERE Username LIKE 'integration%'")
    assert [record["Username"] for record in result["records"]] == [salesforce.integration["username"]]


@pytest.mark.parametrize(
    "keys",
    [
        ("username", "password", "security_token", "domain"),
        ("consumer_key", "consumer_secret", "domain"),
        ("username", "password", "consumer_key", "consumer_secret", "domain"),
    ],
    ids=["soap", "client credentials", "oauth password"],
)
def test_simple_salesforce_logs_in(salesforce: Emulator, keys: tuple[str, ...]):
    """simple_salesforce logs in by each of its ways and reaches the org."""
    client = Salesforce(**{key: salesforce.integration[key] for key in keys})
    assert client.query("SELECT count() FROM Lead")["totalSize"] == 0


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"password": "wrong"}, "INVALID_LOGIN"),
        ({"security_token": "wrong"}, "INVALID_LOGIN"),
        ({"username": "nobody@example.jp"}, "INVALID_LOGIN"),
    ],
)
def test_a_wrong_soap_login_is_refused(salesforce: Emulator, changed: dict[str, str], code: str):
    """A wrong name, password or token gets the fault that the client turns into INVALID_LOGIN."""
    given = {key: salesforce.integration[key] for key in ("username", "password", "security_token", "domain")}
    with pytest.raises(SalesforceAuthenticationFailed) as raised:
        Salesforce(**given | changed)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("form", "auth", "error"),
    [
        ({}, True, "invalid_request"),
        ({"grant_type": "client_credentials"}, False, "invalid_client_id"),
        ({"grant_type": "client_credentials"}, ("{key}", "wrong"), "invalid_client"),
        ({"grant_type": "device"}, True, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "x", "password": "y"}, True, "invalid_grant"),
    ],
)
def test_a_wrong_token_request_is_refused(salesforce: Emulator, form: dict[str, str], auth: object, error: str):
    """Each mistake in a token request has its own OAuth error."""
    user = salesforce.integration
    given = {
        True: (user["consumer_key"], user["consumer_secret"]),
        False: None,
    }.get(auth, (user["consumer_key"], "wrong"))
    answer = requests.post(
        f"{salesforce.url}/services/oauth2/token", data=form, auth=given, verify=salesforce.ca_file, timeout=10
    )
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><login><username>&b;</username><password>x</password></login>',
        b"<login><username>x</username></login>",
    ],
)
def test_a_malformed_soap_login_is_refused(salesforce: Emulator, body: bytes):
    """A body that is no login, or declares entities, gets the fault of a wrong one."""
    answer = requests.post(f"{salesforce.url}/services/Soap/u/59.0", body, verify=salesforce.ca_file, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "text/xml; charset=utf-8")
    assert "<sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode>" in answer.text


def test_an_unknown_session_is_expired(salesforce: Emulator):
    """A token that the org does not know is refused as an expired one is."""
    client = Salesforce(session_id="00D5i!wrong", instance=salesforce.url.removeprefix("https://"))
    with pytest.raises(SalesforceExpiredSession) as raised:
        client.query("SELECT Id FROM Lead")
    assert raised.value.content == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


def test_another_authorization_scheme_is_refused(api: Api):
    """An Authorization header that is neither Bearer nor OAuth is an invalid header."""
    answer = api("GET", "limits", headers={"Authorization": "Basic eA=="})
    assert (answer.status_code, answer.json()) == (
        401,
        [{"message": "INVALID_HEADER_TYPE", "errorCode": "INVALID_AUTH_HEADER"}],
    )


def test_versions_need_no_login(salesforce: Emulator):
    """The list of versions is public and has what clients ask for."""
    answer = requests.get(f"{salesforce.url}/services/data", verify=salesforce.ca_file, timeout=10)
    labels = {each["version"]: each["label"] for each in answer.json()}
    assert (labels["20.0"], labels["59.0"], labels["67.0"]) == ("Winter '11", "Winter '24", "Summer '26")


@pytest.mark.parametrize("path", ["/services/data/v42.0/limits/", "/x.salesforce.com/services/data/v67.0/limits"])
def test_any_version_and_login_host_is_served(api: Api, path: str):
    """Any version, a trailing slash, and the path segment that simple_salesforce puts first are all accepted."""
    assert api("GET", path).status_code == 200


def test_the_identity_names_the_user(salesforce: Emulator, api: Api):
    """The identity that the list of resources points at is the user who asks."""
    identity = api("GET", "/services/data/v59.0/").json()["identity"]
    assert api.http.get(identity, timeout=10).json()["username"] == salesforce.integration["username"]


def test_userinfo_names_the_user(salesforce: Emulator, api: Api):
    """OpenID's userinfo says who the token belongs to, and to which org."""
    info = api("GET", "/services/oauth2/userinfo").json()
    (org,) = salesforce.admin_query("SELECT Id FROM Organization")
    assert (info["preferred_username"], info["organization_id"]) == (salesforce.integration["username"], org["Id"])


def test_record_counts_leave_empty_objects_out(salesforce: Emulator, api: Api):
    """`/limits/recordCount` counts live rows of what was asked for."""
    salesforce.admin_create("Account", {"Name": "ACME"})
    answer = api("GET", "limits/recordCount?sObjects=Account,Lead").json()
    assert answer == {"sObjects": [{"count": 1, "name": "Account"}]}


def test_a_deactivated_user_is_locked_out(salesforce: Emulator, api: Api):
    """A deactivated user's sessions and logins stop working, and start again with the user."""
    user = next(each for each in salesforce.control("GET", "users") if each["profile"] == "integration")
    salesforce.control("PUT", f"users/{user['id']}", {"active": False})
    try:
        refused = api("GET", "limits").status_code
        with pytest.raises(requests.HTTPError):
            salesforce.login()
    finally:
        salesforce.control("PUT", f"users/{user['id']}", {"active": True})
    assert (refused, api("GET", "limits").status_code) == (401, 200)
