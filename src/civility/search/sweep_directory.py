"""SweepDirectory: the files of a sweep, and the locks that its workers take.

The only module that knows the file names of a sweep.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from civility.documents.sweep_result import METRIC_WORDS, SweepResult
from civility.errors import UserError
from civility.plain_text import one_line, shown
from civility.recipe import Recipe
from civility.render.html.sweep_page import to_html
from civility.render.markdown.sweep_markdown import to_markdown
from civility.run import RunDirectory
from civility.search.space import with_settings
from civility.storage.atomic_files import explain_os_error, make_folder, write_file
from civility.storage.lock import Held, Lock, hold

_SECONDS_TO_WAIT = 600.0
_SECONDS_BETWEEN_TRIES = 0.05


@dataclass(frozen=True)
class SweepDirectory:
    """The files of a sweep.

    ::

        study.db            the study: an SQLite database of Optuna; not with --storage
        trials/0007/        the run directory of a trial
        best.toml           the complete recipe of the best trial
        sweep.json, .md, .html    the result so far
        workers/            the output of the workers of --jobs

    While workers run, there are also a ``lock``, for moments, and a ``trials/0007.lock`` for each running trial.
    """

    path: Path

    def create(self) -> None:
        """Create the directory, unless it exists.

        Raises
        ------
        UserError : it is a file, or a folder with other content; no permission; its result was written by a newer
            civility
        """
        if one_line(str(self.path)) != str(self.path):  # the URL of the study's database cannot hold it
            raise UserError(
                "search.bad-folder",
                f"--out {shown(str(self.path))}",
                expected="a UTF-8 name without control characters",
                remedy="choose another --out",
            )
        with explain_os_error(self.path):
            found = ""
            if self.path.exists() and not self.path.is_dir():
                found = "not a folder"
            elif self.path.is_dir() and not self.trials.is_dir() and not _is_almost_empty(self.path):
                found = "not empty, and not the folder of a sweep"
        if found:
            raise UserError("search.bad-folder", found, where=self.path, remedy="choose another --out")
        SweepResult.read_to_replace(self.json)  # a newer one is refused
        make_folder(self.path)

    @property
    def study(self) -> Path:
        """The database of the study; not with --storage."""
        return self.path / "study.db"

    @property
    def storage(self) -> str:
        """The URL of the study in this folder."""
        from sqlalchemy import URL

        # Not joined by hand: what follows a question mark in a path would be taken for options.
        return URL.create("sqlite", database=str(self.study)).render_as_string()

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
        """The result as JSON."""
        return self.path / "sweep.json"

    @property
    def markdown(self) -> Path:
        """The result as Markdown."""
        return self.path / "sweep.md"

    @property
    def html(self) -> Path:
        """The result as a page."""
        return self.path / "sweep.html"

    def worker_log(self, number: int) -> Path:
        """Return the file for the output of a worker."""
        return self.path / "workers" / f"{number}.log"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock of the sweep, for a moment, once the other workers have released it.

        Raises
        ------
        UserError : it was not released within ten minutes, or cannot be written
        """
        until = time.monotonic() + _SECONDS_TO_WAIT
        while True:
            try:
                with contextlib.ExitStack() as stack:
                    stack.enter_context(hold(self.path / "lock"))
                    held = stack.pop_all()
                break
            except Held:
                if time.monotonic() > until:
                    raise
                time.sleep(_SECONDS_BETWEEN_TRIES)
        with held:
            yield

    @contextlib.contextmanager
    def claimed(self, number: int) -> Iterator[Lock]:
        """Hold the lock of a trial while the block runs.

        Raises
        ------
        Held : another worker has it
        UserError : it cannot be written
        """
        with hold(self.trials / f"{number:04d}.lock") as (lock, _):
            yield lock

    def write(self, result: SweepResult, recipe: Recipe) -> None:
        """Write the result, and the recipe of the best trial, over the previous ones.

        Parameters
        ----------
        recipe : what all trials share

        Raises
        ------
        UserError : no permission, no space
        """
        texts = {
            self.json: result.to_json(),
            self.markdown: to_markdown(result),
            self.html: to_html(result),
        }
        if result.ranked:
            texts[self.best] = _best_recipe(result, recipe)
        for path, text in texts.items():
            with write_file(path) as file:
                file.write(text)


def _best_recipe(result: SweepResult, recipe: Recipe) -> str:
    """Return the recipe of the best trial as TOML, with every setting; a trial must have finished."""
    best = result.ranked[0]
    score = f"{METRIC_WORDS[result.metric]} {best.best:.4f}"
    epoch = f" in epoch {best.best_epoch}" if best.best_epoch else ""
    return (
        f"# The best of {len(result.ranked)} finished trials of the sweep {result.name}: trial {best.number:04d}, "
        f"{score}{epoch}.\n"
        "# It was chosen on the comments that it is scored on, so the score is optimistic: see sweep.md.\n\n"
        + with_settings(recipe, best.settings, "the best trial").to_toml()
    )


def _is_almost_empty(path: Path) -> bool:
    return not {one.name for one in path.iterdir()} - {"lock", "study.db", "workers"}
