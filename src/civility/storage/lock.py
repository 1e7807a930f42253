"""The lock of a run directory: one writer at a time, and the next one told who it is.

The kernel holds the lock and lets go of it with the process, so that nobody has to judge whether an owner is dead.
Between machines that share a folder it may not reach, so the owner also signs the file now and then.
"""

import contextlib
import datetime as dt
import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from civility.errors import UserError
from civility.plain_text import shortened
from civility.storage.atomic_files import explain_os_error
from civility.storage.parsing import parse_json

try:
    import fcntl
except ImportError:  # Windows has none: the signature alone has to do
    fcntl = None  # type: ignore[assignment]

_MOST_CHARACTERS = 4096
_SECONDS_BETWEEN_SIGNS = 30.0
_SECONDS_UNTIL_DEAD = 300.0
"""A machine that has not signed for so long is taken for dead: ten signs, whatever a step may take in between."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lock: process number, machine, and since when (ISO 8601)."""

    process: int
    machine: str
    since: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.machine}"


class Held(UserError):
    """Somebody else holds a lock."""


class Lock:
    """A lock that is held; from `hold`."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self._path, self._file = path, file
        self._signed = time.monotonic()

    def sign(self) -> None:
        """Show that the owner lives; cheap enough to be called at every step."""
        if time.monotonic() - self._signed >= _SECONDS_BETWEEN_SIGNS:
            self._signed = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(self._path)


@contextlib.contextmanager
def hold(path: Path) -> Iterator[tuple[Lock, Owner | None]]:
    """Hold the lock at ``path`` while the block runs; give it, and the dead owner from whom it was taken over.

    Raises
    ------
    Held : somebody else holds it
    UserError : it cannot be written
    """
    with explain_os_error(path):
        file, dead = _acquire(path)
    with file:
        try:
            yield Lock(path, file), dead
        finally:
            # While it is still held, and only ours: the directory may have been renamed, and another be in its place.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                path.unlink()


def _acquire(path: Path) -> tuple[IO[str], Owner | None]:
    while True:
        file = _open(path)
        found = _owner(file)
        age = time.time() - os.fstat(file.fileno()).st_mtime
        reaches = fcntl is not None
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                raise _held(path, found, age, "wait for it to end, or choose another --out") from None
            except OSError:
                reaches = False  # a file system without locks: the signature alone has to do, as on Windows
        far = found is not None and (not reaches or found.machine != platform.node())
        if far and age < _SECONDS_UNTIL_DEAD:
            file.close()
            raise _held(path, found, age, f"if that machine is gone, remove {path}; else choose another --out")
        # The owner before may have taken the file away between our opening and our locking it.
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            break
        file.close()
    me = Owner(os.getpid(), platform.node(), dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
    file.truncate(0)
    file.write(json.dumps(asdict(me)) + "\n")
    file.flush()
    return file, found


def _open(path: Path) -> IO[str]:
    """Open the lock, which will be overwritten; no link is followed: in a shared folder it could lead to any file."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o666), "a+", encoding="utf-8")


def _owner(file: IO[str]) -> Owner | None:
    file.seek(0)
    try:
        owner = Owner(**parse_json(file.read(_MOST_CHARACTERS), "lock"))
        return owner if isinstance(owner.machine, str) else None
    except (UserError, UnicodeDecodeError, TypeError):
        return None  # new, or its owner was killed before it had signed


def _held(path: Path, owner: Owner | None, age: float, remedy: str) -> Held:
    who = shortened(f"{owner}, since {owner.since}", 200) if owner else "another process"
    return Held(
        "storage.locked",
        f"another run is writing there: {who} (last sign of life {age:.0f} s ago)",
        where=path.parent,
        remedy=remedy,
    )
