"""Settings with several seeds: by hand, and how often a difference is found where there is none, by simulation."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from civility.metrics.paired_test import Outcome, Pool, difference, pooled_difference

Floats = npt.NDArray[np.float64]
NAN = math.nan


def _pools(rng: np.random.Generator, k: int, variances: tuple[float, float, float], gain: float = 0.0) -> list[Pool]:
    """Return two settings of k runs.

    Parameters
    ----------
    variances : of the settings' difference over comments; of run and comments together; of the seed alone
    """
    of_comments, of_both, of_seed = (math.sqrt(each) for each in variances)
    apart = of_comments * rng.normal()
    apart_again = apart + of_comments * rng.normal(size=100)
    pools = []
    for is_other in (False, True):
        own = of_both * rng.normal(size=k) + of_seed * rng.normal(size=k)
        again = own[:, None] + of_both * rng.normal(size=(k, 100))
        pools.append(Pool(own + is_other * (gain + apart), again + is_other * (gain + apart_again)))
    return pools


def test_a_single_run_of_each_is_the_plain_paired_bootstrap() -> None:
    rng = np.random.default_rng(0)
    first, other = (Pool(rng.random(1), rng.random((1, 300))) for _ in range(2))
    found, noise = pooled_difference(first, other)
    assert found == difference(first.values[0], other.values[0], first.resampled[0], other.resampled[0])
    assert noise.comments == pytest.approx((other.resampled - first.resampled).std(ddof=1))
    assert math.isnan(noise.seeds)


def test_without_noise_of_comments_it_is_welchs_test() -> None:
    a, b = np.array([0.90, 0.91, 0.93]), np.array([0.95, 0.955, 0.96, 0.97])
    first, other = (Pool(each, np.repeat(each[:, None], 50, axis=1)) for each in (a, b))
    found, noise = pooled_difference(first, other)
    welch = stats.ttest_ind(b, a, equal_var=False)
    assert found.p_value == pytest.approx(welch.pvalue, rel=1e-9)
    ends = welch.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), rel=1e-9)
    assert found.verdict is Outcome.BETTER
    assert noise.comments == pytest.approx(0, abs=1e-12)
    assert found.p_value != pytest.approx(stats.ttest_ind(b, a).pvalue, rel=1e-3), "the control: equal variances"


def test_the_noise_of_seeds_is_told_from_that_of_run_and_comments_together() -> None:
    """Many runs that differ only in how they take the comments: the seed itself adds nothing."""
    rng = np.random.default_rng(1)
    first, other = _pools(rng, 400, (0.0, 1.0, 0.0))
    _, noise = pooled_difference(first, other)
    assert noise.seeds < 0.04
    first, other = _pools(rng, 400, (0.0, 0.0, 1.0))
    assert pooled_difference(first, other)[1].seeds == pytest.approx(math.sqrt(2 / 400), rel=0.1)


def test_the_p_value_is_that_of_the_interval_that_just_holds_zero() -> None:
    rng = np.random.default_rng(3)
    for variances in ((1.0, 0.3, 0.3), (1.0, 0.0, 0.0), (0.01, 1.0, 1.0), (0.0, 0.0, 1.0)):
        first, other = _pools(rng, 3, variances, 1.0)
        found, _ = pooled_difference(first, other)
        assert 1e-9 < found.p_value < 1
        just, _ = pooled_difference(first, other, level=1 - found.p_value)
        assert just.value > 0 or just.value < 0
        assert min(abs(just.low), abs(just.high)) == pytest.approx(0, abs=1e-6)
        wider, _ = pooled_difference(first, other, level=1 - found.p_value / 2)
        assert wider.low < 0 < wider.high


def test_the_interval_is_never_narrower_than_that_of_the_comments() -> None:
    """If the seeds happen to agree, the interval is still that of the comments."""
    rng = np.random.default_rng(4)
    again = rng.normal(size=(2, 200))
    first, other = Pool(np.array([0.5, 0.5]), again), Pool(np.array([0.7, 0.7 + 1e-9]), rng.normal(size=(2, 200)))
    found, noise = pooled_difference(first, other)
    assert (found.high - found.low) / 2 == pytest.approx(1.959964 * noise.comments, rel=1e-5)
    assert noise.seeds == 0


def test_many_strict_verdicts_err_as_seldom_as_they_should() -> None:
    """At a p value of 0.01, with two seeds that matter much on one side only: where one t for all errs most.

    The control is that: Satterthwaite's degrees of freedom for the sum of both variances.
    """
    rng = np.random.default_rng(5)
    trials, k, shown, by_one_t = 1000, 2, 0, 0
    for _ in range(trials):
        apart = rng.normal()
        again = apart + rng.normal(size=60)
        seeds = 3 * rng.normal(size=k)
        first = Pool(np.zeros(k), np.zeros((k, 60)))
        other = Pool(apart + seeds, np.tile(again, (k, 1)) + seeds[:, None])
        found, noise = pooled_difference(first, other)
        shown += found.p_value <= 0.01
        total = noise.comments**2 + noise.seeds**2
        t = found.value / math.sqrt(total)
        by_one_t += 2 * stats.t.sf(abs(t), total**2 / noise.seeds**4) <= 0.01
    # 1 % of 1,000 are 10; 22 or more come by chance in 1 of 1,000 cases.
    assert shown < 22
    assert by_one_t > 40


def test_equal_runs_show_nothing_and_another_constant_is_shown() -> None:
    same = Pool(np.full(3, 0.9), np.full((3, 50), 0.9))
    assert pooled_difference(same, same)[0].verdict is Outcome.NOT_SHOWN
    apart = Pool(np.full(3, 0.8), np.full((3, 50), 0.8))
    assert pooled_difference(same, apart)[0].verdict is Outcome.WORSE


def test_what_is_undefined_for_a_run_is_not_measurable() -> None:
    good = Pool(np.array([0.9, 0.91]), np.full((2, 50), 0.9))
    bad = Pool(np.array([0.9, NAN]), np.full((2, 50), [[0.9], [NAN]]))
    assert pooled_difference(good, bad)[0].verdict is Outcome.NOT_MEASURABLE
    assert math.isnan(bad.mean)


def test_the_spread_is_that_of_a_sample() -> None:
    assert Pool(np.array([0.8, 0.9, 1.0]), np.zeros((3, 2))).standard_deviation == pytest.approx(0.1)
    assert math.isnan(Pool(np.array([0.8]), np.zeros((1, 2))).standard_deviation)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("variances", [(1.0, 0.0, 0.0), (1.0, 0.3, 0.3), (1.0, 0.3, 4.0)])
def test_without_a_difference_one_is_shown_in_at_most_5_percent(k: int, variances: tuple[float, float, float]) -> None:
    """The control of each: what takes the comments for the only noise errs far oftener, if seeds matter much."""
    rng = np.random.default_rng(k)
    trials, shown, shown_by_comments = 400, 0, 0
    for _ in range(trials):
        first, other = _pools(rng, k, variances)
        found, noise = pooled_difference(first, other)
        shown += found.verdict is not Outcome.NOT_SHOWN
        shown_by_comments += abs(found.value) > 1.96 * noise.comments
    # 5 % of 400 are 20; 35 or more come by chance in 1 of 1,000 cases.
    assert shown < 35
    if variances[2] > variances[0]:
        assert shown_by_comments > 80


def test_a_real_difference_is_shown() -> None:
    rng = np.random.default_rng(0)
    variances = (1.0, 0.3, 0.3)
    error = math.sqrt(1.0 + 2 * 0.6 / 3)
    shown = []
    for _ in range(200):
        first, other = _pools(rng, 3, variances, 4 * error)
        shown.append(pooled_difference(first, other)[0].verdict)
    assert shown.count(Outcome.BETTER) > 160
    assert Outcome.WORSE not in shown
