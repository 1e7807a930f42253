"""Tables: rows of any supported format, a chunk at a time, in bounded memory.

Knows formats; knows nothing of labels, comments or Jigsaw.
"""

import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet as pq

from civility.data.dialects import ID_COLUMNS, TEXT_COLUMNS
from civility.data.streams import DataFile, decode_lines, explain_damage, find_file
from civility.errors import UserError

CHUNK_ROWS = 1024
# A chunk ends early at this many characters, so that huge comments do not add up.
_CHUNK_CHARACTERS = 16_000_000
# Python's own limit is 131,072. A longer field than this is an unclosed quote, not a comment.
_FIELD_CHARACTERS = 64_000_000

# The line where a row begins, its size in characters, its cells.
Row = tuple[int, int, Any]
Lines = Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a table.

    Parameters
    ----------
    first_row : number of the first row, counting rows of data from 1
    columns : name to cells, all of one length; None where a cell is null or its key missing
    lines : the line of the file where each row begins; empty for formats without lines
    """

    first_row: int
    columns: dict[str, list[Any]]
    lines: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def place(self, index: int) -> str:
        """Return where a row stands in the file, as ``row 7 (line 12)``."""
        row = self.first_row + index
        line = self.lines[index] if self.lines else row
        return f"row {row}" if line == row else f"row {row} (line {line})"


@dataclass(frozen=True)
class Table:
    """A file with columns, nothing of it in memory.

    Parameters
    ----------
    name : as the user gave it
    columns : the names, in the order of the file; of JSON lines, those of the first object
    chunks : columns wanted -> the rows, in order; a column that is not there is a KeyError, except in
        JSON lines, where every key may be missing and is then null
    all_columns : like ``columns``, but for JSON lines every key that occurs in the file, at the price
        of reading it
    """

    name: str
    columns: tuple[str, ...]
    chunks: Callable[[Sequence[str]], Iterator[Chunk]]
    all_columns: Callable[[], tuple[str, ...]]


def open_table(path: str | Path) -> Table:
    """Open a data file of any supported format and compression.

    Raises
    ------
    UserError : there is no such file, its format is unknown, it is empty or damaged. What is wrong
        further down in the file is raised on reading the chunk.
    """
    file = find_file(path)
    if file.path.stat().st_size == 0:
        raise _empty(file.name)
    if file.format == "parquet":
        return _parquet_table(file)
    if file.format == "jsonl":
        return _jsonl_table(file.name, file.lines)
    if file.format == "txt":
        return _plain_table(file.name, file.lines)
    return _csv_table(file.name, file.lines, "\t" if file.format == "tsv" else ",")


def open_stdin(stream: IO[bytes], text: str = "comment_text") -> Table:
    """Open standard input, whose format its first line tells; its chunks can be read once.

    JSON lines if that line is a JSON object; CSV if it is a header with a cell that is exactly
    ``comment_text``, or the column that is named, or with one of the usual names of both texts and ids;
    otherwise one comment a line, in a column ``text``.
    """
    name = "standard input"
    first = stream.readline()
    if not first:
        raise _empty(name)

    def lines() -> Iterable[bytes]:
        # The header is parsed from the first line alone, then the rows from here on: both see it.
        return itertools.chain((first,), stream)

    line = next(decode_lines(name, [first]))
    if _is_object(line):
        return _jsonl_table(name, lines, can_rescan=False)
    if _is_header(_cells(line), text):
        return _csv_table(name, lines, ",")
    return _plain_table(name, lines)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_header(cells: Sequence[str], text: str) -> bool:
    if not {text, "comment_text"}.isdisjoint(cells):
        return True
    return not set(TEXT_COLUMNS).isdisjoint(cells) and not set(ID_COLUMNS).isdisjoint(cells)


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def _empty(name: str) -> UserError:
    return UserError(f"{name}: empty, not a single byte", "check how the file was made")


def _no_rows(name: str, found: str = "no rows") -> UserError:
    return UserError(f"{name}: {found}", "check how the file was made")


def _chunks(
    name: str,
    rows: Iterable[Row],
    pick: Callable[[list[Any]], dict[str, list[Any]]],
    nothing: str = "no rows",
) -> Iterator[Chunk]:
    """Gather rows into chunks of bounded size; a UserError if there are none."""
    first_row, size = 1, 0
    lines: list[int] = []
    cells: list[Any] = []
    for line, row_size, row in rows:
        lines.append(line)
        cells.append(row)
        size += row_size
        if len(cells) == CHUNK_ROWS or size >= _CHUNK_CHARACTERS:
            yield Chunk(first_row, pick(cells), tuple(lines))
            first_row, size = first_row + len(cells), 0
            lines, cells = [], []
    if cells:
        yield Chunk(first_row, pick(cells), tuple(lines))
    elif first_row == 1:
        raise _no_rows(name, nothing)


def _csv_table(name: str, lines: Lines, delimiter: str) -> Table:
    _, _, header = next(_csv_rows(name, lines(), delimiter), (0, 0, []))
    if not header:
        raise _no_rows(name)
    columns = tuple(header)
    _refuse_twins(name, columns)

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        places = {column: columns.index(column) for column in wanted}

        def pick(rows: list[Any]) -> dict[str, list[Any]]:
            by_column = list(zip(*rows, strict=True))
            return {column: list(by_column[place]) for column, place in places.items()}

        rows = itertools.islice(_csv_rows(name, lines(), delimiter), 1, None)
        return _chunks(name, rows, pick, "a header and no rows below it")

    return Table(name, columns, chunks, lambda: columns)


def _refuse_twins(name: str, columns: tuple[str, ...]) -> None:
    for column in columns:
        if column and columns.count(column) > 1:
            raise UserError(f"{name}: column '{column}' stands twice in the header", "rename one of the two")


def _csv_rows(name: str, lines: Iterable[bytes], delimiter: str) -> Iterator[Row]:
    """Yield the header, then the rows, each of the header's length; empty lines are skipped."""
    csv.field_size_limit(max(csv.field_size_limit(), _FIELD_CHARACTERS))
    reader = csv.reader(decode_lines(name, lines, has_header=True), delimiter=delimiter, strict=True)
    width, num_rows, line = 0, 0, 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise _bad_quotes(name, num_rows, line, error) from error
        if row is None:
            return
        if row:
            width = width or len(row)
            if len(row) != width:
                raise UserError(
                    f"{name}, row {num_rows} (line {line}): {len(row)} fields, the header has {width}",
                    "put quotes around a field that holds a separator or a line break",
                )
            yield line, sum(map(len, row)), row
            num_rows += 1
        line = reader.line_num + 1


