"""Parquet files as tables. The size of pages and dictionaries is checked before pyarrow decodes them.

pyarrow gives only the sum over a column chunk, not the size of a page or a dictionary, which it decodes at once.
And its view of a column chunk ends the process if statistics contradict the column's type, as a flipped byte can make
them. So the footer and the headers are read here, in the compact protocol of Apache Thrift.
"""

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from civility.data.reading.encodings import too_large
from civility.data.reading.files import BOMB_BYTES, BOMB_RATIO, Beginning, explain_damage, too_much
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
_TEXTS = ("string", "large_string", "binary", "large_binary", "fixed_size_binary")
_MOST_LIST_ELEMENTS = 64_000_000
# Raised for texts that are not UTF-8, times after the year 9999, and unknown time zones.
_NO_VALUE = (ValueError, OverflowError, KeyError)
_REWRITE = "write the file again with pyarrow, pandas or DuckDB, in smaller row groups"
_REPAIR = "copy or download the file again; if it was written like this, repair the row"

_FIRST_READ, _LARGEST_HEADER = 1 << 10, 1 << 24
_DELTA_BYTE_ARRAY = 7
_DICTIONARY_PAGE = 2
_END_MAGIC = b"PAR1"
_TYPES = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_CODECS = ("uncompressed", "snappy", "gzip", "lzo", "brotli", "lz4", "zstd", "lz4_raw")
_DEEPEST = 16
_LENGTH = struct.Struct("<I").unpack_from


@dataclass(frozen=True)
class ColumnChunk:
    """The values of one column in one row group."""

    num_values: int  # including missing ones; for lists, elements
    codec: str  # a name for ``pyarrow.Codec``, or ``uncompressed``
    start: int  # of its pages in the file
    end: int


@dataclass(frozen=True)
class Page:
    """A page of a column chunk."""

    size: int  # bytes after decompression
    packed_size: int  # bytes in the file
    is_dictionary: bool  # whether the values of other pages refer to its values
    repeats: bool  # whether many values may share one of its bytes
    place: int  # offset of its bytes in the file


def parquet_table(beginning: Beginning, longest: int) -> Table:
    """Return the rows of a Parquet file whose cells have at most ``longest`` bytes.

    A UserError if the file is damaged, has no rows or two columns of one name; on reading, for pages or cells that are
    too large.
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
                        # A dictionary repeats its texts.
                        if num_characters > max(BOMB_BYTES, BOMB_RATIO * num_bytes):
                            raise too_much(file.name, num_bytes, f"{num_characters:,} characters", "write it as CSV")
                        yield Chunk(file.name, first_row, cells)
                        first_row += part.num_rows

    description = ", ".join(filter(None, ["Parquet", file.packing]))
    is_as_named = file.is_piped or (file.format == "parquet" and file.is_packed_as_named)
    return Table(file.name, columns, chunks, lambda: columns, description, is_as_named)


def _look_ahead(name: str, stream: IO[bytes], wanted: Sequence[str], longest: int) -> tuple[list[str], int]:
    """Return the columns that hold lists, and the number of rows to decode at once.

    A UserError if a page or a dictionary of a wanted column unpacks to too many bytes.
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
                found = f"lists of {chunk.num_values:,} elements in all"
                raise UserError("data.too-large", found, where=place, remedy=_REWRITE)
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
            found = f"a {what} of {page.packed_size:,} bytes unpacks to {page.size:,} bytes"
            raise UserError("data.too-large", found, where=place, remedy=_REWRITE)
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
                code, found = "data.bad-cell", f"not a {column.type} ({shortened(str(error), 100)})"
                if isinstance(error, UnicodeDecodeError):
                    code, found = "data.encoding", "not UTF-8"
                raise UserError(code, found, where=f"{name}, row {row}, column {header}", remedy=_REPAIR) from error
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
    if any(getattr(pa.types, f"is_{text}")(kind) for text in _TEXTS):
        return [length or 0 for length in pc.binary_length(cells).to_pylist()]
    return [8] * len(cells)


