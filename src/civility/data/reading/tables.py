"""Tables: the rows of CSV, JSON or plain lines, a chunk at a time, in bounded memory."""

import csv
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from civility.data.reading.encodings import Text, too_large
from civility.data.reading.recognition import Recognised
from civility.errors import UserError
from civility.plain_text import count, shown

CHUNK_ROWS = 1024
# A chunk ends early at this size, so that huge comments do not fill the memory.
CHUNK_CHARACTERS = 16_000_000
# Far more than files of comments have. Work per column stays within a second.
MOST_COLUMNS = 10_000
_MOST_BLANK_LINES = 1_000_000

# The line at which a row begins, its size in characters, its cells.
_TextRow = tuple[int, int, Any]

_NOT_SPACE = re.compile(r"[^ \t\r\n]")
_ARRAY = "an array of objects, [{...}, {...}]; JSON lines have one object per line"
_DECODER = json.JSONDecoder()
# An error this close to the end of the window may vanish when more is read.
_NEAR_END = 16


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a table."""

    file: str  # its name, for messages
    first_row: int  # number of the first row; rows of data count from 1
    columns: dict[str, list[Any]]  # name -> cells, all of one length; None if a cell is null or its key is missing
    lines: tuple[int, ...] = ()  # the line of the file at which each row begins; empty for formats without lines
    objects: Sequence[dict[str, Any]] = ()  # the rows of JSON with all their keys; empty for other formats

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def place(self, index: int) -> str:
        """Return the place of a row in the file, such as ``row 7 (line 12)``."""
        row = self.first_row + index
        line = self.lines[index] if self.lines else row
        return f"row {row}" if line == row else f"row {row} (line {line})"

    def where(self, index: int) -> str:
        """Return the file and the place of a row."""
        return f"{self.file}, {self.place(index)}"

    def bad_cell(self, column: str, index: int, remedy: str, *, reason: str = "", expected: str = "") -> UserError:
        """Return the error for a cell that does not hold what its column needs."""
        found = f"{column} = {shown(self.columns[column][index])}{reason and f': {reason}'}"
        return UserError("data.bad-cell", found, where=self.where(index), expected=expected, remedy=remedy)


@dataclass(frozen=True)
class Table:
    """A file with columns, which is not held in memory."""

    name: str  # as the user gave it
    # In the order of the file; of JSON, the keys of the first object, or of the first 1,024 of standard input.
    columns: tuple[str, ...]
    # Columns wanted -> the rows, in order. An unknown column is a KeyError, except in JSON, where a missing key is
    # null. Standard input can be read once.
    chunks: Callable[[Sequence[str]], Iterator[Chunk]]
    all_columns: Callable[[], tuple[str, ...]]  # like ``columns``, but every key of JSON, for which the file is read
    description: str = ""  # how the file was read
    is_as_named: bool = True  # whether that is what its suffix or the user says
    doubt: str = ""  # why it could be something else; empty if it hardly can


def table_of(text: Text, found: Recognised) -> Table:
    """Return the rows of a text of the kind that was recognised; a UserError if it has no rows."""
    if found.format == "lines":
        return _plain_table(text)
    if found.format == "csv":
        return _csv_table(text, found)
    return _json_table(text, lambda: _ArrayReader(text).rows() if found.format == "json" else _rows_of_lines(text))


def no_rows(name: str, found: str = "no rows") -> UserError:
    """Return the error for a file without rows."""
    return UserError("data.empty", found, where=name, remedy="check how the file was made")


def refuse_header(name: str, columns: Sequence[str]) -> None:
    """Raise a UserError for too many columns, or two of one name."""
    refuse_many(name, len(columns))
    twice = next((column for column, times in Counter(columns).items() if column and times > 1), "")
    if twice:
        found = f"column '{twice}' occurs twice in the header"
        raise UserError("data.ambiguous-column", found, where=name, remedy="rename one of them")


def refuse_many(name: str, num_columns: int, what: str = "columns") -> None:
    """Raise a UserError for more columns, or keys of objects, than a file of comments needs."""
    if num_columns > MOST_COLUMNS:
        found, expected = f"{num_columns:,} {what}", f"at most {MOST_COLUMNS:,}"
        remedy = "keep only the columns of text, id, labels and groups"
        raise UserError("data.too-large", found, where=name, expected=expected, remedy=remedy)


def _refuse_blank(num_blank: int, place: str) -> None:
    """Raise a UserError for more than a million consecutive empty lines."""
    if num_blank > _MOST_BLANK_LINES:
        found = f"{_MOST_BLANK_LINES:,} empty lines in a row"
        raise UserError("data.bad-row", found, where=place, remedy="check how the file was made")


def _all_keys(name: str, objects: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Return the keys of all objects, in the order of their first occurrence; a UserError for too many."""
    keys: dict[str, None] = {}
    for one in objects:
        keys.update(dict.fromkeys(one))
        refuse_many(name, len(keys), "different keys")
    return tuple(keys)


