"""A log of JSON lines. A line that a full disk refuses is kept in memory and written later."""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from civility.errors import UserError
from civility.storage.atomic_files import explain_os_error, sync_folder
from civility.storage.parsing import cannot_read, parse_json

_LONGEST_LINE = 16 << 20
"""Bytes. A line holds a few numbers of a step or of each label."""

_REMEDY = "restore the file from a copy of the run"


class LineLog:
    """Appends lines to a file of JSON lines.

    A line that cannot be written in full is removed from the file again and written with the next one, so that a full
    disk costs no line as long as the process lives.

    Parameters
    ----------
    path : the file; created with its first line
    on_trouble : called with the reason when lines cannot be written; once, until writing succeeds again
    """

    def __init__(self, path: Path, on_trouble: Callable[[UserError], None] = lambda error: None) -> None:
        self.path = path
        self._on_trouble = on_trouble
        self._pending = b""
        self._size = path.stat().st_size if path.is_file() else 0
        self._in_trouble = False

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line; NaN and infinity are written as null."""
        self._pending += json.dumps(_finite(line), allow_nan=False).encode() + b"\n"
        try:
            self._append()
        except UserError as error:
            # Set first: the callback may write to this log.
            is_reported, self._in_trouble = self._in_trouble, True
            if not is_reported:
                self._on_trouble(error)

    @property
    def size(self) -> int:
        """Size of the file in bytes once all lines are written."""
        return self._size + len(self._pending)

    def flush(self) -> None:
        """Write all lines and flush them to the disk; UserError if the disk refuses them."""
        self._append()
        if self.path.is_file():
            with explain_os_error(self.path), self.path.open("rb") as file:
                os.fsync(file.fileno())

    def truncate(self, size: int) -> bool:
        """Truncate the file to ``size`` bytes; if it is shorter, leave it and return False."""
        if size > self._size:
            return False
        if size < self._size:
            with explain_os_error(self.path):
                os.truncate(self.path, size)
            self._size = size
        return True

    def truncate_to_whole_lines(self) -> None:
        """Remove what follows the last line end: a process was killed while writing a line."""
        if self._size:
            self.truncate(self.path.read_bytes().rfind(b"\n") + 1)

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
                    os.truncate(self.path, self._size)  # part of a line is worse than none
                raise
        if is_new:
            sync_folder(self.path.parent)
        self._size += len(self._pending)
        self._pending, self._in_trouble = b"", False


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log; UserError if the file is missing, or a line is damaged."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), start=1):
                source = f"{path}, line {number:,}"
                try:
                    yield parse_json(line.decode("utf-8"), source, _REMEDY)
                except UnicodeDecodeError as error:
                    found = "damaged: not UTF-8 text"
                    raise UserError("run.damaged-log", found, where=source, remedy=_REMEDY) from error
    except OSError as error:
        raise UserError("run.damaged-log", cannot_read(error), where=path, remedy=_REMEDY) from error


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
