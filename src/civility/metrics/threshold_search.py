"""Thresholds by policy: every possible threshold of a label, what it flags, and which one a policy chooses.

A comment is flagged if ``score >= threshold``, compared in float32.

A policy always finds a best threshold. With a single positive comment that is its score, and if it ranks low, most
comments are flagged. A label with too few comments therefore gets a fallback.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from civility.arrays import POSITIVE_FROM, AnyFloats, Decisions, Float32s, Floats, Ints, Scores
from civility.metrics.intervals import Ends, share_interval
from civility.metrics.policy import Kind, Policy
from civility.metrics.ranking import known_classes
from civility.plain_text import count

DEFAULT_THRESHOLD = 0.5
WIDEST = 0.3
"""Width of the 95 % interval of what a policy reaches; if it is wider, the policy does not choose the threshold.

The interval of a share of 39 comments or more is never wider; `benchmarks/rare_labels.py` shows other limits.
"""
_NAMES: dict[Kind, str] = {
    "f1": "F1",
    "precision": "the precision",
    "recall": "the recall",
    "fpr": "the false-positive rate",
    "flagged": "the share flagged",
}


def decide(scores: Scores, thresholds: Sequence[float]) -> Decisions:
    """Return whether each score, (N, L), reaches the threshold of its label, (L,)."""
    return np.asarray(scores >= np.array(thresholds, dtype=np.float32))


class ShareEstimate(NamedTuple):
    """A share and its 95 % Wilson interval; NaN where undefined."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, successes: int, trials: int) -> "ShareEstimate":
        """Return the share of successes."""
        if not trials:
            return cls(math.nan, math.nan, math.nan)
        return cls(successes / trials, *share_interval(successes, trials))


@dataclass(frozen=True)
class Counts:
    """Correct and wrong decisions on comments of known class."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @classmethod
    def of(cls, targets: AnyFloats, flagged: Decisions) -> "Counts":
        """Count decisions, (N,), on comments; targets are in [0, 1], positive from 0.5 up, and NaN is left out."""
        positive, negative = targets >= POSITIVE_FROM, targets < POSITIVE_FROM  # NaN is neither
        found, false = int((positive & flagged).sum()), int((negative & flagged).sum())
        return cls(found, false, int(positive.sum()) - found, int(negative.sum()) - false)

    @property
    def num_positive(self) -> int:
        """Positive comments."""
        return self.true_positives + self.false_negatives

    @property
    def num_negative(self) -> int:
        """Negative comments."""
        return self.false_positives + self.true_negatives

    @property
    def num(self) -> int:
        """All comments."""
        return self.num_positive + self.num_negative

    @property
    def flagged(self) -> int:
        """Comments that are flagged."""
        return self.true_positives + self.false_positives

    @property
    def precision(self) -> float:
        """Share of the flagged comments that are positive; NaN if none is flagged."""
        return _share(self.true_positives, self.flagged)

    @property
    def recall(self) -> float:
        """Share of the positives that are flagged; NaN without positives."""
        return _share(self.true_positives, self.num_positive)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN if no comment is flagged or positive."""
        return _share(2 * self.true_positives, self.flagged + self.num_positive)

    @property
    def fpr(self) -> float:
        """Share of the negatives that are flagged; NaN without negatives."""
        return _share(self.false_positives, self.num_negative)

    @property
    def flagged_per_1000(self) -> float:
        """Flagged comments per 1000; NaN without comments."""
        return _share(1000 * self.flagged, self.num)


@dataclass(frozen=True, eq=False)
class Cuts:
    """All thresholds of a label that flag different comments, from the fewest to all.

    Parameters
    ----------
    thresholds : (K,) falling, in [0, 1], exact in float32: midway between neighbouring scores, so that rounding on
        another machine changes no decision, or the upper score if no number lies in between
    scores : (K,) the lowest score that is flagged; infinite if the first threshold flags nothing, as it does unless a
        score is 1
    true_positives, false_positives : (K,) flagged comments
    num_positive, num_negative : all comments
    """

    thresholds: Float32s
    scores: Scores
    true_positives: Ints
    false_positives: Ints
    num_positive: int
    num_negative: int

    @classmethod
    def of(cls, targets: AnyFloats, scores: AnyFloats) -> "Cuts":
        """Return the thresholds of a label, from (N,) targets, of which NaN is left out, and scores, taken as float32.

        Raises
        ------
        ValueError : the shapes differ, or a score is NaN or outside [0, 1]
        """
        positive, known = known_classes(targets, np.asarray(scores, dtype=np.float32))
        if len(known) and not (known.min() >= 0 and known.max() <= 1):
            raise ValueError("a score is outside [0, 1]")
        distinct, place, counts = np.unique(known.astype(np.float32), return_inverse=True, return_counts=True)
        hits = np.bincount(place, weights=positive, minlength=len(distinct)).astype(np.int64)
        found, falling = np.cumsum(hits[::-1]), distinct[::-1]
        false = np.cumsum(counts[::-1]) - found
        if not len(falling) or falling[0] < 1:
            falling = np.append(np.float32(np.inf), falling)
            found, false = np.append(0, found), np.append(0, false)
        num_positive = int(positive.sum())
        return cls(_between(falling), falling, found, false, num_positive, len(positive) - num_positive)

    @property
    def num(self) -> int:
        """Comments whose class is known."""
        return self.num_positive + self.num_negative

    def at(self, threshold: float) -> Counts:
        """Return the counts at any threshold, not only one of these."""
        num_cuts = int(np.count_nonzero(self.scores >= np.float32(threshold)))
        return self.of_cut(num_cuts - 1) if num_cuts else Counts(0, 0, self.num_positive, self.num_negative)

    def of_cut(self, place: int) -> Counts:
        """Return the counts at a position of ``thresholds``."""
        true, false = int(self.true_positives[place]), int(self.false_positives[place])
        return Counts(true, false, self.num_positive - true, self.num_negative - false)


