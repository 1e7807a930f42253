"""Checks of the comments alone: labels, counts, unknown targets, equal texts. Knows no model and no recipe."""

import math
from collections.abc import Sequence

import numpy as np

from civility.arrays import Ints, Targets
from civility.data.dataset import Dataset, contradictions, count_targets, text_digests
from civility.training.preflight import Check, outcome

_ASSUMED_AUC = 0.95
_FEW_POSITIVES = 20
_WIDEST_INTERVAL = 0.04
_MOST_UNKNOWN = 0.5
_MOST_CONTRADICTIONS = 0.001


def checks_of_the_comments(asked: Sequence[str], training: Dataset, validation: Dataset) -> list[Check]:
    """Check the comments; ``asked`` are the labels of the recipe."""
    return [
        check_label_order(asked, training.labels, validation.labels),
        check_label_counts(training, validation),
        check_measurable(validation),
        check_unknown_targets(training),
        *check_texts(training, validation),
    ]


def check_label_order(asked: Sequence[str], training: Sequence[str], validation: Sequence[str]) -> Check:
    """Fail unless both sides of the data have the labels ``asked``, in that order; if empty, those of training."""
    expected = tuple(asked) or tuple(training)
    sides = {"training": tuple(training), "validation": tuple(validation)}
    wrong = {side: labels for side, labels in sides.items() if labels != expected}
    lists = {side: list(labels) for side, labels in {"recipe": expected, **wrong}.items()}
    return outcome("label order", fails=bool(wrong), labels=lists)


def check_label_counts(training: Dataset, validation: Dataset) -> Check:
    """Warn of labels with too few positive comments in training to be learned."""
    here, there = count_targets(training.targets)[0], count_targets(validation.targets)[0]
    counts = dict(zip(training.labels, here.tolist(), strict=True))
    few = [label for label, number in counts.items() if number < _FEW_POSITIVES]
    others = dict(zip(training.labels, there.tolist(), strict=True))
    return outcome("label counts", warns=bool(few), training=counts, validation=others, few=few)


def check_measurable(validation: Dataset) -> Check:
    """Warn of labels whose ROC AUC is undefined in validation, or known only within a wide interval."""
    positive, known = count_targets(validation.targets)
    negative = known - positive
    undefined: dict[str, str] = {}
    wide, widest = {}, 0.0
    for label, num_pos, num_neg in zip(validation.labels, positive.tolist(), negative.tolist(), strict=True):
        if not num_pos or not num_neg:
            undefined[label] = "positive" if not num_pos else "negative"
            continue
        half = 1.96 * auc_standard_error(_ASSUMED_AUC, num_pos, num_neg)
        widest = max(widest, half)
        if half > _WIDEST_INTERVAL:
            side, num = ("positive", num_pos) if num_pos <= num_neg else ("negative", num_neg)
            wide[label] = {"half_width": half, "num": num, "side": side}
    return outcome("measurable labels", warns=bool(undefined or wide), undefined=undefined, wide=wide, widest=widest)


def check_unknown_targets(training: Dataset) -> Check:
    """Warn of labels that are mostly unknown in training, and of comments without any known target."""
    unknown = len(training) - count_targets(training.targets)[1]
    num_idle = int(np.isnan(training.targets).all(axis=1).sum())
    shares = dict(zip(training.labels, (unknown / max(1, len(training))).tolist(), strict=True))
    warns = bool(num_idle) or max(shares.values()) > _MOST_UNKNOWN
    return outcome("unknown targets", warns=warns, unknown=shares, num_idle=num_idle)


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
    return outcome(
        "equal texts",
        warns=num_shared > 0,
        num_shared=num_shared,
        num_validation=len(validation),
        num_repeated=num_repeated,
    )


def _check_contradictions(text_of_row: Ints, targets: Targets, labels: Sequence[str]) -> Check:
    disagree = contradictions(text_of_row, targets)
    num_texts = int(disagree.any(axis=1).sum())
    by_label = {label: num for label, num in zip(labels, disagree.sum(axis=0).tolist(), strict=True) if num}
    share = num_texts / max(1, len(disagree))
    return outcome(
        "contradicting labels",
        warns=share > _MOST_CONTRADICTIONS,
        num_texts=num_texts,
        share=share,
        by_label=by_label,
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
