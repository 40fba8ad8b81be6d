"""The org's users, their keys, and their sessions."""

from __future__ import annotations

import hmac
import secrets
import threading
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
_TOKEN_BYTES = 60


@dataclass(frozen=True, slots=True)
class User:
    """A person or program that logs in: names, keys of its connected app, and the profile it acts under.

    `view_all` and `modify_all` are the permissions on all data, which the administrator has anyway: sharing hides
    nothing from, or refuses nothing to, whoever has them.
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


class Users:
    """Hold the users and who is logged in. Users and keys outlive a reset; sessions live as long as the server."""

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
        self._sessions = {self.admin_token: self.admin.id}

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
        """Find the active user whose connected app has this key and secret."""
        return next((user for user in self if _same(user.consumer_key, key) and self._matches(user, secret)), None)

    @staticmethod
    def _matches(user: User, secret: str) -> bool:
        return user.active and _same(user.consumer_secret, secret)

    def knows_consumer(self, key: str) -> bool:
        """Tell whether any connected app has this key."""
        return any(_same(user.consumer_key, key) for user in self)

    def start_session(self, user: User) -> str:
        """Log a user in; return the access token."""
        token = _new_token()
        with self._lock:
            self._sessions[token] = user.id
        return token

    def of_session(self, token: str) -> User | None:
        """Return whose access token this is, or None if it is unknown, expired, or the user is inactive."""
        user = self._users.get(self._sessions.get(token, ""))
        return user if user is not None and user.active else None

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
        """Take back what the controls gave on all data."""
        for user in list(self):
            self.change(user.id, view_all=False, modify_all=False)

    def _keep(self) -> None:
        text = orjson.dumps([asdict(user) for user in self._users.values()]).decode()
        self._storage.keep([(_USERS, text)])


def _new_token() -> str:
    return f"{ORGANIZATION_ID[:15]}!AQ{secrets.token_urlsafe(_TOKEN_BYTES).replace('-', '.')}"


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
