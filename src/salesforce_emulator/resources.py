"""The small resources: versions, the list of resources, limits, record counts, the identity of who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salesforce_emulator.users import ORGANIZATION_ID
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from salesforce_emulator.users import User
    from salesforce_emulator.web import Call

_FIRST, _LATEST = 20, 67
_FIRST_YEAR = 2011
_SEASONS = ("Winter", "Spring", "Summer")
_NAMES = ("limits", "sobjects", "query", "queryAll", "composite")


def versions() -> list[dict[str, str]]:
    """List every API version with its release: three a year, v20.0 being Winter '11."""
    listed = []
    for number in range(_FIRST, _LATEST + 1):
        since = number - _FIRST
        year = _FIRST_YEAR + since // 3
        season = _SEASONS[since % 3]
        listed.append(
            {"label": f"{season} '{year % 100:02}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        )
    return listed


def resources(call: Call) -> Reply:
    """Answer GET /services/data/vNN.0/: where what is."""
    found = {name: f"{call.root}/{name}" for name in _NAMES}
    return Reply({**found, "identity": identity_url(call.base_url, call.user)})


def limits(call: Call) -> Reply:
    """Answer GET /limits."""
    return Reply(call.org.quota.as_json())


def record_count(call: Call) -> Reply:
    """Answer GET /limits/recordCount: objects without rows are left out."""
    asked = {name.lower() for name in call.params.get("sObjects", "").split(",") if name}
    counts = []
    for view in call.org.views(call.user):
        if asked and view.name.lower() not in asked:
            continue
        condition = "WHERE 1" + view.table.live
        ((count,),) = call.org.storage.fetch(f"SELECT count(*) FROM {view.source} {condition}")
        if count:
            counts.append({"count": count, "name": view.name})
    return Reply({"sObjects": counts})


def identity_url(base_url: str, user: User) -> str:
    """Return the address of a user's identity."""
    return f"{base_url}/id/{ORGANIZATION_ID}/{user.id}"


def identity(base_url: str, user: User) -> dict[str, Any]:
    """Describe a user as the identity resource does."""
    rest = f"{base_url}/services/data/v{{version}}/"
    return {
        "id": identity_url(base_url, user),
        "asserted_user": True,
        "user_id": user.id,
        "organization_id": ORGANIZATION_ID,
        "username": user.username,
        "nick_name": user.profile,
        "display_name": user.name,
        "email": user.username,
        "email_verified": True,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "timezone": "Asia/Tokyo",
        "addr_country": "JP",
        "urls": {
            "enterprise": f"{base_url}/services/Soap/c/{{version}}/{ORGANIZATION_ID[:15]}",
            "partner": f"{base_url}/services/Soap/u/{{version}}/{ORGANIZATION_ID[:15]}",
            "rest": rest,
            "sobjects": f"{rest}sobjects/",
            "query": f"{rest}query/",
            "profile": f"{base_url}/{user.id}",
        },
        "active": user.active,
        "user_type": "STANDARD",
        "language": "ja",
        "locale": "ja_JP",
        "utcOffset": 9 * 60 * 60 * 1000,
        "is_app_installed": True,
    }


def userinfo(base_url: str, user: User) -> dict[str, Any]:
    """Describe a user as OpenID's userinfo resource does."""
    return {
        "sub": identity_url(base_url, user),
        "user_id": user.id,
        "organization_id": ORGANIZATION_ID,
        "preferred_username": user.username,
        "nickname": user.profile,
        "name": user.name,
        "email": user.username,
        "email_verified": True,
        "given_name": user.first_name,
        "family_name": user.last_name,
        "zoneinfo": "Asia/Tokyo",
        "locale": "ja_JP",
        "active": user.active,
        "user_type": "STANDARD",
        "language": "ja",
        "is_app_installed": True,
    }
