"""Newcombe's interval of a difference of shares: against the published examples, and by what it must hold."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.metrics.intervals import newcombe, wilson

FEW = settings(max_examples=50, deadline=None)
SHARE = st.integers(1, 200).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


# Newcombe 1998, table II, method 10.
@pytest.mark.parametrize(
    ("first", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_the_published_examples(first: tuple[int, int], other: tuple[int, int], low: float, high: float) -> None:
    assert newcombe(*first, *other) == pytest.approx((low, high), abs=5e-5)


@FEW
@given(SHARE, SHARE)
def test_it_holds_the_difference_and_stays_within_minus_one_and_one(
    first: tuple[int, int], other: tuple[int, int]
) -> None:
    low, high = newcombe(*first, *other)
    difference = first[0] / first[1] - other[0] / other[1]
    assert -1 - 1e-12 <= low <= difference <= high <= 1 + 1e-12
    assert low < high


@FEW
@given(SHARE, SHARE)
def test_the_other_way_round_it_is_mirrored(first: tuple[int, int], other: tuple[int, int]) -> None:
    low, high = newcombe(*first, *other)
    assert newcombe(*other, *first) == pytest.approx((-high, -low), abs=1e-12)
    misses = [(trials - successes, trials) for successes, trials in (first, other)]
    assert newcombe(*misses[0], *misses[1]) == pytest.approx((-high, -low), abs=1e-12)


@FEW
@given(SHARE, SHARE)
def test_surer_is_wider(first: tuple[int, int], other: tuple[int, int]) -> None:
    low, high = newcombe(*first, *other)
    widest = newcombe(*first, *other, level=0.99)
    assert widest[0] <= low < high <= widest[1]
    assert widest[1] - widest[0] > high - low


def test_against_a_share_that_is_all_but_known_it_is_wilsons() -> None:
    low, high = wilson(30, 100)
    assert newcombe(30, 100, 5 * 10**11, 10**12) == pytest.approx((float(low) - 0.5, float(high) - 0.5), abs=1e-5)
    assert newcombe(30, 100, 5, 10) != pytest.approx((float(low) - 0.5, float(high) - 0.5), abs=1e-2), "the control"


@pytest.mark.parametrize("counts", [(0, 0, 1, 2), (1, 2, 0, 0), (0, 0, 0, 0)])
def test_without_trials_of_one_it_is_undefined(counts: tuple[int, int, int, int]) -> None:
    assert all(math.isnan(end) for end in newcombe(*counts))
