"""How often a comparison errs, by simulation: scores are drawn, measured and judged as those of real runs are."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from civility.arrays import Float32s, Scores, Targets
from civility.evaluation.verdicts import NUM_RESAMPLES, Measured, judge, measure, rarer_of, resamples_for
from civility.metrics.paired_test import Outcome, resamples_needed
from civility.metrics.small_samples import FEWEST

_NUM, _LABELS = 240, 3


class _World:
    """Comments with targets, and runs of settings that differ only in seeds and a gain.

    Every run sees the same hard comments; it has noise of its own, and its seed makes it better or worse as a whole.
    """

    def __init__(self, seed: int, positives: int = 72) -> None:
        self._rng = np.random.default_rng(seed)
        ranks = self._rng.random((_NUM, _LABELS)).argsort(axis=0).argsort(axis=0)
        self.targets: Targets = (ranks < positives).astype(np.float32)
        self._hard = self._rng.normal(size=self.targets.shape)

    def run(self, gain: float, seed_matters: float) -> Float32s:
        strength = 1.2 + gain + seed_matters * self._rng.normal(size=_LABELS)
        own = self._rng.normal(size=self.targets.shape)
        scores: Scores = (strength * self.targets + self._hard + 0.5 * own).astype(np.float32)
        return scores

    def measured(self, gains: Sequence[float], k: int, seed_matters: float, num_resamples: int) -> Measured:
        scores = [self.run(gain, seed_matters) for gain in gains for _ in range(k)]
        cuts = [np.full(_LABELS, 0.5, dtype=np.float32)] * len(scores)
        return measure(self.targets, scores, cuts, ("roc_auc",), num_resamples=num_resamples, seed=0)


def _verdicts(measured: Measured, k: int, num_rows: int) -> list[Outcome]:
    groups = [list(range(k * row, k * (row + 1))) for row in range(num_rows)]
    judged = judge(measured, groups, np.zeros(_LABELS, dtype=bool))
    return [one.difference.verdict for row in judged for metric in row for one in metric.every]


def _shown_naively(measured: Measured, k: int) -> bool:
    """Whether any interval of the comments alone, of the means over seeds, without correction, excludes 0."""
    means = measured.resampled[:, 0].reshape(-1, k, *measured.resampled.shape[2:]).mean(axis=1)
    apart = means[1:] - means[:1]
    low, high = np.quantile(apart, [0.025, 0.975], axis=-1)
    return bool(((low > 0) | (high < 0)).any())


@pytest.mark.parametrize(("k", "seed_matters"), [(1, 0.0), (2, 0.15), (3, 0.3)])
def test_without_a_difference_hardly_ever_is_one_shown(k: int, seed_matters: float) -> None:
    """Of two settings that equal the baseline, on three labels and the macro average: eight verdicts.

    The control: intervals as they are, of the comments alone, show one far oftener.
    """
    trials, shown, naive = 120, 0, 0
    num_resamples = 400 if k == 1 else 150
    for trial in range(trials):
        measured = _World(trial).measured((0.0, 0.0, 0.0), k, seed_matters, num_resamples)
        shown += any(verdict is not Outcome.NOT_SHOWN for verdict in _verdicts(measured, k, 3))
        naive += _shown_naively(measured, k)
    # 5 % of 120 are 6; 14 or more come by chance in 1 of 300 cases. The naive way has 20 to 80 %.
    assert shown < 14
    assert naive > 20


def test_of_rare_labels_hardly_ever_is_one_shown_either() -> None:
    """Of 24 positives of each label. The control: their resamples as they are show one too often."""
    trials, shown, naive = 150, 0, 0
    for trial in range(trials):
        measured = _World(trial, positives=24).measured((0.0, 0.0), 1, 0.0, 1_000)
        shown += any(verdict is not Outcome.NOT_SHOWN for verdict in _verdicts(measured, 1, 2))
        unexpanded = replace(measured, freedom=np.full(_LABELS, np.inf))
        naive += any(verdict is not Outcome.NOT_SHOWN for verdict in _verdicts(unexpanded, 1, 2))
    # 5 % of 150 are 7.5; 15 or more come by chance in 1 of 100 cases.
    assert shown < 15
    assert naive > shown


@pytest.mark.parametrize(("k", "seed_matters"), [(1, 0.0), (3, 0.1)])
def test_a_real_difference_is_shown(k: int, seed_matters: float) -> None:
    better = 0
    for trial in range(25):
        measured = _World(trial).measured((0.0, 1.0), k, seed_matters, 400)
        *_, macro = _verdicts(measured, k, 2)
        better += macro is Outcome.BETTER
        assert macro is not Outcome.WORSE
    assert better >= 20


def test_resamples_are_enough_for_the_verdicts_of_single_runs() -> None:
    single, several = [[0], [1], [2]], [[0, 1], [2, 3], [4, 5]]
    rarer = np.array([900.0, 80, 400, 44, 300, 90])
    needed = resamples_needed(2 * 2 * 7, dof=43)
    assert resamples_for(single, num_metrics=2, rarer=rarer) == needed > resamples_needed(2 * 2 * 7) > NUM_RESAMPLES
    assert resamples_for(several, num_metrics=2, rarer=rarer) == NUM_RESAMPLES
    assert resamples_for([[0, 1]], num_metrics=1, rarer=rarer) == NUM_RESAMPLES


def test_labels_with_too_few_comments_take_no_part_in_the_correction() -> None:
    measured = _World(0).measured((0.0, 0.3), 1, 0.0, 400)
    every = judge(measured, [[0], [1]], np.zeros(_LABELS, dtype=bool))[0][0]
    fewer = judge(measured, [[0], [1]], np.array([True, True, False]))[0][0]
    assert [one.difference.verdict for one in fewer.labels[:2]] == [Outcome.NOT_MEASURABLE] * 2
    assert [one.difference.value for one in fewer.labels] == [one.difference.value for one in every.labels]
    assert fewer.labels[2].difference.p_value < every.labels[2].difference.p_value
    assert fewer.macro.difference.verdict is Outcome.NOT_MEASURABLE
    assert fewer.measurable is not None
    assert fewer.measurable.difference.value == fewer.labels[2].difference.value
    assert every.measurable is None


def test_a_label_with_one_positive_turns_no_verdict_round() -> None:
    """150 comments with one positive "threat" on which the better classifier errs; five labels where it wins.

    The control: the resamples of the mean over all six labels, as they are, say "worse".
    """
    rng = np.random.default_rng(2)
    targets = (rng.random((150, 6)) < 0.2).astype(np.float32)
    targets[:, 3] = np.arange(150) == 7
    hard = rng.normal(size=targets.shape)
    scores = [(gain * targets + hard + 0.3 * rng.normal(size=hard.shape)).astype(np.float32) for gain in (2.0, 2.6)]
    scores[0][7, 3], scores[1][7, 3] = np.quantile(scores[0][:, 3], 0.98), np.quantile(scores[1][:, 3], 0.4)
    cuts = [np.full(6, 0.5, dtype=np.float32)] * 2
    measured = measure(targets, scores, cuts, ("roc_auc",), num_resamples=2_000, seed=0)
    rarer = rarer_of(targets)
    naive = judge(measured, [[0], [1]], np.zeros(6, dtype=bool))[0][0].macro.difference
    assert (naive.verdict, naive.high < 0) == (Outcome.WORSE, True), "the control"
    found = judge(measured, [[0], [1]], rarer < FEWEST)[0][0]
    assert found.macro.difference.value == naive.value
    assert found.macro.difference.verdict is Outcome.NOT_MEASURABLE
    assert found.macro.difference.low < 0 < found.macro.difference.high, "what one positive leaves open"
    assert found.labels[3].difference.verdict is Outcome.NOT_MEASURABLE
    assert found.labels[3].difference.high > 0
    assert found.measurable is not None
    assert found.measurable.difference.verdict is Outcome.BETTER
    assert found.measurable.difference.low > 0
