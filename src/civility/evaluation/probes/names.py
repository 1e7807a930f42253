"""Names in cells: of a group, a function, a case. Knows what a cell may hold; knows nothing of files."""

from civility.data.reading.cells import as_text, is_missing
from civility.data.reading.tables import Chunk
from civility.errors import UserError
from civility.plain_text import shown


def name_in(table: str, chunk: Chunk, row: int, column: str) -> str:
    """Return the name in a cell, without the white space around it; empty where there is none.

    Lone surrogates become question marks, so that a report that holds the name can be written.

    Raises
    ------
    UserError : the cell holds a list, an object or a broken number
    """
    cell = chunk.columns[column][row]
    if is_missing(cell):
        return ""
    if not (isinstance(cell, str | int) or (isinstance(cell, float) and cell.is_integer())):
        raise UserError(
            "evaluation.todo",
            f"{table}, {chunk.place(row)}: {column} = {shown(cell)}: expected a name",
            remedy="write it as text",
        )
    name = cell if isinstance(cell, str) else as_text(cell)
    return name.strip().encode(errors="replace").decode()
