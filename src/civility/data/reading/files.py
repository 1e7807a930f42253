"""The bytes of a data file or of standard input, plain or compressed, read within bounds.

Knows suffixes, first bytes and compressions; knows nothing of encodings, rows or columns.
"""

import codecs
import contextlib
import gzip
import io
import shlex
import shutil
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from civility.data.file_format import Format
from civility.errors import UserError, did_you_mean

FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".txt": "auto",
}
COMPRESSIONS = (".gz", ".zst", ".zip")
PARQUET_MAGIC = b"PAR1\x15"  # every Parquet file goes on with this byte; a comment does not

_EXPORT = "export it as CSV UTF-8 (in Excel or LibreOffice: File > Save As), and name that file"
_SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".ods")
_MAGIC = ((b"\x1f\x8b\x08", ".gz"), (b"\x28\xb5\x2f\xfd", ".zst"), (b"PK\x03\x04", ".zip"), (b"PK\x05\x06", ".zip"))
_UNPACK = "unpack it, or pack it as .gz or .zst"
_OTHER_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook", _EXPORT),
    (b"\xfd7zXZ\0", "an .xz file", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a .7z file", _UNPACK),
    # Ten bytes: a comment may begin with "BZh".
    *((b"BZh%d1AY&SY" % level, "a .bz2 file", _UNPACK) for level in range(1, 10)),
    (b"\x04\x22\x4d\x18", "an .lz4 file", _UNPACK),
    (b"Rar!\x1a\x07", "a .rar file", _UNPACK),
    (b"ARROW1\0\0", "an Arrow (Feather) file", "save the table as Parquet or CSV"),
    (b"Obj\x01", "an Avro file", "save the table as Parquet or CSV"),
    (b"%PDF-", "a PDF document", "save the comments as text or CSV"),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
)
_SAMPLE_LINES = 20
_SAMPLE_BYTES = 1 << 20
# Text packs 3 to 20 times; a single byte over and over 200 to 1,032 times by deflate, more by zstd.
BOMB_RATIO = 200
BOMB_BYTES = 32_000_000


