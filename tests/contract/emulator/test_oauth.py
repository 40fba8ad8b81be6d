"""OAuth: the grants that need no browser, what ends a session, and what each refusal says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from simple_salesforce import Salesforce, SalesforceAuthenticationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Pair:
    """An RSA key pair in PEM."""

    def __init__(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def pair() -> Pair:
    """Give one key pair for all tests."""
    return Pair()


@pytest.fixture
def user_id(salesforce: Emulator) -> Iterator[str]:
    """Give the integration user's id; whatever a test forbids the user is allowed again after it."""
    found = next(user["id"] for user in salesforce.control("GET", "users") if user["profile"] == "integration")
    yield found
    allowed = {"active": True, "password_expired": False, "app_revoked": False, "api_enabled": True, "certificate": ""}
    salesforce.control("PUT", f"users/{found}", allowed)


def oauth(salesforce: Emulator, resource: str, form: dict[str, str]) -> requests.Response:
    """Post a form to an OAuth resource, with the app's key and secret in it unless it says otherwise."""
    user = salesforce.integration
    keys = {"client_id": user["consumer_key"], "client_secret": user["consumer_secret"]}
    url = f"{salesforce.url}/services/oauth2/{resource}"
    return requests.post(url, data=keys | form, verify=salesforce.ca_file, timeout=10)


def asserted(salesforce: Emulator, pair: Pair, **changed: Any) -> requests.Response:
    """Log in by an assertion, right but for what is changed."""
    user = salesforce.integration
    claims = {
        "iss": user["consumer_key"],
        "sub": user["username"],
        "aud": "https://login.salesforce.com",
        "exp": time.time() + 60,
    }
    assertion = jwt.encode(claims | changed, pair.private, algorithm="RS256")
    return oauth(salesforce, "token", {"grant_type": BEARER, "assertion": assertion})


def works(salesforce: Emulator, token: str) -> bool:
    """Tell whether an access token opens the API."""
    answer = salesforce.session(token).get(f"{salesforce.url}/services/data/v59.0/limits", timeout=10)
    return answer.status_code == 200


# --- JWT bearer ----------------------------------------------------------------------------------------------------


def test_simple_salesforce_logs_in_by_assertion(salesforce: Emulator, user_id: str, pair: Pair):
    """Once its key is registered, the app logs its user in by JWT, as simple_salesforce does it."""
    salesforce.control("PUT", f"users/{user_id}", {"certificate": pair.public})
    user = salesforce.integration
    client = Salesforce(
        username=user["username"], consumer_key=user["consumer_key"], privatekey=pair.private, domain=user["domain"]
    )
    assert client.query("SELECT count() FROM Lead")["totalSize"] == 0


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"aud": "https://example.jp"}, ("invalid_grant", "Audience validation failed")),
        ({"sub": "nobody@example.jp"}, ("invalid_grant", "user hasn't approved this consumer")),
        ({"iss": "3MVG9wrong"}, ("invalid_client_id", "client identifier invalid")),
        ({"exp": 1_000_000_000}, ("invalid_grant", "expired assertion")),
    ],
)
def test_a_wrong_assertion_is_refused(
    salesforce: Emulator, user_id: str, pair: Pair, changed: dict[str, Any], refusal: tuple[str, str]
):
    """Each claim that is wrong has its error; all right, the token works."""
    salesforce.control("PUT", f"users/{user_id}", {"certificate": pair.public})
    assert works(salesforce, asserted(salesforce, pair).json()["access_token"])
    answer = asserted(salesforce, pair, **changed)
    assert (answer.status_code, tuple(answer.json().values())) == (400, refusal)


