"""One trial: an ordinary training run in its own directory, followed epoch by epoch, and stopped if it is pruned."""

import errno
import gc
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from civility.data.prepare import PreparedData
from civility.documents.run_environment import PrunedTrial
from civility.engine.devices import give_back_memory, is_out_of_memory
from civility.engine.progress import StepDone
from civility.errors import UserError
from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.search.study import Claim
from civility.storage.parsing import read_json
from civility.training.events import EpochJudged, Event, RunPlanned, RunResumed
from civility.training.train_run import train

_SECONDS_BETWEEN_RECORDS = 5.0
_MACHINE_ERRORS = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE)
)


class _Pruned(Exception):
    """The trial is not promising: it ends after this epoch, from 1, whose checkpoint is written."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"pruned after epoch {epoch}")
        self.epoch = epoch


@dataclass
class _TrialListener:
    """Records the progress of a trial's run in the study, and stops the run."""

    claim: Claim
    metric: str
    wants_stop: Callable[[], bool]
    on_record: Callable[[], None]
    _plan: RunPlanned | None = None
    _steps_per_epoch: int = 0
    _recorded: float = 0.0
    _seconds_of_steps: list[float] = field(default_factory=list)
    _asked: bool = False

    def listen(self, fact: Event) -> None:
        """Take an event of the run; raise `_Pruned` after an epoch with a poor score."""
        self.claim.lock.sign()
        if isinstance(fact, RunPlanned):
            self._plan, self._steps_per_epoch = fact, fact.steps_per_epoch
            self._record(0)
        elif isinstance(fact, RunResumed):
            self._steps_per_epoch = fact.steps_per_epoch
            self._record(fact.steps_done)
        elif isinstance(fact, StepDone):
            self._after_step(fact)
        elif isinstance(fact, EpochJudged):
            self._record(fact.epoch.step)
            pruned = self.claim.report(fact.epoch.epoch, float(vars(fact.epoch.validation)[self.metric]))
            self.on_record()
            if pruned and self._plan is not None and fact.epoch.epoch < self._plan.epochs:
                raise _Pruned(fact.epoch.epoch)

    def _after_step(self, fact: StepDone) -> None:
        self._seconds_of_steps = [*self._seconds_of_steps[-49:], fact.seconds]
        if time.monotonic() - self._recorded >= _SECONDS_BETWEEN_RECORDS:
            self._record(fact.step)
            self.on_record()
        if self.wants_stop() and not self._asked:
            # The signal came before the run installed its handler: sent again, the run saves and stops.
            self._asked = True
            os.kill(os.getpid(), signal.SIGTERM)

    def _record(self, step: int) -> None:
        assert self._plan is not None
        self._recorded = time.monotonic()
        steps = self._plan.epochs * self._steps_per_epoch
        seconds = self._seconds_of_steps
        left = (steps - step) * sum(seconds) / len(seconds) if seconds else None
        self.claim.note(progress={"epochs": self._plan.epochs, "step": step, "steps": steps, "seconds_left": left})


def run_trial(
    claim: Claim,
    recipe: Recipe,
    data: PreparedData,
    run: RunDirectory,
    *,
    wants_stop: Callable[[], bool],
    on_record: Callable[[], None],
    check_shared: Callable[[], None],
) -> None:
    """Train a trial, or resume it, and record its end in the study.

    An error that the trial's settings cause, such as a loss that is not finite or too little memory, ends the trial
    and not the sweep.

    Parameters
    ----------
    wants_stop : whether this worker should end
    on_record : called after something was recorded
    check_shared : called if the run did not even start; raises the errors of the recipe that all trials share

    Raises
    ------
    UserError : the machine refused something (a full disk), or the shared recipe is wrong; the trial stays unfinished
    Interrupted : by a signal; repeating the command resumes the trial
    """
    metric = recipe.training.metric
    listener = _TrialListener(claim, metric, wants_stop, on_record)
    try:
        if not run.is_finished:
            train(recipe, data, run.path, begin="resume" if run.is_occupied else "new", listen=listener.listen)
    except _Pruned as stop:
        if run.is_run:
            pruned = PrunedTrial(epoch=stop.epoch, epochs=recipe.training.epochs)
            run.write_environment(run.environment().model_copy(update={"pruned": pruned}))
        claim.end("pruned", why={"code": "pruned", "epoch": stop.epoch}, seconds=run.seconds() or 0.0)
    except UserError as error:
        if _is_refused_by_the_machine(error):
            raise
        if not run.is_occupied:
            _raise_if_shared(error, check_shared)
        claim.end("failed", why=error_end(error), seconds=run.seconds() or 0.0)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        claim.end("failed", why={"code": "out_of_memory"}, seconds=run.seconds() or 0.0)
    else:
        _record_score(claim, run, metric)
    gc.collect()  # frees the model of this trial before the next one is loaded
    give_back_memory()


def error_end(error: UserError) -> dict[str, str]:
    """Return what a trial's ``why`` says of an error that ended it."""
    return {"code": "error", "text": error.message, "error_code": error.code}


def _raise_if_shared(error: UserError, check_shared: Callable[[], None]) -> None:
    """Raise the error of a trial if the shared recipe has the same.

    Any other error of the shared recipe is irrelevant: nobody trains it, and what every trial varies, such as the
    model, may well be wrong in it.
    """
    try:
        check_shared()
    except UserError as shared:
        if shared.message == error.message:
            raise


def _is_refused_by_the_machine(error: BaseException | None) -> bool:
    """Whether the system refused something, so that the same settings may work another time.

    Not every OSError: transformers raises one without a number for a model that does not exist.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _MACHINE_ERRORS:
            return True
        error = error.__cause__
    return False


def _record_score(claim: Claim, run: RunDirectory, metric: str) -> None:
    """Record the score of the best epoch from the log of the run, which is the same however often it was resumed."""
    score, interval = _score_in_report(run.own_report.json, metric)
    if run.metrics.is_file():
        try:
            best = [line for line in run.read_metrics() if line["kind"] == "epoch" and line["best"]][-1]
            score = float(best["validation"][metric])
            claim.note(kept_epoch=int(best["epoch"]))  # with min_gain not always the epoch with the best score
        except (UserError, LookupError, TypeError, ValueError):
            claim.end("failed", why={"code": "damaged_log", "text": str(run.metrics)})
            return
    claim.note(seconds=run.seconds() or 0.0, interval=interval)
    if score is None:
        claim.note(why={"code": "not_measured", "text": metric})
    claim.end("finished" if score is not None else "failed", score)


def _score_in_report(report: Path, metric: str) -> tuple[float | None, tuple[float, float] | None]:
    """Return a macro metric and its 95 % interval from a run's own report; None for what it does not have."""
    try:
        found = read_json(report)["macro"][metric.removeprefix("macro_")]
        ends = (found["low"], found["high"])
        interval = None if None in ends else (float(ends[0]), float(ends[1]))
        return None if found["value"] is None else float(found["value"]), interval
    except (UserError, ValueError, KeyError, TypeError):
        return None, None
