"""Equal texts: found in any form, with the labels on which they contradict one another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.data.dataset import contradictions, normalised, text_digests


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  You\tFOOL \n", "you fool"),
        ("Straße", "strasse"),
        ("\uff46\uff4f\uff4f\uff4c", "fool"),
        ("a\u00a0b\u2003c", "a b c"),
        ("e\u0301", "\u00e9"),
        (" \n", ""),
    ],
)
def test_normalises(text: str, expected: str) -> None:
    assert normalised(text) == expected


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_digests_are_equal_where_texts_are_and_depend_on_the_key() -> None:
    first = text_digests(["You fool", "hello", "you  fool", "\ud800"])
    assert [bool(one == first[0]) for one in first] == [True, False, True, False]
    assert text_digests(["hello"], b"key")[0] != first[1]


def test_contradictions_are_a_positive_and_a_negative_of_one_text() -> None:
    groups = np.array([0, 0, 1, 1, 2, 2])
    nan = np.nan
    targets = np.array([[1, 0], [0, 0], [1, nan], [nan, 1], [0.5, 1], [0.4, 1]], dtype=np.float32)
    assert contradictions(groups, targets).tolist() == [[True, False], [False, False], [True, False]]
    assert contradictions(np.zeros(0, dtype=np.int64), np.zeros((0, 2), dtype=np.float32)).shape == (0, 2)


def test_a_text_of_endless_combining_marks_is_compared_as_it_is() -> None:
    marks = "\u0301\u0323" * 100_000  # normalising it takes minutes
    assert normalised(f"A{marks}  b") == f"a{marks} b"
    few = "A" + "\u0301\u0323" * 15
    assert normalised(few) != few.casefold(), "the control: up to 30 marks are put in order"
