"""Ticks and scales that all charts share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civility.render.charts.svg import linear, logarithmic, ticks, with_room
from civility.render.numbers import MINUS

ENDS = st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).map(sorted).filter(lambda ends: ends[1] - ends[0] > 1e-5)


def number(words: str) -> float:
    return float(words.replace(MINUS, "-").replace(",", ""))


@given(ENDS, st.integers(3, 10))
def test_ticks_are_few_inside_the_axis_and_named_as_they_are(ends: list[float], most: int) -> None:
    low, high = ends
    found = ticks(low, high, most)
    tolerance = 1e-8 * (high - low)
    assert 1 <= len(found) <= most
    assert all(low - tolerance <= value <= high + tolerance for value, _ in found)
    assert len({words for _, words in found}) == len(found)
    for value, words in found:
        assert number(words) == pytest.approx(value, abs=tolerance, rel=1e-9)


@pytest.mark.parametrize(("low", "high"), [(-0.0011, 0.0002), (-0.3, 0.9), (-1, 1), (0, 0.0001), (-0.05, 0.051)])
def test_an_axis_of_differences_has_zero_and_another_tick(low: float, high: float) -> None:
    found = ticks(low, high, signed=True)
    assert 2 <= len(found) <= 5
    assert (0.0, "0") in found
    assert all(words.startswith(("+", MINUS)) for value, words in found if value)


def test_ticks_have_the_words_of_an_axis() -> None:
    assert [words for _, words in ticks(0, 1, 3)] == ["0", "0.5", "1.0"]
    assert [words for _, words in ticks(-0.011, 0.002, signed=True)] == [f"{MINUS}0.010", f"{MINUS}0.005", "0"]
    assert [words for _, words in ticks(0, 2_400)] == ["0", "500", "1,000", "1,500", "2,000"]
    assert [words for _, words in ticks(0.8, 2.2, least_step=1)] == ["1", "2"]


def test_an_axis_holds_its_values_with_room() -> None:
    low, high = with_room([2.0, 1.0])
    assert low < 1.0 < 2.0 < high
    low, high = with_room([0.5])
    assert low < 0.5 < high, "a single value has an axis too"
    assert with_room([]) == (0.0, 1.0)


def test_scales_hold_what_is_outside_at_their_ends() -> None:
    scale = linear(0, 10, 100, 200)
    assert [scale(value) for value in (-5, 0, 5, 10, 15)] == [100, 100, 150, 200, 200]
    scale = logarithmic(0.01, 1, 0, 20)
    assert [scale(value) for value in (0, 0.01, 0.1, 1, 2)] == pytest.approx([0, 0, 10, 20, 20])