def _chunks(
    name: str,
    rows: Iterable[_TextRow],
    pick: Callable[[list[Any]], dict[str, list[Any]]],
    nothing: str = "no rows",
) -> Iterator[Chunk]:
    """Gather rows into chunks of bounded size; a UserError without rows."""
    first_row, size = 1, 0
    lines: list[int] = []
    cells: list[Any] = []
    for line, row_size, row in rows:
        lines.append(line)
        cells.append(row)
        size += row_size
        if len(cells) == CHUNK_ROWS or size >= CHUNK_CHARACTERS:
            yield Chunk(name, first_row, pick(cells), tuple(lines))
            first_row, size = first_row + len(cells), 0
            lines, cells = [], []
    if cells:
        yield Chunk(name, first_row, pick(cells), tuple(lines))
    elif first_row == 1:
        raise no_rows(name, nothing)


def _begun(
    text: Text, rows: Callable[[], Iterator[_TextRow]], num: int = 1
) -> tuple[list[Any], Callable[[], Iterator[_TextRow]]]:
    """Return the first rows, fewer if they are large, and a function that yields all rows: once, of standard input."""
    begun = rows()
    first: list[_TextRow] = []
    size = 0
    while len(first) < num and size < CHUNK_CHARACTERS and (row := next(begun, None)):
        first.append(row)
        size += row[1]
    if not first:
        raise no_rows(text.name)
    return [row[2] for row in first], (lambda: itertools.chain(first, begun)) if text.file.is_piped else rows


def _plain_table(text: Text) -> Table:
    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        rows = ((number, len(line), line.rstrip("\r\n")) for number, line in enumerate(text.lines(), 1))
        if not set(wanted) <= {"text"}:
            raise KeyError(wanted)
        return _chunks(text.name, rows, lambda cells: {"text": cells})

    return Table(text.name, ("text",), chunks, lambda: ("text",))


def _csv_table(text: Text, found: Recognised) -> Table:
    [header], all_rows = _begun(text, lambda: _CsvReader(text, found).rows())
    columns = tuple(header)
    refuse_header(text.name, columns)

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        places = {column: columns.index(column) for column in wanted}

        def pick(rows: list[Any]) -> dict[str, list[Any]]:
            by_column = list(zip(*rows, strict=True))
            return {column: list(by_column[place]) for column, place in places.items()}

        return _chunks(text.name, itertools.islice(all_rows(), 1, None), pick, "a header and no rows below it")

    return Table(text.name, columns, chunks, lambda: columns)


class _CsvReader:
    """Yields the header, then the rows, all of the header's length, without empty lines."""

    def __init__(self, text: Text, found: Recognised) -> None:
        self._text, self._found = text, found
        self._num_rows, self._line = 0, 1 + found.num_skipped
        self._num_read = 0  # characters of the current row

    def rows(self) -> Iterator[_TextRow]:
        # The limit of Python's reader holds for the whole process, so the size of a row is bounded here.
        csv.field_size_limit(2**31 - 1)
        reader = csv.reader(self._lines(), delimiter=self._found.separator, strict=True)
        width, num_blank = 0, 0
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise self._bad_quotes(error) from error
            if row is None:
                return
            if row:
                width = width or len(row)
                yield self._line, self._size(row, width), row
                self._num_rows += 1
                num_blank = 0
            else:
                num_blank += 1
                _refuse_blank(num_blank, self._where())
            self._num_read, self._line = 0, reader.line_num + self._found.num_skipped + 1

    def _size(self, row: list[str], width: int) -> int:
        """Return the characters of a row; a UserError for too few or too many cells, or one that is too large."""
        if len(row) != width:
            found, expected = count(len(row), "field"), f"{width} as in the header"
            remedy = "put quotes around a field that holds a separator or a line break"
            raise UserError("data.bad-row", found, where=self._where(), expected=expected, remedy=remedy)
        size = sum(map(len, row))
        if size * 4 > self._text.longest:  # otherwise it is small enough in every encoding
            largest = max(len(cell.encode(errors="surrogatepass")) for cell in row)
            if largest > self._text.longest:
                raise too_large(self._where(), largest, self._text.longest)
        return size

    def _lines(self) -> Iterator[str]:
        for line in itertools.islice(self._text.lines(lambda line: self._place()), self._found.num_skipped, None):
            self._num_read += len(line)
            if self._num_read > self._text.longest:
                check = "check whether a quote opens in this row and is never closed"
                raise too_large(self._where(), self._num_read, self._text.longest, check)
            yield line

    def _place(self) -> str:
        return f"{f'row {self._num_rows}' if self._num_rows else 'the header'} (line {self._line})"

    def _where(self) -> str:
        return f"{self._text.name}, {self._place()}"

    def _bad_quotes(self, error: csv.Error) -> UserError:
        reason = str(error)
        if "unexpected end of data" in reason:
            reason = "a quote opens in this row and is never closed"
        elif "new-line character" in reason:
            reason = "a carriage return without a line feed outside quotes"
        remedy = 'a quote inside a quoted field is written twice, as in "she said ""no"""'
        return UserError("data.bad-row", reason, where=self._where(), remedy=remedy)


