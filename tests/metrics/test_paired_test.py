"""Differences of two sets of scores: hand-made cases, Holm's procedure step by step, and error rates by simulation."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from civility.metrics.paired_test import (
    Outcome,
    PairedDifference,
    corrected,
    difference,
    expanded,
    holm,
    resamples_needed,
    two_sided_p_value,
)
from civility.metrics.resampling import Ranking, point, resample

NAN = float("nan")
Floats = npt.NDArray[np.float64]
FEW = settings(max_examples=100, deadline=None)


def test_equal_scores_differ_by_exactly_nothing() -> None:
    values = np.random.default_rng(0).random(200)
    same = difference(0.7, 0.7, values, values)
    assert (same.value, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    assert same.verdict is Outcome.NOT_SHOWN


def test_a_gain_in_every_resample_is_better_and_a_fall_worse() -> None:
    rng = np.random.default_rng(0)
    before = rng.random(199)
    after = before + 0.1 + 0.01 * rng.random(199)
    gained = difference(0.5, 0.605, before, after)
    assert gained.value == pytest.approx(0.105)
    assert 0.1 < gained.low < gained.high < 0.11
    assert gained.p_value == pytest.approx(2 / 200)
    assert gained.verdict == "better"
    assert difference(0.605, 0.5, after, before).verdict == "worse"


@pytest.mark.parametrize(("point_a", "values"), [(NAN, [0.1] * 4), (0.5, [NAN] * 4), (0.5, [0.1, NAN, NAN, NAN])])
def test_what_is_undefined_for_either_is_not_measurable(point_a: float, values: list[float]) -> None:
    with_nan = np.array(values, dtype=np.float64)
    for pair in (
        difference(point_a, 0.6, with_nan, np.full(len(values), 0.6)),
        difference(0.6, point_a, np.full(len(values), 0.6), with_nan),
    ):
        assert pair.verdict == "not measurable"
    assert corrected([pair])[0].verdict == "not measurable"


def test_resamples_that_are_not_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3,\) values of a and \(4,\) of b, expected the same resamples"):
        difference(0, 0, np.zeros(3), np.zeros(4))


@FEW
@given(st.lists(st.integers(-5, 20), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.95]))
def test_what_is_shown_has_an_interval_without_zero(paired: list[int], level: float) -> None:
    values = np.array(paired, dtype=np.float64)
    shown = difference(0, values.mean(), np.zeros(len(values)), values, level)
    if shown.verdict == Outcome.BETTER:
        assert shown.low > 0
    elif shown.verdict == Outcome.WORSE:
        assert shown.high < 0


def test_the_p_value_counts_both_sides_and_never_is_zero() -> None:
    assert two_sided_p_value(np.array([-1.0, 1, 2, 3, 4, 5, 6, 7, 8])) == pytest.approx(2 * 2 / 10)
    assert two_sided_p_value(np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8])) == pytest.approx(2 * 2 / 10)
    assert two_sided_p_value(np.arange(1.0, 10)) == two_sided_p_value(-np.arange(1.0, 10)) == pytest.approx(2 / 10)
    assert two_sided_p_value(np.zeros(9)) == 1
    assert two_sided_p_value(np.array([NAN, NAN, 1, 1, 1])) == pytest.approx(2 / 4)


@FEW
@given(st.lists(st.one_of(st.floats(0, 1), st.just(NAN)), max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_holm_rejects_what_its_steps_reject(p_values: list[float], chance: float) -> None:
    defined = sorted(p for p in p_values if not math.isnan(p))
    rejected = 0
    while rejected < len(defined) and defined[rejected] * (len(defined) - rejected) <= chance:
        rejected += 1
    adjusted = holm(np.array(p_values, dtype=np.float64))
    assert (adjusted <= chance).sum() == rejected
    np.testing.assert_array_equal(np.isnan(adjusted), np.isnan(p_values))
    assert not (adjusted < np.array(p_values)).any()


def test_holm_of_a_known_case() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, NAN, 0.03, 0.005])), [0.03, 0.06, NAN, 0.06, 0.02])


def test_a_verdict_falls_when_it_is_one_of_many() -> None:
    barely = PairedDifference(0.1, 0.01, 0.2, 0.03, Outcome.BETTER)
    nothing = PairedDifference(0.0, -0.1, 0.1, 0.9, Outcome.NOT_SHOWN)
    alone, many = corrected([barely]), corrected([barely, nothing])
    assert alone[0].verdict == "better"
    assert many[0].verdict == "no difference shown"
    assert many[0].p_value == pytest.approx(0.06)
    assert (many[0].value, many[0].low, many[0].high) == (0.1, 0.01, 0.2)
    assert corrected([]) == ()


def _pairs(num_sets: int, noise: float) -> list[list[PairedDifference]]:
    """Compare two sets of scores of the same comments on four metrics, the second with so much more noise."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(num_sets):
        targets = (rng.random(400) < 0.25).astype(np.float64)
        common = rng.normal(size=400) + 1.5 * targets
        statistics = {
            name: Ranking(targets, common + spread * rng.normal(size=400), (0.1, 0.05))
            for name, spread in (("a", 0.5), ("b", 0.5 + noise))
        }
        points = {name: point(statistic, 400) for name, statistic in statistics.items()}
        values = resample(statistics, targets.astype(int), 200, num_threads=1)
        found.append([difference(*numbers) for numbers in zip(*points.values(), *values.values(), strict=True)])
    return found


