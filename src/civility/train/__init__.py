"""Train: a recipe and data become a run directory with a classifier in it.

A story told to a listener, fact by fact: what is drawn of it is the command line's affair.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from civility.data.prepare import PreparedData
from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.train.doctor import refuse_failed
from civility.train.facts import EpochJudged, Listener, RunChecked, RunFinished
from civility.train.session import Session
from civility.training.loop import StepDone
from civility.training.stopping import EarlyStopping
from civility.training.trackers import check_tracker
from civility.training.watch import Warned

__all__ = ["train"]


def train(
    recipe: Recipe,
    data: PreparedData,
    out: Path,
    *,
    command: Sequence[str] = (),
    tracker: str = "",
    check_only: bool = False,
    listen: Listener = lambda fact: None,
) -> RunDirectory:
    """Train a classifier as the recipe says, and leave it in a run directory with its report.

    Under `accelerate launch` or `torchrun` every process calls this; the first one writes.

    Parameters
    ----------
    recipe : what to do
    data : the comments, from `civility.data.prepare.prepare`
    out : the run directory; must be empty or absent
    command : what the user typed, for the record
    tracker : "tensorboard", "wandb", "mlflow", "trackio" or none
    check_only : stop after the checks; nothing is written
    listen : told every `Fact` as it happens, on the first process only

    Raises
    ------
    UserError : whatever the user can mend, a failed check among it; nothing is left behind if it is found before
        the first step
    """
    started = time.monotonic()
    run = RunDirectory.at_free_place(out)
    if tracker:
        check_tracker(tracker)
    session = Session.start(recipe, data, run, tracker, listen)
    tell: Listener = listen if session.accelerator.is_main_process else lambda fact: None
    tell(session.planned())
    tell(RunChecked(session.checks, in_full=check_only))
    refuse_failed(session.checks)
    if check_only:
        return run
    session.start_on_disk(command, tracker)

    stopping = EarlyStopping(recipe.training.patience)
    for fact in session.facts(tell):
        if isinstance(fact, StepDone):
            tell(fact)
            if fact.step % recipe.training.log_every == 0:
                session.log({"kind": "step", **asdict(fact)}, fact.step)
            continue
        if isinstance(fact, Warned):
            tell(fact)
            session.log({"kind": "warning", **asdict(fact)}, fact.step)
            continue
        is_best = stopping.see(fact.epoch, fact.validation.macro_roc_auc)
        session.log({"kind": "epoch", **asdict(fact), "best": is_best}, fact.step)
        session.save_checkpoint(fact.step, is_best)
        tell(EpochJudged(fact, is_best))
        if stopping.should_stop:
            break

    report = session.finish(stopping)
    session.accelerator.end_training()
    if report is not None:
        stopped_early = stopping.last_epoch < recipe.training.epochs
        seconds = time.monotonic() - started
        tell(RunFinished(run, report, stopping.best_epoch, stopping.last_epoch, stopped_early, seconds))
    return run
