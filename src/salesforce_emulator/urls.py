"""Which path leads to which answer, for calls on the wire and for the parts of a composite alike."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from salesforce_emulator import changes, collection, composite, describes, errors, query, resources, rows
from salesforce_emulator.bulk import routes as bulk_routes
from salesforce_emulator.errors import ApiError, FieldTypeError, RecordError
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from salesforce_emulator.web import Call

    Handler = Callable[..., Reply]

_OBJECT = r"/sobjects/(?P<name>[^/]+)"
_ONE = _OBJECT + r"/(?P<record_id>[^/]+)"
_KEYED = _OBJECT + r"/(?P<field_name>[^/]+)/(?P<key>[^/]+)"

_ROUTES: list[tuple[str, dict[str, Handler]]] = [
    (r"/query", {"GET": query.query}),
    (r"/queryAll", {"GET": query.query_all}),
    (r"/tooling/query", {"GET": query.query_tooling}),
    (r"/query(?:All)?/(?P<locator>[^/]+)", {"GET": query.query_more}),
    (r"/composite", {"POST": lambda call: composite.composite(call, dispatch)}),
    (r"/composite/batch", {"POST": lambda call: composite.batch(call, dispatch)}),
    (
        r"/composite/sobjects",
        {"POST": collection.create, "PATCH": collection.update, "DELETE": collection.delete},
    ),
    (r"/composite/sobjects/(?P<name>[^/]+)", {"GET": collection.retrieve, "POST": collection.retrieve}),
    (r"/composite/sobjects/(?P<name>[^/]+)/(?P<field_name>[^/]+)", {"PATCH": collection.upsert}),
    (r"/sobjects", {"GET": describes.describe_global}),
    (_OBJECT, {"GET": describes.describe_basic, "POST": rows.create}),
    (_OBJECT + r"/describe", {"GET": describes.describe_object}),
    (_OBJECT + r"/describe/layouts", {"GET": describes.describe_layouts}),
    (_OBJECT + r"/describe/layouts/(?P<record_type_id>[^/]+)", {"GET": describes.describe_layout}),
    (_OBJECT + r"/updated", {"GET": changes.updated}),
    (_OBJECT + r"/deleted", {"GET": changes.deleted}),
    (_ONE, {"GET": rows.read, "PATCH": rows.update, "DELETE": rows.delete}),
    (_KEYED, {"GET": rows.read_by_key, "PATCH": rows.upsert, "DELETE": rows.delete_by_key}),
    *bulk_routes.ROUTES,
    (r"/limits", {"GET": resources.limits}),
    (r"/limits/recordCount", {"GET": resources.record_count}),
    (r"", {"GET": resources.resources}),
]
_COMPILED = [(re.compile(f"{pattern}/?", re.IGNORECASE), handlers) for pattern, handlers in _ROUTES]


def dispatch(call: Call) -> Reply:
    """Answer a call, errors included; nothing that a client sends makes this raise."""
    try:
        return _route(call)()
    except ApiError as error:
        return Reply.of_error(error)
    except RecordError as error:
        return Reply.of_error(error.as_api_error())
    except FieldTypeError as error:
        return Reply.of_error(error.in_body(call.text()))


def _route(call: Call) -> Callable[[], Reply]:
    for pattern, handlers in _COMPILED:
        if match := pattern.fullmatch(call.path):
            method = "GET" if call.method == "HEAD" else call.method
            if method not in handlers:
                allowed = set(handlers) | ({"HEAD"} if "GET" in handlers else set())
                raise errors.method_not_allowed(call.method, allowed)
            given: dict[str, Any] = {name: unquote(value) for name, value in match.groupdict().items()}
            return partial(handlers[method], call, **given)
    raise errors.not_found()
