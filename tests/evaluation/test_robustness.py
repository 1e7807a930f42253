"""Robustness: changes of recall by hand, and nothing changed where nothing did."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from civility.arrays import Float32s
from civility.data.dataset import Dataset
from civility.documents.behaviour_report import PerturbationReport
from civility.evaluation import Scored
from civility.evaluation.perturb import invariance, perturbed

NAN = float("nan")
TARGETS = [[1, 0, 0], [1, 1, 0], [1, NAN, 0], [1, 1, 0], [0, 0, 0], [NAN, 0, 0]]
BEFORE = [[0.9, 0.1, 0.1], [0.8, 0.9, 0.1], [0.7, 0.9, 0.1], [0.2, 0.4, 0.1], [0.6, 0.3, 0.9], [0.9, 0.2, 0.1]]
AFTER = [[0.9, 0.1, 0.1], [0.3, 0.9, 0.1], [0.2, 0.1, 0.1], [0.6, 0.1, 0.1], [0.1, 0.3, 0.9], [0.9, 0.2, 0.1]]


def _scored(times: int = 1) -> Scored:
    names = tuple(map(str, range(6 * times)))
    targets = np.array(TARGETS * times, dtype=np.float32)
    scores = np.array(BEFORE * times, dtype=np.float32)
    return Scored(Dataset(names, targets, names, ("a", "b", "none")), scores, {"b": 0.35})


def _perturbed(scored: Scored, after: Float32s) -> PerturbationReport:
    return perturbed(scored, after, name="leet", strength=0.2, share_changed=0.5, seed=0)


def test_recall_before_and_after_by_hand() -> None:
    found = _perturbed(_scored(), np.array(AFTER, dtype=np.float32))
    # Of a's four positives three were flagged, then two; of b's two, at 0.35, both, then one.
    a, b, none = found.labels.values()
    assert (a.recall_before, a.recall_after, b.recall_before, b.recall_after) == (0.75, 0.5, 1.0, 0.5)
    assert found.macro_recall_change.value == pytest.approx(((0.5 - 0.75) + (0.5 - 1)) / 2)
    assert a.roc_auc_before == roc_auc_score([1, 1, 1, 1, 0], [0.9, 0.8, 0.7, 0.2, 0.6])
    assert a.roc_auc_after == roc_auc_score([1, 1, 1, 1, 0], [0.9, 0.3, 0.2, 0.6, 0.1])
    assert (none.recall_before, none.recall_after, none.roc_auc_before, none.roc_auc_after) == (None,) * 4
    assert (found.name, found.strength, found.share_changed) == ("leet", 0.2, 0.5)


def test_the_interval_of_the_change_holds_it_and_narrows_with_more_comments() -> None:
    widths = []
    for times in (5, 80):
        change = _perturbed(_scored(times), np.array(AFTER * times, dtype=np.float32)).macro_recall_change
        assert change.value == pytest.approx(-0.375)
        assert change.low is not None
        assert change.high is not None
        assert change.low < -0.375 < change.high
        widths.append(change.high - change.low)
    assert widths[1] < widths[0] / 3


def test_nothing_changed_is_a_change_of_zero() -> None:
    scored = _scored(10)
    found = _perturbed(scored, scored.scores)
    assert found.macro_recall_change.value == 0
    assert all(one.recall_before == one.recall_after for one in found.labels.values())
    assert all(one.roc_auc_before == one.roc_auc_after for one in found.labels.values())
    still = invariance(scored, scored.scores, np.ones(len(scored.scores), dtype=np.bool_), "a trailing space")
    assert (still.name, still.largest_difference, still.share_of_decisions_changed) == ("a trailing space", 0, 0)


def test_without_a_positive_there_is_no_change_to_tell() -> None:
    names = ("a", "b")
    dataset = Dataset(names, np.array([[0], [NAN]], dtype=np.float32), names, ("x",))
    scored = Scored(dataset, np.full((2, 1), 0.5, dtype=np.float32))
    assert _perturbed(scored, scored.scores).macro_recall_change.value is None


def test_an_invariance_tells_how_far_scores_and_decisions_moved() -> None:
    scored, after = _scored(), np.array(AFTER, dtype=np.float32)
    found = invariance(scored, after, np.ones(6, dtype=np.bool_), "case")
    assert found.largest_difference == pytest.approx(0.8), "of the third comment on b"
    # a: the second, third, fourth and fifth comment; b: the third and the fourth.
    assert found.share_of_decisions_changed == pytest.approx(6 / 18)
    nothing = scored.select(np.zeros(0, dtype=np.int64))
    none = np.zeros(0, dtype=np.bool_)
    assert invariance(nothing, nothing.scores, none, "case").share_of_decisions_changed == 0


def test_an_invariance_looks_at_the_texts_that_it_changes_only() -> None:
    scored, after = _scored(), np.array(AFTER, dtype=np.float32)
    changed = np.array([False, False, True, False, False, False])
    found = invariance(scored, after[changed], changed, "case")
    assert found.share_changed == pytest.approx(1 / 6)
    assert found.share_of_decisions_changed == pytest.approx(2 / 3), "of one comment on three labels"


def test_decisions_are_taken_at_the_thresholds_in_use() -> None:
    scored = _scored()
    np.testing.assert_array_equal(scored.decide(scored.scores), scored.flagged)
    assert scored.decide(np.full((6, 3), 0.4, dtype=np.float32)).tolist() == [[False, True, False]] * 6