def test_another_key_signs_nothing(salesforce: Emulator, user_id: str, pair: Pair):
    """An assertion signed by a key that is not registered is invalid, and so is one before any is registered."""
    assert asserted(salesforce, pair).json()["error"] == "invalid_grant"
    salesforce.control("PUT", f"users/{user_id}", {"certificate": Pair().public})
    assert asserted(salesforce, pair).json() == {"error": "invalid_grant", "error_description": "invalid assertion"}


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "e30.e30.e30", "é.é.é", "bnVsbA.bnVsbA.bnVsbA"])
def test_no_assertion_is_no_grant(salesforce: Emulator, text: str):
    """Text that is no assertion is an invalid grant, never an error of ours."""
    answer = oauth(salesforce, "token", {"grant_type": BEARER, "assertion": text})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_certificate_must_be_one(salesforce: Emulator, user_id: str):
    """The control refuses what is no RSA key."""
    url = f"{salesforce.url}/_emulator/users/{user_id}"
    answer = salesforce.http.put(url, json={"certificate": "-----BEGIN CERTIFICATE-----"}, timeout=10)
    assert (answer.status_code, "certificate" in answer.json()["error"]) == (400, True)


# --- refresh, revoke, introspect -------------------------------------------------------------------------------------


def refreshed(salesforce: Emulator, refresh_token: str) -> requests.Response:
    """Ask for a new access token."""
    return oauth(salesforce, "token", {"grant_type": "refresh_token", "refresh_token": refresh_token})


def test_a_refresh_token_leads_to_access_tokens(salesforce: Emulator, user_id: str):
    """An approved app gets access tokens, as often as it asks, with the recorded keys."""
    token = salesforce.control("POST", f"users/{user_id}/approve")["refresh_token"]
    answers = [refreshed(salesforce, token).json() for _ in range(2)]
    assert all(works(salesforce, answer["access_token"]) for answer in answers)
    assert {"id", "issued_at", "instance_url", "signature", "access_token"} <= answers[0].keys()


def test_a_revoked_refresh_token_ends_what_it_led_to(salesforce: Emulator, user_id: str):
    """Revoking it ends its access tokens too (documented), and it is refused in the recorded words."""
    token = salesforce.control("POST", f"users/{user_id}/approve")["refresh_token"]
    access = refreshed(salesforce, token).json()["access_token"]
    assert oauth(salesforce, "revoke", {"token": token}).status_code == 200
    answer = refreshed(salesforce, token)
    body = {"error": "invalid_grant", "error_description": "expired access/refresh token"}
    assert (works(salesforce, access), answer.status_code, answer.json()) == (False, 400, body)


