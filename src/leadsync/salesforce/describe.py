"""The describes of the mapped objects, in one call, and only what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leadsync.salesforce.faults import exception_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leadsync.salesforce.client import SalesforceClient

_OK, _NOT_MODIFIED, _NOT_FOUND = 200, 304, 404


@dataclass(frozen=True)
class Described:
    """The answer to one describe: its body (None where the object is hidden from us), or `unchanged`."""

    body: dict[str, Any] | None
    last_modified: str | None
    unchanged: bool = False


def describe(
    client: SalesforceClient, sobjects: Sequence[str], known: Mapping[str, str | None]
) -> dict[str, Described]:
    """Describe the objects in one composite call.

    Args:
        client: the org.
        sobjects: API names.
        known: object -> the `Last-Modified` value of the describe that we hold; such an object answers 304 while
            nothing changed (Salesforce REST API: Conditional Requests).

    Raises:
        ApiError: any answer but 200, 304 and 404.
    """
    requests = [
        {
            "method": "GET",
            "referenceId": name,
            "url": f"{client.version_path}/sobjects/{name}/describe",
            **({"httpHeaders": {"If-Modified-Since": stamp}} if (stamp := known.get(name)) else {}),
        }
        for name in sobjects
    ]
    answers = client.call("POST", "composite", {"compositeRequest": requests})["compositeResponse"]
    found: dict[str, Described] = {}
    for name, answer in zip(sobjects, answers, strict=True):
        status, body = answer["httpStatusCode"], answer["body"]
        stamp = answer.get("httpHeaders", {}).get("Last-Modified")
        if status == _OK:
            found[name] = Described(body, stamp)
        elif status == _NOT_MODIFIED:
            found[name] = Described(None, known[name], unchanged=True)
        elif status == _NOT_FOUND:
            found[name] = Described(None, None)
        else:
            raise exception_for(status, body[0]["errorCode"], body[0]["message"])
    return found
