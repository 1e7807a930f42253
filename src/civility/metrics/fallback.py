"""The threshold for a label with too few comments to choose one.

A policy always finds a best threshold. With a single positive comment that is its score, and if it ranks low, most
comments are flagged.
"""

from dataclasses import replace

import numpy as np

from civility.metrics.intervals import wilson
from civility.metrics.policy import Kind, Policy
from civility.metrics.small_samples import Ends
from civility.metrics.threshold_search import Counts, Cuts, ThresholdChoice, choice_at, choose_threshold
from civility.plain_text import count

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
    """Return the 95 % interval of the number that a policy limits or maximises, at its threshold.

    Precision and F1 are treated as shares of the positives, as recall is. As shares of the flagged comments, a
    threshold that flags thousands to find one positive would have a narrow interval near 0.

    Parameters
    ----------
    policy : what was asked
    counts : at the threshold, with at least one positive and one negative comment
    """
    if policy.kind == "fpr":
        found, trials = float(counts.false_positives), counts.num_negative
    elif policy.kind == "flagged":
        found, trials = float(counts.flagged), counts.num
    else:
        share = {"f1": counts.f1, "precision": counts.precision, "recall": counts.recall}[policy.kind]
        trials = counts.num_positive
        found = min(share * trials, float(trials))
    low, high = wilson(found, trials)
    return Ends(float(low), float(high))


def _witnesses(policy: Policy, cuts: Cuts) -> str:
    """Return the number of comments that a policy is measured on, in words."""
    if policy.kind == "fpr":
        return count(cuts.num_negative, "negative comment")
    if policy.kind == "flagged":
        return count(cuts.num, "comment")
    return count(cuts.num_positive, "positive comment")