@dataclass(frozen=True)
class ThresholdChoice:
    """A threshold, and its results on the comments that it was chosen on; on others they will be a little worse.

    Parameters
    ----------
    policy : what was asked
    threshold : in [0, 1], exact in float32
    review_threshold : comments from here up to the threshold are for review; None if the policy has no review band
    met : whether the policy is met on these comments, and there are enough of them to know
    why : in words: what was chosen, or why the policy cannot be met and what comes closest
    counts : at the threshold
    precision, recall : with 95 % Wilson intervals
    review_per_1000 : comments in the review band per 1000; 0 without a band
    from_data : False if there were too few comments, see `choose_or_fall_back`
    """

    policy: Policy
    threshold: float
    review_threshold: float | None
    met: bool
    why: str
    counts: Counts
    precision: ShareEstimate
    recall: ShareEstimate
    review_per_1000: float
    from_data: bool = True

    @property
    def flagged_per_1000(self) -> float:
        """Flagged comments per 1000."""
        return self.counts.flagged_per_1000

    @property
    def is_remarkable(self) -> bool:
        """Whether ``why`` should be shown: the policy is not met, nothing is flagged, or the review band is empty."""
        band_is_empty = bool(self.policy.review) and not self.review_per_1000
        return not self.met or not self.counts.flagged or band_is_empty


def choose_threshold(policy: Policy, cuts: Cuts) -> ThresholdChoice:
    """Return the threshold that meets a policy, or else comes closest to it.

    precision>=x, fpr<=x, flagged<=n : of the thresholds that meet it, the one with the highest recall; of equal ones,
    the higher threshold
    recall>=x : of the thresholds that meet it, the one with the highest precision; of equal ones, the higher recall
    f1 : the highest F1; of equal ones, the higher threshold
    review<=n per 1000 : the lowest review threshold with at most n comments per 1000 in the band

    A label with only one class keeps 0.5.
    """
    if not cuts.num_positive or not cuts.num_negative:
        lacking = "positive" if not cuts.num_positive else "negative"
        why = f"no {lacking} comment among {cuts.num:,} of known class, so there is nothing to choose"
        return _choice(policy, cuts, DEFAULT_THRESHOLD, DEFAULT_THRESHOLD, met=False, why=why)
    place, met, why = _cut(policy, cuts)
    return choice_at(place, policy, cuts, met=met, why=why)


def choice_at(place: int, policy: Policy, cuts: Cuts, *, met: bool, why: str) -> ThresholdChoice:
    """Return the choice of ``cuts.thresholds[place]``, with the review threshold if the policy has a review band."""
    last = place
    if policy.review is not None:
        flagged = cuts.true_positives + cuts.false_positives
        last = int(np.flatnonzero(1000 * (flagged - flagged[place]) / cuts.num <= policy.review)[-1])
        if last == place < len(flagged) - 1 and policy.review > 0:
            tied = 1000 * (flagged[place + 1] - flagged[place]) / cuts.num
            why += f"; none for review: the next score alone has {tied:.3g} comments per 1000"
    return _choice(policy, cuts, float(cuts.thresholds[place]), float(cuts.thresholds[last]), met=met, why=why)


def _choice(policy: Policy, cuts: Cuts, threshold: float, review: float, *, met: bool, why: str) -> ThresholdChoice:
    counts = cuts.at(threshold)
    banded = policy.review is not None
    in_band = cuts.at(review).flagged - counts.flagged
    return ThresholdChoice(
        policy=policy,
        threshold=threshold,
        review_threshold=review if banded else None,
        met=met,
        why=why,
        counts=counts,
        precision=ShareEstimate.of(counts.true_positives, counts.flagged),
        recall=ShareEstimate.of(counts.true_positives, cuts.num_positive),
        review_per_1000=1000 * in_band / cuts.num if banded and cuts.num else 0.0,
    )


