"""Train: a recipe and data become a run directory with a classifier in it.

A story told to a listener, fact by fact: what is drawn of it is the command line's affair.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from civility.data.prepare import PreparedData
from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.train import account
from civility.train.facts import EpochJudged, Listener, RunFinished
from civility.train.session import Session, StopWished
from civility.train.signals import StopSignals
from civility.training.loop import StepDone
from civility.training.trackers import check_tracker

__all__ = ["train"]


def train(
    recipe: Recipe,
    data: PreparedData,
    out: Path,
    *,
    command: Sequence[str] = (),
    tracker: str = "",
    resume: bool = False,
    listen: Listener = lambda fact: None,
) -> RunDirectory:
    """Train a classifier as the recipe says, and leave it in a run directory with its report.

    Under `accelerate launch` or `torchrun` every process calls this; the first one writes.

    Parameters
    ----------
    recipe : what to do
    data : the comments, from `civility.data.prepare.prepare`
    out : the run directory; must be empty or absent, unless it is to be gone on with
    command : what the user typed, for the record
    tracker : "tensorboard", "wandb", "mlflow", "trackio" or none
    resume : go on with the run in ``out`` from its last checkpoint; it ends as if it had never been interrupted
    listen : told every `Fact` as it happens, on the first process only

    Raises
    ------
    UserError : whatever the user can mend; nothing is left behind if it is found before the first step
    Interrupted : SIGTERM or Ctrl-C; what was trained is saved
    """
    started = time.monotonic()
    run = RunDirectory(out)
    (run.check_resumable if resume else run.check_free)()
    if tracker:
        check_tracker(tracker)
    session = Session.start(recipe, data, run, tracker, listen)
    with session.on_disk(command, tracker, resume):
        session.tell(account.planned(recipe, data, session.encoder, session.trainer, run))
        if not session.stopping.should_stop:
            _train_epochs(session)
        report = session.finish()
    session.accelerator.end_training()
    if report is not None:
        stopping = session.stopping
        stopped_early = stopping.last_epoch < recipe.training.epochs
        seconds = time.monotonic() - started
        session.tell(RunFinished(run, report, stopping.best_epoch, stopping.last_epoch, stopped_early, seconds))
    return run


def _train_epochs(session: Session) -> None:
    """Train from where the session stands until the last epoch, patience, or a signal to stop."""
    with StopSignals() as signals:
        try:
            for fact in session.trainer.run(lambda: session.validate(signals.wanted), signals.wanted):
                if isinstance(fact, StepDone):
                    session.tell(fact)
                    session.log_step(fact)
                    # Several processes have to stop after the same step, which the fact tells; one alone need not wait.
                    if fact.stop or (session.accelerator.num_processes == 1 and signals.wanted()):
                        raise StopWished
                    session.after_step()
                    continue
                is_best = session.stopping.see(fact.epoch, fact.validation.macro_roc_auc)
                session.log_epoch(fact, is_best)
                session.save_epoch(is_best)
                session.tell(EpochJudged(fact, is_best))
                if session.stopping.should_stop:
                    return
        except StopWished:
            raise session.stop(signals.number) from None
