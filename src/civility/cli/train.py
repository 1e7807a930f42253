"""``civility train``: a recipe and labelled comments become a run directory with a classifier in it."""

import contextlib
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from civility.cli.arguments import WholeNumber, add_recipe_changes, print_note_on_validation, recipe_changes
from civility.cli.console import make_console, print_notes
from civility.cli.messages import is_first_process
from civility.cli.parser import add_command
from civility.errors import UserError
from civility.render.terminal.layout import paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from civility.run import Begin, RunDirectory
    from civility.training.events import Listener
    from civility.training.repeats import ListenTo, Turn


def add(commands: Any) -> None:
    """Add the command's options and help."""
    parser = add_command(
        commands,
        run,
        "Fine-tune a transformer on labelled comments, or fit a linear model. Writes a run directory: the classifier "
        "of the best epoch, its report, the recipe, the log and the checkpoints.",
        """\
Data is CSV, TSV, JSON lines or Parquet, plain or as .gz, .zst or .zip: several files or a glob. The columns of the
Jigsaw challenges (2018, 2019, 2020) are detected. Name other columns in the recipe: data.text_column, data.labels, …

resume an interrupted run (killed, Ctrl-C, full disk, time limit):
  civility train --resume --out runs/baseline              with the recipe of that run
  civility train baseline --data train.csv --out runs/baseline --resume auto     in a job that restarts by itself

several runs, one after another; repeat the command with --resume to continue:
  civility train baseline --data train.csv --seeds 3       how much of a result is luck
  civility train baseline --data train.csv --folds 5       scores every comment with a run not trained on it

several devices:
  accelerate launch -m civility train baseline --data train.csv
  torchrun --nproc-per-node 2 -m civility train baseline --data train.csv

examples:
  civility train starter
  civility train fast --data train.csv                     a linear model, in minutes on one core
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
        help="shipped recipe (baseline, fast, starter, strong) or TOML file; default: baseline",
    )
    add_recipe_changes(parser)
    parser.add_argument(
        "--out", metavar="DIR", help="run directory to write; default: runs/RECIPE, numbered if it exists"
    )
    parser.add_argument(
        "--fit",
        action="store_true",
        help="choose micro-batch and gradient accumulation to fit the memory, by trial on a GPU, by an estimate on a "
        "CPU; the effective batch size is unchanged",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="show where the time of a training step goes, and write a trace to OUT/profile for ui.perfetto.dev",
    )
    parser.add_argument("--check", action="store_true", help="run the preflight checks only, and write nothing")
    parser.add_argument(
        "--tracker", default="", metavar="NAME", help="also log to tensorboard, wandb, mlflow or trackio"
    )
    resume = parser.add_argument_group("resuming")
    resume.add_argument(
        "--resume",
        nargs="?",
        const="yes",
        default="no",
        choices=("yes", "auto"),
        metavar="auto",
        help="resume the run in --out from its last checkpoint, with the same result as without the interruption; "
        "RECIPE may be left out. 'auto': start the run if there is none",
    )
    resume.add_argument(
        "--restart", action="store_true", help="start again in --out; the run there is renamed, not deleted"
    )
    several = parser.add_argument_group("several runs")
    several.add_argument(
        "--seeds",
        type=WholeNumber(1, 1000),
        default=0,
        metavar="NUMBER",
        help="train this many runs on one split, with consecutive seeds from the recipe's: OUT/seed-42, …; not "
        "for a linear model, which has no seed",
    )
    several.add_argument(
        "--folds",
        type=WholeNumber(1, 100),
        default=0,
        metavar="NUMBER",
        help="cross-validation: split the comments into this many folds, and train a run for each on the others: "
        "OUT/fold-1, …; also writes the out-of-fold scores of all comments",
    )


def run(options: Namespace, command: list[str]) -> None:
    """Run the command."""
    if options.profile and (options.check or options.seeds or options.folds):
        raise UserError(
            "cli.conflicting-options",
            "--profile is for a single run, and excludes --check, --seeds and --folds",
            remedy="leave out one of them",
        )
    if options.seeds or options.folds:
        _run_several(options, command)
    else:
        _run_one(options, command)


def _run_one(options: Namespace, command: list[str]) -> None:
    from civility.cli.training_display import TrainingDisplay
    from civility.data.prepare import prepare
    from civility.run import check_place
    from civility.training.launch import DEFAULT_RECIPE, choose_recipe

    run, begin = _place(options)
    console = make_console()
    check_place(run, begin)  # before minutes of reading
    recipe = choose_recipe(options.recipe, _changes(options), None if begin == "new" else run)
    if options.profile and recipe.is_linear:
        raise UserError(
            "cli.conflicting-options",
            "--profile: a linear model is not trained in steps",
            remedy="leave out --profile, or name the recipe of an encoder",
        )
    if begin == "resume" and run.is_finished:
        from civility.training.resume import check_unchanged

        why_not_compared = check_unchanged(run, recipe)
        same = "settings" if why_not_compared else "settings and comments"
        paragraph(console, f"{run.path}: already finished with the same {same}; nothing to resume", indent=0)
        print_notes(console, [why_not_compared] if why_not_compared else [])
        return
    if is_first_process():
        words = (options.recipe or DEFAULT_RECIPE,) if begin == "new" else (options.recipe, f"--{begin}")
        console.print(" ".join(filter(None, ("civility train", *words))) + "\n")
        print_note_on_validation(console, recipe, _changes(options))
    data = prepare(recipe.wanted)
    # Imported last: torch takes seconds, and a mistake in a file is reported before.
    from civility.training.train_run import check, train

    display = TrainingDisplay(console)
    try:
        if options.check:
            check(recipe, data, run.path, begin=begin, tracker=options.tracker, listen=display.listen)
            return
        train(
            recipe,
            data,
            run.path,
            command=command,
            tracker=options.tracker,
            begin=begin,
            profile=options.profile,
            listen=display.listen,
        )
    finally:
        display.close()


def _run_several(options: Namespace, command: list[str]) -> None:
    from civility.cli.training_display import print_out_of_fold, print_summary
    from civility.data.prepare import prepare_all
    from civility.run import repeats_folder
    from civility.training.launch import choose_recipe

    repeats_folder.refuse_seeds_with_folds(options.seeds, options.folds)
    if options.folds and options.validation:
        raise UserError(
            "cli.conflicting-options",
            "--validation and --folds exclude each other: each run is validated on a fold",
            remedy="leave one of them out",
        )
    place, begin = _place(options, "-seeds" if options.seeds else "-folds")
    folder = repeats_folder.RepeatsFolder(place.path)
    folder.check_place(begin)
    recipe = choose_recipe(options.recipe, _changes(options), None if begin == "new" else folder.first_run())
    console = make_console()
    if options.seeds:
        print_note_on_validation(console, recipe, _changes(options))
        members = repeats_folder.repeats_with_seeds(recipe, options.seeds)
    else:
        members = repeats_folder.repeats_on_folds(recipe, options.folds)
    data = prepare_all([member.recipe.wanted for member in members])
    # Imported last: torch takes seconds.
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
        print_out_of_fold(console, done.report, folder.out_of_fold, done.files.html)


@contextlib.contextmanager
def _listening_to_each(console: "Console") -> "Iterator[ListenTo]":
    """Yield a function that is called before each run, and returns the display of that run."""
    from civility.cli.training_display import TrainingDisplay, print_turn

    open_displays = contextlib.ExitStack()

    def listen_to(turn: "Turn") -> "Listener":
        open_displays.close()
        print_turn(console, turn)
        display = TrainingDisplay(console, suggests=False)
        open_displays.callback(display.close)
        return display.listen

    with open_displays:
        yield listen_to


def _place(options: Namespace, ending: str = "") -> "tuple[RunDirectory, Begin]":
    from civility.training.launch import DEFAULT_RECIPE, choose_place

    if options.resume != "no" and options.restart:
        raise UserError(
            "cli.conflicting-options",
            "--resume and --restart exclude each other",
            remedy="give --resume to continue the run in --out, or --restart to start it again",
        )
    recipe = options.recipe or DEFAULT_RECIPE
    return choose_place(recipe, options.out, options.resume, restart=options.restart, ending=ending)


def _changes(options: Namespace) -> dict[str, object]:
    """Return what the options change in the recipe, ``{"section.key": value}``."""
    changes = recipe_changes(options)
    if options.fit:
        changes["training.fit"] = True
    return changes
