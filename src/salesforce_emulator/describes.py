"""The describe resources: what this user may know of the org's objects, printed once per state of the schema."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from salesforce_emulator import describe, errors, ids
from salesforce_emulator.clock import http_date
from salesforce_emulator.record_types import mapping
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from salesforce_emulator.access import ObjectView
    from salesforce_emulator.web import Call

LAYOUT_ID = ids.make("00h", 1)


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
            record_types=call.org.record_types.infos(view.name),
            overrides=view.overrides,
        )

    return _cached(call, view.name, build)


def describe_layouts(call: Call, name: str) -> Reply:
    """Answer GET /sobjects/{object}/describe/layouts: each record type with its picklists.

    With more than one record type the layouts themselves are null here (documented).
    """
    view = _laid_out(call, name)
    types, infos = call.org.record_types, _infos(call, view)
    mappings = [
        {
            **mapping(types, view.schema, info, view.hidden),
            "layoutId": LAYOUT_ID,
            "urls": _layout_urls(call, view, info),
        }
        for info in infos
    ]
    selector = len([info for info in infos if info["available"] and not info["master"]]) > 1
    body = {
        "layouts": None if len(infos) > 1 else [_layout()],
        "recordTypeMappings": [dict(sorted(each.items())) for each in mappings],
        "recordTypeSelectorRequired": [selector],
    }
    return Reply(body)


def describe_layout(call: Call, name: str, record_type_id: str) -> Reply:
    """Answer GET /sobjects/{object}/describe/layouts/{record type}: its layout, which is empty here."""
    view = _laid_out(call, name)
    wanted = ids.normalise(record_type_id)
    if wanted not in {info["recordTypeId"] for info in _infos(call, view)}:
        raise errors.not_found()
    return Reply(_layout())


def _laid_out(call: Call, name: str) -> ObjectView:
    view = call.org.require(call.user, name)
    if not view.schema.top["layoutable"]:
        raise errors.not_found()
    return view


def _infos(call: Call, view: ObjectView) -> list[dict[str, Any]]:
    return call.org.record_types.infos(view.name)


def _layout_urls(call: Call, view: ObjectView, info: dict[str, Any]) -> dict[str, str]:
    return {"layout": f"{call.root}/sobjects/{view.name}/describe/layouts/{info['recordTypeId']}"}


def _layout() -> dict[str, Any]:
    """Return a layout with the documented keys and nothing on it."""
    return {
        "buttonLayoutSection": {"detailButtons": []},
        "detailLayoutSections": [],
        "editLayoutSections": [],
        "feedView": None,
        "highlightsPanelLayoutSection": None,
        "id": LAYOUT_ID,
        "multirowEditLayoutSections": [],
        "offlineLinks": [],
        "quickActionList": {"quickActionListItems": []},
        "relatedContent": None,
        "relatedLists": [],
        "saveOptions": [],
    }


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
