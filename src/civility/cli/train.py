"""``civility train``: a recipe and labelled comments become a run directory with a classifier in it."""

import contextlib
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civility.cli.arguments import WholeNumber, add_recipe_changes, add_verb, print_note_on_validation, recipe_changes
from civility.cli.messages import is_first_process
from civility.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from civility.recipe import Recipe
    from civility.run import Begin, RunDirectory
    from civility.training.events import Fact, Listener
    from civility.training.repeats import ListenTo, Turn

_DEFAULT_RECIPE = "baseline"


def add(verbs: Any) -> None:
    """Add the verb's options and help."""
    parser = add_verb(
        verbs,
        "train",
        run,
        "Fine-tune a transformer on labelled comments, or fit a linear model, and leave a run directory: the best "
        "epoch's\nclassifier, its report, the recipe, the log and the checkpoints.",
        """\
data:
  CSV, TSV, JSONL or Parquet, plain or .gz, .zst, .zip; several files or a glob. The columns of the Jigsaw
  challenges (2018, 2019, 2020) are recognised; name any others in the recipe (data.text_column, data.labels, …).

a run that was interrupted (killed, Ctrl-C, a full disk, a time limit):
  civility train --resume --out runs/baseline              by the recipe of that run
  civility train baseline --data train.csv --out runs/baseline --resume auto     in a job that is started again

several runs, one after another in folders of --out; repeated with --resume, the command goes on where it was cut:
  civility train baseline --data train.csv --seeds 3       one split, three seeds: how much of a result is luck
  civility train baseline --data train.csv --folds 5       every comment scored by a run that was not trained on it

several devices:
  accelerate launch -m civility train baseline --data train.csv
  torchrun --nproc-per-node 2 -m civility train baseline --data train.csv

examples:
  civility train starter
  civility train fast --data train.csv                     in minutes, on one core: what an encoder has to beat
  civility train baseline --data train.csv --check
  civility train baseline --data train.csv --fit
  civility train baseline --data train.csv --set training.epochs=3 --set training.precision=bf16
  civility train baseline --data train.csv --validation 0.05 --model ./mdeberta-v3-base --out runs/first
  civility train baseline --data mine.jsonl --set 'data.labels=["rude", "spam"]' --set data.text_column=body
""",
    )
    parser.add_argument(
        "recipe",
        nargs="?",
        metavar="RECIPE",
        help="a shipped recipe (baseline, fast, starter, strong) or a TOML file; default: baseline",
    )
    add_recipe_changes(parser)
    parser.add_argument("--out", metavar="DIR", help="the run directory; default: runs/RECIPE, numbered if taken")
    parser.add_argument(
        "--fit",
        action="store_true",
        help="choose micro-batch and gradient accumulation by the memory there is: by trying on a GPU, by an estimate "
        "on a CPU; the effective batch size is unchanged",
    )
    parser.add_argument(
        "--seeds",
        type=WholeNumber(1, 1000),
        default=0,
        metavar="NUMBER",
        help="train so many runs, with the recipe's seed and those after it, on one split: OUT/seed-42, …",
    )
    parser.add_argument(
        "--folds",
        type=WholeNumber(1, 100),
        default=0,
        metavar="NUMBER",
        help="cut the comments into so many folds, and train a run for each on the others: OUT/fold-1, …; writes the "
        "scores of all comments, each by the run that was not trained on it",
    )
    parser.add_argument("--check", action="store_true", help="stop after the checks, and write nothing")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="yes",
        default="no",
        choices=("yes", "auto"),
        metavar="auto",
        help="go on with the run in --out from its last checkpoint, as if it had never stopped; without RECIPE: by the "
        "recipe of that run. 'auto': start it if there is none",
    )
    parser.add_argument(
        "--restart", action="store_true", help="begin again in --out; what is there is renamed, not deleted"
    )
    parser.add_argument(
        "--tracker", default="", metavar="NAME", help="also log to tensorboard, wandb, mlflow or trackio"
    )


def run(options: Namespace, command: list[str]) -> None:
    """Run the verb."""
    if options.seeds or options.folds:
        _run_several(options, command)
    else:
        _run_one(options, command)


def _run_one(options: Namespace, command: list[str]) -> None:
    from civility.cli.console import make_console, print_notes
    from civility.cli.training_display import TrainingDisplay
    from civility.data.prepare import prepare
    from civility.render.terminal.layout import paragraph

    run = _run_directory(options)
    begin = _beginning(options, run)
    console = make_console()
    run.check_place(begin)  # told before minutes of reading, not after
    recipe = _recipe(options, None if begin == "new" else run)
    if begin == "resume" and run.is_finished:
        from civility.training.finished_run import check_unchanged

        why_not_compared = check_unchanged(run, recipe)
        same = "settings" if why_not_compared else "settings and comments"
        paragraph(console, f"{run.path}: this run is finished, with the same {same}: nothing to resume", indent=0)
        print_notes(console, [why_not_compared] if why_not_compared else [])
        return
    if is_first_process():
        words = ["civility train", options.recipe or "", f"--{begin}"]
        if begin == "new":
            words = ["civility train", options.recipe or _DEFAULT_RECIPE]
        console.print(" ".join(word for word in words if word) + "\n")
        print_note_on_validation(console, recipe, _changes(options))
    data = prepare(recipe.wanted)
    # Last of all, since torch takes seconds to import: a mistake in a file must not wait for it.
    from civility.training.train_run import check, train

    display = TrainingDisplay(console)
    try:
        if options.check:
            check(recipe, data, run.path, begin=begin, tracker=options.tracker, listen=display.listen)
            return
        listen = _while_somebody_reads(display.listen)
        train(recipe, data, run.path, command=command, tracker=options.tracker, begin=begin, listen=listen)
    finally:
        display.close()


