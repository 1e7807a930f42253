"""Likely label errors by the scores of a classifier, told as one finding, and what they rest on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civility.arrays import Scores
from civility.audit.confident_learning import LabelErrors, likely_label_errors
from civility.audit.findings import MAX_LISTED, Finding, Listed
from civility.data.dataset import Dataset
from civility.errors import UserError
from civility.run.seen_comments import seen_by
from civility.scoring.classifier import Classifier


@dataclass(frozen=True)
class LabelSuspicion:
    """Suspected errors of one label among the comments scored.

    Parameters
    ----------
    num_positive, num_negative : known targets among them
    num_positive_suspected, num_negative_suspected : annotated so, and probably wrong
    sure_positive, sure_negative : scores of a side from where the classifier counts as sure of it, NaN if none
    """

    num_positive: int
    num_negative: int
    num_positive_suspected: int
    num_negative_suspected: int
    sure_positive: float
    sure_negative: float


@dataclass(frozen=True)
class Suspicion:
    """What a classifier holds against the labels.

    Parameters
    ----------
    classifier : as it was named
    held_out : True if it was trained on none of the comments scored, None if that cannot be told
    why_unknown : the reason, if it cannot
    num_scored : comments that were scored, of all
    num_trained_on : comments left out, since it was trained on them
    labels : by label that both have
    """

    classifier: str
    held_out: bool | None
    why_unknown: str
    num_scored: int
    num_trained_on: int
    labels: dict[str, LabelSuspicion]


def suspect(
    target: str, classifier: Classifier, dataset: Dataset, on_scored: Callable[[int, int], None]
) -> tuple[Suspicion, list[Finding]]:
    """Score the comments that have a label, and find the labels that the classifier is sure are wrong.

    Where it can be told which comments the classifier was trained on, those are left out.

    Raises
    ------
    UserError : no label is the classifier's, or it was trained on every comment
    """
    shared = [label for label in dataset.labels if label in classifier.labels]
    columns = [dataset.labels.index(label) for label in shared]
    is_labelled = ~np.isnan(dataset.targets[:, columns]).all(axis=1)
    if not is_labelled.any():
        raise UserError(
            "audit.todo",
            f"no comment has a known target of its labels: {', '.join(classifier.labels)}",
            where=target,
            remedy="name label columns that the classifier has (--labels), or leave --with out",
        )
    seen, why_unknown = seen_by(target, dataset.texts)
    is_wanted = is_labelled if seen is None else is_labelled & ~seen.trained
    rows = np.flatnonzero(is_wanted)
    if not len(rows):
        raise UserError(
            "audit.todo",
            "it was trained on every one of these comments, and would hardly contradict their labels",
            where=target,
            remedy="name a run that held some of them out, or other comments",
        )
    texts = [dataset.texts[row] for row in rows]
    scores = classifier.score(texts, on_scored=lambda num_comments: on_scored(num_comments, len(rows)))
    suspected: dict[str, LabelErrors] = {}
    for label, column in zip(shared, columns, strict=True):
        score = scores[:, classifier.labels.index(label)]
        suspected[label] = likely_label_errors(dataset.targets[rows, column], score)
    suspicion = Suspicion(
        classifier=target,
        held_out=None if seen is None else True,
        why_unknown=why_unknown,
        num_scored=len(rows),
        num_trained_on=int(is_labelled.sum()) - len(rows),
        labels={label: _summary(errors) for label, errors in suspected.items()},
    )
    return suspicion, _findings(suspected, classifier, rows, scores)


def _summary(errors: LabelErrors) -> LabelSuspicion:
    positive = int(errors.is_positive.sum())
    return LabelSuspicion(
        errors.num_positive,
        errors.num_negative,
        positive,
        len(errors.rows) - positive,
        errors.sure_positive,
        errors.sure_negative,
    )


def _findings(
    suspected: dict[str, LabelErrors], classifier: Classifier, rows: npt.NDArray[np.int64], scores: Scores
) -> list[Finding]:
    """Return one finding for all labels, the most likely errors first."""
    places = np.concatenate([errors.rows for errors in suspected.values()])
    if not len(places):
        return []
    names = [label for label, errors in suspected.items() for _ in errors.rows]
    order = np.argsort(np.concatenate([errors.margin for errors in suspected.values()]), kind="stable")
    counts = ", ".join(f"{label} {len(errors.rows):,}" for label, errors in suspected.items() if len(errors.rows))
    listed = Listed(
        rows=rows[places[order[:MAX_LISTED]]],
        labels=[names[place] for place in order[:MAX_LISTED]],
        scores=[float(scores[places[i], classifier.labels.index(names[i])]) for i in order[:MAX_LISTED]],
    )
    count = len(np.unique(places))
    return [Finding("label_errors", count, len(rows), details=f"by label: {counts}", listed=listed)]
