"""What becomes of a threshold that too few comments would choose. Knows neither label names nor files.

A policy always finds a best cut. By a single positive comment that is the cut at its score, and whatever scores higher
is flagged: where the comment ranks low, most of a queue.
"""

from dataclasses import replace

import numpy as np

from civility.metrics.intervals import wilson
from civility.metrics.policy import Kind, Policy
from civility.metrics.small_samples import Ends
from civility.metrics.threshold_search import Counts, Cuts, ThresholdChoice, choice_at, choose_threshold
from civility.plain_text import count

WIDEST = 0.3
"""Of the 95 % interval of what a policy reaches: where it is wider, no threshold is chosen by it.

A share of 39 comments or more never has a wider one; `benchmarks/rare_labels.py` shows what other bounds would do.
"""
_NAMES: dict[Kind, str] = {
    "f1": "F1",
    "precision": "the precision",
    "recall": "the recall",
    "fpr": "the false-positive rate",
    "flagged": "the share flagged",
}


def choose_or_fall_back(policy: Policy, cuts: Cuts) -> ThresholdChoice:
    """Return the threshold of a policy, or a fallback where the comments do not tell what the policy reaches with it.

    The fallback flags as many of the comments as are positive, or fewer where scores tie, and never more than the
    policy itself would. A label with one class only keeps 0.5, which is not chosen from data either.
    """
    choice = choose_threshold(policy, cuts)
    if not cuts.num_positive or not cuts.num_negative:
        return replace(choice, from_data=False)
    low, high = reached(policy, choice.counts)
    if high - low <= WIDEST:
        return choice
    why = (
        f"not chosen from data: by {_witnesses(policy, cuts)}, {_NAMES[policy.kind]} at the threshold of "
        f"{replace(policy, review=None)} may be anything from {low:.2f} to {high:.2f}; in its place the one that flags "
        "as many comments as are positive, or fewer"
    )
    return fall_back(choice, cuts, why)


def fall_back(choice: ThresholdChoice, cuts: Cuts, why: str) -> ThresholdChoice:
    """Return the fallback of a policy's choice: the cut that flags as many as are positive, or else the next above it.

    It flags no more than the choice does. Only where more comments than that have a score of 1, no cut flags so few.
    """
    flagged = cuts.true_positives + cuts.false_positives
    most = min(cuts.num_positive, choice.counts.flagged)
    place = max(int(np.searchsorted(flagged, most, side="right")) - 1, 0)
    return replace(choice_at(place, choice.policy, cuts, met=False, why=why), from_data=False)


def reached(policy: Policy, counts: Counts) -> Ends:
    """Return the 95 % interval of what a policy bounds, or makes as high as can be, at its threshold.

    Recall is a share of the positives. Precision and F1 are taken for one too: by their own trials, the comments
    flagged, a cut that floods the queue for the sake of one positive has a narrow interval about a number near 0.

    Parameters
    ----------
    counts : at the threshold, with a positive and a negative comment; something is flagged by f1, precision and recall
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
    """Name the comments that tell what a policy reaches."""
    if policy.kind == "fpr":
        return count(cuts.num_negative, "negative comment")
    if policy.kind == "flagged":
        return count(cuts.num, "comment")
    return count(cuts.num_positive, "positive comment")
