"""Bytes to text: the encoding of a file, and its lines and blocks of bounded size."""

import codecs
import contextlib
import io
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, cast

from civility.data.file_format import WIDE_ENCODINGS
from civility.data.reading.files import Beginning, ByteStream, DataFile
from civility.errors import UserError

# UTF-32 comes first, since its mark begins with that of UTF-16.
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_BLOCK = 1 << 16
_MOST_SKIPPED = 128_000_000


def _recognised(head: bytes) -> str:
    """Return UTF-16 or UTF-32 if these bytes can hardly be anything else, or UTF-8."""
    # A comment in UTF-8 may hold a stray NUL; in UTF-16, half of the bytes of Latin text are NUL.
    is_wide = b"\0" in head and not _may_be_utf8(head)
    return (_best_of(_WIDE, head) if is_wide else "") or "utf-8"


def _may_be_utf8(head: bytes) -> bool:
    num_controls = sum(byte < 32 and byte not in b"\t\r\n" for byte in head)
    return num_controls * 3 <= len(head) and (not head or bool(_decoded(head, "utf-8")))


def _best_of(encodings: Sequence[str], head: bytes) -> str:
    """Return the encoding in which these bytes are plain text with the most ASCII, or an empty string."""
    fitting = [(_num_ascii(text), encoding) for encoding in encodings if _is_plain(text := _decoded(head, encoding))]
    return max(fitting, default=(0, ""))[1]


def _named(name: str, encoding: str, head: bytes) -> str:
    """Return the codec for the encoding that the user names, for text without a byte order mark.

    A UserError if UTF-16 or UTF-32 is named, but the bytes are UTF-8 or another of these, or do not show their order.
    """
    if encoding not in WIDE_ENCODINGS:
        return encoding
    if b"\0" not in head and _may_be_utf8(head):  # a line end in UTF-16 has a NUL
        raise _not_named(name, encoding, "the first bytes are UTF-8")
    if encoding in _WIDE:
        other = _best_of(_WIDE, head)
        if other and "\n" in _decoded(head, other) and not _is_plain(_decoded(head, encoding)):
            raise _not_named(name, encoding, f"the first bytes are {other}")
        return encoding
    found = _best_of([wide for wide in _WIDE if wide.startswith(encoding)], head)
    if not found:
        reason = "no byte order mark, and the first bytes do not show the byte order"
        remedy = f"name it, as in --encoding {encoding}-le or {encoding}-be (train, sweep: --set data.encoding=…)"
        raise UserError("data.encoding", f"not {encoding}: {reason}", where=name, remedy=remedy)
    return found


def _not_named(name: str, encoding: str, reason: str) -> UserError:
    remedy = "leave out --encoding (train, sweep: data.encoding)"
    return UserError("data.encoding", f"not {encoding}: {reason}", where=name, remedy=remedy)


