"""Checks of the comments alone: labels, counts, unknown targets, equal texts. Knows no model and no recipe."""

import math
from collections.abc import Sequence

import numpy as np

from civility.arrays import Ints, Targets
from civility.data.dataset import Dataset, contradictions, count_targets, text_digests
from civility.plain_text import count, listed
from civility.training.preflight.check import Check, outcome

_ASSUMED_AUC = 0.95
_FEW_POSITIVES = 20
_WIDEST_INTERVAL = 0.04
_MOST_UNKNOWN = 0.5
_MOST_CONTRADICTIONS = 0.001


def check_label_order(asked: Sequence[str], training: Sequence[str], validation: Sequence[str]) -> Check:
    """Fail unless the data have the labels that were asked for, in that order, on both sides.

    Parameters
    ----------
    asked : labels of the recipe; empty: all that the data have
    training, validation : labels of the data
    """
    expected = tuple(asked) or tuple(training)
    wrong = {
        side: labels
        for side, labels in (("training", tuple(training)), ("validation", tuple(validation)))
        if labels != expected
    }
    found = f"{count(len(expected), 'label')} in one order in recipe, training and validation"
    if wrong:
        found = "; ".join(f"{side}: {', '.join(labels)}" for side, labels in {"recipe": expected, **wrong}.items())
    return outcome(
        "label order", found, fails=bool(wrong), remedy="name the labels in one order everywhere (data.labels)"
    )


def check_label_counts(training: Dataset, validation: Dataset) -> Check:
    """Warn of labels with too few positive comments in training to be learned."""
    here, there = count_targets(training.targets)[0], count_targets(validation.targets)[0]
    few = [
        f"{label} has {count(int(number), 'positive comment')} in training"
        for label, number in zip(training.labels, here, strict=True)
        if number < _FEW_POSITIVES
    ]
    counts = [
        f"{label} {number:,} + {other:,}" for label, number, other in zip(training.labels, here, there, strict=True)
    ]
    return outcome(
        "label counts",
        listed(few, most=3) if few else f"{' · '.join(counts)} (training + validation)",
        warns=bool(few),
        remedy="find more comments that have the label, or leave it out (data.labels)",
    )


def check_measurable(validation: Dataset) -> Check:
    """Warn of labels whose ROC AUC is undefined in validation, or known only within a wide interval."""
    positive, known = count_targets(validation.targets)
    negative = known - positive
    undefined, wide, widest = [], [], 0.0
    for label, num_pos, num_neg in zip(validation.labels, positive.tolist(), negative.tolist(), strict=True):
        if not num_pos or not num_neg:
            undefined.append(f"{label} undefined (no {'positive' if not num_pos else 'negative'} comment)")
            continue
        half = 1.96 * auc_standard_error(_ASSUMED_AUC, num_pos, num_neg)
        widest = max(widest, half)
        if half > _WIDEST_INTERVAL:
            fewer = count(num_pos, "positive") if num_pos <= num_neg else count(num_neg, "negative")
            wide.append((half, f"{label} ± {half:.2f} ({fewer})"))
    problems = undefined + [text for _, text in sorted(wide, reverse=True)]
    return outcome(
        "measurable labels",
        f"AUC in validation: {listed(problems, most=6) if problems else f'all to ± {widest:.3f} or better'}",
        warns=bool(problems),
        remedy="a larger validation share (--validation 0.2), or more comments that have the label",
    )


def check_unknown_targets(training: Dataset) -> Check:
    """Warn of labels that are mostly unknown in training, and of comments without any known target."""
    unknown = len(training) - count_targets(training.targets)[1]
    num_idle = int(np.isnan(training.targets).all(axis=1).sum())
    shares = [(number / max(1, len(training)), label) for number, label in zip(unknown, training.labels, strict=True)]
    parts = [f"{label} unknown for {share:.1%}" for share, label in sorted(shares, reverse=True) if share]
    if num_idle:
        parts.append(f"{count(num_idle, 'comment')} without any known target")
    return outcome(
        "unknown targets",
        listed(parts, most=4) if parts else "none: every target is a number",
        warns=bool(num_idle) or max(shares)[0] > _MOST_UNKNOWN,
        remedy="a comment trains its known labels only: look whether the columns were meant to be empty",
    )


def check_texts(training: Dataset, validation: Dataset) -> list[Check]:
    """Warn of equal texts on both sides of the split, and of equal texts with contradicting labels.

    Equal is: up to Unicode form, case and white space.
    """
    digests = np.concatenate([text_digests(training.texts), text_digests(validation.texts)])
    # Half a digest distinguishes texts too, and numbers sort ten times faster than bytes.
    _, text_of_row = np.unique(digests.view("<u8")[::2], return_inverse=True)
    text_of_row = text_of_row.astype(np.int64)
    targets = np.concatenate([training.targets, validation.targets])
    return [
        _check_shared(text_of_row[: len(training)], text_of_row[len(training) :]),
        _check_contradictions(text_of_row, targets, training.labels),
    ]


def _check_shared(training: Ints, validation: Ints) -> Check:
    num_shared = int(np.isin(validation, training).sum())
    num_repeated = len(training) - len(np.unique(training))
    found = f"{num_shared:,} of {len(validation):,} validation comments are also in training"
    if not num_shared:
        found = f"none on both sides of the split; {count(num_repeated, 'repeat')} inside training"
    return outcome(
        "equal texts",
        found,
        warns=num_shared > 0,
        remedy="the validation numbers will be too high: give other comments, or a share (--validation 0.1)",
    )


def _check_contradictions(text_of_row: Ints, targets: Targets, labels: Sequence[str]) -> Check:
    disagree = contradictions(text_of_row, targets)
    num_texts = int(disagree.any(axis=1).sum())
    by_label = [
        f"{label} {number:,}"
        for number, label in sorted(zip(disagree.sum(axis=0).tolist(), labels, strict=True), reverse=True)
        if number
    ]
    share = num_texts / max(1, len(disagree))
    return outcome(
        "contradicting labels",
        f"{count(num_texts, 'text')} ({share:.2%}) with labels that contradict each other: {listed(by_label, most=3)}"
        if num_texts
        else "equal texts have equal labels",
        warns=share > _MOST_CONTRADICTIONS,
        remedy="no model can learn both: let a person decide, or leave these comments out",
    )


def auc_standard_error(auc: float, num_positive: int, num_negative: int) -> float:
    """Return the standard error of an ROC AUC by Hanley and McNeil (1982), Radiology 143(1), p. 29.

    Theirs is the variance for exponentially distributed scores; close for others, and needs no scores.
    """
    two_positive = auc / (2 - auc)
    two_negative = 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc)
    variance += (num_positive - 1) * (two_positive - auc**2) + (num_negative - 1) * (two_negative - auc**2)
    return math.sqrt(variance / (num_positive * num_negative))
