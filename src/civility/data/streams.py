"""The bytes of a data file, plain or compressed, and the lines in them.

Knows suffixes, compressions and UTF-8; knows nothing of rows or columns.
"""

import contextlib
import gzip
import io
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from civility.errors import UserError, did_you_mean

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "txt",
}
COMPRESSIONS = (".gz", ".zst", ".zip")

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class DataFile:
    """A file that exists and whose format is known.

    Parameters
    ----------
    name : the path as the user gave it, for messages
    path : where it is
    format : a value of ``FORMATS``
    compression : one of ``COMPRESSIONS``, or empty
    """

    name: str
    path: Path
    format: str
    compression: str = ""

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the decompressed bytes; a UserError where they cannot be read to their end."""
        with explain_damage(self), contextlib.ExitStack() as stack:
            if self.compression == ".gz":
                packed = gzip.open(self.path, "rb")  # noqa: SIM115 - the stack closes it
                yield stack.enter_context(cast(IO[bytes], packed))
            elif self.compression == ".zst":
                raw = stack.enter_context(pa.input_stream(str(self.path), compression="zstd"))
                # pyarrow's own readline is slow; its reads are what BufferedReader needs.
                yield stack.enter_context(io.BufferedReader(raw, 1 << 18))
            elif self.compression == ".zip":
                archive = stack.enter_context(zipfile.ZipFile(self.path))
                yield stack.enter_context(archive.open(_only_member(archive, self.name)))
            else:
                yield stack.enter_context(self.path.open("rb"))

    def lines(self) -> Iterator[bytes]:
        """Yield the lines, each with its line end."""
        with self.open() as stream:
            yield from stream

    @contextlib.contextmanager
    def open_seekable(self) -> Iterator[IO[bytes]]:
        """Open for formats that seek: a compressed file is unpacked to a temporary one."""
        if not self.compression:
            with self.open() as stream:
                yield stream
            return
        with tempfile.TemporaryFile() as unpacked:
            with self.open() as stream:
                shutil.copyfileobj(stream, unpacked, 1 << 20)
            unpacked.seek(0)
            yield cast(IO[bytes], unpacked)


def find_file(given: str | Path) -> DataFile:
    """Return the file behind a path, its format told by its suffixes.

    Raises
    ------
    UserError : there is no such file, it is a folder, or its suffix says nothing
    """
    name, path = str(given), Path(given)
    if path.is_dir():
        raise UserError(f"{name}: this is a folder, not a file", "name the files in it, as in FOLDER/*.csv")
    if not path.exists():
        siblings = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(f"{name}: no such file{did_you_mean(path.name, siblings)}", "check the path")
    if not path.is_file():
        raise UserError(f"{name}: not a regular file", "pipe it into standard input instead, or save it first")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSIONS else ""
    suffix = suffixes[-1] if suffixes else ""
    if suffix not in FORMATS and compression == ".zip":
        with explain_damage(DataFile(name, path, "", ".zip")), zipfile.ZipFile(path) as archive:
            suffix = Path(_only_member(archive, name)).suffix.lower()
    if suffix not in FORMATS:
        known = f"{', '.join(FORMATS)}, each also with {', '.join(COMPRESSIONS)}"
        raise UserError(
            f"{name}: unknown kind of file; known suffixes: {known}",
            "rename the file after what it holds, or convert it",
        )
    return DataFile(name, path, FORMATS[suffix], compression)


def _only_member(archive: zipfile.ZipFile, name: str) -> str:
    """Return the one file in an archive; a UserError where there are none or several."""
    members = [
        info.filename
        for info in archive.infolist()
        # macOS adds a shadow of each file under this folder.
        if not info.is_dir() and not info.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        listed = ", ".join(members[:5]) + (", ..." if len(members) > 5 else "")
        found = f"{len(members)} files in this archive ({listed})" if members else "no file in this archive"
        raise UserError(f"{name}: {found}, expected one", "unpack it, and name the files to read")
    return members[0]


@contextlib.contextmanager
def explain_damage(file: DataFile) -> Iterator[None]:
    """Turn what the libraries raise on a damaged or unreadable file into a UserError that names it."""
    try:
        yield
    except (EOFError, zlib.error, zipfile.BadZipFile, pa.ArrowException) as error:
        raise _damaged(file, error) from error
    except (NotImplementedError, RuntimeError) as error:
        if file.compression != ".zip":
            raise
        # zipfile's ways to say: encrypted, or an unusual compression.
        raise UserError(f"{file.name}: cannot unpack: {error}", "unpack it, and name the file inside") from error
    except OSError as error:
        if error.errno is None:  # gzip and pyarrow raise OSError for damage too, then without a number
            raise _damaged(file, error) from error
        raise UserError(f"{file.name}: cannot read: {error.strerror}", "check the file and its permissions") from error


def _damaged(file: DataFile, error: Exception) -> UserError:
    kind = "a Parquet file" if file.format == "parquet" and not file.compression else f"a {file.compression} file"
    reason = " ".join(str(error).split())
    return UserError(f"{file.name}: not {kind}, or cut short ({reason})", "copy or download the file again")


def decode_lines(name: str, lines: Iterable[bytes], *, has_header: bool = False) -> Iterator[str]:
    """Yield the lines as text, without a byte order mark.

    Parameters
    ----------
    name : of the file, for messages
    has_header : whether the first line holds names, in which a NUL can only come from UTF-16

    Raises
    ------
    UserError : not UTF-8, with the line and the byte where it goes wrong
    """
    offset = 0
    for number, raw in enumerate(lines, 1):
        line = raw
        if number == 1:
            _refuse_utf16(name, line, has_header)
            if line.startswith(BYTE_ORDER_MARK):
                line, offset = line[len(BYTE_ORDER_MARK) :], len(BYTE_ORDER_MARK)
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise UserError(
                f"{name}, line {number}: not UTF-8 (byte 0x{line[error.start]:02x} at offset "
                f"{offset + error.start} of the file)",
                f"convert it, as in: iconv -f latin1 -t utf-8 {name} > converted",
            ) from error
        offset += len(line)


def _refuse_utf16(name: str, first_line: bytes, has_header: bool) -> None:
    # Latin text in UTF-16 is half NULs; a comment may hold a stray one.
    allowed = 0 if has_header else len(first_line) // 3
    if first_line.startswith(_UTF16_BOMS) or first_line.count(b"\0") > allowed:
        raise UserError(
            f"{name}: this looks like UTF-16, expected UTF-8",
            f"convert it, as in: iconv -f utf-16 -t utf-8 {name} > converted",
        )
