"""A request as it came over the wire, before it is known what it asks for."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from salesforce_emulator import errors
from salesforce_emulator.web import read_params

if TYPE_CHECKING:
    from starlette.requests import Request

_LOGIN_HOST = re.compile(r"/[^/]+\.salesforce\.com(?=/|$)")
_UPLOAD = re.compile(r"/services/data/v[^/]+/jobs/ingest/[^/]+/batches/?", re.IGNORECASE)
_MAX_URI, _MAX_HEADERS, _MAX_BODY, _MAX_UPLOAD = 16_384, 16_384, 64 * 2**20, 150_000_000 * 3 // 4
_KEPT_OF_UPLOAD = 2**16


@dataclass(slots=True)
class Incoming:
    """A request as it came: `path` undecoded, without the `/<login host>` that simple_salesforce puts before it.

    Data of a bulk job go to the file `upload`, whatever their size; `body` holds their beginning.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    too_large: bool = False
    upload: Path | None = None

    @property
    def target(self) -> str:
        """Return path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def base_url(self) -> str:
        """Return the address that the client reached us by."""
        return f"https://{self.headers.get('host', 'localhost')}"

    @property
    def effective_method(self) -> str:
        """Honour `?_HttpMethod=PATCH`, for clients that can only POST."""
        override = read_params(self.query).get("_HttpMethod", "").upper()
        return override if self.method == "POST" and override in {"PATCH", "DELETE", "GET"} else self.method

    def check_size(self) -> None:
        """Raise the `ApiError` of the edge where URI, headers or body are longer than it takes."""
        if len(self.target) > _MAX_URI:
            raise errors.uri_too_long()
        if sum(len(name) + len(value) for name, value in self.headers.items()) > _MAX_HEADERS:
            raise errors.headers_too_long()
        if self.too_large:
            raise errors.body_too_large()

    def unpacked_body(self) -> bytes:
        """Return the body, unpacked where it came as gzip. Raises `ApiError` where that is broken or too large."""
        if self.headers.get("content-encoding", "").lower() != "gzip":
            return self.body
        unpacking = zlib.decompressobj(wbits=31)
        try:
            body = unpacking.decompress(self.body, _MAX_BODY)
        except zlib.error as error:
            raise errors.simple(400, "INVALID_INPUT", f"the body is not gzip: {error}") from error
        if len(body) == _MAX_BODY:
            raise errors.body_too_large()
        if not unpacking.eof:
            raise errors.simple(400, "INVALID_INPUT", "the body is half a gzip")
        return body


async def read_incoming(request: Request, folder: Path) -> Incoming:
    """Read a request to its end, bulk data into a file in `folder`; raises `ClientDisconnect` if the client goes."""
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    path = _LOGIN_HOST.sub("", raw.decode("latin-1"), count=1)
    if request.method == "PUT" and _UPLOAD.fullmatch(path):
        upload, body, too_large = await _read_upload(request, folder)
    else:
        upload, (body, too_large) = None, await _read_body(request)
    return Incoming(
        method=request.method,
        path=path or "/",
        query=request.scope["query_string"].decode("utf-8", "replace"),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.scope["headers"]},
        body=body,
        too_large=too_large,
        upload=upload,
    )


async def _read_body(request: Request) -> tuple[bytes, bool]:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= _MAX_BODY:
            chunks.append(chunk)
    return b"".join(chunks), size > _MAX_BODY


async def _read_upload(request: Request, folder: Path) -> tuple[Path, bytes, bool]:
    size, beginning = 0, b""
    with NamedTemporaryFile(dir=folder, suffix=".upload", delete=False) as file:
        path = Path(file.name)
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if len(beginning) < _KEPT_OF_UPLOAD:
                    beginning += chunk[:_KEPT_OF_UPLOAD]
                if size <= _MAX_UPLOAD:
                    file.write(chunk)
        except BaseException:
            path.unlink()  # noqa: ASYNC240 - removes one name, at once
            raise
    return path, beginning, size > _MAX_UPLOAD
