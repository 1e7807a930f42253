"""Robustness: how a classifier's numbers change when the same comments are perturbed."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, Bools, Float32s, Scores, Targets
from civility.documents.behaviour_report import (
    InvarianceReport,
    PerturbationReport,
    PerturbedLabel,
    RobustnessReport,
)
from civility.documents.label_report import Estimate
from civility.evaluation.label_measures import estimate
from civility.evaluation.probes.perturb import INVARIANCES, PERTURBATIONS
from civility.evaluation.scored_comments import Scored
from civility.metrics.ranking import roc_auc
from civility.metrics.resampling import Means, resample, strata_of
from civility.metrics.threshold_search import Counts

STRENGTHS = (0.2, 0.6)


def measure_robustness(
    scored: Scored,
    score: Callable[[Sequence[str], str], Float32s],
    *,
    sample: int,
    seed: int,
) -> RobustnessReport:
    """Score a sample of the comments perturbed in every way, and compare.

    Parameters
    ----------
    scored : N comments with their scores
    score : returns the scores, (M, L), of M texts; its second argument says what is being scored
    sample : about how many comments to perturb
    seed : of the sample, the perturbations and the bootstrap
    """
    rows = sample_rows(scored, sample, seed)
    before = scored.select(rows)
    texts = before.dataset.texts
    perturbations = []
    for perturbation, strength in itertools.product(PERTURBATIONS, STRENGTHS):
        changed = [perturbation.apply(text, strength, seed) for text in texts]
        share = float(np.mean([new != old for new, old in zip(changed, texts, strict=True)])) if texts else 0.0
        scores = score(changed, f"robustness: {perturbation.name} {strength:g}")
        found = perturbed(before, scores, name=perturbation.name, strength=strength, share_changed=share, seed=seed)
        perturbations.append(found)
    invariances = []
    for change in INVARIANCES:
        changed = [change.apply(text) for text in texts]
        differs = np.array([new != old for new, old in zip(changed, texts, strict=True)], dtype=np.bool_)
        scores = score(list(itertools.compress(changed, differs)), f"robustness: {change.name}")
        invariances.append(invariance(before, scores, differs, change.name))
    return RobustnessReport(
        num_comments=len(rows), seed=seed, perturbations=tuple(perturbations), invariances=tuple(invariances)
    )


def perturbed(
    before: Scored, scores: Scores, *, name: str, strength: float, share_changed: float, seed: int
) -> PerturbationReport:
    """Compare a classifier's numbers on the original texts and on the perturbed ones.

    Parameters
    ----------
    before : N comments with their scores
    scores : (N, L) of the perturbed texts
    name, strength : of the perturbation
    share_changed : share of the texts that it changed, in [0, 1]
    seed : of the bootstrap
    """
    targets = before.dataset.targets
    after = before.decide(scores)
    return PerturbationReport(
        name=name,
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


def invariance(before: Scored, scores: Scores, changed: Bools, name: str) -> InvarianceReport:
    """Return how far scores and decisions moved under a change that should not matter.

    Parameters
    ----------
    before : N comments
    scores : (M, L) of the M texts that the change altered
    changed : (N,) true for those M texts
    name : of the change
    """
    own, flagged = before.scores[changed], before.flagged[changed]
    moved = np.abs(scores.astype(np.float64) - own)
    return InvarianceReport(
        name=name,
        share_changed=float(changed.mean()) if len(changed) else 0.0,
        largest_difference=float(moved.max(initial=0.0)),
        share_of_decisions_changed=float((before.decide(scores) != flagged).mean()) if moved.size else 0.0,
    )


def _change(targets: Targets, before: Bools, after: Bools, seed: int) -> Estimate:
    """Return the change of recall, averaged over labels; the bootstrap is paired, as it resamples comments."""
    positive = targets >= POSITIVE_FROM
    present = positive.any(axis=0)
    if not present.any():
        return Estimate(value=None)
    moved = np.where(positive, after.astype(np.float64) - before, np.nan)[:, present]
    means = Means(tuple(str(column) for column in range(moved.shape[1])), moved)
    resampled = resample({"moved": means}, strata_of(targets), seed=seed)["moved"]
    return estimate(float(np.nanmean(moved, axis=0).mean()), resampled.mean(axis=0))


def sample_rows(scored: Scored, number: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the rows of about ``number`` comments, ascending: half of them positive, evenly from each label.

    Rare labels are drawn first, so that frequent ones do not crowd them out.
    """
    rng = np.random.default_rng(seed)
    positive = scored.dataset.targets >= POSITIVE_FROM
    order = np.argsort(positive.sum(axis=0), kind="stable")
    each = max(1, number // (2 * max(1, positive.shape[1])))
    taken = np.zeros(len(positive), dtype=np.bool_)
    for column in order:
        members = np.flatnonzero(positive[:, column] & ~taken)
        missing = max(0, each - int((positive[:, column] & taken).sum()))
        taken[rng.permutation(members)[:missing]] = True
    rest = np.flatnonzero(~positive.any(axis=1))
    taken[rng.permutation(rest)[: max(0, number - int(taken.sum()))]] = True
    return np.flatnonzero(taken)
