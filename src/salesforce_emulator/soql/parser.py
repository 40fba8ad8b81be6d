"""Read a SOQL text into a `Query`; what cannot be read is refused with MALFORMED_QUERY, row and column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from salesforce_emulator import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LENGTH = 100_000
MAX_STRING = 4_000
MAX_OFFSET = 2_000
_SHOWN_TOKEN = re.compile(r"\w+|.", re.DOTALL)
_ONE_STRING = re.compile(r"'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "N": "\n", "r": "\r", "R": "\r", "t": "\t", "T": "\t", "b": "\b", "B": "\b", "f": "\f"}
_ESCAPES |= {"F": "\f", '"': '"', "'": "'", "\\": "\\", "%": "%", "_": "_"}
_SURROGATE = re.compile(r"u[dD][89a-fA-F].*")


@dataclass(frozen=True, slots=True)
class Path:
    """A field as written (`Email`, `Owner.Name`) and where it stands in the text, counted from 0."""

    text: str
    position: int

    @property
    def parts(self) -> list[str]:
        """Return the names between the dots."""
        return self.text.split(".")


@dataclass(frozen=True, slots=True)
class Literal:
    """A value: `kind` is string, number, datetime, date, boolean or null; `raw` a string with its escapes."""

    kind: str
    value: Any
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Compare:
    """`path operator value`; the operator is one of = != < > <= >= or LIKE."""

    path: Path
    operator: str
    value: Literal


@dataclass(frozen=True, slots=True)
class Among:
    """`path IN (…)`, or NOT IN."""

    path: Path
    values: Sequence[Literal]
    negated: bool


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by AND or OR."""

    operator: str
    items: Sequence[Condition]


@dataclass(frozen=True, slots=True)
class Negation:
    """NOT condition."""

    item: Condition


Condition = Compare | Among | Junction | Negation