def _bad_quotes(name: str, row: int, line: int, error: csv.Error) -> UserError:
    reason = str(error)
    if "unexpected end of data" in reason or "field larger" in reason:
        reason = "a quote opens in this row and is never closed"
    elif "new-line character" in reason:
        reason = "a carriage return without a line feed outside quotes"
    where = "the header" if row == 0 else f"row {row}"
    return UserError(
        f"{name}, {where} (line {line}): {reason}",
        'a quote inside a quoted field is written twice, as in "she said ""no"""',
    )


def _jsonl_table(name: str, lines: Lines, *, can_rescan: bool = True) -> Table:
    _, _, first = next(_jsonl_rows(name, lines()), (0, 0, None))
    if first is None:
        raise _no_rows(name)
    columns = tuple(first)

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        def pick(rows: list[Any]) -> dict[str, list[Any]]:
            return {column: [row.get(column) for row in rows] for column in wanted}

        return _chunks(name, _jsonl_rows(name, lines()), pick)

    def all_columns() -> tuple[str, ...]:
        # A dict keeps the order in which the keys first occur.
        keys = dict.fromkeys(key for _, _, row in _jsonl_rows(name, lines()) for key in row)
        return tuple(keys)

    return Table(name, columns, chunks, all_columns if can_rescan else lambda: columns)


def _jsonl_rows(name: str, lines: Iterable[bytes]) -> Iterator[Row]:
    for number, line in enumerate(decode_lines(name, lines), 1):
        if line.isspace():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UserError(f"{name}, line {number}: not a JSON object", "write one object a line: {...}")
        yield number, len(line), row


def _plain_table(name: str, lines: Lines) -> Table:
    columns = ("text",)

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        decoded = enumerate(decode_lines(name, lines()), 1)
        rows = ((number, len(line), line.rstrip("\r\n")) for number, line in decoded)
        if not set(wanted) <= {"text"}:
            raise KeyError(wanted)
        return _chunks(name, rows, lambda cells: {"text": cells})

    return Table(name, columns, chunks, lambda: columns)


def _parquet_table(file: DataFile) -> Table:
    with explain_damage(file), file.open_seekable() as stream, pq.ParquetFile(stream) as parquet:
        columns = tuple(parquet.schema_arrow.names)
        num_rows = parquet.metadata.num_rows
    _refuse_twins(file.name, columns)
    if num_rows == 0:
        raise _no_rows(file.name)

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        first_row = 1
        # Without pre_buffer, and with a buffer: pages are read as they are needed, not whole row groups.
        with (
            explain_damage(file),
            file.open_seekable() as stream,
            pq.ParquetFile(stream, pre_buffer=False, buffer_size=1 << 20) as parquet,
        ):
            for batch in parquet.iter_batches(CHUNK_ROWS, columns=list(wanted)):
                cells = {column: batch.column(column).to_pylist() for column in wanted}
                yield Chunk(first_row, cells)
                first_row += batch.num_rows

    return Table(file.name, columns, chunks, lambda: columns)
