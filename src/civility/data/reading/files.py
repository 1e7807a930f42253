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

# Every Parquet file begins with PAR1 and this byte, a control character that a comment beginning with PAR1 lacks.
PARQUET_MAGIC = b"PAR1\x15"
EXPORT = "export it as CSV UTF-8 (in Excel or LibreOffice: File > Save As), and name that file"
_NAME_MEMBERS = "unpack it, and name the files to read"
_SAMPLE_LINES = 20
_SAMPLE_BYTES = 1 << 20
# Text is compressed 3 to 20 times, one byte repeated 200 to 1,032 times by deflate and more by zstd.
BOMB_RATIO = 200
BOMB_BYTES = 32_000_000


class ByteStream(io.RawIOBase):
    """A stream of the bytes that a subclass takes from another one."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self._num_read = 0

    def take(self, most: int) -> bytes:
        """Return at most this many bytes; none at the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        """Return True, for io."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """Fill the buffer with the bytes available, for io."""
        data = self.take(len(buffer))
        buffer[: len(data)] = data
        self._num_read += len(data)
        return len(data)


class Rewound(ByteStream):
    """A stream whose beginning can be looked at before it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self._head = b""
        self._is_at_end = False

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

    def take(self, most: int) -> bytes:
        """Return the bytes available, at most this many."""
        if not self._head and not self._is_at_end:
            self._read_more(most)
        taken, self._head = self._head[:most], self._head[most:]
        return taken

    def tell(self) -> int:
        """Return the number of bytes read."""
        return self._num_read


class _Unpacked(ByteStream):
    """Decompressed bytes; a UserError if they are out of proportion to the compressed ones."""

    def __init__(self, name: str, packed: IO[bytes], unpacked: IO[bytes]) -> None:
        super().__init__(unpacked)
        self._name, self._packed = name, packed

    def take(self, most: int) -> bytes:
        data = self._stream.read(most)
        size = self._num_read + len(data)
        if size > BOMB_BYTES and size > BOMB_RATIO * (num_packed := max(1, self._packed.tell())):
            raise too_much(self._name, num_packed, f"{size:,}", "unpack it, and name the unpacked file")
        return data


def too_much(name: str, num_packed: int, unpacked: str, remedy: str) -> UserError:
    """Return the error for bytes that unpack to far more than text does."""
    return UserError(
        "data.too-large",
        f"looks like a decompression bomb: {num_packed:,} bytes unpack to more than {unpacked}",
        where=name,
        remedy=f"check where the file comes from; if it is right, {remedy}",
    )


def _spooled(stream: IO[bytes], stack: contextlib.ExitStack) -> IO[bytes]:
    """Return the bytes of a stream in a temporary file, which the stack closes."""
    spooled = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    shutil.copyfileobj(stream, spooled, 1 << 20)
    spooled.seek(0)
    return cast(IO[bytes], spooled)


@dataclass(frozen=True)
class DataFile:
    """A file that exists, or standard input."""

    name: str  # the path as the user gave it, for messages
    source: Path | Rewound  # its place, or the bytes of standard input, which can be read once
    format: Format  # by its suffix, ``auto`` if the suffix does not say
    compression: str = ""  # .gz, .zst, .zip, or empty
    is_packed_as_named: bool = True  # whether the suffix agrees with the compression, or does not name one

    @property
    def is_piped(self) -> bool:
        """Whether the bytes can be read only once."""
        return isinstance(self.source, Rewound)

    @property
    def packing(self) -> str:
        """The compression, for messages; empty for an uncompressed file that is named as one."""
        return self.compression or ("" if self.is_packed_as_named else "not compressed")

    def piped_through(self, program: str, out: str) -> str:
        """Return a shell command that pipes the decompressed bytes through a program, into a file of this name."""
        if self.is_piped:
            return f"… | {program} | civility …"
        unpack = {"": "cat", ".gz": "gzip -dc <", ".zst": "zstd -dc <", ".zip": "unzip -p"}[self.compression]
        # gzip and zstd go by the suffix of a named file, and by the bytes of what is piped into them.
        return f"{unpack} {shlex.quote(self.name)} | {program} > {out}"

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
        return _spooled(io.BufferedReader(self.source, 1 << 18), stack)  # an archive has its contents at the end

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
    """The first decompressed bytes of a data file. Standard input keeps the rest open."""

    file: DataFile  # their source
    head: bytes  # about the first 20 lines, at most 1 MiB
    is_whole: bool  # whether the head is the whole file
    piped: IO[bytes] | None = None  # all bytes of standard input, the head included; None for a file
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

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
            with self.open() as stream:
                spooled = _spooled(stream, stack)
            kept = stack.pop_all()

        @contextlib.contextmanager
        def reopen() -> Iterator[IO[bytes]]:
            spooled.seek(0)
            yield spooled

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
            raise unreadable(file.name, "a tar archive", _NAME_MEMBERS)
        if not file.is_piped:
            return Beginning(file, head, is_whole)
        return Beginning(file, head, is_whole, io.BufferedReader(looked, 1 << 18), stack.pop_all())


def only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return the only file in an archive; a UserError if there is none, or several, or it is a workbook."""
    everything = archive.infolist()
    names = {info.filename for info in everything[:100]}
    if "xl/workbook.xml" in names or {"mimetype", "content.xml"} <= names:  # of Excel, and of LibreOffice
        raise unreadable(name, "a spreadsheet", EXPORT)
    # macOS adds a shadow of each file under the folder __MACOSX.
    members = [info for info in everything if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        listed = ", ".join(info.filename for info in members[:5]) + (", ..." if len(members) > 5 else "")
        found = f"{len(members)} files in this archive ({listed})" if members else "no file in this archive"
        raise UserError("data.unknown-format", found, where=name, expected="one", remedy=_NAME_MEMBERS)
    return members[0]


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
        remedy = "check the file and its permissions"
        raise UserError("data.damaged", cannot_read(error), where=file.name, remedy=remedy) from error


def _damage_errors() -> tuple[type[Exception], ...]:
    pyarrow = sys.modules.get("pyarrow")  # if nothing has imported it, nothing has raised its errors
    of_pyarrow = (pyarrow.ArrowException,) if pyarrow else ()
    return EOFError, zlib.error, zipfile.BadZipFile, UnicodeDecodeError, *of_pyarrow


def _damaged(file: DataFile, error: Exception) -> UserError:
    kind = f"a {file.compression} file" if file.compression else "a Parquet file"
    found = f"not {kind}, or incomplete ({' '.join(str(error).split())})"
    return UserError("data.damaged", found, where=file.name, remedy="copy or download it again")


def _cannot_unpack(name: str, reason: str) -> UserError:
    remedy = "unpack it, and name the file inside"
    return UserError("data.damaged", f"cannot unpack: {reason}", where=name, remedy=remedy)


def unreadable(name: str, what: str, remedy: str) -> UserError:
    """Return the error for a kind of file that is not read; ``what`` it is has an article, as ``a spreadsheet``."""
    return UserError("data.unknown-format", f"{what}, which cannot be read", where=name, remedy=remedy)
