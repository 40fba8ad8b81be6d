"""Bring an empty org into the state that a recorded exchange presupposes.

The emulator has no custom objects: Account plays those of the recordings, with their custom fields. A row that a
recorded query shows and that no exchange before it made is made here, with the values shown; an id that a request names
and nobody has seen stands for a row with nothing but what is required. A query without a condition presupposes also
that there are no other rows.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from tests.conformance.replay.compare import ID, Ids

if TYPE_CHECKING:
    from tests.conformance.replay.recordings import Exchange
    from tests.emulator import Emulator

STAND_INS = {"CustomObjectDetail__c": "Account", "CustomObject__c": "Account"}
_FIELDS: list[dict[str, Any]] = [
    {"name": "SynchronizationId__c", "type": "string", "length": 255, "externalId": True, "unique": True},
    {"name": "Example_Field__c", "type": "string"},
    {"name": "Visible__c", "type": "boolean"},
    {"name": "Friend__c", "type": "reference", "referenceTo": ["Contact"]},
    {"name": "CustomObject__c", "type": "reference", "referenceTo": ["Account"]},
]
_PREFIXES = {"001": "Account", "003": "Contact", "00Q": "Lead", "a00": "Account", "a01": "Account"}
_REQUIRED = {"Account": {"Name": "-"}, "Contact": {"LastName": "-"}, "Lead": {"LastName": "-", "Company": "-"}}
_FROM = re.compile(r"^select\b.*\bfrom (\w+)(?: (.*))?$", re.IGNORECASE | re.DOTALL)
_KEYED = re.compile(r"/sobjects/(\w+)/(\w+__c)/(.+)$")
_STAMPS = ("SystemModstamp", "LastModifiedDate", "CreatedDate")
_SEEN_BY = {
    "005": ["0051a000000UGT8AAO", "005P000000AyPpYIAV", "0059H0000059qXZQAY"],
    "00D": ["00D1a000000H3O9EAK", "00D0xORGID00000000"],
}
"""The recorded users and organizations, by the prefix of their ids; one is written over with a text of its length."""
_EQUAL = re.compile(r"(Name|Visible__c)\s*=\s*(?:'([^']*)'|(TRUE))")
_PRESUPPOSED = {"a001a000004fPl6AAE": {"Name": "Are you going to Scarborough Fair?"}}
"""What a row holds that a query names and, for that reason, does not find."""
_SINCE = re.compile(r'"If-Modified-Since": "[^"]+"')
_READ_ONLY = {"Id", "attributes", "LastModifiedById", *_STAMPS}


def played(exchange: Exchange) -> Exchange:
    """Write the stand-ins' names for those of custom objects, in request and reply."""
    if '"httpStatusCode" : 304' in (exchange.body or ""):
        # Describes are as old as the recorded org there, and as old as the process here.
        return replace(exchange, sent=_SINCE.sub('"If-Modified-Since": "Thu, 31 Dec 2099 00:00:00 GMT"', exchange.sent))
    if "CustomObject" not in exchange.target:
        return exchange
    body = exchange.body
    for name, other in STAND_INS.items():
        body = body and body.replace(f'"type":"{name}"', f'"type":"{other}"').replace(f"/{name}/", f"/{other}/")
    target = re.sub(r"(?<=/)CustomObject(?:Detail)?__c(?=/|$)", "Account", exchange.target)
    target = re.sub(r"from%20CustomObject(?:Detail)?__c", "from%20Account", target)
    location = {
        key: re.sub(r"/CustomObject(?:Detail)?__c/", "/Account/", each) for key, each in exchange.headers.items()
    }
    sent = exchange.sent
    if exchange.method == "POST" and '"Name"' not in sent:
        sent = json.dumps({"Name": json.loads(body or "{}")["id"][:15]} | json.loads(sent))
    return replace(exchange, target=target, body=body, headers=location, sent=sent)


def soql_of(exchange: Exchange) -> str:
    """Return the query of an exchange, or nothing."""
    path, _, asked = exchange.target.partition("?q=")
    return unquote_plus(asked) if "/query" in path else ""


