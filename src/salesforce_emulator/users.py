"""The org's users, their keys, and their sessions."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import ids
from salesforce_emulator.access import ADMIN, INTEGRATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from salesforce_emulator.storage import Storage

ORGANIZATION_ID = ids.make("00D", 1)
_USERS = "users"
_ADMIN_TOKEN = "admin_token"  # noqa: S105 - the name of a setting
_REFRESH_TOKENS = "refresh_tokens"
_TOKEN_BYTES = 60
SESSION_SECONDS = 7200
"""How long a session lives that nobody uses (the default of a new org, as recorded)."""


@dataclass(frozen=True, slots=True)
class User:
    """A person or program that logs in: names, keys of its connected app, and the profile it acts under.

    `view_all` and `modify_all` are the permissions on all data, which the administrator has anyway: sharing hides
    nothing from, or refuses nothing to, whoever has them. `view_setup` opens the objects that tell permissions.
    `certificate` (PEM, or a public key) is what assertions of the user's connected app are signed for; `app_revoked`
    says that the app is blocked.
    """

    id: str
    username: str
    first_name: str
    last_name: str
    profile: str
    password: str
    security_token: str
    consumer_key: str
    consumer_secret: str
    active: bool = True
    view_all: bool = False
    modify_all: bool = False
    password_expired: bool = False
    app_revoked: bool = False
    api_enabled: bool = True
    view_setup: bool = True
    certificate: str = ""

    @property
    def name(self) -> str:
        """Return the full name."""
        return f"{self.first_name} {self.last_name}"

    def credentials(self, domain: str) -> dict[str, str]:
        """Return what a client needs to log in; `domain` is for simple_salesforce and the Airflow hook."""
        keys = ("username", "password", "security_token", "consumer_key", "consumer_secret")
        return {key: getattr(self, key) for key in keys} | {"domain": domain}


def _new_user(
    number: int, profile: str, name: tuple[str, str], *, username: str = "", keys: tuple[str, str] | None = None
) -> User:
    key, secret = keys or (f"3MVG9{secrets.token_urlsafe(60)}", secrets.token_hex(32).upper())
    return User(
        id=ids.make("005", number),
        username=username or f"{profile}@emulator.example",
        first_name=name[0],
        last_name=name[1],
        profile=profile,
        password=secrets.token_urlsafe(12),
        security_token=secrets.token_hex(12),
        consumer_key=key,
        consumer_secret=secret,
    )


@dataclass(slots=True)
class Session:
    """Who is logged in: since when, last active when (seconds of this machine), by which app's refresh token."""

    user_id: str
    started: float
    active: float
    by_app: bool
    refresh_token: str = ""


