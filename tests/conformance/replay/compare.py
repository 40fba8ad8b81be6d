"""What a recorded reply and ours must have in common, and how the ids of two orgs are paired.

Equal: status, headers that carry meaning, keys and their order, values and their types, the order of records where a
query asks for one. Paired: an id stands for the same row throughout, has its length and, in ours, a valid checksum.
Not compared: the value of a datetime that the org gives by itself (its form is) and how far a bulk job has come at that
moment (its results are).
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from salesforce_emulator import ids

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = re.compile(r"\b(?=[0-9a-zA-Z]*[0-9])[0-9a-zA-Z]{15}(?:[0-9a-zA-Z]{3})?\b")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000(Z|\+0000)")
_HTTP = re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT|\"[0-9a-f]{8}(--gzip)?\"")
_DIGITS = re.compile(r"\d+")
_HEADERS = ("content-type", "location", "sforce-limit-info", "last-modified", "etag")
_PROGRESS = re.compile(r"number(Batches|Records)\w+|\w+ProcessingTime")
_FULL_LENGTH = 18
_BATCH_STATES = {"Queued", "InProgress", "Completed"}


class Ids:
    """Which of our ids stands for which recorded one; by their first 15 characters."""

    def __init__(self) -> None:
        self.ours: dict[str, str] = {}
        self.theirs: dict[str, str] = {}

    def bind(self, theirs: str, ours: str) -> None:
        """Pair two ids."""
        self.ours[theirs[:15]] = ours
        self.theirs[ours[:15]] = theirs

    def knows(self, theirs: str) -> bool:
        """Tell whether a recorded id is paired."""
        return theirs[:15] in self.ours

    def translate(self, text: str) -> str:
        """Write our ids for the recorded ones in a text; those that are not paired stay."""
        return ID.sub(lambda found: self.ours.get(found[0][:15], found[0])[: len(found[0])], text)

    def agree(self, theirs: str, ours: str) -> bool:
        """Tell whether two ids are a pair, and pair them where neither has one yet."""
        if len(ours) == _FULL_LENGTH and ours != ids.normalise(ours[:15]):
            return False
        if self.knows(theirs) or ours[:15] in self.theirs:
            return self.ours.get(theirs[:15], "")[:15] == ours[:15]
        self.bind(theirs, ours)
        return True


def differences(theirs: Any, ours: Any, pairs: Ids, where: str = "") -> Iterator[str]:
    """Yield where two JSON bodies differ, in the words of a reviewer."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        if list(theirs) != list(ours) and (not where.endswith(".httpHeaders") or set(theirs) != set(ours)):
            yield f"{where or 'body'}: keys {', '.join(ours)}, recorded {', '.join(theirs)}"
            return
        for key in theirs:
            yield from differences(theirs[key], ours[key], pairs, f"{where}.{key}".lstrip("."))
    elif isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) != len(ours):
            yield f"{where or 'body'}: {len(ours)} elements, recorded {len(theirs)}"
            return
        for number, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(one, other, pairs, f"{where}[{number}]")
    elif type(theirs) is not type(ours) or not _same(theirs, ours, pairs):
        yield f"{where or 'body'}: {ours!r}, recorded {theirs!r}"


def _same(theirs: Any, ours: Any, pairs: Ids) -> bool:
    if theirs == ours or not isinstance(theirs, str):
        return bool(theirs == ours)
    if (stamp := _STAMP.fullmatch(theirs)) and (other := _STAMP.fullmatch(ours)):
        return stamp[1] == other[1]
    if _given_by_the_org(theirs) and _given_by_the_org(ours):
        return True
    one, other_ids = ID.findall(theirs), ID.findall(ours)
    if ID.sub("#", theirs) != ID.sub("#", ours) or len(one) != len(other_ids):
        return False
    return all(len(a) == len(b) and pairs.agree(a, b) for a, b in zip(one, other_ids, strict=True))


def _given_by_the_org(text: str) -> bool:
    """Tell whether a text is an HTTP date or an entity tag, whose value the org gives by itself."""
    return bool(_HTTP.fullmatch(text))


def sorted_like(theirs: list[Any], ours: list[Any], pairs: Ids) -> list[Any]:
    """Put our records in the order of the recorded ones, where the query asked for none."""
    left, result = list(ours), []
    for record in theirs:
        for other in left:
            trial = Ids()
            trial.ours, trial.theirs = dict(pairs.ours), dict(pairs.theirs)
            if not list(differences(record, other, trial)):
                pairs.ours, pairs.theirs = trial.ours, trial.theirs
                result.append(other)
                left.remove(other)
                break
    return result + left


def headers(theirs: dict[str, str], ours: dict[str, str], pairs: Ids, *, complete: bool) -> Iterator[str]:
    """Yield the headers that differ; one that ours has alone differs where the recording kept all."""
    for name in _HEADERS:
        one, other = theirs.get(name), ours.get(name)
        if one is None and (other is None or not complete or other == ""):
            continue
        if name in {"etag", "last-modified"} and one and other:
            continue
        if one is None or other is None or not _same(_shape(name, one), _shape(name, other), pairs):
            yield f"header {name}: {other}, recorded {one}"


def _shape(name: str, value: str) -> str:
    if name == "content-type":
        return value.replace(" ", "").lower()
    return _DIGITS.sub("#", value) if name == "sforce-limit-info" else value


def read(text: str) -> Any:
    """Return a body as something to compare: JSON, XML as lists of name and content, CSV rows, or the text."""
    if text.startswith(("{", "[")):
        return json.loads(text)
    if text.startswith("<?xml"):
        return _element(ET.fromstring(text))
    if text.startswith('"'):
        return list(csv.reader(io.StringIO(text)))
    return text


def _element(element: ET.Element) -> Any:
    name = element.tag
    if not len(element):
        text = (element.text or "").strip()
        bare = name.rpartition("}")[2]
        if bare == "state" and text in _BATCH_STATES:
            return {name: "#"}
        return {name: _DIGITS.sub("#", text) if _PROGRESS.fullmatch(bare) else text}
    return [name, *(_element(each) for each in element)]


def shape(value: Any) -> Any:
    """Reduce a body to its keys, their order and the types of its values."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__