def _cut(policy: Policy, cuts: Cuts) -> tuple[int, bool, str]:
    """Return the position of the threshold, whether it meets the policy, and why it was chosen."""
    found, flagged = cuts.true_positives, cuts.true_positives + cuts.false_positives
    bound = policy.bound
    if policy.kind == "f1":
        return int(np.argmax(2 * found / (flagged + cuts.num_positive))), True, "the highest F1"
    precision = np.divide(found, flagged, out=np.full(len(found), -1.0), where=flagged > 0)
    if policy.kind == "recall":
        enough = found / cuts.num_positive >= bound
        place = _last_best(np.where(enough, precision, -1.0))
        return place, True, f"the highest precision with recall >= {bound:g}"
    if policy.kind == "precision":
        meets = precision >= bound
        if not meets.any():
            place = _last_best(precision)
            return place, False, _unmet(policy, "highest", precision[place], cuts.thresholds[place])
        return int(np.argmax(np.where(meets, found, -1))), True, f"the highest recall with precision >= {bound:g}"
    measured = cuts.false_positives / cuts.num_negative if policy.kind == "fpr" else 1000 * flagged / cuts.num
    if measured[0] > bound:
        return 0, False, _unmet(policy, "lowest", measured[0], cuts.thresholds[0])
    place = int(np.argmax(np.where(measured <= bound, found, -1)))
    if not flagged[place]:
        return place, True, f"flags nothing: every threshold that finds a positive has {policy.kind} > {bound:g}"
    return place, True, f"the highest recall with {policy.kind} <= {bound:g}"


def _unmet(policy: Policy, end: str, value: float, threshold: float) -> str:
    asked = str(Policy(policy.kind, policy.bound))
    return f"{asked} cannot be met: the {end} is {value:.3g} at threshold {threshold:.4g}"


def _last_best(values: Floats) -> int:
    return len(values) - 1 - int(np.argmax(values[::-1]))


def _between(falling: Float32s) -> Float32s:
    """Return thresholds: each above the next lower score, and not above its own."""
    upper = np.minimum(falling.astype(np.float64), 1.0)
    lower = np.append(upper[1:], 0.0)
    middle = ((upper + lower) / 2).astype(np.float32)
    return np.where(middle > lower.astype(np.float32), middle, upper.astype(np.float32))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def choose_or_fall_back(policy: Policy, cuts: Cuts) -> ThresholdChoice:
    """Return the threshold of a policy, or a fallback if there are too few comments to know what the policy reaches.

    The fallback flags as many comments as are positive, or fewer if scores tie, and never more than the policy would. A
    label with only one class keeps 0.5, which is not chosen from data either.
    """
    choice = choose_threshold(policy, cuts)
    if not cuts.num_positive or not cuts.num_negative:
        return replace(choice, from_data=False)
    low, high = reached(policy, choice.counts)
    if high - low <= WIDEST:
        return choice
    why = (
        f"not chosen from data: with {_witnesses(policy, cuts)}, {_NAMES[policy.kind]} at the threshold of "
        f"{replace(policy, review=None)} may be anything from {low:.2f} to {high:.2f}; instead, the threshold flags as "
        "many comments as are positive, or fewer"
    )
    return fall_back(choice, cuts, why)


def fall_back(choice: ThresholdChoice, cuts: Cuts, why: str) -> ThresholdChoice:
    """Return the fallback: the threshold that flags as many comments as are positive, or the next above it.

    It flags at most as many as the choice, unless more comments than that have a score of 1.
    """
    flagged = cuts.true_positives + cuts.false_positives
    most = min(cuts.num_positive, choice.counts.flagged)
    place = max(int(np.searchsorted(flagged, most, side="right")) - 1, 0)
    return replace(choice_at(place, choice.policy, cuts, met=False, why=why), from_data=False)


def reached(policy: Policy, counts: Counts) -> Ends:
    """Return the 95 % interval of the number that a policy limits or maximises, on comments of both classes.

    Precision and F1 are treated as shares of the positives, as recall is. As shares of the flagged comments, a
    threshold that flags thousands to find one positive would have a narrow interval near 0.
    """
    if policy.kind == "fpr":
        found, trials = float(counts.false_positives), counts.num_negative
    elif policy.kind == "flagged":
        found, trials = float(counts.flagged), counts.num
    else:
        share = {"f1": counts.f1, "precision": counts.precision, "recall": counts.recall}[policy.kind]
        trials = counts.num_positive
        found = min(share * trials, float(trials))
    return share_interval(found, trials)


def _witnesses(policy: Policy, cuts: Cuts) -> str:
    """Return the number of comments that a policy is measured on, in words."""
    others = {"fpr": (cuts.num_negative, "negative comment"), "flagged": (cuts.num, "comment")}
    return count(*others.get(policy.kind, (cuts.num_positive, "positive comment")))
