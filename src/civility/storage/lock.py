"""The lock of a folder: one writer at a time, and the owner's name for the next one.

The operating system holds the lock and releases it when the process ends, so the lock of a killed process is free.
Where locks do not work, as between machines that share a folder over NFS, the owner touches the file to show that it
lives.
"""

import contextlib
import datetime as dt
import errno
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from civility.errors import UserError
from civility.plain_text import shortened
from civility.storage.atomic_files import explain_os_error
from civility.storage.parsing import parse_json

_MOST_BYTES = 4096
_SECONDS_BETWEEN_SIGNS = 30.0
_SECONDS_UNTIL_DEAD = 300.0
"""An owner on another machine that has not signed for this long, ten intervals, counts as dead."""
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""Errors of a file system that has no locks."""
_IS_WINDOWS = os.name == "nt"


@dataclass(frozen=True)
class Owner:
    """The holder of a lock: process id, machine, and start of the hold (ISO 8601)."""

    process: int
    machine: str
    since: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.machine}"


class Held(UserError):
    """Another process holds the lock."""


class Lock:
    """A lock that is held; from `hold`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signed = time.monotonic()

    def sign(self) -> None:
        """Show that the owner lives. It is cheap enough to call at every step."""
        if time.monotonic() - self._signed >= _SECONDS_BETWEEN_SIGNS:
            self._signed = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(self._path)


@contextlib.contextmanager
def hold(path: Path) -> Iterator[tuple[Lock, Owner | None]]:
    """Hold the lock at ``path`` while the block runs; yield it, and the dead owner of a lock that was left behind.

    `Held` if another process holds it.
    """
    with contextlib.ExitStack() as stack:
        with explain_os_error(path):
            dead = _acquire(path, stack)
        yield Lock(path), dead


def _acquire(path: Path, stack: contextlib.ExitStack) -> Owner | None:
    """Lock and sign the file, let the stack release it, and return the owner that the file named before."""
    if not path.parent.exists():  # filelock would make the folder
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    descriptors: list[int] = []
    # The file stays if another machine owns it, so it is removed here and not by filelock.
    lock = FileLock(path, thread_local=False, preserve_lock_file=True, on_acquired=descriptors.append)
    is_locked, release = True, lock.release
    try:
        _lock(lock)
    except Timeout:
        raise _held(path, *_look(path), "wait for it to end, or choose another --out") from None
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
        descriptors = [os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)]
        is_locked, release = False, partial(os.close, descriptors[0])
    owner, age = _read(descriptors[0])
    if owner is not None and (not is_locked or owner.machine != platform.node()) and age < _SECONDS_UNTIL_DEAD:
        release()
        raise _held(path, owner, age, f"if that machine is gone, remove {path}; else choose another --out")
    stack.callback(_let_go, path, os.fstat(descriptors[0]), release)
    me = Owner(os.getpid(), platform.node(), dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
    os.ftruncate(descriptors[0], 0)
    os.lseek(descriptors[0], 0, os.SEEK_SET)
    os.write(descriptors[0], json.dumps(asdict(me)).encode() + b"\n")
    return owner


def _lock(lock: FileLock) -> None:
    """Acquire the lock without waiting; a Timeout if it is held."""
    for attempt in range(3):  # the first ones may meet a file that its owner is removing
        try:
            lock.acquire(blocking=False)
            return
        except Timeout:
            if attempt == 2:
                raise


def _let_go(path: Path, ours: os.stat_result, release: Callable[[], None]) -> None:
    """Remove the file and release it, unless the folder was renamed and another one has taken its place."""
    is_ours = path.exists() and os.path.samestat(ours, path.stat())
    if is_ours and not _IS_WINDOWS:
        path.unlink()  # while it is held: afterwards it may be another process's
    release()
    if is_ours and _IS_WINDOWS:
        with contextlib.suppress(OSError):  # Windows removes neither a file that is held nor one that is open
            path.unlink()


def _look(path: Path) -> tuple[Owner | None, float]:
    """Return the owner of a lock that is held, and the age of its last sign in seconds."""
    try:
        with path.open("rb") as file:
            return _read(file.fileno())
    except OSError:  # the owner has just removed it
        return None, 0.0


def _read(descriptor: int) -> tuple[Owner | None, float]:
    """Return the owner that a lock file names, if it does, and the age of its last sign in seconds."""
    age = time.time() - os.fstat(descriptor).st_mtime
    os.lseek(descriptor, 1, os.SEEK_SET)  # Windows locks the first byte, a brace, for reading too
    try:
        owner = Owner(**parse_json("{" + os.read(descriptor, _MOST_BYTES).decode(), "lock"))
        return owner if isinstance(owner.machine, str) else None, age
    except (UserError, UnicodeDecodeError, TypeError):  # new, or its owner was killed before it signed
        return None, age


def _held(path: Path, owner: Owner | None, age: float, remedy: str) -> Held:
    holder = shortened(f"{owner}, since {owner.since}", 200) if owner else "another process"
    return Held(
        "storage.locked",
        f"another run is writing there: {holder} (last sign of life {age:.0f} s ago)",
        where=path.parent,
        remedy=remedy,
    )
