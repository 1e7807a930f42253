"""Writing so that a file that exists is complete: beside its place, flushed to disk, renamed.

Knows nothing of what is written.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from civility.errors import UserError

PARTIAL = ".partial"
"""The end of the names of what is still being written; hidden by a dot at their beginning."""


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a crash."""
    with contextlib.suppress(OSError):  # some file systems cannot: then the rename is as safe as it gets
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def explain_os_error(path: Path) -> Iterator[None]:
    """Turn a failure to write (permission, space, a missing folder) into a UserError that names ``path``."""
    reasons = {
        errno.ENOSPC: ("no space left on the disk", "free some space, or write elsewhere"),
        errno.EFBIG: ("the file grows larger than is allowed here", "raise the limit (ulimit -f), or write elsewhere"),
        errno.EDQUOT: ("the disk quota is used up", "free some space, or write elsewhere"),
        errno.EACCES: ("no permission to write there", "choose a folder that you may write to"),
        errno.EPERM: ("no permission to write there", "choose a folder that you may write to"),
        errno.EROFS: ("the file system is read-only", "choose a folder that you may write to"),
        errno.ENOENT: ("the folder does not exist", "make the folder, or write elsewhere"),
        errno.ENOTDIR: ("a part of the path is a file, not a folder", "write elsewhere"),
        errno.EISDIR: ("this is a folder, not a file", "name a file"),
    }
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        reason, remedy = reasons.get(error.errno, (error.strerror or str(error), "write elsewhere"))
        raise UserError(f"{path}: cannot write: {reason}", remedy) from error


@contextlib.contextmanager
def write_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that appears at ``path`` only when the block ends without an exception.

    Parameters
    ----------
    path : the final place; what stood there is replaced in one step
    mode : "w" for UTF-8 text with the newlines as written, "wb" for bytes

    Raises
    ------
    UserError : no permission, no space left, no such folder
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    with explain_os_error(path):
        if path.is_dir():
            raise UserError(f"{path}: cannot write: this is a folder, not a file", "name a file")
        try:
            with beside.open(mode, **text) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextlib.contextmanager
def write_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which becomes ``path`` only when the block ends without an exception.

    Raises
    ------
    UserError : no permission, no space left, no such parent folder
    FileExistsError : ``path`` exists already
    """
    if path.exists():
        raise FileExistsError(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    with explain_os_error(path):
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        try:
            yield beside
            for file in sorted(beside.rglob("*")):
                if file.is_file():
                    _sync_file(file)
                else:
                    sync_folder(file)
            sync_folder(beside)
            beside.rename(path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        sync_folder(path.parent)


@contextlib.contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which takes the place of ``path`` when the block ends without an exception.

    Between two renames there is no folder ``path`` for an instant; the former one is beside it then, hidden.

    Raises
    ------
    UserError : no permission, no space left, no such folder
    """
    path = path.resolve()  # "." has no name to put others beside
    beside = path.with_name(f".{path.name}.new{PARTIAL}")
    former = path.with_name(f".{path.name}.former{PARTIAL}")
    with explain_os_error(path):
        for leftover in (beside, former):
            shutil.rmtree(leftover, ignore_errors=True)
    with write_folder(beside) as new:
        yield new
    with explain_os_error(path):
        path.rename(former)
        beside.rename(path)
        sync_folder(path.parent)
        shutil.rmtree(former)


def remove_folder(path: Path) -> None:
    """Remove a folder with all that is in it, so that it is never there in part.

    Raises
    ------
    UserError : no permission
    """
    hidden = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    with explain_os_error(path):
        path.rename(hidden)
        shutil.rmtree(hidden)
