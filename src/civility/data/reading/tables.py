"""Tables: the rows of CSV, JSON or plain lines, a chunk at a time, in bounded memory."""

import csv
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from civility.data.reading.encodings import MOST_BLANK_LINES, Text, too_blank, too_large
from civility.data.reading.json_rows import TextRow, rows_of_array, rows_of_lines
from civility.data.reading.recognition import Recognised
from civility.errors import UserError
from civility.plain_text import count

CHUNK_ROWS = 1024
CHUNK_CHARACTERS = 16_000_000
"""A chunk ends early at this size, so that huge comments do not fill the memory."""
MOST_COLUMNS = 10_000
"""Far more than files of comments have. Work per column stays within a second."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a table.

    Parameters
    ----------
    first_row : number of the first row; rows of data count from 1
    columns : name -> cells, all of one length; None if a cell is null or its key is missing
    lines : the line of the file at which each row begins; empty for formats without lines
    objects : the rows of JSON with all their keys; empty for other formats
    """

    first_row: int
    columns: dict[str, list[Any]]
    lines: tuple[int, ...] = ()
    objects: Sequence[dict[str, Any]] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def place(self, index: int) -> str:
        """Return the place of a row in the file, such as ``row 7 (line 12)``."""
        row = self.first_row + index
        line = self.lines[index] if self.lines else row
        return f"row {row}" if line == row else f"row {row} (line {line})"


@dataclass(frozen=True)
class Table:
    """A file with columns, which is not held in memory.

    Parameters
    ----------
    name : as the user gave it
    columns : the names, in the order of the file; of JSON, the keys of the first object, or of the first 1,024 objects
        of standard input
    chunks : columns wanted -> the rows, in order. An unknown column is a KeyError, except in JSON, where a missing key
        is null. Standard input can be read once.
    all_columns : like ``columns``, but every key of JSON, for which the file is read
    description : how the file was read
    is_as_named : whether that is what its suffix or the user says
    doubt : why it could be something else; empty if it hardly can
    """

    name: str
    columns: tuple[str, ...]
    chunks: Callable[[Sequence[str]], Iterator[Chunk]]
    all_columns: Callable[[], tuple[str, ...]]
    description: str = ""
    is_as_named: bool = True
    doubt: str = ""


def table_of(text: Text, found: Recognised) -> Table:
    """Return the rows of a text of the kind that was recognised; a UserError if it has no rows."""
    if found.format == "lines":
        return _plain_table(text)
    if found.format == "csv":
        return _csv_table(text, found)
    return _json_table(text, rows_of_array if found.format == "json" else rows_of_lines)


def no_rows(name: str, found: str = "no rows") -> UserError:
    """Return the error for a file without rows."""
    return UserError("data.empty", found, where=name, remedy="check how the file was made")


def refuse_header(name: str, columns: Sequence[str]) -> None:
    """Raise a UserError for too many columns, or two of one name."""
    refuse_many(name, len(columns))
    twice = next((column for column, times in Counter(columns).items() if column and times > 1), "")
    if twice:
        raise UserError(
            "data.ambiguous-column",
            f"column '{twice}' occurs twice in the header",
            where=name,
            remedy="rename one of them",
        )


def refuse_many(name: str, num_columns: int, what: str = "columns") -> None:
    """Raise a UserError for more columns, or keys of objects, than a file of comments needs."""
    if num_columns > MOST_COLUMNS:
        raise UserError(
            "data.too-large",
            f"{num_columns:,} {what}",
            where=name,
            expected=f"at most {MOST_COLUMNS:,}",
            remedy="keep only the columns of text, id, labels and groups",
        )