def test_a_revoked_access_token_is_worth_nothing(salesforce: Emulator):
    """Revoking an access token ends that session alone; a second time it is no token any more."""
    one, other = salesforce.login(), salesforce.login()
    answers = [oauth(salesforce, "revoke", {"token": one}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert answers[1].json()["error"] == "unsupported_token_type"
    assert (works(salesforce, one), works(salesforce, other)) == (False, True)


def test_a_token_can_be_inspected(salesforce: Emulator):
    """Introspection tells whose token it is and until when, or that it is not active."""
    token = salesforce.login()
    found = oauth(salesforce, "introspect", {"token": token}).json()
    assert (found["active"], found["username"]) == (True, salesforce.integration["username"])
    assert 7_190 <= found["exp"] - time.time() <= 7_200
    assert oauth(salesforce, "introspect", {"token": "x"}).json() == {"active": False}


@pytest.mark.parametrize(
    ("header", "body"), [({}, "Missing_OAuth_Token"), ({"Authorization": "Bearer x"}, "Bad_OAuth_Token")]
)
@pytest.mark.parametrize("path", ["/services/oauth2/userinfo", "/id/00D000000000001EAA/005000000000001AAA"])
def test_nobody_has_no_identity(salesforce: Emulator, path: str, header: dict[str, str], body: str):
    """Identity and userinfo are refused with 403 and a word of text (documented for the identity URL)."""
    answer = requests.get(salesforce.url + path, headers=header, verify=salesforce.ca_file, timeout=10)
    assert (answer.status_code, answer.text) == (403, body)


def test_nobody_reads_anothers_identity(api: Api):
    """The identity of another user is a Bad_Id (documented status, the case guessed)."""
    answer = api.http.get(f"{api.url}/id/00D000000000001EAA/005000000000001AAA", timeout=10)
    assert (answer.status_code, answer.text) == (404, "Bad_Id")


# --- what ends a session ---------------------------------------------------------------------------------------------


def test_a_session_that_nobody_uses_ends(salesforce: Emulator):
    """A session ends after so many seconds without use; the administrator's does not."""
    used, idle = salesforce.login(), salesforce.login()
    salesforce.control("PUT", "sessions", {"seconds": 1})
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        assert works(salesforce, used)
        time.sleep(0.2)
    assert (works(salesforce, idle), works(salesforce, salesforce.admin["access_token"])) == (False, True)


def test_all_sessions_can_be_ended(salesforce: Emulator):
    """`DELETE /_emulator/sessions` logs everybody out; who logs in again is in."""
    token = salesforce.login()
    salesforce.control("DELETE", "sessions")
    assert (works(salesforce, token), works(salesforce, salesforce.login())) == (False, True)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"active": False}, (401, "INVALID_SESSION_ID")),
        ({"app_revoked": True}, (401, "INVALID_SESSION_ID")),
        ({"api_enabled": False}, (403, "API_DISABLED_FOR_ORG")),
        ({"password_expired": True}, (403, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD")),
    ],
)
def test_what_a_user_loses_stops_the_session_and_comes_back(
    api: Api, salesforce: Emulator, user_id: str, change: dict[str, bool], refusal: tuple[int, str]
):
    """A session is refused with the code of what the user lost, uncounted, and works again with it."""
    salesforce.control("PUT", f"users/{user_id}", change)
    salesforce.clear_requests()
    answer = api("GET", "limits")
    (entry,) = salesforce.requests()
    salesforce.control("PUT", f"users/{user_id}", {name: not value for name, value in change.items()})
    assert (answer.status_code, answer.json()[0]["errorCode"], entry["counted"]) == (*refusal, False)
    assert api("GET", "limits").status_code == 200


@pytest.mark.parametrize(
    ("change", "grant", "error"),
    [
        ({"active": False}, "client_credentials", "inactive_user"),
        ({"active": False}, "password", "invalid_grant"),
        ({"active": False}, "refresh_token", "inactive_user"),
        ({"app_revoked": True}, "client_credentials", "OAUTH_APP_BLOCKED"),
        ({"app_revoked": True}, "password", "OAUTH_APP_BLOCKED"),
        ({"app_revoked": True}, "refresh_token", "invalid_grant"),
        ({"password_expired": True}, "password", "invalid_grant"),
        ({"api_enabled": False}, "client_credentials", "invalid_grant"),
    ],
)
def test_what_a_user_lost_is_no_way_in(
    salesforce: Emulator, user_id: str, change: dict[str, bool], grant: str, error: str
):
    """Each way to log in says what is wrong with the user; before, it lets the user in."""
    user = salesforce.integration
    form = {
        "grant_type": grant,
        "username": user["username"],
        "password": user["password"] + user["security_token"],
        "refresh_token": salesforce.control("POST", f"users/{user_id}/approve")["refresh_token"],
    }
    assert oauth(salesforce, "token", form).status_code == 200
    salesforce.control("PUT", f"users/{user_id}", change)
    answer = oauth(salesforce, "token", form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_soap_login_says_that_the_api_is_disabled(salesforce: Emulator, user_id: str):
    """Who has no API permission gets a fault that simple_salesforce turns into its code."""
    salesforce.control("PUT", f"users/{user_id}", {"api_enabled": False})
    keys = ("username", "password", "security_token", "domain")
    with pytest.raises(SalesforceAuthenticationFailed) as raised:
        Salesforce(**{key: salesforce.integration[key] for key in keys})
    assert raised.value.code == "API_DISABLED_FOR_ORG"


def test_a_reset_gives_back_what_users_lost(salesforce: Emulator, user_id: str):
    """After a reset the user may log in and work again; the certificate stays."""
    salesforce.control("PUT", f"users/{user_id}", {"api_enabled": False, "app_revoked": True})
    salesforce.reset()
    assert works(salesforce, salesforce.login())
