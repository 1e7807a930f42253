"""A log of JSON lines that is whole at every moment: what a full disk refuses is kept, and written later."""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from civility.errors import UserError
from civility.storage.atomic_files import explain_os_error, sync_folder
from civility.storage.parsing import parse_json

_LONGEST_LINE = 16 << 20
"""Bytes. A line holds some numbers of a step, or of each label."""


class LineLog:
    """Appends lines to a file of JSON lines.

    A line that cannot be written whole is taken back from the file and tried again with the next one, so that a
    full disk costs no line as long as the process lives.

    Parameters
    ----------
    path : the file; made with its first line
    on_trouble : told why a line could not be written, once until one can be
    """

    def __init__(self, path: Path, on_trouble: Callable[[UserError], None] = lambda error: None) -> None:
        self.path = path
        self._on_trouble = on_trouble
        self._pending = b""
        self._size = path.stat().st_size if path.is_file() else 0
        self._in_trouble = False

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line. JSON has no NaN and no infinity, so they are written as null."""
        self._pending += json.dumps(_finite(line), allow_nan=False).encode() + b"\n"
        try:
            self._append()
        except UserError as error:
            # Noted before it is told: the telling may write to this very log.
            told, self._in_trouble = self._in_trouble, True
            if not told:
                self._on_trouble(error)

    @property
    def size(self) -> int:
        """Bytes of the file once all lines are in it."""
        return self._size + len(self._pending)

    def flush(self) -> None:
        """Bring all lines to the disk.

        Raises
        ------
        UserError : the disk does not take them
        """
        self._append()
        if self.path.is_file():
            with explain_os_error(self.path), self.path.open("rb") as file:
                os.fsync(file.fileno())

    def cut(self, size: int) -> bool:
        """Cut the file back to ``size`` bytes; return False, and leave it, if it does not have so many."""
        if size > self._size:
            return False
        if size < self._size:
            with explain_os_error(self.path):
                os.truncate(self.path, size)
            self._size = size
        return True

    def cut_to_whole_lines(self) -> None:
        """Take away what comes after the last line end: a life was killed in the middle of a line."""
        if self._size:
            self.cut(self.path.read_bytes().rfind(b"\n") + 1)

    def _append(self) -> None:
        if not self._pending:
            return
        is_new = not self._size
        with explain_os_error(self.path), self.path.open("ab", buffering=0) as file:
            view = memoryview(self._pending)
            try:
                while len(view):
                    view = view[file.write(view) :]
            except OSError:
                with contextlib.suppress(OSError):
                    os.truncate(self.path, self._size)  # a part of a line is none
                raise
        if is_new:
            sync_folder(self.path.parent)
        self._size += len(self._pending)
        self._pending, self._in_trouble = b"", False


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of such a log.

    Raises
    ------
    UserError : no such file, or a line that is damaged, with its number
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), start=1):
                source = f"{path}, line {number:,}"
                try:
                    yield parse_json(line.decode("utf-8"), source)
                except UnicodeDecodeError as error:
                    raise UserError("run.todo", "damaged: not UTF-8 text", where=source) from error
    except OSError as error:
        raise UserError("run.todo", f"cannot read: {error.strerror or error}", where=path) from error


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
