"""Wilson's interval: against values computed by hand, and by what it must hold."""

import math

import pytest

from civility.metrics.intervals import wilson


def test_it_is_the_interval_of_the_formula() -> None:
    # 8 of 10 at 95 %: the worked example of many textbooks.
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson(8, 10, level=0.9) != pytest.approx(wilson(8, 10), abs=1e-3), "the control: another level"


@pytest.mark.parametrize("trials", [1, 7, 10**6])
def test_the_ends_are_exact_and_mirror_each_other(trials: int) -> None:
    low, high = wilson(0, trials)
    assert low == 0.0
    assert 0 < high < 1
    assert wilson(trials, trials) == pytest.approx((1 - high, 1.0))
    assert wilson(trials, trials)[1] == 1.0


def test_without_a_trial_it_is_undefined() -> None:
    assert all(math.isnan(end) for end in wilson(0, 0))
