"""Requests fuzzed in any part: `python -m tests.conformance.fuzz --requests 100000 --seed 1`.

Valid requests of every API are mutated in path, query, headers and body (JSON, CSV, XML, SOQL), by bytes, by words and
by structure. The org answers each with one of its own bodies: no 500 but a SOAP fault, no dropped connection, no
silence. The same seed gives the same requests; exits 1 and prints each kind of failure once.
"""

# ruff: noqa: E501, ISC004 - requests stand on one line each

from __future__ import annotations

import http.client
import json
import random
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import typer

from tests.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

V = "/services/data/v60.0"
ASYNC = "/services/async/60.0"
SERVER_ERROR = 500
SOQL = (
    "SELECT Id, Name, Owner.Name FROM Lead WHERE Email = 'a@example.jp' ORDER BY CreatedDate DESC NULLS LAST LIMIT 5",
    "SELECT count(Id), Status FROM Lead WHERE CreatedDate = LAST_N_DAYS:3 GROUP BY Status HAVING count(Id) > 1",
    "SELECT Id, (SELECT Id FROM Contacts WHERE LastName LIKE 'a%') FROM Account WHERE Id IN (SELECT AccountId FROM Contact)",
    "SELECT FIELDS(ALL) FROM Contact WHERE NOT (HasOptedOutOfEmail = true OR Birthdate < 2020-01-01) LIMIT 200 OFFSET 3",
    "SELECT RecordId, HasReadAccess FROM UserRecordAccess WHERE UserId = '005000000000001' AND RecordId = '00Q000000000001'",
    "SELECT QualifiedApiName FROM EntityDefinition WHERE QualifiedApiName = 'Lead'",
)
CSV = 'LastName,Company,Email\n"佐藤, ""花子""",会社,a@example.jp\n#N/A,,\n'
RECORD = {
    "LastName": "佐藤",
    "Company": "会社",
    "Email": "a@example.jp",
    "NumberOfEmployees": 3,
    "HasOptedOutOfEmail": True,
}
SOAP = (
    '<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:u="urn:partner.soap.sforce.com">'
    "<e:Header><u:SessionHeader><u:sessionId>{token}</u:sessionId></u:SessionHeader></e:Header><e:Body>{call}</e:Body>"
    "</e:Envelope>"
)
CALLS = (
    "<u:login><u:username>a</u:username><u:password>b</u:password></u:login>",
    "<u:convertLead><u:leadConverts><u:leadId>00Q000000000001</u:leadId><u:convertedStatus>Closed - Converted"
    "</u:convertedStatus><u:doNotCreateOpportunity>true</u:doNotCreateOpportunity></u:leadConverts></u:convertLead>",
    "<u:undelete><u:ids>00Q000000000001</u:ids></u:undelete>",
)
NASTY = (
    "", " ", "\x00", "'", '"', "\\", "%", "%00", "%FF", "../", "\u202e", "\ud800", "😀", "null", "-1", "1e400", "NaN", "9" * 40,
    "0", "true", "[]", "{}", "<x>", "]]>", "&amp;", "\r\n", "\t", "," * 9, "a" * 5000, "2026-13-45", "00Q", "Id", "__c",
    "Lead", "(", ")", "SELECT", "{{7*7}}",
)  # fmt: skip


