"""Confident learning: planted errors come first, and cleanlab agrees where it is installed."""

import math

import numpy as np
import pytest

from civility.audit.label_errors import likely_label_errors


def planted(seed: int, num: int = 2_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return targets with errors, scores that know the truth roughly, and the rows with errors."""
    rng = np.random.default_rng(seed)
    truth = rng.random(num) < 0.2
    scores = 1 / (1 + np.exp(-(np.where(truth, 2.0, -2.5) + rng.normal(0, 1, num))))
    wrong = rng.choice(num, 60, replace=False)
    given = truth.copy()
    given[wrong] = ~given[wrong]
    return given.astype(np.float32), scores.astype(np.float32), wrong


def test_planted_errors_are_found_first() -> None:
    targets, scores, wrong = planted(0)
    found = likely_label_errors(targets, scores)
    assert np.isin(found.rows[:30], wrong).mean() > 0.8
    assert np.isin(wrong, found.rows).mean() > 0.5
    assert (np.diff(found.margin) >= 0).all()
    assert (found.is_positive == (targets[found.rows] == 1)).all()
    clean = likely_label_errors(np.where(np.isin(np.arange(2_000), wrong), 1 - targets, targets), scores)
    assert len(clean.rows) < len(found.rows) / 2, "the control: without the planted errors there are fewer"


def test_unknown_targets_are_neither_suspected_nor_counted() -> None:
    targets, scores, _ = planted(1)
    targets[::2] = np.nan
    found = likely_label_errors(targets, scores)
    again = likely_label_errors(targets[1::2], scores[1::2])
    assert (found.rows == 2 * again.rows + 1).all()
    assert found.num_positive + found.num_negative == 1_000


def test_one_side_alone_says_nothing() -> None:
    found = likely_label_errors(np.zeros(5, dtype=np.float32), np.linspace(0, 1, 5, dtype=np.float32))
    assert (len(found.rows), found.num_negative) == (0, 5)
    assert math.isnan(found.sure_positive)


def test_agrees_with_a_case_worked_by_hand() -> None:
    targets = np.array([1, 1, 1, 0, 0, 0], dtype=np.float32)
    scores = np.array([0.9, 0.8, 0.1, 0.2, 0.1, 0.9], dtype=np.float32)
    # Sure from 0.6 (mean of 0.9, 0.8, 0.1) and from 0.6 (mean of 0.8, 0.9, 0.1) for the other side.
    found = likely_label_errors(targets, scores)
    assert found.sure_positive == pytest.approx(0.6)
    assert found.sure_negative == pytest.approx(0.6)
    assert found.rows.tolist() == [2, 5]
    assert found.margin == pytest.approx([-0.8, -0.8])


@pytest.mark.parametrize("seed", range(5))
def test_cleanlab_finds_the_same(seed: int) -> None:
    find_label_issues = pytest.importorskip("cleanlab.filter").find_label_issues
    targets, scores, _ = planted(seed)
    expected = find_label_issues(
        targets.astype(int),
        np.stack([1 - scores.astype(np.float64), scores.astype(np.float64)], axis=1),
        filter_by="confident_learning",
        return_indices_ranked_by="normalized_margin",
        n_jobs=1,
    )
    found = likely_label_errors(targets, scores)
    assert len(expected) > 20, "the control: there is something to find"
    assert found.rows.tolist() == expected.tolist()
