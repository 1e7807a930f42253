"""ROC AUC, average precision, recall at a rate: against scikit-learn, all pairs, and what must not change them."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from civility.metrics.ranking import average_precision, known_classes, macro_mean, recall_at_fpr, roc_auc

NAN = float("nan")
Floats = npt.NDArray[np.float64]

FEW = settings(max_examples=50, deadline=None)
# Scores on a coarse grid: many ties, and squares and cubes that are exact.
ROWS = st.lists(st.tuples(st.booleans(), st.integers(-20, 20)), min_size=2, max_size=40).filter(
    lambda rows: len({positive for positive, _ in rows}) == 2
)


def _arrays(rows: list[tuple[bool, int]]) -> tuple[Floats, Floats]:
    table = np.array(rows, dtype=np.float64)
    return table[:, 0], table[:, 1] / 4


def _auc_over_pairs(targets: Floats, scores: Floats) -> float:
    above = 0.0
    pairs = 0
    for positive in scores[targets == 1]:
        for negative in scores[targets == 0]:
            above += 1.0 if positive > negative else 0.5 if positive == negative else 0.0
            pairs += 1
    return above / pairs


def _precision_over_thresholds(targets: Floats, scores: Floats) -> float:
    total, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        taken = targets[scores >= threshold]
        recall = float(taken.sum() / targets.sum())
        total += (recall - recall_before) * float(taken.mean())
        recall_before = recall
    return total


@FEW
@given(ROWS)
def test_roc_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[bool, int]]) -> None:
    targets, scores = _arrays(rows)
    assert roc_auc(targets, scores) == pytest.approx(_auc_over_pairs(targets, scores), abs=1e-12)


@FEW
@given(ROWS)
def test_average_precision_is_the_sum_over_thresholds(rows: list[tuple[bool, int]]) -> None:
    targets, scores = _arrays(rows)
    expected = _precision_over_thresholds(targets, scores)
    assert average_precision(targets, scores) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("num_values", [2, 30, 10**6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_agree_with_scikit_learn(num_values: int, dtype: type[np.floating]) -> None:
    rng = np.random.default_rng(num_values)
    targets = (rng.random(3_000) < 0.03).astype(dtype)
    scores = ((rng.integers(0, num_values, 3_000) + targets * num_values / 3) / num_values).astype(dtype)
    auc, precision = roc_auc(targets, scores), average_precision(targets, scores)
    assert auc == pytest.approx(roc_auc_score(targets, scores), abs=1e-12)
    assert precision == pytest.approx(average_precision_score(targets, scores), abs=1e-12)
    shuffled = rng.permutation(targets)
    assert abs(roc_auc(shuffled, scores) - auc) > 0.01, "the control: other targets give another AUC"
    assert abs(average_precision(shuffled, scores) - precision) > 0.005


MONOTONE: dict[str, Callable[[Floats], Floats]] = {
    "a line": lambda scores: 3 * scores - 7,
    "a cube": lambda scores: scores**3,
    "a sigmoid": lambda scores: 1 / (1 + np.exp(-scores)),
    "ranks": lambda scores: np.unique(scores, return_inverse=True)[1].astype(np.float64),
}


@pytest.mark.parametrize("name", MONOTONE)
@FEW
@given(rows=ROWS)
def test_a_monotone_map_of_the_scores_changes_nothing(name: str, rows: list[tuple[bool, int]]) -> None:
    targets, scores = _arrays(rows)
    mapped = MONOTONE[name](scores)
    assert roc_auc(targets, mapped) == roc_auc(targets, scores)
    assert average_precision(targets, mapped) == average_precision(targets, scores)


def test_a_map_that_is_not_monotone_does_change_them() -> None:
    targets, scores = np.array([0.0, 1, 0, 1]), np.array([-2.0, -1, 0, 1])
    assert roc_auc(targets, scores**2) != roc_auc(targets, scores)
    assert average_precision(targets, scores**2) != average_precision(targets, scores)


@FEW
@given(ROWS)
def test_negated_scores_give_the_complement(rows: list[tuple[bool, int]]) -> None:
    targets, scores = _arrays(rows)
    assert roc_auc(targets, -scores) == pytest.approx(1 - roc_auc(targets, scores), abs=1e-12)


@FEW
@given(ROWS, st.integers(0, 2**16))
def test_the_order_of_comments_changes_nothing(rows: list[tuple[bool, int]], seed: int) -> None:
    targets, scores = _arrays(rows)
    order = np.random.default_rng(seed).permutation(len(rows))
    assert roc_auc(targets[order], scores[order]) == roc_auc(targets, scores)
    assert average_precision(targets[order], scores[order]) == average_precision(targets, scores)


def test_a_tie_of_a_positive_and_a_negative_counts_half() -> None:
    assert roc_auc(np.array([1.0, 0]), np.array([0.3, 0.3])) == 0.5
    assert roc_auc(np.array([1.0, 0, 0]), np.array([0.3, 0.3, 0.1])) == 0.75
    assert roc_auc(np.array([1.0, 0, 0]), np.array([0.31, 0.3, 0.1])) == 1.0, "the control: without the tie"


def test_equal_scores_are_one_threshold() -> None:
    assert average_precision(np.array([1.0, 0, 0, 0]), np.full(4, 0.5)) == 0.25


@FEW
@given(ROWS, st.lists(st.integers(-20, 20), min_size=1, max_size=10))
def test_unknown_targets_are_left_out(rows: list[tuple[bool, int]], extra: list[int]) -> None:
    targets, scores = _arrays(rows)
    with_unknown = np.concatenate([np.full(len(extra), NAN), targets])
    all_scores = np.concatenate([np.array(extra) / 4, scores])
    assert roc_auc(with_unknown, all_scores) == roc_auc(targets, scores)
    assert average_precision(with_unknown, all_scores) == average_precision(targets, scores)


def test_an_unknown_target_is_not_a_negative() -> None:
    targets, scores = np.array([NAN, 1, 0]), np.array([0.9, 0.5, 0.1])
    assert roc_auc(targets, scores) == 1.0
    assert roc_auc(np.nan_to_num(targets), scores) == 0.5, "the control: filled with 0 it would be one"
    assert average_precision(targets, scores) == 1.0
    assert average_precision(np.nan_to_num(targets), scores) == 0.5


def test_the_score_of_an_unknown_target_may_be_nan() -> None:
    assert roc_auc(np.array([NAN, 1, 0]), np.array([NAN, 0.5, 0.1])) == 1.0


def test_a_soft_target_is_positive_from_one_half_up() -> None:
    positive, _ = known_classes(np.array([0, 0.49, 0.5, 0.51, 1, NAN]), np.zeros(6))
    assert positive.tolist() == [False, False, True, True, True]
    assert roc_auc(np.array([0.49, 0.5]), np.array([0.1, 0.2])) == 1.0


@pytest.mark.parametrize("metric", [roc_auc, average_precision])
@pytest.mark.parametrize("targets", [[], [NAN, NAN], [0, 0.2, NAN], [1, 0.5, NAN]])
def test_without_a_positive_or_a_negative_both_are_undefined(
    metric: Callable[[Floats, Floats], float], targets: list[float]
) -> None:
    scores = np.linspace(0, 1, len(targets))
    assert math.isnan(metric(np.array(targets, dtype=np.float64), scores))


@pytest.mark.parametrize("metric", [roc_auc, average_precision])
def test_scores_may_be_infinite_or_far_apart(metric: Callable[[Floats, Floats], float]) -> None:
    targets = np.array([1.0, 0, 1, 0, 0])
    scores = np.array([math.inf, math.inf, 1e308, -1e308, -math.inf])
    assert metric(targets, scores) == metric(targets, np.array([4.0, 4, 3, 2, 1]))
    assert metric(targets, scores) != metric(targets, np.array([5.0, 4, 3, 2, 1])), "the control: no tie"


@pytest.mark.parametrize("metric", [roc_auc, average_precision])
def test_a_score_that_is_nan_cannot_be_ranked(metric: Callable[[Floats, Floats], float]) -> None:
    with pytest.raises(ValueError, match="a score is NaN"):
        metric(np.array([1.0, 0]), np.array([NAN, 0.5]))


@pytest.mark.parametrize(
    ("targets", "scores", "message"),
    [
        (np.zeros(2), np.zeros(3), r"targets have shape \(2,\) and scores \(3,\), expected \(N,\) twice"),
        (np.zeros((2, 1)), np.zeros((2, 1)), r"targets have shape \(2, 1\) and scores \(2, 1\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(targets: Floats, scores: Floats, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        roc_auc(targets, scores)


def _recall_over_thresholds(targets: Floats, scores: Floats, fpr: float) -> float:
    flags = [scores >= threshold for threshold in [*scores, math.inf]]
    allowed = [flagged for flagged in flags if flagged[targets == 0].mean() <= fpr]
    return max(float(flagged[targets == 1].mean()) for flagged in allowed)


@FEW
@given(ROWS, st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.9, 1.0]))
def test_recall_at_a_rate_is_the_best_of_all_thresholds(rows: list[tuple[bool, int]], fpr: float) -> None:
    targets, scores = _arrays(rows)
    assert recall_at_fpr(targets, scores, fpr) == pytest.approx(_recall_over_thresholds(targets, scores, fpr))


@pytest.mark.parametrize("num_values", [30, 10**6])
@pytest.mark.parametrize("fpr", [0.0, 0.001, 0.01, 0.29])
def test_recall_at_a_rate_agrees_with_the_roc_curve_of_scikit_learn(num_values: int, fpr: float) -> None:
    rng = np.random.default_rng(num_values)
    targets = (rng.random(3_000) < 0.03).astype(np.float64)
    scores = (rng.integers(0, num_values, 3_000) + targets * num_values / 3) // 1
    rates, recalls, _ = roc_curve(targets, scores, drop_intermediate=False)
    assert recall_at_fpr(targets, scores, fpr) == pytest.approx(recalls[rates <= fpr].max(), abs=1e-12)


def test_a_rate_that_is_met_exactly_is_allowed() -> None:
    targets, scores = np.append(np.zeros(100), 1.0), np.append(np.arange(100.0), 70.5)
    assert recall_at_fpr(targets, scores, 0.29) == 1.0, "29 of 100 negatives are above the positive"
    assert recall_at_fpr(targets, scores, 0.28999) == 0.0


def test_no_threshold_passes_through_equal_scores() -> None:
    targets, scores = np.array([1.0, 1, 0, 0]), np.array([2.0, 1, 1, 0])
    assert recall_at_fpr(targets, scores, 0.49) == 0.5
    assert recall_at_fpr(targets, scores, 0.5) == 1.0
    assert recall_at_fpr(targets, np.zeros(4), 0.99) == 0.0


@pytest.mark.parametrize("targets", [[], [NAN, NAN], [0, 0.2, NAN], [1, 0.5, NAN]])
def test_recall_at_a_rate_needs_a_positive_and_a_negative(targets: list[float]) -> None:
    scores = np.linspace(0, 1, len(targets))
    assert math.isnan(recall_at_fpr(np.array(targets, dtype=np.float64), scores, 0.5))


def test_the_macro_mean_is_that_of_what_is_defined() -> None:
    assert macro_mean([0.5, math.nan, 1.0]) == 0.75
    assert math.isnan(macro_mean([math.nan]))
    assert math.isnan(macro_mean([]))
