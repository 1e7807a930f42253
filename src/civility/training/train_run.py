"""Train: a recipe and comments become a run directory with a classifier in it.

A listener receives every event; the command line draws them.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from civility.data.dataset import Dataset, text_digests
from civility.data.prepare import PreparedData
from civility.engine.devices import check_tracker
from civility.engine.hardware import forget_peak_memory
from civility.errors import UserError
from civility.evaluation.perturb import changed_copies
from civility.metrics.policy import parse_policies
from civility.plain_text import count
from civility.recipe import Recipe
from civility.run import Begin, RunDirectory, check_place
from civility.training.build import Job, RunParts, build_run, planned
from civility.training.events import Listener, RunChecked, RunFinished
from civility.training.finalize import finish_run
from civility.training.open_run import checkpoint_facts
from civility.training.preflight import refuse_failed
from civility.training.resume import find_starting_point
from civility.training.session import Session
from civility.training.train_linear import check_linear, train_linear

Augment = Callable[[Dataset], Dataset]
"""Training comments -> those to train on, with the same labels; must return the same comments at every call."""


def train(  # noqa: PLR0913 - what to do, on what, where, and six options that most callers leave out
    recipe: Recipe,
    data: PreparedData,
    out: Path,
    *,
    command: Sequence[str] = (),
    tracker: str = "",
    begin: Begin = "new",
    profile: bool = False,
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
    profile : write where the time of some early steps goes, with a trace; not of a linear model
    listen : called with each `Event`, in the first process only
    augment : called with the training comments, returns those to train on; validation comments are left alone. Give
        the same function again to resume the run.

    Raises
    ------
    UserError : what the user can fix. Failed checks and wrong settings are reported before anything is written to
        ``out``; a full disk or a loss that is not finite, later
    Interrupted : SIGTERM or Ctrl-C; what was trained is saved
    """
    started = time.monotonic()
    forget_peak_memory()  # of an earlier run in this process
    run = RunDirectory(out)
    job = Job(recipe, augmented(recipe, data, augment), run, command, tracker, begin, profile, listen)
    if recipe.is_linear:
        train_linear(job)
        return run
    parts = _checked_parts(job, in_full=False)
    session, stopping = Session(parts), parts.stopping
    with session.open():
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

    Parameters and errors are those of `train`.
    """
    job = Job(recipe, augmented(recipe, data), RunDirectory(out), tracker=tracker, begin=begin, emit=listen)
    if recipe.is_linear:
        check_linear(job, in_full=True)
        return
    parts = _checked_parts(job, in_full=True)
    if begin == "resume" and parts.accelerator.is_main_process:
        find_starting_point(parts.run, checkpoint_facts(parts))


def _checked_parts(job: Job, *, in_full: bool) -> RunParts:
    """Build the parts of a run, and refuse it if a check failed; passed checks are shown too if ``in_full``."""
    check_place(job.run, job.begin)
    parse_policies(job.recipe.evaluation.policy, job.data.training.labels)  # a mistake must not wait for the end
    if job.tracker:
        check_tracker(job.tracker)
    parts = build_run(job)
    parts.emit(planned(parts))
    parts.emit(RunChecked(parts.checks, in_full=in_full))
    refuse_failed(parts.checks)
    return parts


def augmented(recipe: Recipe, data: PreparedData, augment: Augment | None = None) -> PreparedData:
    """Return the data with the training comments as recipe and caller augment them; ``data`` itself if neither does.

    ``augment`` is called with the training comments, changed copies included. Copies of validation comments are left
    out. This follows the split, since augmented comments cannot be read again from files.

    Raises
    ------
    UserError : an unknown perturbation, or ``augment`` returns other labels or no comments
    """
    training = data.training
    added, notes = data.added, data.notes
    if recipe.data.augmentation:
        settings = recipe.data
        copies = changed_copies(training, settings.augmentation, settings.augmentation_share, recipe.seed)
        added += (count(len(copies), "changed copy", "changed copies"),)
        training = training.joined(copies)
    if augment is not None:
        training = augment(training)
        _refuse_wrong_augmentation(training, data.training)
    if training is data.training:
        return data
    digests, before = text_digests(training.texts), text_digests(data.training.texts)
    is_leaked = np.isin(digests, text_digests(data.validation.texts)) & ~np.isin(digests, before)
    if num_left_out := int(is_leaked.sum()):
        training = training.select(np.flatnonzero(~is_leaked))
        notes += (f"{count(num_left_out, 'comment')} from augmentation left out: validation has equal ones",)
    return replace(data, training=training, original=data.training, notes=notes, added=added)


def _refuse_wrong_augmentation(found: Dataset, expected: Dataset) -> None:
    """Raise a UserError if augmentation returned other labels or groups, or no comments."""
    if (found.labels, found.group_names) != (expected.labels, expected.group_names):
        was, now = (
            f"labels {', '.join(data.labels)} and groups {', '.join(data.group_names) or 'none'}"
            for data in (expected, found)
        )
        remedy = "return a Dataset with the labels and groups of the one given"
        raise UserError("training.augment", f"augment: returned comments with {now}; they had {was}", remedy=remedy)
    if not len(found):
        remedy = "return the comments to train on, including those given"
        raise UserError("training.augment", "augment: returned no comments", remedy=remedy)
