"""The sizes of the pages of a Parquet file before and after decompression, from its footer and the page headers.

pyarrow gives only the sum over a column chunk, not the size of a page or a dictionary, which it decodes at once.
And its view of a column chunk ends the process if statistics contradict the column's type, as a flipped byte can make
them. So the footer and the headers are read here, in the compact protocol of Apache Thrift.
"""

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa

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
    """The values of one column in one row group.

    Parameters
    ----------
    num_values : including missing ones; for lists, elements
    codec : a name for ``pyarrow.Codec``, or ``uncompressed``
    start, end : the place of its pages in the file
    """

    num_values: int
    codec: str
    start: int
    end: int


@dataclass(frozen=True)
class Page:
    """A page.

    Parameters
    ----------
    size, packed_size : bytes, decompressed and in the file
    is_dictionary : whether the values of other pages refer to its values
    repeats : whether many values may share one of its bytes
    place : offset of its bytes in the file
    """

    size: int
    packed_size: int
    is_dictionary: bool
    repeats: bool
    place: int


def column_chunks(stream: IO[bytes], types: Sequence[str]) -> list[list[ColumnChunk]]:
    """Return the column chunks of each row group of a Parquet file, from its footer.

    Parameters
    ----------
    stream : the file
    types : the physical types of its columns, by pyarrow's names

    Raises
    ------
    EOFError : the footer is damaged, or contradicts the types
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - 8))
    tail = stream.read(8)
    if tail[4:] != _END_MAGIC or _LENGTH(tail)[0] > size - 12:
        raise EOFError("no footer")
    stream.seek(size - 8 - _LENGTH(tail)[0])
    try:
        groups = ThriftReader(stream.read(_LENGTH(tail)[0])).struct()[4]
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
    """Yield the pages of a column chunk.

    Raises
    ------
    EOFError : the file ends too early, or has something else there
    """
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
    """Return an upper bound of the bytes of a value in a page, at most the size of the page.

    Parameters
    ----------
    stream : the file
    page : of texts, small enough to decompress
    codec : of the column chunk
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
        reader = ThriftReader(data)
        try:
            return reader.struct(), reader.place
        except IndexError:
            if len(data) < num_bytes or num_bytes >= _LARGEST_HEADER:
                raise EOFError("a page header is incomplete") from None
            num_bytes *= 16


class ThriftReader:
    """Reads Thrift structures from bytes: integers and booleans as such, None for texts, bytes and floats.

    Parameters
    ----------
    data : bytes that begin with a structure
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the fields of the next structure by number.

        Raises
        ------
        IndexError : the bytes end within the structure
        EOFError : the bytes are not a structure
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
