"""The kinds of failure: of a whole request, of one record, of a JSON value; and how their bodies are built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence


class ApiError(Exception):
    """A request that is refused as a whole: HTTP status, body and extra headers."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(body)
        self.status = status
        self.body = body
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why one record was refused."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    def in_collection(self) -> dict[str, Any]:
        """Render as collections do: `statusCode`, `message`, `fields`."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}

    def alone(self) -> dict[str, Any]:
        """Render as single-record calls do: `message`, `errorCode`, `fields`."""
        return {"message": self.message, "errorCode": self.code, "fields": list(self.fields)}


class RecordError(Exception):
    """One record that is refused, with every reason found."""

    def __init__(self, problems: Sequence[Problem], status: int = 400) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems
        self.status = status

    def as_api_error(self) -> ApiError:
        """Turn into the answer of a call that concerned this record alone."""
        return ApiError(self.status, [problem.alone() for problem in self.problems])


class NoSuchRowError(RecordError):
    """A row that never was: a cross reference in collections, NOT_FOUND where the path names it."""

    def __init__(self) -> None:
        super().__init__([Problem("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")])

    def as_api_error(self) -> ApiError:
        """Answer 404."""
        return not_found()


class DuplicatesError(RecordError):
    """A record that a duplicate rule refuses; a call for it alone is told what it duplicates, a collection is not."""

    def __init__(self, message: str, key: str, result: dict[str, Any]) -> None:
        super().__init__([Problem("DUPLICATES_DETECTED", message)])
        self._key = key
        self._result = result

    def as_api_error(self) -> ApiError:
        """Answer with the duplicates, and without `fields`, as recorded."""
        (problem,) = self.problems
        return ApiError(400, [{self._key: self._result, "errorCode": problem.code, "message": problem.message}])


class FieldTypeError(Exception):
    """A JSON value of the wrong type for its field; becomes JSON_PARSER_ERROR once the body's text is known."""

    def __init__(self, type_name: str, value: Any) -> None:
        super().__init__(type_name, value)
        self.type_name = type_name
        self.value = value

    def in_body(self, body: bytes) -> ApiError:
        """Name the place in the request's body, as the real parser does: the character after the value."""
        token = orjson.dumps(self.value)
        end = max(body.find(token), 0) + len(token)
        line = body.count(b"\n", 0, end) + 1
        column = end - (body.rfind(b"\n", 0, end) + 1) + 1
        text = self.value if isinstance(self.value, str) else token.decode()
        return simple(
            400,
            "JSON_PARSER_ERROR",
            f"Cannot deserialize instance of {self.type_name} from {_json_kind(self.value)} value {text} "
            f"or request may be missing a required field at [line:{line}, column:{column}]",
        )


def _json_kind(value: Any) -> str:
    kinds = {str: "VALUE_STRING", bool: f"VALUE_{value}".upper(), int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT"}
    return kinds.get(type(value), "START_ARRAY" if isinstance(value, list) else "START_OBJECT")


def simple(status: int, code: str, message: str, fields: list[str] | None = None) -> ApiError:
    """Build the usual body: a list of one error, `message` before `errorCode`."""
    error: dict[str, Any] = {"message": message, "errorCode": code}
    if fields is not None:
        error["fields"] = fields
    return ApiError(status, [error])


def not_found(message: str = "The requested resource does not exist") -> ApiError:
    """Say that nothing is there; `errorCode` comes first, as recorded."""
    return ApiError(404, [{"errorCode": "NOT_FOUND", "message": message}])
