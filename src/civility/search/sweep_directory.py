"""SweepDirectory: the files of a sweep, and the locks that its workers take.

The only module that knows the file names of a sweep.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from civility.documents.sweep_result import SweepResult
from civility.errors import UserError
from civility.plain_text import one_line, shown
from civility.recipe import Recipe
from civility.render.html.sweep_page import to_html
from civility.render.markdown.sweep_markdown import to_markdown
from civility.render.sentences.report_sentences import METRIC_WORDS
from civility.run import RunDirectory
from civility.search.space import with_settings
from civility.storage.atomic_files import explain_os_error, make_folder, write_file
from civility.storage.lock import Held, Lock, hold

_SECONDS_TO_WAIT = 600.0
_SECONDS_BETWEEN_TRIES = 0.05


class SweepDirectory:
    """The files of a sweep.

    While workers run, there are also a ``lock``, for moments, and a ``trials/0007.lock`` for each running trial.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.study = path / "study.db"
        """The study: an SQLite database of Optuna; not with --storage."""
        self.trials = path / "trials"
        """With the run directory of each trial, such as 0007."""
        self.best = path / "best.toml"
        """The complete recipe of the best trial."""
        self.json = path / "sweep.json"
        """The result so far, also as Markdown and as a page."""
        self.markdown = path / "sweep.md"
        self.html = path / "sweep.html"

    def create(self) -> None:
        """Create the directory, unless it exists; a UserError if it holds other files, or a newer civility's result."""
        if one_line(str(self.path)) != str(self.path):  # the URL of the study's database cannot hold it
            found, expected = f"--out {shown(str(self.path))}", "a UTF-8 name without control characters"
            raise UserError("search.bad-folder", found, expected=expected, remedy="choose another --out")
        with explain_os_error(self.path):
            found = ""
            if self.path.exists() and not self.path.is_dir():
                found = "not a folder"
            elif self.path.is_dir() and not self.trials.is_dir():
                others = {one.name for one in self.path.iterdir()} - {"lock", "study.db", "workers"}
                found = "not empty, and not the folder of a sweep" if others else ""
        if found:
            raise UserError("search.bad-folder", found, where=self.path, remedy="choose another --out")
        SweepResult.read_to_replace(self.json)  # a newer one is refused
        make_folder(self.path)

    @property
    def storage(self) -> str:
        """The URL of the study in this folder."""
        from sqlalchemy import URL

        # Not joined by hand: what follows a question mark in a path would be taken for options.
        return URL.create("sqlite", database=str(self.study)).render_as_string()

    def trial(self, number: int) -> RunDirectory:
        """Return the run directory of a trial."""
        return RunDirectory(self.trials / f"{number:04d}")

    def worker_log(self, number: int) -> Path:
        """Return the file for the output of a worker of --jobs."""
        return self.path / "workers" / f"{number}.log"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock of the sweep, for a moment; a UserError if another worker keeps it for ten minutes."""
        until = time.monotonic() + _SECONDS_TO_WAIT
        with contextlib.ExitStack() as held:
            while True:
                try:
                    held.enter_context(hold(self.path / "lock"))
                    break
                except Held:
                    if time.monotonic() > until:
                        raise
                    time.sleep(_SECONDS_BETWEEN_TRIES)
            yield

    @contextlib.contextmanager
    def claimed(self, number: int) -> Iterator[Lock]:
        """Hold the lock of a trial while the block runs; `Held` if another worker has it."""
        with hold(self.trials / f"{number:04d}.lock") as (lock, _):
            yield lock

    def write(self, result: SweepResult, recipe: Recipe) -> None:
        """Write the result, and the best settings in the recipe that all trials share, over the previous ones."""
        texts = {self.json: result.to_json(), self.markdown: to_markdown(result), self.html: to_html(result)}
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