def column_chunks(stream: IO[bytes], types: Sequence[str]) -> list[list[ColumnChunk]]:
    """Return the column chunks of each row group of a Parquet file, from its footer.

    Its columns have these physical types, by pyarrow's names. An EOFError if the footer is damaged, or contradicts it.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - 8))
    tail = stream.read(8)
    if tail[4:] != _END_MAGIC or _LENGTH(tail)[0] > size - 12:
        raise EOFError("no footer")
    stream.seek(size - 8 - _LENGTH(tail)[0])
    try:
        groups = _ThriftReader(stream.read(_LENGTH(tail)[0])).struct()[4]
        chunks = [[chunk[3] for chunk in group[1]] for group in groups]
        if any([_TYPES[chunk[1]] for chunk in group] != list(types) for group in chunks):
            raise EOFError("a row group whose columns are not those of the file")
        return [[_column_chunk(chunk) for chunk in group] for group in chunks]
    except (LookupError, TypeError) as error:  # a field is missing or has another type
        raise EOFError("the footer is damaged") from error


def _column_chunk(fields: dict[int, Any]) -> ColumnChunk:
    start, dictionary = fields[9], fields.get(11)
    if dictionary and dictionary < start:
        start = dictionary
    if not 0 <= start <= start + fields[7] or fields[4] < 0:
        raise EOFError("a column before the beginning of the file")
    return ColumnChunk(fields[5], _CODECS[fields[4]], start, start + fields[7])


def pages_of(stream: IO[bytes], chunk: ColumnChunk) -> Iterator[Page]:
    """Yield the pages of a column chunk; an EOFError if the file ends too early, or has something else there."""
    place = chunk.start
    while place < chunk.end:
        fields, length = _header_at(stream, place)
        size, packed_size = fields.get(2), fields.get(3)
        if not isinstance(size, int) or not isinstance(packed_size, int) or size < 0 or packed_size < 0:
            raise EOFError("a page without sizes")
        is_dictionary = fields.get(1) == _DICTIONARY_PAGE
        repeats = is_dictionary or _encoding(fields) == _DELTA_BYTE_ARRAY
        yield Page(size, packed_size, is_dictionary, repeats, place + length)
        place += length + packed_size


def largest_entry(stream: IO[bytes], page: Page, codec: str) -> int:
    """Return an upper bound of the bytes of a value in a page of texts, at most the size of the page.

    The page is small enough to decompress, with the codec of its column chunk.
    """
    stream.seek(page.place)
    packed = stream.read(page.packed_size)
    if not page.is_dictionary:
        return page.size
    try:
        is_packed = codec != "uncompressed"
        data = pa.Codec(codec).decompress(packed, page.size, asbytes=True) if is_packed else packed
    except (ValueError, OSError, pa.ArrowException):  # lz4 may mean either of two formats
        return page.size
    place, largest, end = 0, 0, len(data) - 4
    while place <= end:  # about 50,000 times, so written to be fast
        (length,) = _LENGTH(data, place)
        if length > largest:
            largest = length
        place += 4 + length
    return min(largest, page.size)


def _encoding(fields: dict[int, Any]) -> int:
    """Return the encoding of a data page, -1 if its header does not have it."""
    for version, place in ((5, 2), (8, 4)):
        header = fields.get(version)
        encoding = header.get(place) if isinstance(header, dict) else None
        if isinstance(encoding, int):
            return encoding
    return -1


def _header_at(stream: IO[bytes], place: int) -> tuple[dict[int, Any], int]:
    """Return the fields of a page header, and its length."""
    num_bytes = _FIRST_READ
    while True:
        stream.seek(place)
        data = stream.read(num_bytes)
        reader = _ThriftReader(data)
        try:
            return reader.struct(), reader.place
        except IndexError:
            if len(data) < num_bytes or num_bytes >= _LARGEST_HEADER:
                raise EOFError("a page header is incomplete") from None
            num_bytes *= 16


class _ThriftReader:
    """Reads Thrift structures from bytes: integers and booleans as such, None for texts, bytes and floats."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the fields of the next structure by number.

        An IndexError if the bytes end within it, an EOFError if they are something else.
        """
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._signed()
            # The type of a boolean is its value.
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise EOFError("nested too deeply")
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._skip(8)
        if kind == 8:
            return self._skip(self._varint())
        if kind in (9, 10):
            head = self._byte()
            num = self._varint() if head >> 4 == 15 else head >> 4
            return [self._value(head & 15, depth + 1) for _ in range(num)]
        if kind == 12:
            return self.struct(depth + 1)
        raise EOFError("not a structure of Thrift")

    def _byte(self) -> int:
        self.place += 1
        return self._data[self.place - 1]

    def _skip(self, num_bytes: int) -> None:
        self.place += num_bytes
        if self.place > len(self._data):
            raise IndexError

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
            if shift > 63:
                raise EOFError("not a structure of Thrift")

    def _signed(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
