"""``civility sweep``: a recipe and a space become many runs, and the recipe of the best."""

import importlib.util
import os
import shlex
from argparse import SUPPRESS, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civility.cli.arguments import WholeNumber, add_recipe_changes, add_verb, print_note_on_validation, recipe_changes
from civility.errors import UserError
from civility.processes import processes_of

if TYPE_CHECKING:
    from civility.documents.sweep_result import SweepResult
    from civility.search.run_sweep import Task


def add(verbs: Any) -> None:
    """Add the verb's options and help."""
    parser = add_verb(
        verbs,
        "sweep",
        run,
        "Train a recipe many times, with settings drawn from a space, and leave the best recipe: each trial an "
        "ordinary run\ndirectory, a page that shows what mattered, and best.toml, complete.",
        """\
a space file (TOML):
  [sweep]                        # all of it may be left out
  sampler = "tpe"                # tpe · random · grid
  pruner = "median"              # none = every trial is trained to its end
  warmup_epochs = 1              # epochs that every trial is given
  warmup_trials = 5              # finished trials before any is stopped
  random_trials = 10             # that tpe draws at random before it models
  seed = 0

  [space]
  "training.learning_rate" = {low = 1e-5, high = 3e-4, log = true}
  "training.epochs" = {low = 2, high = 4}
  "regularization.layer_decay" = {low = 0.7, high = 1.0, step = 0.1}
  "training.loss" = ["bce", "weighted_bce", "focal"]

interrupted (killed, Ctrl-C, a time limit), or to be longer: the same command again goes on; finished trials are kept,
cut ones resume from their last checkpoint, and a larger --trials adds to them.

several workers: --jobs N on one machine (each gets a GPU of its own, where there are several); or the same command on
several machines that share the disk of --out; or, with --storage, on machines that share a database and not the disk,
with the same last part of --out.

examples:
  civility sweep starter --space space.toml --out sweeps/first
  civility sweep baseline --data train.csv --space space.toml --trials 40 --jobs 2 --out sweeps/baseline
  civility train sweeps/first/best.toml
""",
    )
    parser.add_argument("recipe", metavar="RECIPE", help="a shipped recipe or a TOML file: what all trials share")
    parser.add_argument("--space", required=True, metavar="FILE", help="what varies, and how it is searched")
    parser.add_argument(
        "--trials",
        type=WholeNumber(1, 100_000),
        metavar="N",
        help="of the whole study, whoever trains them; default: 20, or all of a grid",
    )
    parser.add_argument("--jobs", type=WholeNumber(1, 256), default=1, metavar="N", help="workers here; default: 1")
    parser.add_argument("--out", required=True, metavar="DIR", help="the sweep's folder, new or to be gone on with")
    parser.add_argument(
        "--storage", default="", metavar="URL", help="a database for the study; default: SQLite in --out"
    )
    add_recipe_changes(parser)
    # Of the processes that --jobs starts; nobody types it.
    parser.add_argument("--worker", type=WholeNumber(1, 256), default=0, help=SUPPRESS)


def run(options: Namespace, command: list[str]) -> None:
    """Run the verb."""
    if importlib.util.find_spec("optuna") is None:
        raise UserError("cli.todo", "this needs optuna, which is not installed", remedy="pip install 'civility[sweep]'")
    if processes_of(os.environ).num > 1:
        raise UserError(
            "cli.todo",
            "a sweep under a launcher of several processes: each trial is trained by one",
            remedy="leave the launcher out, and give --jobs N for several workers",
        )
    from civility.recipe import Recipe
    from civility.search.space import read_space
    from civility.search.sweep_directory import SweepDirectory

    changes = recipe_changes(options)
    recipe = Recipe.load(options.recipe, changes)
    space = read_space(Path(options.space), recipe)
    if not recipe.data.files:
        raise UserError("cli.todo", "no training data", remedy="give --data FILE, or data.files in the recipe")
    # Last of all, since torch takes seconds to import: a mistake in a file must not wait for it.
    from civility.search.run_sweep import Task, number_of_trials

    num_trials = number_of_trials(options.trials, space)
    task = Task(recipe, space, SweepDirectory(Path(options.out)), num_trials, options.storage, command)
    if options.worker:
        _work(task)
    else:
        _lead(task, options.jobs, command, changes)


def _work(task: "Task") -> None:
    """Be one of the processes of --jobs: train, and leave the drawing to who has started it."""
    from civility.search.run_sweep import Comments, sweep

    parent = os.getppid()
    sweep(task, Comments(), is_orphan=lambda: os.getppid() != parent)


def _lead(task: "Task", num_jobs: int, command: list[str], changes: dict[str, object]) -> None:
    from civility.cli.console import make_console
    from civility.render.terminal.sweep_tables import SweepDisplay, print_result
    from civility.search.run_sweep import Comments, sweep, watching
    from civility.search.workers import run_workers

    console = make_console()
    console.print(f"{shlex.join(command[:3])} → {task.directory.path}\n")
    print_note_on_validation(console, task.recipe, changes)
    comments, display = Comments(), SweepDisplay(console)
    trouble: UserError | None = None
    try:
        if num_jobs == 1:
            result = sweep(task, comments, listen=display.show)
        else:
            with watching(task, comments.of(task.recipe)) as look:
                trouble = run_workers(
                    command[1:],
                    num_jobs,
                    task.directory,
                    how_to_go_on=task.how_to_go_on,
                    on_look=lambda: display.show(look()),
                )
                result = look()
        display.show(result)
    finally:
        display.close()
    if trouble is not None and _is_open(result):
        raise trouble
    directory = task.directory
    print_result(console, result, str(directory.path), recipe=str(directory.best), page=str(directory.html))


def _is_open(result: "SweepResult") -> bool:
    return bool(result.num("unfinished")) or len(result.trials) < result.num_planned
