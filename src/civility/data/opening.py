"""The one door to data files and standard input: a source becomes a table, whatever it is written as."""

from dataclasses import replace
from pathlib import Path
from typing import IO

from civility.data.encodings import text_of
from civility.data.file_format import RECOGNISED, FileFormat
from civility.data.formats import describe, is_as_named, recognise
from civility.data.parquet import parquet_table
from civility.data.streams import begin, find_file, piped
from civility.data.tables import Table, table_of
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
