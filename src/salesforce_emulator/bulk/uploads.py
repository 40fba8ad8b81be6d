"""What comes in for a job of Bulk API 2.0: its data, packed or not, and the parts of a multipart create."""

from __future__ import annotations

import gzip
import re
import zlib
from typing import TYPE_CHECKING

from salesforce_emulator import errors

if TYPE_CHECKING:
    from pathlib import Path

    from salesforce_emulator.web import Call

MAX_BYTES = 150_000_000 * 3 // 4
"""What may be uploaded: 150 MB after base64."""

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_PART_NAME = re.compile(rb'name="?([^";\r\n]+)"?', re.IGNORECASE)
_CHUNK = 2**20


def take(call: Call, target: Path) -> None:
    """Put an upload where the job's data lie; one that came as gzip is unpacked on the way. Raises `ApiError`."""
    if call.upload is None:
        target.write_bytes(call.body)
    elif call.headers.get("content-encoding", "").lower() == "gzip":
        _unpack(call.upload, target)
    else:
        call.upload.replace(target)


def _unpack(packed: Path, target: Path) -> None:
    unpacked = target.with_suffix(".part")
    try:
        with gzip.open(packed) as data, unpacked.open("wb") as out:
            while chunk := data.read(_CHUNK):
                out.write(chunk)
                if out.tell() > MAX_BYTES:
                    raise errors.body_too_large()
        unpacked.replace(target)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise errors.simple(400, "INVALID_INPUT", f"the body is not gzip: {error}") from error
    finally:
        unpacked.unlink(missing_ok=True)


def multipart(body: bytes, content_type: str) -> dict[bytes, bytes]:
    """Take a multipart body apart: the content of each part by its name. Raises `ApiError` without a boundary."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise errors.simple(400, "INVALIDJOB", "multipart without boundary")
    found = {}
    for part in body.split(b"--" + match[1].encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        if name := _PART_NAME.search(head):
            found[name[1]] = content.removesuffix(b"\r\n")
    return found