@dataclass(frozen=True, slots=True)
class Order:
    """One term of ORDER BY; nulls come first unless LAST is said."""

    path: Path
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A SOQL query; `fields` is empty for `count()`."""

    text: str
    fields: Sequence[Path]
    source: Path
    alias: str | None = None
    where: Condition | None = None
    order: Sequence[Order] = ()
    limit: int | None = None
    offset: int = 0

    @property
    def counts(self) -> bool:
        """Tell whether this is `SELECT count()`."""
        return not self.fields


class _Refused(Exception):  # noqa: N818 - carries a refusal out of lark
    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position
        self.message = message


@lru_cache(maxsize=32)
def parse(text: str) -> Query:
    """Parse SOQL. Raises `ApiError` (MALFORMED_QUERY and relatives)."""
    if len(text) > MAX_LENGTH:
        raise errors.simple(400, "MALFORMED_QUERY", f"SOQL statements cannot be longer than {MAX_LENGTH} characters.")
    if not text.strip():
        raise errors.simple(400, "MALFORMED_QUERY", "unexpected token: '<EOF>'")
    try:
        tree = _grammar().parse(text)
        query: Query = _Build(text).transform(tree)
    except VisitError as error:
        if isinstance(refused := error.orig_exc, _Refused):
            raise errors.in_query("MALFORMED_QUERY", text, refused.position, 1, refused.message) from None
        raise
    except UnexpectedInput as error:
        raise _unexpected(text, error) from None
    except RecursionError:
        raise errors.too_complicated("conditions nested too deeply") from None
    if query.offset > MAX_OFFSET:
        message = f"Maximum SOQL offset allowed is {MAX_OFFSET}"
        raise errors.simple(400, "NUMBER_OUTSIDE_VALID_RANGE", message)
    return query


@cache
def _grammar() -> Lark:
    path = FilePath(__file__).with_name("grammar.lark")
    return Lark(path.read_text(encoding="utf-8"), start="query", parser="lalr", lexer="contextual")


def _unexpected(text: str, error: UnexpectedInput) -> errors.ApiError:
    position = error.pos_in_stream if isinstance(error, UnexpectedCharacters | UnexpectedToken) else None
    if position is None or position >= len(text) or (isinstance(error, UnexpectedToken) and error.token.type == "$END"):
        return errors.in_query("MALFORMED_QUERY", text, len(text), 1, "unexpected token: '<EOF>'")
    match = _SHOWN_TOKEN.match(text, position)
    token = match[0] if match else ""
    return errors.in_query("MALFORMED_QUERY", text, position, len(token), f"unexpected token: '{token}'")


def _string(quoted: str, position: int) -> Literal:
    raw = quoted[1:-1]
    if len(raw) > MAX_STRING:
        raise _Refused(position, f"string literal is longer than {MAX_STRING} characters")
    return Literal("string", _unescape(raw, position) if "\\" in raw else raw, raw)


def _unescape(raw: str, position: int) -> str:
    def one(match: re.Match[str]) -> str:
        escaped = match[1]
        if len(escaped) > 1 and not _SURROGATE.fullmatch(escaped):
            return chr(int(escaped[1:], 16))
        if escaped not in _ESCAPES:
            message = f"Invalid string literal '{raw[:80]}'. Illegal character sequence '{match[0]}' in string literal."
            raise _Refused(position, message)
        return _ESCAPES[escaped]

    return _ESCAPE.sub(one, raw)


class _Build(Transformer):  # type: ignore[misc]
    """Turn lark's tree into a `Query`, leaves first."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def query(self, items: list[Any]) -> Query:
        fields, source, *rest = items
        parts: dict[str, Any] = {}
        for item in rest:
            parts.update(item if isinstance(item, dict) else {"alias": item.text})
        return Query(self._text, fields, source, **parts)

    def PATH(self, token: Token) -> Path:  # noqa: N802 - named as the grammar's terminal
        return Path(str(token), token.start_pos or 0)

    def fields(self, items: list[Path]) -> tuple[Path, ...]:
        return tuple(items)

    def count(self, _: list[Any]) -> tuple[Path, ...]:
        return ()

    def where(self, items: list[Condition]) -> dict[str, Any]:
        return {"where": items[0]}

    def all_of(self, items: list[Condition]) -> Junction:
        return Junction("AND", tuple(items))

    def any_of(self, items: list[Condition]) -> Junction:
        return Junction("OR", tuple(items))

    def negation(self, items: list[Condition]) -> Negation:
        return Negation(items[0])

    def compare(self, items: list[Any]) -> Compare:
        path, operator, value = items
        return Compare(path, "!=" if operator == "<>" else str(operator), value)

    def like(self, items: list[Any]) -> Compare:
        path, token = items
        return Compare(path, "LIKE", _string(str(token), path.position))

    def among(self, items: list[Any]) -> Among:
        return Among(items[0], items[1], negated=False)

    def not_among(self, items: list[Any]) -> Among:
        return Among(items[0], items[1], negated=True)

    def strings(self, items: list[Token]) -> tuple[Literal, ...]:
        token = items[0]
        start = token.start_pos or 0
        return tuple(_string(match[0], start + match.start()) for match in _ONE_STRING.finditer(token))

    def literals(self, items: list[Literal]) -> tuple[Literal, ...]:
        return tuple(items)

    def literal(self, items: list[Token]) -> Literal:
        token = items[0]
        if token.type == "STRING":
            return _string(str(token), token.start_pos or 0)
        if token.type == "NULL":
            return Literal("null", None)
        if token.type in {"TRUE", "FALSE"}:
            return Literal("boolean", token.type == "TRUE")
        return Literal(token.type.lower(), str(token))

    def order_by(self, items: list[Order]) -> dict[str, Any]:
        return {"order": tuple(items)}

    def order(self, items: list[Any]) -> Order:
        path, *words = items
        return Order(path, "DESC" in words, "LAST" in words)

    def direction(self, items: list[Token]) -> str:
        return str(items[0].type)

    def nulls(self, items: list[Token]) -> str:
        return str(items[0].type)

    def limit(self, items: list[Token]) -> dict[str, Any]:
        return {"limit": _whole(items[0])}

    def offset(self, items: list[Token]) -> dict[str, Any]:
        return {"offset": _whole(items[0])}


def _whole(token: Token) -> int:
    if not token.isdigit():
        raise _Refused(token.start_pos or 0, f"unexpected token: '{token}'")
    return int(token)
