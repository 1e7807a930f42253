"""Parquet files as tables. The size of pages and dictionaries is checked before pyarrow decodes them."""

import io
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from civility.data.reading.encodings import too_large
from civility.data.reading.files import BOMB_BYTES, BOMB_RATIO, Beginning, explain_damage
from civility.data.reading.page_sizes import ColumnChunk, column_chunks, largest_entry, pages_of
from civility.data.reading.tables import CHUNK_CHARACTERS, CHUNK_ROWS, Chunk, Table, no_rows, refuse_header
from civility.errors import UserError
from civility.plain_text import shortened

# Some writers put a whole row group into one page.
_LARGEST_PAGE = 1_000_000_000
# Bytes of a batch in which each row repeats the largest entry of a dictionary.
_LARGEST_BATCH = 256_000_000
# Larger dictionaries, which are rare, count as one entry, since looking at each entry takes long.
_LARGEST_LOOKED_INTO = 16_000_000
_OF_BYTES = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_MOST_LIST_ELEMENTS = 64_000_000
# Raised for texts that are not UTF-8, times after the year 9999, and unknown time zones.
_NO_VALUE = (ValueError, OverflowError, KeyError)
_REWRITE = "write the file again with pyarrow, pandas or DuckDB, in smaller row groups"
_REPAIR = "copy or download the file again; if it was written like this, repair the row"


def parquet_table(beginning: Beginning, longest: int) -> Table:
    """Return the rows of a Parquet file.

    Parameters
    ----------
    beginning : of the file
    longest : the largest cell, in bytes

    Raises
    ------
    UserError : the file is damaged, has no rows or two columns of one name; on reading, pages or cells that are too
        large
    """
    file = beginning.file
    with explain_damage(file):
        reopen = beginning.seekable()
        with reopen() as stream, pq.ParquetFile(stream) as parquet:
            columns = tuple(parquet.schema_arrow.names)
            num_rows = parquet.metadata.num_rows
    refuse_header(file.name, columns)
    if num_rows == 0:
        raise no_rows(file.name)

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        first_row, num_characters = 1, 0
        with explain_damage(file), reopen() as stream:
            num_bytes = stream.seek(0, io.SEEK_END)
            lists, rows_at_once = _look_ahead(file.name, stream, wanted, longest)
            # Without pre_buffer and with a buffer, pages are read one by one instead of whole row groups.
            with pq.ParquetFile(stream, pre_buffer=False, buffer_size=1 << 20, read_dictionary=lists) as parquet:
                groups = list(range(parquet.num_row_groups))
                # pyarrow cannot put lists of dictionary entries from two row groups into one batch.
                of_batches = [[group] for group in groups] if lists else [groups]
                for batch in chain.from_iterable(
                    parquet.iter_batches(rows_at_once, own, list(wanted)) for own in of_batches
                ):
                    for part in _bounded(batch, file.name, first_row, longest):
                        cells = {column: _cells(part.column(column), file.name, column, first_row) for column in wanted}
                        num_characters += sum(map(_length, chain.from_iterable(cells.values())))
                        _refuse_bomb(file.name, num_characters, num_bytes)
                        yield Chunk(first_row, cells)
                        first_row += part.num_rows

    description = ", ".join(filter(None, ["Parquet", file.packing]))
    is_as_named = file.is_piped or (file.format == "parquet" and file.is_packed_as_named)
    return Table(file.name, columns, chunks, lambda: columns, description, is_as_named)


def _refuse_bomb(name: str, num_characters: int, num_bytes: int) -> None:
    """Raise a UserError if the texts, repeated by a dictionary, are out of proportion to the file."""
    if num_characters > max(BOMB_BYTES, BOMB_RATIO * num_bytes):
        raise UserError(
            "data.too-large",
            f"looks like a decompression bomb: {num_bytes:,} bytes unpack to more than {num_characters:,} characters",
            where=name,
            remedy="check where the file comes from; if it is right, write it as CSV",
        )