def _decoded(head: bytes, encoding: str) -> str:
    """Return the text of bytes that may end within a character; empty if they have another encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return ""


def _is_plain(text: str) -> bool:
    """Whether a text holds only letters and the like, at least one of them ASCII."""
    return _num_ascii(text) > 0 and all(
        character in "\t\r\n" or unicodedata.category(character) not in ("Cc", "Cn", "Co", "Cs") for character in text
    )


def _num_ascii(text: str) -> int:
    return sum(character in "\t\r\n" or " " <= character <= "~" for character in text)


class _Recoded(ByteStream):
    """Bytes of another encoding, as UTF-8."""

    def __init__(self, name: str, stream: IO[bytes], encoding: str) -> None:
        super().__init__(stream)
        self._name, self._encoding = name, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._rest = b""
        self._num_decoded = 0
        self._is_at_end = False

    def take(self, most: int) -> bytes:
        while not self._rest and not self._is_at_end:
            data = self._stream.read(_BLOCK)
            self._is_at_end = not data
            self._rest = self._recode(data)
            self._num_decoded += len(data)
        taken, self._rest = self._rest[:most], self._rest[most:]
        return taken

    def _recode(self, data: bytes) -> bytes:
        try:
            return self._decoder.decode(data, final=not data).encode()
        except UnicodeError as error:  # some codecs do not give a place
            found = f"not {self._encoding} (near byte {self._num_decoded + getattr(error, 'start', 0)} of the file)"
            remedy = "check the encoding, and whether the file is complete"
            raise UserError("data.encoding", found, where=self._name, remedy=remedy) from error


@dataclass(frozen=True)
class Text:
    """The text of a data file. Unlike a file, standard input can be read once."""

    beginning: Beginning  # of the file
    encoding: str  # a codec of Python
    mark: int  # bytes of a byte order mark before the text
    sample: str  # the whole text, or its first lines in full; if the first is longer than 1 MiB, its beginning
    is_whole: bool  # whether the sample is the whole text
    longest: int  # the largest line, in bytes

    @property
    def file(self) -> DataFile:
        """The file, or standard input."""
        return self.beginning.file

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.file.name

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        """Open the text after the mark, as UTF-8."""
        with self.beginning.open() as stream:
            stream.read(self.mark)
            if self.encoding in ("utf-8", "ascii"):
                yield stream
            else:
                yield cast(IO[bytes], io.BufferedReader(_Recoded(self.name, stream, self.encoding), 1 << 18))

    def lines(self, place: Callable[[int], str] = "line {}".format) -> Iterator[str]:
        """Yield the lines with their line ends; a UserError for a byte of another encoding, or a line too long.

        In messages, ``place`` of the number of a line, from 1, is its place in the file.
        """
        with self._open() as stream:
            offset, longest = self.mark, self.longest
            for number, line in enumerate(iter(partial(stream.readline, longest + 1), b""), 1):
                if len(line) > longest:
                    raise too_large(f"{self.name}, {place(number)}", _length_of_line(stream, line), longest)
                try:
                    yield line.decode()
                except UnicodeDecodeError as error:
                    raise self._not_utf8(number, line[error.start], offset + error.start) from error
                offset += len(line)

    def blocks(self) -> Iterator[str]:
        """Yield the text in blocks of about 64 KiB; a UserError if a byte does not fit the encoding."""
        with self._open() as stream:
            decoder = codecs.getincrementaldecoder("utf-8")()
            offset, num_lines = self.mark, 1
            while block := stream.read(_BLOCK):
                try:
                    yield decoder.decode(block)
                except UnicodeDecodeError as error:
                    number = num_lines + block.count(b"\n", 0, error.start)
                    raise self._not_utf8(number, error.object[error.start], offset + error.start) from error
                offset += len(block)
                num_lines += block.count(b"\n")

    def _not_utf8(self, line: int, byte: int, offset: int) -> UserError:
        suffix = {"auto": ".txt"}.get(self.file.format, f".{self.file.format}")
        command = self.file.piped_through("iconv -f cp1252 -t utf-8", f"utf-8{suffix}")
        return UserError(
            "data.encoding",
            f"not UTF-8 (byte 0x{byte:02x} at offset {offset} of the file)",
            where=f"{self.name}, line {line}",
            remedy="name its encoding, as in --encoding cp1252 (train, sweep: --set data.encoding=cp1252); "
            f"or convert it: {command}",
        )


def _length_of_line(stream: IO[bytes], begun: bytes) -> int:
    """Return the bytes of a line of which the beginning was read; of an endless one, about 128 MB."""
    length = len(begun)
    while not begun.endswith(b"\n") and length < _MOST_SKIPPED and (begun := stream.readline(1 << 20)):
        length += len(begun)
    return length


def too_large(place: str, size: int, longest: int, check: str = "check the file there") -> UserError:
    """Return the error for a line or a cell that is larger than the setting allows.

    Sizes are in bytes; ``check`` is what to look for.
    """
    num_bytes = f"{size:,} bytes" if size < _MOST_SKIPPED else f"more than {_MOST_SKIPPED:,} bytes"
    raise_it = "raise the limit: --max-cell-bytes (train, sweep: --set data.max_cell_bytes=…)"
    remedy = f"{check}; if it is right, {raise_it}"
    return UserError("data.too-large", num_bytes, where=place, expected=f"at most {longest:,}", remedy=remedy)


def text_of(beginning: Beginning, encoding: str, longest: int) -> Text:
    """Return the text of a file whose largest line has ``longest`` bytes.

    A byte order mark gives the encoding; without one, it is the one that the user names, or goes by the first bytes.
    """
    head, is_whole = beginning.head, beginning.is_whole
    found, mark = next(((found, len(mark)) for mark, found in _MARKS if head.startswith(mark)), ("", 0))
    if not found:
        found = _named(beginning.file.name, encoding, head[:4096]) if encoding else _recognised(head[:4096])
    sample = codecs.getincrementaldecoder(found)("replace").decode(head[mark:], final=is_whole)
    if not is_whole and "\n" in sample:
        sample = sample[: sample.rindex("\n") + 1]
    return Text(beginning, found, mark, sample, is_whole, longest)
