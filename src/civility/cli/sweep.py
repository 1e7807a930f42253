"""``civility sweep``: train a recipe with many settings, and write the recipe of the best trial."""

import importlib.util
import os
import shlex
from argparse import SUPPRESS, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civility.cli.arguments import WholeNumber, add_recipe_changes, print_note_on_validation, recipe_changes
from civility.cli.console import make_console
from civility.cli.parser import add_command
from civility.errors import UserError
from civility.processes import processes_of

if TYPE_CHECKING:
    from civility.search.run_sweep import SweepTask


def add(commands: Any) -> None:
    """Add the command's options and help."""
    parser = add_command(
        commands,
        run,
        "Search for better settings: train a recipe many times with settings drawn from a space. Each trial is an "
        "ordinary run directory. Writes the complete recipe of the best trial (best.toml) and a page that shows which "
        "settings matter (sweep.html).",
        """\
a space file (TOML):
  [sweep]                        # how to search; each line may be left out
  sampler = "tpe"                # tpe, random or grid
  pruner = "median"              # stop trials worse than half of the others; or none
  warmup_epochs = 1              # never stop a trial before this epoch
  warmup_trials = 5              # nor before this many trials have finished
  random_trials = 10             # draw this many at random before tpe models the scores
  seed = 0

  [space]                        # what varies
  "training.learning_rate" = {low = 1e-5, high = 3e-4, log = true}
  "training.epochs" = {low = 2, high = 4}
  "regularization.layer_decay" = {low = 0.7, high = 1.0, step = 0.1}
  "training.loss" = ["bce", "weighted_bce", "focal"]

Repeat the command to resume an interrupted sweep: finished trials are kept, and interrupted ones resume from their last
checkpoint. A larger --trials extends a sweep.

Several workers: --jobs N on one machine, each on a GPU of its own if there are several. On several machines, run the
same command on each: with a shared disk, with the same --out; without one, with --storage and the same last part of
--out.

examples:
  civility sweep starter --space space.toml --out sweeps/first
  civility sweep baseline --data train.csv --space space.toml --trials 40 --jobs 2 --out sweeps/baseline
  civility train sweeps/first/best.toml
""",
    )
    parser.add_argument("recipe", metavar="RECIPE", help="shipped recipe or TOML file that all trials share")
    parser.add_argument("--space", required=True, metavar="FILE", help="TOML file: what varies, and how to search")
    parser.add_argument(
        "--trials",
        type=WholeNumber(1, 100_000),
        metavar="NUMBER",
        help="trials of the whole sweep, by all workers; default: 20, or every point of a grid",
    )
    parser.add_argument(
        "--jobs",
        type=WholeNumber(1, 256),
        default=1,
        metavar="NUMBER",
        help="workers on this machine; default: %(default)s",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the sweep, to write or to resume")
    parser.add_argument(
        "--storage", default="", metavar="URL", help="database of the study; default: an SQLite file in --out"
    )
    add_recipe_changes(parser)
    parser.add_argument("--worker", type=WholeNumber(1, 256), default=0, help=SUPPRESS)  # set by --jobs


def run(options: Namespace, command: list[str]) -> None:
    """Run the command."""
    if importlib.util.find_spec("optuna") is None:
        raise ModuleNotFoundError("optuna", name="optuna")
    if processes_of(os.environ).num > 1:
        found = "a sweep under a launcher of several processes, but a trial is trained by one process"
        remedy = "run the command without the launcher, and with --jobs NUMBER for several workers"
        raise UserError("cli.bad-usage", found, remedy=remedy)
    from civility.recipe import Recipe
    from civility.search.space import read_space
    from civility.search.sweep_directory import SweepDirectory

    changes = recipe_changes(options)
    recipe = Recipe.load(options.recipe, changes)
    space = read_space(Path(options.space), recipe)
    if not recipe.data.files:
        raise UserError("cli.no-training-data", "no training data", remedy="give --data FILE, or set data.files")
    # Imported last: torch takes seconds, and a mistake in a file is reported before.
    from civility.search.run_sweep import CommentCache, SweepTask, number_of_trials, sweep

    num_trials = number_of_trials(options.trials, space)
    task = SweepTask(recipe, space, SweepDirectory(Path(options.out)), num_trials, options.storage, command)
    if options.worker:
        parent = os.getppid()
        sweep(task, CommentCache(), is_orphan=lambda: os.getppid() != parent)  # prints nothing
    else:
        _run_sweep(task, options.jobs, command, changes)


def _run_sweep(task: "SweepTask", num_jobs: int, command: list[str], changes: dict[str, object]) -> None:
    """Train trials in this process, or in ``num_jobs`` workers, and print their progress and the result."""
    from civility.render.terminal.sweep_tables import SweepDisplay, print_result
    from civility.search.run_sweep import CommentCache, run_workers, sweep, watch_sweep

    console = make_console()
    console.print(f"{shlex.join(command[:3])} → {task.directory.path}\n")
    print_note_on_validation(console, task.recipe, changes)
    comments, display = CommentCache(), SweepDisplay(console)
    failure: UserError | None = None
    try:
        if num_jobs == 1:
            result = sweep(task, comments, listen=display.show)
        else:
            with watch_sweep(task, comments.get(task.recipe)) as current:
                failure = run_workers(
                    command[1:],
                    num_jobs,
                    task.directory,
                    resume_hint=task.resume_hint,
                    on_tick=lambda: display.show(current()),
                )
                result = current()
        display.show(result)
    finally:
        display.close()
    is_done = not result.num("unfinished") and len(result.trials) >= result.num_planned
    if failure is not None and not is_done:
        raise failure
    directory = task.directory
    print_result(console, result, str(directory.path), recipe=str(directory.best), page=str(directory.html))
