"""Writes files and folders so that one that exists is complete: next to its place, flushed to disk, then renamed.

Also their sha256, which is recorded when a folder is written, and compared when it is read.
"""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from civility.errors import UserError

PARTIAL = ".partial"
"""Suffix of a name that is still being written. A dot at its beginning hides it."""
_LONGEST_NAME = 200
"""Bytes of a name that its partial file repeats. File systems allow 255."""
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)  # not on Windows
_MOST_LINKS = 40
"""The number of symbolic links that Linux follows."""
_LARGE = 32 << 20
"""Bytes. A larger file is hashed while it is read, a smaller one before."""


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a crash."""
    with contextlib.suppress(OSError):  # not possible on every file system
        _sync(folder)


def _sync(path: Path) -> None:
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
        errno.EFBIG: ("the file is larger than is allowed here", "raise the limit (ulimit -f), or write elsewhere"),
        errno.EDQUOT: ("the disk quota is used up", "free some space, or write elsewhere"),
        errno.EACCES: ("no permission to write there", "choose a folder that you may write to"),
        errno.EPERM: ("no permission to write there", "choose a folder that you may write to"),
        errno.EROFS: ("the file system is read-only", "choose a folder that you may write to"),
        errno.ENOENT: ("the folder does not exist", "make the folder, or write elsewhere"),
        errno.ENOTDIR: ("part of the path is a file, not a folder", "write elsewhere"),
        errno.ELOOP: ("a symbolic link that must not be followed, or leads in a circle", "write elsewhere"),
        errno.EISDIR: ("a folder, not a file", "name a file"),
    }
    try:
        yield
    except OSError as error:
        if error.errno is None or isinstance(error, BrokenPipeError):
            raise
        reason, remedy = reasons.get(error.errno, (error.strerror or str(error), "write elsewhere"))
        raise _cannot_write(path, reason, remedy) from error


def _cannot_write(path: Path, reason: str, remedy: str) -> UserError:
    return UserError("storage.cannot-write", f"cannot write: {reason}", where=path, remedy=remedy)


@contextlib.contextmanager
def write_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that appears at ``path`` only when the block ends without an exception.

    A device, a pipe or an open descriptor (``/dev/stdout``) is written directly, not replaced. A symbolic link stays,
    and its target is written.

    Parameters
    ----------
    path : the final place. A file there is replaced in one step, by one with the same permissions and owner.
    mode : "w" for UTF-8 text with the newlines as written, "wb" for bytes

    Raises
    ------
    UserError : no permission, no space, no such folder, or a block device
    BrokenPipeError : the reader of a pipe has ended
    """
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    with explain_os_error(path):
        if path.is_dir():
            raise _cannot_write(path, "a folder, not a file", "name a file")
        if is_stream(path):
            with os.fdopen(_open_stream(path), mode, **text) as file:
                yield file
            return
        place = _target(path)
        beside = _beside(place)
        try:
            with os.fdopen(_create(beside, place), mode, **text) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(place.parent)


def real_path(path: str | Path) -> Path:
    """Return a path without symbolic links, whether it exists or not, and alike in every version of Python.

    A UserError if its links lead in a circle.
    """
    try:
        os.path.realpath(path, strict=True)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(
                "storage.link-circle", "its symbolic links lead in a circle", where=path, remedy="name the file itself"
            ) from error
    return Path(os.path.realpath(path))


def is_stream(path: Path) -> bool:
    """Whether ``path`` is a device, a pipe, a socket or an open descriptor, which is written directly."""
    if _descriptor(path) is not None:
        return True
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):  # it does not exist, or has a NUL in its path
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def _descriptor(path: Path) -> int | None:
    """Return N of ``/dev/fd/N`` and ``/proc/self/fd/N``, or of a link to one, as ``/dev/stdout`` is."""
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(path.parent)
        if folder in ("/dev/fd", f"/proc/{os.getpid()}/fd") and re.fullmatch("[0-9]{1,9}", path.name, re.ASCII):
            return int(path.name)
        try:
            path = Path(folder, path.readlink())
        except (OSError, ValueError):  # not a link
            return None
    return None


def _open_stream(path: Path) -> int:
    descriptor = _descriptor(path)
    if descriptor is not None:
        return os.dup(descriptor)  # opening a file again would write it from its beginning
    if stat.S_ISBLK(path.stat().st_mode):
        raise _cannot_write(path, "this is a disk, not a file", "name a file")
    # With O_CREAT, as shells use it, Linux refuses a pipe that another user has put into a shared folder.
    return os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOCTTY", 0), 0o666)


def _target(path: Path) -> Path:
    """Return the target of a symbolic link, or the path itself.

    A UserError if another user has put the link into a folder that everybody may write to, such as /tmp.
    """
    if not path.is_symlink():
        return path
    owner, folder = path.lstat().st_uid, path.parent.stat()
    is_shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    if is_shared and owner not in (os.geteuid(), folder.st_uid):
        raise _cannot_write(
            path, "this is another user's link in a folder that everybody may write to", "write elsewhere"
        )
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


def _beside(path: Path) -> Path:
    """Return an unpredictable name in the folder of ``path``."""
    name = os.fsdecode(os.fsencode(path.name)[:_LONGEST_NAME])
    return path.with_name(f".{name}.{secrets.token_hex(8)}{PARTIAL}")


