"""Warnings during training: a loss that does not fall, a training rate that drops, scores that are all the same.

Bookkeeping only: nothing here stops a run or writes a file.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from civility.arrays import Logits

# A window of losses is a twentieth of the planned steps, within these bounds.
_WINDOWS_PER_RUN, _FEWEST_IN_WINDOW, _MOST_IN_WINDOW = 20, 20, 100
_WINDOWS_AFTER_WARMUP = 4  # that the loss may take to fall after the learning rate has reached its peak
_FLAT_IN_A_ROW = 2  # a single window may be high by chance
# Shortest window of the rate: long enough for long and short comments to even out.
_SECONDS_OF_RATE, _STEPS_OF_RATE = 60.0, 10
# How many times slower than the best window the rate is when the warning comes, and when it is over.
_SLOW, _FAST_AGAIN = 3.0, 2.0
_COLLAPSED = 1e-3  # standard deviation of logits: 1 or more for a useful model, 0 for one with a single score


@dataclass(frozen=True)
class Warned:
    """A warning about a run that continues after ``step`` optimizer steps; the remedy may be empty."""

    step: int
    text: str
    remedy: str = ""


@dataclass
class _Window:
    """Sums over a window of losses, for its mean and standard error."""

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
    """Warns once if, some time after the warm-up or at any later time, the loss has not fallen.

    Compares the mean of each window of steps with that of the first, which should be higher by more than the standard
    error of the difference; warns after two windows in a row that are not lower. During the warm-up the loss may stay.
    A function of the losses seen so far; `state` and `restore` carry it over an interruption.
    """

    def __init__(self, num_steps: int, num_warmup_steps: int) -> None:
        self.size = min(_MOST_IN_WINDOW, max(_FEWEST_IN_WINDOW, num_steps // _WINDOWS_PER_RUN))
        self.patience = num_warmup_steps + _WINDOWS_AFTER_WARMUP * self.size
        self._first, self._current = _Window(), _Window()
        self._num_flat = 0
        self._has_warned = False

    def see(self, step: int, loss: float) -> Warned | None:
        """Take the loss of a 1-based step, ignoring NaN (no known target); return a warning if it is time for one."""
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
            f"step {step:,}: the loss has not fallen: {window.mean:.4f} in the last {self.size} steps, "
            f"{self._first.mean:.4f} in the first",
            "try another training.learning_rate (ten times lower, or higher if it is below 1e-5), and check the labels",
        )

    def state(self) -> dict[str, Any]:
        """Return everything that the watch remembers, ready for JSON."""
        windows = {"first": asdict(self._first), "current": asdict(self._current)}
        return {**windows, "num_flat": self._num_flat, "has_warned": self._has_warned}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self._first, self._current = _Window(**state["first"]), _Window(**state["current"])
        self._num_flat, self._has_warned = state["num_flat"], state["has_warned"]


class RateWatch:
    """Reports that training has become far slower; again only after it has recovered.

    Covers a run until it is interrupted, since it may resume on another machine.
    """

    def __init__(self) -> None:
        self._best = 0.0
        self._tokens, self._seconds, self._steps = 0, 0.0, 0
        self._is_slow = False

    def see(self, num_tokens: int, seconds: float) -> float | None:
        """Take the tokens of a step, padding included, and its wall time.

        Return how many times slower training is than in its best window, when that begins; otherwise None.
        """
        self._tokens, self._seconds, self._steps = self._tokens + num_tokens, self._seconds + seconds, self._steps + 1
        if self._seconds < _SECONDS_OF_RATE or self._steps < _STEPS_OF_RATE:
            return None
        rate = self._tokens / self._seconds
        self._tokens, self._seconds, self._steps = 0, 0.0, 0
        self._best = max(self._best, rate)
        times_slower = self._best / max(rate, 1e-9)
        has_begun = times_slower > _SLOW and not self._is_slow
        self._is_slow = times_slower > (_FAST_AGAIN if self._is_slow else _SLOW)
        return times_slower if has_begun else None


def watch_scores(step: int, logits: Logits, labels: Sequence[str], precision: str) -> Warned | None:
    """Return a warning if all validation comments, with logits (N, L), have the same score for a label."""
    spread = logits.astype(np.float64).std(axis=0)
    flat = [label for label, deviation in zip(labels, spread, strict=True) if deviation < _COLLAPSED]
    if not flat or len(logits) < 2:
        return None
    return Warned(
        step,
        f"step {step:,}: all validation comments have the same score for {', '.join(flat)}",
        "lower training.learning_rate" + (", or set training.precision to bf16 or fp32" if precision == "fp16" else ""),
    )