class Stage:
    """One org, from cassette to cassette."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.pairs = Ids()
        self._unseen: set[str] = set()
        """Recorded ids that a request named and no reply has shown yet."""

    def clear(self) -> None:
        """Begin a cassette: an empty org with the custom fields, its users and itself paired with the recorded ones."""
        self._emulator.reset()
        for field in _FIELDS:
            self._emulator.control("POST", "fields/Account", field)
        self.pairs, self._unseen = Ids(), set()
        org, user = self._emulator.rest("GET", "").json()["identity"].split("/")[-2:]
        for prefix, ours in (("00D", org), ("005", user)):
            for theirs in _SEEN_BY[prefix]:
                self.pairs.bind(theirs, ours)

    def prepare(self, exchange: Exchange) -> None:
        """Bring the org into the state that an exchange presupposes."""
        soql = soql_of(exchange)
        found = _FROM.match(soql)
        body = json.loads(exchange.body) if exchange.body and exchange.body.startswith(("{", "[")) else None
        if found and isinstance(body, dict) and found[1] in _REQUIRED:
            self._prepare_query(found[1], found[2] or "", body, aggregate="count(" in soql.lower())
        if "recordCount" in exchange.target and body and body["sObjects"]:
            self._prepare_count(**body["sObjects"][0])
        if exchange.target.endswith("/composite"):
            self._prepare_composite(exchange, body)
        made = str(body.get("id", "")) if isinstance(body, dict) else ""
        self._fill(f"{unquote_plus(exchange.target)} {exchange.sent}", but=made)
        keyed = _KEYED.search(exchange.target)
        if keyed and exchange.method == "PATCH" and exchange.status == 204:
            self._emulator.admin_create(keyed[1], _REQUIRED[keyed[1]] | {keyed[2]: keyed[3]})
        if exchange.status == 404 and "ENTITY_IS_DELETED" in (exchange.body or ""):
            row = self.pairs.translate(exchange.target.rpartition("/")[2])
            self._emulator.rest("DELETE", f"sobjects/Account/{row}")

    def _prepare_count(self, count: int, name: str) -> None:
        if name in _REQUIRED and not self._rows(name):
            self._count(name, count)

    def _prepare_composite(self, exchange: Exchange, body: Any) -> None:
        try:
            asked = json.loads(exchange.sent)["compositeRequest"]
        except ValueError:
            return
        for part, reply in zip(asked, body["compositeResponse"], strict=False) if body else ():
            found = _FROM.match(unquote_plus(part["url"].partition("?q=")[2]))
            if found and found[1] in _REQUIRED and "count(" in found[0]:
                self._count(found[1], reply["body"]["totalSize"])

    def _prepare_query(self, name: str, condition: str, body: dict[str, Any], *, aggregate: bool) -> None:
        if aggregate:
            records = body["records"]
            self._count(name, records[0]["expr0"] if records else body["totalSize"])
            return
        missing = [
            each for each in body["records"] if not self.pairs.knows(_id_of(each)) or _id_of(each)[:15] in self._unseen
        ]
        shown = {self.pairs.ours.get(_id_of(each)[:15], "")[:15] for each in body["records"]}
        for row in self._rows(name):
            if row[:15] not in (self.pairs.theirs if condition else shown):
                self._emulator.admin_delete(name, row)
        for record in missing:
            if key := record.get("SynchronizationId__c"):
                found = self._emulator.admin_query(f"SELECT Id FROM {name} WHERE SynchronizationId__c = '{key}'")
                if found:
                    self.pairs.bind(_id_of(record), found[0]["Id"])
                    continue
            self._make(name, _id_of(record), _equalities(condition) | record)

    def _rows(self, name: str) -> list[str]:
        return [each["Id"] for each in self._emulator.admin_query(f"SELECT Id FROM {name}")]

    def _count(self, name: str, wanted: int) -> None:
        rows = self._rows(name)
        for row in rows[wanted:]:
            self._emulator.admin_delete(name, row)
        for _ in range(wanted - len(rows)):
            self._emulator.admin_create(name, _REQUIRED[name])

    def _make(self, name: str, theirs: str, record: dict[str, Any]) -> None:
        values = {key: each for key, each in record.items() if key not in _READ_ONLY and each is not None}
        values = {key: each for key, each in values.items() if not isinstance(each, dict)}
        self._fill(json.dumps(values), but=theirs)
        values = json.loads(self.pairs.translate(json.dumps(values)))
        if self.pairs.knows(theirs):
            self._unseen.remove(theirs[:15])
            self._emulator.admin_update(name, self.pairs.ours[theirs[:15]], values)
        else:
            self.pairs.bind(theirs, self._emulator.admin_create(name, _REQUIRED[name] | values))
        stamps = {key: record[key] for key in _STAMPS if key in record}
        self._emulator.control("PUT", f"rows/{name}/{self.pairs.ours[theirs[:15]]}", stamps)

    def _fill(self, text: str, but: str) -> None:
        """Make a row for each id in a text that nobody has seen, but for one, and one that is made up."""
        for found in ID.findall(text):
            name = _PREFIXES.get(found[:3])
            if name and not self.pairs.knows(found) and found[:15] != but[:15] and not found.endswith("FAKE"):
                values = _REQUIRED[name] | ({} if name != "Account" else _PRESUPPOSED.get(found, {}))
                self.pairs.bind(found, self._emulator.admin_create(name, values))
                self._unseen.add(found[:15])


def _equalities(condition: str) -> dict[str, Any]:
    """Return what a condition says of a row that it finds."""
    return {name: text or True for name, text, _ in _EQUAL.findall(condition)}


def _id_of(record: dict[str, Any]) -> str:
    return str(record["attributes"]["url"]).rpartition("/")[2]
