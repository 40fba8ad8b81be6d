"""CSV as the Bulk API takes it and prints it, streamed: a file is never in memory as a whole.

Strict as the real parser is reported to be: a byte order mark belongs to the first column, a line ends as the job says,
a quote stands around a whole value or is doubled inside one.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}

_CHUNK = 2**20
_PRINTED_ROWS = 2_000


class InvalidBatchError(Exception):
    """Data that cannot be processed; the text is what the job or batch reports."""

    def __init__(self, message: str, code: str = "InvalidBatch") -> None:
        super().__init__(f"{code} : {message}")


def check(path: Path, delimiter: str, line_ending: str) -> None:
    """Raise `InvalidBatchError` where a file's quotes or line ends are not what its job declares.

    Both texts are known from users' reports; no recording exists.
    """
    around = (delimiter.encode(), b"\n", b"\r")
    inside, before = False, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if chunk.endswith(b"\r"):
                chunk += file.read(1)
            first, *others = chunk.split(b'"')
            last = others.pop() if others else None
            if not inside:
                _check_piece(before + first, around, opened=before == b'"', closed=last is not None)
                before = first[-1:]
            # What stands between the quotes of a chunk are mostly the same few separators.
            for piece in set(others[inside ^ 1 :: 2]):
                _check_piece(b'"' + piece, around, opened=True, closed=True)
            outside = {*others[inside ^ 1 :: 2], *(() if inside else (first,))}
            if last is not None:
                inside = inside ^ (len(others) % 2 == 0)
                if not inside:
                    _check_piece(b'"' + last, around, opened=True, closed=False)
                    outside.add(last)
                    before = last[-1:] or b'"'
            if any(_ends_otherwise(piece, line_ending) for piece in outside):
                name = next(name for name, end in LINE_ENDINGS.items() if end == line_ending)
                message = f"LineEnding is invalid on user data. Current LineEnding setting is {name}"
                raise InvalidBatchError(message, "ClientInputError")


def _check_piece(piece: bytes, around: tuple[bytes, ...], *, opened: bool, closed: bool) -> None:
    """Check text outside of quotes: `opened` behind a closing quote (its first byte), `closed` by an opening one."""
    doubled = piece == b'"'
    fits = doubled or ((not opened or piece[1:].startswith(around)) and (not closed or piece.endswith(around)))
    if not fits and piece != b"\n":
        raise InvalidBatchError(
            "Failed to parse CSV. Found unescaped quote. A value with quote should be within a quote"
        )


def _ends_otherwise(piece: bytes, line_ending: str) -> bool:
    if line_ending == "\n":
        return b"\r" in piece
    return not piece.count(b"\n") == piece.count(b"\r") == piece.count(b"\r\n")


def rows(path: Path, delimiter: str) -> Iterator[list[str]]:
    """Read a file's rows, the header first, blank lines left out. Raises `InvalidBatchError`."""
    with path.open(encoding="utf-8", newline="") as file:
        try:
            yield from filter(None, csv.reader(file, delimiter=delimiter, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidBatchError(f"Failed to parse CSV. {error}") from error


def printed(lines: Iterable[Sequence[Any]], delimiter: str, line_ending: str) -> Iterator[bytes]:
    """Print rows with every cell quoted, some thousand of them at a time."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=line_ending, quoting=csv.QUOTE_ALL)
    for count, line in enumerate(lines, start=1):
        writer.writerow(line)
        if count % _PRINTED_ROWS == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    if text := buffer.getvalue():
        yield text.encode()
