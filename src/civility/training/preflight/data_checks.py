"""Checks of the comments alone: labels, counts, unknown targets, equal texts. Knows no model and no recipe."""

import math
from collections.abc import Sequence

import numpy as np

from civility.arrays import Ints, Targets
from civility.data.dataset import Dataset, contradictions, count_targets, text_digests
from civility.plain_text import count, listed
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
    found = f"{count(len(expected), 'label')} in one order in recipe, training and validation"
    if wrong:
        found = "; ".join(f"{side}: {', '.join(labels)}" for side, labels in {"recipe": expected, **wrong}.items())
    return outcome("label order", found, "name the labels in one order everywhere (data.labels)", fails=bool(wrong))


def check_label_counts(training: Dataset, validation: Dataset) -> Check:
    """Warn of labels with too few positive comments in training to be learned."""
    here, there = (count_targets(side.targets)[0].tolist() for side in (training, validation))
    few, counts = [], []
    for label, number, other in zip(training.labels, here, there, strict=True):
        counts.append(f"{label} {number:,} + {other:,}")
        if number < _FEW_POSITIVES:
            few.append(f"{label} has {count(number, 'positive comment')} in training")
    found = listed(few, most=3) if few else f"{' · '.join(counts)} (training + validation)"
    remedy = "find more comments that have the label, or leave it out (data.labels)"
    return outcome("label counts", found, remedy, warns=bool(few))


def check_measurable(validation: Dataset) -> Check:
    """Warn of labels whose ROC AUC is undefined in validation, or known only within a wide interval."""
    positive, known = (counts.tolist() for counts in count_targets(validation.targets))
    undefined, wide, widest = [], [], 0.0
    for label, num_pos, num_known in zip(validation.labels, positive, known, strict=True):
        num_neg = num_known - num_pos
        if not num_pos or not num_neg:
            undefined.append(f"{label} undefined (no {'positive' if not num_pos else 'negative'} comment)")
            continue
        half = 1.96 * auc_standard_error(_ASSUMED_AUC, num_pos, num_neg)
        widest = max(widest, half)
        if half > _WIDEST_INTERVAL:
            fewer = count(num_pos, "positive") if num_pos <= num_neg else count(num_neg, "negative")
            wide.append((half, f"{label} ± {half:.2f} ({fewer})"))
    problems = undefined + [text for _, text in sorted(wide, reverse=True)]
    found = f"AUC in validation: {listed(problems, most=6) if problems else f'all to ± {widest:.3f} or better'}"
    remedy = "a larger validation share (--validation 0.2), or more comments that have the label"
    return outcome("measurable labels", found, remedy, warns=bool(problems))


def check_unknown_targets(training: Dataset) -> Check:
    """Warn of labels that are mostly unknown in training, and of comments without any known target."""
    unknown = len(training) - count_targets(training.targets)[1]
    num_idle = int(np.isnan(training.targets).all(axis=1).sum())
    shares = [(number / max(1, len(training)), label) for number, label in zip(unknown, training.labels, strict=True)]
    parts = [f"{label} unknown for {share:.1%}" for share, label in sorted(shares, reverse=True) if share]
    if num_idle:
        parts.append(f"{count(num_idle, 'comment')} without any known target")
    found = listed(parts, most=4) if parts else "none: every target is a number"
    remedy = "a comment trains its known labels only: look whether the columns were meant to be empty"
    return outcome("unknown targets", found, remedy, warns=bool(num_idle) or max(shares)[0] > _MOST_UNKNOWN)


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
    remedy = "the validation numbers will be too high: give other comments, or a share (--validation 0.1)"
    return outcome("equal texts", found, remedy, warns=num_shared > 0)


def _check_contradictions(text_of_row: Ints, targets: Targets, labels: Sequence[str]) -> Check:
    disagree = contradictions(text_of_row, targets)
    num_texts = int(disagree.any(axis=1).sum())
    share = num_texts / max(1, len(disagree))
    found = "equal texts have equal labels"
    if num_texts:
        numbers = sorted(zip(disagree.sum(axis=0).tolist(), labels, strict=True), reverse=True)
        by_label = listed([f"{label} {number:,}" for number, label in numbers if number], most=3)
        found = f"{count(num_texts, 'text')} ({share:.2%}) with labels that contradict each other: {by_label}"
    remedy = "no model can learn both: let a person decide, or leave these comments out"
    return outcome("contradicting labels", found, remedy, warns=share > _MOST_CONTRADICTIONS)


def auc_standard_error(auc: float, num_positive: int, num_negative: int) -> float:
    """Return the standard error of an ROC AUC by Hanley and McNeil (1982), Radiology 143(1), p. 29.

    Theirs is the variance for exponentially distributed scores; close for others, and needs no scores.
    """
    two_positive = auc / (2 - auc)
    two_negative = 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc)
    variance += (num_positive - 1) * (two_positive - auc**2) + (num_negative - 1) * (two_negative - auc**2)
    return math.sqrt(variance / (num_positive * num_negative))