class Rewound(io.RawIOBase):
    """A stream whose beginning can be looked at before it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self._head = b""
        self._is_at_end = False
        self._num_read = 0

    def look(self, num_bytes: int) -> bytes:
        """Return the first bytes, fewer where the stream ends before."""
        while len(self._head) < num_bytes and not self._is_at_end:
            self._read_more(_SAMPLE_BYTES // 16)
        return self._head[:num_bytes]

    def look_at_lines(self) -> tuple[bytes, bool]:
        """Return the first bytes, and whether they are all there are: some 20 lines, or 1 MiB of longer ones."""
        while not self._is_at_end and len(self._head) < _SAMPLE_BYTES:
            if self._head.lstrip().count(b"\n") >= _SAMPLE_LINES:
                break
            self._read_more(_SAMPLE_BYTES // 16)
        return self._head, self._is_at_end

    def _read_more(self, num_bytes: int) -> None:
        # read1 returns what is there; read would wait for more of a pipe.
        more = getattr(self._stream, "read1", self._stream.read)(num_bytes)
        self._head += more
        self._is_at_end = not more

    def readable(self) -> bool:
        """As io asks."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """As io asks: fill the buffer, as far as bytes are at hand."""
        if not self._head and not self._is_at_end:
            self._read_more(len(buffer))
        taken, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        buffer[: len(taken)] = taken
        self._num_read += len(taken)
        return len(taken)

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._num_read


class _Unpacked(io.RawIOBase):
    """Decompressed bytes; a UserError where they are out of proportion to the compressed ones."""

    def __init__(self, name: str, packed: IO[bytes], unpacked: IO[bytes]) -> None:
        super().__init__()
        self._name, self._packed, self._unpacked = name, packed, unpacked
        self._num_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        data = self._unpacked.read(len(buffer))
        buffer[: len(data)] = data
        self._num_read += len(data)
        if self._num_read > BOMB_BYTES:
            num_packed = max(1, self._packed.tell())
            if self._num_read > BOMB_RATIO * num_packed:
                raise UserError(
                    "data.todo",
                    f"looks like a decompression bomb: {num_packed:,} bytes unpack to more than {self._num_read:,}",
                    where=self._name,
                    remedy="check where the file comes from; if it is right, unpack it, and name the unpacked file",
                )
        return len(data)


@dataclass(frozen=True)
class DataFile:
    """A file that exists, or standard input.

    Parameters
    ----------
    name : the path as the user gave it, for messages
    source : where it is; of standard input its bytes, which can be read once
    format : a value of ``FORMATS``, as its suffix says; ``auto`` where nothing says it
    compression : one of ``COMPRESSIONS``, or empty
    is_packed_as_named : whether that is what its suffix says, if it says anything
    """

    name: str
    source: Path | Rewound
    format: Format
    compression: str = ""
    is_packed_as_named: bool = True

    @property
    def is_piped(self) -> bool:
        """Whether the bytes can be read only once."""
        return isinstance(self.source, Rewound)

    @property
    def packing(self) -> str:
        """The compression, for messages; empty where there is none and none was to be expected."""
        return self.compression or ("" if self.is_packed_as_named else "not compressed")

    @property
    def command(self) -> str:
        """A shell command that writes the decompressed bytes of a file that is not piped."""
        program = {"": "cat", ".gz": "gzip -dc", ".zst": "zstd -dc", ".zip": "unzip -p"}[self.compression]
        # gzip and zstd look at the suffix of a name, and at the bytes of what is piped into them.
        return f"{program} {'' if self.compression in ('', '.zip') else '< '}{shlex.quote(self.name)}"

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the decompressed bytes; a UserError where they cannot be read to their end."""
        with explain_damage(self), contextlib.ExitStack() as stack:
            packed = self._open_packed(stack)
            if not self.compression:
                yield packed
                return
            unpacked = self._unpack(packed, stack)
            yield stack.enter_context(io.BufferedReader(_Unpacked(self.name, packed, unpacked), 1 << 18))

    def _open_packed(self, stack: contextlib.ExitStack) -> IO[bytes]:
        if isinstance(self.source, Path):
            return stack.enter_context(self.source.open("rb"))
        if self.compression != ".zip":
            return io.BufferedReader(self.source, 1 << 18)
        # The table of contents of an archive stands at its end.
        spooled = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        shutil.copyfileobj(io.BufferedReader(self.source, 1 << 18), spooled, 1 << 20)
        spooled.seek(0)
        return cast(IO[bytes], spooled)

    def _unpack(self, packed: IO[bytes], stack: contextlib.ExitStack) -> IO[bytes]:
        if self.compression == ".gz":
            return cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=packed, mode="rb")))
        if self.compression == ".zst":
            return cast(IO[bytes], pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd"))
        archive = stack.enter_context(zipfile.ZipFile(packed))
        member = _only_member(archive, self.name)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # zipfile unpacks the others without a bound.
            raise UserError(
                "data.todo",
                "cannot unpack: the archive is not compressed with deflate",
                where=self.name,
                remedy="unpack it, and name the file inside",
            )
        return stack.enter_context(archive.open(member))


@dataclass(frozen=True)
class Beginning:
    """The first bytes of a data file, decompressed, and of standard input all the others.

    Parameters
    ----------
    file : where they come from
    head : the first bytes: some 20 lines, or 1 MiB of longer ones
    is_whole : whether there are no others
    piped : of standard input the bytes, the first ones included
    """

    file: DataFile
    head: bytes
    is_whole: bool
    piped: IO[bytes] | None = None
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def is_parquet(self) -> bool:
        """Whether these are the first bytes of a Parquet file."""
        return self.head.startswith(PARQUET_MAGIC)

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the decompressed bytes from the first one, of standard input once."""
        if self.piped is None:
            with self.file.open() as stream:
                yield stream
            return
        with self._stack:
            yield self.piped

    def seekable(self) -> Callable[[], contextlib.AbstractContextManager[IO[bytes]]]:
        """Return what opens a file that can be sought in, again and again: a temporary one if there is no other."""
        if self.piped is None and not self.file.compression:
            return self.file.open
        with contextlib.ExitStack() as stack:
            spooled = stack.enter_context(tempfile.TemporaryFile())
            with self.open() as stream:
                shutil.copyfileobj(stream, spooled, 1 << 20)
            kept = stack.pop_all()

        @contextlib.contextmanager
        def reopen() -> Iterator[IO[bytes]]:
            spooled.seek(0)
            yield cast(IO[bytes], spooled)

        weakref.finalize(reopen, kept.close)
        return reopen


def begin(file: DataFile) -> Beginning:
    """Return the beginning of a file; a UserError where it is damaged, or holds not a single byte."""
    with contextlib.ExitStack() as stack:
        looked = Rewound(stack.enter_context(file.open()))
        head, is_whole = looked.look_at_lines()
        if not head:
            raise UserError(
                "data.todo", "empty, not a single byte", where=file.name, remedy="check how the file was made"
            )
        if head[257:262] == b"ustar":
            raise UserError(
                "data.todo",
                "a tar archive, which cannot be read",
                where=file.name,
                remedy="unpack it, and name the files to read",
            )
        if not file.is_piped:
            return Beginning(file, head, is_whole)
        return Beginning(file, head, is_whole, io.BufferedReader(looked, 1 << 18), stack.pop_all())


def find_file(given: str | Path, *, any_suffix: bool = False) -> DataFile:
    """Return the file behind a path, its format told by its suffixes, its compression by its first bytes too.

    Parameters
    ----------
    any_suffix : whether a suffix that says nothing is allowed, since somebody else tells the format

    Raises
    ------
    UserError : there is no such file, it is a folder, or its suffix says nothing
    """
    name, path = str(given), Path(given)
    _refuse_no_file(name, path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    named = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSIONS else ""
    suffix = suffixes[-1] if suffixes else ""
    head = _first_bytes(name, path)
    found = compression_of(name, head)
    if suffix in _SPREADSHEETS:
        raise UserError("data.todo", "a spreadsheet, which cannot be read", where=name, remedy=_EXPORT)
    # What is neither packed nor text is a damaged file of the kind that its suffix says.
    compression = found or ("" if _may_be_plain(head) else named)
    if compression == ".zip":
        member = _member_of(name, path, named)
        suffix = suffix if suffix in FORMATS else Path(member).suffix.lower()
    is_known = suffix in FORMATS or (bool(named) and not suffix) or head.startswith(PARQUET_MAGIC)
    if not is_known and not any_suffix:
        known = f"{', '.join(FORMATS)}, each also with {', '.join(COMPRESSIONS)}"
        raise UserError(
            "data.todo",
            f"unknown kind of file; known suffixes: {known}",
            where=name,
            remedy="rename the file after what it holds, or name the format: --input-format (train, "
            "sweep: --set data.format=…)",
        )
    return DataFile(name, path, FORMATS.get(suffix, "auto"), compression, named in ("", compression))


def _may_be_plain(head: bytes) -> bool:
    """Whether first bytes are those of text or Parquet."""
    is_wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
    return is_wide or head.startswith(PARQUET_MAGIC) or not any(byte < 32 and byte not in b"\t\r\n" for byte in head)


def _refuse_no_file(name: str, path: Path) -> None:
    if path.is_dir():
        raise UserError(
            "data.todo", "this is a folder, not a file", where=name, remedy="name the files in it, as in FOLDER/*.csv"
        )
    if not path.exists():
        siblings = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(
            "data.todo", f"no such file{did_you_mean(path.name, siblings)}", where=name, remedy="check the path"
        )
    if not path.is_file():
        raise UserError(
            "data.todo",
            "not a regular file",
            where=name,
            remedy="pipe it into standard input instead, or save it first",
        )


def _first_bytes(name: str, path: Path) -> bytes:
    with explain_damage(DataFile(name, path, "auto")), path.open("rb") as stream:
        return stream.read(16)


def _member_of(name: str, path: Path, named: str) -> str:
    """Return the name of the one file in an archive; a UserError where it is a workbook, or there are several."""
    with explain_damage(DataFile(name, path, "auto", ".zip")), zipfile.ZipFile(path) as archive:
        if not named:
            _refuse_workbook(archive, name)
        return _only_member(archive, name).filename


def piped(stream: IO[bytes], name: str = "standard input") -> DataFile:
    """Return standard input as a file, its compression told by its first bytes."""
    source = Rewound(stream)
    return DataFile(name, source, "auto", compression_of(name, source.look(16)))


def compression_of(name: str, head: bytes) -> str:
    """Return the compression that first bytes tell, or an empty string.

    Raises
    ------
    UserError : a format that is not read: a workbook, another compression
    """
    for magic, what, remedy in _OTHER_MAGIC:
        if head.startswith(magic):
            raise UserError("data.todo", f"{what}, which cannot be read", where=name, remedy=remedy)
    return next((compression for magic, compression in _MAGIC if head.startswith(magic)), "")


def _only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return the one file in an archive; a UserError where there are none or several."""
    _refuse_workbook(archive, name)
    members = [
        info
        for info in archive.infolist()
        # macOS adds a shadow of each file under this folder.
        if not info.is_dir() and not info.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        listed = ", ".join(info.filename for info in members[:5]) + (", ..." if len(members) > 5 else "")
        found = f"{len(members)} files in this archive ({listed})" if members else "no file in this archive"
        raise UserError(
            "data.todo", f"{found}", where=name, expected="one", remedy="unpack it, and name the files to read"
        )
    return members[0]


def _refuse_workbook(archive: zipfile.ZipFile, name: str) -> None:
    names = {info.filename for info in archive.infolist()[:100]}
    if "xl/workbook.xml" in names or {"mimetype", "content.xml"} <= names:
        raise UserError("data.todo", "a spreadsheet, which cannot be read", where=name, remedy=_EXPORT)


@contextlib.contextmanager
def explain_damage(file: DataFile) -> Iterator[None]:
    """Turn what the libraries raise on a damaged or unreadable file into a UserError that names it."""
    try:
        yield
    except (EOFError, zlib.error, zipfile.BadZipFile, pa.ArrowException, UnicodeDecodeError) as error:
        raise _damaged(file, error) from error
    except (NotImplementedError, RuntimeError) as error:
        if file.compression != ".zip":
            raise
        # zipfile's ways to say: encrypted, or an unusual compression.
        raise UserError(
            "data.todo", f"cannot unpack: {error}", where=file.name, remedy="unpack it, and name the file inside"
        ) from error
    except OSError as error:
        if error.errno is None:  # gzip and pyarrow raise OSError for damage too, then without a number
            raise _damaged(file, error) from error
        raise UserError(
            "data.todo", f"cannot read: {error.strerror}", where=file.name, remedy="check the file and its permissions"
        ) from error


def _damaged(file: DataFile, error: Exception) -> UserError:
    kind = f"a {file.compression} file" if file.compression else "a Parquet file"
    reason = " ".join(str(error).split())
    return UserError(
        "data.todo", f"not {kind}, or cut short ({reason})", where=file.name, remedy="copy or download the file again"
    )
