"""Calibration: the fits against scikit-learn, the choice against data of known making, and what must hold always."""

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from civility.metrics.calibration import (
    AFFINE,
    METHODS,
    CalibrationChoice,
    LabelCalibration,
    Method,
    choose,
    cross_fitted,
    expected_calibration_error,
    fit,
    log_loss,
)
from civility.metrics.ranking import roc_auc

NAN = float("nan")
Floats = npt.NDArray[np.float64]
FEW = settings(max_examples=50, deadline=None)
ROWS = st.lists(st.tuples(st.integers(-30, 30), st.sampled_from([0.0, 1.0, 0.3, 0.8, NAN])), min_size=1, max_size=60)
FITTED: tuple[Method, ...] = ("temperature", "platt", "isotonic")


def _sigmoid(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-logits))


def _comments(scale: float = 1.0, shift: float = 0.0, num: int = 4_000, seed: int = 0) -> tuple[Floats, Floats]:
    """Return logits, and targets whose chance is sigmoid(scale * logit + shift)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.0, 2.5, num)
    return logits, (rng.random(num) < _sigmoid(scale * logits + shift)).astype(np.float64)


def test_platt_is_scikit_learns() -> None:
    logits, targets = _comments(0.5, -1.0)
    theirs = _SigmoidCalibration().fit(logits, targets)  # 1 / (1 + exp(a * logit + b))
    ours = fit("platt", logits, targets)
    assert (ours.scale, ours.shift) == pytest.approx((-theirs.a_, -theirs.b_), abs=2e-4)
    assert (ours.scale, ours.shift) == pytest.approx((0.5, -1.0), abs=0.1)
    other = fit("platt", logits, np.roll(targets, 1))
    assert other.scale != pytest.approx(ours.scale, abs=0.1), "the control: other targets"


def test_temperature_is_a_logistic_regression_without_intercept_nor_penalty() -> None:
    logits, targets = _comments(0.4)
    regression = LogisticRegression(C=1e10, fit_intercept=False, tol=1e-10).fit(logits[:, None], targets)
    ours = fit("temperature", logits, targets)
    assert ours.shift == 0.0
    # Platt's targets move it a little, less the more comments there are.
    assert ours.scale == pytest.approx(regression.coef_[0, 0], rel=2e-3)


@pytest.mark.parametrize("method", ["temperature", "platt"])
def test_the_fit_is_a_minimum(method: Method) -> None:
    logits, targets = _comments(0.6, -0.4 if method == "platt" else 0.0)
    best = fit(method, logits, targets)
    least = log_loss(best.apply(logits), targets)
    for scale, shift in ((1.05, 0), (0.95, 0), *(((1, 0.1), (1, -0.1)) if method == "platt" else ())):
        moved = LabelCalibration(method, best.scale * scale, best.shift + shift)
        assert log_loss(moved.apply(logits), targets) > least


def test_isotonic_has_scikit_learns_steps_at_its_knots() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(size=2_000).round(2)  # ties
    targets = (rng.random(2_000) < _sigmoid(2 * logits)).astype(np.float64)
    ours = fit("isotonic", logits, targets)
    steps = IsotonicRegression(out_of_bounds="clip").fit_transform(logits, targets)
    values = np.unique(steps)
    assert len(ours.y) == len(values)
    assert ours.y[1:-1] == pytest.approx(values[1:-1].tolist(), abs=1e-12)
    middles = [logits[steps == value].mean() for value in values]
    assert ours.x == pytest.approx(middles, abs=1e-9)
    assert 0 < ours.y[0] < ours.y[1]
    assert ours.y[-2] <= ours.y[-1] < 1


def test_isotonic_ties_fewer_comments_than_the_steps_do() -> None:
    logits, targets = _comments(0.5)
    ours = fit("isotonic", logits, targets).apply(logits)
    steps = IsotonicRegression(out_of_bounds="clip").fit_transform(logits, targets)
    assert len(np.unique(ours)) > 10 * len(np.unique(steps))


def test_isotonic_pools_a_long_row_that_falls_at_its_end() -> None:
    # Each merge makes the next one due: all comments from the last rise on become one block.
    targets = np.array([0.0] * 50 + [0, 1] * 20 + [0.0] * 400 + [1.0] * 30)
    logits = np.arange(len(targets), dtype=np.float64)
    ours = fit("isotonic", logits, targets)
    steps = IsotonicRegression().fit_transform(logits, targets)
    assert ours.y[1:-1] == pytest.approx(np.unique(steps)[1:-1].tolist())


@FEW
@given(ROWS, st.sampled_from(METHODS))
def test_every_fit_is_monotone_and_within_zero_to_one(rows: list[tuple[int, float]], method: Method) -> None:
    logits = np.array([row[0] for row in rows]) / 4
    targets = np.array([row[1] for row in rows])
    ours = fit(method, logits, targets)
    ends = np.array([-math.inf, -1e30, 1e30, math.inf])
    scores = ours.apply(np.sort(np.concatenate([np.linspace(-10, 10, 301), logits, ends])))
    assert np.all(np.diff(scores) >= -1e-15)
    assert scores[0] >= 0
    assert scores[-1] <= 1


@FEW
@given(ROWS)
def test_the_ranking_stays_but_for_ties(rows: list[tuple[int, float]]) -> None:
    logits = np.array([row[0] for row in rows]) / 4
    targets = np.array([row[1] for row in rows])
    before = roc_auc(targets, logits)
    for method in FITTED[:2]:
        after = roc_auc(targets, fit(method, logits, targets).apply(logits))
        assert after == before or (math.isnan(after) and math.isnan(before))
    tied = fit("isotonic", logits, targets).apply(logits)
    order = np.argsort(logits, kind="stable")
    assert np.all(np.diff(tied[order]) >= 0)


@pytest.mark.parametrize("method", FITTED)
def test_unknown_targets_are_left_out_and_soft_ones_have_a_class(method: Method) -> None:
    logits, targets = _comments(num=300)
    soft = np.where(targets == 1, 0.5, 0.49)
    more = fit(method, np.append(logits, [3.0, NAN]), np.append(soft, [NAN, NAN]))
    assert more == fit(method, logits, targets)
    assert fit(method, np.append(logits, [3.0, 3.0]), np.append(targets, [0.0, 0.0])) != more, "the control"


@pytest.mark.parametrize("method", FITTED)
def test_infinite_logits_count_as_the_most_extreme_finite_ones(method: Method) -> None:
    logits, targets = _comments(num=300)
    infinite = np.append(logits, [math.inf, -math.inf, math.inf])
    finite = np.append(logits, [logits.max(), logits.min(), logits.max()])
    classes = np.append(targets, [0.0, 0.0, 1.0])
    ours = fit(method, infinite, classes)
    assert ours == fit(method, finite, classes)
    assert np.isfinite(ours.apply(infinite)).all()
    assert np.isfinite(cross_fitted(method, infinite, classes)).all()


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e3, 1e30, 1e300])
@pytest.mark.parametrize("method", FITTED)
def test_logits_of_any_size_are_fitted_alike(method: Method, size: float) -> None:
    logits, targets = _comments(0.5, -1.0, num=500)
    expected = fit(method, logits, targets).apply(logits)
    np.testing.assert_allclose(fit(method, logits * size, targets).apply(logits * size), expected, atol=1e-6)


@pytest.mark.parametrize("method", FITTED)
def test_separable_classes_have_a_finite_fit(method: Method) -> None:
    logits = np.concatenate([np.linspace(-3, -1, 40), np.linspace(1, 3, 20)])
    targets = (logits > 0).astype(np.float64)
    ours = fit(method, logits, targets)
    assert ours.method == method
    scores = ours.apply(logits)
    assert ((scores > 0) & (scores < 1)).all()


@pytest.mark.parametrize("method", FITTED)
@pytest.mark.parametrize(
    ("logits", "targets"),
    [
        ([-3.0, -1, 1, 3], [1.0, 1, 0, 0]),
        ([2.0, 2, 2, 2], [1.0, 0, 0, 1]),
        ([1.0, 2, 3], [0.0, 0, 0]),
        ([1.0, 2, 3], [1.0, 1, 1]),
        ([1.0], [NAN]),
        ([], []),
        ([math.inf, math.inf], [0.0, 1.0]),
    ],
    ids=["wrong way round", "all equal", "no positive", "no negative", "unknown", "none", "all infinite"],
)
def test_what_is_no_increasing_map_is_refused(method: Method, logits: list[float], targets: list[float]) -> None:
    assert fit(method, np.array(logits), np.array(targets)) == LabelCalibration()


def _losses(chosen: CalibrationChoice) -> dict[str, float]:
    """Return the log loss of each method on held-out comments, as the reason gives it."""
    return {name: float(loss) for name, loss in re.findall(r"(\w+) (\d\.\d+)", chosen.reason)}


@pytest.mark.parametrize(
    ("scale", "shift", "expected"), [(1.0, 0.0, "none"), (0.4, 0.0, "temperature"), (0.5, -1.5, "platt")]
)
def test_the_method_that_made_the_data_is_chosen(scale: float, shift: float, expected: str) -> None:
    chosen = choose(*_comments(scale, shift))
    assert chosen.calibration.method == expected
    assert chosen.reason.startswith(f"{expected}: ")
    assert chosen.calibration.scale == pytest.approx(scale, abs=0.1)
    assert set(_losses(chosen)) == set(AFFINE)


def test_isotonic_is_taken_only_where_it_is_asked_for() -> None:
    logits, _ = _comments()
    rng = np.random.default_rng(5)
    chance = np.where(logits < 0, 0.05, 0.6)  # a step, which no line bends into
    targets = (rng.random(len(logits)) < chance).astype(np.float64)
    chosen, asked = choose(logits, targets), choose(logits, targets, ["none", "isotonic"])
    assert chosen.calibration.is_affine
    assert asked.calibration == fit("isotonic", logits, targets)
    assert _losses(asked)["isotonic"] < min(_losses(chosen).values()) - 0.01, "here it is better by far"
    assert expected_calibration_error(cross_fitted("isotonic", logits, targets), targets) < 0.03
    assert expected_calibration_error(_sigmoid(logits), targets) > 0.1


def test_cross_fitted_scores_do_not_know_their_own_targets() -> None:
    rng = np.random.default_rng(2)
    logits, targets = rng.normal(size=400), (rng.random(400) < 0.3).astype(np.float64)  # nothing to learn but the share
    own = fit("isotonic", logits, targets).apply(logits)
    losses = _losses(choose(logits, targets, METHODS))
    assert log_loss(own, targets) < losses["isotonic"] - 0.005, "the control: measured on its own fit"
    assert {*losses} >= {"none", "isotonic"}
    for method in METHODS:
        if method in losses:
            held_out = log_loss(cross_fitted(method, logits, targets), targets)
            assert held_out == pytest.approx(losses[method], abs=1e-5)


def test_the_folds_follow_from_the_seed() -> None:
    comments = _comments(0.5, -1.0, num=300)
    first, again, other = choose(*comments, seed=1), choose(*comments, seed=1), choose(*comments, seed=2)
    assert first == again
    assert _losses(first) != _losses(other)
    assert first.calibration == other.calibration
    scores = [cross_fitted("platt", *comments, seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_unknown_targets_have_the_scores_of_the_whole_fit() -> None:
    logits, targets = _comments(0.5, -1.0, num=600)
    targets[::7] = NAN
    whole = fit("platt", logits, targets).apply(logits)
    scores = cross_fitted("platt", logits, targets)
    assert np.array_equal(scores[::7], whole[::7])
    assert not np.array_equal(scores, whole), "the control"


@pytest.mark.parametrize("targets", [[1.0] * 9 + [0.0] * 300, [0.0] * 9 + [1.0] * 300, [NAN] * 20, []])
def test_few_of_a_class_are_not_calibrated(targets: list[float]) -> None:
    logits = np.linspace(-3, 1, len(targets))
    chosen = choose(logits, np.array(targets))
    assert chosen.calibration == LabelCalibration()
    assert chosen.reason.startswith("not calibrated: ")


def test_scores_the_wrong_way_round_are_left_as_they_are() -> None:
    logits, targets = _comments()
    assert choose(-logits, targets).calibration.method == "none"


@pytest.mark.parametrize(
    "content",
    [
        {"method": "magic"},
        {"method": "platt", "scale": -1, "shift": 0},
        {"method": "platt", "scale": "much", "shift": 0},
        {"method": "platt", "scale": 1, "shift": math.inf},
        {"method": "isotonic", "x": [1, 1], "y": [0.1, 0.2]},
        {"method": "isotonic", "x": [1, 2], "y": [0.3, 0.2]},
        {"method": "isotonic", "x": [1, 2], "y": [0.3, 1.0]},
        {"method": "isotonic", "x": [], "y": []},
        {"method": "isotonic", "x": [1, NAN], "y": [0.1, 0.2]},
    ],
)
def test_an_invalid_calibration_is_refused(content: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        LabelCalibration(**content)


def test_a_scale_beyond_float32_is_not_fitted() -> None:
    targets = np.arange(200) % 2.0
    logits = (targets + np.random.default_rng(0).normal(0, 1, 200)) * 1e-29
    assert fit("platt", logits, targets).method == "platt", "the control"
    assert fit("platt", logits * 1e-3, targets) == LabelCalibration()
    with pytest.raises(ValueError, match="expected a scale above 0, and neither beyond 1e"):
        LabelCalibration("platt", 1e31)
