"""Copies within files and between them."""

import numpy as np

from civility.audit.copies import closest_near_copy, find_copies, find_leaks, near_contradictions

LONG = "one two three four five six seven eight nine ten eleven twelve"
NAN = np.nan


def test_equal_texts_share_a_number_and_later_ones_are_repeats() -> None:
    copies = find_copies(["You fool", "hello", "you  FOOL", "hello", "HELLO "])
    assert copies.text_of_row.tolist() == [0, 1, 0, 1, 1]
    assert copies.first_row.tolist() == [0, 1]
    assert copies.repeats.tolist() == [2, 3, 4]
    assert find_copies(["a", "b"]).repeats.tolist() == [], "the control: none where all differ"
    assert find_copies([]).repeats.tolist() == []


def test_the_closest_near_copy_is_told_for_both() -> None:
    copies = find_copies([LONG, f"{LONG} a", f"{LONG} a b", "other"])
    texts, others, similarity = closest_near_copy(copies)
    assert texts.tolist() == [0, 1, 2]
    assert others.tolist() == [1, 0, 1] or others.tolist() == [1, 2, 1]
    assert (similarity >= 0.8).all()


def test_near_copies_contradict_where_one_is_positive_and_the_other_negative() -> None:
    copies = find_copies([LONG, f"{LONG} a", "other", LONG.upper()])
    targets = np.array([[1, 1, 0], [0, NAN, 0], [0, 0, 0], [1, 1, 1]], dtype=np.float32)
    # The third label contradicts itself in the first text, which is another finding.
    assert near_contradictions(copies, targets).tolist() == [[True, False, False]]


def test_leaks_are_told_for_each_direction_equal_before_near() -> None:
    texts = ["hello", LONG, "only here", "HELLO", f"{LONG} a", "only there", "hello "]
    files = np.array([0, 0, 0, 1, 1, 1, 1])
    there, back = find_leaks(find_copies(texts), files, 3)
    assert (there.file, there.other, back.file, back.other) == (0, 1, 1, 0)
    assert (there.equal.tolist(), there.equal_other.tolist()) == ([0], [3])
    assert (there.near.tolist(), there.near_other.tolist()) == ([1], [4])
    assert (back.equal.tolist(), back.equal_other.tolist()) == ([3, 6], [0, 0])
    assert (back.near.tolist(), back.near_other.tolist()) == ([4], [1])
    assert find_leaks(find_copies(texts), np.zeros(7, dtype=np.int64), 1) == [], "the control: one file leaks nowhere"
