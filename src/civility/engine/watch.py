"""Watching a run for learning that does not happen, or slowly: bookkeeping over facts. Stops and writes nothing."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_WINDOWS_PER_RUN, _FEWEST_IN_WINDOW, _MOST_IN_WINDOW = 20, 20, 100
"""A window is a twentieth of the planned steps, within these bounds."""

_WINDOWS_AFTER_WARMUP = 4
"""How long training may take to show in the loss, once the learning rate has reached its peak."""

_FLAT_IN_A_ROW = 2
"""One window may be high by chance."""

_SECONDS_OF_RATE, _STEPS_OF_RATE = 60.0, 10
"""A window of the rate: so long, and of so many steps, that long comments in one and short ones in another even out."""

_SLOW, _WELL_AGAIN = 3.0, 2.0
"""Times slower than the best window: from where on it is told, and below which it is over."""

_COLLAPSED = 1e-3
"""Standard deviation of logits: a model of any use has 1 and more, one that gives a single score 0."""


@dataclass(frozen=True)
class Warned:
    """Told when a person should know something of a run that goes on.

    Parameters
    ----------
    step : optimiser steps done
    text : what was seen
    remedy : what to try; may be empty
    """

    step: int
    text: str
    remedy: str = ""


@dataclass
class _Window:
    """Sums over a window of losses: all that its mean and its spread need."""

    num: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, loss: float) -> None:
        self.num += 1
        self.total += loss
        self.squares += loss * loss

    @property
    def mean(self) -> float:
        return self.total / self.num

    @property
    def squared_error(self) -> float:
        """Square of the standard error of the mean."""
        return max(0.0, self.squares / self.num - self.mean**2) / self.num


class LossWatch:
    """Tells, once, when the loss is where it began: long after the warm-up, and at any later time.

    The mean of each window of steps is compared with that of the first: it should be lower by more than the standard
    error of the difference. Two windows in a row that are not are told. A function of the losses seen so far; `state`
    and `restore` carry it over an interruption.

    Parameters
    ----------
    num_steps : planned in all
    num_warmup_steps : of them, in which little is to be expected
    """

    def __init__(self, num_steps: int, num_warmup_steps: int) -> None:
        self.size = min(_MOST_IN_WINDOW, max(_FEWEST_IN_WINDOW, num_steps // _WINDOWS_PER_RUN))
        self.patience = num_warmup_steps + _WINDOWS_AFTER_WARMUP * self.size
        self._first, self._current = _Window(), _Window()
        self._num_flat = 0
        self._has_warned = False

    def see(self, step: int, loss: float) -> Warned | None:
        """Take the loss of a step, 1-based; NaN (no known target) is passed over. Return a warning if it is time."""
        if math.isnan(loss):
            return None
        if self._first.num < self.size:
            self._first.add(loss)
            return None
        self._current.add(loss)
        if self._current.num < self.size:
            return None
        window, self._current = self._current, _Window()
        fallen = self._first.mean - window.mean
        flat = step >= self.patience and fallen <= math.sqrt(self._first.squared_error + window.squared_error)
        self._num_flat = self._num_flat + 1 if flat else 0
        if self._has_warned or self._num_flat < _FLAT_IN_A_ROW:
            return None
        self._has_warned = True
        return Warned(
            step,
            f"step {step:,}: the loss has not left its start: {window.mean:.4f} in the last {self.size} steps, "
            f"{self._first.mean:.4f} in the first",
            "another training.learning_rate (ten times lower, or higher if it is below 1e-5); and look at the labels",
        )

    def state(self) -> dict[str, Any]:
        """Return all that the watch remembers, as plain numbers ready for JSON."""
        return {
            "first": asdict(self._first),
            "current": asdict(self._current),
            "num_flat": self._num_flat,
            "has_warned": self._has_warned,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        self._first, self._current = _Window(**state["first"]), _Window(**state["current"])
        self._num_flat, self._has_warned = state["num_flat"], state["has_warned"]


class RateWatch:
    """Tells when training has become far slower than it was: once, until it has been well again.

    Knows no clock: the facts say how long a step took. For this life of a run only, since the next may be elsewhere.
    """

    def __init__(self) -> None:
        self._best = 0.0
        self._tokens, self._seconds, self._steps = 0, 0.0, 0
        self._is_slow = False

    def see(self, num_tokens: int, seconds: float) -> float | None:
        """Take a step: tokens, with the padding, and wall time. Return how many times slower it is, if it is time."""
        self._tokens, self._seconds, self._steps = self._tokens + num_tokens, self._seconds + seconds, self._steps + 1
        if self._seconds < _SECONDS_OF_RATE or self._steps < _STEPS_OF_RATE:
            return None
        rate = self._tokens / self._seconds
        self._tokens, self._seconds, self._steps = 0, 0.0, 0
        self._best = max(self._best, rate)
        times_slower = self._best / max(rate, 1e-9)
        has_begun = times_slower > _SLOW and not self._is_slow
        self._is_slow = times_slower > (_WELL_AGAIN if self._is_slow else _SLOW)
        return times_slower if has_begun else None


def watch_scores(step: int, logits: npt.NDArray[np.float32], labels: Sequence[str], precision: str) -> Warned | None:
    """Return a warning if validation comments get one and the same score for a label, else None.

    Parameters
    ----------
    step : optimiser steps done
    logits : (N, L) of the validation comments
    labels : (L,)
    precision : that the run trains in; only fp16 has a better one against this
    """
    spread = logits.astype(np.float64).std(axis=0)
    flat = [label for label, deviation in zip(labels, spread, strict=True) if deviation < _COLLAPSED]
    if not flat or len(logits) < 2:
        return None
    return Warned(
        step,
        f"step {step:,}: every validation comment gets the same score for {', '.join(flat)}",
        "a lower training.learning_rate" + (", or bf16 or fp32 for training.precision" if precision == "fp16" else ""),
    )
