"""SweepDirectory: the map of a sweep on disk, and who of its workers may do what.

The only module that knows the names of its files.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from civility.errors import UserError
from civility.plain_text import one_line, shown
from civility.run import RunDirectory
from civility.storage.atomic_files import explain_os_error, make_folder
from civility.storage.lock import Held, Lock, hold

_SECONDS_TO_WAIT = 600.0
_SECONDS_BETWEEN_TRIES = 0.05


@dataclass(frozen=True)
class SweepDirectory:
    """The map of a sweep on disk.

    ::

        study.db            the study: an SQLite database of Optuna's; not with --storage
        trials/0007/        a run directory a trial
        best.toml           the recipe of the best trial, complete
        sweep.json, .md, .html    the result so far
        workers/            what the workers of --jobs said

    While workers are at it there are also a ``lock``, for moments, and a ``trials/0007.lock`` a trial under way.
    """

    path: Path

    def create(self) -> None:
        """Make the directory, if it is not there.

        Raises
        ------
        UserError : it is a file, or holds what is no sweep; no permission
        """
        if one_line(str(self.path)) != str(self.path):  # the address of the study's database cannot hold it
            raise UserError(
                "search.todo",
                f"--out {shown(str(self.path))}: expected a UTF-8 name without control characters",
                remedy="choose another --out",
            )
        with explain_os_error(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise UserError(
                    "search.todo",
                    "is not a folder: expected that of a sweep",
                    where=self.path,
                    remedy="choose another --out",
                )
            if self.path.is_dir() and not self.trials.is_dir() and not _is_as_good_as_empty(self.path):
                raise UserError(
                    "search.todo",
                    "is not empty, and not the folder of a sweep",
                    where=self.path,
                    remedy="choose another --out, or empty it",
                )
        make_folder(self.path)

    @property
    def storage(self) -> str:
        """The address of the embedded study."""
        from sqlalchemy import URL

        # Not put together by hand: what follows a question mark in a path would be taken for options.
        return URL.create("sqlite", database=str(self.path / "study.db")).render_as_string()

    @property
    def trials(self) -> Path:
        """The folder of the trials."""
        return self.path / "trials"

    def trial(self, number: int) -> RunDirectory:
        """Return the run directory of a trial."""
        return RunDirectory(self.trials / f"{number:04d}")

    @property
    def best(self) -> Path:
        """The recipe of the best trial."""
        return self.path / "best.toml"

    @property
    def json(self) -> Path:
        """The result, every number of it."""
        return self.path / "sweep.json"

    @property
    def markdown(self) -> Path:
        """The result for a terminal or a review."""
        return self.path / "sweep.md"

    @property
    def html(self) -> Path:
        """The result for people."""
        return self.path / "sweep.html"

    def worker_log(self, number: int) -> Path:
        """Return where a worker's output goes."""
        return self.path / "workers" / f"{number}.log"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold what only one worker at a time may do, for a moment; wait for it.

        Raises
        ------
        UserError : it was not to be had in ten minutes, or cannot be written
        """
        until = time.monotonic() + _SECONDS_TO_WAIT
        while True:
            try:
                with contextlib.ExitStack() as stack:
                    stack.enter_context(hold(self.path / "lock"))
                    taken = stack.pop_all()
                break
            except Held:
                if time.monotonic() > until:
                    raise
                time.sleep(_SECONDS_BETWEEN_TRIES)
        with taken:
            yield

    @contextlib.contextmanager
    def claimed(self, number: int) -> Iterator[Lock]:
        """Hold a trial while the block runs.

        Raises
        ------
        Held : another worker has it
        UserError : it cannot be written
        """
        with hold(self.trials / f"{number:04d}.lock") as (lock, _):
            yield lock


def _is_as_good_as_empty(path: Path) -> bool:
    return not {one.name for one in path.iterdir()} - {"lock", "study.db", "workers"}
