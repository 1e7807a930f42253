"""Calibration in a report: before and after, by the scores that are honest."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from civility.arrays import Float32s, Scores
from civility.data.dataset import Dataset
from civility.evaluation import Scored
from civility.evaluation.curves import calibration_of
from civility.metrics.calibration import expected_calibration_error

RNG = np.random.default_rng(0)
TARGETS = (RNG.random((400, 1)) < 0.3).astype(np.float32)
TARGETS[::10] = np.nan
KNOWN = ~np.isnan(TARGETS[:, 0])


def _drawn(seed: int) -> Float32s:
    return np.random.default_rng(seed).random((400, 1)).astype(np.float32)


def _scored(**more: Any) -> Scored:
    names = tuple(map(str, range(400)))
    return Scored(Dataset(names, TARGETS, names, ("a",)), _drawn(1), calibrations={"a": "platt"}, **more)


def _brier(scores: Scores) -> float:
    return float(brier_score_loss(TARGETS[KNOWN, 0], scores[KNOWN, 0].astype(np.float64)))


def test_without_calibration_before_and_after_are_the_same() -> None:
    found = calibration_of(_scored(), 0)
    assert found.before == found.after
    assert not found.cross_fitted
    assert found.after.brier == pytest.approx(_brier(_drawn(1)), abs=1e-12)
    none = Scored(_scored().dataset, _drawn(1))
    assert calibration_of(none, 0).method == "none"


def test_before_is_uncalibrated_and_after_the_classifiers_own() -> None:
    found = calibration_of(_scored(uncalibrated=_drawn(2)), 0)
    assert found.before.brier == pytest.approx(_brier(_drawn(2)), abs=1e-12)
    assert found.after.brier == pytest.approx(_brier(_drawn(1)), abs=1e-12)
    assert (found.method, found.cross_fitted) == ("platt", False)


def test_after_is_of_the_other_folds_where_the_fit_was_on_these_comments() -> None:
    found = calibration_of(_scored(uncalibrated=_drawn(2), out_of_fold=_drawn(3)), 0)
    assert found.after.brier == pytest.approx(_brier(_drawn(3)), abs=1e-12)
    assert found.after.brier != pytest.approx(_brier(_drawn(1)), abs=1e-6), "the control"
    assert found.cross_fitted


def test_the_bins_hold_every_known_comment_and_give_the_calibration_error() -> None:
    quality = calibration_of(_scored(), 0).after
    assert sum(one.num_comments for one in quality.bins) == KNOWN.sum()
    gaps = [one.num_comments * abs(one.mean_score - (one.share_positive.value or 0)) for one in quality.bins]
    assert quality.calibration_error == pytest.approx(sum(gaps) / KNOWN.sum(), abs=1e-12)
    assert quality.calibration_error == expected_calibration_error(_drawn(1)[:, 0], TARGETS[:, 0], 15)
    assert all(one.low <= one.mean_score <= one.high for one in quality.bins)
    assert len(quality.bins) == 15


def test_of_unknown_targets_nothing_can_be_told() -> None:
    names = ("a", "b")
    dataset = Dataset(names, np.full((2, 1), np.nan, dtype=np.float32), names, ("x",))
    quality = calibration_of(Scored(dataset, np.full((2, 1), 0.5, dtype=np.float32)), 0).after
    assert (quality.brier, quality.log_loss, quality.calibration_error, quality.bins) == (None, None, None, ())


def test_rows_are_selected_with_all_that_belongs_to_them() -> None:
    scored = _scored(uncalibrated=_drawn(2), out_of_fold=_drawn(3))
    rows = np.array([5, 3, 3])
    part = scored.select(rows)
    assert part.uncalibrated is not None
    assert part.out_of_fold is not None
    np.testing.assert_array_equal(part.uncalibrated, _drawn(2)[rows])
    np.testing.assert_array_equal(part.out_of_fold, _drawn(3)[rows])
    assert part.dataset.ids == ("5", "3", "3")
    assert part.calibrations == {"a": "platt"}