@dataclass
class Request:
    """One request; the body is text or None."""

    method: str
    path: str
    body: str | None = None
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def seeds(token: str) -> list[Request]:
    """Return valid requests of every API."""
    found = [Request("GET", f"{V}/query?q={quote(query)}") for query in SOQL]
    found += [Request("GET", f"{V}/{path}") for path in (
        "", "sobjects", "sobjects/Lead", "sobjects/Lead/describe", "sobjects/Lead/00Q000000000001?fields=Id,Name", "limits",
        "limits/recordCount?sObjects=Lead,Contact", "sobjects/Lead/Email/a@example.jp", "jobs/ingest", "jobs/query",
        "sobjects/Lead/updated/?start=2026-11-01T00:00:00Z&end=2026-11-20T00:00:00Z", "tooling/query?q=SELECT+Id+FROM+Lead",
        "sobjects/Lead/deleted/?start=2026-11-01T00:00:00Z&end=2026-11-20T00:00:00Z", "query/01g000000000001-2000",
        "sobjects/Lead/describe/layouts/012000000000000AAA", "jobs/query/750000000000001/results?maxRecords=2&locator=x",
    )]  # fmt: skip
    some = [{"attributes": {"type": "Lead"}, **RECORD}, {"attributes": {"type": "Contact"}, "LastName": "a"}]
    part = {"method": "GET", "url": f"{V}/sobjects/Lead/describe", "referenceId": "a", "httpHeaders": {}}
    bodies = {
        "sobjects/Lead": RECORD,
        "composite/sobjects": {"allOrNone": False, "records": some},
        "composite": {"allOrNone": True, "compositeRequest": [part, {**part, "url": f"{V}/sobjects/Lead/@{{a.id}}"}]},
        "composite/batch": {"batchRequests": [{"method": "GET", "url": "v60.0/limits"}]},
        "composite/sobjects/Lead": {"ids": ["00Q000000000001"], "fields": ["Id", "Name"]},
        "jobs/ingest": {"object": "Lead", "operation": "insert", "contentType": "CSV", "lineEnding": "LF"},
        "jobs/query": {"operation": "query", "query": SOQL[0]},
    }
    found += [Request("POST", f"{V}/{path}", json.dumps(body, ensure_ascii=False)) for path, body in bodies.items()]
    update = {"records": [{"attributes": {"type": "Lead"}, "id": "00Q000000000001", "Title": None}]}
    found += [
        Request("PATCH", f"{V}/sobjects/Lead/00Q000000000001", json.dumps({"Title": "a"})),
        Request("PATCH", f"{V}/sobjects/Lead/Email/a@example.jp", json.dumps(RECORD)),
        Request("PATCH", f"{V}/composite/sobjects", json.dumps(update)),
        Request("PATCH", f"{V}/composite/sobjects/Contact/Email", json.dumps({"records": some})),
        Request("PATCH", f"{V}/jobs/ingest/750000000000001", '{"state":"UploadComplete"}'),
        Request("PUT", f"{V}/jobs/ingest/750000000000001/batches", CSV, "text/csv"),
        Request("DELETE", f"{V}/composite/sobjects?ids=00Q000000000001,003000000000001&allOrNone=false"),
        Request("POST", f"{ASYNC}/job", '{"operation":"insert","object":"Lead","contentType":"CSV"}'),
        Request("POST", f"{ASYNC}/job/750000000000001/batch", CSV, "text/csv"),
        Request("GET", f"{ASYNC}/job/750000000000001/batch/751000000000001/result"),
        Request(
            "POST",
            "/services/oauth2/token",
            "grant_type=password&client_id=a&username=b",
            "application/x-www-form-urlencoded",
        ),
        Request("GET", "/services/oauth2/userinfo"),
        Request("GET", "/services/data"),
    ]
    found += [
        Request("POST", "/services/Soap/u/60.0", SOAP.format(token=token, call=call), "text/xml", {"SOAPAction": "x"})
        for call in CALLS
    ]
    return found


def mutated(request: Request, draw: random.Random) -> Request:
    """Return the request with up to three mutations, most of them where they do not end in a 404."""
    made = Request(request.method, request.path, request.body, request.kind, dict(request.headers))
    for _ in range(draw.choice((1, 1, 2, 3))):
        place = draw.random()
        if place < 0.65 and made.body:
            made.body = _structure(made.body, draw) if draw.random() < 0.5 else _text(made.body, draw)
        elif place < 0.85:
            head, mark, tail = made.path.partition("?")
            if mark and draw.random() < 0.9:
                tail = _text(tail, draw)
            elif draw.random() < 0.3:
                head = _text(head, draw)
            made.path = head + mark + tail
        elif place < 0.95:
            names = ("Sforce-Query-Options", "If-Modified-Since", "Content-Type", "Accept", "Sforce-Duplicate-Rule-Header",
                     "X-SFDC-Session", "Content-Encoding", "Sforce-Call-Options", "Range", "Sforce-Auto-Assign")  # fmt: skip
            made.headers[draw.choice(names)] = draw.choice(("batchSize=", "gzip", "allowSave=true", *NASTY))
        else:
            made.method = draw.choice(("GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"))
    return made