class Users:
    """Hold the users and who is logged in.

    Users, keys and refresh tokens outlive a reset and the server; sessions live as long as the server, or until nobody
    used them for `session_seconds`.
    """

    def __init__(self, storage: Storage, keys: tuple[str, str] | None = None) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        kept = storage.settings()
        if _USERS in kept:
            self._users = {user["id"]: User(**user) for user in orjson.loads(kept[_USERS])}
            self.admin_token = kept[_ADMIN_TOKEN]
        else:
            made = (
                _new_user(1, ADMIN, ("Akiko", "Kanri")),
                _new_user(2, INTEGRATION, ("Integration", "User"), keys=keys),
            )
            self._users = {user.id: user for user in made}
            self.admin_token = _new_token()
            self._keep()
            storage.keep([(_ADMIN_TOKEN, self.admin_token)])
        self.session_seconds: float = SESSION_SECONDS
        self._refresh_tokens: dict[str, str] = orjson.loads(kept.get(_REFRESH_TOKENS, "{}"))
        self._sessions: dict[str, Session] = {}
        self.end_sessions()

    def __iter__(self) -> Iterator[User]:
        return iter(self._users.values())

    @property
    def admin(self) -> User:
        """Return the administrator."""
        return next(user for user in self._users.values() if user.profile == ADMIN)

    @property
    def integration(self) -> User:
        """Return the user that programs log in as."""
        return next(user for user in self._users.values() if user.profile == INTEGRATION)

    def by_password(self, username: str, password: str) -> User | None:
        """Find the active user whose password, or password and security token in one, this is."""
        user = next((user for user in self if user.username.lower() == username.lower() and user.active), None)
        if user is None:
            return None
        accepted = (user.password, user.password + user.security_token)
        return user if any(_same(password, each) for each in accepted) else None

    def by_consumer(self, key: str, secret: str) -> User | None:
        """Find the user, active or not, whose connected app has this key and secret."""
        user = self.by_key(key)
        return user if user is not None and _same(user.consumer_secret, secret) else None

    def start_session(self, user: User, *, by_app: bool = False, refresh_token: str = "") -> str:
        """Log a user in, by a connected app or not; return the access token."""
        token, now = _new_token(), time.monotonic()
        with self._lock:
            self._sessions[token] = Session(user.id, now, now, by_app, refresh_token)
        return token

    def session(self, token: str) -> Session | None:
        """Return the session of an access token, or None if it is unknown, expired, or its user may not go on."""
        if (found := self._sessions.get(token)) is None:
            return None
        user = self._users[found.user_id]
        idle = time.monotonic() - found.active
        expired = idle > self.session_seconds and token != self.admin_token
        if expired or not user.active or (found.by_app and user.app_revoked):
            return None
        return found

    def of_session(self, token: str) -> User | None:
        """Return whose access token this is, or None if it is worth nothing (any more); using it prolongs it."""
        if (found := self.session(token)) is None:
            return None
        found.active = time.monotonic()
        return self._users[found.user_id]

    def end_sessions(self) -> None:
        """End every session but the admin's own."""
        now = time.monotonic()
        with self._lock:
            self._sessions = {self.admin_token: Session(self.admin.id, now, now, by_app=False)}

    def approve(self, user: User) -> str:
        """Let a user approve the connected app; return the refresh token that the app gets."""
        token = f"5Aep861{secrets.token_urlsafe(60)}"
        with self._lock:
            self._refresh_tokens[token] = user.id
            self._keep_refresh_tokens()
        return token

    def of_refresh_token(self, token: str) -> User | None:
        """Return whose refresh token this is, or None if it is unknown or revoked."""
        return self._users.get(self._refresh_tokens.get(token, ""))

    def revoke(self, token: str) -> bool:
        """End an access token, or a refresh token with the access tokens it led to; False if it is neither."""
        if self.session(token) is not None:
            self.expire(token)
            return True
        with self._lock:
            if self._refresh_tokens.pop(token, None) is None:
                return False
            self._sessions = {key: each for key, each in self._sessions.items() if each.refresh_token != token}
            self._keep_refresh_tokens()
        return True

    def by_name(self, username: str) -> User | None:
        """Find a user, active or not, by the name they log in with."""
        return next((user for user in self if user.username.lower() == username.lower()), None)

    def by_key(self, key: str) -> User | None:
        """Find the user whose connected app has this consumer key, active or not."""
        return next((user for user in self if _same(user.consumer_key, key)), None)

    def expire(self, token: str) -> None:
        """End a session; the admin's own token cannot be ended."""
        if token != self.admin_token:
            with self._lock:
                self._sessions.pop(token, None)

    def add(self, username: str, profile: str, name: tuple[str, str]) -> User:
        """Hire somebody, with keys of their own; raise `ValueError` where the name is taken."""
        with self._lock:
            if any(user.username.lower() == username.lower() for user in self):
                raise ValueError(f"there is a user {username} already")
            number = max(ids.number(user_id) or 0 for user_id in self._users) + 1
            made = _new_user(number, profile, name, username=username)
            self._users = self._users | {made.id: made}
            self._keep()
        return made

    def change(self, user_id: str, **changes: Any) -> User | None:
        """Change a user's attributes (`active`, `view_all` …); None if there is no such user."""
        with self._lock:
            if (user := self._users.get(user_id)) is None:
                return None
            self._users[user_id] = result = replace(user, **changes)
            self._keep()
        return result

    def reset_permissions(self) -> None:
        """Take back what the controls gave or took, but for who is active, and let sessions live as long as usual."""
        self.session_seconds = SESSION_SECONDS
        usual = {"view_all": False, "modify_all": False}
        usual |= {"password_expired": False, "app_revoked": False, "api_enabled": True, "view_setup": True}
        for user in list(self):
            self.change(user.id, **usual)

    def _keep_refresh_tokens(self) -> None:
        self._storage.keep([(_REFRESH_TOKENS, orjson.dumps(self._refresh_tokens).decode())])

    def _keep(self) -> None:
        text = orjson.dumps([asdict(user) for user in self._users.values()]).decode()
        self._storage.keep([(_USERS, text)])


def _new_token() -> str:
    return f"{ORGANIZATION_ID[:15]}!AQ{secrets.token_urlsafe(_TOKEN_BYTES).replace('-', '.')}"


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
