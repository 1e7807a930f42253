"""Intervals: against scipy, numpy and DeLong's variance, and whether they cover the truth as often as they say."""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from civility.arrays import Draws
from civility.metrics.intervals import percentile_interval, wilson
from civility.metrics.resampling import Decided, Means, Ranking, Statistic, resample

NAN = float("nan")
Floats = npt.NDArray[np.float64]


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 40), (3, 40), (40, 40), (123, 160_000)])
def test_wilson_agrees_with_scipy(successes: int, trials: int, level: float) -> None:
    low, high = wilson(successes, trials, level)
    expected = stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_takes_arrays_and_does_not_know_the_share_of_nothing() -> None:
    low, high = wilson([0, 0, 5], [0, 10, 5])
    np.testing.assert_array_equal(np.isnan(low), [True, False, False])
    np.testing.assert_array_equal(np.isnan(high), [True, False, False])
    assert low[1] == 0, "exactly, without a trace of rounding"
    assert high[2] == 1


@pytest.mark.parametrize(("successes", "trials"), [(3, 2), (-1, 2)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="successes must be from 0 to their trials"):
        wilson(successes, trials)


def test_the_percentile_interval_holds_the_middle() -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 501))
    low, high = percentile_interval(values, 0.9)
    np.testing.assert_allclose(low, np.quantile(values, 0.05, axis=-1))
    np.testing.assert_allclose(high, np.quantile(values, 0.95, axis=-1))


def test_undefined_resamples_are_left_out_up_to_half() -> None:
    values = np.array([[1.0, 2, 3, NAN], [NAN, 2, NAN, 2], [NAN, NAN, NAN, 2], [NAN] * 4])
    low, high = percentile_interval(values, 0.5)
    np.testing.assert_array_equal(low, [1.5, 2, NAN, NAN])
    np.testing.assert_array_equal(high, [2.5, 2, NAN, NAN])


def test_scores_that_separate_perfectly_have_an_interval_of_equal_ends() -> None:
    targets = np.repeat([1.0, 0], [5, 20])
    strata = targets.astype(int)
    apart = resample({"ranking": Ranking(targets, targets)}, strata, 100)["ranking"]
    low, high = percentile_interval(apart)
    assert (low == 1).all()
    assert (high == 1).all()
    mixed = resample({"ranking": Ranking(targets, np.arange(25.0) % 7)}, strata, 100)["ranking"]
    low, high = percentile_interval(mixed[:2])
    assert (low < high).all(), "the control: no perfect separation"


def _standard_error_of_delong(positives: Floats, negatives: Floats) -> float:
    """DeLong, DeLong and Clarke-Pearson, 1988: from how each comment fares against all of the other class."""
    wins = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    variances = [np.var(wins.mean(axis=axis), ddof=1) for axis in (1, 0)]
    return float(np.sqrt(variances[0] / len(positives) + variances[1] / len(negatives)))


@pytest.mark.parametrize("steps", [2, 10, 10**6])
def test_the_spread_of_resamples_is_the_standard_error_of_delong(steps: int) -> None:
    rng = np.random.default_rng(steps)
    targets = np.repeat([1.0, 0], [150, 1_350])
    scores = np.round((rng.normal(size=1_500) + 1.3 * targets) * steps) / steps
    areas = resample({"ranking": Ranking(targets, scores)}, targets.astype(int), 2_000)["ranking"][0]
    expected = _standard_error_of_delong(scores[targets == 1], scores[targets == 0])
    assert areas.std() == pytest.approx(expected, rel=0.05)
    assert areas.std() != pytest.approx(_standard_error_of_delong(scores[:75], scores[150:]), rel=0.2), "the control"


# Scores of negatives are normal about 0, of positives about SHIFT; SHARE of them are positive;
# flagged from CUT up.
SHIFT, CUT, SHARE = 1.5, 0.2, 0.25
NAMES = ("roc_auc", "average_precision", "precision", "recall", "false_positive_rate")


def _truth(share: float) -> dict[str, float]:
    normal = NormalDist()
    recall, false = 1 - normal.cdf(CUT - SHIFT), 1 - normal.cdf(CUT)
    cuts = np.linspace(-6, 9, 30_001)
    recalls, falses = stats.norm.sf(cuts - SHIFT), stats.norm.sf(cuts)
    precisions = share * recalls / (share * recalls + (1 - share) * falses)
    return {
        "roc_auc": normal.cdf(SHIFT / np.sqrt(2)),
        "average_precision": float(-np.trapezoid(precisions, recalls)),
        "precision": share * recall / (share * recall + (1 - share) * false),
        "recall": recall,
        "false_positive_rate": false,
    }


def _coverage(num_sets: int, *, level: float = 0.95, fixed_sizes: bool = False) -> dict[str, float]:
    """Return how often the intervals of simulated data sets hold the truth."""
    rng = np.random.default_rng(2)
    covered = []
    truth = np.array([_truth(SHARE)[name] for name in NAMES])
    for seed in range(num_sets):
        targets = (rng.random(400) < SHARE).astype(np.float64)
        scores = rng.normal(size=400) + SHIFT * targets
        statistics: dict[str, Statistic] = {
            "ranking": Ranking(targets, scores, ()),
            "decided": Decided(targets, scores >= CUT),
            "false alarms": Means(["rate"], np.where(targets == 1, np.nan, scores >= CUT)[:, None]),
        }
        if fixed_sizes:
            counts = _drawn_with_fixed_sizes(targets, rng)
            values = {name: statistic.measure(counts) for name, statistic in statistics.items()}
        else:
            values = resample(statistics, targets.astype(int), 150, seed, num_threads=1)
        measured = np.concatenate([values["ranking"], values["decided"][:2], values["false alarms"]])
        low, high = percentile_interval(measured, level)
        covered.append((low <= truth) & (truth <= high))
    return dict(zip(NAMES, np.mean(covered, axis=0).tolist(), strict=True))


def _drawn_with_fixed_sizes(targets: Floats, rng: np.random.Generator) -> Draws:
    """Draw as many positives and as many negatives as there are, in every one of 150 resamples."""
    counts = np.zeros((len(targets), 150), dtype=np.uint8)
    for target in (0, 1):
        num = int((targets == target).sum())
        counts[targets == target] = rng.multinomial(num, np.full(num, 1 / num), size=150).T
    return counts


def test_intervals_of_95_percent_cover_the_truth_as_often() -> None:
    for name, share in _coverage(200).items():
        assert 0.9 <= share <= 0.99, name


def test_intervals_that_are_too_narrow_do_not() -> None:
    for name, share in _coverage(40, level=0.6).items():
        assert share < 0.8, f"the control: {name}"


def test_with_sizes_held_fixed_they_would_miss_the_precision() -> None:
    coverage = _coverage(60, fixed_sizes=True)
    assert coverage["precision"] < 0.85
    assert coverage["recall"] >= 0.9, "the control: it does not depend on the number of positives"


def test_wilson_of_eight_out_of_ten_is_that_of_the_textbooks() -> None:
    assert [float(end) for end in wilson(8, 10)] == pytest.approx([0.4901625, 0.9433178], abs=1e-6)
    assert wilson(8, 10, level=0.9)[0] > wilson(8, 10)[0], "the control: another level"
