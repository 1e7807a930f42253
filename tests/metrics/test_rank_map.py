"""Rank maps: the share of known logits below one; increasing everywhere; a function of one logit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from civility.metrics.ranking import RankMap

LOGITS = hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-50, 50, width=32))


@given(LOGITS)
@settings(max_examples=100)
def test_a_logit_of_the_sample_has_its_middle_rank(logits: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> None:
    found = RankMap.of(logits).apply(logits)
    for logit, rank in zip(logits, found, strict=True):
        below, equal = int((logits < logit).sum()), int((logits == logit).sum())
        assert rank == pytest.approx((below + equal / 2) / len(logits))


def test_a_large_sample_keeps_its_order_and_its_ends() -> None:
    rng = np.random.default_rng(0)
    sample = rng.normal(size=20_000).astype(np.float32)
    one = RankMap.of(sample)
    assert len(one.logits) <= 259
    exact = (np.argsort(np.argsort(sample)) + 0.5) / len(sample)
    np.testing.assert_allclose(one.apply(sample), exact, atol=0.01)
    top = np.sort(sample)[-40:]  # where the comments of a rare label are: 40 of 20,000 keep ranks apart
    assert (np.diff(one.apply(top)) > 0).all()
    assert one.apply(top)[-1] == pytest.approx(exact.max())


def test_beyond_the_sample_logits_keep_their_order() -> None:
    one = RankMap.of(np.array([-1.0, 0.0, 2.0]))
    ranks = one.apply(np.array([-9.0, -3.0, -1.0, 2.0, 4.0, 9.0]))
    assert (np.diff(ranks) > 0).all()
    assert ranks[0] > 0
    assert ranks[-1] < 1
    assert ranks[2] == pytest.approx(1 / 6)
    assert ranks[3] == pytest.approx(5 / 6)


@pytest.mark.parametrize(
    ("logits", "ranks", "message"),
    [
        ([], [], "a rank for each"),
        ([1.0], [0.1, 0.2], "a rank for each"),
        ([1.0, 1.0], [0.1, 0.2], "do not increase"),
        ([1.0, 2.0], [0.2, 0.1], "do not increase"),
        ([1.0, np.nan], [0.1, 0.2], "do not increase"),
        ([1.0, 2.0], [0.0, 0.2], "outside"),
        ([1.0, 2.0], [0.1, 1.0], "outside"),
    ],
)
def test_what_is_no_map_is_refused(logits: list[float], ranks: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RankMap(np.array(logits), np.array(ranks))
