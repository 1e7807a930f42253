"""Train: a recipe and data become a run directory with a classifier in it.

A story told to a listener, fact by fact: what is drawn of it is the command line's affair.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from civility.data.prepare import PreparedData
from civility.engine.devices import check_tracker
from civility.engine.hardware import forget_peak_memory
from civility.engine.progress import StepDone
from civility.engine.validation import StopRequested
from civility.engine.watch import Warned
from civility.metrics.policy import parse_policies
from civility.recipe import Recipe
from civility.run import Begin, RunDirectory
from civility.training.augmentation import Augment, augmented
from civility.training.events import EpochJudged, Listener, RunChecked, RunFinished
from civility.training.linear_run import check_linear, train_linear
from civility.training.preflight import refuse_failed
from civility.training.resume import Former, former_of
from civility.training.session import Session
from civility.training.stop_signals import StopSignals

__all__ = ["check", "train"]


def train(  # noqa: PLR0913 - what to do, on what, where, and five things that most callers leave out
    recipe: Recipe,
    data: PreparedData,
    out: Path,
    *,
    command: Sequence[str] = (),
    tracker: str = "",
    begin: Begin = "new",
    listen: Listener = lambda fact: None,
    augment: Augment | None = None,
) -> RunDirectory:
    """Train a classifier as the recipe says, and leave it in a run directory with its report.

    Under `accelerate launch` or `torchrun` every process calls this; the first one writes.

    Parameters
    ----------
    recipe : what to do
    data : the comments, from `civility.data.prepare.prepare`
    out : the run directory; must be empty or absent for a new run
    command : what the user typed, for the record
    tracker : "tensorboard", "wandb", "mlflow", "trackio" or none
    begin : "new"; "resume" to go on with the run in ``out`` from its last checkpoint, so that it ends as if it had
        never been interrupted; or "restart" to put it aside and train in its place
    listen : told every `Fact` as it happens, on the first process only
    augment : training comments -> those to train on in their place: after the split, never in validation. A run is
        gone on with by giving the same one again.

    Raises
    ------
    UserError : whatever the user can mend, a failed check among it; nothing is left behind if it is found before
        the first step
    Interrupted : SIGTERM or Ctrl-C; what was trained is saved
    """
    started = time.monotonic()
    forget_peak_memory()  # of what this process did before, as another run
    run = RunDirectory(out)
    data = augmented(recipe, data, augment)
    if recipe.is_linear:
        train_linear(recipe, data, run, command=command, tracker=tracker, begin=begin, listen=listen)
        return run
    session = _checked_session(recipe, data, run, begin, tracker=tracker, listen=listen, in_full=False)
    with session.on_disk(command, tracker, begin):
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


def check(
    recipe: Recipe,
    data: PreparedData,
    out: Path,
    *,
    begin: Begin = "new",
    tracker: str = "",
    listen: Listener = lambda fact: None,
) -> None:
    """Do what `train` does before it takes the run directory, tell what the checks found, and write nothing.

    Raises
    ------
    UserError : whatever the user can mend, a failed check among it
    """
    data = augmented(recipe, data)
    if recipe.is_linear:
        check_linear(recipe, data, RunDirectory(out), tracker=tracker, begin=begin, listen=listen, in_full=True)
        return
    session = _checked_session(recipe, data, RunDirectory(out), begin, tracker=tracker, listen=listen, in_full=True)
    if begin == "resume":
        session.check_resumable()


def _checked_session(
    recipe: Recipe,
    data: PreparedData,
    run: RunDirectory,
    begin: Begin,
    *,
    tracker: str,
    listen: Listener,
    in_full: bool,
) -> Session:
    """Put a run together, and refuse it if a check failed."""
    run.check_place(begin)
    parse_policies(recipe.evaluation.policy, data.training.labels)  # a mistake in it must not wait for the end
    if tracker:
        check_tracker(tracker)
    former = former_of(run) if begin == "resume" else Former()
    session = Session.start(recipe, data, run, tracker=tracker, former=former, listen=listen)
    session.tell(session.planned())
    session.tell(RunChecked(session.checks, in_full=in_full))
    refuse_failed(session.checks)
    return session


def _train_epochs(session: Session) -> None:
    """Train from where the session stands until the last epoch, patience, or a signal to stop."""
    with StopSignals() as signals, session.trainer.precision.training():
        try:
            for fact in session.facts(signals.wanted):
                if isinstance(fact, Warned):
                    session.tell(fact)
                    session.log_warning(fact)
                    continue
                if isinstance(fact, StepDone):
                    session.tell(fact)
                    session.log_step(fact)
                    # Several processes have to stop after the same step, which the fact tells; one alone need not wait.
                    if fact.stop or (session.accelerator.num_processes == 1 and signals.wanted()):
                        raise StopRequested
                    session.after_step()
                    continue
                is_best = session.judge(fact)
                session.log_epoch(fact, is_best)
                session.save_epoch(is_best)
                session.tell(EpochJudged(fact, is_best))
                if session.stopping.should_stop:
                    return
        except StopRequested:
            raise session.stop(signals.number) from None
