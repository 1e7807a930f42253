"""Objects in a column, as ``{"labels": {"toxic": 1}}`` in JSON lines: their keys as columns, named ``labels.toxic``."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from civility.data.dialects import CONTAINERS
from civility.data.headers import folded
from civility.data.tables import Chunk, Table, refuse_many
from civility.errors import UserError
from civility.plain_text import shown


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
