"""How easily a classifier is fooled: its numbers on texts as they are and on the same texts perturbed. Arrays only."""

import numpy as np

from civility.arrays import Bools, Scores, Targets
from civility.data.dataset import POSITIVE_FROM
from civility.documents.report import Estimate, Invariance, Perturbed, PerturbedLabel
from civility.evaluation.label_measures import estimate
from civility.evaluation.scored_comments import Scored
from civility.metrics.counted import Means
from civility.metrics.ranking import roc_auc
from civility.metrics.resampling import resample, strata_of
from civility.metrics.threshold_search import Counts


def perturbed(
    before: Scored, scores: Scores, *, name: str, what: str, strength: float, share_changed: float, seed: int
) -> Perturbed:
    """Compare the numbers of a classifier on texts as they are and on the same texts perturbed.

    Parameters
    ----------
    before : N comments with their scores
    scores : (N, L) of the perturbed texts
    name, what, strength : of the perturbation
    share_changed : of the texts that it changed
    seed : of the bootstrap
    """
    targets = before.dataset.targets
    after = before.decide(scores)
    return Perturbed(
        name=name,
        what=what,
        strength=strength,
        share_changed=share_changed,
        macro_recall_change=_change(targets, before.flagged, after, seed),
        labels={
            label: PerturbedLabel(
                recall_before=Counts.of(targets[:, column], before.flagged[:, column]).recall,
                recall_after=Counts.of(targets[:, column], after[:, column]).recall,
                roc_auc_before=roc_auc(targets[:, column], before.scores[:, column]),
                roc_auc_after=roc_auc(targets[:, column], scores[:, column]),
            )
            for column, label in enumerate(before.dataset.labels)
        },
    )


def invariance(before: Scored, scores: Scores, changed: Bools, name: str) -> Invariance:
    """Return how far scores moved under a change that must not matter, and how many decisions with them.

    Parameters
    ----------
    before : N comments
    scores : (M, L) of the M texts that the change altered
    changed : (N,) which these are
    name : of the change
    """
    own, flagged = before.scores[changed], before.flagged[changed]
    moved = np.abs(scores.astype(np.float64) - own)
    return Invariance(
        name=name,
        share_changed=float(changed.mean()) if len(changed) else 0.0,
        largest_difference=float(moved.max(initial=0.0)),
        share_of_decisions_changed=float((before.decide(scores) != flagged).mean()) if moved.size else 0.0,
    )


def _change(targets: Targets, before: Bools, after: Bools, seed: int) -> Estimate:
    """Return the change of recall, averaged over labels; resamples are of comments, so the pairs stay together."""
    positive = targets >= POSITIVE_FROM
    present = positive.any(axis=0)
    if not present.any():
        return Estimate(value=None)
    moved = np.where(positive, after.astype(np.float64) - before, np.nan)[:, present]
    means = Means(tuple(str(column) for column in range(moved.shape[1])), moved)
    resampled = resample({"moved": means}, strata_of(targets), seed=seed)["moved"]
    return estimate(float(np.nanmean(moved, axis=0).mean()), resampled.mean(axis=0))