def _look_ahead(name: str, stream: IO[bytes], wanted: Sequence[str], longest: int) -> tuple[list[str], int]:
    """Return the columns that hold lists, and the number of rows to decode at once.

    Raises
    ------
    UserError : a page or a dictionary of a wanted column unpacks to too many bytes
    """
    with pq.ParquetFile(stream) as parquet:
        leaves = [parquet.schema.column(index) for index in range(len(parquet.schema))]
    groups = column_chunks(stream, [leaf.physical_type for leaf in leaves])
    of_wanted = [(index, leaf) for index, leaf in enumerate(leaves) if leaf.path.split(".")[0] in wanted]
    largest = 1
    for index, leaf in of_wanted:
        if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY" and leaf.length > longest:
            raise too_large(f"{name}, column {leaf.path}", leaf.length, longest)
        for number, chunks in enumerate(groups, 1):
            chunk = chunks[index]
            place = f"{name}, column {leaf.path}, row group {number}"
            if leaf.max_repetition_level and chunk.num_values > _MOST_LIST_ELEMENTS:
                raise UserError(
                    "data.too-large", f"lists of {chunk.num_values:,} elements in all", where=place, remedy=_REWRITE
                )
            repeated = _largest_repeated(place, stream, chunk)
            largest = max(largest, repeated if leaf.physical_type in _OF_BYTES else 1)
    lists = [leaf.path for _, leaf in of_wanted if leaf.max_repetition_level and leaf.physical_type == "BYTE_ARRAY"]
    return lists, max(1, min(CHUNK_ROWS, _LARGEST_BATCH // largest))


def _largest_repeated(place: str, stream: IO[bytes], chunk: ColumnChunk) -> int:
    """Return about the size in bytes of the largest value that many rows may repeat; a UserError for a bomb."""
    largest = 1
    for page in pages_of(stream, chunk):
        is_bomb = page.size > BOMB_BYTES and page.size > BOMB_RATIO * page.packed_size
        if page.size > _LARGEST_PAGE or is_bomb:
            what = "dictionary" if page.is_dictionary else "page"
            raise UserError(
                "data.too-large",
                f"a {what} of {page.packed_size:,} bytes unpacks to {page.size:,} bytes",
                where=place,
                remedy=_REWRITE,
            )
        if page.repeats and page.size > largest:
            is_harmless = page.size * CHUNK_ROWS <= _LARGEST_BATCH
            is_left = is_harmless or page.size > _LARGEST_LOOKED_INTO
            largest = max(largest, page.size if is_left else largest_entry(stream, page, chunk.codec))
    return largest


def _bounded(batch: pa.RecordBatch, name: str, first_row: int, longest: int) -> Iterator[pa.RecordBatch]:
    """Yield a batch in parts of bounded size; a UserError for a large cell, ArrowInvalid for damage."""
    if batch.nbytes <= min(longest, CHUNK_CHARACTERS) and not any(_may_repeat(field.type) for field in batch.schema):
        yield batch
        return
    for column in batch.columns:
        if _may_repeat(column.type):
            column.validate(full=True)  # pyarrow does not check indices into a dictionary that it reads
    start = size = 0
    sizes = {column: _sizes(batch.column(column)) for column in batch.schema.names}
    for row in range(batch.num_rows):
        for column, cells in sizes.items():
            if cells[row] > longest:
                raise too_large(f"{name}, row {first_row + row}, column {column}", cells[row], longest)
            size += cells[row]
        if size >= CHUNK_CHARACTERS:
            yield batch.slice(start, row + 1 - start)
            start, size = row + 1, 0
    if start < batch.num_rows:
        yield batch.slice(start)


def _cells(column: pa.Array, name: str, header: str, first_row: int) -> list[Any]:
    """Return the cells of a column; a UserError for the first that has no value in Python."""
    try:
        return list(column.to_pylist())
    except _NO_VALUE:
        for row, cell in enumerate(column, first_row):
            try:
                cell.as_py()
            except _NO_VALUE as error:
                reason = shortened(str(error), 100)
                is_text = isinstance(error, UnicodeDecodeError)
                raise UserError(
                    "data.encoding" if is_text else "data.bad-cell",
                    "not UTF-8" if is_text else f"not a {column.type} ({reason})",
                    where=f"{name}, row {row}, column {header}",
                    remedy=_REPAIR,
                ) from error
        raise


def _length(cell: object) -> int:
    return len(cell) if isinstance(cell, str) else 0


def _may_repeat(kind: pa.DataType) -> bool:
    """Whether cells may share their bytes, so that together they are larger than in memory."""
    return bool(pa.types.is_dictionary(kind) or pa.types.is_nested(kind))


def _sizes(cells: pa.Array) -> list[int]:
    """Return about the size of each cell in bytes, at least that of its text."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        of_entries = _sizes(cells.dictionary)
        return [0 if index is None else of_entries[index] for index in cells.indices.to_pylist()]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        elements = cells.keys if pa.types.is_map(kind) else cells.flatten()
        largest = max(_sizes(elements), default=0)
        return [largest * int(length) for length in np.diff(cells.offsets)]
    if pa.types.is_struct(kind):
        return [sum(sizes) for sizes in zip(*map(_sizes, cells.flatten()), strict=True)]
    if _is_text(kind):
        return _filled(pc.binary_length(cells))
    return [8] * len(cells)


def _is_text(kind: pa.DataType) -> bool:
    return any(
        test(kind)
        for test in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
        )
    )


def _filled(lengths: Any) -> list[int]:
    return [length or 0 for length in lengths.to_pylist()]
