"""One trial: an ordinary training run in its own directory, followed epoch by epoch, and stopped where it is to be.

Knows the study only through the `Claim` that it is given.
"""

import errno
import gc
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from civility.data.prepare import PreparedData
from civility.engine.devices import give_back_memory, is_out_of_memory
from civility.engine.progress import StepDone
from civility.errors import UserError
from civility.recipe import Recipe
from civility.run import OWN_REPORT, RunDirectory
from civility.search.study import Claim
from civility.storage.parsing import read_json
from civility.training.events import EpochJudged, Fact, RunPlanned, RunResumed
from civility.training.train_run import train

_SECONDS_BETWEEN_TELLS = 5.0


class Pruned(Exception):
    """The trial is not worth its time: it ends after this epoch, whose checkpoint has been made."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"pruned after epoch {epoch}")
        self.epoch = epoch


@dataclass
class Follower:
    """Listens to a trial's run, and tells the study of it.

    Parameters
    ----------
    claim : of the trial
    metric : by which trials are scored
    wants_stop : whether this worker is to end
    on_told : called after something was told
    """

    claim: Claim
    metric: str
    wants_stop: Callable[[], bool]
    on_told: Callable[[], None]
    _planned: RunPlanned | None = None
    _steps_per_epoch: int = 0
    _told: float = field(default=0.0)
    _rate: list[float] = field(default_factory=list)
    _asked: bool = False

    def listen(self, fact: Fact) -> None:
        """Take one fact; raise `Pruned` after an epoch that says so."""
        self.claim.lock.sign()
        if isinstance(fact, RunPlanned):
            self._planned, self._steps_per_epoch = fact, fact.steps_per_epoch
            self._tell(0)
        elif isinstance(fact, RunResumed):
            self._steps_per_epoch = fact.steps_per_epoch
            self._tell(fact.steps_done)
        elif isinstance(fact, StepDone):
            self._after_step(fact)
        elif isinstance(fact, EpochJudged):
            self._tell(fact.epoch.step)
            pruned = self.claim.report(fact.epoch.epoch, score_in(vars(fact.epoch.validation), self.metric))
            self.on_told()
            if pruned and self._planned is not None and fact.epoch.epoch < self._planned.epochs:
                raise Pruned(fact.epoch.epoch)

    def _after_step(self, fact: StepDone) -> None:
        self._rate = [*self._rate[-49:], fact.seconds]
        if time.monotonic() - self._told >= _SECONDS_BETWEEN_TELLS:
            self._tell(fact.step)
            self.on_told()
        if self.wants_stop() and not self._asked:
            # A signal that came before the run listened for one: it takes this as it would have taken that.
            self._asked = True
            os.kill(os.getpid(), signal.SIGTERM)

    def _tell(self, step: int) -> None:
        assert self._planned is not None
        self._told = time.monotonic()
        steps = self._planned.epochs * self._steps_per_epoch
        left = (steps - step) * sum(self._rate) / len(self._rate) if self._rate else None
        self.claim.note(progress={"epochs": self._planned.epochs, "step": step, "steps": steps, "seconds_left": left})


def score_in(validation: Any, metric: str) -> float:
    """Return the score of an epoch by the metric of the recipe: a key of what a validation is logged with."""
    return float(validation[metric])


def run_trial(
    claim: Claim,
    recipe: Recipe,
    data: PreparedData,
    run: RunDirectory,
    follower: Follower,
    check_shared: Callable[[], None],
) -> None:
    """Train a trial, or go on with one that was cut, and tell the study how it ended.

    A mistake that the trial's settings make (a loss that is not finite, too little memory) ends the trial, not the
    sweep. Where it did not even begin, ``check_shared`` is asked first whether the recipe that all trials share makes
    the same mistake.

    Raises
    ------
    UserError : the machine refused (a full disk), or the shared recipe is at fault; the trial is left as it is
    Interrupted : by a signal; the trial goes on when the command is repeated
    """
    try:
        if not run.is_finished:
            train(recipe, data, run.path, begin="resume" if run.is_begun else "new", listen=follower.listen)
    except Pruned as stop:
        why = f"after epoch {stop.epoch} of {recipe.training.epochs} its best was worse than half of the others'"
        if run.is_run:
            run.write_environment({**run.read_environment(), "pruned": {"epoch": stop.epoch, "why": why}})
        claim.note(why=why, seconds=_seconds_of(run))
        claim.end("pruned")
    except UserError as error:
        if _is_of_the_machine(error):
            raise
        if not run.is_begun:
            _raise_if_shared(error, check_shared)
        claim.note(why=error.message, seconds=_seconds_of(run))
        claim.end("failed")
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        claim.note(why="the memory is too small for it", seconds=_seconds_of(run))
        claim.end("failed")
    else:
        _tell_result(claim, run, recipe.training.metric)
    gc.collect()  # of the model that this trial held, before the next one is loaded
    give_back_memory()


def _raise_if_shared(error: UserError, check_shared: Callable[[], None]) -> None:
    """Raise the mistake of a trial if the shared recipe makes it too.

    Another one says nothing: what all trials vary, as the model or a schedule that goes with one optimiser, may well be
    wrong in the shared recipe, which nobody trains.
    """
    try:
        check_shared()
    except UserError as shared:
        if shared.message == error.message:
            raise


_OF_THE_MACHINE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE),
}


def _is_of_the_machine(error: BaseException | None) -> bool:
    """Whether an error goes back to what the system refused, so that the same settings may do another time.

    Not any OSError: transformers raises one without a number for a model that is nowhere.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
            return True
        error = error.__cause__
    return False


def _tell_result(claim: Claim, run: RunDirectory, metric: str) -> None:
    """Tell the score of the best epoch, by the run's own log: the same whoever trained it, and in how many lives."""
    score, interval = judged(run.reports / f"{OWN_REPORT}.json", metric)
    if run.metrics.is_file():
        try:
            best = [line for line in run.read_metrics() if line["kind"] == "epoch" and line["best"]][-1]
            score = score_in(best["validation"], metric)
            claim.note(kept_epoch=int(best["epoch"]))  # with min_gain not always that of the best score
        except (UserError, LookupError, TypeError, ValueError):
            claim.note(why=f"{run.metrics} is damaged")
            claim.end("failed")
            return
    claim.note(seconds=_seconds_of(run), interval=interval)
    if score is None:
        claim.note(why=f"{metric} is not measured of a model that is fitted without epochs")
    claim.end("finished" if score is not None else "failed", score)


def judged(report: Path, metric: str) -> tuple[float | None, tuple[float, float] | None]:
    """Return a macro metric and its 95 % interval in a run's own report; None for what it has not."""
    try:
        found = read_json(report)["macro"][metric.removeprefix("macro_")]
        between = None if found["low"] is None or found["high"] is None else (float(found["low"]), float(found["high"]))
        return None if found["value"] is None else float(found["value"]), between
    except (UserError, ValueError, KeyError, TypeError):
        return None, None


def _seconds_of(run: RunDirectory) -> float:
    """Return the wall time that a run has logged: of its epochs, or of the fit of a linear model."""
    try:
        return float(sum(line["seconds"] for line in run.read_timing() if line["kind"] in ("epoch", "fit")))
    except (UserError, KeyError, TypeError):
        return 0.0
