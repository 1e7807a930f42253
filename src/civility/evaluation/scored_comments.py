"""Scored: comments with their scores and the classifier's decisions, which a report measures."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, Bools, Decisions, Float32s, Logits, Scores
from civility.data.dataset import Dataset
from civility.metrics.threshold_search import DEFAULT_THRESHOLD, decide


@dataclass(frozen=True, eq=False)
class Scored:
    """Comments with the scores and thresholds of a classifier.

    Parameters
    ----------
    dataset : N comments on L labels
    scores : (N, L) float32 in [0, 1], in the order of the dataset
    thresholds : by label; others are 0.5
    review_thresholds : by label, for labels with a review band
    policies : by label, the policy that chose the threshold
    not_chosen_from_data : labels with too few comments to choose their threshold
    uncalibrated : (N, L) scores before calibration; None without calibration
    out_of_fold : (N, L) scores by calibrations fitted on the other folds; None if the calibration was fitted on other
        comments, so that ``scores`` are honest already
    calibrations : by label, the name of the method

    Raises
    ------
    ValueError : the shapes differ, or a score is NaN
    """

    dataset: Dataset
    scores: Scores
    thresholds: Mapping[str, float] = field(default_factory=dict)
    review_thresholds: Mapping[str, float] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)
    not_chosen_from_data: Collection[str] = frozenset()
    uncalibrated: Logits | None = None
    out_of_fold: Scores | None = None
    calibrations: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("scores", "uncalibrated", "out_of_fold"):
            values = getattr(self, name)
            if values is None:
                continue
            if values.shape != self.dataset.targets.shape:
                raise ValueError(f"{name} have shape {values.shape}, targets {self.dataset.targets.shape}")
            if not np.isfinite(values).all():
                raise ValueError(f"{name}: a score is NaN or infinite")

    def threshold(self, label: str) -> float:
        """Return a label's threshold as the shortest number that reads back as the same float32."""
        return short(self.thresholds.get(label, DEFAULT_THRESHOLD))

    @cached_property
    def flagged(self) -> Bools:
        """(N, L) decisions on these scores."""
        return self.decide(self.scores)

    def decide(self, scores: Scores) -> Decisions:
        """Return whether each score, (M, L), reaches its label's threshold, in float32 as the classifier compares."""
        return decide(scores, [self.threshold(label) for label in self.dataset.labels])

    @cached_property
    def any_target(self) -> Float32s:
        """(N,) 1 if a label is positive, 0 if all are known and negative, else NaN."""
        targets = self.dataset.targets
        positive = (targets >= POSITIVE_FROM).any(axis=1)
        negative = (targets < POSITIVE_FROM).all(axis=1)
        return np.where(positive, 1, np.where(negative, 0, np.nan)).astype(np.float32)

    def select(self, rows: npt.NDArray[np.int64]) -> "Scored":
        """Return the given rows, in the given order."""
        arrays = {name: getattr(self, name) for name in ("scores", "uncalibrated", "out_of_fold")}
        chosen = {name: values[rows] for name, values in arrays.items() if values is not None}
        return replace(self, dataset=self.dataset.select(rows), **chosen)


def short(value: float) -> float:
    """Return the shortest number that reads back as the same float32."""
    return float(np.format_float_positional(np.float32(value), unique=True))
