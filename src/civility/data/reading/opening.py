"""The one door to data files and standard input: a source becomes a table, whatever it is written as."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from civility.data.dialects import CONTAINERS
from civility.data.file_format import RECOGNISED, FileFormat
from civility.data.headers import folded
from civility.data.reading.encodings import text_of
from civility.data.reading.files import begin, find_file, piped
from civility.data.reading.parquet import parquet_table
from civility.data.reading.recognition import describe, is_as_named, recognise
from civility.data.reading.tables import Chunk, Table, refuse_many, table_of
from civility.errors import UserError
from civility.plain_text import shown
from civility.storage.atomic_files import real_path


def open_table(source: str | Path | IO[bytes], form: FileFormat = RECOGNISED, text: str = "") -> Table:
    """Open a data file of any supported format and compression, or standard input.

    The same bytes give the same rows either way. Of standard input, little is read before the chunks are.

    Parameters
    ----------
    source : a path, or the bytes of standard input
    form : what is known of how the file is written; the rest is recognised
    text : the text column, where one is named: a first line that has it is a header

    Raises
    ------
    UserError : there is no such file, its format is unknown, it is empty or damaged. What is wrong
        further down in the file is raised on reading the chunk.
    """
    if isinstance(source, str | Path):
        real_path(source)  # of links in a circle it says more than that there is no file
    is_auto = form.format == "auto"
    file = find_file(source, any_suffix=not is_auto) if isinstance(source, str | Path) else piped(source)
    beginning = begin(file)
    told = file.format if is_auto else form.format
    if told == "parquet" or (is_auto and beginning.is_parquet):
        return parquet_table(beginning, form.max_cell_bytes)
    content = text_of(beginning, form.encoding, form.max_cell_bytes)
    found = recognise(content, form, text)
    table = table_of(content, found)
    return replace(
        table,
        description=describe(found, content),
        is_as_named=is_as_named(found, content, form),
        doubt=found.doubt,
    )


def with_keys_as_columns(table: Table) -> Table:
    """Return a table that also has the keys of objects in columns of labels as columns; itself if there are none.

    The first chunk of rows with something in a column decides whether it holds objects; then all rows are read for
    their keys.
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
    """Return every key that objects in a column have, in the order in which they first occur."""
    keys: dict[str, None] = {}
    for chunk in table.chunks((column,)):
        cells = chunk.columns[column]
        keys.update(dict.fromkeys(key for cell in cells if isinstance(cell, dict) for key in cell))
        refuse_many(f"{table.name}, column {column}", len(keys), "different keys")
        if not keys and any(cell is not None and cell != {} for cell in cells):
            return ()
    return tuple(keys)


def _cells(name: str, chunk: Chunk, column: str, parts: dict[str, tuple[str, str]]) -> list[object]:
    """Return the cells of a column, or of a part of one."""
    if column not in parts:
        return chunk.columns[column]
    container, key = parts[column]
    cells: list[object] = []
    for index, cell in enumerate(chunk.columns[container]):
        if cell is not None and not isinstance(cell, dict):
            raise UserError(
                "data.todo",
                f"{name}, {chunk.place(index)}: {container} = {shown(cell)}: expected an object, as in other rows",
                remedy='write {"label": number, ...}, or null where nothing is known',
            )
        cells.append(cell.get(key) if cell else None)
    return cells
