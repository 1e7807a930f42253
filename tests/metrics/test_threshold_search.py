"""Thresholds: what they flag, counted in float32, and the choice by each policy, against every cut tried in turn."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score

from civility.metrics.intervals import wilson
from civility.metrics.policy import Policy, parse_policy
from civility.metrics.threshold_search import Counts, Cuts, ThresholdChoice, choose_threshold

NAN = float("nan")
FEW = settings(max_examples=100, deadline=None)
Floats = npt.NDArray[np.float32]
# Scores of a few values, the ends and neighbours in float32 among them.
NEXT = float(np.nextafter(np.float32(0.7), np.float32(1)))
TOP = float(np.nextafter(np.float32(1), np.float32(0)))
VALUES = st.sampled_from([0.0, 1e-45, 1e-8, 0.1, 0.3, 0.5, 0.7, NEXT, 0.9, TOP, 1.0])
ROWS = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), VALUES), min_size=2, max_size=30).filter(
    lambda rows: len({row[0] for row in rows}) == 2
)


def _arrays(rows: list[tuple[float, float]]) -> tuple[Floats, Floats]:
    table = np.array(rows, dtype=np.float32)
    return table[:, 0], table[:, 1]


def _decided(targets: Floats, scores: Floats, threshold: float) -> Counts:
    """Count as `Classifier.decide` compares."""
    flagged = scores >= np.array([threshold], dtype=np.float32)[0]
    return Counts(
        int(np.sum(flagged & (targets == 1))),
        int(np.sum(flagged & (targets == 0))),
        int(np.sum(~flagged & (targets == 1))),
        int(np.sum(~flagged & (targets == 0))),
    )


@FEW
@given(ROWS)
def test_every_cut_is_what_its_threshold_decides(rows: list[tuple[float, float]]) -> None:
    targets, scores = _arrays(rows)
    cuts = Cuts.of(targets, scores)
    assert cuts.thresholds.dtype == np.float32
    assert np.all(np.diff(cuts.thresholds) < 0)
    assert ((cuts.thresholds >= 0) & (cuts.thresholds <= 1)).all()
    for place, threshold in enumerate(cuts.thresholds.tolist()):
        assert cuts.of_cut(place) == cuts.at(threshold) == _decided(targets, scores, threshold)
    assert len(cuts.thresholds) == len(np.unique(scores)) + (scores.max() < 1)


@FEW
@given(ROWS, st.floats(0, 1) | VALUES)
def test_any_threshold_is_counted(rows: list[tuple[float, float]], threshold: float) -> None:
    targets, scores = _arrays(rows)
    assert Cuts.of(targets, scores).at(threshold) == _decided(targets, scores, threshold)


def test_a_threshold_lies_between_two_scores() -> None:
    cuts = Cuts.of(np.array([1.0, 0, 1]), np.array([0.8, 0.4, 0.2]))
    assert cuts.thresholds == pytest.approx([0.9, 0.6, 0.3, 0.1])
    assert cuts.true_positives.tolist() == [0, 1, 1, 2]
    assert cuts.false_positives.tolist() == [0, 0, 1, 1]
    moved = np.array([0.799999, 0.400001, 0.199999])  # another machine's rounding
    for threshold in cuts.thresholds.tolist():
        assert cuts.at(threshold) == Cuts.of(np.array([1.0, 0, 1]), moved).at(threshold)


def test_counts_have_scikit_learns_measures() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(500).astype(np.float32)
    targets = (rng.random(500) < scores).astype(np.float32)
    counts, flagged = Cuts.of(targets, scores).at(0.6), scores >= np.float32(0.6)
    assert counts.precision == pytest.approx(precision_score(targets, flagged))
    assert counts.recall == pytest.approx(recall_score(targets, flagged))
    assert counts.f1 == pytest.approx(f1_score(targets, flagged))
    assert counts.fpr == pytest.approx(1 - recall_score(1 - targets, ~flagged))
    assert counts.flagged_per_1000 == pytest.approx(1000 * flagged.mean())


def test_measures_without_a_denominator_are_undefined() -> None:
    counts = Counts(0, 0, 0, 0)
    for value in (counts.precision, counts.recall, counts.f1, counts.fpr, counts.flagged_per_1000):
        assert math.isnan(value)


def _meets(policy: Policy, counts: Counts) -> bool:
    if policy.kind == "precision":
        return counts.flagged > 0 and counts.precision >= policy.bound
    if policy.kind == "recall":
        return counts.recall >= policy.bound
    if policy.kind == "fpr":
        return counts.fpr <= policy.bound
    return policy.kind == "f1" or counts.flagged_per_1000 <= policy.bound


def _precision(counts: Counts) -> float:
    return counts.precision if counts.flagged else -1.0


TEXTS = [
    *("f1", "precision>=0.6", "precision>=1", "recall>=0.5", "recall>=1", "fpr<=0", "fpr<=0.3"),
    *("flagged<=0 per 1000", "flagged<=300 per 1000", "bands(f1, review<=200 per 1000)"),
    *("bands(precision>=0.8, review<=400 per 1000)", "bands(recall>=1, review<=0 per 1000)"),
]


@pytest.mark.parametrize("text", TEXTS)
@FEW
@given(rows=ROWS)
def test_each_policy_takes_the_best_of_all_cuts(text: str, rows: list[tuple[float, float]]) -> None:
    targets, scores = _arrays(rows)
    policy, cuts = parse_policy(text), Cuts.of(targets, scores)
    choice = choose_threshold(policy, cuts)
    tried = [_decided(targets, scores, threshold) for threshold in cuts.thresholds.tolist()]
    meeting = [counts for counts in tried if _meets(policy, counts)]
    assert choice.met == bool(meeting)
    assert choice.counts == _decided(targets, scores, choice.threshold)
    assert np.float32(choice.threshold) == choice.threshold
    if not meeting:
        nearest = max(map(_precision, tried)) if policy.kind == "precision" else None
        assert nearest is None or choice.precision.value == nearest
        assert "cannot be met" in choice.why
        return
    if policy.kind == "f1":
        expected = max(meeting, key=lambda one: (one.f1, -one.flagged))
    elif policy.kind == "recall":
        expected = max(meeting, key=lambda one: (_precision(one), one.flagged))
    else:
        expected = max(meeting, key=lambda one: (one.true_positives, -one.flagged))
    assert choice.counts == expected


@FEW
@given(ROWS, st.integers(0, 1000))
def test_the_band_for_review_is_as_wide_as_the_budget_lets_it(rows: list[tuple[float, float]], budget: int) -> None:
    targets, scores = _arrays(rows)
    cuts = Cuts.of(targets, scores)
    choice = choose_threshold(Policy("f1", review=float(budget)), cuts)
    assert choice.review_threshold is not None
    assert choice.review_threshold <= choice.threshold
    in_band = (scores >= np.float32(choice.review_threshold)) & (scores < np.float32(choice.threshold))
    assert choice.review_per_1000 == pytest.approx(1000 * in_band.mean())
    assert choice.review_per_1000 <= budget
    lower = [one for one in cuts.thresholds.tolist() if one < choice.review_threshold]
    if lower:
        wider = (scores >= np.float32(lower[0])) & (scores < np.float32(choice.threshold))
        assert 1000 * wider.mean() > budget


def _choose(text: str, targets: list[float], scores: list[float]) -> ThresholdChoice:
    return choose_threshold(parse_policy(text), Cuts.of(np.array(targets), np.array(scores)))


def test_what_cannot_be_met_is_said_with_the_nearest() -> None:
    choice = _choose("precision>=0.9", [0, 1, 1, 1, 0], [0.9, 0.7, 0.7, 0.7, 0.1])
    assert not choice.met
    assert choice.is_remarkable
    assert choice.why == "precision>=0.9 cannot be met: the highest is 0.75 at threshold 0.4"
    assert choice.precision == (0.75, *map(float, wilson(3, 4)))
    assert choice.recall == (1.0, *map(float, wilson(3, 3)))
    choice = _choose("fpr<=0.1", [0, 1, 1, 0], [1.0, 0.7, 0.7, 0.1])
    assert choice.why == "fpr<=0.1 cannot be met: the lowest is 0.5 at threshold 0.85"
    assert (choice.met, choice.counts.flagged) == (False, 1)


def test_flagging_nothing_is_said() -> None:
    choice = _choose("fpr<=0.1", [0, 1, 1, 0], [0.9, 0.7, 0.7, 0.1])
    assert choice.met
    assert choice.counts.flagged == 0
    assert math.isnan(choice.precision.value)
    assert choice.why.startswith("flags nothing")
    assert choice.is_remarkable
    assert not _choose("fpr<=0.5", [0, 1, 1, 0], [0.9, 0.7, 0.7, 0.1]).is_remarkable, "the control"


def test_a_tie_too_large_for_review_is_said() -> None:
    choice = _choose("bands(f1, review<=100 per 1000)", [1, 0, 0, 0, 0], [0.9, 0.5, 0.5, 0.5, 0.1])
    assert choice.review_threshold == choice.threshold
    assert choice.is_remarkable
    assert choice.why.endswith("none for review: the next score alone has 600 comments per 1000")


@pytest.mark.parametrize(
    ("targets", "lacking"), [([0.0, 0, 0], "positive"), ([1.0, 1, 1], "negative"), ([NAN, NAN, NAN], "positive")]
)
@pytest.mark.parametrize("text", TEXTS)
def test_a_label_with_one_class_keeps_one_half(text: str, targets: list[float], lacking: str) -> None:
    choice = _choose(text, targets, [0.2, 0.6, 0.9])
    assert (choice.threshold, choice.met) == (0.5, False)
    assert choice.review_threshold in (None, 0.5)
    assert f"no {lacking} comment" in choice.why


def test_unknown_targets_are_left_out_and_soft_ones_have_a_class() -> None:
    known = Cuts.of(np.array([1.0, 0, 1]), np.array([0.8, 0.4, 0.2]))
    more = Cuts.of(np.array([0.5, 0.49, NAN, 1, NAN]), np.array([0.8, 0.4, 0.3, 0.2, NAN]))
    assert more.thresholds.tolist() == known.thresholds.tolist()
    assert more.at(0.3) == known.at(0.3)
    assert Cuts.of(np.array([0.5, 0.5, 1]), np.array([0.8, 0.4, 0.2])).at(0.3) != known.at(0.3), "the control"


@pytest.mark.parametrize("score", [-0.1, 1.1, NAN])
def test_scores_outside_zero_to_one_are_refused(score: float) -> None:
    with pytest.raises(ValueError, match="score is"):
        Cuts.of(np.array([1.0, 0]), np.array([0.5, score]))
