"""The bytes of a data file or of standard input, plain or compressed, read within bounds."""

import contextlib
import gzip
import io
import shlex
import shutil
import sys
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from civility.data.file_format import Format
from civility.errors import UserError
from civility.storage.parsing import cannot_read

PARQUET_MAGIC = b"PAR1\x15"  # in every Parquet file this byte follows; a comment does not have it

EXPORT = "export it as CSV UTF-8 (in Excel or LibreOffice: File > Save As), and name that file"
_SAMPLE_LINES = 20
_SAMPLE_BYTES = 1 << 20
# Text is compressed 3 to 20 times, one byte repeated 200 to 1,032 times by deflate and more by zstd.
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
        """Return the first bytes, fewer if the stream is shorter."""
        while len(self._head) < num_bytes and not self._is_at_end:
            self._read_more(_SAMPLE_BYTES // 16)
        return self._head[:num_bytes]

    def look_at_lines(self) -> tuple[bytes, bool]:
        """Return about the first 20 lines, at most 1 MiB, and whether that is the whole stream."""
        while not self._is_at_end and len(self._head) < _SAMPLE_BYTES:
            if self._head.lstrip().count(b"\n") >= _SAMPLE_LINES:
                break
            self._read_more(_SAMPLE_BYTES // 16)
        return self._head, self._is_at_end

    def _read_more(self, num_bytes: int) -> None:
        # read1 returns the bytes that a pipe has; read would wait for more.
        more = getattr(self._stream, "read1", self._stream.read)(num_bytes)
        self._head += more
        self._is_at_end = not more

    def readable(self) -> bool:
        """Return True, for io."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """Fill the buffer with the bytes available, for io."""
        if not self._head and not self._is_at_end:
            self._read_more(len(buffer))
        taken, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        buffer[: len(taken)] = taken
        self._num_read += len(taken)
        return len(taken)

    def tell(self) -> int:
        """Return the number of bytes read."""
        return self._num_read


class _Unpacked(io.RawIOBase):
    """Decompressed bytes; a UserError if they are out of proportion to the compressed ones."""

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
                    "data.too-large",
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
    source : its place, or the bytes of standard input, which can be read once
    format : by its suffix, ``auto`` if the suffix does not say
    compression : .gz, .zst, .zip, or empty
    is_packed_as_named : whether the suffix agrees with the compression, or does not name one
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
        """The compression, for messages; empty for an uncompressed file that is named as one."""
        return self.compression or ("" if self.is_packed_as_named else "not compressed")

    @property
    def command(self) -> str:
        """A shell command that writes the decompressed bytes of a file that is not piped."""
        program = {"": "cat", ".gz": "gzip -dc", ".zst": "zstd -dc", ".zip": "unzip -p"}[self.compression]
        # gzip and zstd go by the suffix of a named file, and by the bytes of what is piped into them.
        return f"{program} {'' if self.compression in ('', '.zip') else '< '}{shlex.quote(self.name)}"

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the decompressed bytes; a UserError if they cannot be read to the end."""
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
        # An archive has its table of contents at the end.
        spooled = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        shutil.copyfileobj(io.BufferedReader(self.source, 1 << 18), spooled, 1 << 20)
        spooled.seek(0)
        return cast(IO[bytes], spooled)

    def _unpack(self, packed: IO[bytes], stack: contextlib.ExitStack) -> IO[bytes]:
        if self.compression == ".gz":
            return cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=packed, mode="rb")))
        if self.compression == ".zst":
            import pyarrow as pa

            return cast(IO[bytes], pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd"))
        archive = stack.enter_context(zipfile.ZipFile(packed))
        member = only_member(archive, self.name)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # zipfile unpacks the others without a bound.
            raise _cannot_unpack(self.name, "the archive is not compressed with deflate")
        return stack.enter_context(archive.open(member))


@dataclass(frozen=True)
class Beginning:
    """The first decompressed bytes of a data file. Standard input keeps the rest open.

    Parameters
    ----------
    file : their source
    head : about the first 20 lines, at most 1 MiB
    is_whole : whether the head is the whole file
    piped : all bytes of standard input, the head included; None for a file
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
        """Open the decompressed bytes from the first one. Standard input can be opened once."""
        if self.piped is None:
            with self.file.open() as stream:
                yield stream
            return
        with self._stack:
            yield self.piped

    def seekable(self) -> Callable[[], contextlib.AbstractContextManager[IO[bytes]]]:
        """Return a function that opens the bytes for seeking, from a temporary file if necessary."""
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
    """Return the beginning of a file; a UserError if it is empty, damaged, or a tar archive."""
    with contextlib.ExitStack() as stack:
        looked = Rewound(stack.enter_context(file.open()))
        head, is_whole = looked.look_at_lines()
        if not head:
            raise UserError("data.empty", "the file is empty", where=file.name, remedy="check how the file was made")
        if head[257:262] == b"ustar":
            raise unreadable(file.name, "a tar archive", "unpack it, and name the files to read")
        if not file.is_piped:
            return Beginning(file, head, is_whole)
        return Beginning(file, head, is_whole, io.BufferedReader(looked, 1 << 18), stack.pop_all())


def only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return the only file in an archive; a UserError if there is none, or several."""
    refuse_workbook(archive, name)
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
            "data.unknown-format", found, where=name, expected="one", remedy="unpack it, and name the files to read"
        )
    return members[0]


def refuse_workbook(archive: zipfile.ZipFile, name: str) -> None:
    """Raise a UserError for an archive that is a workbook of Excel or LibreOffice."""
    names = {info.filename for info in archive.infolist()[:100]}
    if "xl/workbook.xml" in names or {"mimetype", "content.xml"} <= names:
        raise unreadable(name, "a spreadsheet", EXPORT)


@contextlib.contextmanager
def explain_damage(file: DataFile) -> Iterator[None]:
    """Turn the libraries' errors about a damaged or unreadable file into a UserError that names it."""
    try:
        yield
    except _damage_errors() as error:
        raise _damaged(file, error) from error
    except (NotImplementedError, RuntimeError) as error:
        if file.compression != ".zip":
            raise
        # zipfile raises these for encryption and for unusual compressions.
        raise _cannot_unpack(file.name, str(error)) from error
    except OSError as error:
        if error.errno is None:  # for damage, gzip and pyarrow raise OSError without a number
            raise _damaged(file, error) from error
        raise UserError(
            "data.damaged",
            cannot_read(error),
            where=file.name,
            remedy="check the file and its permissions",
        ) from error


def _damage_errors() -> tuple[type[Exception], ...]:
    pyarrow = sys.modules.get("pyarrow")  # if nothing has imported it, nothing has raised its errors
    of_pyarrow = (pyarrow.ArrowException,) if pyarrow else ()
    return EOFError, zlib.error, zipfile.BadZipFile, UnicodeDecodeError, *of_pyarrow


def _damaged(file: DataFile, error: Exception) -> UserError:
    kind = f"a {file.compression} file" if file.compression else "a Parquet file"
    reason = " ".join(str(error).split())
    return UserError(
        "data.damaged", f"not {kind}, or incomplete ({reason})", where=file.name, remedy="copy or download it again"
    )


def _cannot_unpack(name: str, reason: str) -> UserError:
    return UserError(
        "data.damaged", f"cannot unpack: {reason}", where=name, remedy="unpack it, and name the file inside"
    )


def unreadable(name: str, what: str, remedy: str) -> UserError:
    """Return the error for a kind of file that is not read; ``what`` it is has an article, as ``a spreadsheet``."""
    return UserError("data.unknown-format", f"{what}, which cannot be read", where=name, remedy=remedy)
