"""Likely label errors, by confident learning (Northcutt, Jiang, Chuang, JAIR 70, 2021, section 3), label by label.

A comment is suspected if the classifier is surer of the other side than it is on average of that side's own comments.
Each label is a problem of its own with two classes, as in the paper's one-vs-rest use. Scores must be of comments that
the classifier was not trained on: it seldom contradicts those that it has learned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, Ints, Scores, Targets
from civility.audit.findings import MAX_LISTED, Found, Listed, finding_of
from civility.data.dataset import Dataset
from civility.documents.audit_result import LabelSuspicion, Suspicion
from civility.errors import UserError
from civility.run.seen_comments import Seen, seen_by

if TYPE_CHECKING:
    from civility.scoring.classifier import Classifier  # takes seconds to import


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """Suspected errors of one label, the most likely first."""

    rows: Ints  # (E,) of the comments given
    # (E,) score of the annotated side less that of the other, in [-1, 1]; lower is likelier
    margin: npt.NDArray[np.float64]
    is_positive: npt.NDArray[np.bool_]  # (E,) the annotation
    # Mean score of a side's own comments, from which the classifier is sure; NaN without any, and nothing is suspected.
    sure_positive: float
    sure_negative: float
    num_positive: int  # known targets
    num_negative: int


def likely_label_errors(targets: Targets, scores: Scores) -> LabelErrors:
    """Return the suspected errors of one label, from targets (N,) and held-out scores (N,) in [0, 1]."""
    known = np.flatnonzero(~np.isnan(targets))
    is_positive = targets[known] >= POSITIVE_FROM
    positive_score = scores[known].astype(np.float64)
    negative_score = 1 - positive_score
    num_positive, num_negative = int(is_positive.sum()), int((~is_positive).sum())
    sure_positive = float(positive_score[is_positive].mean()) if num_positive else float("nan")
    sure_negative = float(negative_score[~is_positive].mean()) if num_negative else float("nan")
    # The thresholds t_j of equation 2; where both sides are sure, the larger score counts (equation 1).
    looks_positive = (positive_score >= sure_positive) & (
        (negative_score < sure_negative) | (positive_score > negative_score)
    )
    looks_negative = (negative_score >= sure_negative) & (
        (positive_score < sure_positive) | (negative_score > positive_score)
    )
    suspected = np.where(is_positive, looks_negative, looks_positive)
    if not num_positive or not num_negative:
        suspected[:] = False
    margin = np.where(is_positive, positive_score - negative_score, negative_score - positive_score)[suspected]
    order = np.argsort(margin, kind="stable")
    return LabelErrors(
        known[suspected][order],
        margin[order],
        is_positive[suspected][order],
        sure_positive,
        sure_negative,
        num_positive,
        num_negative,
    )


def suspect(
    target: str, classifier: "Classifier", dataset: Dataset, on_scored: Callable[[int, int], None]
) -> tuple[Suspicion, list[Found]]:
    """Score the labelled comments, and find the labels that the classifier is sure are wrong.

    Comments that the classifier was trained on are left out, if they are known.

    After each batch ``on_scored`` is called with its size and the number of all comments. A UserError if the comments
    have none of the classifier's labels, or it was trained on all of them.
    """
    shared = [label for label in dataset.labels if label in classifier.labels]
    columns = [dataset.labels.index(label) for label in shared]
    is_labelled = ~np.isnan(dataset.targets[:, columns]).all(axis=1)
    if not is_labelled.any():
        found = f"no comment has a known target for its labels: {', '.join(classifier.labels)}"
        remedy = "name label columns that the classifier has (--labels), or leave out --with"
        raise UserError("audit.nothing-to-check", found, where=target, remedy=remedy)
    seen = seen_by(target, dataset.texts)
    is_wanted = is_labelled & ~seen.trained if isinstance(seen, Seen) else is_labelled
    rows = np.flatnonzero(is_wanted)
    if not len(rows):
        found = "it was trained on every one of these comments, so it would hardly contradict their labels"
        remedy = "name a run that held some of them out, or other comments"
        raise UserError("audit.nothing-to-check", found, where=target, remedy=remedy)
    texts = [dataset.texts[row] for row in rows]
    scores = classifier.score(texts, on_scored=lambda num_comments: on_scored(num_comments, len(rows)))
    suspected: dict[str, LabelErrors] = {}
    for label, column in zip(shared, columns, strict=True):
        score = scores[:, classifier.labels.index(label)]
        suspected[label] = likely_label_errors(dataset.targets[rows, column], score)
    suspicion = Suspicion(
        classifier=target,
        held_out=True if isinstance(seen, Seen) else None,
        why_unknown=None if isinstance(seen, Seen) else seen,
        num_scored=len(rows),
        num_trained_on=int(is_labelled.sum()) - len(rows),
        labels={label: _summary(errors) for label, errors in suspected.items()},
    )
    return suspicion, _findings(suspected, classifier, rows, scores)


def _summary(errors: LabelErrors) -> LabelSuspicion:
    positive = int(errors.is_positive.sum())
    return LabelSuspicion(
        num_positive=errors.num_positive,
        num_negative=errors.num_negative,
        num_positive_suspected=positive,
        num_negative_suspected=len(errors.rows) - positive,
        sure_positive=errors.sure_positive,
        sure_negative=errors.sure_negative,
    )


def _findings(suspected: dict[str, LabelErrors], classifier: "Classifier", rows: Ints, scores: Scores) -> list[Found]:
    """Return one finding for all labels, the most likely errors first."""
    places = np.concatenate([errors.rows for errors in suspected.values()])
    if not len(places):
        return []
    names = [label for label, errors in suspected.items() for _ in errors.rows]
    order = np.argsort(np.concatenate([errors.margin for errors in suspected.values()]), kind="stable")
    listed = Listed(
        rows=rows[places[order[:MAX_LISTED]]],
        labels=[names[place] for place in order[:MAX_LISTED]],
        scores=[float(scores[places[i], classifier.labels.index(names[i])]) for i in order[:MAX_LISTED]],
    )
    counts = {label: len(errors.rows) for label, errors in suspected.items() if len(errors.rows)}
    return [finding_of("label_errors", len(np.unique(places)), len(rows), listed, by_label=counts)]
