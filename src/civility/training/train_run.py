"""Train: a recipe and comments become a run directory with a classifier in it.

A listener receives every event; the command line draws them.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from civility.data.prepare import PreparedData
from civility.engine.devices import check_tracker
from civility.engine.hardware import forget_peak_memory
from civility.metrics.policy import parse_policies
from civility.recipe import Recipe
from civility.run import Begin, RunDirectory
from civility.training import provenance
from civility.training.augmentation import Augment, augmented
from civility.training.build import RunParts, build_run
from civility.training.events import Listener, RunChecked, RunFinished
from civility.training.finalize import finish_run
from civility.training.preflight import refuse_failed
from civility.training.resume import EarlierChoices, earlier_choices, find_starting_point
from civility.training.session import Session
from civility.training.train_linear import check_linear, train_linear


def train(  # noqa: PLR0913 - what to do, on what, where, and five options that most callers leave out
    recipe: Recipe,
    data: PreparedData,
    out: Path,
    *,
    command: Sequence[str] = (),
    tracker: str = "",
    begin: Begin = "new",
    listen: Listener = lambda event: None,
    augment: Augment | None = None,
) -> RunDirectory:
    """Train a classifier by a recipe, and write it to a run directory with its report.

    Under `accelerate launch` or `torchrun` every process calls this; the first one writes.

    Parameters
    ----------
    recipe : what to do
    data : the comments, from `civility.data.prepare.prepare`
    out : the run directory; must be empty or absent for a new run
    command : what the user typed, for the record
    tracker : "tensorboard", "wandb", "mlflow", "trackio" or none
    begin : "new"; "resume" to continue the run in ``out`` from its last checkpoint, so that it ends as if it had never
        been interrupted; or "restart" to put it aside and train in its place
    listen : called with each `Event`, in the first process only
    augment : called with the training comments, returns those to train on; validation comments are left alone. Give
        the same function again to resume the run.

    Raises
    ------
    UserError : what the user can fix, including a failed check; nothing is written before the first step
    Interrupted : SIGTERM or Ctrl-C; what was trained is saved
    """
    started = time.monotonic()
    forget_peak_memory()  # of an earlier run in this process
    run = RunDirectory(out)
    data = augmented(recipe, data, augment)
    if recipe.is_linear:
        train_linear(recipe, data, run, command=command, tracker=tracker, begin=begin, listen=listen)
        return run
    parts = _checked_parts(recipe, data, run, begin, tracker=tracker, listen=listen, in_full=False)
    session, stopping = Session(parts), parts.stopping
    with session.open(command, tracker, begin):
        if not stopping.should_stop:
            session.train_epochs()
        report = finish_run(session)
    parts.accelerator.end_training()
    if report is not None:
        stopped_early = stopping.last_epoch < recipe.training.epochs
        seconds = time.monotonic() - started
        parts.emit(RunFinished(run, report, stopping.best_epoch, stopping.last_epoch, stopped_early, seconds))
    return run


def check(
    recipe: Recipe,
    data: PreparedData,
    out: Path,
    *,
    begin: Begin = "new",
    tracker: str = "",
    listen: Listener = lambda event: None,
) -> None:
    """Do what `train` does before it takes the run directory, emit the outcome of the checks, and write nothing.

    Parameters
    ----------
    recipe, data, out, begin, tracker, listen : as of `train`

    Raises
    ------
    UserError : what the user can fix, including a failed check
    """
    run, data = RunDirectory(out), augmented(recipe, data)
    if recipe.is_linear:
        check_linear(recipe, data, run, tracker=tracker, begin=begin, listen=listen, in_full=True)
        return
    parts = _checked_parts(recipe, data, run, begin, tracker=tracker, listen=listen, in_full=True)
    if begin == "resume" and parts.accelerator.is_main_process:
        find_starting_point(run, provenance.checkpoint_facts(parts))


def _checked_parts(
    recipe: Recipe,
    data: PreparedData,
    run: RunDirectory,
    begin: Begin,
    *,
    tracker: str,
    listen: Listener,
    in_full: bool,
) -> RunParts:
    """Build the parts of a run, and refuse it if a check failed."""
    run.check_place(begin)
    parse_policies(recipe.evaluation.policy, data.training.labels)  # a mistake in it must not wait for the end
    if tracker:
        check_tracker(tracker)
    earlier = earlier_choices(run) if begin == "resume" else EarlierChoices()
    parts = build_run(recipe, data, run, tracker=tracker, earlier=earlier, listen=listen)
    parts.emit(provenance.planned(parts))
    parts.emit(RunChecked(parts.checks, in_full=in_full))
    refuse_failed(parts.checks)
    return parts
