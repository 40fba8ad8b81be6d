"""The describe resources: what this user may know of the org's objects, printed once per state of the schema."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import describe
from salesforce_emulator.clock import http_date
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from salesforce_emulator.web import Call


def describe_global(call: Call) -> Reply:
    """Answer GET /sobjects: the objects this user can see."""
    views = {view.name: view for view in call.org.views(call.user)}

    def build() -> dict[str, Any]:
        schemas = [view.schema for view in views.values()]
        return describe.describe_global(schemas, version=call.major, overrides=lambda name: views[name].overrides)

    return _cached(call, "", build)


def describe_object(call: Call, name: str) -> Reply:
    """Answer GET /sobjects/{object}/describe."""
    view = call.org.require(call.user, name)

    def build() -> dict[str, Any]:
        views = {each.name: each for each in call.org.views(call.user)}
        return describe.describe_sobject(
            view.schema,
            readable=lambda field: field not in view.hidden,
            createable=lambda field: view.can_create and field in view.createable,
            updateable=lambda field: view.can_edit and field in view.updateable,
            version=call.major,
            instance_url=call.base_url,
            children=describe.child_relationships(
                [each.schema for each in views.values()],
                view.name,
                readable=lambda child, field: field not in views[child].hidden,
            ),
            overrides=view.overrides,
        )

    return _cached(call, view.name, build)


def describe_basic(call: Call, name: str) -> Reply:
    """Answer GET /sobjects/{object}: the short description; nothing is tracked as recent."""
    view = call.org.require(call.user, name)
    entry = describe.global_entry(view.schema, version=call.major, overrides=view.overrides)
    return Reply({"objectDescribe": entry, "recentItems": []})


def _cached(call: Call, name: str, build: Callable[[], dict[str, Any]]) -> Reply:
    org = call.org
    headers = {"Last-Modified": http_date(org.metadata_changed_at)}
    key = (name, call.user.id, call.version, call.base_url)
    printed = org.cached_describe(key)
    if printed is None:
        printed = orjson.dumps(build())
        org.cache_describe(key, printed)
    headers["ETag"] = f'"{hashlib.sha256(printed).hexdigest()[:8]}"'
    if call.unchanged_since(org.metadata_changed_at):
        return Reply(None, 304, headers)
    return Reply(orjson.Fragment(printed), 200, headers)
