"""Counts of labels, alone and together."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from civility.audit.counts import co_occurrence, label_counts
from civility.documents.audit_result import LabelCounts

NAN = np.nan


def _numbers(one: LabelCounts) -> tuple[int, int, int, int]:
    return one.num_positive, one.num_negative, one.num_unknown, one.num_soft


def test_counts_positive_negative_unknown_and_soft() -> None:
    targets = np.array([[1, 0.7], [0, 0.2], [NAN, 0.5], [1, NAN]], dtype=np.float32)
    assert [_numbers(one) for one in label_counts(targets)] == [(2, 1, 1, 0), (2, 1, 1, 3)]


def test_no_comments_and_no_labels_have_counts_too() -> None:
    assert [_numbers(one) for one in label_counts(np.zeros((0, 2), dtype=np.float32))] == [(0, 0, 0, 0)] * 2
    assert label_counts(np.zeros((3, 0), dtype=np.float32)) == []
    assert co_occurrence(np.zeros((3, 0), dtype=np.float32)).shape == (0, 0)


TARGETS = arrays(
    np.float32, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.sampled_from([0, 0.25, 0.5, 1, NAN])
)


@settings(max_examples=25)
@given(TARGETS)
def test_co_occurrence_is_symmetric_with_the_positives_on_its_diagonal(targets: np.ndarray) -> None:
    together, counts = co_occurrence(targets), label_counts(targets)
    assert (together == together.T).all()
    assert together.diagonal().tolist() == [one.num_positive for one in counts]
    assert all(one.num_positive + one.num_negative + one.num_unknown == len(targets) for one in counts)


def test_co_occurrence_counts_comments_with_both() -> None:
    targets = np.array([[1, 1, 0], [1, 0, NAN], [1, 0.5, 1]], dtype=np.float32)
    assert co_occurrence(targets).tolist() == [[3, 2, 1], [2, 2, 1], [1, 1, 1]]
