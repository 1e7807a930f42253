"""SweepResult: every number of a sweep, as its JSON has it. The truth that table, page and Markdown are drawn from.

Knows no study and no files.
"""

import math
from statistics import NormalDist
from typing import Any, Literal

from pydantic import Field

from civility.documents.document import Number, Part

SCHEMA = 1
MOST_TOP = 5
"""Trials that are held against the best."""

State = Literal["finished", "pruned", "failed", "unfinished"]
METRIC_WORDS = {
    "macro_roc_auc": "macro ROC AUC",
    "macro_average_precision": "macro average precision",
    "loss": "validation loss",
}


class TrialLine(Part):
    """One trial.

    Parameters
    ----------
    number : from 0
    state : ``unfinished`` is under way, or was cut
    settings : that vary, ``{"section.key": value}``
    scores : on validation, by epoch
    epochs : planned
    step, steps : optimiser steps done as last told, and planned; 0 where not known
    best, best_epoch : the best of the scores; None and 0 before the first
    low, high : the best score's 95 % interval, of a finished trial
    seconds : of training and validation, as far as known
    seconds_left : as last told, while it is under way
    why : it was pruned or failed
    """

    number: int
    state: State
    settings: dict[str, Any]
    scores: dict[int, float] = Field(default_factory=dict)
    epochs: int = 0
    step: int = 0
    steps: int = 0
    best: Number = None
    best_epoch: int = 0
    low: Number = None
    high: Number = None
    seconds: Number = None
    seconds_left: Number = None
    why: str = ""


class SweepResult(Part):
    """A sweep as it stands.

    Parameters
    ----------
    name : of its folder
    recipe : what all trials share, ``{"section.key": value}``
    metric : a key of `METRIC_WORDS`
    search, space : of the space file
    num_planned : trials that were asked for
    trials : in the order of their numbers
    importance : share of each setting that varies in what tells the better trials from all, which add up to 1
    why_no_importance : where there is none
    num_training, num_validation : comments
    """

    schema_version: int = SCHEMA
    name: str
    recipe: dict[str, Any]
    metric: str
    search: dict[str, Any]
    space: dict[str, Any]
    num_planned: int
    trials: tuple[TrialLine, ...]
    importance: dict[str, float] = Field(default_factory=dict)
    why_no_importance: str = ""
    num_training: int = 0
    num_validation: int = 0

    @property
    def rises(self) -> bool:
        """Whether a higher score is a better one."""
        return self.metric != "loss"

    @property
    def ranked(self) -> tuple[TrialLine, ...]:
        """The finished trials, the best first; of equal ones the earlier."""
        finished = [one for one in self.trials if one.state == "finished" and one.best is not None]
        sign = -1 if self.rises else 1
        return tuple(sorted(finished, key=lambda one: (sign * (one.best or 0.0), one.number)))

    def num(self, state: State) -> int:
        """How many trials are in a state."""
        return sum(one.state == state for one in self.trials)

    @property
    def num_tried(self) -> int:
        """The trials that the best was chosen among: one that was pruned might have been it."""
        return len(self.ranked) + self.num("pruned")

    @property
    def seconds_left(self) -> float | None:
        """About how long the rest takes, by the mean of the trials that ended, on as many workers as are at it."""
        ended = [one.seconds for one in self.trials if one.state in ("finished", "pruned") and one.seconds]
        if not ended:
            return None
        running = self.num("unfinished")
        waiting = self.num_planned - len(self.trials)
        under_way = sum(one.seconds_left or 0.0 for one in self.trials if one.state == "unfinished")
        return (waiting * sum(ended) / len(ended) + under_way) / max(1, running)

    @property
    def standard_error(self) -> float | None:
        """Of the best trial's score, from its 95 % interval; None where it has none."""
        best = self.ranked[0] if self.ranked else None
        if best is None or best.low is None or best.high is None:
            return None
        return (best.high - best.low) / (2 * NormalDist().inv_cdf(0.975))

    @property
    def luck(self) -> float | None:
        """By how much comments alone would put the best of so many equally good trials ahead, at most.

        The standard error times the expected largest of n standard normal numbers (Blom 1958: the normal quantile of
        (n - 0.375) / (n + 0.25)), which is for independent errors; those of trials on the same comments go together.
        What seeds do is not in it: a trial is one run, whose spread over seeds nothing here tells.
        """
        error, num = self.standard_error, self.num_tried
        if error is None or num < 2:
            return None
        return error * NormalDist().inv_cdf((num - 0.375) / (num + 0.25))

    @property
    def rivals(self) -> tuple[TrialLine, ...]:
        """The trials that follow the best and lie inside its interval, at most as many as are compared."""
        if not self.ranked or self.ranked[0].low is None or self.ranked[0].high is None:
            return ()
        best = self.ranked[0]
        inside = [one for one in self.ranked[1:] if (best.low or 0.0) <= (one.best or math.nan) <= (best.high or 0.0)]
        return tuple(inside)
