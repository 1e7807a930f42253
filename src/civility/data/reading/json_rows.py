"""The objects of JSON lines and of JSON arrays, one at a time, in bounded memory."""

import json
import re
from collections.abc import Iterator
from typing import Any

from civility.data.reading.encodings import MOST_BLANK_LINES, Text, too_blank, too_large
from civility.errors import UserError

# The line at which a row begins, its size in characters, its cells.
TextRow = tuple[int, int, Any]

_NOT_SPACE = re.compile(r"[^ \t\r\n]")
_ARRAY = "an array of objects, [{...}, {...}]; JSON lines have one object per line"
_DECODER = json.JSONDecoder()
# An error this close to the end of the window may vanish when more is read.
_NEAR_END = 16


def rows_of_lines(text: Text) -> Iterator[TextRow]:
    """Yield the objects of JSON lines, without empty lines.

    Raises
    ------
    UserError : a line is not a JSON object, or is too long
    """
    num_blank = 0
    for number, line in enumerate(text.lines(), 1):
        if line.isspace():
            num_blank += 1
            if num_blank > MOST_BLANK_LINES:
                raise too_blank(f"{text.name}, line {number}")
            continue
        num_blank = 0
        reason = ""
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        except RecursionError:
            row, reason = None, ": nested too deeply"
        if not isinstance(row, dict):
            raise UserError(
                "data.bad-row",
                f"not a JSON object{reason}",
                where=f"{text.name}, line {number}",
                remedy="write one object per line, {...}; or name the format: --input-format (train, sweep: "
                "--set data.format=…)",
            )
        yield number, len(line), row


def rows_of_array(text: Text) -> Iterator[TextRow]:
    """Yield the objects of a JSON array.

    Raises
    ------
    UserError : the text is not an array of objects, or an object is too large
    """
    return _ArrayReader(text).rows()


class _ArrayReader:
    """Takes objects from a window that moves over the text."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._blocks = text.blocks()
        self._window, self._place = "", 0
        self._line, self._row = 1, 0
        self._is_at_end = False

    def rows(self) -> Iterator[TextRow]:
        if self._next_sign() != "[":
            raise self._wrong("not a JSON array", _ARRAY)
        self._skip(1)
        if self._next_sign() == "]":
            return
        while True:
            self._row += 1
            yield self._object()
            sign = self._next_sign()
            if sign not in (",", "]"):
                raise self._wrong(
                    f"{sign!r} after an object" if sign else "the file ends after an object", "',' or ']'"
                )
            self._skip(1)
            if sign == "]":
                break
        if self._next_sign():
            raise self._wrong("text after the end of the array")

    def _next_sign(self) -> str:
        """Move to the next character that is not white space, and return it. Empty at the end."""
        while not (found := _NOT_SPACE.search(self._window, self._place)):
            self._skip(len(self._window) - self._place)
            if not self._read_more(1):
                return ""
        self._skip(found.start() - self._place)
        return found.group()

    def _object(self) -> TextRow:
        if self._next_sign() != "{":
            raise self._wrong("not an object", _ARRAY)
        wanted = 1 << 16
        while True:
            try:
                row, end = _DECODER.raw_decode(self._window, self._place)
            except RecursionError as error:
                raise self._wrong("nested too deeply") from error
            except json.JSONDecodeError as error:
                is_incomplete = error.msg.startswith("Unterminated") or error.pos >= len(self._window) - _NEAR_END
                size = len(self._window) - self._place
                if is_incomplete and size > self._text.longest:
                    raise too_large(self._where(), size, self._text.longest) from error
                if not is_incomplete or not self._read_more(wanted):
                    raise self._wrong(f"not valid JSON: {error.msg}") from error
                wanted *= 2
            except ValueError as error:  # an integer of thousands of digits
                raise self._wrong(f"not valid JSON: {error}") from error
            else:
                break
        size, line = end - self._place, self._line
        if size > self._text.longest:
            raise too_large(self._where(), size, self._text.longest)
        self._skip(size)
        return line, size, row

    def _skip(self, num: int) -> None:
        self._line += self._window.count("\n", self._place, self._place + num)
        self._place += num

    def _read_more(self, num_characters: int) -> bool:
        """Read at least this many characters, fewer at the end of the text; return whether there were any."""
        more, num = [], 0
        while num < num_characters and (block := next(self._blocks, "")):
            more.append(block)
            num += len(block)
        self._window, self._place = self._window[self._place :] + "".join(more), 0
        return num > 0

    def _where(self) -> str:
        return f"{self._text.name}, row {self._row} (line {self._line})"

    def _wrong(self, found: str, expected: str = "") -> UserError:
        where = self._where() if self._row else self._text.name
        return UserError(
            "data.bad-row",
            found,
            where=where,
            expected=expected,
            remedy="check the file with a JSON tool, as in: python -m json.tool",
        )