def _text(text: str, draw: random.Random) -> str:
    start = draw.randrange(len(text) + 1)
    end = min(len(text), start + draw.choice((0, 0, 1, 3, 10)))
    return text[:start] + draw.choice((draw.choice(NASTY), quote(draw.choice(NASTY), errors="replace"))) + text[end:]


def _structure(text: str, draw: random.Random) -> str:
    """Replace, drop or double a part of a JSON body; other bodies by words."""
    try:
        body = json.loads(text)
    except ValueError:
        return _text(text, draw)
    places = list(_places(body))
    if not places:
        return _text(text, draw)
    holder, key = draw.choice(places)
    what = draw.random()
    if what < 0.6:
        value = draw.choice(NASTY)
        holder[key] = draw.choice((None, True, -1, 1.5, 10**30, [], {}, value, [value], {value: value}))
    elif what < 0.8:
        del holder[key]
    elif isinstance(holder, list):
        holder.extend([holder[key]] * draw.choice((1, 3, 250)))
    else:
        holder[draw.choice(NASTY)] = holder[key]
    return json.dumps(body)


def _places(body: object) -> Iterator[tuple[object, object]]:
    for key, value in list(
        body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    ):
        yield body, key
        yield from _places(value)


@dataclass
class Outcome:
    """What came of many requests."""

    requests: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    """What failed -> the first request that did."""


def run(org: Emulator, requests: int, seed: int, threads: int = 4) -> Outcome:
    """Send fuzzed requests from several connections at once."""
    done, lock = Outcome(), threading.Lock()
    workers = [
        threading.Thread(target=_work, args=(org, requests // threads, seed * 1000 + number, done, lock))
        for number in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return done


def _work(org: Emulator, count: int, seed: int, done: Outcome, lock: threading.Lock) -> None:
    draw = random.Random(seed)
    token = org.admin["access_token"]
    base = seeds(token)
    where = urlsplit(org.url)
    context = ssl.create_default_context(cafile=org.ca_file)
    connection = http.client.HTTPSConnection(where.hostname or "", where.port, context=context, timeout=30)
    for _ in range(count):
        request = mutated(draw.choice(base), draw)
        path = quote(request.path.encode("utf-8", "replace"), safe="/?&=%+,.:;@()'*!~$[]-_") or "/"
        headers = {"Authorization": f"Bearer {token}", "X-SFDC-Session": token, "Content-Type": request.kind}
        headers |= {name: value.encode("ascii", "replace").decode().replace("\r", "").replace("\n", "").replace("\x00", "")
                    for name, value in request.headers.items()}  # fmt: skip
        body = None if request.body is None else request.body.encode("utf-8", "replace")
        said = f"{request.method} {path[:300]} {headers | {'Authorization': '…', 'X-SFDC-Session': '…'}} {str(request.body)[:600]}"
        try:
            connection.request(request.method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            status = answer.status
            broken = status >= SERVER_ERROR and "faultcode" not in text and request.method != "HEAD"
            failure = f"{status} {text[:120]}" if broken or "Traceback" in text else ""
        except (OSError, http.client.HTTPException) as error:
            status, failure = 0, f"{type(error).__name__}: {error}"
            connection.close()
            connection = http.client.HTTPSConnection(where.hostname or "", where.port, context=context, timeout=30)
        with lock:
            done.requests += 1
            done.statuses[status] = done.statuses.get(status, 0) + 1
            if failure:
                done.failures.setdefault(failure, said)
    connection.close()


def main(requests: int = 100_000, seed: int = 1) -> None:
    """Fuzz a fresh org and say what came of it."""
    began = time.monotonic()
    with Emulator.start() as org:
        done = run(org, requests, seed)
        assert org.process.poll() is None, "the org has died"
    seconds = time.monotonic() - began
    typer.echo(f"{done.requests:,} requests (seed {seed}) in {seconds:.0f} s: {dict(sorted(done.statuses.items()))}")
    for failure, request in done.failures.items():
        typer.echo(f"FAILED {failure}\n    {request}")
    raise typer.Exit(1 if done.failures else 0)


if __name__ == "__main__":
    typer.run(main)