def _create(beside: Path, place: Path) -> int:
    """Create the file ``beside`` with the permissions it will have at ``place``; return its descriptor."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    if sys.platform == "win32" or not place.exists():
        return os.open(beside, flags | _NOFOLLOW, 0o666)
    before = place.stat()
    descriptor = os.open(beside, flags | _NOFOLLOW, 0o600)
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(OSError):  # only root may give a file away
            os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, before.st_mode & 0o777)
    return descriptor


@contextlib.contextmanager
def write_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, which becomes ``path`` only when the block ends without an exception.

    A FileExistsError if ``path`` exists already.
    """
    if path.exists():
        raise FileExistsError(path)
    with explain_os_error(path):
        path = _target(path)
        beside = _beside(path)
        beside.mkdir()
        try:
            yield beside
            _settle(beside)
            beside.rename(path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        sync_folder(path.parent)


def _settle(folder: Path) -> None:
    """Flush a folder to disk, and give its files ordinary permissions (safetensors leaves 0600)."""
    ordinary = folder.stat().st_mode & 0o666
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            continue
        if path.is_file():
            path.chmod(ordinary)
            _sync(path)
        else:
            sync_folder(path)
    sync_folder(folder)


@contextlib.contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, which replaces ``path`` when the block ends without an exception.

    Files keep the permissions of those they replace. Between two renames ``path`` does not exist for an instant; the
    former folder is then next to it, hidden.
    """
    path = real_path(path)  # "." has no name
    beside, former = _beside(path), _beside(path)
    with write_folder(beside) as new:
        yield new
    with explain_os_error(path):
        for old in (path, *path.rglob("*")):
            if (now := beside / old.relative_to(path)).exists() and not old.is_symlink():
                shutil.copymode(old, now)
        path.rename(former)
        beside.rename(path)
        sync_folder(path.parent)
        shutil.rmtree(former)


def remove_folder(path: Path) -> None:
    """Remove a folder with its content, never leaving part of it; of a link, remove only the link."""
    hidden = _beside(path)
    with explain_os_error(path):
        path.rename(hidden)
        if hidden.is_symlink():
            hidden.unlink()
        else:
            shutil.rmtree(hidden)


def make_folder(path: Path) -> None:
    """Make a folder and its parents, all of them or none; it may exist. A UserError if it is something else."""
    with explain_os_error(path), no_empty_folder_on_failure(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise _cannot_write(path, "not a folder", "name a folder") from error


def check_utf8(path: str | Path, remedy: str) -> None:
    """Raise a UserError unless a path can be written as UTF-8: tokenizers and safetensors open no other."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UserError("storage.bad-name", "a path that is not UTF-8", where=path, remedy=remedy) from error


@contextlib.contextmanager
def no_empty_folder_on_failure(path: Path) -> Iterator[None]:
    """If the block fails, remove the folder and those of its parents that the block made and left empty."""
    new = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
    try:
        yield
    except BaseException:
        for folder in new:
            with contextlib.suppress(OSError):
                folder.rmdir()  # fails if the folder is not empty
        raise


def digest_of_file(path: Path) -> str:
    """Return the sha256 of a file, 64 hex digits; OSError if it cannot be read."""
    if path.exists() and not path.is_file():  # opening a pipe would wait for a writer
        raise OSError(errno.EINVAL, "not a file", str(path))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the sha256 of files in a folder, by name; OSError if one cannot be read."""
    wanted = sorted(names)
    with ThreadPoolExecutor() as pool:  # hashing releases the interpreter lock
        return dict(zip(wanted, pool.map(digest_of_file, (folder / name for name in wanted)), strict=True))


@contextlib.contextmanager
def verified(folder: Path, recorded: Mapping[str, str], remedy: str) -> Iterator[None]:
    """Run the block, which reads files of a folder, and compare the files with their recorded sha256.

    Large files are hashed in threads while the block runs. Damage is reported in place of any error of the block.

    Parameters
    ----------
    folder : holds the files
    recorded : file name -> 64 hex digits; empty: nothing is compared
    remedy : what to do about damage

    Raises
    ------
    UserError : a file is missing or has another sha256
    """
    paths = {name: folder / name for name in recorded}
    large = {name for name, path in paths.items() if path.is_file() and path.stat().st_size > _LARGE}
    for name in sorted(set(paths) - large):
        _compare(paths[name], recorded[name], remedy)
    with ThreadPoolExecutor() as pool:
        pending = {name: pool.submit(_compare, paths[name], recorded[name], remedy) for name in sorted(large)}
        try:
            yield
        finally:
            for comparison in pending.values():
                comparison.result()


def _compare(path: Path, expected: str, remedy: str) -> None:
    try:
        found = digest_of_file(path)
    except OSError as error:
        reason = f"damaged: cannot be read: {error.strerror or error}"
        if isinstance(error, FileNotFoundError):
            remedy = "copy or download the folder again, since a file is missing"
        raise UserError("storage.damaged", reason, where=path, remedy=remedy) from error
    if found != expected:
        reason = "damaged: its sha256 is not the one recorded when it was written"
        raise UserError("storage.damaged", reason, where=path, remedy=remedy)
