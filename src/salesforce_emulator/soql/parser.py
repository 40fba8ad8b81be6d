"""Read a SOQL text into a `Query`; what cannot be read is refused with MALFORMED_QUERY, row and column."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from salesforce_emulator import errors
from salesforce_emulator.soql import dates
from salesforce_emulator.soql.checks import Refused, check
from salesforce_emulator.soql.model import (
    FUNCTIONS,
    GROUPINGS,
    Among,
    Call,
    Compare,
    Includes,
    Joined,
    Junction,
    Literal,
    Negation,
    Order,
    Path,
    Query,
    Selected,
    Source,
    Typeof,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from salesforce_emulator.soql.model import Condition

MAX_LENGTH = 100_000
MAX_STRING = 4_000
_SHOWN_TOKEN = re.compile(r"\w+|.", re.DOTALL)
_ONE_STRING = re.compile(r"'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "N": "\n", "r": "\r", "R": "\r", "t": "\t", "T": "\t", "b": "\b", "B": "\b", "f": "\f"}
_ESCAPES |= {"F": "\f", '"': '"', "'": "'", "\\": "\\", "%": "%", "_": "_"}
_RESERVED = (
    *("AND", "ASC", "DESC", "EXCLUDES", "FIRST", "FROM", "GROUP", "HAVING", "IN", "INCLUDES", "LAST", "LIKE", "LIMIT"),
    *("NOT", "NULL", "NULLS", "OR", "SELECT", "USING", "WHERE", "WITH"),
)
"""What no alias may be called (documented)."""
_SURROGATE = re.compile(r"u[dD][89a-fA-F].*")


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
        check(query)
    except VisitError as error:
        if isinstance(refused := error.orig_exc, Refused):
            raise refused.in_query(text) from None
        raise
    except Refused as refused:
        raise refused.in_query(text) from None
    except UnexpectedInput as error:
        raise _unexpected(text, error) from None
    except RecursionError:
        raise errors.too_complicated("conditions nested too deeply") from None
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
        raise Refused(position, f"string literal is longer than {MAX_STRING} characters")
    return Literal("string", _unescape(raw, position) if "\\" in raw else raw, raw)


def _unescape(raw: str, position: int) -> str:
    def one(match: re.Match[str]) -> str:
        escaped = match[1]
        if len(escaped) > 1 and not _SURROGATE.fullmatch(escaped):
            return chr(int(escaped[1:], 16))
        if escaped not in _ESCAPES:
            message = f"Invalid string literal '{raw[:80]}'. Illegal character sequence '{match[0]}' in string literal."
            raise Refused(position, message)
        return _ESCAPES[escaped]

    return _ESCAPE.sub(one, raw)


class _Build(Transformer):  # type: ignore[misc]
    """Turn lark's tree into a `Query`, leaves first."""

    def __init__(self, text: str) -> None:
        super().__init__(visit_tokens=True)
        self._text = text

    def query(self, items: list[Any]) -> Query:
        selected, sources, *rest = items
        parts: dict[str, Any] = {"position": sources[0].path.position}
        for item in rest:
            parts |= {key: (*parts.get(key, ()), *value) if key == "purposes" else value for key, value in item.items()}
        return Query(self._text, selected, sources, **parts)

    def PATH(self, token: Token) -> Path:  # noqa: N802 - named as the grammar's terminal
        return Path(str(token), token.start_pos or 0)

    def items(self, items: list[Any]) -> tuple[Any, ...]:
        return tuple(items)

    sources = paths = items

    def selected(self, items: list[Any]) -> Selected:
        return Selected(items[0], _unreserved(items[1]) if len(items) > 1 else None)

    def source(self, items: list[Path]) -> Source:
        return Source(items[0], _unreserved(items[1]) if len(items) > 1 else None)

    def call(self, items: list[Any]) -> Call:
        path, *arguments, end = items
        if path.text.upper() not in FUNCTIONS:
            raise Refused(path, f"unexpected token: '{path.text}'")
        text = self._text[path.position : end.end_pos]
        return Call(path.text.upper(), tuple(arguments), text, path.position)

    def typeof(self, items: list[Any]) -> Typeof:
        path, *branches = items
        otherwise = branches.pop() if isinstance(branches[-1], list) else None
        return Typeof(path, tuple(branches), None if otherwise is None else tuple(otherwise[0]))

    def branch(self, items: list[Any]) -> tuple[Path, Sequence[Path]]:
        return items[0], items[1]

    def otherwise(self, items: list[Any]) -> list[Any]:
        return items

    def scope(self, items: list[Path]) -> dict[str, Any]:
        return {"scope": items[0]}

    def with_(self, items: list[Path]) -> dict[str, Any]:
        return {"security": tuple(items)}

    def categories(self, items: list[Any]) -> dict[str, Any]:
        return {"categories": items[0].start_pos}

    def category(self, items: list[Path]) -> None:
        if items[1].text.upper() not in {"AT", "ABOVE", "BELOW", "ABOVE_OR_BELOW"}:
            raise Refused(items[1], f"unexpected token: '{items[1].text}'")

    def group(self, items: list[Any]) -> dict[str, Any]:
        having = items.pop()["having"] if isinstance(items[-1], dict) else None
        first, *more = items
        grouping = first.name if isinstance(first, Call) and first.name in GROUPINGS and not more else None
        groups = first.arguments if grouping else items
        return {"groups": tuple(groups), "grouping": grouping, "having": having}

    def having(self, items: list[Condition]) -> dict[str, Any]:
        return {"having": items[0]}

    def purpose(self, items: list[Path]) -> dict[str, Any]:
        if items[0].text.upper() not in {"VIEW", "REFERENCE"}:
            raise Refused(items[0], f"unexpected token: '{items[0].text}'")
        return {"purposes": tuple(items)}

    def tracking(self, items: list[Path]) -> dict[str, Any]:
        if items[0].text.upper() not in {"TRACKING", "VIEWSTAT"}:
            raise Refused(items[0], f"unexpected token: '{items[0].text}'")
        return {"purposes": tuple(items)}

    def all_rows(self, items: list[Token]) -> dict[str, Any]:
        return {"all_rows": items[0].start_pos}

    def where(self, items: list[Condition]) -> dict[str, Any]:
        return {"where": items[0]}

    def all_of(self, items: list[Condition]) -> Junction:
        return Junction("AND", tuple(items))

    def any_of(self, items: list[Condition]) -> Junction:
        return Junction("OR", tuple(items))

    def negation(self, items: list[Condition]) -> Negation:
        return Negation(items[0])

    def compare(self, items: list[Any]) -> Compare:
        left, operator, value = items
        return Compare(left, "!=" if operator == "<>" else str(operator), value)

    def like(self, items: list[Any]) -> Compare:
        left, token = items
        return Compare(left, "LIKE", _string(str(token), token.start_pos or 0))

    def among(self, items: list[Any]) -> Among:
        return Among(items[0], items[1], negated=False)

    def not_among(self, items: list[Any]) -> Among:
        return Among(items[0], items[1], negated=True)

    def includes(self, items: list[Any]) -> Includes:
        return Includes(items[0], items[1], negated=False)

    def excludes(self, items: list[Any]) -> Includes:
        return Includes(items[0], items[1], negated=True)

    def joined(self, items: list[Any]) -> Joined:
        return self._join(items, negated=False)

    def not_joined(self, items: list[Any]) -> Joined:
        return self._join(items, negated=True)

    def _join(self, items: list[Any], *, negated: bool) -> Joined:
        if not isinstance(left := items[0], Path):
            raise Refused(left, f"unexpected token: '{left.text}'")
        return Joined(left, items[1], negated)

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
        if token.type == "PERIOD":
            if (period := dates.read_period(token)) is None:
                raise Refused(token, f"unexpected token: '{token}'")
            return Literal("period", period)
        return Literal(token.type.lower(), str(token))

    constant = literal

    def order_by(self, items: list[Order]) -> dict[str, Any]:
        return {"order": tuple(items)}

    def order(self, items: list[Any]) -> Order:
        expression, *words = items
        return Order(expression, "DESC" in words, "LAST" in words)

    def direction(self, items: list[Token]) -> str:
        return str(items[0].type)

    def nulls(self, items: list[Token]) -> str:
        return str(items[0].type)

    def limit(self, items: list[Token]) -> dict[str, Any]:
        return {"limit": _whole(items[0])}

    def offset(self, items: list[Token]) -> dict[str, Any]:
        return {"offset": _whole(items[0])}


def _unreserved(alias: Path) -> Path:
    if alias.text.upper() in _RESERVED or "." in alias.text:
        raise Refused(alias, f"unexpected token: '{alias.text}'")
    return alias


def _whole(token: Token) -> int:
    if not token.isdigit():
        raise Refused(token, f"unexpected token: '{token}'")
    return int(token)
