"""What travels between the wire and the org: one call, one reply."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from salesforce_emulator import errors

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from datetime import datetime
    from pathlib import Path

    from salesforce_emulator.org import Org
    from salesforce_emulator.users import User


@dataclass(slots=True)
class Call:
    """One API call, or one subrequest of a composite: who asks for what.

    `path` starts behind `/services/data/vNN.0`; header names are lower-case. `moment` is the time of the request on
    the org's clock where it is not now, `locked` the positions of records that a fault makes unlockable. `calls` is how
    many API calls it counts as, `subrequests` what a composite ran, for the request log. `upload` is the file
    that holds bulk data.
    """

    org: Org
    method: str
    path: str
    user: User
    base_url: str
    version: str = "59.0"
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    upload: Path | None = None
    parsed: Any = None
    moment: datetime | None = None
    locked: Container[int] = ()
    calls: int = 1
    subrequests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def root(self) -> str:
        """Return the URL path of this API version (`/services/data/v59.0`)."""
        return f"/services/data/v{self.version}"

    @property
    def major(self) -> int:
        """Return the API version without its decimals."""
        return int(self.version.partition(".")[0])

    def unchanged_since(self, changed: datetime) -> bool:
        """Tell whether `If-Modified-Since` names a moment at or after a change."""
        try:
            moment = parsedate_to_datetime(self.headers.get("if-modified-since", ""))
        except (ValueError, TypeError, OverflowError):
            return False
        return changed <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC))

    def names(self, tag: str, header: str) -> bool:
        """Tell whether a header lists an entity tag, or any tag by `*`; a suffix that compression adds counts not."""
        given = [each.strip().removeprefix("W/") for each in self.headers.get(header, "").split(",")]
        return "*" in given or any(each.replace('--gzip"', '"') == tag for each in given)

    def now(self) -> datetime:
        """Return the moment that stamps of this call carry."""
        return self.moment or self.org.clock.now()

    def json(self) -> Any:
        """Return the body as JSON; raise JSON_PARSER_ERROR where it is none."""
        if self.parsed is None:
            try:
                self.parsed = orjson.loads(self.body)
            except orjson.JSONDecodeError as error:
                raise errors.json_syntax(error, self.body) from error
        return self.parsed

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object."""
        if not isinstance(result := self.json(), dict):
            raise errors.json_shape("object")
        return result

    def text(self) -> bytes:
        """Return the body's text, printed again for a subrequest that came as part of another body."""
        return self.body or orjson.dumps(self.parsed)


@dataclass(slots=True)
class Reply:
    """One answer: `body` is anything JSON can hold, or bytes (in pieces too) that go out as they are, or None."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_error(cls, error: errors.ApiError) -> Reply:
        """Turn an error into the answer that carries it."""
        return cls(error.body, error.status, dict(error.headers))


def read_params(query: str) -> dict[str, str]:
    """Read a query string or form as the API does: `+` is a space, the first of equal names wins."""
    result: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        result.setdefault(name, value)
    return result
