"""A command in a folder of its own, and what became of it: the client of the server beside this file."""

import hashlib
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..served import Served

CIVILITY = "civility"
_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "HF_HUB_OFFLINE"), "1"),
    "TOKENIZERS_PARALLELISM": "false",
    "CIVILITY_CACHE": "off",
    "COLUMNS": "100",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # fewer pages make a fork cheaper by a third
}


@dataclass(frozen=True)
class Command:
    """What is run, in a folder that holds what it reads.

    Parameters
    ----------
    arguments : of the command line; names of files are relative to the folder
    writes : patterns of paths in the folder that may appear or change
    scores : the file of scores that is asked for, "-" for the standard output; empty: none
    program : the command line, or a function as the server takes it
    seconds : of CPU time that it may take
    """

    arguments: tuple[str, ...]
    writes: tuple[str, ...] = ()
    scores: str = ""
    stdin: bytes = b""
    environment: Mapping[str, str] = field(default_factory=dict)
    program: str = CIVILITY
    seconds: int = 40

    def __str__(self) -> str:
        """Return it as one would type it, cut to what a person reads."""
        words = [*(f"{key}={value}" for key, value in self.environment.items()), "civility", *self.arguments]
        shown = [ascii(word[:200])[1:-1] for word in words]
        return shlex.join(shown) + (f" < stdin ({len(self.stdin)} bytes)" if self.stdin else "")


@dataclass(frozen=True)
class Entry:
    """One thing in a folder: of which kind it is, and what it holds."""

    kind: str
    content: str


Listing = Mapping[str, Entry]
"""By path relative to the folder, with slashes."""


@dataclass(frozen=True)
class Outcome:
    """What a command left.

    Parameters
    ----------
    code, signal : one of them is 0
    before, after : what is in the folder
    """

    code: int
    signal: int
    seconds: float
    out: str
    err: str
    before: Listing
    after: Listing
    folder: Path


class Server:
    """The server, from its start to `close`; each command runs in a fork of it."""

    def __init__(self, scratch: Path) -> None:
        self._streams = scratch
        scratch.mkdir(parents=True)
        self._served = Served(Path(__file__).with_name("server.py"), _ENVIRONMENT)

    def run(self, command: Command, folder: Path) -> Outcome:
        """Run a command in a folder, and return what became of both."""
        before = listing(folder)
        streams = {name: self._streams / name for name in ("stdin", "stdout", "stderr")}
        streams["stdin"].write_bytes(command.stdin)
        request = {
            "program": command.program,
            "seconds": command.seconds,
            "arguments": command.arguments,
            "folder": str(folder),
            "environment": dict(command.environment),
            **{name: str(path) for name, path in streams.items()},
        }
        answer = self._served.ask(request)
        out, err = (
            streams[name].read_bytes().decode("utf-8", errors="backslashreplace") for name in ("stdout", "stderr")
        )
        return Outcome(answer["code"], answer["signal"], answer["seconds"], out, err, before, listing(folder), folder)

    def close(self) -> None:
        """End the server."""
        self._served.close()


def listing(folder: Path) -> Listing:
    """Return all that is in a folder, hidden files among it."""
    return {path.relative_to(folder).as_posix(): _entry(path) for path in sorted(folder.rglob("*"))}


def _entry(path: Path) -> Entry:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return Entry("link", str(path.readlink()))
    if stat.S_ISREG(mode):
        return Entry("file", hashlib.sha256(path.read_bytes()).hexdigest())
    return Entry("folder" if stat.S_ISDIR(mode) else "special", "")
