"""Log loss, Brier score, calibration error: against scikit-learn, and against bins counted by hand."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from civility.metrics.calibration import brier, expected_calibration_error, log_loss, reliability

NAN = float("nan")
Floats = npt.NDArray[np.float64]
MEASURES: list[Callable[[Any, Any], float]] = [log_loss, brier, expected_calibration_error]


def _comments(num: int = 3_000) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(1)
    scores = rng.beta(0.5, 3, num)
    return scores, (rng.random(num) < scores**1.3).astype(np.float64)


def test_log_loss_and_brier_score_are_scikit_learns() -> None:
    scores, targets = _comments()
    scores = np.clip(scores, 1e-6, 1 - 1e-6)
    assert log_loss(scores, targets) == pytest.approx(sklearn_log_loss(targets, scores), rel=1e-12)
    assert brier(scores, targets) == pytest.approx(brier_score_loss(targets, scores), rel=1e-12)
    assert log_loss(scores, 1 - targets) > 2 * log_loss(scores, targets), "the control: other targets"


def test_the_reliability_curve_is_scikit_learns() -> None:
    scores, targets = _comments()
    bins = reliability(scores, targets, 15)
    shares, means = calibration_curve(targets, scores, n_bins=15)
    assert [one.share_positive for one in bins] == pytest.approx(shares.tolist())
    assert [one.mean_score for one in bins] == pytest.approx(means.tolist())
    assert sum(one.num for one in bins) == len(scores)
    assert all(one.share_low <= one.share_positive <= one.share_high for one in bins)
    assert all(one.low <= one.mean_score <= one.high for one in bins)


def test_the_calibration_error_is_counted_by_hand() -> None:
    scores = np.array([0.1, 0.2, 0.6, 0.9, 1.0])
    targets = np.array([0.0, 1, 1, 1, 1])
    # Two bins: |0.15 - 0.5| of 2 comments, |2.5 / 3 - 1| of 3.
    assert expected_calibration_error(scores, targets, 2) == pytest.approx((2 * 0.35 + 3 * (1 - 2.5 / 3)) / 5)
    assert [one.num for one in reliability(scores, targets, 2)] == [2, 3]
    assert [(one.low, one.high) for one in reliability(scores, targets, 10)][-1] == (0.9, 1.0)


def test_a_score_on_an_edge_is_of_the_bin_that_begins_there() -> None:
    scores = np.arange(100) / 100  # 0.29 * 100 is below 29
    assert [one.num for one in reliability(scores, np.zeros(100), 100)] == [1] * 100


def test_scores_that_mean_what_they_say_have_almost_no_calibration_error() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(200_000)
    targets = (rng.random(200_000) < scores).astype(np.float64)
    assert expected_calibration_error(scores, targets) < 0.005
    assert expected_calibration_error(scores**2, targets) > 0.1, "the control: scores that are too low"


@pytest.mark.parametrize("measure", MEASURES)
def test_unknown_targets_are_left_out_and_soft_ones_have_a_class(measure: Callable[[Any, Any], float]) -> None:
    scores, targets = _comments(200)
    soft = np.where(targets == 1, 0.5, 0.49)
    with_unknown = np.append(soft, [NAN, NAN])
    assert measure(np.append(scores, [0.9, NAN]), with_unknown) == measure(scores, targets)
    assert measure(np.append(scores, [0.9, 0.9]), np.append(targets, [0.0, 0.0])) != measure(scores, targets)


@pytest.mark.parametrize("measure", MEASURES)
def test_of_no_comment_they_are_undefined(measure: Callable[[Any, Any], float]) -> None:
    assert math.isnan(measure(np.array([0.5]), np.array([NAN])))
    assert reliability(np.array([0.5]), np.array([NAN])) == []


def test_a_certain_mistake_costs_much_and_not_everything() -> None:
    assert 15 < log_loss(np.array([1.0], dtype=np.float32), np.array([0.0])) < 20


def test_scores_outside_zero_to_one_are_refused() -> None:
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        reliability(np.array([0.5, 1.5]), np.array([0.0, 1.0]))
