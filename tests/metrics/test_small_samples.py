"""Intervals that do not vanish where comments are few: against published values, other formulas and the extremes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civility.metrics.intervals import Ends, wider, wilson
from civility.metrics.small_samples import (
    MeanPart,
    auc_interval,
    difference_interval,
    f1_interval,
    mean_interval,
    own_interval,
)
from civility.metrics.threshold_search import Counts


@given(st.floats(0, 1), st.integers(10, 2_000), st.integers(10, 2_000))
def test_the_ends_of_an_auc_are_where_its_variance_puts_it(auc: float, positive: int, negative: int) -> None:
    low, high = auc_interval(auc, positive, negative)
    assert 0 <= low <= auc <= high <= 1
    assert (low, high) == pytest.approx(auc_interval(auc, negative, positive)), "the classes may change places"
    for end in (low, high):
        spread = (positive + negative) / 2 - 1
        variance = end * (1 - end) * (1 + spread * ((1 - end) / (2 - end) + end / (1 + end))) / (positive * negative)
        if 1e-9 < end < 1 - 1e-9:
            assert abs(auc - end) == pytest.approx(1.959964 * math.sqrt(variance), abs=1e-6)


def test_one_positive_comment_says_little_and_many_say_much() -> None:
    low, high = auc_interval(1.0, 1, 150)
    assert high == 1
    assert low < 0.5
    widths = [np.diff(auc_interval(0.95, num, 1_000))[0] for num in (1, 2, 5, 10, 100, 1_000)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.02
    assert all(map(math.isnan, auc_interval(0.9, 0, 10)))
    assert all(map(math.isnan, auc_interval(math.nan, 5, 10)))


@given(st.floats(0, 1), st.integers(1, 9))
def test_of_fewer_than_ten_nothing_is_assumed_of_their_ranks(auc: float, positive: int) -> None:
    """The ends are where Hoeffding's bound of each tail is 2.5 %, or further out."""
    low, high = auc_interval(auc, positive, 500)
    assert 0 <= low <= auc <= high <= 1
    for end in (low, high):
        if 1e-6 < end < 1 - 1e-6 and 1e-6 < auc < 1 - 1e-6:
            apart = auc * math.log(auc / end) + (1 - auc) * math.log((1 - auc) / (1 - end))
            assert math.exp(-positive * apart) <= 0.0250001
    assert auc_interval(1.0, 9, 500).low == pytest.approx(0.025 ** (1 / 9))


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_f1_lies_in_its_interval(true: int, false: int, missed: int) -> None:
    counts = Counts(true, false, missed, 100)
    low, high = f1_interval(counts)
    if true + false + missed:
        assert 0 <= low <= counts.f1 + 1e-12
        assert counts.f1 - 1e-12 <= high <= 1
        assert low < high
    else:
        assert math.isnan(low)


def test_numbers_that_are_shares_have_the_interval_of_shares() -> None:
    counts = Counts(3, 2, 1, 50)
    assert own_interval("precision", 3 / 5, counts) == pytest.approx([float(end) for end in wilson(3, 5)])
    assert own_interval("recall", 3 / 4, counts) == pytest.approx([float(end) for end in wilson(3, 4)])
    assert own_interval("recall_at_fpr_0.01", 0.5, counts) == pytest.approx([float(end) for end in wilson(2, 4)])
    assert own_interval("average_precision", 0.25, counts) == pytest.approx([float(end) for end in wilson(1, 4)])
    assert own_interval("roc_auc", 0.9, counts) == auc_interval(0.9, 4, 52)
    assert own_interval("f1", counts.f1, counts) == f1_interval(counts)
    assert all(map(math.isnan, own_interval("precision", math.nan, Counts(0, 0, 1, 9))))


def test_a_mean_is_at_least_as_uncertain_as_each_of_its_parts_lets_it_be() -> None:
    still = MeanPart(0.4, Ends(0.1, 0.9), Ends(0.39, 0.41))
    plain = Ends(0.78, 0.82)
    found = mean_interval(0.8, plain, [still], 4)
    assert found.high - 0.8 == pytest.approx(math.sqrt(0.02**2 + (0.5**2 - 0.01**2) / 16))
    assert 0.8 - found.low == pytest.approx(math.sqrt(0.02**2 + (0.3**2 - 0.01**2) / 16))
    assert mean_interval(0.8, plain, [], 4) == pytest.approx(plain)
    known = MeanPart(0.4, Ends(0.35, 0.45), Ends(0.3, 0.5))
    assert mean_interval(0.8, plain, [known], 4) == pytest.approx(plain), "its resamples lack nothing"
    nothing = Ends(math.nan, math.nan)
    assert mean_interval(0.8, nothing, [still._replace(resampled=nothing)], 4).high == pytest.approx(0.8 + 0.5 / 4)


def test_differences_and_the_wider_of_two() -> None:
    first, other = MeanPart(0.5, Ends(0.2, 0.9), Ends(0, 0)), MeanPart(0.7, Ends(0.4, 1.0), Ends(0, 0))
    found = difference_interval(first, other)
    assert found == pytest.approx((0.2 - math.hypot(0.3, 0.4), 0.2 + math.hypot(0.3, 0.3)))
    assert wider(Ends(0.1, 0.3), Ends(0.2, 0.4)) == (0.1, 0.4)
    assert wider(Ends(math.nan, math.nan), Ends(0.2, 0.4)) == (0.2, 0.4)
