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
from civility.data.reading.files import Beginning, DataFile
from civility.errors import UserError

# UTF-32 comes first, since its mark begins with that of UTF-16.
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OPTION = "--encoding (train, sweep: data.encoding)"
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_BLOCK = 1 << 16
MOST_BLANK_LINES = 1_000_000
_MOST_SKIPPED = 128_000_000


def detect(head: bytes) -> tuple[str, int]:
    """Return the encoding by the first bytes, ``utf-8`` if in doubt, and the length of the byte order mark."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    return _wide_without_mark(head[:4096]) or "utf-8", 0


def _wide_without_mark(head: bytes) -> str:
    """Return UTF-16 or UTF-32 if these bytes can hardly be anything else, or an empty string."""
    # A comment in UTF-8 may hold a stray NUL; in UTF-16, half of the bytes of Latin text are NUL.
    if b"\0" not in head or _may_be_utf8(head):
        return ""
    return _best_of(_WIDE, head)


def _may_be_utf8(head: bytes) -> bool:
    num_controls = sum(byte < 32 and byte not in b"\t\r\n" for byte in head)
    return num_controls * 3 <= len(head) and (not head or bool(_decoded(head, "utf-8")))


def _best_of(encodings: Sequence[str], head: bytes) -> str:
    """Return the encoding in which these bytes are plain text with the most ASCII, or an empty string."""
    fitting = [(_num_ascii(text), encoding) for encoding in encodings if _is_plain(text := _decoded(head, encoding))]
    return max(fitting, default=(0, ""))[1]


def _named(name: str, encoding: str, head: bytes) -> str:
    """Return the codec for the encoding that the user names, for text without a byte order mark.

    Raises
    ------
    UserError : UTF-16 or UTF-32 is named, but the bytes are UTF-8 or another of these, or do not show their order
    """
    if encoding not in WIDE_ENCODINGS:
        return encoding
    head = head[:4096]
    if b"\0" not in head and _may_be_utf8(head):  # a line end in UTF-16 has a NUL
        raise _not_named(name, encoding, "the first bytes are UTF-8")
    if encoding in _WIDE:
        other = _best_of(_WIDE, head)
        if other and "\n" in _decoded(head, other) and not _is_plain(_decoded(head, encoding)):
            raise _not_named(name, encoding, f"the first bytes are {other}")
        return encoding
    found = _best_of([wide for wide in _WIDE if wide.startswith(encoding)], head)
    if not found:
        raise UserError(
            "data.encoding",
            f"not {encoding}: no byte order mark, and the first bytes do not show the byte order",
            where=name,
            remedy=f"name it, as in --encoding {encoding}-le or {encoding}-be (train, sweep: --set data.encoding=…)",
        )
    return found


def _not_named(name: str, encoding: str, reason: str) -> UserError:
    return UserError("data.encoding", f"not {encoding}: {reason}", where=name, remedy=f"leave out {_OPTION}")


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


class _Recoded(io.RawIOBase):
    """Bytes of another encoding, as UTF-8."""

    def __init__(self, name: str, stream: IO[bytes], encoding: str) -> None:
        super().__init__()
        self._name, self._stream, self._encoding = name, stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._rest = b""
        self._num_read = 0
        self._is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        while not self._rest and not self._is_at_end:
            data = self._stream.read(_BLOCK)
            self._is_at_end = not data
            self._rest = self._recode(data)
            self._num_read += len(data)
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def _recode(self, data: bytes) -> bytes:
        try:
            return self._decoder.decode(data, final=not data).encode()
        except UnicodeError as error:  # some codecs do not give a place
            place = f"near byte {self._num_read + getattr(error, 'start', 0)} of the file"
            raise UserError(
                "data.encoding",
                f"not {self._encoding} ({place})",
                where=self._name,
                remedy="check the encoding, and whether the file is complete",
            ) from error


@dataclass(frozen=True)
class Text:
    """The text of a data file. Unlike a file, standard input can be read once.

    Parameters
    ----------
    beginning : of the file
    encoding : a codec of Python
    mark : bytes of a byte order mark before the text
    sample : the first lines, complete unless `is_whole` or the first is longer than 1 MiB
    is_whole : whether the sample is the whole text
    longest : the largest line, in bytes
    """

    beginning: Beginning
    encoding: str
    mark: int
    sample: str
    is_whole: bool
    longest: int

    @property
    def file(self) -> DataFile:
        """The file, or standard input."""
        return self.beginning.file

    @property
    def name(self) -> str:
        """The name of the file, for messages."""
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
        """Yield the lines with their line ends.

        Parameters
        ----------
        place : number of a line, from 1 -> its place in the file, for messages

        Raises
        ------
        UserError : a byte does not fit the encoding, or a line is too long
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
        iconv = "iconv -f cp1252 -t utf-8"
        suffix = {"auto": ".txt"}.get(self.file.format, f".{self.file.format}")
        command = (
            f"… | {iconv} | civility …" if self.file.is_piped else f"{self.file.command} | {iconv} > utf-8{suffix}"
        )
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

    Parameters
    ----------
    place : the file, and the place in it
    size, longest : bytes
    check : what to look for
    """
    num_bytes = f"{size:,} bytes" if size < _MOST_SKIPPED else f"more than {_MOST_SKIPPED:,} bytes"
    return UserError(
        "data.too-large",
        num_bytes,
        where=place,
        expected=f"at most {longest:,}",
        remedy=f"{check}; if it is right, raise the limit: --max-cell-bytes "
        "(train, sweep: --set data.max_cell_bytes=…)",
    )


def too_blank(place: str) -> UserError:
    """Return the error for a million consecutive empty lines."""
    return UserError(
        "data.bad-row", f"{MOST_BLANK_LINES:,} empty lines in a row", where=place, remedy="check how the file was made"
    )


def text_of(beginning: Beginning, encoding: str, longest: int) -> Text:
    """Return the text of a file.

    Parameters
    ----------
    beginning : of the file; a byte order mark in it gives the encoding
    encoding : the one that the user names, for files without a mark; empty: by the first bytes
    longest : the largest line, in bytes
    """
    head, is_whole = beginning.head, beginning.is_whole
    found, mark = detect(head)
    if encoding and not mark:
        found = _named(beginning.file.name, encoding, head)
    sample = codecs.getincrementaldecoder(found)("replace").decode(head[mark:], final=is_whole)
    if not is_whole and "\n" in sample:
        sample = sample[: sample.rindex("\n") + 1]
    return Text(beginning, found, mark, sample, is_whole, longest)