def _json_table(text: Text, rows: Callable[[], Iterator[_TextRow]]) -> Table:
    first, all_rows = _begun(text, rows, CHUNK_ROWS if text.file.is_piped else 1)
    columns = _all_keys(text.name, first)

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        for chunk in _chunks(text.name, all_rows(), lambda rows: {"": rows}):
            rows = chunk.columns[""]
            yield replace(chunk, columns={column: [row.get(column) for row in rows] for column in wanted}, objects=rows)

    def all_columns() -> tuple[str, ...]:
        return columns if text.file.is_piped else _all_keys(text.name, (row for _, _, row in all_rows()))

    return Table(text.name, columns, chunks, all_columns)


def _rows_of_lines(text: Text) -> Iterator[_TextRow]:
    """Yield the objects of JSON lines, without empty lines; a UserError for a line that is not a JSON object."""
    num_blank = 0
    for number, line in enumerate(text.lines(), 1):
        num_blank = num_blank + 1 if line.isspace() else 0
        if num_blank:
            _refuse_blank(num_blank, f"{text.name}, line {number}")
            continue
        reason = ""
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        except RecursionError:
            row, reason = None, ": nested too deeply"
        if not isinstance(row, dict):
            how = "--input-format (train, sweep: --set data.format=…)"
            remedy = f"write one object per line, {{...}}; or name the format: {how}"
            where = f"{text.name}, line {number}"
            raise UserError("data.bad-row", f"not a JSON object{reason}", where=where, remedy=remedy)
        yield number, len(line), row


class _ArrayReader:
    """Takes the objects of a JSON array from a window that moves over the text.

    A UserError if the text is not such an array, or an object is too large.
    """

    def __init__(self, text: Text) -> None:
        self._text = text
        self._blocks = text.blocks()
        self._window, self._place = "", 0
        self._line, self._row = 1, 0

    def rows(self) -> Iterator[_TextRow]:
        if self._next_sign() != "[":
            raise self._wrong("not a JSON array", _ARRAY)
        self._skip(1)
        if self._next_sign() == "]":
            return
        sign = ","
        while sign == ",":
            self._row += 1
            yield self._object()
            sign = self._next_sign()
            if sign not in (",", "]"):
                found = f"{sign!r} after an object" if sign else "the file ends after an object"
                raise self._wrong(found, "',' or ']'")
            self._skip(1)
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

    def _object(self) -> _TextRow:
        if self._next_sign() != "{":
            raise self._wrong("not an object", _ARRAY)
        wanted = 1 << 16
        while True:
            try:
                row, end = _DECODER.raw_decode(self._window, self._place)
                break
            except RecursionError as error:
                raise self._wrong("nested too deeply") from error
            except json.JSONDecodeError as error:
                is_incomplete = error.msg.startswith("Unterminated") or error.pos >= len(self._window) - _NEAR_END
                if is_incomplete:
                    self._refuse_large(len(self._window) - self._place)
                if not is_incomplete or not self._read_more(wanted):
                    raise self._wrong(f"not valid JSON: {error.msg}") from error
                wanted *= 2
            except ValueError as error:  # an integer of thousands of digits
                raise self._wrong(f"not valid JSON: {error}") from error
        size, line = end - self._place, self._line
        self._refuse_large(size)
        self._skip(size)
        return line, size, row

    def _refuse_large(self, size: int) -> None:
        if size > self._text.longest:
            raise too_large(self._where(), size, self._text.longest)

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
        remedy = "check the file with a JSON tool, as in: python -m json.tool"
        return UserError("data.bad-row", found, where=where, expected=expected, remedy=remedy)
