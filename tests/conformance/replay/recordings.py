"""The recorded exchanges of real orgs, read from the folder `LEADSYNC_RECORDED`; nothing of it is part of this project.

The folder is `../shared/recorded` beside the project's root where the variable is not set. Each line of a cassette is
one exchange; bodies that name one of the XML templates beside it are filled in here.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / os.environ.get("LEADSYNC_RECORDED", "../shared/recorded")
CASSETTES = {"cumulusci": "cumulusci_cassettes.jsonl", "restforce": "restforcedb_2015_cassettes.jsonl"}
VERSIONS = {"cumulusci": "52.0", "restforce": "29.0"}
"""The API version where a recording hides it; Restforce's are v26 to v29, CumulusCI's of its `sobjects` v52."""

MARKS = [
    pytest.mark.recorded,
    pytest.mark.skipif(
        not FOLDER.is_dir(), reason=f"no folder of recorded Salesforce answers at {FOLDER} (set LEADSYNC_RECORDED)"
    ),
]

_TRUNCATED = "...[TRUNCATED"
_SLOT = re.compile(r"\{(\w+)(?::(\w*))?\}")
_CHUNK = re.compile(r"^[0-9a-f]+\r?\n", re.MULTILINE)


@dataclass(frozen=True)
class Exchange:
    """One recorded request and its reply: `target` is path and query, `headers` those of the reply, by lower-case name.

    `complete` says that every header of the reply was kept, `body` is None where the recording cuts it off.
    """

    source: str
    number: int
    cassette: str
    method: str
    target: str
    sent: str
    status: int
    headers: Mapping[str, str]
    complete: bool
    body: str | None

    @property
    def key(self) -> str:
        """Name the exchange: which file, which line from 0."""
        return f"{self.source} {self.number}"


def exchanges(source: str) -> list[Exchange]:
    """Return the exchanges of one file, in its order."""
    lines = (FOLDER / CASSETTES[source]).read_text(encoding="utf-8").splitlines()
    return [_exchange(source, number, json.loads(line)) for number, line in enumerate(lines)]


def answer(name: str) -> Any:
    """Read a single recorded answer (some start with a byte order mark)."""
    return json.loads((FOLDER / name).read_text(encoding="utf-8-sig"))


def _exchange(source: str, number: int, line: dict[str, Any]) -> Exchange:
    version = VERSIONS[source]
    headers = {name.lower(): value[0] for name, value in line["resp_headers"].items() if isinstance(value, list)}
    url = urlsplit(_versioned(line["uri"], version))
    target = f"{url.path}?{url.query}" if url.query else url.path
    body = line["resp_body"] or ""
    return Exchange(
        source=source,
        number=number,
        cassette=line["src"],
        method=line["method"].upper(),
        target=target if url.hostname != "raw.githubusercontent.com" else line["uri"],
        sent=_versioned(_unchunked(line["req_body"] or ""), version),
        status=line["status"]["code"],
        headers={name: _versioned(value, version) for name, value in headers.items()},
        complete="date" in headers,
        body=None if _TRUNCATED in body else _versioned(_filled(body), version),
    )


def _versioned(text: str, version: str) -> str:
    text = text.replace("/services/async/vxx.0", f"/services/async/{version}").replace("vxx.0</api", f"{version}</api")
    return text.replace("vxx.0", f"v{version}").replace("<api_version>", f"v{version}")


def _unchunked(sent: str) -> str:
    """Take a body that was recorded in chunks together again."""
    if not sent.endswith("0\r\n\r\n"):
        return sent
    return "".join(
        piece.removesuffix("\r\n").removesuffix("\n") + "\n" for piece in _CHUNK.split(sent) if piece.strip()
    )


def _filled(body: str) -> str:
    if not body.startswith('{"include_template"'):
        return body
    given = json.loads(body)
    text = (FOLDER / "cumulusci_bulk1_xml_templates" / given["include_template"]).read_text(encoding="utf-8")
    return _SLOT.sub(lambda slot: given["vars"].get(slot[1], slot[2] or "0"), text)
