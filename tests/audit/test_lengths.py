"""Lengths, truncated shares, and samples that stay uniform."""

import numpy as np
import pytest

from civility.audit.counts import first_positives, length_quantiles, sample_to_measure, truncated_share_by_label

NAN = np.nan


def test_quantiles_are_lengths_of_comments() -> None:
    lengths = np.array([5, 1, 2, 4, 3, 100])
    assert length_quantiles(lengths) == {"minimum": 1, "median": 3, "p90": 100, "p99": 100, "maximum": 100}
    assert length_quantiles(np.zeros(0, dtype=np.int64)) == {}


def test_the_truncated_share_is_of_each_labels_positives() -> None:
    targets = np.array([[1, 0], [1, 1], [0.5, NAN], [0, 1]], dtype=np.float32)
    shares = truncated_share_by_label(targets, np.array([10, 300, 257, 256]) > 256)
    assert [(share.num_measured, share.num_truncated) for share in shares] == [(3, 2), (2, 1)]
    assert shares[0].share == pytest.approx(2 / 3)
    (none,) = truncated_share_by_label(np.zeros((4, 1), dtype=np.float32), np.array([10, 300, 257, 256]) > 256)
    assert none.share is None


def test_few_comments_are_all_measured() -> None:
    assert sorted(sample_to_measure(np.zeros((7, 1), dtype=np.float32), 7, 1, seed=0)) == list(range(7))


def test_a_sample_has_its_size_and_enough_positives_of_a_rare_label() -> None:
    targets = np.zeros((10_000, 2), dtype=np.float32)
    targets[::100, 0] = 1
    rows = sample_to_measure(targets, 500, 60, seed=3)
    assert len(set(rows.tolist())) == len(rows)
    in_sample = int((targets[rows[:500], 0] == 1).sum())
    assert (targets[rows, 0] == 1).sum() == max(60, in_sample)
    assert len(rows) == 500 + max(0, 60 - in_sample)
    assert rows.tolist() == sample_to_measure(targets, 500, 60, seed=3).tolist()
    assert rows.tolist() != sample_to_measure(targets, 500, 60, seed=4).tolist()


def test_a_labels_share_is_not_bent_by_what_was_drawn_for_another() -> None:
    # Rows with the rare label are long, and all have the common one too: drawing them for the sake of the rare
    # label must not make the common one look long.
    targets = np.zeros((20_000, 2), dtype=np.float32)
    targets[:10_000, 0] = 1
    targets[:300, 1] = 1
    lengths = np.where(targets[:, 1] == 1, 500, 10)
    rows = sample_to_measure(targets, 1_000, 300, seed=0)
    kept = first_positives(targets[rows], 300)
    common, rare = truncated_share_by_label(kept, lengths[rows] > 256)
    assert (common.num_measured, rare.share) == (300, 1.0)
    assert (common.share or 1) < 0.08
    bent, _ = truncated_share_by_label(targets[rows], lengths[rows] > 256)
    assert (bent.share or 0) > 0.3, "the control: all positives measured are not a uniform sample"
