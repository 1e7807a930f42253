"""The one way into data files and standard input: a source becomes a table, whatever it is written as."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from civility.data.dialects import CONTAINERS
from civility.data.file_format import RECOGNISED, FileFormat
from civility.data.headers import folded
from civility.data.reading.encodings import text_of
from civility.data.reading.files import begin
from civility.data.reading.finding import find_file, piped
from civility.data.reading.recognition import describe, is_as_named, recognise
from civility.data.reading.tables import Chunk, Table, refuse_many, table_of
from civility.errors import UserError
from civility.plain_text import shown
from civility.storage.atomic_files import real_path


def open_table(source: str | Path | IO[bytes], form: FileFormat = RECOGNISED, text: str = "") -> Table:
    """Open a data file of any supported format and compression, or standard input.

    The same bytes give the same rows either way. Of standard input, only the beginning is read at once.

    Parameters
    ----------
    source : a path, or the bytes of standard input
    form : what is known about how the file is written; the rest is recognised
    text : the text column, if one is named: a first line that has it is a header

    Raises
    ------
    UserError : no such file, an unknown format, or an empty or damaged file. Reading a chunk raises what is wrong
        further down.
    """
    if isinstance(source, str | Path):
        real_path(source)  # for a circle of links, its message says more than "no such file"
    is_auto = form.format == "auto"
    file = find_file(source, any_suffix=not is_auto) if isinstance(source, str | Path) else piped(source)
    beginning = begin(file)
    named = file.format if is_auto else form.format
    if named == "parquet" or (is_auto and beginning.is_parquet):
        from civility.data.reading.parquet import parquet_table  # pyarrow loads slowly

        return parquet_table(beginning, form.max_cell_bytes)
    content = text_of(beginning, form.encoding, form.max_cell_bytes)
    found = recognise(content, form, text)
    return replace(
        table_of(content, found),
        description=describe(found, content),
        is_as_named=is_as_named(found, content, form),
        doubt=found.doubt,
    )


def with_keys_as_columns(table: Table) -> Table:
    """Return a table in which the keys of objects, as in ``{"labels": {"toxic": 1}}``, are columns: ``labels.toxic``.

    Only columns that usually hold labels are unfolded. The first chunk of rows with a value decides whether a column
    holds objects; then all rows are read for their keys. A table without objects is returned as it is.
    """
    parts = {
        f"{column}.{key}": (column, key)
        for column in table.all_columns()
        if folded(column) in CONTAINERS
        for key in _keys(table, column)
    }
    if not parts:
        return table

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        read = tuple(dict.fromkeys(parts[column][0] if column in parts else column for column in wanted))
        for chunk in table.chunks(read):
            yield replace(chunk, columns={column: _cells(table.name, chunk, column, parts) for column in wanted})

    def all_columns() -> tuple[str, ...]:
        return (*table.all_columns(), *parts)

    return replace(table, columns=(*table.columns, *parts), chunks=chunks, all_columns=all_columns)


def _keys(table: Table, column: str) -> tuple[str, ...]:
    """Return the keys of the objects in a column, in the order of their first occurrence."""
    keys: dict[str, None] = {}
    for chunk in table.chunks((column,)):
        cells = chunk.columns[column]
        keys.update(dict.fromkeys(key for cell in cells if isinstance(cell, dict) for key in cell))
        refuse_many(f"{table.name}, column {column}", len(keys), "different keys")
        if not keys and any(cell is not None and cell != {} for cell in cells):
            return ()
    return tuple(keys)


def _cells(name: str, chunk: Chunk, column: str, parts: dict[str, tuple[str, str]]) -> list[object]:
    """Return the cells of a column, or of one key of its objects."""
    if column not in parts:
        return chunk.columns[column]
    container, key = parts[column]
    cells: list[object] = []
    for index, cell in enumerate(chunk.columns[container]):
        if cell is not None and not isinstance(cell, dict):
            raise UserError(
                "data.bad-cell",
                f"{container} = {shown(cell)}",
                where=f"{name}, {chunk.place(index)}",
                expected="an object, as in other rows",
                remedy='write {"label": number, ...}, or null if nothing is known',
            )
        cells.append(cell.get(key) if cell else None)
    return cells