def all_keys(name: str, objects: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Return the keys of all objects, in the order of their first occurrence; a UserError for too many."""
    keys: dict[str, None] = {}
    for one in objects:
        keys.update(dict.fromkeys(one))
        refuse_many(name, len(keys), "different keys")
    return tuple(keys)


def _chunks(
    name: str,
    rows: Iterable[TextRow],
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
            yield Chunk(first_row, pick(cells), tuple(lines))
            first_row, size = first_row + len(cells), 0
            lines, cells = [], []
    if cells:
        yield Chunk(first_row, pick(cells), tuple(lines))
    elif first_row == 1:
        raise no_rows(name, nothing)


def _begun(
    text: Text, rows: Callable[[], Iterator[TextRow]], num: int = 1
) -> tuple[list[Any], Callable[[], Iterator[TextRow]]]:
    """Return the first rows, fewer if they are large, and a function that yields all rows: once, of standard input."""
    begun = rows()
    first: list[TextRow] = []
    size = 0
    while len(first) < num and size < CHUNK_CHARACTERS and (row := next(begun, None)):
        first.append(row)
        size += row[1]
    if not first:
        raise no_rows(text.name)
    contents = [row[2] for row in first]
    if not text.file.is_piped:
        return contents, rows
    return contents, lambda: itertools.chain(first, begun)


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
        self._num_read = 0
        """Characters of the current row."""

    def rows(self) -> Iterator[TextRow]:
        # The limit of Python's reader holds for the whole process, so the size of a row is bounded here.
        csv.field_size_limit(2**31 - 1)
        reader = csv.reader(self._lines(), delimiter=self._found.separator, strict=True)
        width, num_blank, skipped = 0, 0, self._found.num_skipped
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
                if num_blank > MOST_BLANK_LINES:
                    raise too_blank(f"{self._text.name}, {self._place()}")
            self._num_read, self._line = 0, reader.line_num + skipped + 1

    def _size(self, row: list[str], width: int) -> int:
        """Return the characters of a row; a UserError for too few or too many cells, or one that is too large."""
        if len(row) != width:
            raise UserError(
                "data.bad-row",
                count(len(row), "field"),
                where=f"{self._text.name}, {self._place()}",
                expected=f"{width} as in the header",
                remedy="put quotes around a field that holds a separator or a line break",
            )
        size = sum(map(len, row))
        if size * 4 > self._text.longest:  # otherwise it is small enough in every encoding
            largest = max(len(cell.encode(errors="surrogatepass")) for cell in row)
            if largest > self._text.longest:
                raise too_large(f"{self._text.name}, {self._place()}", largest, self._text.longest)
        return size

    def _lines(self) -> Iterator[str]:
        lines = self._text.lines(lambda line: self._place())
        longest = self._text.longest
        for line in itertools.islice(lines, self._found.num_skipped, None):
            self._num_read += len(line)
            if self._num_read > longest:
                check = "check whether a quote opens in this row and is never closed"
                raise too_large(f"{self._text.name}, {self._place()}", self._num_read, longest, check)
            yield line

    def _place(self) -> str:
        where = "the header" if self._num_rows == 0 else f"row {self._num_rows}"
        return f"{where} (line {self._line})"

    def _bad_quotes(self, error: csv.Error) -> UserError:
        reason = str(error)
        if "unexpected end of data" in reason:
            reason = "a quote opens in this row and is never closed"
        elif "new-line character" in reason:
            reason = "a carriage return without a line feed outside quotes"
        return UserError(
            "data.bad-row",
            reason,
            where=f"{self._text.name}, {self._place()}",
            remedy='a quote inside a quoted field is written twice, as in "she said ""no"""',
        )


def _json_table(text: Text, rows_of: Callable[[Text], Iterator[TextRow]]) -> Table:
    first, all_rows = _begun(text, lambda: rows_of(text), CHUNK_ROWS if text.file.is_piped else 1)
    columns = all_keys(text.name, first)

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        def pick(rows: list[Any]) -> dict[str, list[Any]]:
            return {column: [row.get(column) for row in rows] for column in wanted}

        for chunk in _chunks(text.name, all_rows(), lambda rows: {"": rows}):
            yield replace(chunk, columns=pick(chunk.columns[""]), objects=chunk.columns[""])

    def all_columns() -> tuple[str, ...]:
        return all_keys(text.name, (row for _, _, row in all_rows()))

    return Table(text.name, columns, chunks, (lambda: columns) if text.file.is_piped else all_columns)


def _plain_table(text: Text) -> Table:
    columns = ("text",)

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        rows = ((number, len(line), line.rstrip("\r\n")) for number, line in enumerate(text.lines(), 1))
        if not set(wanted) <= {"text"}:
            raise KeyError(wanted)
        return _chunks(text.name, rows, lambda cells: {"text": cells})

    return Table(text.name, columns, chunks, lambda: columns)