def _run_several(options: Namespace, command: list[str]) -> None:
    from civility.cli.console import make_console
    from civility.cli.training_display import print_out_of_fold, print_summary
    from civility.data.prepare import prepare_all
    from civility.recipe.repeats import refuse_both, repeats_on_folds, repeats_with_seeds
    from civility.run.repeats_folder import check_place_of_several, first_member

    refuse_both(options.seeds, options.folds)
    if options.folds and options.validation:
        raise UserError(
            "cli.todo", "--validation with --folds: the folds are what is validated on", remedy="leave one of them out"
        )
    place = _run_directory(options, "-seeds" if options.seeds else "-folds")
    begin = _beginning(options, place)
    check_place_of_several(place.path, begin)
    recipe = _recipe(options, None if begin == "new" else first_member(place.path))
    console = make_console()
    if options.seeds:
        print_note_on_validation(console, recipe, _changes(options))
    members = repeats_with_seeds(recipe, options.seeds) if options.seeds else repeats_on_folds(recipe, options.folds)
    data = prepare_all([member.recipe.wanted for member in members])
    # Last of all, since torch takes seconds to import.
    from civility.training.repeats import check_several, train_several

    with _listening_to_each(console) as listen_to:
        if options.check:
            check_several(members, data, place.path, tracker=options.tracker, begin=begin, listen_to=listen_to)
            return
        done = train_several(
            members, data, place.path, command=command, tracker=options.tracker, begin=begin, listen_to=listen_to
        )
    print_summary(console, done.summary)
    if done.report is not None and done.files is not None:
        print_out_of_fold(console, done.report, place.path / "out-of-fold.parquet", done.files.html)


@contextlib.contextmanager
def _listening_to_each(console: "Console") -> "Iterator[ListenTo]":
    """Give a function that is told whose turn it is, and returns what draws that run in the place of the last one."""
    from civility.cli.training_display import TrainingDisplay, print_turn

    open_displays = contextlib.ExitStack()

    def listen_to(turn: "Turn") -> "Listener":
        open_displays.close()
        print_turn(console, turn)
        display = TrainingDisplay(console, suggests=False)
        open_displays.callback(display.close)
        return _while_somebody_reads(display.listen)

    with open_displays:
        yield listen_to


def _while_somebody_reads(listen: "Listener") -> "Listener":
    """Return a listener that falls silent when the screen is gone: a run outlives the `tee` that it is piped into."""

    def guarded(fact: "Fact") -> None:
        try:
            listen(fact)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return guarded


def _run_directory(options: Namespace, ending: str = "") -> "RunDirectory":
    """Return where the run of a `train` command is, or is to be; ``ending`` is of the name, if none is given."""
    from civility.run import RunDirectory

    if options.resume != "no" and options.restart:
        raise UserError(
            "cli.todo", "--resume and --restart exclude each other", remedy="--resume goes on, --restart begins again"
        )
    if options.out:
        return RunDirectory(Path(options.out))
    runs, name = Path("runs"), Path(options.recipe or _DEFAULT_RECIPE).stem + ending
    goes_on = options.resume != "no" or options.restart
    return RunDirectory(RunDirectory.newest(runs, name) if goes_on else RunDirectory.next_free(runs, name))


def _beginning(options: Namespace, run: "RunDirectory") -> "Begin":
    if options.restart:
        return "restart"
    return "resume" if options.resume == "yes" or (options.resume == "auto" and run.is_begun) else "new"


def _recipe(options: Namespace, before: "RunDirectory | None") -> "Recipe":
    """Return the recipe of a `train` command: that of the run in its place if it names none, else with its data."""
    from civility.recipe import Recipe

    changes = _changes(options)
    if before is None or not before.recipe.is_file():
        return Recipe.load(options.recipe or _DEFAULT_RECIPE, changes)
    if not options.recipe:
        return Recipe.load(str(before.recipe), changes)
    recipe = Recipe.load(options.recipe, changes)
    if recipe.data.files:
        return recipe
    data = Recipe.load(str(before.recipe)).data
    own = {"data.files": list(data.files), "data.validation": _listed(data.validation)}
    return Recipe.load(options.recipe, {**own, **changes})


def _listed(value: "float | tuple[str, ...]") -> float | list[str]:
    return list(value) if isinstance(value, tuple) else value


def _changes(options: Namespace) -> dict[str, object]:
    """Return what the options of `train` change in the recipe, ``{"section.key": value}``."""
    changes = recipe_changes(options)
    if options.fit:
        changes["training.fit"] = True
    return changes