def _share_shown(sets: list[list[PairedDifference]]) -> float:
    return float(np.mean([any(each.verdict in ("better", "worse") for each in one) for one in sets]))


def test_without_a_difference_hardly_any_is_shown() -> None:
    sets = _pairs(150, 0.0)
    noise = 2 * math.sqrt(0.05 * 0.95 / len(sets))
    for metric in range(4):
        assert _share_shown([[one[metric]] for one in sets]) <= 0.05 + noise
    together = _share_shown([list(corrected(one)) for one in sets])
    assert together <= 0.05 + noise
    assert _share_shown(sets) > together, "the control: not corrected, one of the four errs more often"


def test_a_real_difference_is_shown() -> None:
    sets = _pairs(30, 1.5)
    assert _share_shown([[one[0]] for one in sets]) >= 0.8
    assert {one[0].verdict for one in sets} <= {Outcome.WORSE, Outcome.NOT_SHOWN}


@pytest.mark.parametrize(
    ("num", "level", "expected"), [(1, 0.95, 79), (25, 0.95, 1_999), (64, 0.95, 5_119), (10, 0.9, 399)]
)
def test_the_resamples_needed(num: int, level: float, expected: int) -> None:
    needed = resamples_needed(num, level)
    assert needed == expected

    def shown(num_resamples: int, crossed: int) -> int:
        gained = np.ones(num_resamples)
        gained[:crossed] = -1
        nothing = np.tile([-1.0, 1.0], num_resamples)[:num_resamples]
        sets = [difference(0, 1, np.zeros(num_resamples), values, level) for values in (gained, *[nothing] * (num - 1))]
        return sum(one.verdict is Outcome.BETTER for one in corrected(sets, level))

    assert shown(needed, 0) == shown(needed, 1) == 1
    assert shown(needed, 2) == 0, "the control"
    assert shown((needed - 1) // 2 - 1, 0) == 0, "the control: with half as many nothing can be shown"


@pytest.mark.parametrize("dof", [9, 43, 1e9])
def test_p_values_of_few_things_are_those_of_student(dof: float) -> None:
    n = dof + 1
    # A mean of n things, t standard errors from 0: the error of its resamples is smaller by the root of (n - 1) / n.
    for t in (0.5, 2.0, 3.5):
        by_normal = math.erfc(t * math.sqrt(n / dof) / math.sqrt(2))
        assert expanded(by_normal, dof) == pytest.approx(2 * stats.t.sf(t, dof), rel=1e-6)
    assert expanded(1.0, dof) == 1.0
    assert expanded(0.01, math.inf) == 0.01


def test_a_p_value_of_few_things_excludes_0_where_their_interval_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = rng.normal(rng.uniform(0, 4), 1, size=4_000)
        found = difference(0, float(values.mean()), np.zeros(4_000), values, dof=11)
        plain = difference(0, float(values.mean()), np.zeros(4_000), values)
        assert (found.low > 0) == (found.p_value <= 0.05) or found.p_value == pytest.approx(0.05, abs=0.003)
        assert found.low < plain.low < plain.high < found.high
        assert found.p_value > plain.p_value or plain.p_value == 1


def _many(num_sets: int, num_resamples: int, gain: float = 0.0) -> list[tuple[PairedDifference, ...]]:
    """Compare means of 300 comments on 60 labels; the first label gains."""
    rng = np.random.default_rng(0)
    shares = rng.multinomial(300, np.full(300, 1 / 300), size=num_resamples) / 300
    nothing = np.zeros(num_resamples)
    found = []
    for _ in range(num_sets):
        moved = rng.exponential(size=(300, 60)) - rng.exponential(size=(300, 60))
        moved[:, 0] += gain
        pairs = zip(moved.mean(axis=0).tolist(), (shares @ moved).T, strict=True)
        found.append(corrected([difference(0, value, nothing, many) for value, many in pairs]))
    return found


def test_of_sixty_labels_hardly_any_is_shown_without_a_difference_and_one_that_differs_is() -> None:
    needed = resamples_needed(60)
    sets = _many(60, needed)
    assert _share_shown([list(one) for one in sets]) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / len(sets))
    assert all(one[0].verdict is Outcome.BETTER for one in _many(3, needed, gain=1.0))
    too_few = _many(3, 2_000, gain=1.0)
    assert all(one[0].verdict is Outcome.NOT_SHOWN for one in too_few), "the control: too few resamples"
